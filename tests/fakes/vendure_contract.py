"""The Vendure shop with state as the tests' harness."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from platforms.adapter import Adapter
from tests.fakes import vendure_shop
from tests.fakes.contract import Harness


class VendureHarness(Harness):
    basket = (vendure_shop.MUG, vendure_shop.PLATE)
    categories = ("2", "kitchen")
    counts_late = True  # it keeps no count at all

    def __init__(self, shop: vendure_shop.VendureShop) -> None:
        self.shop = shop

    def adapter(self, **changes: Any) -> Adapter:
        return self.shop.adapter(**changes)

    def wrong_credentials(self) -> dict[str, str]:
        return {"api_key": "not-a-key-of-this-shop"}

    def buy(self, *, email: str, code: str = "", pay: bool = True) -> str:
        return self.shop.buy(email, codes=[code] if code else [], pay=pay)

    def buy_basket(self, *, email: str, code: str) -> str:
        return self.shop.buy(email, codes=[code], mugs=2, plates=1, tax=25)

    def refuses(self, code: str) -> bool:
        try:
            order = self.shop.buy("somebody@example.com", codes=[code], pay=False)
        except vendure_shop.CheckoutRefused:
            return True
        self.shop.cancel(order)
        return not self.shop.orders[order]["promotions"]

    def cancel(self, order_id: str) -> None:
        self.shop.cancel(order_id)

    def refund(self, order_id: str, amount: str) -> None:
        self.shop.refund(order_id, int(Decimal(amount) * 100))


@contextmanager
def vendure_harness(folder: Path) -> Iterator[Harness]:
    with vendure_shop.running_vendure_shop() as shop:
        yield VendureHarness(shop)
