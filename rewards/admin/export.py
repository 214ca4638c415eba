"""The grid as a file: the rows of the present filter, every column, streamed in constant memory.

The database writes the lines: one COPY of one statement, so that a file is one instant's truth and no row is a Python
object. What a spreadsheet would take for a formula is defused there.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Case, CharField, F, Func, QuerySet, TextField, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone

from loyalty.common import copying
from loyalty.common.adminkit import lists, moments
from loyalty.common.spreadsheets import BYTE_ORDER_MARK, defused_column
from rewards import queries, states
from rewards.admin import workbook
from rewards.filters import FAILURES, RedeemedRewardFilter
from rewards.models import DeliveryStatus, Origin, RewardType, UsageStatus

URL_NAME = "rewards_redeemedreward_export"
FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

COLUMNS: dict[str, str] = {
    "redeemed_at": "Redeem date and time",
    "used_at": "Usage date and time",
    "cost_in_points": "Cost in points",
    "tax_value": "Tax value",
    "currency": "Currency",
    "customer_email": "E-mail",
    "customer_phone": "Phone",
    "name": "Reward",
    "code__code": "Code",
    "type": "Type",
    "customer_first_name": "First name",
    "customer_last_name": "Surname",
    "balance_after": "Active points after",
    "delivery_status": "Delivery status",
    "cashback_status": "Cashback status",
    "usage_status": "Unused / used",
    "status": "Status",
    "origin": "Origin",
    "failure_code": "Failure reason",
    "expires_at": "Expires",
    "connection__name": "Shop",
    "used_order_id": "Order",
    "customer_id": "Customer number",
    "id": "Redeemed reward number",
}
ADDRESS_PARTS = ("recipient", "line_1", "line_2", "postal_code", "city", "region", "country")
WORDS: dict[str, dict[str, str]] = {
    "type": {str(key): str(label) for key, label in RewardType.choices},
    "usage_status": {str(key): str(label) for key, label in UsageStatus.choices},
    "delivery_status": {str(key): str(label) for key, label in DeliveryStatus.choices if key},
    "origin": {str(key): str(label) for key, label in Origin.choices},
    "failure_code": {str(key): label for key, label in FAILURES.items()},
}
INSTANTS = ("redeemed_at", "used_at", "expires_at")
SELDOM = ("delivery_status", "failure_code")
NUMBERS = ("cost_in_points", "tax_value", "balance_after", "customer_id", "id")


def view(
    request: HttpRequest, *, model_admin: ModelAdmin, chips: Any, file_format: str
) -> HttpResponse | StreamingHttpResponse:
    """The download. A filter that cannot be read, or a range that is reversed, is said in the list as the grid says it."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    if file_format not in FORMATS:
        raise Http404(f"There is no export as {file_format!r}.")
    now = timezone.now()
    filterset = RedeemedRewardFilter(data=request.GET, queryset=queries.with_status(queries.visible(), now))
    if lists.problems(filterset, chips):
        messages.error(request, "Nothing was exported, because a filter cannot be read.")
        grid = reverse("admin:rewards_redeemedreward_changelist")
        return HttpResponseRedirect(f"{grid}?{request.GET.urlencode()}")
    zone = moments.current_zone()
    addresses = request.user.has_perm("rewards.view_address")
    make: Callable[..., Iterator[bytes]] = csv_file if file_format == "csv" else xlsx_file
    response = StreamingHttpResponse(
        make(filterset.qs, zone=zone, addresses=addresses, now=now), content_type=FORMATS[file_format]
    )
    day = now.astimezone(zone).date()
    response["Content-Disposition"] = f'attachment; filename="redeemed-rewards-{day}.{file_format}"'
    return response


def heads(*, zone: ZoneInfo, addresses: bool) -> list[str]:
    """The first line."""
    named = [f"{label} ({zone.key})" if name in INSTANTS else label for name, label in COLUMNS.items()]
    return named + [f"Address: {part.replace('_', ' ')}" for part in ADDRESS_PARTS if addresses]


def csv_file(rows: QuerySet, *, zone: ZoneInfo, addresses: bool, now: datetime) -> Iterator[bytes]:
    """The file in blocks, its first line at once, then newest first."""
    yield (BYTE_ORDER_MARK + ",".join(heads(zone=zone, addresses=addresses)) + "\n").encode()
    sql, params = statement(rows, addresses=addresses, now=now)
    with copying.copied(f"COPY ({sql}) TO STDOUT (FORMAT csv)", params, zone=zone) as lines:
        yield from copying.in_blocks(lines)


def xlsx_file(rows: QuerySet, *, zone: ZoneInfo, addresses: bool, now: datetime) -> Iterator[bytes]:
    """The same rows as a workbook."""
    names = list(COLUMNS)
    numbers = frozenset(names.index(name) for name in NUMBERS)

    def cells() -> Iterator[Any]:
        sql, params = statement(rows, addresses=addresses, now=now)
        with copying.copied(f"COPY ({sql}) TO STDOUT", params, zone=zone) as lines:
            yield from lines.rows()

    yield from workbook.written(heads(zone=zone, addresses=addresses), cells(), numbers=numbers)


def statement(rows: QuerySet, *, addresses: bool, now: datetime) -> tuple[str, Any]:
    """The one SELECT behind a file, and its parameters."""
    cells = [cell(name, now=now) for name in COLUMNS]
    if addresses:
        cells += [address_cell(part) for part in ADDRESS_PARTS]
    ordered = rows.order_by("-redeemed_at", "-pk").values_list(*cells)
    sql, params = ordered.query.get_compiler(connection=connection).as_sql()
    return sql, params


def cell(name: str, *, now: datetime) -> Combinable:
    """A column as the file shows it: words for states, the programme's zone for instants, nothing for none."""
    if name == "status":
        return status_word(now)
    if name in WORDS:
        return in_words(name)
    if name in INSTANTS:
        return LocalText(F(name))
    if name in NUMBERS:
        return F(name)
    return defused_column(F(name))


def status_word(now: datetime) -> Case:
    """The derived word, straight from the table behind it: asked for by name it would be derived once for each name."""
    words = (When(condition, then=Value(str(status.label))) for status, condition in states.conditions(now).items())
    return Case(*words, output_field=CharField())


def in_words(name: str) -> Case:
    """A state's word; a state that has none yet as it stands."""
    none = [When(**{name: ""}, then=Value(None))] if name in SELDOM else []  # first: it is what most rows have
    known = [When(**{name: key}, then=Value(label)) for key, label in WORDS[name].items()]
    return Case(*none, *known, default=F(name), output_field=CharField())


def address_cell(part: str) -> Combinable:
    """A part of the corrected address, else of the copy."""
    whole = Coalesce("delivery__address", "shipping_address")
    return defused_column(JsonText(whole, Value(part)))


class LocalText(Func):
    """An instant to the second, as a clock in the session's zone shows it."""

    template = "left((%(expressions)s)::text, 19)"  # half the cost of to_char
    output_field = TextField()


class JsonText(Func):
    template = "(%(expressions)s)"
    arg_joiner = " ->> "
    output_field = TextField()
