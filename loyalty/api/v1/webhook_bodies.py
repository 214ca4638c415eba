"""What webhooks say: the ids of what they are about, or the same objects as the API shows them, as they are now."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from loyalty.api.keys import Scope
from loyalty.api.v1 import customers, deliveries, points_holds, reward_fulfillments
from loyalty.customers.models import Customer
from loyalty.webhooks import topics
from loyalty.webhooks.models import BodyStyle
from loyalty.webhooks.topics import Thing
from rewards import queries


def data(topic: str, subject_id: int, style: BodyStyle, now: datetime) -> dict[str, Any]:
    """The `data` of a message. What is gone meanwhile is told by its id alone."""
    thing = topics.BY_NAME[topic].thing
    whole = WHOLE[thing](subject_id, now) if style == BodyStyle.FULL else None
    id_name = "reward_fulfillment_id" if thing == Thing.DELIVERY else "id"
    return {str(thing): {id_name: subject_id} if whole is None else whole}


def _reward_fulfillment(pk: int, now: datetime) -> Any:
    found = reward_fulfillments.readable(now=now).filter(pk=pk).first()
    return found and reward_fulfillments.RewardFulfillmentSerializer(found).data


def _delivery(pk: int, now: datetime) -> Any:
    found = queries.visible().select_related("delivery").filter(pk=pk).first()
    return found and deliveries.DeliverySerializer(found).data


def _customer(pk: int, now: datetime) -> Any:
    found = Customer.objects.filter(pk=pk).first()
    return found and customers.shape([found], now=now)[0]


def _points_hold(pk: int, now: datetime) -> Any:
    found = points_holds.readable().filter(pk=pk).first()
    return found and points_holds.PointsHoldSerializer(found).data


WHOLE: Mapping[Thing, Callable[[int, datetime], Any]] = {
    Thing.REWARD_FULFILLMENT: _reward_fulfillment,
    Thing.DELIVERY: _delivery,
    Thing.CUSTOMER: _customer,
    Thing.POINTS_HOLD: _points_hold,
}
SHAPES: Mapping[Thing, Any] = {
    Thing.REWARD_FULFILLMENT: reward_fulfillments.RewardFulfillmentSerializer,
    Thing.DELIVERY: deliveries.DeliverySerializer,
    Thing.CUSTOMER: customers.CustomerSerializer,
    Thing.POINTS_HOLD: points_holds.PointsHoldSerializer,
}
# What a key must be allowed to read before it may have whole objects sent somewhere.
SCOPES: Mapping[Thing, Scope] = {
    Thing.REWARD_FULFILLMENT: Scope.REWARD_FULFILLMENT_READ,
    Thing.DELIVERY: Scope.DELIVERY_READ,
    Thing.CUSTOMER: Scope.CUSTOMER_READ,
    Thing.POINTS_HOLD: Scope.POINTS_HOLD_READ,
}
