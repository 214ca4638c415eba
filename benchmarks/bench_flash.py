"""A flash sale: many customers after few pieces of one reward, beside the same redeems of a reward without a limit.

Usage: make bench-flash [PIECES=5000] [CONNECTIONS=64]

Twice as many customers as there are pieces come at once. Promises: exactly the pieces are sold, everybody else is told
that the reward is sold out and keeps the points, the ledger is proved, and at least 0.8 of the sales per second of the
reward without a limit. Exits with 1 when one is broken. The last report is kept in reports/flash.txt.
"""

import multiprocessing
import os
import statistics
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bench_import
import bench_points

from loyalty.embedded import home, servers

REPORT = Path(__file__).resolve().parent / "reports" / "flash.txt"
PIECES = int(os.environ.get("PIECES", "5000"))
CONNECTIONS = int(os.environ.get("CONNECTIONS", "64"))
PROCESSES = 8
PRICE = 150
LEAST = 0.8
SOLD, SOLD_OUT = "sold", "reward_sold_out"

Told = tuple[float, float, str]  # when it was over, how long it took, what became of it


def main() -> int:
    report = bench_points.Report()
    with servers.serving(home.Home(folder=home.data_folder() / "bench"), durable=True) as addresses:
        os.environ.update(addresses.variables())
        report.say("A flash sale: a limited reward beside one without a limit")
        report.say()
        report.say(bench_import.machine())
        report.say(bench_points.server())
        with bench_import.scratch("flash") as url, bench_points.django_on(url):
            sale(url, report)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(report.lines) + "\n", encoding="utf-8")
    return 0 if report.kept else 1


def sale(url: str, report: bench_points.Report) -> None:
    first = bench_points.seed(2 * PIECES, lots=4, end=datetime.now(UTC) + timedelta(days=30))
    everybody = list(range(first, first + 2 * PIECES))
    half = everybody[:PIECES]
    report.say(f"{len(everybody):,} customers after {PIECES:,} pieces from {CONNECTIONS} connections")
    report.say()
    unlimited = [rush(half, product=offer(pieces=None))]
    limited = rush(everybody, product=(product := offer(pieces=PIECES)))
    unlimited.append(rush(half, product=offer(pieces=None)))

    outcomes = Counter(outcome for *_, outcome in limited)
    report.promise(
        f"sold {outcomes[SOLD]:,} of {PIECES:,} pieces, {outcomes[SOLD_OUT]:,} customers were told it is sold out, "
        f"{len(limited) - outcomes[SOLD] - outcomes[SOLD_OUT]} anything else; {left(product)} pieces left",
        kept=outcomes == {SOLD: PIECES, SOLD_OUT: PIECES} and left(product) == 0,
    )
    rate, baseline = sales_a_second(limited), statistics.mean(sales_a_second(run) for run in unlimited)
    report.promise(
        f"{rate:,.0f} sales/s beside {baseline:,.0f}/s without a limit, ratio {rate / baseline:.2f} "
        f"(promise: at least {LEAST})",
        kept=rate / baseline >= LEAST,
    )
    end = max(over for over, _, outcome in limited if outcome == SOLD)
    refused = sorted(took for over, took, outcome in limited if outcome == SOLD_OUT and over > end)
    if refused:
        report.say(
            f"told that it is sold out, once it was: {statistics.median(refused) * 1000:.0f} ms in the median, "
            f"{refused[int(len(refused) * 0.99)] * 1000:.0f} ms for 99 of 100"
        )
    bench_points.proved(url, report)


def offer(*, pieces: int | None) -> int:
    """A reward that no shop makes, for sale; gives the id of its price."""
    from django.utils import timezone

    from rewards import limits
    from rewards.models import PointsProduct, Reward, RewardText, RewardType

    reward = Reward.objects.create(name="A mug", type=RewardType.GIFT, tax_value=1, enabled=True)
    RewardText.objects.create(reward=reward, language="en", name="A mug")
    if pieces is not None:
        limits.set_total(reward_id=reward.pk, limit=pieces, now=timezone.now())
    return PointsProduct.objects.create(reward=reward, points_price=PRICE).pk


def left(product: int) -> int:
    from django.db.models import Sum

    from rewards.models import RewardStock

    return RewardStock.objects.filter(reward__points_product=product).aggregate(left=Sum("left"))["left"]


def sales_a_second(told: list[Told]) -> float:
    """From the first knock until the last piece was sold."""
    sales = [over for over, _, outcome in told if outcome == SOLD]
    began = min(over - took for over, took, _ in told)
    return len(sales) / (max(sales) - began)


def rush(customers: list[int], *, product: int) -> list[Told]:
    """All at once, each connection with a customer at a time; what everybody was told."""
    from django.db import connection

    connection.close()
    processes = multiprocessing.get_context("fork")
    start, told = processes.Barrier(CONNECTIONS), processes.SimpleQueue()
    shares = [customers[place::PROCESSES] for place in range(PROCESSES)]
    workers = [processes.Process(target=doors, args=(share, product, start, told), daemon=True) for share in shares]
    for worker in workers:
        worker.start()
    answers = [answer for _ in workers for answer in told.get()]
    for worker in workers:
        worker.join()
    return answers


def doors(customers: list[int], product: int, start: Any, told: Any) -> None:
    each = CONNECTIONS // PROCESSES
    answers: list[Told] = []
    threads = [
        threading.Thread(target=door, args=(customers[place::each], product, start, answers)) for place in range(each)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.put(answers)


def door(customers: list[int], product: int, start: Any, answers: list[Told]) -> None:
    from django.db import connection
    from django.utils import timezone

    from loyalty.common.actors import SYSTEM
    from loyalty.common.errors import DomainError
    from rewards import redemption

    connection.ensure_connection()
    start.wait()
    for customer_id in customers:
        began, outcome = time.monotonic(), SOLD
        try:
            redemption.redeem(
                customer_id=customer_id, points_product_id=product, actor=SYSTEM, now=timezone.now(), deadline=60
            )
        except DomainError as refusal:
            outcome = refusal.code
        except Exception as error:  # noqa: BLE001 (told in the report)
            outcome = type(error).__name__
        over = time.monotonic()
        answers.append((over, over - began, outcome))
    connection.close()


if __name__ == "__main__":
    sys.exit(main())
