"""Issue rewards in a shop that takes 150 ms for each call, with a real worker of 1, 8 and 64 concurrent calls.

Usage: make bench-issuing     (SECONDS=24 in the environment for how long each takes at the limit)

The start and the end of a run count, too: half a second, of which a short run makes much.

Promises: at least 0.9 of the theoretical limit, concurrency ÷ latency, and never more calls at once than that; two
workers at a shop that bears so many calls a second make at least 0.9 of them, and hardly one call more, which is heeded;
calls that make many codes each make thousands a second. Exits with 1 when one is broken. The last report is kept in
reports/issuing.txt.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bench_import
import bench_points

from loyalty.embedded import home, servers

HERE = Path(__file__).resolve().parent
REPORT = HERE / "reports" / "issuing.txt"
LATENCY = 0.15
SECONDS = float(os.environ.get("SECONDS", "24"))
WIDTHS = [int(word) for word in os.environ.get("WIDTHS", "1 8 64").split()]
LEAST = 0.9
LIMIT = 100  # calls a second that a shop bears
MOST_REFUSED = 0.01  # of the calls: one that was held up on its way comes together with the next
TOGETHER = 100  # codes of one call, as many calls at a time as a usual shop bears
LEAST_TOGETHER = 1_000  # codes a second
ONE_DISCOUNT = 250  # codes that share a discount, and are one call
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> int:
    report = bench_points.Report()
    with servers.serving(home.Home(folder=home.data_folder() / "bench"), durable=True) as addresses:
        os.environ.update(addresses.variables())
        report.say("Issuing: a worker with concurrent calls to a shop that takes 150 ms for each")
        report.say()
        report.say(bench_import.machine())
        report.say(bench_points.server())
        report.say()
        with bench_import.scratch("issuing") as url, bench_points.django_on(url):
            for width in WIDTHS:
                unlimited(url, width, report)
            limited(url, report)
            together(url, report)
            under_one_discount(url, report)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(report.lines) + "\n", encoding="utf-8")
    return 0 if report.kept else 1


def unlimited(url: str, width: int, report: bench_points.Report) -> None:
    limit = width / LATENCY
    with shop(LATENCY) as base_url:
        rate, cpu, told = issue(url, base_url, count=max(round(limit * SECONDS), 10), width=width, together=1)
    report.promise(
        f"{width:2} at a time: {rate:6.1f} codes/s of {limit:6.1f}/s, ratio {rate / limit:.2f} (promise: at least {LEAST}); "
        f"{told['most']} calls at once at most; {cpu * 1000:.2f} ms of the worker's time for each",
        kept=rate / limit >= LEAST and told["most"] <= width,
    )


def limited(url: str, report: bench_points.Report) -> None:
    count = round(LIMIT * SECONDS)
    with shop(LATENCY, LIMIT) as base_url:
        rate, cpu, told = issue(url, base_url, count=count, width=32, together=1, workers=2, calls_per_second=LIMIT)
    report.promise(
        f"two workers at a shop that bears {LIMIT} calls a second: {rate:6.1f} codes/s, {told['refused']} of {count} calls "
        f"refused; {cpu * 1000:.2f} ms of the workers' time for each",
        kept=LEAST <= rate / LIMIT <= 1.01 and told["refused"] <= count * MOST_REFUSED,
    )


def together(url: str, report: bench_points.Report) -> None:
    limit = 8 * TOGETHER / LATENCY
    with shop(LATENCY) as base_url:
        rate, cpu, told = issue(url, base_url, count=round(LEAST_TOGETHER * SECONDS), width=8, together=TOGETHER)
    report.promise(
        f"{TOGETHER} codes a call, 8 calls at a time: {rate:6.1f} codes/s of {limit:6.1f}/s (promise: at least {LEAST_TOGETHER}); "
        f"{told['most']} calls at once at most; {cpu * 1000:.2f} ms of the worker's time for each",
        kept=rate >= LEAST_TOGETHER and told["most"] <= 8,
    )


def under_one_discount(url: str, report: bench_points.Report) -> None:
    """As a campaign whose codes are made in bulk: each batch has a turn, and a discount, of its own."""
    limit, count = 8 * ONE_DISCOUNT / LATENCY, round(LEAST_TOGETHER * SECONDS)
    with shop(LATENCY) as base_url:
        rate, cpu, told = issue(url, base_url, count=count, width=8, together=1, bulk=ONE_DISCOUNT)
    report.promise(
        f"{ONE_DISCOUNT} codes under one discount, 8 calls at a time: {rate:6.1f} codes/s of {limit:6.1f}/s (promise: at least "
        f"{LEAST_TOGETHER}); {told['most']} calls at once at most; {cpu * 1000:.2f} ms of the worker's time for each",
        kept=rate >= LEAST_TOGETHER and told["most"] <= 8,
    )


def issue(
    url: str,
    base_url: str,
    *,
    count: int,
    width: int,
    together: int,
    workers: int = 1,
    calls_per_second: int | None = None,
    bulk: int = 0,
) -> tuple[float, float, Any]:
    """Grant so many rewards and let workers issue them: codes a second, their seconds for each, what the shop says."""
    from loyalty.common import queue

    connection_id = granted(base_url, count=count, calls_per_second=calls_per_second, bulk=bulk)
    with ExitStack() as stack:
        pids = [
            stack.enter_context(worker(url, width=width, together=together, workers=workers)) for _ in range(workers)
        ]
        for _ in pids:
            queue.enqueue("rewards.issue_waiting", connection_id=connection_id)
        wait_for(connection_id)
        cpu = sum(map(cpu_seconds, pids))
    began, ended, issued = span(connection_id)
    with urllib.request.urlopen(f"{base_url}/told") as answer:
        told = json.load(answer)
    if issued != count or told["made"] != count:
        raise SystemExit(f"{issued} of {count} rewards were issued, and the shop made {told['made']} codes.")
    return count / (ended - began), cpu / count, told


def granted(base_url: str, *, count: int, calls_per_second: int | None, bulk: int = 0) -> int:
    """So many customers with a granted reward each, in a shop of its own; nobody was told yet.

    One is granted, and the others are copies of it. So many of them in `bulk` share a discount; 0: each has its own.
    """
    from django.utils import timezone

    from loyalty.common import codes, queue
    from loyalty.common.actors import SYSTEM
    from loyalty.customers.models import Customer
    from platforms import credentials
    from platforms.models import Platform, StoreConnection
    from rewards import granting
    from rewards.models import IssueWork, RedeemedReward, Reward, RewardCode, RewardText, RewardType

    now = timezone.now()
    shop_row = StoreConnection.objects.create(
        name=base_url,
        platform=Platform.SANDBOX,
        base_url=base_url,
        credentials=credentials.seal({"token": "bench"}),
        calls_per_second=calls_per_second,
    )
    reward = Reward.objects.create(
        name="$5 off", type=RewardType.DISCOUNT_CODE, amount=5, currency="USD", enabled=True, connection=shop_row
    )
    RewardText.objects.create(reward=reward, language="en", name="$5 off")
    customers = Customer.objects.bulk_create(Customer(email=f"c{n}@{shop_row.pk}.example.com") for n in range(count))
    told, queue.enqueue = queue.enqueue, lambda *_, **__: None
    one = granting.grant(customer_id=customers[0].pk, reward_id=reward.pk, actor=SYSTEM, now=now)
    queue.enqueue = told
    texts = sorted(codes.generate_many(count=count - 1, prefix=reward.prefix, money=False))
    own = RewardCode.objects.bulk_create(
        RewardCode(
            connection=shop_row,
            code=text,
            canonical=codes.canonical(text),
            created_at=now,
            bulk_reference=f"cb-{shop_row.pk}-{1 + number // bulk}" if bulk else "",
        )
        for number, text in enumerate(texts)
    )
    columns = RedeemedReward._meta.concrete_fields  # noqa: SLF001 (the documented way to a model's columns)
    names = [column.attname for column in columns if not (column.primary_key or column.generated)]
    same = {name: getattr(one, name) for name in names}
    rows = (
        RedeemedReward(**same | {"customer_id": customer.pk, "code_id": code.pk})
        for customer, code in zip(customers[1:], own, strict=True)
    )
    made = RedeemedReward.objects.bulk_create(rows, batch_size=1_000)
    IssueWork.objects.bulk_create(
        (
            IssueWork(redeemed_reward=row, connection=shop_row, due_at=now, turn=1 + number // bulk if bulk else 0)
            for number, row in enumerate(made)
        ),
        batch_size=1_000,
    )
    return int(shop_row.pk)


@contextmanager
def shop(*words: float) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, HERE / "shop_stub.py", *map(str, words)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"  # type: ignore[union-attr]
    finally:
        process.terminate()
        process.wait()


@contextmanager
def worker(url: str, *, width: int, together: int, workers: int) -> Iterator[int]:
    """One Celery worker with one process, ready to work."""
    environment = bench_import.environment(url) | {
        "ISSUE_CALLS_AT_ONCE": str(width),
        "ISSUE_CODES_A_CALL": str(together),
        "ISSUE_WORKERS_PER_SHOP": str(workers),
    }
    words = ("worker", "-c", "1", "-l", "WARNING", "--without-gossip", "--without-mingle")
    process = subprocess.Popen([sys.executable, "-m", "celery", "-A", "loyalty", *words], env=environment)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def wait_for(connection_id: int) -> None:
    from rewards.models import IssueWork

    ends_at = time.monotonic() + 10 * SECONDS + 60
    while IssueWork.objects.filter(connection_id=connection_id).exists():
        if time.monotonic() > ends_at:
            raise SystemExit("The worker did not issue all the rewards in time.")
        time.sleep(0.25)


def span(connection_id: int) -> tuple[float, float, int]:
    """When the first call began, when the last reward was issued, and how many were."""
    from django.db.models import Count, Max, Min

    from rewards.models import RedeemedReward

    found = RedeemedReward.objects.filter(connection_id=connection_id, fulfillment_status="issued").aggregate(
        began=Min("issue_attempts__started_at"), ended=Max("issued_at"), count=Count("pk", distinct=True)
    )
    if found["began"] is None:
        raise SystemExit("Not one reward was issued.")
    return found["began"].timestamp(), found["ended"].timestamp(), found["count"]


def cpu_seconds(pid: int) -> float:
    """What the children of a process have computed; it does nothing itself."""
    spent = 0.0
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        fields = Path(f"/proc/{child}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        spent += (int(fields[11]) + int(fields[12])) / TICKS
    return spent


if __name__ == "__main__":
    sys.exit(main())
