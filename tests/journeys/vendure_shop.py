"""A real Vendure shop for tests: boots it, makes an API key, shops in it, and does what its staff would do.

    with running_vendure(webhook_url=url, webhook_secret="…") as shop:
        VendureAdapter(Access(base_url=shop.base_url, credentials={"api_key": shop.api_key}, …))
        shopper = shop.shopper()
        shopper.add("MUG")
        assert shopper.apply("LOY-ABC") == "Order"
        order = shopper.check_out(email="jo@example.com")

The shop lives in memory: ids start again at 1 with every boot.
"""

import json
import os
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHOP_DIRECTORY = Path(__file__).resolve().parents[2] / "e2e" / "vendure"
BOOT_SECONDS = 90.0
PERMISSIONS = ("CreatePromotion", "ReadPromotion", "UpdatePromotion", "DeletePromotion", "ReadOrder")


class ShopNotRunning(Exception):
    """The shop could not be started; the sentence says what to do."""


class GraphqlRefused(Exception):
    """The shop answered a GraphQL call of this harness with errors."""


@dataclass(slots=True)
class Session:
    """One GraphQL conversation: the shop's session token travels back with every call."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    token: str = ""

    def call(self, document: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run one document and return its data. Raises GraphqlRefused."""
        headers = {"content-type": "application/json", **self.headers}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(
            self.url, data=json.dumps({"query": document, "variables": dict(variables or {})}).encode(), headers=headers
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
            self.token = response.headers.get("vendure-auth-token") or self.token
        if answer.get("errors"):
            raise GraphqlRefused(json.dumps(answer["errors"])[:1000])
        data: dict[str, Any] = answer["data"]
        return data


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order as the shopper sees it after paying. Money in minor units, as the shop has it."""

    id: str
    code: str
    state: str
    total: int
    codes: tuple[str, ...]
    discounts: tuple[int, ...]


ORDER = "id code state totalWithTax couponCodes discounts { amountWithTax }"


def _order(data: Mapping[str, Any]) -> PlacedOrder:
    assert data.get("__typename", "Order") == "Order", data
    return PlacedOrder(
        id=data["id"],
        code=data["code"],
        state=data["state"],
        total=data["totalWithTax"],
        codes=tuple(data["couponCodes"]),
        discounts=tuple(entry["amountWithTax"] for entry in data["discounts"]),
    )


@dataclass(slots=True)
class Shopper:
    """A person with one cart. Ask the shop for another shopper to fill another cart."""

    session: Session

    def add(self, sku: str, quantity: int = 1) -> None:
        """Put a product into the cart: MUG costs 20.00, TEA 8.00; delivery is 5.00."""
        products = self.session.call("{ products { items { variants { id sku } } } }")["products"]["items"]
        variant = next(entry["id"] for product in products for entry in product["variants"] if entry["sku"] == sku)
        data = self.session.call(
            "mutation ($id: ID!, $n: Int!) { addItemToOrder(productVariantId: $id, quantity: $n)"
            " { __typename ... on ErrorResult { message } } }",
            {"id": variant, "n": quantity},
        )
        assert data["addItemToOrder"]["__typename"] == "Order", data

    def apply(self, code: str) -> str:
        """Type a code: "Order" when the shop took it, otherwise the shop's error code."""
        data = self.session.call(
            "mutation ($code: String!) { applyCouponCode(couponCode: $code)"
            " { __typename ... on ErrorResult { errorCode } } }",
            {"code": code},
        )["applyCouponCode"]
        return str(data.get("errorCode") or data["__typename"])

    def remove(self, code: str) -> None:
        """Take a typed code out of the cart again."""
        self.session.call("mutation ($code: String!) { removeCouponCode(couponCode: $code) { id } }", {"code": code})

    def start_payment(self, *, email: str, first_name: str = "Jo", last_name: str = "Doe") -> None:
        """Everything up to the payment page; the cart waits there."""
        self.session.call(
            "mutation ($c: CreateCustomerInput!) { setCustomerForOrder(input: $c) { __typename } }",
            {"c": {"emailAddress": email, "firstName": first_name, "lastName": last_name}},
        )
        self.session.call(
            "mutation ($a: CreateAddressInput!) { setOrderShippingAddress(input: $a) { __typename } }",
            {"a": {"streetLine1": "Main street 1", "city": "Berlin", "postalCode": "10115", "countryCode": "DE"}},
        )
        method = self.session.call("{ eligibleShippingMethods { id } }")["eligibleShippingMethods"][0]["id"]
        self.session.call(
            "mutation ($id: [ID!]!) { setOrderShippingMethod(shippingMethodId: $id) { __typename } }", {"id": [method]}
        )
        data = self.session.call(
            'mutation { transitionOrderToState(state: "ArrangingPayment")'
            " { __typename ... on OrderStateTransitionError { transitionError } } }"
        )
        assert data["transitionOrderToState"]["__typename"] == "Order", data

    def pay(self, *, later: bool = False) -> PlacedOrder:
        """Place the order; `later` leaves the payment authorized and not yet settled."""
        data = self.session.call(
            "mutation ($p: PaymentInput!) { addPaymentToOrder(input: $p)"
            f" {{ __typename ... on Order {{ {ORDER} }} ... on ErrorResult {{ errorCode message }} }} }}",
            {"p": {"method": "pay-later" if later else "pay-now", "metadata": {}}},
        )
        return _order(data["addPaymentToOrder"])

    def check_out(self, *, email: str, later: bool = False) -> PlacedOrder:
        """The whole checkout in one go."""
        self.start_payment(email=email)
        return self.pay(later=later)


@dataclass(slots=True)
class VendureShop:
    """The running shop, with what its staff can do."""

    base_url: str
    api_key: str
    boot_seconds: float
    admin: Session
    process: subprocess.Popen[bytes]

    def shopper(self) -> Shopper:
        return Shopper(Session(f"{self.base_url}/shop-api"))

    def make_api_key(self, permissions: Sequence[str] = PERMISSIONS) -> str:
        """A key for an integration that may do just this."""
        return _make_api_key(self.admin, permissions)

    def make_promotion(self, *, code: str, percent: int = 5, description: str = "") -> str:
        """What shop staff do by hand: a promotion of their own with a code; its id."""
        data = self.admin.call(
            "mutation ($i: CreatePromotionInput!) { createPromotion(input: $i) { ... on Promotion { id } } }",
            {
                "i": {
                    "enabled": True,
                    "couponCode": code,
                    "translations": [{"languageCode": "en", "name": "By hand", "description": description}],
                    "conditions": [],
                    "actions": [
                        {
                            "code": "order_percentage_discount",
                            "arguments": [{"name": "discount", "value": str(percent)}],
                        }
                    ],
                }
            },
        )
        return str(data["createPromotion"]["id"])

    def promotion_ids(self, code: str) -> list[str]:
        """The ids of all promotions that carry this code, alive or not."""
        data = self.admin.call(
            "query ($c: String!) { promotions(options: { filter: { couponCode: { contains: $c } } }) { items { id } } }",
            {"c": code},
        )
        return [entry["id"] for entry in data["promotions"]["items"]]

    def delete_promotion(self, promotion_id: str) -> None:
        self.admin.call("mutation ($id: ID!) { deletePromotion(id: $id) { result } }", {"id": promotion_id})

    def settle_payment(self, order_id: str) -> None:
        """Take the money of an order that was placed to be paid later."""
        payment = self._payments(order_id)[0]["id"]
        data = self.admin.call(
            "mutation ($id: ID!) { settlePayment(id: $id) { __typename ... on ErrorResult { message } } }",
            {"id": payment},
        )
        assert data["settlePayment"]["__typename"] == "Payment", data

    def cancel_order(self, order_id: str) -> None:
        """Cancel a whole order."""
        data = self.admin.call(
            "mutation ($i: CancelOrderInput!) { cancelOrder(input: $i)"
            " { __typename ... on Order { state } ... on ErrorResult { message } } }",
            {"i": {"orderId": order_id, "cancelShipping": True, "reason": "test"}},
        )
        assert data["cancelOrder"].get("state") == "Cancelled", data

    def refund_order(self, order_id: str, *, minor_units: int, settle: bool = True) -> str:
        """Give part of the money back; the refund's id. Unsettled, the refund is only announced."""
        data = self.admin.call(
            "mutation ($i: RefundOrderInput!) { refundOrder(input: $i)"
            " { __typename ... on Refund { id state } ... on ErrorResult { message } } }",
            {
                "i": {
                    "paymentId": self._payments(order_id)[0]["id"],
                    "amount": minor_units,
                    "lines": [],
                    "shipping": 0,
                    "adjustment": 0,
                    "reason": "test",
                }
            },
        )
        assert data["refundOrder"]["__typename"] == "Refund", data
        refund = str(data["refundOrder"]["id"])
        if settle:
            settled = self.admin.call(
                "mutation ($i: SettleRefundInput!) { settleRefund(input: $i) { __typename ... on Refund { state } } }",
                {"i": {"id": refund, "transactionId": f"test-{refund}"}},
            )
            assert settled["settleRefund"].get("state") == "Settled", settled
        return refund

    def _payments(self, order_id: str) -> list[dict[str, Any]]:
        data = self.admin.call("query ($id: ID!) { order(id: $id) { payments { id state } } }", {"id": order_id})
        payments: list[dict[str, Any]] = data["order"]["payments"]
        return payments


def _make_api_key(admin: Session, permissions: Sequence[str]) -> str:
    role = admin.call(
        "mutation ($i: CreateRoleInput!) { createRole(input: $i) { id } }",
        {"i": {"code": f"integration-{time.time_ns()}", "description": "Test", "permissions": list(permissions)}},
    )["createRole"]["id"]
    made = admin.call(
        "mutation ($i: CreateApiKeyInput!) { createApiKey(input: $i) { apiKey } }",
        {"i": {"roleIds": [role], "translations": [{"languageCode": "en", "name": "Loyalty Desk"}]}},
    )
    return str(made["createApiKey"]["apiKey"])


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        ready = next((line for line in log.read_text(errors="replace").splitlines() if line.startswith("READY ")), None)
        if ready:
            return int(ready.split()[1])
        if process.poll() is not None:
            raise ShopNotRunning(f"The Vendure shop ended with status {process.returncode}: {log.read_text()[-2000:]}")
        time.sleep(0.1)
    raise ShopNotRunning(f"The Vendure shop was not ready after {BOOT_SECONDS:.0f} s: {log.read_text()[-2000:]}")


@contextmanager
def running_vendure(*, webhook_url: str = "", webhook_secret: str = "") -> Iterator[VendureShop]:
    """Boot the shop on a free loopback port; end it afterwards. Raises ShopNotRunning."""
    if not (SHOP_DIRECTORY / "node_modules" / "@vendure" / "core").is_dir():
        raise ShopNotRunning("The Vendure shop is not installed: run `npm ci --ignore-scripts` in e2e/vendure.")
    settings = {"PORT": "0", "EXIT_WITH_STDIN": "1", "WEBHOOK_URL": webhook_url, "WEBHOOK_SECRET": webhook_secret}
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vendure-") as directory:
        log = Path(directory) / "server.log"
        with log.open("wb") as output:
            # Its input is a pipe that we hold: should this process be killed, the pipe closes and the shop ends itself.
            process = subprocess.Popen(
                ["node", "server.js"],
                cwd=SHOP_DIRECTORY,
                env=inherited | settings,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            port = _wait_until_ready(process, log)
            base_url = f"http://127.0.0.1:{port}"
            admin = Session(f"{base_url}/admin-api")
            admin.call('mutation { login(username: "superadmin", password: "superadmin") { __typename } }')
            yield VendureShop(
                base_url=base_url,
                api_key=_make_api_key(admin, PERMISSIONS),
                boot_seconds=time.monotonic() - started,
                admin=admin,
                process=process,
            )
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
    if process.stdin is not None:
        process.stdin.close()
