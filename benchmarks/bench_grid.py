"""The grid of redeemed rewards beside an unmodified ModelAdmin with the same columns, filters and search.

Usage: make bench-grid [ROWS=1000000]

22 typical requests, whole pages of 50 rows made in-process for one signed-in person. First the stock admin on the
indexes Django makes by itself; then the model's own indexes are built, and ours and the stock admin run on those, turn
by turn. Every page of ours must show the very rows the stock admin shows.

From ten million rows on the stock admin is asked once for each page, not three times, and our pages are timed on a
million rows first, to see that they stay flat.

Promises: at most 6 queries on our tables and no count over the table in any request; geometric mean at least 20 times
faster from a million rows on, 50 times at ten million (below a million only that ours is faster); from one to ten million
at most 1.5 times slower, geometric mean; a million rows filled and indexed in under 3 minutes. Exits with 1 when one is broken. The last report is kept in reports/grid.txt, that of ten
million rows in reports/grid_large.txt.
"""

import math
import os
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import bench_import
import grid_data

ROWS = int(os.environ.get("ROWS", "1000000"))
LARGE = 10_000_000
SMALLER = 1_000_000
REPORT = Path(__file__).resolve().parent / "reports" / ("grid_large.txt" if ROWS >= LARGE else "grid.txt")
SIZE = 50
MOST_QUERIES = 6
MOST_FILL_SECONDS = 180.0
ROUNDS = 5
STOCK_ROUNDS = 1 if ROWS >= LARGE else 3
MOST_GROWTH = 1.5
OUR_TABLES = ("rewards_", "customers_", "merchant_", "platforms_", "jobs_")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, in the words of both lists."""

    name: str
    ours: dict[str, str]
    stock: dict[str, str]


@dataclass(slots=True)
class Told:
    """What came of it."""

    asked: Asked
    plain: float = 0.0
    indexed: float = 0.0
    ours: float = 0.0
    smaller: float | None = None  # ours, on a million rows
    queries: int = 0
    ids: list[int] = field(default_factory=list)


def requests(rows: int, middle_after: int) -> list[Asked]:
    some = rows // 20  # customers of the middle
    week = {"after": "2025-06-02", "before": "2025-06-08", "end": "2025-06-09"}
    pages = math.ceil(rows / SIZE)
    return [
        Asked("first page", {}, {}),
        Asked(
            "redeemed in a week",
            {"redeemed_after": week["after"], "redeemed_before": week["before"]},
            {"redeemed_at__gte": week["after"], "redeemed_at__lt": week["end"]},
        ),
        Asked(
            "used in a month",
            {"used_after": "2025-05-01", "used_before": "2025-05-31"},
            {"used_at__gte": "2025-05-01", "used_at__lt": "2025-06-01"},
        ),
        Asked("unused", {"usage": "unused"}, {"usage_status__exact": "unused"}),
        Asked("pending", {"status": "pending"}, {"fulfillment_status__exact": "pending"}),
        Asked("one type", {"type": "gift"}, {"type__exact": "gift"}),
        Asked("one reward", {"reward": "7"}, {"reward__id__exact": "7"}),
        Asked("shipped", {"delivery_status": "shipped"}, {"delivery_status__exact": "shipped"}),
        Asked(
            "one shop and origin",
            {"shop": "2", "origin": "staff"},
            {"connection__id__exact": "2", "origin__exact": "staff"},
        ),
        Asked("failure reason", {"failure": "invalid"}, {"failure_code__exact": "invalid"}),
        Asked("sorted by usage date", {"o": "-used", "usage": "used"}, {"o": "-2", "usage_status__exact": "used"}),
        Asked("sorted by cost", {"o": "-cost"}, {"o": "-3"}),
        Asked("sorted by e-mail", {"o": "-email"}, {"o": "-5"}),
        Asked("search: e-mail", {"search": f"customer{some}@"}, {"q": f"customer{some}@"}),
        Asked("search: phone", {"search": phone(some)}, {"q": phone(some)}),
        Asked("search: two words", {"search": "anna kowalski"}, {"q": "anna kowalski"}),
        Asked("search: a frequent surname", {"search": "kowalczyk"}, {"q": "kowalczyk"}),
        Asked("search: a code", {"search": code(rows // 2 + 1)}, {"q": code(rows // 2 + 1)}),
        Asked("search: no hit", {"search": "nobody@nowhere"}, {"q": "nobody@nowhere"}),
        Asked("a page in the middle", {"after": str(middle_after)}, {"p": str(pages // 2 + 1)}),
        Asked("last page", {"before": "end"}, {"p": str(pages)}),
        Asked(
            "type, status, used in a month",
            {"type": "discount_code", "status": "used", "used_after": "2025-05-01", "used_before": "2025-05-31"},
            {
                "type__exact": "discount_code",
                "usage_status__exact": "used",
                "used_at__gte": "2025-05-01",
                "used_at__lt": "2025-06-01",
            },
        ),
    ]


def phone(customer: int) -> str:
    return f"+486{str(customer * 7919 % 100000000).zfill(8)}"


def code(row: int) -> str:
    import hashlib

    return "SUMMER-" + hashlib.md5(str(row).encode()).hexdigest()[:14].upper()


def main() -> int:
    with grid_data.server():
        return compared(smaller=ours_alone(SMALLER) if ROWS >= LARGE else [])


def compared(*, smaller: list[float]) -> int:
    """Both on ROWS rows; gives 1 when a promise is broken."""
    with grid_data.filled(ROWS) as (url, fill_seconds):
        clients = sites()
        with psycopg.connect(url, autocommit=True) as connection:
            plain_seconds = grid_data.index_as_django_would(connection)
            told = [Told(asked) for asked in asked_of(ROWS)]
            for each in told:
                each.plain = timed(clients["stock"], each.asked.stock, rounds=STOCK_ROUNDS)[0]
                print(f"stock: {each.asked.name}: {each.plain:,.0f} ms", flush=True)
            index_seconds = grid_data.index_as_we_do(connection)
            megabytes = grid_data.sizes(connection)
        same = True
        for each in told:
            each.indexed, stock_ids = timed(clients["stock"], each.asked.stock, rounds=STOCK_ROUNDS)
            each.ours, each.ids = timed(clients["ours"], each.asked.ours, rounds=ROUNDS)
            each.queries = counted(clients["ours"], each.asked.ours)
            print(f"{each.asked.name}: {each.indexed:,.0f} ms beside {each.ours:.1f} ms", flush=True)
            if each.ids != stock_ids:
                same = False
                print(f"{each.asked.name}: not the same rows: {each.ids[:3]} beside {stock_ids[:3]}", flush=True)
    for each, before in zip(told, smaller, strict=False):
        each.smaller = before
    report, kept = verdict(
        told,
        same=same,
        fill=fill_seconds + index_seconds,
        plain_seconds=plain_seconds,
        megabytes=megabytes,
    )
    print(report)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report, encoding="utf-8")
    return 0 if kept else 1


def ours_alone(rows: int) -> list[float]:
    """Our pages on so many rows, in milliseconds."""
    with grid_data.filled(rows) as (url, _):
        clients = sites()
        with psycopg.connect(url, autocommit=True) as connection:
            grid_data.index_as_we_do(connection)
        return [timed(clients["ours"], asked.ours, rounds=ROUNDS)[0] for asked in asked_of(rows)]


def asked_of(rows: int) -> list[Asked]:
    return requests(rows, rows - (rows // SIZE // 2) * SIZE + 1)


def sites() -> dict[str, Any]:
    """Two signed-in browsers: of our admin, and of a site with a stock ModelAdmin."""
    from django.conf import settings
    from django.test import Client

    from loyalty.accounts.models import User

    settings.ROOT_URLCONF = "grid_urls"
    settings.ALLOWED_HOSTS = ["*"]
    user = User.objects.create_superuser(email="bench@example.com", password="not-used-here-1")
    browsers = {}
    for name, path in (("ours", "/admin/rewards/redeemedreward/"), ("stock", "/stock/rewards/redeemedreward/")):
        client = Client()
        client.force_login(user)
        browsers[name] = (client, path)
    return browsers


def timed(browser: Any, query: dict[str, str], *, rounds: int) -> tuple[float, list[int]]:
    """Milliseconds of the quickest run, and the ids shown."""
    client, path = browser
    spent = []
    response = None
    for _ in range(rounds):
        began = time.perf_counter()
        response = client.get(path, query)
        spent.append((time.perf_counter() - began) * 1000)
        if response.status_code != 200:
            raise SystemExit(f"{path} {query}: {response.status_code} {response.headers.get('Location', '')}")
    page = response.content.decode() if response is not None else ""
    ids = [int(ours or stock) for ours, stock in re.findall(r'<tr data-row="(\d+)"|class="field-pk[^"]*">(\d+)<', page)]
    return min(spent), ids


def counted(browser: Any, query: dict[str, str]) -> int:
    """How many queries on our tables one request takes. A count without a limit is worth a hundred."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client, path = browser
    with CaptureQueriesContext(connection) as captured:
        client.get(path, query)
    own = [each["sql"] for each in captured.captured_queries if any(name in each["sql"] for name in OUR_TABLES)]
    return sum(100 if "COUNT(" in sql and "LIMIT" not in sql else 1 for sql in own)


def mean(ratios: list[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def verdict(
    told: list[Told], *, same: bool, fill: float, plain_seconds: float, megabytes: tuple[int, int]
) -> tuple[str, bool]:
    plain = mean([each.plain / each.ours for each in told])
    indexed = mean([each.indexed / each.ours for each in told])
    goal = 50.0 if ROWS >= 10_000_000 else 20.0 if ROWS >= 1_000_000 else 1.0
    promises = {
        f"{plain:.1f} times faster, geometric mean (promise at {ROWS:,} rows: at least {goal:.0f})": plain >= goal,
        f"at most {max(each.queries for each in told)} queries, no count over the table (promise: at most "
        f"{MOST_QUERIES})": all(each.queries <= MOST_QUERIES for each in told),
        "the same rows in the same order as the stock admin": same,
        f"filled by COPY and indexed in {fill:.0f} s (promise: under {MOST_FILL_SECONDS:.0f} s a million)": fill
        < MOST_FILL_SECONDS * max(ROWS / 1_000_000, 1),
    }
    grown = [each.ours / each.smaller for each in told if each.smaller]
    if grown:
        promises[
            f"{mean(grown):.2f} times the time on {SMALLER:,} rows, geometric mean; {max(grown):.2f} in the worst request "
            f"(promise: at most {MOST_GROWTH})"
        ] = mean(grown) <= MOST_GROWTH
    lines = [
        "The grid of redeemed rewards beside a stock ModelAdmin",
        "",
        bench_import.machine(),
        f"{ROWS:,} redeemed rewards of {ROWS // 10:,} customers; table {megabytes[0]:,} MB, indexes {megabytes[1]:,} MB",
        "Milliseconds for a whole page of 50 rows. stock: on the indexes Django makes; stock+: on ours as well. grown: ours beside a million rows.",
        "Parallel hash joins are switched off for both: at ten million rows one of the stock admin's takes 20 GB.",
        "",
        f"{'request':<32}{'stock':>10}{'stock+':>10}{'ours':>8}{'grown':>9}{'ratio':>9}{'ratio+':>9}{'queries':>9}",
        *(
            f"{each.asked.name:<32}{each.plain:>10,.0f}{each.indexed:>10,.0f}{each.ours:>8.1f}"
            f"{f'{each.ours / each.smaller:.2f}' if each.smaller else '':>9}"
            f"{each.plain / each.ours:>9.1f}{each.indexed / each.ours:>9.1f}{each.queries:>9}"
            for each in told
        ),
        f"{'geometric mean':<32}{'':>28}{f'{mean(grown):.2f}' if grown else '':>9}{plain:>9.1f}{indexed:>9.1f}",
        "",
        *(f"{'kept  ' if kept else 'BROKEN'}  {promise}" for promise, kept in promises.items()),
    ]
    return "\n".join(lines) + "\n", all(promises.values())


if __name__ == "__main__":
    sys.exit(main())
