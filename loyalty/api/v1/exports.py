"""Whole lists as CSV, streamed: for a warehouse, a spreadsheet, a move to another system (extensions)."""

from collections.abc import Mapping

from django.db.models import Case, F, QuerySet, TextField, Value, When
from django.db.models.expressions import Combinable
from django.http import StreamingHttpResponse
from django.utils import timezone
from rest_framework.request import Request

from loyalty.api import authentication, documentation, exporting, views
from loyalty.api.exporting import End, Instant, text
from loyalty.api.keys import Scope
from loyalty.api.v1 import customers, points_transactions, reward_fulfillments
from loyalty.points import queries as points
from rewards.queries import Status

ABOUT = (
    "Everything that the filters let through, newest first, of one instant. The names are those of the list, instants are "
    "in UTC. Text that a spreadsheet would take for a formula (a phone number, too) has an apostrophe before it. One at a "
    "time for each system."
)
WITHOUT_CODE = (Status.PENDING, Status.FAILED, Status.CANCELLING)


class RewardFulfillmentsExport(views.ApiView):
    scopes = {"GET": Scope.REWARD_FULFILLMENT_READ}

    @documentation.file(
        "export_reward_fulfillments",
        summary="All redeemed rewards as CSV (extension)",
        description=ABOUT,
        filters=reward_fulfillments.FILTERS,
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        columns: dict[str, Combinable] = {
            "id": F("id"),
            "customer_id": F("customer_id"),
            "name": text("name"),
            "type": F("type"),
            "status": F("status"),
            "fulfillment_status": F("fulfillment_status"),
            "usage_status": F("usage_status"),
            "delivery_status": F("delivery_status"),
            "cashback_status": F("cashback_status"),
            "code": Case(
                When(status__in=WITHOUT_CODE, then=Value(None)), default=text("code__code"), output_field=TextField()
            ),
            "cost_in_points": F("cost_in_points"),
            "reward_id": F("reward_id"),
            "points_product_id": F("points_product_id"),
            "origin": F("origin"),
            "used_order_id": text("used_order_id"),
            "created_at": Instant(F("redeemed_at")),
            "issued_at": Instant(F("issued_at")),
            "used_at": Instant(F("used_at")),
            "cancelled_at": Instant(F("cancelled_at")),
            "expires_at": End(F("expires_at")),
            "updated_at": Instant(F("updated_at")),
        }
        return _file(request, reward_fulfillments.filtered(request), columns, name="reward-fulfillments")


class PointsTransactionsExport(views.ApiView):
    scopes = {"GET": Scope.POINTS_TRANSACTION_READ}

    @documentation.file(
        "export_points_transactions",
        summary="All points transactions as CSV (extension)",
        description=ABOUT,
        filters=points_transactions.FILTERS,
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        columns: dict[str, Combinable] = {
            "id": F("id"),
            "customer_id": F("customer_id"),
            "points_change": F("points_change"),
            "kind": F("kind"),
            "customer_note": text("note__description"),
            "internal_note": text("note__internal_note"),
            "reverses_id": F("reverses_id"),
            "effective_at": Instant(F("effective_at")),
            "created_at": Instant(F("recorded_at")),
        }
        return _file(request, points_transactions.filtered(request), columns, name="points-transactions")


class CustomersExport(views.ApiView):
    scopes = {"GET": Scope.CUSTOMER_READ}

    @documentation.file(
        "export_customers", summary="All customers as CSV (extension)", description=ABOUT, filters=customers.FILTERS
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        columns: dict[str, Combinable] = {
            "id": F("id"),
            "first_name": text("first_name"),
            "last_name": text("last_name"),
            "email": text("email"),
            "phone": text("phone"),
            "state": F("state"),
            "date_of_birth": F("date_of_birth"),
            "points_balance": points.spendable_expression(customer_id="id", now=timezone.now()),
            "vip_tier_id": F("tier_id"),
            "merged_into_customer_id": F("merged_into_id"),
            "created_at": Instant(F("created_at")),
            "updated_at": Instant(F("updated_at")),
        }
        return _file(request, customers.filtered(request), columns, name="customers")


def _file(request: Request, rows: QuerySet, columns: Mapping[str, Combinable], *, name: str) -> StreamingHttpResponse:
    """Raises ExportUnderWay."""
    lines = exporting.begin(rows.select_related(None), columns, system=authentication.identity_of(request))
    return views.csv_file(lines, name=name)
