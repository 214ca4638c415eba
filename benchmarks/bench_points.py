"""Debits, expiry, audit and reading of points, each beside the same rows written by plain SQL in the same run.

Usage: make bench-points [ROWS=1000000] [SECONDS=3] [ROUNDS=3]

Promises: a debit at least 0.5 of one SQL function that writes the same rows under pgbench, on distinct customers and
with a piece of one limited reward, at least 0.25 on one hot customer; expiry of ROWS lots at least 0.7 of one
set-based statement; the ledger proved after all of it. Exits with 1 when one is broken. Runs on a durable PostgreSQL
of its own, or the one that DATABASE_URL names, in scratch databases. The last report is kept in reports/points.txt.
"""

import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bench_import

from loyalty.embedded import binaries, home, servers

HERE = Path(__file__).resolve().parent
REPORT = HERE / "reports" / "points.txt"
ROWS = int(os.environ.get("ROWS", "1000000"))
SECONDS = int(os.environ.get("SECONDS", "3"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
CLIENTS = (1, 4, 16)
THREADS = 4  # of a process, as the image runs them
DISTINCT = 20_000  # customers
POINTS = 150  # a reward's price; lots hold 500, so that it takes 1.3 lots on average
LOT = 500
LOTS_OF_HOT = 6_000
LOTS_OF_READ = 10_000
DUE_LOTS_EACH = 4
LEAST = 0.5
LEAST_HOT = 0.25
LEAST_EXPIRY = 0.7


@dataclass(slots=True)
class Report:
    lines: list[str] = field(default_factory=list)
    kept: bool = True

    def say(self, line: str = "") -> None:
        print(line, flush=True)
        self.lines.append(line)

    def promise(self, line: str, *, kept: bool) -> None:
        self.kept &= kept
        self.say(f"{'kept  ' if kept else 'BROKEN'}  {line}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One thing to do over and over: in the domain, and as SQL for pgbench. `hot`: all on one customer."""

    name: str
    sql: str
    act: str
    least: float
    hot: bool = False


PATHS = (
    Measured(
        name="debit, distinct customers",
        sql="SELECT bench_debit(:c, {points}, 'bench:' || :k);",
        act="debit",
        least=LEAST,
    ),
    Measured(
        name="debit and a piece of one limited reward",
        sql="SELECT bench_debit(:c, {points}, 'bench:' || :k, {reward});",
        act="debit_limited",
        least=LEAST,
    ),
    Measured(
        name="hold and capture, distinct customers",
        sql="SELECT bench_hold_and_capture(:c, {points}, :k);",
        act="hold_and_capture",
        least=LEAST,
    ),
    Measured(
        name="debit, one hot customer",
        sql="SELECT bench_debit(:c, {points}, 'bench:' || :k);",
        act="debit",
        least=LEAST_HOT,
        hot=True,
    ),
)


def main() -> int:
    report = Report()
    pgbench = binaries.find_postgres().path / "pgbench"
    if not pgbench.exists():
        raise SystemExit(f"pgbench was not found in {pgbench.parent}. Install PostgreSQL's client programs.")
    with servers.serving(home.Home(folder=home.data_folder() / "bench"), durable=True) as addresses:
        os.environ.update(addresses.variables())
        report.say("Points: the domain beside plain SQL")
        report.say()
        report.say(bench_import.machine())
        report.say(server())
        with bench_import.scratch("points") as url, django_on(url):
            debits(url, pgbench, report)
        with bench_import.scratch("expiry") as url, django_on(url):
            expiry(url, report)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(report.lines) + "\n", encoding="utf-8")
    return 0 if report.kept else 1


def server() -> str:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        names = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
        told = [f"{name} {connection.execute(f'SHOW {name}').fetchone()[0]}" for name in names]  # type: ignore[index]
    return f"PostgreSQL over TCP: {', '.join(told)}"


@contextmanager
def django_on(url: str) -> Iterator[None]:
    """Set Django up on a scratch database, which gets the functions of this bench; closed at the end."""
    import django
    from django.db import connection

    os.environ |= bench_import.environment(url) | {"DJANGO_SETTINGS_MODULE": "loyalty.settings"}
    django.setup()
    connection.close()
    connection.settings_dict["NAME"] = urlsplit(url).path[1:]
    with connection.cursor() as cursor:
        for file in ("points_seed.sql", "points_functions.sql"):
            cursor.execute((HERE / file).read_text(encoding="utf-8"))
    try:
        yield
    finally:
        connection.close()


def debits(url: str, pgbench: Path, report: Report) -> None:
    first = seed(DISTINCT, lots=24, end=datetime.now(UTC) + timedelta(days=30))
    reward = limited_reward()
    report.say(
        f"rows before: {DISTINCT:,} customers with {24 * DISTINCT:,} open lots; {SECONDS} s a run, {ROUNDS} runs"
    )
    report.say()
    for path in PATHS:
        for clients in CLIENTS:
            ours, theirs = [], []
            for _ in range(ROUNDS):
                for side in (theirs, ours):
                    low, high = first, first + DISTINCT - 1
                    if path.hot:
                        low = high = seed(1, lots=LOTS_OF_HOT, end=datetime.now(UTC) + timedelta(days=30))
                    settle_down(url)
                    if side is theirs:
                        script = path.sql.format(points=POINTS, reward=reward)
                        side.append(by_pgbench(url, pgbench, script, clients=clients, low=low, high=high))
                    else:
                        side.append(by_domain(path.act, clients=clients, low=low, high=high, reward=reward))
            ratio = statistics.median(mine / its for mine, its in zip(ours, theirs, strict=True))
            report.promise(
                f"{path.name}, {clients} client{'s' * (clients > 1)}: {statistics.median(ours):,.0f}/s beside "
                f"{statistics.median(theirs):,.0f}/s, ratio {ratio:.2f} (promise: at least {path.least})",
                kept=ratio >= path.least,
            )
    proved(url, report)
    read_many_lots(report)


def settle_down(url: str) -> None:
    """The same start for both sides: no debt of writing left from the run before."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")


def seed(customers: int, *, lots: int, end: datetime, apart: str = "1 day") -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT bench_customers(%s, %s, %s, %s, %s::interval)", [customers, lots, LOT, end, apart])
        first = int(cursor.fetchone()[0])
        cursor.execute("VACUUM (ANALYZE) points_pointsaccount, points_pointslot, points_pointstransaction")
    return first


def limited_reward() -> int:
    from django.utils import timezone

    from rewards import limits
    from rewards.models import Reward, RewardType

    reward = Reward.objects.create(name="A mug", type=RewardType.GIFT, tax_value=1, enabled=True)
    limits.set_total(reward_id=reward.pk, limit=10**9, now=timezone.now())
    return int(reward.pk)


def by_pgbench(url: str, pgbench: Path, script: str, *, clients: int, low: int, high: int) -> float:
    """Transactions a second of the SQL function, called by prepared statements."""
    draw = rf"\set c random({low}, {high})" + "\n" + r"\set k random(1, 9000000000000000000)" + "\n"
    told = subprocess.run(
        [
            pgbench,
            *("-n", "-M", "prepared"),
            *("-T", str(SECONDS)),
            *("-c", str(clients), "-j", str(min(clients, 2))),
            *("-f", "/dev/stdin"),
            url,
        ],
        input=draw + script,
        capture_output=True,
        text=True,
        check=False,
    )
    tps = [line.split()[2] for line in told.stdout.splitlines() if line.startswith("tps")]
    if told.returncode or not tps:
        raise SystemExit(f"pgbench failed: {told.stderr[-2000:]}")
    return float(tps[0])


def by_domain(act: str, *, clients: int, low: int, high: int, reward: int) -> float:
    """Calls a second of the domain, by processes of a few threads each, as a web server runs them."""
    from django.db import connection

    connection.close()
    processes = multiprocessing.get_context("fork")
    start, counts = processes.Barrier(clients), processes.SimpleQueue()
    workers = [
        processes.Process(
            target=serve,
            kwargs={
                "threads": min(THREADS, clients - taken),
                "client": {"act": act, "low": low, "high": high, "reward": reward, "start": start, "counts": counts},
            },
            daemon=True,
        )
        for taken in range(0, clients, THREADS)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("A client of the domain failed.")
    return sum(counts.get() for _ in range(clients))


def serve(*, threads: int, client: dict[str, Any]) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for running in [pool.submit(work, **client) for _ in range(threads)]:
            running.result()


def work(*, act: str, low: int, high: int, reward: int, start: Any, counts: Any) -> None:
    once = ACTS[act]()
    dice = random.Random(threading.get_ident() ^ time.monotonic_ns())
    for _ in range(40):  # until every statement is prepared and planned, and the process has its own memory
        once(dice.randint(low, high), dice.randrange(1, 2**63), reward)
    start.wait()
    began = time.monotonic()
    done = 0
    while (lasted := time.monotonic() - began) < SECONDS:
        once(dice.randint(low, high), dice.randrange(1, 2**63), reward)
        done += 1
    counts.put(done / lasted)


Act = Callable[[int, int, int], None]


def debit() -> Act:
    from django.utils import timezone

    from loyalty.common.actors import SYSTEM
    from loyalty.common.causes import Cause, CauseType
    from loyalty.points import ledger
    from loyalty.points.models import TransactionKind

    def once(customer_id: int, key: int, _reward: int) -> None:
        ledger.debit(
            customer_id=customer_id,
            points=POINTS,
            kind=TransactionKind.REDEMPTION,
            cause=Cause(CauseType.API, 1),
            actor=SYSTEM,
            now=timezone.now(),
            idempotency_key=f"bench:{key}",
        )

    return once


def debit_limited() -> Act:
    from django.db import transaction

    from rewards import limits
    from rewards.models import Reward

    take_points = debit()
    rewards: dict[int, Reward] = {}

    def once(customer_id: int, key: int, reward: int) -> None:
        if reward not in rewards:
            rewards[reward] = Reward.objects.get(pk=reward)
        with transaction.atomic():
            take_points(customer_id, key, reward)
            limits.take_piece(reward=rewards[reward])

    return once


def hold_and_capture() -> Act:
    """As the redemption of a reward that needs no shop: both in one transaction."""
    from django.db import transaction
    from django.utils import timezone

    from loyalty.common.actors import SYSTEM
    from loyalty.common.causes import Cause, CauseType
    from loyalty.points import ledger
    from loyalty.points.models import TransactionKind

    def once(customer_id: int, key: int, _reward: int) -> None:
        now = timezone.now()
        with transaction.atomic():
            held = ledger.hold(
                customer_id=customer_id,
                points=POINTS,
                cause=Cause(CauseType.REDEEMED_REWARD, key),
                actor=SYSTEM,
                now=now,
            )
            ledger.capture(hold_id=held.pk, kind=TransactionKind.REDEMPTION, actor=SYSTEM, now=now)

    return once


ACTS: dict[str, Callable[[], Act]] = {
    "debit": debit,
    "debit_limited": debit_limited,
    "hold_and_capture": hold_and_capture,
}


def read_many_lots(report: Report) -> None:
    from django.utils import timezone

    from loyalty.points import queries

    customer = seed(1, lots=LOTS_OF_READ, end=datetime.now(UTC) + timedelta(days=1))
    took = []
    for _ in range(50):
        began = time.monotonic()
        found = queries.balance(customer_id=customer, now=timezone.now())
        took.append(time.monotonic() - began)
    if (found.balance, found.next_expiry_points) != (LOTS_OF_READ * LOT, LOT):
        raise SystemExit(f"The balance read is wrong: {found}")
    report.say(
        f"balance and next expiry of a customer with {LOTS_OF_READ:,} lots: {statistics.median(took) * 1000:.1f} ms "
        f"in the median of {len(took)}, {max(took) * 1000:.1f} ms at most"
    )
    report.say()


def expiry(url: str, report: Report) -> None:
    """ROWS due lots for the sweep and as many for the one statement, in halves: first, second, second, first.

    Each turn starts where the one before left its rows, so that the tables grow under both alike.
    """
    from django.db import connection

    from loyalty.points import expiry as sweep

    customers = ROWS // DUE_LOTS_EACH // 2
    now = datetime.now(UTC)
    ended = now - timedelta(hours=1 + 25 * (DUE_LOTS_EACH - 1))
    due, took, spans = {"statement": 0, "sweep": 0}, {"statement": 0.0, "sweep": 0.0}, [0.0]
    for side in ("statement", "sweep", "sweep", "statement"):
        seed(customers, lots=DUE_LOTS_EACH + 1, end=ended, apart="25 hours")
        settle_down(url)
        with connection.cursor() as cursor:
            due[side] += due_lots(cursor, now)
            began = time.monotonic()
            if side == "statement":
                cursor.execute("SELECT bench_expire(%s)", [now])
            else:
                swept = 1
                while swept:
                    batch = time.monotonic()
                    swept = sweep.settle_due(now=now, limit=sweep.ACCOUNTS_AT_ONCE)
                    spans.append(time.monotonic() - batch)
            took[side] += time.monotonic() - began
            if due_lots(cursor, now):
                raise SystemExit(f"The {side} left lots that are due.")
    rates = {side: due[side] / took[side] for side in due}
    ratio = rates["sweep"] / rates["statement"]
    report.say(f"rows before each of four turns: {customers:,} customers with due lots, one lot in five lives on")
    report.promise(
        f"expiry of {due['sweep']:,} lots: {rates['sweep']:,.0f}/s in transactions of {sweep.ACCOUNTS_AT_ONCE:,} "
        f"accounts (the longest {max(spans) * 1000:.0f} ms) beside {rates['statement']:,.0f}/s by one statement for "
        f"each half of {due['statement']:,}, ratio {ratio:.2f} (promise: at least {LEAST_EXPIRY})",
        kept=ratio >= LEAST_EXPIRY,
    )
    proved(url, report)


def due_lots(cursor: Any, now: datetime) -> int:
    cursor.execute("SELECT COUNT(*) FROM points_pointslot WHERE open AND expires_at <= %s", [now])
    return int(cursor.fetchone()[0])


def proved(url: str, report: Report) -> None:
    began = time.monotonic()
    audit = bench_import.managed(url, "audit_ledger")
    report.promise(
        f"audit in {time.monotonic() - began:.1f} s: {(audit.said.strip().splitlines() or ['nothing said'])[-1]}",
        kept=audit.code == 0,
    )


if __name__ == "__main__":
    sys.exit(main())
