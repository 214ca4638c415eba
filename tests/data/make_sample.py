"""Make cdnow_sample.txt.gz: 2,000 real purchases, whole customers, the same every time.

Usage: python tests/data/make_sample.py PATH/TO/CDNOW_master.txt.gz

Customers are taken in the order of a digest of their number until their purchases fill the sample exactly; a customer
who would overfill it is passed over. Lines stay byte by byte as they are, in the order of the full file.
"""

import gzip
import hashlib
import sys
from collections import defaultdict
from pathlib import Path

PURCHASES = 2_000
SAMPLE = Path(__file__).with_name("cdnow_sample.txt.gz")


def chosen_customers(lines: list[bytes]) -> set[bytes]:
    counts: dict[bytes, int] = defaultdict(int)
    for line in lines:
        counts[line.split()[0]] += 1
    chosen: set[bytes] = set()
    left = PURCHASES
    for customer in sorted(counts, key=lambda name: hashlib.sha256(name).digest()):
        if counts[customer] <= left:
            chosen.add(customer)
            left -= counts[customer]
    if left:
        raise SystemExit(f"The file holds fewer than {PURCHASES} purchases. Give the full file.")
    return chosen


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    with gzip.open(sys.argv[1], "rb") as file:
        header, *lines = file.readlines()
    chosen = chosen_customers(lines)
    kept = [line for line in lines if line.split()[0] in chosen]
    with SAMPLE.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as out:
        out.writelines([header, *kept])
    print(f"{SAMPLE.name}: {len(kept)} purchases of {len(chosen)} customers")  # noqa: T201 (a script)


if __name__ == "__main__":
    main()
