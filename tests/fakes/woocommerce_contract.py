"""The fake WooCommerce shop in the contract suite."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from platforms.adapter import Adapter, DiscountKind
from tests.fakes.contract import Harness, nowhere
from tests.fakes.woocommerce import WooShop, running_woocommerce
from tests.fakes.woocommerce_shop import ShopRefused


class WooCommerceHarness(Harness):
    product, collection, other = "11", "5", "6"
    basket = ("11", "12")
    worth_untold = frozenset({DiscountKind.FREE_DELIVERY})

    def __init__(self, shop: WooShop) -> None:
        self.shop = shop

    def adapter(self, **changes: Any) -> Adapter:
        return self.shop.adapter(**changes)

    def wrong_credentials(self) -> dict[str, str]:
        return {"consumer_key": "ck_of_another_shop", "consumer_secret": "cs_of_another_shop"}

    def switched_off(self) -> Adapter:
        return self.adapter(base_url=nowhere().base_url.replace("http:", "https:"))

    def buy(self, *, email: str, code: str = "", pay: bool = True) -> str:
        return str(self.shop.checkout(email, code=code, pay=pay).number)

    def buy_basket(self, *, email: str, code: str) -> str:
        self.shop.tax_rate, self.shop.shipping = Decimal("0.25"), Decimal("4.90")
        try:
            return str(self.shop.checkout(email, code=code, pieces=2, plates=1).number)
        finally:
            self.shop.tax_rate = self.shop.shipping = Decimal(0)

    def refuses(self, code: str) -> bool:
        try:
            order = self.shop.checkout("somebody@example.com", code=code, pay=False)
        except ShopRefused:
            return True
        self.shop.move(order.number, "cancelled")
        return False

    def cancel(self, order_id: str) -> None:
        self.shop.move(order_id, "cancelled")

    def refund(self, order_id: str, amount: str) -> None:
        self.shop.refund(order_id, amount)


@contextmanager
def woocommerce_harness(folder: Path) -> Iterator[Harness]:
    with running_woocommerce() as shop:
        yield WooCommerceHarness(shop)
