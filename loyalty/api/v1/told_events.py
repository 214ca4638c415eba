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
from platforms.adapter import AppliedCode, OrderStatus, PaymentState, ShopOrder, ShopRefund

TOPICS = ("order/updated", "order/deleted", "customer/updated")


class EventRefused(DomainError):
    """What an event tells cannot be taken."""

    code = "invalid_event"
    field = "data"


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
    coupons = CouponsField(required=False, allow_null=True)
    customer = ToldCustomerSerializer(required=False, allow_null=True)
    external_created_at = serializers.DateTimeField(required=False, allow_null=True)
    external_updated_at = serializers.DateTimeField(required=False, allow_null=True)


class DeletedOrderSerializer(serializers.Serializer):
    external_id = TextOrNumberField()


class ToldEventSerializer(serializers.Serializer):
    topic = fields.WordField(choices=[(topic, topic) for topic in TOPICS])
    data = serializers.DictField(  # type: ignore[assignment]  # the name that a serializer has too
        help_text="Of an order: external_id, grand_total, rewardable_total, payment_status, coupons, customer, "
        "external_created_at, external_updated_at. Of a customer: external_id, email, first_name, last_name."
    )


def take(*, topic: str, data: dict[str, Any], actor: Actor, now: datetime) -> str:
    """Let an event take effect; gives back the id of what it was about. Raises EventRefused, OrderUnusable and others."""
    match topic:
        case "customer/updated":
            return _customer(_valid(ToldCustomerSerializer, data), actor=actor, now=now)
        case "order/deleted":
            return _deleted(_valid(DeletedOrderSerializer, data), actor=actor, now=now)
        case _:
            return _order(_valid(ToldOrderSerializer, data), actor=actor, now=now)


def _valid(shape: type[serializers.Serializer], data: dict[str, Any]) -> dict[str, Any]:
    given = shape(data=data)
    if not given.is_valid():
        name, problem = next(iter(given.errors.items()))
        said = problem[0] if isinstance(problem, list) else "it is not as documented."
        raise EventRefused(f"data.{name}: {said}")
    return dict(given.validated_data)


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
    refunds: tuple[ShopRefund, ...] = ()
    if paid == "refunded" and total > 0:
        refunds = (ShopRefund(external_id=f"{external_id[:100]}-refunded", amount=total, refunded_at=changed_at),)
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
        rewardable_total=None if rewardable is None else _cents(rewardable),
        payment_state=PaymentState.PENDING if paid is None else PaymentState(paid),
    )
    orders.record(connection_id=None, order=order, returns_use_on_cancel=True, actor=actor, now=now)
    return external_id


def _deleted(told: dict[str, Any], *, actor: Actor, now: datetime) -> str:
    external_id = str(told["external_id"])
    if not orders.cancel_told(external_id=external_id, actor=actor, now=now):
        raise EventRefused(
            f"There is no order {external_id[:60]} here that you told of. Nothing was changed.", code="unknown_order"
        )
    return external_id


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))
