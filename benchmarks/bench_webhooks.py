"""Webhooks at their server as production runs it, beside plain inserts, in a burst, and through a power cut.

Usage: make bench-webhooks [DELIVERIES=2000] [CONNECTIONS="12 32 64"] [ROUNDS=3] [BURST=2000] [DRAIN_SECONDS=300]

Promises: at each of these numbers of connections (a single one shares its commit with nobody), deliveries per second are at least 0.5 of one plain insert per commit from as many
connections, in the same run and in turns; a burst while workers and broker are gone is answered with 2xx, each within five
seconds, and takes effect once when it is worked off; after a SIGKILL in the middle every acknowledged delivery is stored.
Exits with 1 when one is broken. The last report is kept in reports/webhooks.txt.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bench_import
import bench_points
import psycopg
import scratch

from loyalty.embedded import home, servers
from tests.fakes import deliveries
from tests.journeys.web import Web, running_web

REPORT = Path(__file__).resolve().parent / "reports" / "webhooks.txt"
DELIVERIES = int(os.environ.get("DELIVERIES", "2000"))
CONNECTIONS = [int(word) for word in os.environ.get("CONNECTIONS", "12 32 64").split()]
ROUNDS = int(os.environ.get("ROUNDS", "3"))
BURST = int(os.environ.get("BURST", "2000"))
BURST_CONNECTIONS = CONNECTIONS[-1]
DRAIN_SECONDS = float(os.environ.get("DRAIN_SECONDS", "300"))
LEAST = 0.5
LIMIT_SECONDS = 5.0  # Shopify's, the strictest
NOWHERE = "redis://127.0.0.1:9/0"

INSERT = """
INSERT INTO hooks_inboundwebhook (
    connection_id, event_id, topic, subject_id, body, headers, state, received_at, due_at, attempts, attempts_before, result
) VALUES (%s, %s, 'order.updated', '1', %s, '{}', 'received', now(), now(), 0, 0, '')
"""


def main() -> int:
    report = bench_points.Report()
    with servers.serving(home.Home(folder=home.data_folder() / "bench"), durable=True) as addresses:
        os.environ.update(addresses.variables())
        report.say("Webhooks in, at the server for them as production runs it")
        report.say()
        report.say(bench_import.machine())
        report.say(bench_points.server())
        with (
            bench_import.scratch("webhooks") as url,
            bench_points.django_on(url),
            tempfile.TemporaryDirectory() as folder,
        ):
            measure(url, Path(folder), report)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(report.lines) + "\n", encoding="utf-8")
    return 0 if report.kept else 1


def measure(url: str, folder: Path, report: bench_points.Report) -> None:
    from django.conf import settings

    pk, key = shop()
    environment = scratch.environment(url) | {"CREDENTIALS_KEYS": ",".join(settings.CREDENTIALS_KEYS)}
    with running_web(folder, environment, service="hooks") as web:
        beside_inserts(f"{web.url}/hooks/{key}/", url, pk, report)
    gone = environment | {"REDIS_URL": NOWHERE, "CELERY_BROKER_URL": NOWHERE}
    with running_web(folder, gone, service="hooks") as web:
        burst(f"{web.url}/hooks/{key}/", url, report)
    with running_web(folder, environment, service="hooks") as web:
        power_cut(web, key, url, report)


def shop() -> tuple[int, str]:
    """A shop that signs what it says: its id, and the key of its address."""
    from platforms import credentials
    from platforms.models import StoreConnection

    sealed = credentials.seal({"token": "t", "webhook_secret": deliveries.SECRET})
    made = StoreConnection.objects.create(
        name="Shop", platform="sandbox", base_url="http://127.0.0.1:9", credentials=sealed
    )
    return made.pk, str(made.webhook_key)


def beside_inserts(address: str, url: str, pk: int, report: bench_points.Report) -> None:
    """The two in turns, so that whatever else the machine does falls on both."""
    report.say(f"{DELIVERIES:,} deliveries a round, {ROUNDS} rounds; medians")
    report.say()
    deliveries.send(address, named("warm", 200), connections=CONNECTIONS[0])
    for connections in CONNECTIONS:
        plain, answered, slow, lost = [], [], [], 0
        for turn in range(ROUNDS):
            plain.append(inserts(url, pk, named(f"plain-{connections}-{turn}", DELIVERIES), connections=connections))
            load = deliveries.send(address, named(f"web-{connections}-{turn}", DELIVERIES), connections=connections)
            lost += DELIVERIES - len(load.acknowledged())
            answered.append(DELIVERIES / load.seconds)
            slow.append(sorted(answer.seconds for answer in load.answers)[int(DELIVERIES * 0.99)])
        rate, baseline = statistics.median(answered), statistics.median(plain)
        report.promise(
            f"{connections} connections: {rate:,.0f} deliveries/s acknowledged beside {baseline:,.0f}/s plain inserts, ratio "
            f"{rate / baseline:.2f} (promise: at least {LEAST}); 99 of 100 within {statistics.median(slow) * 1000:.0f} ms; {lost} not acknowledged",
            kept=not lost and rate / baseline >= LEAST,
        )


def named(prefix: str, count: int) -> list[tuple[str, int]]:
    return [(f"{prefix}-{number}", number) for number in range(count)]


def inserts(url: str, pk: int, events: Sequence[tuple[str, int]], *, connections: int) -> float:
    """One plain insert per commit of the same bodies into the same table, by the same driver; gives them per second."""
    # The iterator of a list gives each of its items to one thread.
    left = iter([(event, deliveries.body_of(event, order=order)) for event, order in events])

    def run() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            ready.wait()
            for event, body in left:
                connection.execute(INSERT, [pk, event, body], prepare=True)

    ready = threading.Barrier(connections + 1)
    threads = [threading.Thread(target=run) for _ in range(connections)]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    return len(events) / (time.monotonic() - began)


def burst(address: str, url: str, report: bench_points.Report) -> None:
    """Everything at once, each tenth one twice, with nobody to work it off and no broker."""
    from django.utils import timezone

    from loyalty.hooks import processing

    emptied(url)
    events = [*named("burst", BURST), *named("burst", BURST // 10)]
    load = deliveries.send(address, events, connections=BURST_CONNECTIONS)
    slowest = max(answer.seconds for answer in load.answers)
    refused = sum(not 200 <= answer.status < 300 for answer in load.answers)
    report.promise(
        f"a burst of {len(events):,} from {BURST_CONNECTIONS} connections without workers and broker: {refused} not answered "
        f"with 2xx, the slowest after {slowest:.1f} s (promise: none, {LIMIT_SECONDS:.0f} s), {kept(url)} kept of {BURST}",
        kept=refused == 0 and slowest < LIMIT_SECONDS and kept(url) == BURST,
    )
    began, done = time.monotonic(), 0
    while (took := time.monotonic() - began) < DRAIN_SECONDS and (turn := processing.drain(now=timezone.now())):
        done += turn
    orders, earned = counts(url)
    waits = f"; {BURST - done} still waited after {DRAIN_SECONDS:.0f} s" if done < BURST else ""
    report.promise(
        f"worked off by one worker at {done / took:,.0f}/s: {done} webhooks, {orders} orders, {earned} of them earned{waits}",
        kept=done > 0 and (orders, earned) == (done, done),
    )


def power_cut(web: Web, key: str, url: str, report: bench_points.Report) -> None:
    emptied(url)

    def cut(answered: int) -> None:
        if answered == DELIVERIES // 3:
            web.kill()

    load = deliveries.send(
        f"{web.url}/hooks/{key}/", named("cut", DELIVERIES), connections=CONNECTIONS[0], answered=cut
    )
    acknowledged = load.acknowledged()
    with psycopg.connect(url) as connection:
        stored = {row[0] for row in connection.execute("SELECT event_id FROM hooks_inboundwebhook")}
    report.promise(
        f"killed in the middle: {len(acknowledged):,} were acknowledged, {len(acknowledged - stored)} of them are not stored; "
        f"{len(stored - acknowledged)} are stored whose answer was lost",
        kept=bool(acknowledged) and acknowledged <= stored,
    )


def emptied(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE hooks_inboundwebhook CASCADE")


def kept(url: str) -> int:
    with psycopg.connect(url) as connection:
        return int(connection.execute("SELECT count(*) FROM hooks_inboundwebhook").fetchone()[0])  # type: ignore[index]


def counts(url: str) -> tuple[int, int]:
    """Orders, and how many of them earned points."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM program_order), "
            "(SELECT count(*) FROM points_pointstransaction WHERE kind = 'earning' AND cause_type = 'order')"
        ).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)


if __name__ == "__main__":
    raise SystemExit(main())
