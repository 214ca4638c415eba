"""The shops of the matrix that a merchant runs, and the sandbox."""

import json
import sqlite3
import time
from contextlib import closing
from decimal import Decimal

from tests.fakes import vendure_shop, woocommerce
from tests.fakes.contract import SandboxHarness
from tests.fakes.medusa import MedusaShop
from tests.fakes.medusa_api import KEY
from tests.fakes.medusa_contract import MedusaHarness
from tests.fakes.sandbox import SandboxShop
from tests.fakes.vendure_contract import VendureHarness
from tests.fakes.woocommerce_contract import WooCommerceHarness
from tests.fakes.woocommerce_shop import order_json
from tests.matrix.levers import Fault, FaultyShop, base64_digest, digest


class Sandbox(FaultyShop):
    platform = "sandbox"
    secret = SandboxShop.webhook_secret
    faults = {
        Fault.TIMED_OUT: "timeout_after_accepting", Fault.CUT_OFF: "drop_after_accepting", Fault.DROPPED: "drop",
        Fault.GATEWAY_AFTER: "server_error_after_accepting", Fault.GATEWAY_BEFORE: "server_error",
        Fault.THROTTLED: "throttle",
    }  # fmt: skip

    def __init__(self, shop: SandboxShop) -> None:
        super().__init__(SandboxHarness(shop))
        self.shop = shop
        self._told = 0

    @property
    def base_url(self) -> str:
        return self.shop.url

    def credentials(self, *, previous: str = "") -> dict[str, str]:
        return {"token": self.shop.token, "webhook_secret": self.secret, "previous_webhook_secret": previous}

    def fault(self, fault: Fault) -> None:
        seconds = 1.3 if fault is Fault.TIMED_OUT else None
        self.shop.fault("create", self.faults[fault], seconds=seconds)

    def fault_many(self, fault: Fault) -> None:
        self.fault(fault)

    def news(self, order_id: str) -> bytes:
        order = self.shop.order(order_id)
        self._told += 1
        told = {"event_id": f"event-{self._told}", "topic": "order.updated", "occurred_at": order["updated_at"]}
        return json.dumps(told | {"order": order}).encode()

    def headers(self, body: bytes, *, secret: str) -> dict[str, str]:
        stamp = str(int(time.time()))
        signature = digest(f"{stamp}.".encode() + body, secret=secret).hex()
        return {"x-sandbox-timestamp": stamp, "x-sandbox-signature": f"v1={signature}"}

    def pay(self, order_id: str) -> None:
        self.shop.pay_order(order_id)

    def make_free(self, order_id: str) -> None:
        self._staff("UPDATE orders SET total = 0 WHERE id = ?", order_id)

    def remove(self, code: str) -> None:
        self._staff("DELETE FROM codes WHERE code = ?", code)

    def change_value(self, code: str) -> None:
        self._staff("UPDATE codes SET amount = 700 WHERE code = ?", code)

    def lose_payment_answer(self) -> None:
        self.shop.fault("payout", "drop_after_accepting")

    def payments(self, reference: str) -> int:
        return len(self.shop.payouts(reference))

    def subscriptions(self) -> int:
        """It has one address, or none."""
        with closing(sqlite3.connect(self.shop.data / "shop.sqlite3", timeout=20)) as database:
            found = database.execute("SELECT count(*) FROM settings WHERE name = 'webhook_url' AND value <> ''")
            return int(found.fetchone()[0])

    def lose_subscriptions(self) -> None:
        self._staff("UPDATE settings SET value = '' WHERE name = 'webhook_url'")

    def _staff(self, statement: str, *values: str) -> None:
        with closing(sqlite3.connect(self.shop.data / "shop.sqlite3", timeout=20)) as database, database:
            database.execute(statement, values)


class Vendure(FaultyShop):
    platform = "vendure"
    secret = vendure_shop.HOOK_SECRET
    faults = {
        Fault.TIMED_OUT: "timeout_after", Fault.CUT_OFF: "drop_after", Fault.DROPPED: "drop",
        Fault.GATEWAY_AFTER: "504_after", Fault.GATEWAY_BEFORE: "502", Fault.THROTTLED: "429",
    }  # fmt: skip

    def __init__(self, shop: vendure_shop.VendureShop) -> None:
        super().__init__(VendureHarness(shop))
        self.shop = shop

    @property
    def base_url(self) -> str:
        return self.shop.url

    def credentials(self, *, previous: str = "") -> dict[str, str]:
        return {"api_key": vendure_shop.API_KEY, "webhook_secret": self.secret, "previous_webhook_secret": previous}

    def fault(self, fault: Fault) -> None:
        self.shop.fault("CreateCode", self.faults[fault])

    def news(self, order_id: str) -> bytes:
        return self.shop.news(order_id)

    def headers(self, body: bytes, *, secret: str) -> dict[str, str]:
        return vendure_shop.signed(body, secret=secret)

    def pay(self, order_id: str) -> None:
        self.shop.pay(order_id)

    def make_free(self, order_id: str) -> None:
        self.shop.touch(order_id, totalWithTax=0, total=0)

    def remove(self, code: str) -> None:
        for number, one in list(self.shop.promotions.items()):
            if one["couponCode"] == code:
                del self.shop.promotions[number]

    def change_value(self, code: str) -> None:
        for one in self.shop.promotions.values():
            if one["couponCode"] == code:
                one["actions"][0]["args"] = [{"name": "discount", "value": "700"}]

    def buy_with_two(self, *, email: str, first: str, second: str) -> str:
        return self.shop.buy(email, codes=[first, second])


class WooCommerce(FaultyShop):
    platform = "woocommerce"
    secret = woocommerce.HOOK_SECRET
    faults = {
        Fault.TIMED_OUT: "timeout_after", Fault.CUT_OFF: "drop_after", Fault.DROPPED: "drop",
        Fault.GATEWAY_AFTER: "error_after", Fault.GATEWAY_BEFORE: "bad_gateway", Fault.THROTTLED: "throttle",
    }  # fmt: skip

    def __init__(self, shop: woocommerce.WooShop) -> None:
        super().__init__(WooCommerceHarness(shop))
        self.shop = shop

    @property
    def base_url(self) -> str:
        return self.shop.base_url

    def credentials(self, *, previous: str = "") -> dict[str, str]:
        keys = {"consumer_key": woocommerce.KEY, "consumer_secret": woocommerce.SECRET}
        return keys | {"webhook_secret": self.secret, "previous_webhook_secret": previous}

    def fault(self, fault: Fault) -> None:
        self.shop.fault("POST", "/coupons", self.faults[fault], seconds=1.3)

    def news(self, order_id: str) -> bytes:
        return json.dumps(order_json(self.shop.order(order_id), currency=self.shop.currency)).encode()

    def headers(self, body: bytes, *, secret: str) -> dict[str, str]:
        return {"x-wc-webhook-topic": "order.updated", "x-wc-webhook-signature": base64_digest(body, secret=secret)}

    def pay(self, order_id: str) -> None:
        self.shop.move(order_id, "processing")

    def make_free(self, order_id: str) -> None:
        order = self.shop.order(order_id)
        order.total = Decimal(0)
        order.modified_at = self.shop.change()

    def remove(self, code: str) -> None:
        self.shop.coupons[:] = [one for one in self.shop.coupons if one.code != code.lower()]

    def change_value(self, code: str) -> None:
        self.shop.coupon(code).amount = Decimal(7)

    def buy_with_two(self, *, email: str, first: str, second: str) -> str:
        order = self.shop.checkout(email, code=second)
        self.shop.coupon(first).usage_count = 1
        order.coupon_lines.insert(0, order.coupon_lines[0] | {"id": self.shop.next_number(), "code": first.lower()})
        return str(order.number)

    def subscriptions(self) -> int:
        return sum(hook.status == "active" for hook in self.shop.hooks)

    def lose_subscriptions(self) -> None:
        del self.shop.hooks[0]
        self.shop.hooks[0].status = "disabled"


class Medusa(FaultyShop):
    platform = "medusa"
    secret = ""  # it tells nothing by itself
    faults = {
        Fault.TIMED_OUT: "timeout_after", Fault.CUT_OFF: "drop_after", Fault.DROPPED: "drop",
        Fault.GATEWAY_AFTER: "error_after", Fault.GATEWAY_BEFORE: "error", Fault.THROTTLED: "throttle",
    }  # fmt: skip

    def __init__(self, shop: MedusaShop) -> None:
        super().__init__(MedusaHarness(shop))
        self.shop = shop

    @property
    def base_url(self) -> str:
        return self.shop.base_url

    def credentials(self, *, previous: str = "") -> dict[str, str]:
        return {"api_key": KEY}

    def fault(self, fault: Fault) -> None:
        self.shop.fault("POST", "/admin/promotions", self.faults[fault], seconds=1.3)

    def news(self, order_id: str) -> bytes:
        raise NotImplementedError

    def headers(self, body: bytes, *, secret: str) -> dict[str, str]:
        raise NotImplementedError

    def pay(self, order_id: str) -> None:
        self.shop.authorize(order_id)

    def make_free(self, order_id: str) -> None:
        order = self.shop.order(order_id)
        order.cart.adjustments[0].amount += order.cart.total
        order.payment, order.updated_at = None, self.shop.now()

    def remove(self, code: str) -> None:
        self.shop.promotion(code).is_deleted = True

    def change_value(self, code: str) -> None:
        self.shop.promotion(code).method["value"] = 7

    def buy_with_two(self, *, email: str, first: str, second: str) -> str:
        cart = self.shop.ready_cart(email, code=first, quantity=2)
        self.shop.promotion(first).rules.clear()
        cart.adjustments.clear()
        for code in (first, second):
            self.shop.type_code(cart, code)
        return self.shop.complete(cart).id
