"""What a WooCommerce shop keeps, its shoppers and its staff. `woocommerce.py` puts it behind HTTP.

It does what 7.9.0 was seen to do: it keeps whole seconds, its clock stands in a zone of its own, a use counts from the
unpaid order on, and a coupon's name is looked up first and written later, with nothing in between to hold others off.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

COUNTED = {"pending", "on-hold", "processing", "completed"}  # states in which an order holds its coupons' uses
GIVEN_BACK = {"cancelled", "failed", "trash"}
MOST_FAILURES = 5


class ShopRefused(Exception):
    """The checkout took no such order. The text is for nobody to parse: a real shop translates it."""


@dataclass(kw_only=True)
class Coupon:
    number: int
    code: str
    created_at: datetime
    discount_type: str = "fixed_cart"
    amount: Decimal = Decimal(0)
    description: str = ""
    status: str = "publish"
    expires_at: datetime | None = None
    minimum_amount: Decimal = Decimal(0)
    usage_count: int = 0
    usage_limit: int = 0
    held: int = 0  # uses of checkouts under way, which the count does not show
    limit_usage_to_x_items: int = 0
    free_shipping: bool = False
    product_ids: list[int] = field(default_factory=list)
    product_categories: list[int] = field(default_factory=list)
    email_restrictions: list[str] = field(default_factory=list)
    used_by: list[str] = field(default_factory=list)
    meta_data: list[dict[str, Any]] = field(default_factory=list)


@dataclass(kw_only=True)
class Order:
    number: int
    email: str
    total: Decimal
    created_at: datetime
    modified_at: datetime
    status: str = "pending"
    paid_at: datetime | None = None
    customer_id: int = 0
    coupon_lines: list[dict[str, Any]] = field(default_factory=list)
    refunds: list[dict[str, Any]] = field(default_factory=list)
    holds_uses: bool = False
    lines: list[dict[str, Any]] = field(default_factory=list)
    shipping: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)


@dataclass(kw_only=True)
class Hook:
    number: int
    name: str
    topic: str
    delivery_url: str
    secret: str
    status: str = "active"
    failures: int = 0


class Shop:
    """One shop. The fields up to `keys` may be changed by a test as staff would change them."""

    def __init__(self) -> None:
        self.name = "Woo & Wool"
        self.currency = "USD"
        self.zone = ZoneInfo("Europe/Helsinki")
        self.has_permalinks = self.has_woocommerce = True
        self.offers_free_delivery = True
        self.dropped: set[str] = set()  # fields that a plugin drops on their way in
        self.search_is_replaced = False  # a plugin that searches elsewhere, and finds nothing
        self.unheard: set[str] = set()  # parameters of lists that an old shop, or a plugin, drops
        self.hidden: set[int] = set()  # what the key may not read: left out of lists without a word
        self.arriving: dict[str, Any] = {}  # the coupon that is being made
        self.between_look_and_write: Callable[[], object] = lambda: None
        self.keys = {"ck_good": ("cs_good", "read_write", True)}  # secret, permissions, and whether its user is staff
        self.products = {11: (Decimal("24.00"), {5}), 12: (Decimal("9.00"), {6})}
        self.categories = {5, 6}
        self.tax_rate = self.shipping = Decimal(0)
        self.coupons: list[Coupon] = []
        self.orders: list[Order] = []
        self.hooks: list[Hook] = []
        self.pings: list[int] = []  # the answers to pings
        self.lock = threading.RLock()
        self.standing: datetime | None = None
        self._numbers = 100
        self._late = timedelta()
        self._waiting: list[tuple[str, int, bytes]] = []

    # The clock

    def now(self) -> datetime:
        """Whole seconds, like everything this shop writes down."""
        moment = self.standing or datetime.now(UTC) + self._late
        return moment.replace(microsecond=0)

    def change(self) -> datetime:
        """The stamp of one change: a second after the last, unless a test lets the clock stand still."""
        if self.standing is None:
            self._late += timedelta(seconds=1)
        return self.now()

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    # Coupons

    def same_name(self, code: str) -> list[Coupon]:
        """Published coupons of a name, newest first: drafts and the bin are not looked at."""
        found = [each for each in self.coupons if each.code == code.strip().lower() and each.status == "publish"]
        return sorted(found, key=lambda each: (each.created_at, each.number), reverse=True)

    def coupon(self, code: str) -> Coupon:
        return self.same_name(code)[0]

    def foreign_coupon(self, code: str, **values: Any) -> Coupon:
        """One that staff made by hand, however many there are of its name."""
        with self.lock:
            made = Coupon(number=self.next_number(), code=code.lower(), created_at=self.change(), **values)
            self.coupons.append(made)
            return made

    # Shoppers

    def checkout(
        self, email: str, *, code: str = "", pay: bool = True, product: int = 11, pieces: int = 1, plates: int = 0
    ) -> Order:
        """Buy something; a guest's order, unpaid at first. Raises ShopRefused."""
        with self.lock:
            price, categories = self.products[product]
            basket = [(product, price * pieces, pieces), (12, self.products[12][0] * plates, plates)]
            goods = sum((worth for _, worth, _ in basket), Decimal(0))
            lines, taken = [], Decimal(0)
            coupon = None
            if code:
                coupon = self._valid(code, goods=goods, product=product, categories=categories, email=email)
                taken = min(goods, self._worth(coupon, price=price, goods=goods))
                lines = [
                    {
                        "id": self.next_number(),
                        "code": coupon.code,
                        "discount": f"{taken:.2f}",
                        "discount_tax": "0.00",
                        "meta_data": [],
                    }
                ]
            moment = self.change()
            bought = [self._line(number, worth, many, taken * worth / goods) for number, worth, many in basket if many]
            taxes = [Decimal(line["total_tax"]) for line in bought] + [self._tax(self.shipping)]
            made = Order(
                number=self.next_number(),
                email=email,
                total=goods - taken + self.shipping + sum(taxes),
                lines=bought,
                shipping=self.shipping,
                tax=sum(taxes, Decimal(0)),
                created_at=moment,
                modified_at=moment,
                coupon_lines=lines,
            )
            self.orders.append(made)
            self._count(made)
            self._tell("order.created", made)
            if pay:
                self.move(made.number, "processing")
            return made

    def _line(self, product: int, worth: Decimal, pieces: int, off: Decimal) -> dict[str, Any]:
        """As the API tells it: amounts without tax, before and after discounts."""
        paid = (worth - off).quantize(Decimal("0.01"))
        line = {"id": self.next_number(), "name": "Something", "product_id": product, "variation_id": 0}
        return line | {
            "quantity": pieces, "subtotal": f"{worth:.2f}", "subtotal_tax": f"{self._tax(worth):.2f}",
            "total": f"{paid:.2f}", "total_tax": f"{self._tax(paid):.2f}", "sku": "", "meta_data": [],
        }  # fmt: skip

    def _tax(self, amount: Decimal) -> Decimal:
        return (amount * self.tax_rate).quantize(Decimal("0.01"))

    def ready_cart(self, email: str, code: str) -> Callable[[], Order]:
        """A checkout with a code, filled in to the last step; what it gives back places the order. Raises ShopRefused."""
        with self.lock:
            price, categories = self.products[11]
            coupon = self._valid(code, goods=price, product=11, categories=categories, email=email)
            coupon.held += 1

        def place() -> Order:
            with self.lock:
                coupon.held -= 1
                return self.checkout(email, code=code)  # everything is judged anew

        return place

    def _valid(self, code: str, *, goods: Decimal, product: int, categories: set[int], email: str) -> Coupon:
        found = self.same_name(code)
        if not found:
            raise ShopRefused("existiert nicht")
        coupon = found[0]
        fits = (
            (coupon.expires_at is None or coupon.expires_at > self.now())
            and (not coupon.usage_limit or coupon.usage_count + coupon.held < coupon.usage_limit)
            and coupon.minimum_amount <= goods
            and (not coupon.product_ids or product in coupon.product_ids)
            and (not coupon.product_categories or bool(categories & set(coupon.product_categories)))
            and (not coupon.email_restrictions or email.lower() in coupon.email_restrictions)
        )
        if not fits:
            raise ShopRefused("ist nicht g&uuml;ltig")
        return coupon

    def _worth(self, coupon: Coupon, *, price: Decimal, goods: Decimal) -> Decimal:
        if coupon.discount_type == "percent":
            of = price if coupon.limit_usage_to_x_items else goods
            return (of * coupon.amount / 100).quantize(Decimal("0.01"))
        return coupon.amount

    # Staff

    def order(self, number: int | str) -> Order:
        return next(each for each in self.orders if each.number == int(number))

    def move(self, number: int | str, status: str) -> None:
        """Give an order another status, as paying, canceling, binning and restoring do."""
        with self.lock:
            order = self.order(number)
            before, order.status = order.status, status
            order.modified_at = self.change()
            if status in {"processing", "completed"} and order.paid_at is None:
                order.paid_at = order.modified_at
            self._count(order)
            topic = {"trash": "order.deleted"}.get(status, "order.restored" if before == "trash" else "order.updated")
            self._tell(topic, order)

    def refund(self, number: int | str, amount: str) -> None:
        with self.lock:
            order = self.order(number)
            moment = order.modified_at = self.change()
            order.refunds.append({"id": self.next_number(), "amount": amount, "at": moment})
            if sum(Decimal(each["amount"]) for each in order.refunds) >= order.total:
                order.status = "refunded"  # the use stays
            self._tell("order.updated", order)

    def _count(self, order: Order) -> None:
        """Once up, once down: an order that holds the uses already takes no second one."""
        step = 0
        if order.status in COUNTED and not order.holds_uses:
            step, order.holds_uses = 1, True
        elif order.status in GIVEN_BACK and order.holds_uses:
            step, order.holds_uses = -1, False
        for line in order.coupon_lines if step else ():
            for coupon in self.same_name(line["code"])[:1]:
                coupon.usage_count += step
                coupon.used_by = [order.email] if step > 0 else []

    # Webhooks

    def _tell(self, topic: str, order: Order) -> None:
        told = {"id": order.number} if topic == "order.deleted" else order_json(order, currency=self.currency)
        self._waiting.append((topic, order.number, json.dumps(told).encode()))

    def run_cron(self) -> None:
        """Deliver what is waiting: once each, whatever becomes of it."""
        with self.lock:
            waiting, self._waiting = self._waiting, []
            hooks = list(self.hooks)
        for topic, _number, body in waiting:
            for hook in hooks:
                if hook.topic == topic and hook.status == "active":
                    self._deliver(hook, topic, body)

    def _deliver(self, hook: Hook, topic: str, body: bytes) -> None:
        resource, event = topic.split(".")
        digest = hmac.new(hook.secret.encode(), body, hashlib.sha256).digest()
        second = f"{hook.number}{int(self.now().timestamp())}"
        headers = {
            "content-type": "application/json",
            "x-wc-webhook-source": "https://127.0.0.1/",
            "x-wc-webhook-topic": topic,
            "x-wc-webhook-resource": resource,
            "x-wc-webhook-event": event,
            "x-wc-webhook-signature": base64.b64encode(digest).decode(),
            "x-wc-webhook-id": str(hook.number),
            "x-wc-webhook-delivery-id": hashlib.sha256(second.encode()).hexdigest()[:32],
        }
        if post(hook.delivery_url, body, headers) in {200, 201, 202, 204, 301, 302}:
            hook.failures = 0
            return
        hook.failures += 1
        if hook.failures > MOST_FAILURES + 1:  # by the shop's own code, on the seventh
            hook.status = "disabled"

    def ping(self, hook: Hook) -> None:
        """Unsigned, and a form."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        self.pings.append(post(hook.delivery_url, f"webhook_id={hook.number}".encode(), headers))


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=10) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def order_json(order: Order, *, currency: str) -> dict[str, Any]:
    """The order as the API tells it: refunds without their dates, amounts as texts."""
    stamps = {"date_created": order.created_at, "date_modified": order.modified_at, "date_paid": order.paid_at}
    return {
        "id": order.number,
        "number": str(order.number),
        "status": order.status,
        "currency": currency,
        **{f"{name}_gmt": at and at.replace(tzinfo=None).isoformat() for name, at in stamps.items()},
        "total": f"{order.total:.2f}",
        "discount_total": f"{sum(Decimal(line.get('discount', '0')) for line in order.coupon_lines):.2f}",
        "discount_tax": "0.00",
        "shipping_total": f"{order.shipping:.2f}",
        "total_tax": f"{order.tax:.2f}",
        "line_items": order.lines,
        "customer_id": order.customer_id,
        "billing": {"first_name": "Jo", "email": order.email},
        "shipping": {"address_1": "1 Secret Street"},
        "coupon_lines": order.coupon_lines,
        "refunds": [{"id": each["id"], "reason": "", "total": f"-{each['amount']}"} for each in order.refunds],
        "meta_data": [{"id": 1, "key": "_order_key", "value": f"wc_order_{secrets.token_hex(4)}"}],
    }
