"""Export a million redeemed rewards as CSV and as a workbook, beside COPY … TO of the same rows.

Usage: make bench-export [ROWS=1000000]

The baseline is COPY of the same columns of the same joined rows in the same order and time zone, as they are stored,
read by the same driver. Promises: CSV at least 0.8 as fast; each file in under 100 MB of memory (the growth of a process of its own),
its first bytes within a second. Exits with 1 when one is broken. The last report is kept in reports/export.txt.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import bench_import
import grid_data

ROWS = int(os.environ.get("ROWS", "1000000"))
REPORT = Path(__file__).resolve().parent / "reports" / "export.txt"
LEAST = 0.8
MOST_MEGABYTES = 100.0
MOST_FIRST_SECONDS = 1.0
ROUNDS = 4
ZONE = "Europe/Warsaw"


def main() -> int:
    with grid_data.server(), grid_data.filled(ROWS) as (url, _):
        with psycopg.connect(url, autocommit=True) as connection:
            grid_data.index_as_we_do(connection)
        grid_data.close()
        runs: dict[str, list[dict[str, float]]] = {"copy": [], "csv": [], "xlsx": []}
        for turn in range(ROUNDS):
            for name in ("copy", "csv") if turn else ("copy", "csv", "xlsx"):
                runs[name].append(own_process(url, name))
    best = {name: min(each, key=lambda run: run["seconds"]) for name, each in runs.items()}
    ratio = best["copy"]["seconds"] / best["csv"]["seconds"]
    most = {name: max(run["grown"] for run in runs[name]) for name in ("csv", "xlsx")}
    first = {name: max(run["first"] for run in runs[name]) for name in ("csv", "xlsx")}
    promises = {
        f"CSV at {ratio:.2f} of COPY … TO (promise: at least {LEAST})": ratio >= LEAST,
        **{
            f"{name}: {most[name]:.0f} MB of memory (promise: under {MOST_MEGABYTES:.0f} MB), first bytes after "
            f"{first[name] * 1000:.0f} ms (promise: under {MOST_FIRST_SECONDS * 1000:.0f} ms)": most[name]
            < MOST_MEGABYTES
            and first[name] < MOST_FIRST_SECONDS
            for name in ("csv", "xlsx")
        },
        "every row is in each file": best["csv"]["lines"] == ROWS + 1,
    }
    lines = [
        "Export of redeemed rewards",
        "",
        bench_import.machine(),
        *(
            f"{name:<6}{ROWS:,} rows in {run['seconds']:.1f} s: {ROWS / run['seconds']:,.0f} rows a second, "
            f"{run['bytes'] / 1e6:,.0f} MB"
            for name, run in best.items()
        ),
        "",
        *(f"{'kept  ' if kept else 'BROKEN'}  {promise}" for promise, kept in promises.items()),
    ]
    report = "\n".join(lines) + "\n"
    print(report)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report, encoding="utf-8")
    return 0 if all(promises.values()) else 1


def own_process(url: str, name: str) -> dict[str, float]:
    """One run in a process of its own, so that its memory is its own."""
    done = subprocess.run(
        [sys.executable, __file__, name],
        env=bench_import.environment(url) | {"DJANGO_SETTINGS_MODULE": "loyalty.settings", "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr[-2000:]}")
    run: dict[str, float] = json.loads(done.stdout)
    return run


def run(name: str) -> dict[str, float]:
    import django

    django.setup()
    from django.db import connection

    connection.ensure_connection()
    blocks = plain() if name == "copy" else written(name)
    before = resident()
    began = time.perf_counter()
    first = size = lines = 0.0
    for block in blocks:
        first = first or time.perf_counter() - began
        size += len(block)
        lines += block.count(b"\n") if name == "csv" else 0
    seconds = time.perf_counter() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    return {"seconds": seconds, "first": first, "bytes": size, "lines": lines, "grown": grown}


def resident() -> float:
    """MB of memory this process holds now."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def rows() -> Any:
    from django.http import QueryDict
    from django.utils import timezone

    from rewards import queries
    from rewards.filters import RedeemedRewardFilter

    return RedeemedRewardFilter(data=QueryDict(""), queryset=queries.with_status(queries.visible(), timezone.now())).qs


def written(name: str) -> Any:
    """As the door hands it out: everything but addresses."""
    from django.utils import timezone

    from rewards.admin import export

    make = export.csv_file if name == "csv" else export.xlsx_file
    return make(rows(), zone=ZoneInfo(ZONE), addresses=False, now=timezone.now())


def plain() -> Any:
    """The same columns, as they are stored."""
    from django.db import connection

    from loyalty.common import copying
    from rewards.admin import export

    ordered = rows().order_by("-redeemed_at", "-pk").values_list(*export.COLUMNS)
    sql, params = ordered.query.get_compiler(connection=connection).as_sql()
    with copying.copied(f"COPY ({sql}) TO STDOUT (FORMAT csv)", params, zone=ZoneInfo(ZONE)) as lines:
        yield from lines


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(run(sys.argv[1])))
    else:
        sys.exit(main())
