"""Orders and customers as a shop of one's own tells them, in Smile's shape of events. Read leniently, as senders differ."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from loyalty.api import fields
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.customers import enrollment
from loyalty.merchant import queries as merchant
from loyalty.program import orders
from platforms import items
from platforms.adapter import AppliedCode, OrderStatus, PaymentState, ShopItem, ShopOrder, ShopRefund

TOPICS = ("order/updated", "order/deleted", "customer/updated", "customer/deleted")


MOST_REFUNDS = 100


class EventRefused(DomainError):
    """What an event tells cannot be taken. `field` is the way to what is at fault, with a slash between its steps."""

    code = "invalid_event"

    def __init__(self, sentence: str, *, code: str | None = None, steps: tuple[str, ...] = ()) -> None:
        super().__init__(sentence, code=code)
        self.field = "/".join(("data", *steps))


class TextOrNumberField(serializers.CharField):
    """An id: text, or a number as some send it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=120, **kwargs)


class CouponsField(serializers.Field):
    """A list of `{"code": …}`, one such object, or nothing."""

    def to_internal_value(self, data: Any) -> list[str]:
        rows = [data] if isinstance(data, dict) else data
        if not isinstance(rows, list) or len(rows) > 100:
            raise serializers.ValidationError('This is no list of coupons. Write [{"code": "SPRING"}].')
        codes = [row.get("code") if isinstance(row, dict) else None for row in rows]
        if not all(isinstance(code, str) and 0 < len(code) <= 200 and "\x00" not in code for code in codes):
            raise serializers.ValidationError('A coupon has no code. Write [{"code": "SPRING"}].')
        return [str(code) for code in codes]


class MoneyField(serializers.DecimalField):
    """A number, or one as text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=14, decimal_places=4, coerce_to_string=True, **kwargs)


class ToldMoneyField(MoneyField):
    """Money that is never less than nothing."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, **kwargs)


class ToldNameField(fields.NameField):
    """A product or a category, as rules name it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=items.LONGEST_NAME, **kwargs)


class ToldItemSerializer(serializers.Serializer):
    """A line of an order, as shops' adapters tell it: `amount` is what its pieces cost after discounts, with tax."""

    product_id = ToldNameField()
    quantity = fields.WholeNumberField(min_value=0, max_value=orders.MOST_PIECES, required=False, default=1)
    amount = ToldMoneyField()
    tax = ToldMoneyField(required=False, allow_null=True)
    categories = serializers.ListField(
        child=ToldNameField(), max_length=items.MOST_CATEGORIES, required=False, allow_null=True
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        tax = attrs.get("tax")
        if tax is not None and tax > attrs["amount"]:
            raise serializers.ValidationError({"tax": "This is more than the amount, which has the tax in it."})
        return attrs


class ToldRefundSerializer(serializers.Serializer):
    external_id = TextOrNumberField()
    amount = ToldMoneyField()
    refunded_at = serializers.DateTimeField(required=False, allow_null=True)


class ToldCustomerSerializer(serializers.Serializer):
    external_id = TextOrNumberField()
    email = fields.TextField(max_length=254)
    first_name = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=80)
    last_name = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=80)
    external_created_at = serializers.DateTimeField(required=False, allow_null=True)
    external_updated_at = serializers.DateTimeField(required=False, allow_null=True)


class ToldOrderSerializer(serializers.Serializer):
    external_id = TextOrNumberField()
    grand_total = MoneyField()
    subtotal = MoneyField(required=False, allow_null=True)
    rewardable_total = MoneyField(required=False, allow_null=True)
    payment_status = serializers.ChoiceField(
        choices=["paid", "refunded"], required=False, allow_null=True, help_text="Null: not paid yet."
    )
    tax_total = ToldMoneyField(required=False, allow_null=True)
    shipping_total = ToldMoneyField(required=False, allow_null=True)
    discount_total = ToldMoneyField(required=False, allow_null=True)
    line_items = serializers.ListField(
        child=ToldItemSerializer(), max_length=items.MOST_LINES, required=False, allow_null=True
    )
    refunds = serializers.ListField(
        child=ToldRefundSerializer(), max_length=MOST_REFUNDS, required=False, allow_null=True
    )
    coupons = CouponsField(required=False, allow_null=True)
    customer = ToldCustomerSerializer(required=False, allow_null=True)
    external_created_at = serializers.DateTimeField(required=False, allow_null=True)
    external_updated_at = serializers.DateTimeField(required=False, allow_null=True)


class DeletedSerializer(serializers.Serializer):
    external_id = TextOrNumberField()


class ToldEventSerializer(serializers.Serializer):
    topic = fields.WordField(choices=[(topic, topic) for topic in TOPICS])
    data = serializers.DictField(  # type: ignore[assignment]  # the name that a serializer has too
        help_text="Of an order: external_id, grand_total, rewardable_total, payment_status, coupons, customer, "
        "external_created_at, external_updated_at; extensions: tax_total, shipping_total, discount_total, line_items "
        "(each product_id, quantity, amount, tax, categories), refunds (each external_id, amount, refunded_at). Of a customer: external_id, email, first_name, last_name. Of what was deleted: external_id."
    )


def take(*, topic: str, data: dict[str, Any], actor: Actor, now: datetime) -> str:
    """Let an event take effect; gives back the id of what it was about. Raises EventRefused, OrderUnusable and others."""
    match topic:
        case "customer/updated":
            return _customer(_valid(ToldCustomerSerializer, data), actor=actor, now=now)
        case "customer/deleted":
            external_id = str(_valid(DeletedSerializer, data)["external_id"])
            enrollment.leave(external_id=external_id, actor=actor, now=now)
            return external_id
        case "order/deleted":
            return _deleted(_valid(DeletedSerializer, data), actor=actor, now=now)
        case _:
            return _order(_valid(ToldOrderSerializer, data), actor=actor, now=now)


def _valid(shape: type[serializers.Serializer], data: dict[str, Any]) -> dict[str, Any]:
    given = shape(data=data)
    if not given.is_valid():
        steps, said = _first_problem(given.errors)
        raise EventRefused(f"{'.'.join(('data', *steps))}: {said}", steps=steps)
    return dict(given.validated_data)


def _first_problem(errors: Any) -> tuple[tuple[str, ...], str]:
    """The way to the first thing that is wrong, and what is said of it."""
    steps: list[str] = []
    while isinstance(errors, dict):
        name, errors = next(iter(errors.items()))
        steps.append(str(name))
    said = errors[0] if isinstance(errors, list) and errors else "it is not as documented."
    return tuple(step for step in steps if step != "non_field_errors"), str(said)


def _customer(told: dict[str, Any], *, actor: Actor, now: datetime) -> str:
    enrollment.create_or_update(
        external_id=told["external_id"],
        email=told["email"],
        first_name=told.get("first_name"),
        last_name=told.get("last_name"),
        actor=actor,
        now=now,
    )
    return str(told["external_id"])


def _order(told: dict[str, Any], *, actor: Actor, now: datetime) -> str:
    external_id, total = str(told["external_id"]), _cents(told["grand_total"])
    placed_at = told.get("external_created_at") or told.get("external_updated_at") or now
    changed_at = told.get("external_updated_at") or placed_at
    paid = told.get("payment_status")
    rewardable = told.get("rewardable_total")
    customer = told.get("customer") or {}
    refunds = _refunds(told, external_id=external_id, total=total, at=changed_at)
    order = ShopOrder(
        external_id=external_id,
        number=external_id[:60],
        status=OrderStatus.PLACED if paid is None else OrderStatus.COMPLETED,
        placed_at=placed_at,
        updated_at=changed_at,
        total=total,
        currency=merchant.programme().currency,
        customer_email=customer.get("email", ""),
        customer_external_id=str(customer.get("external_id", "")),
        codes=tuple(AppliedCode(code=code) for code in told.get("coupons") or ()),
        refunds=refunds,
        rewardable_total=_part(rewardable),
        tax=_part(told.get("tax_total")),
        shipping=_part(told.get("shipping_total")),
        discounts=_part(told.get("discount_total")),
        items=_items(told.get("line_items")),
        payment_state=_payment_state(paid, refunds, total=total),
    )
    orders.record(connection_id=None, order=order, returns_use_on_cancel=True, actor=actor, now=now)
    return external_id


def _items(told: list[dict[str, Any]] | None) -> tuple[ShopItem, ...] | None:
    """As adapters give them; None where the order tells none."""
    if told is None:
        return None
    return items.kept(
        [
            items.line(
                product=line["product_id"],
                quantity=line["quantity"],
                amount=_cents(line["amount"]),
                tax=_part(line.get("tax")),
                categories=line.get("categories"),
            )
            for line in told
        ]
    )


def _refunds(told: dict[str, Any], *, external_id: str, total: Decimal, at: datetime) -> tuple[ShopRefund, ...]:
    """The refunds it names; what they leave, where the order is told to be refunded. Raises EventRefused."""
    named = {
        str(each["external_id"]): ShopRefund(
            external_id=str(each["external_id"]),
            amount=_cents(each["amount"]),
            refunded_at=each.get("refunded_at") or at,
        )
        for each in told.get("refunds") or ()
    }
    rest = total - sum((each.amount for each in named.values()), Decimal(0))
    if rest < 0:
        raise EventRefused(
            f"data.refunds: together they are {total - rest}, more than the order's {total}. Name each refund once, with "
            "what was paid back.",
            steps=("refunds",),
        )
    if told.get("payment_status") == PaymentState.REFUNDED and rest > 0:
        name = f"{external_id[:100]}-refunded"
        named[name] = ShopRefund(external_id=name, amount=rest, refunded_at=at)
    return tuple(named.values())


def _payment_state(paid: str | None, refunds: tuple[ShopRefund, ...], *, total: Decimal) -> PaymentState:
    if paid is None:
        return PaymentState.PENDING
    if paid == PaymentState.PAID and refunds:
        whole = sum(each.amount for each in refunds) >= total
        return PaymentState.REFUNDED if whole else PaymentState.PARTIALLY_REFUNDED
    return PaymentState(paid)


def _part(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else _cents(amount)


def _deleted(told: dict[str, Any], *, actor: Actor, now: datetime) -> str:
    external_id = str(told["external_id"])
    if not orders.cancel_told(external_id=external_id, actor=actor, now=now):
        raise EventRefused(
            f"There is no order {external_id[:60]} here that you told of. Nothing was changed.", code="unknown_order"
        )
    return external_id


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))
