"""Reconcile a million codes with a shop, in a scratch database, and find exactly what was made to differ.

Usage: make bench-reconcile     (CODES=200000 in the environment for fewer)

The shop is a process of its own that speaks the sandbox's API and answers 429 to more requests a second than it allows.
Promises: every injected difference is found as what it is, and nothing else; a reconciliation that is killed in the middle
is gone on with and comes to the same; the shop's limit is kept; and the memory at all codes is at most 1.2 times the
memory at a tenth. Exits with 1 when one is broken. The last report is kept in reports/reconcile.txt.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
from scratch import ROOT, Run, analyze, environment, machine, managed, scratch

REPORT = Path(__file__).resolve().parent / "reports" / "reconcile.txt"
CODES = int(os.environ.get("CODES", "1000000"))
OF_EACH = 100  # differences of each kind
KINDS = ("ghost", "zombie", "use_drift", "value_drift", "orphan")
REQUESTS_A_SECOND = 50  # that the shop allows
MOST_GROWTH = 1.2
FIRST = 1_000_000  # the id of the first redeemed reward
SHOP = "Reconciled"

FILL = """
    INSERT INTO rewards_rewardcode (connection_id, code, canonical, remote_id, created_at, is_shared)
    SELECT %(shop)s, 'C-' || lpad(n::text, 7, '0'), 'C-' || lpad(n::text, 7, '0'), 'code_' || n, '2026-01-01Z', false
    FROM generate_series(0, %(codes)s - 1) AS n;
    INSERT INTO rewards_redeemedreward (id, code_id, {names})
    SELECT %(first)s + code.n, code.id, {values}
    FROM rewards_redeemedreward AS model,
        (SELECT id, row_number() OVER (ORDER BY canonical) - 1 AS n FROM rewards_rewardcode) AS code
    WHERE model.id = %(model)s;
    DELETE FROM rewards_redeemedreward WHERE id = %(model)s;
    UPDATE rewards_redeemedreward SET fulfillment_status = 'cancelled', takes_place = false, cancelled_at = now()
    WHERE (id - %(first)s) %% %(step)s = 1;
"""


# The shop: a process of its own, without the desk.


def kind_of(number: int, codes: int) -> str:
    """What is wrong with the code of this number; the steps are even, so that each page has its share."""
    place = number % (codes // OF_EACH)
    return KINDS[place] if place < 4 else ""


def told(number: int, codes: int) -> dict[str, Any]:
    kind = kind_of(number, codes)
    return {
        "id": f"code_{number}",
        "code": f"C-{number:07}",
        "alive": kind != "use_drift",
        "reference": f"rr-{FIRST + number}",
        "uses": int(kind == "use_drift"),
        "percent": None,
        "amount": "7.00" if kind == "value_drift" else "5.00",
        "minimum_order": None,
        "expires_at": None,
    }


def orphan(number: int) -> dict[str, Any]:
    """A code with our mark that nobody here has."""
    return told(1_000, 10**9) | {"id": f"orphan_{number}", "code": f"O-{number:07}", "reference": f"rr-{number + 1}"}


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    codes = 0
    window = 0
    asked = 0  # in the window
    most = 0  # answered in any second
    refused = 0

    def do_GET(self) -> None:
        if not self.allowed():
            self.answer(429, {"error": {"code": "throttled", "message": "Wait."}}, {"retry-after": "1"})
            return
        url = urlsplit(self.path)
        asked = parse_qs(url.query, keep_blank_values=True)
        if url.path == "/figures":
            self.answer(200, {"most": Shop.most, "refused": Shop.refused})
        elif url.path == "/api/code-list":
            self.answer(200, page(Shop.codes, asked["after"][0], int(asked["limit"][0])))
        elif url.path == "/api/codes":
            self.answer(200, {"codes": found(Shop.codes, asked["code"][0])})
        else:
            self.answer(200, {"orders": [], "cursor": "0", "more": False})

    @staticmethod
    def allowed() -> bool:
        second = int(time.monotonic())
        if second != Shop.window:
            Shop.window, Shop.asked = second, 0
        Shop.asked += 1
        if Shop.asked > REQUESTS_A_SECOND:
            Shop.refused += 1
            return False
        Shop.most = max(Shop.most, Shop.asked)
        return True

    def answer(self, status: int, data: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def page(codes: int, after: str, limit: int) -> dict[str, Any]:
    """Codes by number, those that are not there left out; then the orphans."""
    first = int(after or 0)
    last = min(first + limit, codes + OF_EACH)
    listed = [
        told(number, codes) if number < codes else orphan(number - codes)
        for number in range(first, last)
        if number >= codes or kind_of(number, codes) != "ghost"
    ]
    return {"codes": listed, "cursor": str(last), "more": last < codes + OF_EACH}


def found(codes: int, code: str) -> list[dict[str, Any]]:
    kind, number = code[0].upper(), int(code[2:])
    if kind == "O":
        return [orphan(number)]
    return [] if kind_of(number, codes) == "ghost" else [told(number, codes)]


def serve(codes: int) -> None:
    Shop.codes = codes
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    print(server.server_port, flush=True)
    server.serve_forever(poll_interval=0.05)


@contextmanager
def shop(codes: int) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, __file__, "serve", str(codes)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()


# The desk.


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What one reconciliation found, and what it took."""

    run: Run
    kinds: "Counter[str]"
    summary: dict[str, Any]
    figures: dict[str, int]


def main() -> int:
    tenth = reconciled(CODES // 10)
    with scratch("reconcile_whole") as url, shop(CODES) as address:
        fill(url, codes=CODES, address=address)
        before = kill_in_the_middle(url)
        whole = reconcile(url, address)
    report, kept = verdict(tenth, whole, killed_after=before)
    print(report)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report, encoding="utf-8")
    return 0 if kept else 1


def reconciled(codes: int) -> Reconciled:
    with scratch("reconcile_part") as url, shop(codes) as address:
        fill(url, codes=codes, address=address)
        return reconcile(url, address)


def fill(url: str, *, codes: int, address: str) -> None:
    """So many issued rewards with their codes, one in some of them canceled here: copies of one."""
    model = json.loads(done(url, "model", address))
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'rewards_redeemedreward' "
            "AND column_name NOT IN ('id', 'code_id') AND is_generated = 'NEVER'"
        ).fetchall()
        names = [f'"{name}"' for (name,) in rows]
        statements = FILL.format(names=", ".join(names), values=", ".join(f"model.{name}" for name in names))
        facts = {**model, "codes": codes, "first": FIRST, "step": codes // OF_EACH}
        for statement in statements.split(";"):
            if statement.strip():
                connection.execute(statement, facts)  # type: ignore[arg-type]
    analyze(url)


def make_model(address: str) -> None:
    """One issued reward of a shop, through Django; its numbers."""
    sys.path.insert(0, str(ROOT))
    from scratch import django_here

    django_here()
    from django.utils import timezone

    from loyalty.customers.models import Customer, CustomerState
    from platforms import credentials
    from platforms.models import StoreConnection
    from rewards.models import RedeemedReward, Reward, RewardType

    now = timezone.now()
    place = StoreConnection.objects.create(
        name=SHOP, platform="sandbox", base_url=address, currency="USD", credentials=credentials.seal({"token": "any"})
    )
    reward = Reward.objects.create(
        name="5 off", type=RewardType.DISCOUNT_CODE, amount=5, currency="USD", connection=place
    )
    customer = Customer.objects.create(email="one@example.com", state=CustomerState.MEMBER)
    row = RedeemedReward.objects.create(
        customer=customer, reward=reward, connection=place, origin="staff", on_profile=True, actor_kind="system",
        fulfillment_status="issued", usage_status="unused", redeemed_at=now, issued_at=now, updated_at=now, name="5 off",
        type=reward.type, cost_in_points=0, currency="USD", amount=5, balance_after=0,
    )  # fmt: skip
    print(json.dumps({"shop": place.pk, "model": row.pk}))


def reconcile(url: str, address: str) -> Reconciled:
    """The whole of it, as the command does it."""
    from urllib.request import urlopen

    run = managed(url, "reconcile", SHOP, "--json")
    lines = [json.loads(line) for line in run.said.splitlines()]
    time.sleep(1.1)  # or the shop would count this question, too
    with urlopen(f"{address}/figures", timeout=10) as answer:
        figures = json.load(answer)
    summary = lines.pop() if lines and "run" in lines[-1] else {}
    return Reconciled(run=run, kinds=Counter(line["kind"] for line in lines), summary=summary, figures=figures)


def kill_in_the_middle(url: str) -> int:
    """Kill a reconciliation when it has listed about a third; gives back how many codes that were."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "reconcile", SHOP, "--json"],
        cwd=ROOT,
        env=environment(url),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    listed = 0
    with psycopg.connect(url, autocommit=True) as connection:
        while listed < CODES // 3 and process.poll() is None:
            time.sleep(0.2)
            row = connection.execute("SELECT listed FROM rewards_reconciliationrun").fetchone()
            listed = row[0] if row else 0
        process.send_signal(signal.SIGKILL)
        process.wait()
        # Nobody may take over before the claim of the dead runs out: four minutes that this bench does not wait.
        connection.execute("UPDATE rewards_reconciliationrun SET claimed_until = now(), due_at = now()")
    return int(listed)


def verdict(tenth: Reconciled, whole: Reconciled, *, killed_after: int) -> tuple[str, bool]:
    """The report, and whether every promise was kept."""
    wanted = Counter(dict.fromkeys(KINDS, OF_EACH))
    growth = whole.run.peak_mib / tenth.run.peak_mib
    figures = [each.figures["most"] for each in (tenth, whole)]
    promises = {
        f"{sentence(tenth.kinds)} found among {CODES // 10:,} codes (injected: {OF_EACH} of each)": tenth.kinds
        == wanted,
        f"{sentence(whole.kinds)} found among {CODES:,} codes (injected: {OF_EACH} of each)": whole.kinds == wanted,
        f"killed after {killed_after:,} codes, gone on with to {whole.summary.get('listed', 0):,} listed and "
        f"{whole.summary.get('compared', 0):,} compared": (
            0 < killed_after < CODES and (whole.summary.get("listed"), whole.summary.get("compared")) == (CODES, CODES)
        ),
        f"at most {max(figures)} requests answered in a second (the shop's limit: {REQUESTS_A_SECOND})": max(figures)
        <= REQUESTS_A_SECOND,
        f"peak memory {tenth.run.peak_mib:.0f} MiB at {CODES // 10:,}, {whole.run.peak_mib:.0f} MiB at {CODES:,}: "
        f"{growth:.2f} times (promise: at most {MOST_GROWTH})": growth <= MOST_GROWTH,
    }
    rest = CODES - killed_after
    lines = [
        "All codes of a shop reconciled with ours",
        "",
        machine(),
        "",
        (
            f"{CODES // 10:,} codes in {tenth.run.seconds:.0f} s: {CODES // 10 / tenth.run.seconds:,.0f} codes a second; "
            f"{tenth.run.cpu_seconds:.0f} s of computing by the desk"
        ),
        (
            f"{rest:,} codes that were left to list, and {CODES:,} to compare, in {whole.run.seconds:.0f} s: "
            f"{rest / whole.run.seconds:,.0f} codes a second; {whole.run.cpu_seconds:.0f} s of computing by the desk"
        ),
        f"requests that the shop put off: {tenth.figures['refused']:,} and {whole.figures['refused']:,}",
        "",
        *(f"{'kept  ' if kept else 'BROKEN'}  {promise}" for promise, kept in promises.items()),
    ]
    return "\n".join(lines) + "\n", all(promises.values())


def sentence(kinds: "Counter[str]") -> str:
    return ", ".join(f"{kinds[kind]} {kind.replace('_', ' ')}" for kind in KINDS)


def done(url: str, *words: str) -> str:
    """What this program prints with these words, in a process of its own."""
    return subprocess.run(
        [sys.executable, __file__, *words], env=environment(url), cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", codes]:
            serve(int(codes))
        case ["model", address]:
            make_model(address)
        case _:
            sys.exit(main())
