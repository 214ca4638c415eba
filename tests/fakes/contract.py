"""What a contract test needs of a shop beside its adapter: someone to shop there, and staff to cancel and refund.

A further platform joins by writing one subclass and adding its context manager to HARNESSES in
tests/platforms/test_contract.py.
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from platforms.adapter import Access, Adapter, CodeSpec, DiscountKind
from platforms.own_codes import OwnCodesAdapter
from tests.fakes import bigcommerce
from tests.fakes.misbehaving import unused_port
from tests.fakes.sandbox import SandboxShop, ShopRefused, running_sandbox_shop
from tests.fakes.shopify import goods
from tests.fakes.shopify.server import Shopify, running_shopify
from tests.fakes.shopify.shop import CheckoutRefused

NOBODY = "There is no shop behind own codes, and nobody to ask for this."


class Harness(ABC):
    """One running shop."""

    currency = "USD"
    collection = other = ""  # one that holds what `buy` buys, and one that does not, where codes are limited to them
    # Kinds of which the shop's orders do not say what they were worth.
    worth_untold: frozenset[DiscountKind] = frozenset()
    traces_gift_cards = True  # its orders tell which gift card paid
    product = ""  # the shop's name of what `buy` buys, where it makes free products
    basket: tuple[str, str] = ("", "")  # the two products of `buy_basket`, as the shop names them
    tax_rate = Decimal("0.25")  # on all of it
    categories: tuple[str, ...] | None = None  # those of the first of them; None: the shop does not tell them
    counts_late = False  # the shop counts a use some time after the order, or never; until then its code looks alive

    @abstractmethod
    def adapter(self, **changes: Any) -> Adapter:
        """The adapter under test; `changes` are fields of Access."""

    @abstractmethod
    def wrong_credentials(self) -> dict[str, str]:
        """Well-formed credentials that the shop refuses."""

    @abstractmethod
    def buy(self, *, email: str, code: str = "", pay: bool = True) -> str:
        """Buy goods worth 18.00 or more with the code and return the order's id; raises AssertionError when refused."""

    def buy_basket(self, *, email: str, code: str) -> str:
        """Buy two of one product and one of another with the code, with tax and shipping on top; the order's id."""
        raise NotImplementedError  # of a real shop

    @abstractmethod
    def refuses(self, code: str) -> bool:
        """Whether a fresh checkout refuses the code, or gives nothing for it."""

    @abstractmethod
    def cancel(self, order_id: str) -> None: ...

    @abstractmethod
    def refund(self, order_id: str, amount: str) -> None: ...

    def knows(self, email: str) -> None:  # noqa: B027 (most bind a code to an address)
        """Let the shop know a customer, where it binds a code only to one it knows."""

    def switched_off(self) -> Adapter:
        """The adapter of a shop that does not run."""
        return self.adapter(base_url=nowhere().base_url)

    def spec(self, kind: DiscountKind = DiscountKind.PERCENTAGE, **changes: Any) -> CodeSpec:
        """A code nobody has yet."""
        values: dict[str, Any] = {
            "code": f"T-{secrets.token_hex(6).upper()}",
            "kind": kind,
            "title": "A reward (Loyalty Desk)",
            "reference": f"rr-{secrets.randbelow(10**9)}",
            "currency": self.currency,
            "percent": Decimal(10) if kind is DiscountKind.PERCENTAGE else None,
            "amount": Decimal("5.00") if kind in {DiscountKind.FIXED_AMOUNT, DiscountKind.GIFT_CARD} else None,
            "product_reference": self.product if kind is DiscountKind.FREE_PRODUCT else "",
        }
        return CodeSpec(**(values | changes))


class SandboxHarness(Harness):
    product, collection, other = "mug", "kitchen", "bath"
    basket, categories, tax_rate = ("mug", "soap"), ("kitchen",), Decimal(0)

    def __init__(self, shop: SandboxShop) -> None:
        self.shop = shop

    def adapter(self, **changes: Any) -> Adapter:
        return self.shop.adapter(**changes)

    def wrong_credentials(self) -> dict[str, str]:
        return {"token": "not-the-token-of-this-shop"}

    def buy(self, *, email: str, code: str = "", pay: bool = True) -> str:
        order_id: str = self.shop.checkout(email, code=code, pay=pay)["id"]
        return order_id

    def buy_basket(self, *, email: str, code: str) -> str:
        return str(self.shop.checkout(email, code=code, quantity=2, more={"soap": 1})["id"])

    def refuses(self, code: str) -> bool:
        try:
            order = self.shop.checkout("somebody@example.com", code=code, pay=False)
        except ShopRefused:
            return True
        self.shop.cancel_order(order["id"])
        return False

    def cancel(self, order_id: str) -> None:
        self.shop.cancel_order(order_id)

    def refund(self, order_id: str, amount: str) -> None:
        self.shop.refund_order(order_id, amount)


@contextmanager
def sandbox_harness(folder: Path) -> Iterator[Harness]:
    with running_sandbox_shop(folder) as shop:
        yield SandboxHarness(shop)


class OwnCodesHarness(Harness):
    """Nobody shops there: what asks for a shop is left out, as the table of the contract says."""

    def adapter(self, **changes: Any) -> Adapter:
        nobody: dict[str, Any] = {"base_url": "", "credentials": {}, "webhook_secrets": (), "currency": self.currency}
        return OwnCodesAdapter(Access(**(nobody | changes)))

    def wrong_credentials(self) -> dict[str, str]:
        raise AssertionError(NOBODY)

    def buy(self, *, email: str, code: str = "", pay: bool = True) -> str:
        raise AssertionError(NOBODY)

    def refuses(self, code: str) -> bool:
        raise AssertionError(NOBODY)

    def cancel(self, order_id: str) -> None:
        raise AssertionError(NOBODY)

    def refund(self, order_id: str, amount: str) -> None:
        raise AssertionError(NOBODY)


@contextmanager
def own_codes_harness(folder: Path) -> Iterator[Harness]:
    yield OwnCodesHarness()


class BigCommerceHarness(Harness):
    product, collection, other = str(bigcommerce.PRODUCT), str(bigcommerce.CATEGORY), "99"
    basket = (str(bigcommerce.PRODUCT), "78")

    def __init__(self, shop: bigcommerce.BigCommerceShop) -> None:
        self.shop = shop

    def adapter(self, **changes: Any) -> Adapter:
        return self.shop.adapter(**changes)

    def wrong_credentials(self) -> dict[str, str]:
        return self.shop.credentials(access_token="not-the-token-of-this-store")

    def buy(self, *, email: str, code: str = "", pay: bool = True) -> str:
        return self.shop.buy(email, code=code, status_id=11 if pay else 7)

    def buy_basket(self, *, email: str, code: str) -> str:
        return self.shop.buy(email, code=code, plates=1, tax=Decimal("0.25"))

    def refuses(self, code: str) -> bool:
        return not self.shop.would_take(code)

    def cancel(self, order_id: str) -> None:
        self.shop.set_status(order_id, 5)

    def refund(self, order_id: str, amount: str) -> None:
        self.shop.refund(order_id, amount)

    def switched_off(self) -> Adapter:
        return self.shop.adapter(base_url=f"{nowhere().base_url}/stores/abcde")


@contextmanager
def bigcommerce_harness(folder: Path) -> Iterator[Harness]:
    with bigcommerce.running_store() as shop:
        yield BigCommerceHarness(shop)


class ShopifyHarness(Harness):
    counts_late = True
    product, collection, other = goods.MUG, goods.KITCHEN, goods.BATH
    traces_gift_cards = False
    basket = (goods.MUG_PRODUCT, goods.PLATE_PRODUCT)
    categories = (goods.KITCHEN, "Pottery", "handmade")

    def __init__(self, fake: Shopify) -> None:
        self.fake = fake

    def adapter(self, **changes: Any) -> Adapter:
        return self.fake.adapter(**changes)

    def wrong_credentials(self) -> dict[str, str]:
        return {"client_id": "another-app", "client_secret": "another-secret"}

    def spec(self, kind: DiscountKind = DiscountKind.PERCENTAGE, **changes: Any) -> CodeSpec:
        plain = {"code": secrets.token_hex(8).upper()} if kind is DiscountKind.GIFT_CARD else {}
        return super().spec(kind, **(plain | changes))

    def knows(self, email: str) -> None:
        self.fake.shop.customer(email)

    def buy(self, *, email: str, code: str = "", pay: bool = True) -> str:
        return str(self.fake.shop.checkout(email, code=code, pay=pay).number)

    def buy_basket(self, *, email: str, code: str) -> str:
        self.fake.shop.tax_rate = Decimal("0.25")
        try:
            bought = self.fake.shop.checkout(email, code=code, basket={goods.MUG: 2, goods.PLATE: 1})
        finally:
            self.fake.shop.tax_rate = Decimal(0)
        return str(bought.number)

    def refuses(self, code: str) -> bool:
        try:
            self.fake.shop.checkout("somebody@example.com", code=code, pay=False)
        except CheckoutRefused:
            return True
        return False

    def cancel(self, order_id: str) -> None:
        self.fake.shop.cancel(int(order_id))

    def refund(self, order_id: str, amount: str) -> None:
        self.fake.shop.refund(int(order_id), amount)


@contextmanager
def shopify_harness(_folder: Path) -> Iterator[Harness]:
    with running_shopify() as fake:
        yield ShopifyHarness(fake)


def nowhere() -> Access:
    """A shop that is switched off."""
    return Access(
        base_url=f"http://127.0.0.1:{unused_port()}",
        credentials={"token": "any"},
        webhook_secrets=(),
        currency="USD",
        allow_private_addresses=True,
    )
