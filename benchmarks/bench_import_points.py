"""Import points for 100,000 customers into a scratch database, undo it, and hold both to their promises.

Usage: make bench-import-points     (ROWS=20000 in the environment for fewer)

Promises, for adding, removing, setting and undoing each of them: 100,000 rows, reading and checking included, in under
120 s; so many times faster than the ledger's single acts called one by one in the same run (LEAST_RATIOS); at 100 % of
the file no more than 1.2 times the memory at 10 %; the ledger proved afterwards. Exits with 1 when one is broken. The last
report is kept in reports/import_points.txt.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from scratch import ROOT, Run, alone, analyze, django_here, machine, managed, scratch, table_rows

REPORT = ROOT / "benchmarks" / "reports" / "import_points.txt"
ROWS = int(os.environ.get("ROWS", "100000"))
SINGLE_ACTS = 500  # of each kind
MOST_SECONDS = 120.0
MOST_GROWTH = 1.2
# A single debit is two prepared statements; every other act is some fifteen.
LEAST_RATIOS = {"add": 5.0, "remove": 0.8, "set": 3.0, "undo set": 5.0, "undo remove": 5.0, "undo add": 5.0}
TABLES = (
    "customers_customer",
    "jobs_jobrow",
    "jobs_joboutcome",
    "points_pointstransaction",
    "points_pointslot",
    "points_pointsallocation",
    "points_pointsreturn",
)
# What each step is held against: the single acts that a program without imports would call for each row.
SINGLE = {
    "add": ("credit",),
    "remove": ("debit",),
    "set": ("credit", "debit"),  # half of the rows go up, half of them down
    "undo set": ("cancel", "reverse"),
    "undo remove": ("reverse",),
    "undo add": ("cancel",),
}
# Adding 50, removing 20, then setting those 30 to 40 and 10 by turns.
FILES = {"add": [50], "remove": [20], "set": [40, 10]}


def main() -> int:
    with TemporaryDirectory() as folder:
        with customers("import_points_part") as url:
            part = all_steps(url, Path(folder), rows=ROWS // 10)
            rates = {name: float(rate) for name, rate in map(str.split, alone(url, __file__, "--single").splitlines())}
        with customers("import_points") as url:
            whole = all_steps(url, Path(folder), rows=ROWS)
            analyze(url)
            audit = managed(url, "audit_ledger")
            rows = table_rows(url, TABLES)
    report, kept = verdict(part=part, whole=whole, audit=audit, rows=rows, rates=rates)
    print(report)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report, encoding="utf-8")
    return 0 if kept else 1


def all_steps(url: str, folder: Path, *, rows: int) -> dict[str, Run]:
    """Import each file, the first one twice, then undo them, the last one first."""
    runs = {}
    for mode, points in FILES.items():
        path = folder / f"{mode}.csv"
        write(path, rows=rows, points=points)
        runs[mode] = managed(url, "import_points", str(path), "--mode", mode, "--by", "email")
        if mode == "add":
            runs["again"] = managed(url, "import_points", str(path), "--mode", mode, "--by", "email")
        analyze(url)
    for number, mode in reversed(list(enumerate(FILES, start=1))):
        runs[f"undo {mode}"] = managed(url, "import_points", "--undo", str(number))
        analyze(url)
    return runs


def verdict(
    *, part: dict[str, Run], whole: dict[str, Run], audit: Run, rows: dict[str, int], rates: dict[str, float]
) -> tuple[str, bool]:
    """The report, and whether every promise was kept."""
    tables = ", ".join(f"{name.partition('_')[2]} {count:,}" for name, count in rows.items())
    lines = ["Import of points, and undoing it", "", machine(), f"rows after: {tables}", ""]
    lines += [
        f"{name} one by one, each in a transaction: {rate:,.0f} a second ({SINGLE_ACTS} of them)"
        for name, rate in rates.items()
    ]
    promises: dict[str, bool] = {}
    for name, acts in SINGLE.items():
        run, single = whole[name], len(acts) / sum(1 / rates[act] for act in acts)
        rate = ROWS / run.seconds
        growth = run.peak_mib / part[name].peak_mib
        promises[
            f"{name}: {ROWS:,} rows in {run.seconds:.1f} s, {run.cpu_seconds:.1f} s of them computing, {rate:,.0f} a second "
            f"(promise: under {MOST_SECONDS:.0f} s)"
        ] = run.seconds < MOST_SECONDS and run.code == 0
        least = LEAST_RATIOS[name]
        promises[f"{name}: {rate / single:.1f} times single acts (promise: at least {least:g})"] = (
            rate / single >= least
        )
        promises[
            f"{name}: {part[name].peak_mib:.0f} MiB at 10 %, {run.peak_mib:.0f} MiB at 100 %, {growth:.2f} times "
            f"(promise: at most {MOST_GROWTH})"
        ] = growth <= MOST_GROWTH
    promises[f"the same file again changes nothing and takes {whole['again'].seconds:.1f} s"] = whole["again"].code == 0
    promises[f"each row is six transactions: {rows['points_pointstransaction']:,}"] = (
        rows["points_pointstransaction"] == len(SINGLE) * ROWS
    )
    promises[f"the ledger: {audit.said.strip().splitlines()[-1]}"] = audit.code == 0
    lines += ["", *(f"{'kept  ' if kept else 'BROKEN'}  {promise}" for promise, kept in promises.items())]
    return "\n".join(lines) + "\n", all(promises.values())


def write(path: Path, *, rows: int, points: list[int]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("email,points,internal note\n")
        file.writelines(
            f"customer{number}@example.com,{points[number % len(points)]},Migration\n" for number in range(rows)
        )


@contextmanager
def customers(name: str) -> Iterator[str]:
    """A scratch database with the customers of the files."""
    with scratch(name) as url:
        with psycopg.connect(url) as inside:
            inside.execute(
                "INSERT INTO customers_customer (email, first_name, last_name, state, language, created_at, updated_at)"
                " SELECT 'customer' || n || '@example.com', 'Anna', 'Nowak', 'member', '', now(), now()"
                f" FROM generate_series(0, {ROWS - 1}) n"
            )
        analyze(url)
        yield url


def single_acts() -> None:
    """The baselines: what the ledger does a second, one by one, of each kind, with a note as the rows have one."""
    django_here()
    from django.utils import timezone

    from loyalty.common.actors import SYSTEM
    from loyalty.common.causes import Cause, CauseType
    from loyalty.customers.models import Customer
    from loyalty.points import credit_cancellation, ledger
    from loyalty.points.models import PointsTransaction, TransactionKind

    whose = list(Customer.objects.order_by("-pk").values_list("pk", flat=True)[:SINGLE_ACTS])
    common = {"actor": SYSTEM, "internal_note": "Migration"}
    change = common | {"kind": TransactionKind.ADJUSTMENT, "cause": Cause(CauseType.IMPORT, 1)}
    debits: list[PointsTransaction] = []
    credited: list[PointsTransaction] = []

    def credit(pk: int) -> None:
        credited.append(
            ledger.credit(customer_id=pk, points=50, now=timezone.now(), idempotency_key=f"credit:{pk}", **change)
        )

    def debit(pk: int) -> None:
        debits.append(
            ledger.debit(customer_id=pk, points=20, now=timezone.now(), idempotency_key=f"debit:{pk}", **change)
        )

    def reverse(pk: int) -> None:
        del pk
        entry = debits.pop()
        ledger.reverse(transaction_id=entry.pk, cause=entry.cause, now=timezone.now(), **common)

    def cancel(pk: int) -> None:
        del pk
        credit_cancellation.cancel(transaction_id=credited.pop().pk, now=timezone.now(), **common)

    acts: dict[str, Callable[[int], None]] = {"credit": credit, "debit": debit, "reverse": reverse, "cancel": cancel}
    for name, act in acts.items():
        began = time.monotonic()
        for pk in whose:
            act(pk)
        print(name, len(whose) / (time.monotonic() - began))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--single"]:
        single_acts()
    else:
        sys.exit(main())
