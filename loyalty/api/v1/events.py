"""What happened since a cursor: for systems that follow the programme, or catch up after they were away."""

import base64
import binascii
import re

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, pagination, parsing, query, views
from loyalty.api.keys import Scope
from loyalty.api.v1 import told_events
from loyalty.events import reading
from loyalty.events.models import Event, EventReader

TOLD = (
    "customer.",
    "delivery.",
    "order.",
    "payout.",
    "points.",
    "reward.",
    "tier.",
)  # what else happens is the desk's own
PLACE = re.compile(r"v1:([0-9]{1,18})\.([0-9]{1,18})\.([0-9]{1,18})\.([0-9]{1,18})", re.ASCII)
NOW = "now"
KIND = re.compile(r"[a-z_]{1,30}\.[a-z_]{1,30}", re.ASCII)
KIND_SHAPE = {"type": "string", "pattern": rf"^({'|'.join(word[:-1] for word in TOLD)})\.[a-z_]{{1,30}}$"}


class EventSerializer(serializers.Serializer):
    id = serializers.IntegerField(help_text="Names the event; says nothing of its order.")
    kind = serializers.CharField(help_text="Such as `reward.issued`.")
    occurred_at = fields.InstantField()
    subject_type = serializers.CharField(help_text="What it happened to, such as `redeemed_reward`.")
    subject_id = serializers.IntegerField()
    customer_id = serializers.IntegerField(allow_null=True)
    actor_kind = serializers.CharField(help_text="Who did it: customer, staff, api_key, shop, system.")
    data = serializers.DictField(  # type: ignore[assignment]  # the name that a serializer has too
        help_text="Ids, numbers and words of ours. No personal data."
    )


class EventsMetadataSerializer(serializers.Serializer):
    next_cursor = serializers.CharField(help_text="Keep it, and send it the next time; also after the last page.")
    more = serializers.BooleanField(help_text="Whether there may be more already: ask again at once.")


class TakenEventSerializer(serializers.Serializer):
    topic = serializers.CharField()
    external_id = serializers.CharField(help_text="What it was about, by your id.")


class Events(views.ApiView):
    scopes = {"GET": Scope.EVENT_READ, "POST": Scope.EVENT_WRITE}

    @documentation.feed(
        "events",
        EventSerializer,
        EventsMetadataSerializer,
        summary="What happened since a cursor (extension)",
        description=(
            "Oldest first, in an order in which none is missed and none comes twice, however late its transaction "
            "committed. Without a cursor it begins with the first event there is, with `cursor=now` with what comes. A page "
            "may be empty and `more` true where only other kinds were passed over."
        ),
        filters=[
            documentation.filter_by(
                "kind", KIND_SHAPE, "Only these, such as `reward.used`; may be given several times."
            ),
            documentation.filter_by("customer_id", int),
            documentation.LIMIT,
            documentation.filter_by(
                "cursor", documentation.FEED_CURSOR, "From `metadata` of the last answer, or `now`."
            ),
        ],
    )
    def get(self, request: Request) -> Response:
        limit = query.whole_number(request, "limit", lowest=1, highest=pagination.LARGEST_SIZE)
        kinds, customer_id = _kinds(request), query.identifier(request, "customer_id")
        cursor = query.text(request, "cursor")
        place = reading.last() if cursor == NOW else decode(cursor)
        found: list[Event] = []
        more = False
        if cursor != NOW:
            found, more = reading.after(place=place, limit=limit or pagination.DEFAULT_SIZE)
        shown = [event for event in found if _is_told(event, kinds, customer_id)]
        rows = EventSerializer(shown, many=True).data
        return Response({"events": rows, "metadata": {"next_cursor": encode(place), "more": more}})

    @documentation.write(
        "event",
        TakenEventSerializer,
        accepts=told_events.ToldEventSerializer,
        status=202,
        operation="tell_event",
        summary="Tell of an order or a customer of your own shop",
        description=(
            "An order is judged by its own `external_updated_at`, not by the order in which events come: send each event as "
            "often as you like. `refunded` takes everything back; `order/deleted` cancels the order, "
            "`customer/deleted` excludes the customer, who keeps what they have. As extensions an order may "
            "tell `refunds` in part, `tax_total`, `shipping_total` and `discount_total`, and what was bought: `line_items`, "
            "each with `product_id` and `categories` as earning rules name them, `quantity`, and as `amount` what its pieces "
            "cost after discounts with tax, of which `tax` is the tax. Without `categories` they are unknown, an empty list "
            "says that there are none. Each event tells the whole order, so send the items with every one of them: an order "
            "earns by the first that says it is paid."
        ),
        refusals="an order that cannot be kept, who or what was never told of, a customer whom other ids name as well",
    )
    @views.once(atomic=True)
    def post(self, request: Request) -> Response:
        given = told_events.ToldEventSerializer(data=parsing.body_of(request, name="event"))
        given.is_valid(raise_exception=True)
        topic = given.validated_data["topic"]
        external_id = told_events.take(
            topic=topic,
            data=given.validated_data["data"],
            actor=authentication.actor_of(request),
            now=timezone.now(),
        )
        return Response({"event": {"topic": topic, "external_id": external_id}}, status=202)


def encode(place: EventReader) -> str:
    text = f"v1:{place.transaction_id}.{place.event_id}.{place.foreign_until}.{place.floor_id}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def decode(cursor: str | None) -> EventReader:
    """The place a cursor stands for; without one, before the first event. Raises InvalidParameter."""
    if cursor is None:
        return EventReader()
    try:
        text = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        found = PLACE.fullmatch(text)
    except (binascii.Error, ValueError):
        found = None
    if found is None:
        raise errors.InvalidParameter("cursor: this is not a cursor of ours. Send one from metadata, `now`, or none.")
    transaction_id, event_id, foreign_until, floor_id = (int(number) for number in found.groups())
    return EventReader(transaction_id=transaction_id, event_id=event_id, foreign_until=foreign_until, floor_id=floor_id)


def _kinds(request: Request) -> set[str]:
    wanted = query.texts(request, "kind")
    for kind in wanted:
        if not KIND.fullmatch(kind) or not kind.startswith(TOLD):
            raise errors.InvalidParameter(
                f"kind: {kind[:40]!r} is unknown. Kinds begin with {', '.join(TOLD)} such as reward.used."
            )
    return set(wanted)


def _is_told(event: Event, kinds: set[str], customer_id: int | None) -> bool:
    return (
        event.kind.startswith(TOLD)
        and (not kinds or event.kind in kinds)
        and (customer_id is None or event.customer_id == customer_id)
    )
