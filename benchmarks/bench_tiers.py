"""Judge 100,000 customers by their tiers, day after day, beside the plain SQL that adds up the same.

Usage: make bench-tiers     (CUSTOMERS=20000 in the environment for fewer)

The days: everybody enters a tier; a night after which nobody moves; a night after which one in ten rises and is given
points. The baseline adds up what everybody earned and writes it down, in one statement of the same run.
Promises: a night without moves takes at most 60 s for each 100,000 customers, and at most 12 times the baseline; it takes
no more than 1.2 times the memory for all that it takes for a tenth; everybody stands where they are to, and whoever rose
has the points, once; what staff see before they save a change is what comes of it. Exits with 1 when one is broken. The
last report is kept in reports/tiers.txt.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
from scratch import alone, django_here, machine, scratch

REPORT = Path(__file__).resolve().parent / "reports" / "tiers.txt"
MOST_SECONDS = 60.0  # for 100,000 customers
MOST_RATIO = 12.0
MOST_GROWTH = 1.2
FIRST_DAY = datetime(2026, 3, 10, 12, tzinfo=UTC)
EARNINGS = 5
MOST_MISSED = 0.05  # of what came, where only some were judged for the preview
RISERS = 10  # one customer in so many

# Of CUSTOMERS each earned five times what is left of the number by 250: 0 to 1,245 points.
ROWS = """
SET session_replication_role = replica;
INSERT INTO customers_customer (id, email, first_name, last_name, state, language, created_at, updated_at)
    SELECT c, 'c' || c || '@example.com', '', '', 'member', '', now(), now() FROM generate_series(1, CUSTOMERS) c;
INSERT INTO points_pointsaccount (customer_id, balance, pending, held, owed, settled_at, has_idle_lots)
    SELECT c, 5 * (c % 250 + 1), 0, 0, 0, '2026-03-01Z', false FROM generate_series(1, CUSTOMERS) c;
INSERT INTO points_pointstransaction (id, customer_id, kind, points_change, balance_after, cause_type, cause_id,
                                      actor_kind, effective_at, recorded_at)
    SELECT (s - 1) * CUSTOMERS + c, c, 'earning', c % 250 + 1, s * (c % 250 + 1), 'order', s, 'system', at, at
    FROM generate_series(1, 5) s, generate_series(1, CUSTOMERS) c,
         LATERAL (SELECT '2026-01-01Z'::timestamptz + s * interval '1 day' AS at) t;
INSERT INTO points_pointslot (id, customer_id, transaction_id, points, remaining, open, available_at, created_at)
    SELECT id, customer_id, id, points_change, points_change, true, recorded_at, recorded_at
    FROM points_pointstransaction;
SELECT setval(pg_get_serial_sequence('points_pointstransaction', 'id'), 5 * CUSTOMERS),
       setval(pg_get_serial_sequence('points_pointslot', 'id'), 5 * CUSTOMERS),
       setval(pg_get_serial_sequence('customers_customer', 'id'), CUSTOMERS);
"""
BASELINE = """
UPDATE program_tierstanding AS standing SET value = counted.value, measured_at = now()
FROM (SELECT customer_id, sum(points_change) AS value FROM points_pointstransaction
      WHERE kind = 'earning' AND effective_at >= '2026-01-01Z' GROUP BY customer_id) AS counted
WHERE standing.customer_id = counted.customer_id
"""


def main() -> int:
    customers = int(os.environ.get("CUSTOMERS", "100000"))
    part, whole = measured(customers // 10), measured(customers)
    report, kept = verdict(customers, part, whole)
    print(report)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report, encoding="utf-8")
    return 0 if kept else 1


def measured(customers: int) -> dict[str, float]:
    """The days of so many customers, in a process of its own."""
    with scratch("tiers") as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(ROWS.replace("CUSTOMERS", str(customers)))  # type: ignore[arg-type]
            connection.execute("VACUUM ANALYZE")
        said: dict[str, float] = json.loads(alone(url, __file__, "days", str(customers)))
    return said


def days(customers: int) -> dict[str, float]:
    """What a worker does in three nights; seconds and counts by name."""
    django_here()
    from django.db import connection

    from loyalty.common.actors import SYSTEM
    from loyalty.customers.models import Tier
    from loyalty.points.models import PointsTransaction
    from loyalty.program.tiers import evaluation, ladder, mass_entries, preview, setting
    from loyalty.program.tiers.models import VipTierChange

    for name, milestone, points in (("Base", 0, 0), ("Silver", 500, 20), ("Gold", 1_000, 50)):
        terms = setting.Terms(name=name, milestone=Decimal(milestone), entry_points=points)
        setting.save_tier(tier_id=None, terms=terms, gives=False, actor=SYSTEM, now=FIRST_DAY)
    rules = ladder.rules()
    rules.enabled = True
    setting.save_rules(rules=rules, gives=False, actor=SYSTEM, now=FIRST_DAY, fields=["enabled"])

    def night(now: datetime) -> None:
        while evaluation.begin_day(now=now):
            pass
        while evaluation.judge_some(now=now):
            pass
        while mass_entries.give_some(now=now):
            pass

    def plainly() -> None:
        with connection.cursor() as cursor:
            cursor.execute(BASELINE)

    found = {"entering": seconds(night, FIRST_DAY), "moves_entering": VipTierChange.objects.count()}
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    found["quiet"] = seconds(night, FIRST_DAY + timedelta(days=1))
    found["moves_quiet"] = VipTierChange.objects.count() - found["moves_entering"]
    found["peak_mib"] = peak_mib()
    found["baseline"] = seconds(plainly)
    tell_of_risers(customers)
    found["rising"] = seconds(night, FIRST_DAY + timedelta(days=2))
    found["moves_rising"] = VipTierChange.objects.filter(upward=True, changed_at__gt=FIRST_DAY).count()
    found["given"] = PointsTransaction.objects.filter(cause_type="vip_tier").count()
    found["misplaced"] = misplaced()
    silver = Tier.objects.get(name="Silver")
    terms = setting.Terms(name="Silver", milestone=Decimal(250), entry_points=20)
    wanted = preview.with_tier(tier_id=silver.pk, terms=terms, gives=True)
    began = time.monotonic()
    expected = preview.of(wanted=wanted, now=FIRST_DAY + timedelta(days=2))
    found["preview"], found["looked_at"] = time.monotonic() - began, expected.judged
    found["foreseen"], found["foreseen_given"] = expected.moving, expected.given
    before = VipTierChange.objects.count(), PointsTransaction.objects.filter(cause_type="vip_tier").count()
    setting.save_tier(tier_id=silver.pk, terms=terms, gives=True, actor=SYSTEM, now=FIRST_DAY + timedelta(days=2))
    found["lowering"] = seconds(night, FIRST_DAY + timedelta(days=2))
    found["moved"] = VipTierChange.objects.count() - before[0]
    found["moved_given"] = PointsTransaction.objects.filter(cause_type="vip_tier").count() - before[1]
    return found


def tell_of_risers(customers: int) -> None:
    """One customer in ten earned 500 points today."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO points_pointstransaction (customer_id, kind, points_change, balance_after, cause_type, cause_id,
                                                  actor_kind, effective_at, recorded_at)
            SELECT customer_id, 'earning', 500, balance + 500, 'order', 6, 'system', %(at)s, %(at)s
            FROM points_pointsaccount WHERE customer_id %% %(each)s = 0 AND customer_id <= %(last)s""",
            {"at": FIRST_DAY, "each": RISERS, "last": customers},
        )


def misplaced() -> int:
    """Customers who stand elsewhere than their points of the year lead to."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FROM customers_customer person JOIN customers_tier tier ON tier.id = person.tier_id
            JOIN (SELECT customer_id, sum(points_change) AS value FROM points_pointstransaction
                  WHERE kind = 'earning' AND cause_type <> 'vip_tier' GROUP BY customer_id) counted
                ON counted.customer_id = person.id
            WHERE tier.name <> CASE WHEN value >= 1000 THEN 'Gold' WHEN value >= 500 THEN 'Silver' ELSE 'Base' END"""
        )
        return int(cursor.fetchone()[0])


def seconds(act: Callable[..., None], *given: datetime) -> float:
    began = time.monotonic()
    act(*given)
    return time.monotonic() - began


def peak_mib() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def verdict(customers: int, part: dict[str, float], whole: dict[str, float]) -> tuple[str, bool]:
    """The report, and whether every promise was kept."""
    most = MOST_SECONDS * customers / 100_000
    ratio, growth = whole["quiet"] / whole["baseline"], whole["peak_mib"] / part["peak_mib"]
    promises = {
        f"a night without moves: {whole['quiet']:.1f} s (promise: at most {most:.0f} s)": whole["quiet"] <= most
        and not whole["moves_quiet"],
        f"{ratio:.1f} times the plain statement's {whole['baseline']:.1f} s (promise: at most {MOST_RATIO:.0f})": ratio
        <= MOST_RATIO,
        f"peak memory {part['peak_mib']:.0f} MiB at 10 %, {whole['peak_mib']:.0f} MiB at 100 %: {growth:.2f} times "
        f"(promise: at most {MOST_GROWTH})": growth <= MOST_GROWTH,
        f"{whole['moves_entering']:,.0f} entered a tier, {whole['misplaced']:.0f} stand elsewhere than they are to": (
            whole["moves_entering"] == customers and not whole["misplaced"]
        ),
        f"{whole['moves_rising']:,.0f} rose, and were given points {whole['given']:,.0f} times": whole["given"]
        == whole["moves_rising"]
        > 0,
        f"{whole['foreseen']:,.0f} were to move by a lower milestone and {whole['moved']:,.0f} did, "
        f"{whole['foreseen_given']:,.0f} to be given points and {whole['moved_given']:,.0f} were": all(
            foreseen and abs(foreseen - came) <= come_about(whole) * came
            for foreseen, came in (
                (whole["foreseen"], whole["moved"]),
                (whole["foreseen_given"], whole["moved_given"]),
            )
        ),
    }
    lines = [
        f"Tiers of {customers:,} customers with {EARNINGS} earnings each",
        "",
        machine(),
        "",
        f"everybody enters a tier: {whole['entering']:.1f} s",
        f"a night without moves: {whole['quiet']:.1f} s, {customers / whole['quiet']:,.0f} customers a second",
        f"a night after which one in {RISERS} earned more, gifts included: {whole['rising']:.1f} s",
        f"what a lower milestone would do, before it is saved: {whole['preview']:.1f} s, {whole['looked_at']:,.0f} judged",
        "",
        *(f"{'kept  ' if kept else 'BROKEN'}  {promise}" for promise, kept in promises.items()),
    ]
    return "\n".join(lines) + "\n", all(promises.values())


def come_about(whole: dict[str, float]) -> float:
    """How far what was foreseen may be from what came: nothing where everybody was judged."""
    return 0.0 if whole["looked_at"] >= whole["moves_entering"] else MOST_MISSED


if __name__ == "__main__":
    if sys.argv[1:2] == ["days"]:
        print(json.dumps(days(int(sys.argv[2]))))
        sys.exit(0)
    sys.exit(main())
