"""What a contract test needs of a payout provider beside its class: what was really paid, and levers on the other side.

A further provider joins by one subclass here and its context manager in HARNESSES of
tests/platforms/test_payout_providers.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from platforms.adapter import Access
from platforms.payouts.paypal.provider import PayPalPayouts
from platforms.payouts.paytm.provider import PaytmPayouts
from platforms.payouts.provider import PayoutOrder, PayoutStatus, Provider, Receiver
from platforms.payouts.sandbox import SandboxPayouts
from platforms.payouts.shopify_credit import ShopifyCredit
from platforms.sandbox.shop import webhooks
from tests.fakes import paypal, paytm
from tests.fakes.misbehaving import unused_port
from tests.fakes.paying import running
from tests.fakes.sandbox import SandboxShop, running_sandbox_shop
from tests.fakes.shopify.server import Shopify, running_shopify
from tests.fakes.shopify.shop import CLIENT_ID, CLIENT_SECRET

NUMBERS = count(1)
EMAIL = "anna@example.com"


class PayoutHarness(ABC):
    """One running provider."""

    kind: type[Provider]
    currency = "USD"
    who = "The provider"  # how its sentences begin
    url: str

    @abstractmethod
    def credentials(self) -> dict[str, str]: ...

    @abstractmethod
    def wrong_credentials(self) -> dict[str, str]:
        """Well-formed ones that it refuses."""

    @abstractmethod
    def payments(self, order: PayoutOrder) -> list[Decimal]:
        """Every payment that was ever made of this order, by what the provider itself knows."""

    @abstractmethod
    def fault(self, kind: str, *, seconds: float = 1.0) -> None:
        """Spoil the next call that pays."""

    @abstractmethod
    def clear(self) -> None: ...

    def settle(self, order: PayoutOrder, status: PayoutStatus) -> None:
        """Let the provider decide on a payment that it has taken on."""
        raise NotImplementedError

    def callback(self, order: PayoutOrder) -> tuple[bytes, dict[str, str]]:
        """What it sends when the payment changed."""
        raise NotImplementedError

    def provider(self, **changes: Any) -> Provider:
        """The provider under test; `changes` are fields of Access."""
        plain: dict[str, Any] = {
            "base_url": self.url,
            "credentials": self.credentials(),
            "webhook_secrets": (),
            "currency": self.currency,
            "allow_private_addresses": True,
            "timeout": 5.0,
        }
        return self.kind(Access(**(plain | changes)))

    def nowhere(self) -> Provider:
        return self.provider(base_url=f"http://127.0.0.1:{unused_port()}")

    def order(self, **changes: Any) -> PayoutOrder:
        """One that nobody has yet."""
        number = next(NUMBERS)
        values: dict[str, Any] = {
            "reference": f"CB{number}XTEST",
            "amount": Decimal("5.00"),
            "currency": self.currency,
            "title": "5 cashback",
            "receiver": Receiver(email=EMAIL),
            "decided_at": datetime.now(UTC),
            "number": number,
            "callback_url": "https://desk.example.com/hooks/payouts/1/",
        }
        return PayoutOrder(**(values | changes))


class SandboxHarness(PayoutHarness):
    kind = SandboxPayouts

    def __init__(self, shop: SandboxShop) -> None:
        self.shop, self.url = shop, shop.url

    def credentials(self) -> dict[str, str]:
        return {"token": self.shop.token}

    def wrong_credentials(self) -> dict[str, str]:
        return {"token": "not-the-token-of-this-shop"}

    def provider(self, **changes: Any) -> Provider:
        return super().provider(**{"webhook_secrets": (self.shop.webhook_secret,)} | changes)

    def payments(self, order: PayoutOrder) -> list[Decimal]:
        return [Decimal(one["amount"]) for one in self.shop.payouts(order.reference)]

    def fault(self, kind: str, *, seconds: float = 1.0) -> None:
        self.shop.fault("payout", kind, seconds=seconds)

    def clear(self) -> None:
        self.shop.clear_faults()

    def settle(self, order: PayoutOrder, status: PayoutStatus) -> None:
        if self.shop.payouts(order.reference)[0]["status"] != PayoutStatus.PAID:
            self.shop.settle_payout(order.reference, "paid" if status is PayoutStatus.PAID else "failed")

    def callback(self, order: PayoutOrder) -> tuple[bytes, dict[str, str]]:
        body = (
            b'{"event_id": "event_1", "topic": "payout.updated", "occurred_at": "2026-11-26T11:59:00Z", "payout": {'
            b'"id": "payout_1", "reference": "%s", "status": 1, "code": "SUCCESS", "message": "", "amount": "5.00", '
            b'"currency": "USD", "updated_at": "2026-11-26T11:59:00Z"}}' % order.reference.encode()
        )
        timestamp = str(int(datetime.now(UTC).timestamp()))
        signature = webhooks.sign(self.shop.webhook_secret, timestamp=timestamp, body=body)
        return body, {"x-sandbox-timestamp": timestamp, "x-sandbox-signature": signature}


@contextmanager
def sandbox_harness(folder: Path) -> Iterator[PayoutHarness]:
    with running_sandbox_shop(folder) as shop:
        yield SandboxHarness(shop)


class PayPalHarness(PayoutHarness):
    kind = PayPalPayouts
    who = "PayPal"
    states = {PayoutStatus.PAID: "SUCCESS", PayoutStatus.FAILED: "FAILED", PayoutStatus.PENDING: "ONHOLD"}

    def __init__(self, fake: paypal.PayPal) -> None:
        self.fake, self.url = fake, fake.url

    def credentials(self) -> dict[str, str]:
        return {"client_id": paypal.CLIENT_ID, "client_secret": paypal.CLIENT_SECRET}

    def wrong_credentials(self) -> dict[str, str]:
        return {"client_id": paypal.CLIENT_ID, "client_secret": "another-secret"}

    def payments(self, order: PayoutOrder) -> list[Decimal]:
        return [Decimal(one.item["amount"]["value"]) for one in self.fake.of(order.reference)]

    def fault(self, kind: str, *, seconds: float = 1.0) -> None:
        self.fake.fault(kind, seconds=seconds)

    def clear(self) -> None:
        self.fake.clear_faults()

    def settle(self, order: PayoutOrder, status: PayoutStatus) -> None:
        self.fake.settle(order.reference, self.states[status])

    def callback(self, order: PayoutOrder) -> tuple[bytes, dict[str, str]]:
        return self.fake.event(order.reference), {"paypal-transmission-sig": "not looked at"}


@contextmanager
def paypal_harness(_folder: Path) -> Iterator[PayoutHarness]:
    with running(paypal.PayPal()) as fake:
        yield PayPalHarness(fake)


class PaytmHarness(PayoutHarness):
    kind = PaytmPayouts
    currency = "INR"
    who = "Paytm"
    codes = {PayoutStatus.PAID: "DE_001", PayoutStatus.FAILED: "DE_051", PayoutStatus.PENDING: "DE_101"}

    def __init__(self, fake: paytm.Paytm) -> None:
        self.fake, self.url = fake, fake.url

    def credentials(self) -> dict[str, str]:
        return {"mid": paytm.MID, "merchant_key": paytm.KEY, "subwallet_guid": paytm.WALLET}

    def wrong_credentials(self) -> dict[str, str]:
        return self.credentials() | {"merchant_key": "0123456789abcdef"}

    def payments(self, order: PayoutOrder) -> list[Decimal]:
        made = self.fake.taken_on.count(order.reference)
        return [Decimal(self.fake.orders[order.reference].amount)] * made if made else []

    def fault(self, kind: str, *, seconds: float = 1.0) -> None:
        self.fake.fault(kind, seconds=seconds)

    def clear(self) -> None:
        self.fake.clear_faults()

    def settle(self, order: PayoutOrder, status: PayoutStatus) -> None:
        self.fake.settle(order.reference, self.codes[status], "Said so")

    def callback(self, order: PayoutOrder) -> tuple[bytes, dict[str, str]]:
        return self.fake.callback(order.reference)


@contextmanager
def paytm_harness(_folder: Path) -> Iterator[PayoutHarness]:
    with running(paytm.Paytm()) as fake:
        yield PaytmHarness(fake)


class ShopifyHarness(PayoutHarness):
    kind = ShopifyCredit
    who = "The shop"
    faults = {
        "throttle": "throttled",
        "server_error": "502",
        "server_error_after_accepting": "504_after",
        "garbage": "html",
        "garbage_after_accepting": "malformed_after",
        "drop": "drop",
        "drop_after_accepting": "drop_after",
        "timeout_after_accepting": "timeout_after",
        "slow": "slow_after",
    }

    def __init__(self, fake: Shopify) -> None:
        self.fake, self.url = fake, fake.url

    def credentials(self) -> dict[str, str]:
        return {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}

    def wrong_credentials(self) -> dict[str, str]:
        return {"client_id": "another-app", "client_secret": "another-secret"}

    def order(self, **changes: Any) -> PayoutOrder:
        """Each of a customer of its own, so that what the shop lists is this order's."""
        made = super().order(**changes)
        email = f"customer{made.number}@example.com"
        self.fake.shop.customer(email)
        return super().order(**{"receiver": Receiver(email=email)} | changes)

    def payments(self, order: PayoutOrder) -> list[Decimal]:
        customer = self.fake.shop.customer(order.receiver.email)
        return [one.amount for one in self.fake.credits.of(customer)]

    def fault(self, kind: str, *, seconds: float = 1.0) -> None:
        if kind == "refuse":
            self.fake.credits.limit = Decimal(1)
            return
        self.fake.fault("GiveCredit", self.faults[kind], seconds=seconds)

    def clear(self) -> None:
        self.fake.faults.clear()
        self.fake.credits.limit = Decimal(10_000)


@contextmanager
def shopify_harness(_folder: Path) -> Iterator[PayoutHarness]:
    with running_shopify() as fake:
        yield ShopifyHarness(fake)
