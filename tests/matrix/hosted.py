"""The shops of the matrix that somebody hosts for merchants."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

from platforms.bigcommerce import webhook
from tests.fakes import bigcommerce
from tests.fakes.contract import BigCommerceHarness, ShopifyHarness
from tests.fakes.shopify.shop import CLIENT_ID, CLIENT_SECRET
from tests.matrix.levers import Fault, FaultyShop, base64_digest


class BigCommerce(FaultyShop):
    platform = "bigcommerce"
    signs_the_body = False
    secret = bigcommerce.WEBHOOK_SECRET
    faults = {
        Fault.TIMED_OUT: "timeout_after", Fault.CUT_OFF: "drop_after", Fault.DROPPED: "drop",
        Fault.GATEWAY_AFTER: "error_after", Fault.GATEWAY_BEFORE: "bad_gateway", Fault.THROTTLED: "throttled",
    }  # fmt: skip

    def __init__(self, shop: bigcommerce.BigCommerceShop) -> None:
        super().__init__(BigCommerceHarness(shop))
        self.shop = shop

    @property
    def base_url(self) -> str:
        return self.shop.url

    def credentials(self, *, previous: str = "") -> dict[str, str]:
        kept = self.shop.credentials(client_secret="")  # so that our header alone proves where news comes from
        return kept | {"webhook_secret": self.secret, "previous_webhook_secret": previous}

    def fault(self, fault: Fault) -> None:
        self.shop.reset_ms = 2_000
        self.shop.fault(self.faults[fault], "POST", "/v2/coupons")

    def fault_many(self, fault: Fault) -> None:
        self.shop.reset_ms = 2_000
        self.shop.fault(self.faults[fault], "POST", "/v3/promotions/")  # the generator's path begins so

    def news(self, order_id: str) -> bytes:
        return self.shop.news(order_id, at=self.shop.store.clock())

    def headers(self, body: bytes, *, secret: str) -> dict[str, str]:
        return {webhook.OWN_HEADER: webhook.own_header(secret, store=bigcommerce.HASH)}

    def pay(self, order_id: str) -> None:
        self.shop.set_status(order_id, 11)

    def make_free(self, order_id: str) -> None:
        self.shop.store.orders[int(order_id)]["total_inc_tax"] = "0.0000"
        self.shop.set_status(order_id, 11)

    def remove(self, code: str) -> None:
        for number, one in list(self.shop.store.coupons.items()):
            if one["code"] == code:
                del self.shop.store.coupons[number]

    def remove_one(self, code: str) -> None:
        for number, one in list(self.shop.store.codes.items()):
            if one["code"] == code:
                del self.shop.store.codes[number]

    def change_value(self, code: str) -> None:
        for one in self.shop.store.coupons.values():
            if one["code"] == code:
                one["amount"] = "7.0000"

    def buy_with_two(self, *, email: str, first: str, second: str) -> str:
        before = self.shop.buy(email, code=first)
        order_id = self.shop.buy(email, code=second)
        applied = self.shop.store.applied
        applied[int(order_id)] = [*applied.pop(int(before)), *applied[int(order_id)]]
        del self.shop.store.orders[int(before)]
        return order_id

    def subscriptions(self) -> int:
        return sum(hook["is_active"] for hook in self.shop.store.hooks.values())

    def lose_subscriptions(self) -> None:
        first, second, *_ = self.shop.store.hooks.values()
        del self.shop.store.hooks[first["id"]]
        second["is_active"] = False


class Shopify(FaultyShop):
    platform = "shopify"
    secret = CLIENT_SECRET
    faults = {
        Fault.TIMED_OUT: "timeout_after", Fault.CUT_OFF: "drop_after", Fault.DROPPED: "drop",
        Fault.GATEWAY_AFTER: "504_after", Fault.GATEWAY_BEFORE: "502", Fault.THROTTLED: "429",
    }  # fmt: skip

    def __init__(self, harness: ShopifyHarness) -> None:
        super().__init__(harness)
        self.fake, self.shop = harness.fake, harness.fake.shop

    @property
    def base_url(self) -> str:
        return self.fake.url

    def credentials(self, *, previous: str = "") -> dict[str, str]:
        """The client secret signs the webhooks, too."""
        return {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "previous_client_secret": previous}

    def fault(self, fault: Fault) -> None:
        self.fake.fault("CreateBasic", self.faults[fault], seconds=1.3)

    def fault_many(self, fault: Fault) -> None:
        """One code is made with its discount, and the others are added to it."""
        self.fake.fault("AddToMany", self.faults[fault], seconds=1.3)

    def news(self, order_id: str) -> bytes:
        return self.shop.delivery("orders/updated", int(order_id))[1]

    def headers(self, body: bytes, *, secret: str) -> dict[str, str]:
        told, _ = self.shop.delivery("orders/updated", 1)
        return told | {"x-shopify-hmac-sha256": base64_digest(body, secret=secret)}

    def pay(self, order_id: str) -> None:
        self.shop.pay(int(order_id))

    def make_free(self, order_id: str) -> None:
        order = self.shop.orders[int(order_id)]
        order.total, order.updated_at = Decimal(0), self.shop.tick()

    def remove(self, code: str) -> None:
        found = self.shop.by_code(code)
        assert found is not None
        del self.shop.discounts[found.number]

    def remove_one(self, code: str) -> None:
        found = self.shop.by_code(code)
        assert found is not None
        found.codes = [one for one in found.codes if one.code != code]

    def change_value(self, code: str) -> None:
        found = self.shop.by_code(code)
        assert found is not None
        found.given = json.loads(json.dumps(found.given).replace('"5.00"', '"7.00"'))

    def buy_with_two(self, *, email: str, first: str, second: str) -> str:
        found = self.shop.by_code(first)
        assert found is not None
        beside = found.codes[0]
        beside.uses = beside.counted = 1
        return str(self.shop.checkout(email, code=second, more_codes=(first,)).number)

    def buy_as_test(self, *, email: str, code: str) -> str:
        return str(self.shop.checkout(email, code=code, test=True).number)

    def forget_token(self) -> None:
        for token in list(self.shop.tokens):
            self.shop.tokens[token] = datetime.min.replace(tzinfo=UTC)

    @contextmanager
    def count_late(self) -> Iterator[None]:
        self.shop.counts_late = self.shop.searches_late = True
        yield
        self.shop.settle()

    def subscriptions(self) -> int:
        return len(self.shop.subscriptions)

    def lose_subscriptions(self) -> None:
        del self.shop.subscriptions[:2]
