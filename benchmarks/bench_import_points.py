"""Import points for 100,000 customers into a scratch database, check and apply, and hold it to its promises.

Usage: make bench-import-points

Promises: 100,000 rows checked and applied in under 120 s, at least 5 times the rate of `ledger.credit` called one by one,
the ledger proved afterwards, and at 100 % of the file no more than 1.2 times the memory at 10 %. Removing is measured
beside it. Exits with 1 when a promise is broken. The last report is kept in reports/import_points.txt.
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psycopg

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "benchmarks" / "reports" / "import_points.txt"
ROWS = 100_000
SINGLE_CREDITS = 1_500
MOST_SECONDS = 120.0
MOST_GROWTH = 1.2
LEAST_RATIO = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a command: how long, how much memory at most, what it printed."""

    seconds: float
    cpu_seconds: float  # its own; the server's come on top
    peak_mib: float
    code: int
    said: str


def main() -> int:
    with TemporaryDirectory() as folder:
        add, part, remove = (Path(folder) / name for name in ("add.csv", "part.csv", "remove.csv"))
        write(add, rows=ROWS, points=50)
        write(part, rows=ROWS // 10, points=50)
        write(remove, rows=ROWS, points=20)
        with scratch("part") as url:
            tenth = imported(url, part, "add")
            single_rate = baseline(url)
        with scratch("whole") as url:
            whole = imported(url, add, "add")
            again = imported(url, add, "add")
            removed = imported(url, remove, "remove")
            analyze(url)
            audit = managed(url, "audit_ledger")
            rows = table_rows(url)
    report, kept = verdict(
        tenth=tenth, whole=whole, again=again, removed=removed, audit=audit, rows=rows, single_rate=single_rate
    )
    print(report)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report, encoding="utf-8")
    return 0 if kept else 1


def verdict(
    *, tenth: Run, whole: Run, again: Run, removed: Run, audit: Run, rows: dict[str, int], single_rate: float
) -> tuple[str, bool]:
    """The report, and whether every promise was kept."""
    growth = whole.peak_mib / tenth.peak_mib
    rate, ratio = ROWS / whole.seconds, ROWS / whole.seconds / single_rate
    promises = {
        f"{ROWS:,} rows checked and applied in {whole.seconds:.1f} s (promise: under {MOST_SECONDS:.0f} s)": (
            whole.seconds < MOST_SECONDS and whole.code == 0
        ),
        f"{ratio:.1f} times the rate of single credits (promise: at least {LEAST_RATIO:.0f})": ratio >= LEAST_RATIO,
        f"peak memory {tenth.peak_mib:.0f} MiB at 10 %, {whole.peak_mib:.0f} MiB at 100 %: {growth:.2f} times "
        f"(promise: at most {MOST_GROWTH})": growth <= MOST_GROWTH,
        f"each row is two transactions, one added and one removed: {rows['points_pointstransaction']:,}": (
            rows["points_pointstransaction"] == 2 * ROWS
        ),
        f"the ledger: {audit.said.strip().splitlines()[-1]}": audit.code == 0,
        f"a second run of the same file changes nothing and takes {again.seconds:.1f} s": again.code == 0,
        f"{ROWS:,} rows removed in {removed.seconds:.1f} s (promise: under {MOST_SECONDS:.0f} s)": (
            removed.seconds < MOST_SECONDS and removed.code == 0
        ),
    }
    tables = ", ".join(f"{name.partition('_')[2]} {count:,}" for name, count in rows.items())
    lines = [
        "Import of points",
        "",
        machine(),
        f"rows after: {tables}",
        "",
        f"adding, reading and checking included: {rate:,.0f} rows a second, {whole.cpu_seconds:.0f} s of them computing",
        f"removing, reading and checking included: {ROWS / removed.seconds:,.0f} rows a second",
        f"baseline, ledger.credit alone, one transaction each: {single_rate:,.0f} a second ({SINGLE_CREDITS:,} credits)",
        f"ratio of adding: {ratio:.1f}",
        "",
        *(f"{'kept  ' if kept else 'BROKEN'}  {promise}" for promise, kept in promises.items()),
    ]
    return "\n".join(lines) + "\n", all(promises.values())


def machine() -> str:
    return (
        f"machine: {platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}"
    )


def write(path: Path, *, rows: int, points: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("email,points,internal note\n")
        file.writelines(f"customer{number}@example.com,{points},Migration\n" for number in range(rows))


@contextmanager
def scratch(name: str) -> Iterator[str]:
    """A fresh, migrated database with the customers of the file; dropped afterwards."""
    server = urlsplit(os.environ["DATABASE_URL"])
    database = f"bench_import_points_{name}_{os.getpid()}"
    url = server._replace(path=f"/{database}").geturl()
    with psycopg.connect(server._replace(path="/postgres").geturl(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{database}"')
        try:
            migrated = managed(url, "migrate", "--no-input", "-v", "0")
            if migrated.code:
                raise SystemExit(f"The migrations failed: {migrated.said}")
            with psycopg.connect(url) as inside:
                inside.execute(
                    "INSERT INTO customers_customer (email, first_name, last_name, state, language, created_at, updated_at)"
                    " SELECT 'customer' || n || '@example.com', 'Anna', 'Nowak', 'member', '', now(), now()"
                    f" FROM generate_series(0, {ROWS - 1}) n"
                )
            analyze(url)
            yield url
        finally:
            connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)')


def analyze(url: str) -> None:
    """What the server does by itself some time after so many rows: let its planner know of them."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def environment(url: str) -> dict[str, str]:
    return os.environ | {"DATABASE_URL": url, "LOYALTY_ENV": "test", "PYTHONPATH": str(ROOT)}


def imported(url: str, path: Path, mode: str) -> Run:
    return managed(url, "import_points", str(path), "--mode", mode, "--by", "email")


def managed(url: str, *words: str) -> Run:
    """Run manage.py as a process of its own, so that its memory is its own."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=environment(url), stdout=subprocess.PIPE, text=True
    )
    said = process.stdout.read() if process.stdout else ""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(
        seconds=time.monotonic() - began,
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_mib=used.ru_maxrss / 1024,
        code=process.returncode,
        said=said,
    )


def table_rows(url: str) -> dict[str, int]:
    tables = ("customers_customer", "jobs_jobrow", "jobs_joboutcome", "points_pointstransaction", "points_pointslot")
    with psycopg.connect(url) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}  # type: ignore[index]


def baseline(url: str) -> float:
    """How many rows a second `ledger.credit` writes one by one, in a process of its own."""
    words = [sys.executable, __file__, "--single-credits"]
    single = subprocess.run(words, env=environment(url), cwd=ROOT, capture_output=True, text=True, check=False)
    if single.returncode:
        raise SystemExit(f"The baseline failed: {single.stderr[-2000:]}")
    return float(single.stdout)


def single_credits() -> None:
    """The baseline itself. Sets Django up before it imports a model."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")
    django.setup()
    from django.utils import timezone

    from loyalty.common.actors import SYSTEM
    from loyalty.common.causes import Cause, CauseType
    from loyalty.customers.models import Customer
    from loyalty.points import ledger
    from loyalty.points.models import TransactionKind

    ids = list(Customer.objects.order_by("-pk").values_list("pk", flat=True)[:SINGLE_CREDITS])
    began = time.monotonic()
    for customer_id in ids:
        ledger.credit(
            customer_id=customer_id,
            points=50,
            kind=TransactionKind.ADJUSTMENT,
            cause=Cause(CauseType.IMPORT, 1),
            actor=SYSTEM,
            now=timezone.now(),
            idempotency_key=f"baseline:{customer_id}",
            internal_note="Migration",
        )
    print(len(ids) / (time.monotonic() - began))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--single-credits"]:
        single_credits()
    else:
        sys.exit(main())
