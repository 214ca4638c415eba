"""Points transactions: list, get, and adjust a balance."""

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, pagination, parsing, query, views
from loyalty.api.keys import Scope
from loyalty.points import adjustments
from loyalty.points import queries as points
from loyalty.points.models import PointsTransaction, TransactionKind

FILTERS = [documentation.filter_by("customer_id", int), documentation.UPDATED_AT_MIN]


class PointsTransactionSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    customer_id = serializers.IntegerField()
    points_change = serializers.IntegerField()
    description = serializers.SerializerMethodField(help_text="The customer reads it.")
    internal_note = serializers.SerializerMethodField(help_text="The customer never reads it.")
    created_at = fields.InstantField(source="recorded_at")
    updated_at = fields.InstantField(source="recorded_at")
    kind = serializers.ChoiceField(choices=TransactionKind.choices, help_text="Extension.")
    effective_at = fields.InstantField(help_text="Extension: when it counts from.")
    reverses_id = serializers.IntegerField(allow_null=True, help_text="Extension: the transaction it undoes.")

    def get_description(self, transaction: PointsTransaction) -> str:
        return points.describe(transaction=transaction)

    def get_internal_note(self, transaction: PointsTransaction) -> str | None:
        note = getattr(transaction, "note", None)
        return (note.internal_note or None) if note is not None else None


class NewPointsTransactionSerializer(serializers.Serializer):
    customer_id = fields.WholeNumberField()
    points_change = fields.WholeNumberField(help_text="Signed: 50 adds, -50 takes away.")
    description = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=500)
    internal_note = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=1000)


class PointsTransactions(views.ApiView):
    scopes = {"GET": Scope.POINTS_TRANSACTION_READ, "POST": Scope.POINTS_TRANSACTION_WRITE}

    @documentation.listing(
        "points_transactions",
        PointsTransactionSerializer,
        summary="List points transactions",
        filters=FILTERS,
    )
    def get(self, request: Request) -> Response:
        page = pagination.by_cursor(filtered(request), request=request)
        rows = PointsTransactionSerializer(page.rows, many=True).data
        return Response({"points_transactions": rows, "metadata": page.metadata})

    @documentation.write(
        "points_transaction",
        PointsTransactionSerializer,
        accepts=NewPointsTransactionSerializer,
        summary="Change a customer's points",
        refusals="too few points (`insufficient_points`, “negative points balance”), unknown customer",
    )
    @views.once(atomic=True)
    def post(self, request: Request) -> Response:
        given = NewPointsTransactionSerializer(data=parsing.body_of(request, name="points_transaction"))
        given.is_valid(raise_exception=True)
        adjustment = adjustments.adjust(
            customer_id=given.validated_data["customer_id"],
            points=given.validated_data["points_change"],
            description=given.validated_data.get("description") or "",
            internal_note=given.validated_data.get("internal_note") or "",
            actor=authentication.actor_of(request),
            now=timezone.now(),
            idempotency_key=self.domain_key,
        )
        written = _readable().get(pk=adjustment.transaction_id)
        return Response({"points_transaction": PointsTransactionSerializer(written).data}, status=201)


class OnePointsTransaction(views.ApiView):
    scopes = {"GET": Scope.POINTS_TRANSACTION_READ}

    @documentation.single("points_transaction", PointsTransactionSerializer, summary="Get a points transaction")
    def get(self, request: Request, pk: str) -> Response:
        transaction = _readable().filter(pk=query.path_id(pk)).first()
        if transaction is None:
            raise errors.NotFound(f"There is no points transaction {pk}.")
        return Response({"points_transaction": PointsTransactionSerializer(transaction).data})


def filtered(request: Request) -> QuerySet[PointsTransaction]:
    """What the request's query asks for. Raises InvalidParameter."""
    found = _readable()
    if (customer_id := query.identifier(request, "customer_id")) is not None:
        found = found.filter(customer_id=customer_id)
    if (since := query.instant(request, "updated_at_min")) is not None:
        found = found.filter(recorded_at__gte=since)
    return found


def _readable() -> QuerySet[PointsTransaction]:
    return PointsTransaction.objects.select_related("note")
