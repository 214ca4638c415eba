"""A sandbox shop of its own for commands that prove something, with the levers of its customers and its staff.

The desk reaches it over HTTP by an address that leads over wires; the levers go straight to it, or look into its table.
"""

import hashlib
import hmac
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from platforms import credentials
from platforms.models import PayoutAccount, Platform, StoreConnection
from platforms.trial_mail import TrialMail

NAME = "Trial"
TOKEN = "trial-shop-token"  # noqa: S105 (of a shop that lives as long as the command)
SECRET = "trial-shop-webhook-secret"  # noqa: S105
PATIENCE = 20.0
CHECKOUT = Path(__file__).resolve().parents[1]


class ShopDidNotStart(Exception):
    """The sandbox shop ended at once, or says nothing. The text is the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialShop:
    """A running sandbox shop."""

    data: Path
    port: int

    def connect(self, *, port: int) -> StoreConnection:
        """Let the desk know it by an address of its own."""
        shop, _ = StoreConnection.objects.update_or_create(
            name=NAME,
            defaults={
                "platform": Platform.SANDBOX,
                "base_url": f"http://127.0.0.1:{port}",
                "currency": "USD",
                "credentials": credentials.seal({"token": TOKEN, "webhook_secret": SECRET}),
            },
        )
        return shop

    def pay_through(self, *, port: int) -> PayoutAccount:
        """Let the desk know its payouts by an address of its own."""
        account, _ = PayoutAccount.objects.update_or_create(
            name=NAME,
            defaults={
                "provider": Platform.SANDBOX,
                "base_url": f"http://127.0.0.1:{port}",
                "currency": "USD",
                "credentials": credentials.seal({"token": TOKEN, "webhook_secret": SECRET}),
            },
        )
        return account

    def buy(self, *, email: str, code: str) -> dict[str, Any]:
        """Somebody buys a mug with a code, and pays; gives back the order as the shop tells it."""
        items = [{"product": "mug", "quantity": 1}]
        return self._call("/api/carts/checkout", {"email": email, "items": items, "code": code, "pay": True})

    def tell(self, order: dict[str, Any], *, event: str, now: datetime) -> tuple[bytes, dict[str, str]]:
        """The webhook about an order: its body and its headers, signed as of now."""
        body = json.dumps(
            {"event_id": event, "topic": "order.updated", "occurred_at": order["updated_at"], "order": order}
        ).encode()
        timestamp = str(int(now.timestamp()))
        signature = hmac.new(SECRET.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        return body, {"x-sandbox-timestamp": timestamp, "x-sandbox-signature": f"v1={signature}"}

    def codes(self, *, enabled: bool) -> "Counter[str]":
        """How many of its codes work, or do not, by our reference."""
        with closing(sqlite3.connect(self.data / "shop.sqlite3")) as database:
            found = database.execute(
                "SELECT reference, count(*) FROM codes WHERE enabled = ? GROUP BY reference", (int(enabled),)
            )
            return Counter(dict(found.fetchall()))

    def payouts(self) -> "Counter[str]":
        """How many payments it made, by our reference."""
        with closing(sqlite3.connect(self.data / "shop.sqlite3")) as database:
            found = database.execute("SELECT reference, count(*) FROM payouts GROUP BY reference")
            return Counter(dict(found.fetchall()))

    def _call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=json.dumps(body).encode(),
            headers={"authorization": f"Bearer {TOKEN}", "content-type": "application/json"},
        )
        with urlopen(request, timeout=PATIENCE) as response:  # noqa: S310
            found: dict[str, Any] = json.load(response)
            return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What an act of a proof has to work with: a shop, a mail server, the clock, and the tasks by their names."""

    shop: TrialShop
    mail: TrialMail
    now: Callable[[], datetime]
    task: Callable[..., object]

    def connection(self) -> StoreConnection:
        return StoreConnection.objects.get(name=NAME)

    def payout_account(self) -> PayoutAccount:
        return PayoutAccount.objects.get(name=NAME)


@contextmanager
def running() -> Iterator[TrialShop]:
    """A shop, and its data in a folder of their own, until the end. Raises ShopDidNotStart."""
    with tempfile.TemporaryDirectory(prefix="trial-shop-") as folder:
        data = Path(folder)
        log = data / "shop.log"
        with log.open("wb") as said:  # a file, not a pipe: it says a line a request, and nobody would read on
            process = subprocess.Popen(  # noqa: S603 (our own program)
                [sys.executable, "-m", "platforms.sandbox.shop", "--port", "0", "--data", folder],
                cwd=CHECKOUT,
                env=os.environ | {"SANDBOX_ADMIN_TOKEN": TOKEN, "SANDBOX_WEBHOOK_SECRET": SECRET},
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        try:
            yield TrialShop(data=data, port=_port(process, log))
        finally:
            process.kill()
            process.wait()


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        if (ready := re.search(r"^READY (\d+)$", log.read_text(), re.MULTILINE)) is not None:
            return int(ready[1])
        time.sleep(0.05)
    raise ShopDidNotStart(log.read_text()[-500:] or "It said nothing.")
