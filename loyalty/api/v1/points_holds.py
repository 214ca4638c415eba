"""Points holds: set points aside, at a till for instance, then capture them whole or in part, or release them."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, pagination, parsing, query, views
from loyalty.api.keys import Scope
from loyalty.common.causes import CauseType
from loyalty.points import holds
from loyalty.points.models import HoldState, PointsHold

LONGEST_SECONDS = int(holds.LONGEST_TIME.total_seconds())


class PointsHoldSerializer(serializers.Serializer):
    # Takes rows of `readable`. A comment, as docstrings of serializers are printed in the schema.
    id = serializers.IntegerField()
    customer_id = serializers.IntegerField()
    points = serializers.IntegerField(help_text="Set aside when it was made.")
    state = serializers.ChoiceField(choices=HoldState.choices)
    points_captured = serializers.SerializerMethodField(help_text="What was spent of it; 0 until it is captured.")
    points_transaction_id = serializers.IntegerField(
        source="transaction_id", allow_null=True, help_text="The debit it became."
    )
    description = fields.OptionalTextField(help_text="The customer reads it once the hold is captured.")
    expires_at = fields.InstantField(allow_null=True, help_text="Then it is released by itself.")
    closed_at = fields.InstantField(allow_null=True, help_text="When it was captured or released.")
    created_at = fields.InstantField()
    updated_at = fields.InstantField()

    def get_points_captured(self, held: PointsHold) -> int:
        return -held.transaction.points_change if held.transaction is not None else 0


class NewPointsHoldSerializer(serializers.Serializer):
    customer_id = fields.WholeNumberField()
    points = fields.WholeNumberField()
    expires_in = fields.WholeNumberField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=LONGEST_SECONDS,
        help_text="Seconds until it is released by itself; a day when neither this nor expires_at is given.",
    )
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="The same as an instant, at most 30 days from now."
    )
    description = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=500)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("expires_in") is not None and attrs.get("expires_at") is not None:
            raise errors.Contradictory("Give expires_in or expires_at, not both.")
        return attrs


class CaptureSerializer(serializers.Serializer):
    points = fields.WholeNumberField(
        required=False, allow_null=True, help_text="Leave out or null for all; else so many, and the rest is released."
    )


def readable() -> QuerySet[PointsHold]:
    """The holds integrators made; those of redemptions under way are no concern of theirs."""
    made = PointsHold.objects.filter(cause_type=CauseType.API).select_related("transaction")
    return made.annotate(updated_at=Coalesce("closed_at", "created_at"))


class PointsHolds(views.ApiView):
    scopes = {"GET": Scope.POINTS_HOLD_READ, "POST": Scope.POINTS_HOLD_WRITE}

    @documentation.listing(
        "points_holds",
        PointsHoldSerializer,
        summary="List points holds (extension)",
        filters=[
            documentation.filter_by("customer_id", int),
            documentation.filter_by("state", HoldState.values),
        ],
    )
    def get(self, request: Request) -> Response:
        found = readable()
        if (customer_id := query.identifier(request, "customer_id")) is not None:
            found = found.filter(customer_id=customer_id)
        if states := query.choices(request, "state", HoldState.values):
            found = found.filter(state__in=states)
        page = pagination.by_cursor(found, request=request)
        rows = PointsHoldSerializer(page.rows, many=True).data
        return Response({"points_holds": rows, "metadata": page.metadata})

    @documentation.write(
        "points_hold",
        PointsHoldSerializer,
        accepts=NewPointsHoldSerializer,
        summary="Set points aside (extension)",
        description="The balance falls at once; the points are spent when the hold is captured, or come back.",
        refusals="too few points, unknown customer, customer excluded, points owed, a time limit that does not fit",
    )
    @views.once(atomic=True)
    def post(self, request: Request) -> Response:
        given = NewPointsHoldSerializer(data=parsing.body_of(request, name="points_hold"))
        given.is_valid(raise_exception=True)
        now = timezone.now()
        held = holds.create(
            customer_id=given.validated_data["customer_id"],
            points=given.validated_data["points"],
            lasts=_lasts(given.validated_data, now=now),
            description=given.validated_data.get("description") or "",
            actor=authentication.actor_of(request),
            now=now,
            idempotency_key=self.domain_key,
        )
        return _answer(held.pk, status=201)


class OnePointsHold(views.ApiView):
    scopes = {"GET": Scope.POINTS_HOLD_READ}

    @documentation.single("points_hold", PointsHoldSerializer, summary="Get a points hold (extension)")
    def get(self, request: Request, pk: str) -> Response:
        held = readable().filter(pk=query.path_id(pk)).first()
        if held is None:
            raise errors.NotFound(f"There is no points hold {pk}.")
        return Response({"points_hold": PointsHoldSerializer(held).data})


class CapturePointsHold(views.ApiView):
    scopes = {"POST": Scope.POINTS_HOLD_WRITE}

    @documentation.write(
        "points_hold",
        PointsHoldSerializer,
        accepts=CaptureSerializer,
        status=200,
        missing=True,
        operation="capture_points_hold",
        summary="Spend held points (extension)",
        description=(
            "All of them, or `points` of them: what is not spent goes back to the customer and the hold is closed. "
            "Capturing again with the same number is harmless."
        ),
        refusals="it was released, it was captured with another number of points, or it is a redemption's own hold",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        hold_id = _existing(pk)
        given = CaptureSerializer(data=parsing.body_of(request, name="points_hold"))
        given.is_valid(raise_exception=True)
        holds.capture(
            hold_id=hold_id,
            points=given.validated_data.get("points"),
            actor=authentication.actor_of(request),
            now=timezone.now(),
        )
        return _answer(hold_id)


class ReleasePointsHold(views.ApiView):
    scopes = {"POST": Scope.POINTS_HOLD_WRITE}

    @documentation.write(
        "points_hold",
        PointsHoldSerializer,
        accepts=None,
        status=200,
        missing=True,
        operation="release_points_hold",
        summary="Give held points back (extension)",
        description="Releasing again is harmless.",
        refusals="it was captured, or it is a redemption's own hold",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        hold_id = _existing(pk)
        parsing.body_of(request, name="points_hold")
        holds.release(hold_id=hold_id, actor=authentication.actor_of(request), now=timezone.now())
        return _answer(hold_id)


def _lasts(given: dict[str, Any], *, now: datetime) -> timedelta:
    if given.get("expires_in") is not None:
        return timedelta(seconds=given["expires_in"])
    if given.get("expires_at") is not None:
        until: datetime = given["expires_at"]
        return until - now
    return holds.USUAL_TIME


def _existing(pk: str) -> int:
    """The id of a hold, a redemption's own included: the domain says why that one is refused. Raises NotFound."""
    number = query.path_id(pk)
    if not PointsHold.objects.filter(pk=number).exists():
        raise errors.NotFound(f"There is no points hold {pk}.")
    return number


def _answer(hold_id: int, *, status: int = 200) -> Response:
    return Response({"points_hold": PointsHoldSerializer(readable().get(pk=hold_id)).data}, status=status)
