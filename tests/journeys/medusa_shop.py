"""A real Medusa shop for tests: boots it on the tests' PostgreSQL, shops in it, and does what its staff would do.

    with running_medusa_shop() as shop:
        MedusaAdapter(shop.access())
        cart = shop.cart("jo@example.com")
        assert shop.apply(cart, "LOY-ABC") == ["LOY-ABC"]
        order = shop.complete(cart)

Each shop has a database of its own, copied from a migrated one that the server keeps; it is dropped afterwards, and
the next run drops those of runs that were killed.
"""

import base64
import hashlib
import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from platforms.adapter import Access, Adapter
from platforms.medusa.adapter import MedusaAdapter
from tests.fakes.contract import Harness
from tests.fakes.misbehaving import unused_port

SHOP_DIRECTORY = Path(__file__).resolve().parents[2] / "e2e" / "medusa"
EMAIL, PASSWORD = "admin@example.com", "secretpass"
BOOT_SECONDS = 240.0
PATIENCE = 180.0  # seconds for one answer, on a busy machine
PREPARE_SECONDS = 600.0
MAKING_TEMPLATE = 0x3ED05A  # ours among the advisory locks of a server
ADDRESS = {"first_name": "Jo", "last_name": "Doe", "address_1": "Main street 1", "city": "Berlin"}


class ShopNotRunning(Exception):
    """The shop could not be started; the sentence says what to do."""


class ShopRefused(Exception):
    """The shop answered a call of this harness with a refusal."""


@dataclass(frozen=True, slots=True)
class MedusaShop:
    """The running shop, its shoppers and its staff. Amounts are what JSON holds: numbers in major units."""

    base_url: str
    secret_key: str
    publishable_key: str
    region: str
    delivery: str
    goods: Mapping[str, Mapping[str, str]]  # MUG and TEA: the ids of product, variant and collection

    def access(self, **changes: Any) -> Access:
        plain = Access(
            base_url=self.base_url,
            credentials={"api_key": self.secret_key},
            webhook_secrets=(),
            currency="USD",
            allow_private_addresses=True,
            timeout=PATIENCE,
        )
        return replace(plain, **changes)

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """What staff do. Raises ShopRefused."""
        key = base64.b64encode(f"{self.secret_key}:".encode()).decode()
        return call(self.base_url, method, f"/admin{path}", body, {"authorization": f"Basic {key}"})

    def store(self, method: str, path: str, body: Any = None) -> Any:
        """What a storefront does. Raises ShopRefused."""
        return call(self.base_url, method, f"/store{path}", body, {"x-publishable-api-key": self.publishable_key})

    def cart(self, email: str, *, sku: str = "MUG", quantity: int = 1) -> str:
        """A cart with its delivery chosen: MUG costs 20.00, TEA 8.00, delivery 5.00."""
        wanted = {"variant_id": self.goods[sku]["variant"], "quantity": quantity}
        address = ADDRESS | {"postal_code": "10115", "country_code": "de"}
        body = {"region_id": self.region, "email": email, "items": [wanted], "shipping_address": address}
        cart = str(self.store("POST", "/carts", body)["cart"]["id"])
        self.store("POST", f"/carts/{cart}/shipping-methods", {"option_id": self.delivery})
        return cart

    def apply(self, cart: str, code: str) -> list[str]:
        """Type a code; the codes that take effect. Raises ShopRefused for one that does not exist."""
        found = self.store("POST", f"/carts/{cart}/promotions", {"promo_codes": [code]})["cart"]
        return [promotion["code"] for promotion in found["promotions"]]

    def make_ready(self, cart: str) -> None:
        """Up to the last page of the checkout: the payment is begun."""
        collection = self.store("POST", "/payment-collections", {"cart_id": cart})["payment_collection"]["id"]
        path = f"/payment-collections/{collection}/payment-sessions"
        self.store("POST", path, {"provider_id": "pp_system_default"})

    def complete(self, cart: str) -> str:
        """Place the order of a ready cart; its id. Raises ShopRefused."""
        answer = self.store("POST", f"/carts/{cart}/complete", {})
        assert answer["type"] == "order", answer
        return str(answer["order"]["id"])

    def checkout(self, email: str, *, code: str = "", quantity: int = 1) -> str:
        """The whole checkout in one go; the order's id."""
        cart = self.cart(email, quantity=quantity)
        if code:
            assert self.apply(cart, code) == [code], f"the shop gave nothing for {code}"
        self.make_ready(cart)
        return self.complete(cart)

    def draft_order(self, email: str, *, code: str = "") -> str:
        """An order that staff write down, to be paid later; its id."""
        body = {
            "region_id": self.region,
            "email": email,
            "items": [{"variant_id": self.goods["MUG"]["variant"], "quantity": 1}],
            "shipping_methods": [{"name": "By hand", "shipping_option_id": self.delivery, "amount": 5}],
            "promo_codes": [code] if code else [],
        }
        draft = self.admin("POST", "/draft-orders", body)["draft_order"]["id"]
        return str(self.admin("POST", f"/draft-orders/{draft}/convert-to-order", {})["order"]["id"])

    def capture(self, order_id: str) -> None:
        self.admin("POST", f"/payments/{self._payment(order_id)}/capture", {})

    def refund(self, order_id: str, amount: str) -> None:
        self.admin("POST", f"/payments/{self._payment(order_id)}/refund", {"amount": float(amount)})

    def cancel(self, order_id: str) -> None:
        self.admin("POST", f"/orders/{order_id}/cancel", {})

    def promotion(self, code: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = self.admin("GET", f"/promotions?code={urllib.parse.quote(code)}")["promotions"]
        return found[0]

    def _payment(self, order_id: str) -> str:
        order = self.admin("GET", f"/orders/{order_id}?fields=payment_collections.payments.id")["order"]
        return str(order["payment_collections"][0]["payments"][0]["id"])


class RealMedusaHarness(Harness):
    """The real shop in the contract suite."""

    def __init__(self, shop: MedusaShop) -> None:
        self.shop = shop
        self.product, self.collection = shop.goods["MUG"]["product"], shop.goods["MUG"]["collection"]
        self.other = shop.goods["TEA"]["collection"]

    def adapter(self, **changes: Any) -> Adapter:
        return MedusaAdapter(self.shop.access(**changes))

    def wrong_credentials(self) -> dict[str, str]:
        return {"api_key": "sk_of_another_shop"}

    def buy(self, *, email: str, code: str = "", pay: bool = True) -> str:
        if not pay:
            return self.shop.draft_order(email, code=code)
        return self.shop.checkout(email, code=code, quantity=2)

    def ready_cart(self, *, email: str, code: str) -> str:
        """A cart at the last page of the checkout, with the code."""
        cart = self.shop.cart(email)
        assert self.shop.apply(cart, code) == [code], f"the shop gave nothing for {code}"
        self.shop.make_ready(cart)
        return cart

    def complete(self, cart: str) -> str:
        return self.shop.complete(cart)

    def refuses(self, code: str) -> bool:
        try:
            return self.shop.apply(self.shop.cart("somebody@example.com", quantity=2), code) == []
        except ShopRefused:
            return True

    def cancel(self, order_id: str) -> None:
        self.shop.cancel(order_id)

    def refund(self, order_id: str, amount: str) -> None:
        self.shop.capture(order_id)
        self.shop.refund(order_id, amount)


def call(base_url: str, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Any:
    """One question to the shop. Raises ShopRefused."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(
        base_url + path, method=method, data=data, headers={"content-type": "application/json", **headers}
    )
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")[:500]
        raise ShopRefused(f"{method} {path} was answered with {error.code}: {said}") from error


@contextmanager
def running_medusa_shop() -> Iterator[MedusaShop]:
    """Boot a shop of its own on a free loopback port; end it afterwards. Raises ShopNotRunning."""
    if not (SHOP_DIRECTORY / "node_modules" / "@medusajs" / "medusa").is_dir():
        raise ShopNotRunning("The Medusa shop is not installed: run `make e2e-medusa`, or npm install in e2e/medusa.")
    with _database() as database_url, tempfile.TemporaryDirectory(prefix="medusa-") as directory:
        port, log = unused_port(), Path(directory) / "shop.log"
        with log.open("wb") as output:
            # Its input is a pipe that we hold: should this process be killed, the pipe closes and the shop ends itself.
            process = subprocess.Popen(
                ["node", "shop.js", str(port)],
                cwd=SHOP_DIRECTORY,
                env=_environment(database_url),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            base_url = f"http://127.0.0.1:{port}"
            _wait_until_healthy(base_url, process, log)
            seeded = json.loads(_run(["node", "seed.js", base_url, EMAIL, PASSWORD], database_url))
            yield MedusaShop(
                base_url=base_url,
                secret_key=seeded["secretKey"],
                publishable_key=seeded["publishableKey"],
                region=seeded["region"],
                delivery=seeded["delivery"],
                goods=seeded["goods"],
            )
        finally:
            _stop(process)


@contextmanager
def _database() -> Iterator[str]:
    """The address of a migrated database that nobody else uses."""
    server = urlsplit(os.environ["DATABASE_URL"])
    locks = (SHOP_DIRECTORY / "package-lock.json").read_bytes()
    template = f"medusa_{hashlib.sha256(locks).hexdigest()[:12]}"
    name = f"medusa_run_{os.getpid()}"
    with psycopg.connect(server._replace(path="/postgres").geturl(), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [MAKING_TEMPLATE])
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [template]).fetchone():
            _make_template(connection, template, server._replace(path=f"/{template}_half").geturl())
        _drop_left_behind(connection)
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(copy.format(sql.Identifier(name), sql.Identifier(template)))
        database_url = server._replace(path=f"/{name}").geturl()
        presence = psycopg.connect(database_url)
        connection.execute("SELECT pg_advisory_unlock(%s)", [MAKING_TEMPLATE])
        try:
            yield database_url
        finally:
            presence.close()
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _drop_left_behind(connection: psycopg.Connection[Any]) -> None:
    """Drop the databases of runs that were killed: whoever lives has a session in his own."""
    names = connection.execute("SELECT datname FROM pg_database WHERE datname ~ '^medusa_run_[0-9]+$'").fetchall()
    for (name,) in names:
        with suppress(psycopg.errors.ObjectInUse):
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def _make_template(connection: psycopg.Connection[Any], template: str, database_url: str) -> None:
    """Migrate an empty database and give it an administrator. It has its name only when it is whole."""
    half = sql.Identifier(f"{template}_half")
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(half))
    connection.execute(sql.SQL("CREATE DATABASE {}").format(half))
    _run(["node", "node_modules/.bin/medusa", "db:migrate"], database_url)
    _run(["node", "node_modules/.bin/medusa", "user", "-e", EMAIL, "-p", PASSWORD], database_url)
    connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(half, sql.Identifier(template)))


def _environment(database_url: str) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    own = {"DATABASE_URL": database_url, "NODE_ENV": "production", "MEDUSA_DISABLE_TELEMETRY": "true"}
    return inherited | own


def _run(command: list[str], database_url: str) -> str:
    done = subprocess.run(
        command,
        cwd=SHOP_DIRECTORY,
        env=_environment(database_url),
        capture_output=True,
        text=True,
        timeout=PREPARE_SECONDS,
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr)[-2000:]
        raise ShopNotRunning(f"`{' '.join(command[:3])}` in e2e/medusa ended with status {done.returncode}: {said}")
    return done.stdout


def _wait_until_healthy(base_url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends_at = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < ends_at:
        try:
            with urllib.request.urlopen(f"{base_url}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
        if process.poll() is not None:
            raise ShopNotRunning(f"The Medusa shop ended with status {process.returncode}: {log.read_text()[-2000:]}")
    raise ShopNotRunning(f"The Medusa shop was not ready after {BOOT_SECONDS:.0f} s: {log.read_text()[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
