"""Reconciliation of many codes: its memory is that of a portion, whatever the shop lists."""

import json
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection as database

from loyalty.common import actors
from platforms import credentials
from rewards.models import ListedCode, ReconciliationRun, RedeemedReward, RewardCode, RunPhase
from rewards.reconciliation import runs, steps
from tests.factories.people import ConnectionFactory
from tests.rewards.admin_rows import row

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

CODES = int(os.environ.get("CODES", "60000"))  # 200,000 take a minute or two
WARM = 20_000  # codes after which nothing new should be kept
MOST_GROWTH = 24_000_000  # bytes; kept whole, so many codes would take a hundred million and more

FILL_CODES = """
    INSERT INTO rewards_rewardcode (connection_id, code, canonical, remote_id, created_at, is_shared)
    SELECT %s, 'C-' || lpad(n::text, 7, '0'), 'C-' || lpad(n::text, 7, '0'), 'code_' || n, '2026-01-01Z', false
    FROM generate_series(0, %s) AS n
"""


class Listing(BaseHTTPRequestHandler):
    """A sandbox shop that has every code of ours, and none of it in memory."""

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        after, limit = asked["after"][0], int(asked["limit"][0])
        first = int(after.removeprefix("c-")) + 1 if after else 0
        last = min(first + limit, CODES)
        page = {
            "codes": [self.code(number) for number in range(first, last)],
            "cursor": f"c-{last - 1:07}",
            "more": last < CODES,
        }
        content = json.dumps(page).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    @staticmethod
    def code(number: int) -> dict[str, Any]:
        return {
            "id": f"code_{number}", "code": f"C-{number:07}", "alive": True, "reference": f"rr-{Listing.first + number}",
            "uses": 0, "percent": None, "amount": "5.00", "minimum_order": None, "expires_at": None,
        }  # fmt: skip

    first = 0

    def log_message(self, *args: Any) -> None:
        """Keep the test's output clean."""


@contextmanager
def listing() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def fill(connection) -> None:
    """So many issued rewards, each with its code: copies of one."""
    model = row(connection=connection)
    copied = [field.column for field in RedeemedReward._meta.concrete_fields if field.column not in {"id", "code_id"}]
    names = ", ".join(copied)
    Listing.first = model.pk + 1
    with database.cursor() as cursor:
        cursor.execute(FILL_CODES, [connection.pk, CODES - 1])
        cursor.execute(
            f"INSERT INTO rewards_redeemedreward (id, code_id, {names}) "
            f"SELECT %s + ranked.n, ranked.id, {', '.join('model.' + name for name in copied)} "
            "FROM rewards_redeemedreward AS model, "
            "(SELECT id, row_number() OVER (ORDER BY canonical) - 1 AS n FROM rewards_rewardcode) AS ranked "
            "WHERE model.id = %s",
            [Listing.first, model.pk],
        )
    RedeemedReward.objects.filter(pk=model.pk).delete()


def in_use() -> int:
    """Bytes of memory this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_keeps_no_more_in_memory_than_a_portion(db, monkeypatch):
    with listing() as url:
        shop = ConnectionFactory(base_url=url, credentials=credentials.seal({"token": "any"}))
        fill(shop)
        now = datetime.now(UTC)
        run = runs.begin(connection_id=shop.pk, actor=actors.SYSTEM, now=now)
        claim = runs.take(run_id=run.pk, now=now)
        grown: dict[str, int] = {}
        warm: dict[str, int] = {}
        go_on = runs.go_on

        def measured(held: ReconciliationRun, **facts: Any) -> None:
            done = held.listed if held.phase == RunPhase.READ else held.compared
            if done >= WARM:
                warm.setdefault(held.phase, in_use())
                grown[held.phase] = in_use() - warm[held.phase]
            go_on(held, **facts)

        monkeypatch.setattr(runs, "go_on", measured)

        verdict = steps.work(claim=claim, now=now, patience=900.0)

    run.refresh_from_db()
    assert (verdict, run.listed, run.compared, run.tally) == ("done", CODES, CODES, {})
    assert RewardCode.objects.count() == CODES
    assert ListedCode.objects.count() == 0
    assert grown[RunPhase.READ] < MOST_GROWTH
    assert grown[RunPhase.OURS] < MOST_GROWTH
