"""The fake Medusa shop in the contract suite."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from platforms.adapter import Adapter
from tests.fakes import medusa_shop
from tests.fakes.contract import Harness
from tests.fakes.medusa import MedusaShop, running_medusa
from tests.fakes.medusa_shop import Cart, CheckoutRefused


class MedusaHarness(Harness):
    product, collection, other = medusa_shop.MUG, medusa_shop.KITCHEN, medusa_shop.BATH
    basket = (medusa_shop.MUG, medusa_shop.TEA)
    categories = (f"pcat_{medusa_shop.MUG}", medusa_shop.KITCHEN)

    def __init__(self, shop: MedusaShop) -> None:
        self.shop = shop

    def adapter(self, **changes: Any) -> Adapter:
        return self.shop.adapter(**changes)

    def wrong_credentials(self) -> dict[str, str]:
        return {"api_key": "sk_of_another_shop"}

    def buy(self, *, email: str, code: str = "", pay: bool = True) -> str:
        if not pay:
            return self.shop.draft_order(email, code=code).id
        return self.shop.checkout(email, code=code, quantity=2).id

    def buy_basket(self, *, email: str, code: str) -> str:
        cart = Cart(email=email, product=medusa_shop.MUG, quantity=2, teas=1, tax_rate=Decimal("0.25"))
        self.shop.type_code(cart, code)
        return self.shop.complete(cart).id

    def refuses(self, code: str) -> bool:
        try:
            return not self.shop.ready_cart("somebody@example.com", code=code, quantity=2).adjustments
        except CheckoutRefused:
            return True

    def ready_cart(self, *, email: str, code: str) -> Cart:
        """A cart at the last page of the checkout, with the code."""
        cart = self.shop.ready_cart(email, code=code)
        assert cart.adjustments, f"the shop gave nothing for {code}"
        return cart

    def complete(self, cart: Cart) -> str:
        return self.shop.complete(cart).id

    def cancel(self, order_id: str) -> None:
        self.shop.cancel(order_id)

    def refund(self, order_id: str, amount: str) -> None:
        self.shop.capture(order_id)
        self.shop.refund(order_id, amount)


@contextmanager
def medusa_harness(folder: Path) -> Iterator[Harness]:
    with running_medusa() as shop:
        yield MedusaHarness(shop)
