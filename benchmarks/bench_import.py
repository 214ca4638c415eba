"""Import the whole purchase history into a scratch database, and hold it to its promises.

Usage: make bench-import [FILE=PATH]     (or CDNOW=PATH in the environment)

Promises: 69,659 purchases in under 120 s, the ledger proved afterwards, and at 100 % of the file no more than 1.2 times
the memory at 10 %. Exits with 1 when one is broken. The last report is kept in reports/import.txt.
"""

import gzip
import os
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from scratch import ROOT, Run, alone, django_here, environment, machine, managed, scratch, table_rows

__all__ = ["Run", "environment", "machine", "managed", "scratch"]  # other benches take them from here

USUAL = ROOT.parent / "shared" / "data" / "cdnow" / "CDNOW_master.txt.gz"
REPORT = ROOT / "benchmarks" / "reports" / "import.txt"
WHERE_TO_GET_IT = (
    "The purchase history was not found. It is lifetimes/datasets/CDNOW_master.txt in the package Lifetimes 0.11.3 on "
    "PyPI. Name your copy, gzip or plain: make bench-import FILE=PATH"
)
MOST_SECONDS = 120.0
MOST_GROWTH = 1.2
SINGLE_CREDITS = 1_500
TABLES = ("customers_customer", "program_order", "points_pointstransaction", "points_pointslot", "events_event")


def main() -> int:
    path = purchase_history()
    total = count_purchases(path)
    with scratch("import_part") as url:
        part = imported(url, path, "--limit", str(total // 10))
        single_rate = float(alone(url, __file__, "--single-credits"))
    with scratch("import_whole") as url:
        whole = imported(url, path)
        again = imported(url, path)
        audit = managed(url, "audit_ledger")
        rows = table_rows(url, TABLES)
    report, kept = verdict(
        total=total, part=part, whole=whole, again=again, audit=audit, rows=rows, single_rate=single_rate
    )
    print(report)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report, encoding="utf-8")
    return 0 if kept else 1


def verdict(
    *, total: int, part: Run, whole: Run, again: Run, audit: Run, rows: dict[str, int], single_rate: float
) -> tuple[str, bool]:
    """The report, and whether every promise was kept."""
    growth = whole.peak_mib / part.peak_mib
    rate = total / whole.seconds
    promises = {
        f"{total:,} purchases in {whole.seconds:.1f} s (promise: under {MOST_SECONDS:.0f} s)": whole.seconds
        < MOST_SECONDS
        and whole.code == 0,
        f"all of them are orders: {rows['program_order']:,}": rows["program_order"] == total,
        f"peak memory {part.peak_mib:.0f} MiB at 10 %, {whole.peak_mib:.0f} MiB at 100 %: {growth:.2f} times "
        f"(promise: at most {MOST_GROWTH})": growth <= MOST_GROWTH,
        f"the ledger: {audit.said.strip().splitlines()[-1]}": audit.code == 0,
        f"a second run changes nothing and takes {again.seconds:.1f} s": "0 new orders" in again.said
        and again.code == 0,
    }
    tables = ", ".join(f"{name.partition('_')[2]} {count:,}" for name, count in rows.items())
    lines = [
        "Import of the purchase history",
        "",
        machine(),
        f"rows after: {tables}",
        "",
        f"import, customers and orders and events included: {rate:,.0f} purchases a second",
        f"baseline, ledger.credit alone, one transaction each: {single_rate:,.0f} a second ({SINGLE_CREDITS:,} credits)",
        f"ratio: {rate / single_rate:.1f}",
        "",
        *(f"{'kept  ' if kept else 'BROKEN'}  {promise}" for promise, kept in promises.items()),
    ]
    return "\n".join(lines) + "\n", all(promises.values())


def purchase_history() -> Path:
    named = next(filter(None, [*sys.argv[1:2], os.environ.get("CDNOW", "")]), "")
    path = Path(named) if named else USUAL
    if not path.is_file():
        raise SystemExit(WHERE_TO_GET_IT)
    return path


def count_purchases(path: Path) -> int:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if packed else path.open("rb") as file:
        return sum(1 for line in file if line.strip()) - 1


def imported(url: str, path: Path, *arguments: str) -> Run:
    report = f"/tmp/{Path(urlsplit(url).path).name}.errors.txt"
    return managed(url, "import_orders", str(path), "--errors", report, *arguments)


def single_credits() -> None:
    """The baseline: how many purchases a second `ledger.credit` writes, one by one, for the imported orders.

    A process of its own, which sets Django up before it imports a model.
    """
    django_here()
    from django.utils import timezone

    from loyalty.common.actors import SYSTEM
    from loyalty.common.causes import Cause, CauseType
    from loyalty.points import ledger
    from loyalty.points.models import TransactionKind
    from loyalty.program.models import Order

    orders = list(Order.objects.filter(total__gte=1).order_by("id")[:SINGLE_CREDITS])
    began = time.monotonic()
    for order in orders:
        ledger.credit(
            customer_id=order.customer_id,
            points=int(order.total),
            kind=TransactionKind.EARNING,
            cause=Cause(CauseType.ORDER, order.pk),
            actor=SYSTEM,
            now=timezone.now(),
            effective_at=order.placed_at,
            idempotency_key=f"baseline:{order.pk}",
        )
    print(len(orders) / (time.monotonic() - began))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--single-credits"]:
        single_credits()
    else:
        sys.exit(main())
