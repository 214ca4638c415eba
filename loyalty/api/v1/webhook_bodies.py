"""What webhooks say: the ids of what they are about, or the same objects as the API shows them, as they are now."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from loyalty.api.keys import Scope
from loyalty.api.v1 import customers, deliveries, points_holds, referrals, reward_fulfillments, vip_tiers
from loyalty.customers.models import Customer
from loyalty.webhooks import topics
from loyalty.webhooks.models import BodyStyle
from loyalty.webhooks.topics import Thing
from rewards import queries


def data(topic: str, subject_id: int, style: BodyStyle, now: datetime) -> dict[str, Any]:
    """The `data` of a message. What is gone meanwhile is told by its id alone."""
    thing = topics.BY_NAME[topic].thing
    whole = WHOLE[thing](subject_id, now) if style == BodyStyle.FULL else None
    return {str(thing): {_id_name(thing): subject_id} if whole is None else whole}


def _id_name(thing: Thing) -> str:
    return "reward_fulfillment_id" if thing == Thing.DELIVERY else "id"


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


def _referral(pk: int, now: datetime) -> Any:
    found = referrals.readable().filter(pk=pk).first()
    return found and referrals.shape([found], now=now)[0]


def _vip_tier_change(pk: int, now: datetime) -> Any:
    found = vip_tiers.readable().filter(pk=pk).first()
    return found and vip_tiers.shape_change(found)


WHOLE: Mapping[Thing, Callable[[int, datetime], Any]] = {
    Thing.REWARD_FULFILLMENT: _reward_fulfillment,
    Thing.DELIVERY: _delivery,
    Thing.CUSTOMER: _customer,
    Thing.POINTS_HOLD: _points_hold,
    Thing.REFERRAL: _referral,
    Thing.VIP_TIER_CHANGE: _vip_tier_change,
}
# Their names in the OpenAPI document.
SHAPES: Mapping[Thing, str] = {
    Thing.REWARD_FULFILLMENT: "RewardFulfillment",
    Thing.DELIVERY: "Delivery",
    Thing.CUSTOMER: "Customer",
    Thing.POINTS_HOLD: "PointsHold",
    Thing.REFERRAL: "Referral",
    Thing.VIP_TIER_CHANGE: "VipTierChange",
}
# What a key must be allowed to read before it may have whole objects sent somewhere.
SCOPES: Mapping[Thing, Scope] = {
    Thing.REWARD_FULFILLMENT: Scope.REWARD_FULFILLMENT_READ,
    Thing.DELIVERY: Scope.DELIVERY_READ,
    Thing.CUSTOMER: Scope.CUSTOMER_READ,
    Thing.POINTS_HOLD: Scope.POINTS_HOLD_READ,
    Thing.REFERRAL: Scope.REFERRAL_READ,
    Thing.VIP_TIER_CHANGE: Scope.VIP_TIER_READ,
}


def described(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The `webhooks` of the OpenAPI document: one entry a topic. Raises KeyError for a shape that the document lacks."""
    pages = {topic.name: _page(topic.name, topic.meaning, _data_of(topic.thing, schemas)) for topic in topics.ALL}
    nothing = {"type": "object", "maxProperties": 0}
    return {**pages, topics.PING: _page(topics.PING, "A test, sent when somebody asks for one.", nothing)}


def _data_of(thing: Thing, schemas: Mapping[str, Any]) -> dict[str, Any]:
    if SHAPES[thing] not in schemas:
        raise KeyError(SHAPES[thing])
    thin = {"type": "object", "properties": {_id_name(thing): {"type": "integer"}}, "required": [_id_name(thing)]}
    whole = {"$ref": f"#/components/schemas/{SHAPES[thing]}"}
    return {"type": "object", "properties": {str(thing): {"anyOf": [whole, thin]}}, "required": [str(thing)]}


def _page(topic: str, meaning: str, data: dict[str, Any]) -> dict[str, Any]:
    said = {
        "account_id": {"type": "integer"},
        "topic": {"type": "string", "const": topic},
        "data": data,
        "ordering_key": {
            "type": ["string", "null"],
            "description": "What messages whose order matters have in common.",
        },
        "sequence": {"type": ["integer", "null"], "description": "Grows for each ordering_key; drop what is lower."},
        "occurred_at": {"type": "string", "format": "date-time"},
    }
    content = {"schema": {"type": "object", "properties": said, "required": list(said)}}
    headers = [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": description}
        for name, description in HEADERS.items()
    ]
    operation = {
        "operationId": f"webhook_{topic.replace('/', '_')}",
        "summary": meaning,
        "parameters": headers,
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {
            "2XX": {"description": "Taken. Anything else is tried again, for three days."},
            "410": {"description": "No more, please: the endpoint is paused."},
        },
        "security": [{}],
    }
    return {"post": operation}


HEADERS = {
    "webhook-id": "The same for every attempt of a message: keep it, and drop what you have already.",
    "webhook-timestamp": "Seconds since 1970 of this attempt: refuse what is older than five minutes.",
    "webhook-signature": "Standard Webhooks, `v1,` and HMAC-SHA256; two, with a space between, after a rotation.",
}
