"""What the fake Medusa shop keeps, and how shoppers and its staff change it.

The traps are those of the real one, which runs the same contract tests (`make e2e-medusa`): a code that does not work is
left out of the cart without a word; a cart that was ready keeps its discount when the code dies, and that use is not
counted; neither a cancelled order nor a refund gives a use back; taking money leaves the order's own stamp alone.
"""

import itertools
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

MUG, TEA = "prod_mug", "prod_tea"
KITCHEN, BATH = "pcol_kitchen", "pcol_bath"
PRICES = {MUG: Decimal(20), TEA: Decimal(8)}
COLLECTIONS = {MUG: KITCHEN, TEA: BATH}
DELIVERY = Decimal(5)


class CheckoutRefused(Exception):
    """The shop's checkout said no, in so many words."""


@dataclass(slots=True, kw_only=True)
class Campaign:
    id: str
    identifier: str
    name: str
    description: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    created_at: datetime
    budget: dict[str, Any] | None = None


@dataclass(slots=True, kw_only=True)
class Promotion:
    id: str
    code: str
    status: str
    limit: int | None
    metadata: dict[str, Any] | None
    method: dict[str, Any]
    rules: list[dict[str, Any]]
    created_at: datetime
    campaign: Campaign | None = None
    is_automatic: bool = False
    is_tax_inclusive: bool = False
    type: str = "standard"
    used: int = 0
    is_deleted: bool = False

    def is_live(self, now: datetime) -> bool:
        """Active, and its campaign has begun and not ended."""
        days = self.campaign
        begun = days is None or days.starts_at is None or days.starts_at <= now
        return not self.is_deleted and self.status == "active" and begun and not self.has_ended(now)

    def has_ended(self, now: datetime) -> bool:
        return self.campaign is not None and self.campaign.ends_at is not None and self.campaign.ends_at <= now


@dataclass(slots=True, kw_only=True)
class Adjustment:
    promotion: Promotion
    amount: Decimal
    on_delivery: bool


@dataclass(slots=True, kw_only=True)
class Cart:
    email: str
    product: str
    quantity: int
    teas: int = 0  # further, beside the product
    tax_rate: Decimal = Decimal(0)
    typed: list[str] = field(default_factory=list)
    adjustments: list[Adjustment] = field(default_factory=list)

    @property
    def goods(self) -> Decimal:
        return PRICES[self.product] * self.quantity + PRICES[TEA] * self.teas

    @property
    def total(self) -> Decimal:
        taken = sum((each.amount for each in self.adjustments), Decimal(0))
        return (self.goods + DELIVERY - taken) * (1 + self.tax_rate)

    def lines(self) -> list[tuple[str, int, Decimal]]:
        """Product, pieces, and what they cost after discounts and before tax."""
        off = sum((each.amount for each in self.adjustments if not each.on_delivery), Decimal(0))
        pieces = [(self.product, self.quantity), (TEA, self.teas)]
        return [(one, many, PRICES[one] * many * (1 - off / self.goods)) for one, many in pieces if many]


@dataclass(slots=True, kw_only=True)
class Refund:
    id: str
    amount: Decimal
    created_at: datetime


@dataclass(slots=True, kw_only=True)
class Payment:
    id: str
    updated_at: datetime
    captured: bool = False
    refunds: list[Refund] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Order:
    id: str
    number: int
    cart: Cart
    created_at: datetime
    updated_at: datetime
    status: str = "pending"
    canceled_at: datetime | None = None
    payment: Payment | None = None

    @property
    def refunded(self) -> Decimal:
        refunds = self.payment.refunds if self.payment else []
        return sum((refund.amount for refund in refunds), Decimal(0))

    @property
    def payment_status(self) -> str:
        if self.payment is None:
            return "not_paid"
        if self.status == "canceled":
            return "canceled"
        if self.refunded:
            return "refunded" if self.refunded >= self.cart.total else "partially_refunded"
        return "captured" if self.payment.captured else "authorized"


class Shop:
    """The shop. Every method may be called from any thread."""

    currency = "USD"
    name = "A Medusa shop"

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.promotions: list[Promotion] = []
        self.campaigns: list[Campaign] = []
        self.orders: list[Order] = []
        self._numbers = itertools.count(1)
        self._last = datetime.now(UTC)

    def now(self) -> datetime:
        """The shop's clock: whole milliseconds, none of them twice."""
        with self.lock:
            moment = datetime.now(UTC).replace(microsecond=datetime.now(UTC).microsecond // 1000 * 1000)
            self._last = max(moment, self._last + timedelta(milliseconds=1))
            self._last = self._last.replace(microsecond=self._last.microsecond // 1000 * 1000)
            return self._last

    def fresh_id(self, prefix: str) -> str:
        """Ids sort by when they were made, as the real ones do."""
        return f"{prefix}_{next(self._numbers):026d}"

    def promotion(self, code: str) -> Promotion:
        return next(each for each in self.promotions if each.code == code and not each.is_deleted)

    def foreign_promotion(self, code: str, **changes: Any) -> Promotion:
        """What staff of the shop make by hand: 5% off, as often as you like."""
        with self.lock:
            values: dict[str, Any] = {
                "id": self.fresh_id("promo"),
                "code": code,
                "status": "active",
                "limit": None,
                "metadata": None,
                "method": {"type": "percentage", "value": 5, "target_type": "order", "allocation": "across"},
                "rules": [],
                "created_at": self.now(),
            }
            made = Promotion(**(values | changes))
            self.promotions.append(made)
            return made

    def ready_cart(self, email: str, *, code: str = "", product: str = MUG, quantity: int = 1) -> Cart:
        """A cart at the last page of the checkout: what was typed has been looked at, and will not be again."""
        with self.lock:
            cart = Cart(email=email, product=product, quantity=quantity)
            if code:
                self.type_code(cart, code)
            return cart

    def complete(self, cart: Cart) -> Order:
        """Place the order; the payment is authorized. Raises CheckoutRefused."""
        with self.lock:
            now = self.now()
            counted = [each.promotion for each in cart.adjustments if each.promotion.is_live(now)]
            if any(each.promotion.is_deleted for each in cart.adjustments):
                raise CheckoutRefused("An unknown error occurred.")
            if any(each.limit is not None and each.used >= each.limit for each in counted):
                raise CheckoutRefused("Promotion usage exceeds the limit.")
            for each in counted:
                each.used += each.limit is not None
            order = self._place(cart, now=now)
            if cart.total:  # for what costs nothing no payment is asked
                order.payment = Payment(id=self.fresh_id("pay"), updated_at=self.now())
            return order

    def checkout(self, email: str, *, code: str = "", product: str = MUG, quantity: int = 1) -> Order:
        """The whole checkout. Raises CheckoutRefused also when the code gives nothing: whoever typed it would stop."""
        cart = self.ready_cart(email, code=code, product=product, quantity=quantity)
        if code and not cart.adjustments:
            raise CheckoutRefused(f"{code} is not among the cart's promotions.")
        return self.complete(cart)

    def draft_order(self, email: str, *, code: str = "") -> Order:
        """An order that staff write down, to be paid later: no use is counted for it."""
        with self.lock:
            cart = self.ready_cart(email, code=code)
            return self._place(cart, now=self.now())

    def authorize(self, order_id: str) -> None:
        """The payment of a draft comes in. The order's own stamp stays."""
        with self.lock:
            self.order(order_id).payment = Payment(id=self.fresh_id("pay"), updated_at=self.now())

    def capture(self, order_id: str) -> None:
        with self.lock:
            payment = self._payment(order_id)
            payment.captured, payment.updated_at = True, self.now()

    def cancel(self, order_id: str) -> None:
        with self.lock:
            order = self.order(order_id)
            order.status, order.canceled_at = "canceled", self.now()
            order.updated_at = self.now()
            if order.payment:
                order.payment.updated_at = order.updated_at

    def refund(self, order_id: str, amount: str) -> None:
        """Give money back that was taken; the order's stamp moves, the payment's does not."""
        with self.lock:
            payment = self._payment(order_id)
            assert payment.captured, "only money that was taken can go back"
            payment.refunds.append(Refund(id=self.fresh_id("ref"), amount=Decimal(amount), created_at=self.now()))
            self.order(order_id).updated_at = self.now()

    def order(self, order_id: str) -> Order:
        return next(each for each in self.orders if each.id == order_id)

    def _place(self, cart: Cart, *, now: datetime) -> Order:
        order = Order(id=self.fresh_id("order"), number=len(self.orders) + 1, cart=cart, created_at=now, updated_at=now)
        self.orders.append(order)
        return order

    def _payment(self, order_id: str) -> Payment:
        payment = self.order(order_id).payment
        assert payment is not None, "the order has no payment"
        return payment

    def type_code(self, cart: Cart, code: str) -> None:
        """Type a code: unknown, it is refused; of no use, it is left out without a word. Case matters."""
        known = [each for each in self.promotions if each.code == code and not each.is_deleted]
        if not known:
            raise CheckoutRefused(f"The promotion code {code} is invalid")
        cart.typed.append(code)
        promotion = known[0]
        spent = promotion.limit is not None and promotion.used >= promotion.limit
        if spent or not promotion.is_live(self.now()) or not all(_holds(rule, cart) for rule in promotion.rules):
            return
        if promotion.method.get("currency_code") not in (None, self.currency.lower()):
            return
        amount, on_delivery = _worth(promotion.method, cart)
        if amount:
            cart.adjustments.append(Adjustment(promotion=promotion, amount=amount, on_delivery=on_delivery))


def _holds(rule: dict[str, Any], cart: Cart) -> bool:
    facts = {"email": cart.email, "original_item_total": cart.goods}
    values = rule["values"]
    if rule["operator"] == "gte":
        return any(facts[rule["attribute"]] >= Decimal(value) for value in values)
    return facts[rule["attribute"]] in values


def _worth(method: dict[str, Any], cart: Cart) -> tuple[Decimal, bool]:
    value = Decimal(str(method["value"]))
    if method["target_type"] == "shipping_methods":
        return DELIVERY * value / 100, True
    facts = {"items.product.id": cart.product, "items.product.collection_id": COLLECTIONS[cart.product]}
    if not all(facts[rule["attribute"]] in rule["values"] for rule in method.get("target_rules") or []):
        return Decimal(0), False
    reach = PRICES[cart.product] * min(method.get("max_quantity") or cart.quantity, cart.quantity)
    reach = reach if method.get("max_quantity") or method.get("target_rules") else cart.goods
    return (min(value, reach) if method["type"] == "fixed" else reach * value / 100), False
