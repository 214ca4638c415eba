"""Run the whole purchase history through the programme's own acts, in order and shuffled, and hold it to its promises.

Usage: make bench-program [FILE=PATH]     (or CDNOW=PATH in the environment)

Promises: 69,659 purchases in under five minutes on two cores, months included; the same file again changes nothing; late
and in another order it comes to the same; refunded in full every balance is what it must be; the ledger is proved.
Exits with 1 when one is broken. The last report is kept in reports/program.txt.
"""

import os
import re
import sys

from bench_import import count_purchases, purchase_history
from scratch import ROOT, Run, machine, managed

REPORT = ROOT / "benchmarks" / "reports" / "program.txt"
MOST_SECONDS = 300.0
SEED = "1998"


def main() -> int:
    path = purchase_history()
    total = count_purchases(path)
    url = os.environ["DATABASE_URL"]
    began = machine()
    in_order = managed(url, "simulate_program", str(path), "--twice")
    shuffled = managed(url, "simulate_program", str(path), "--shuffle", SEED, "--refund")
    report, kept = verdict(total=total, machine_then=began, in_order=in_order, shuffled=shuffled)
    print(report)
    REPORT.write_text(report, encoding="utf-8")
    return 0 if kept else 1


def verdict(*, total: int, machine_then: str, in_order: Run, shuffled: Run) -> tuple[str, bool]:
    """The report, and whether every promise was kept."""
    seconds = float(found(r"orders in ([0-9.]+) s", in_order) or "inf")
    digest, late = found(r"Digest of the end: (\w+)", in_order), found(r"Digest of the end: (\w+)", shuffled)
    refunded = found(r"(All orders refunded: .*customers in a tier\.)", shuffled)
    promises = {
        f"{total:,} orders, months and tiers included, in {seconds:.0f} s (promise: under {MOST_SECONDS:.0f} s)": seconds
        < MOST_SECONDS
        and f"{total:,} orders in" in in_order.said,
        "the same file again changes nothing": "The same file again changed nothing" in in_order.said,
        f"late, and shuffled by {SEED}, it comes to the same: {late[:16]}": bool(digest) and late == digest,
        "and so do its months": bool(months(in_order)) and months(in_order) == months(shuffled),
        refunded or "all orders refunded: nothing was said": bool(refunded) and shuffled.code == 0,
        "the ledger is proved after all of it": all(
            "The ledger has 0 differences" in run.said and run.code == 0 for run in (in_order, shuffled)
        ),
    }
    lines = [
        "The purchase history through the programme's own acts",
        "",
        machine_then,
        f"in order, by seed {SEED}: {in_order.peak_mib:.0f} MiB, {shuffled.peak_mib:.0f} MiB",
        "",
        *months(in_order),
        "",
        *(f"{'kept  ' if kept else 'BROKEN'}  {promise}" for promise, kept in promises.items()),
    ]
    return "\n".join(lines) + "\n", all(promises.values())


def found(pattern: str, run: Run) -> str:
    match = re.search(pattern, run.said)
    return match[1] if match else ""


def months(run: Run) -> list[str]:
    """The table that was printed, with its heading."""
    return [line.rstrip() for line in run.said.splitlines() if re.match(r"month |\d{4}-\d\d ", line)]


if __name__ == "__main__":
    sys.exit(main())
