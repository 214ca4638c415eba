"""The list of customers as a file: those of the present filter, streamed in constant memory, formulas defused."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone

from loyalty.common.adminkit import desk, lists, moments
from loyalty.common.spreadsheets import BYTE_ORDER_MARK, defused
from loyalty.customers.admin.filters import CustomerFilter
from loyalty.customers.models import Customer, CustomerState
from loyalty.points import queries as points

URL_NAME = "customers_customer_export"
ROWS_AT_ONCE = 2_000
HEADS = (
    "Customer number", "E-mail", "Phone", "First name", "Surname", "State", "Tier", "Language", "Date of birth",
    "Active points", "Member since", "Merged into",
)  # fmt: skip
FIELDS = (
    "pk", "email", "phone", "first_name", "last_name", "state", "tier__name", "language", "date_of_birth",
    "active_points", "created_at", "merged_into_id",
)  # fmt: skip
STATES = {str(key): str(label) for key, label in CustomerState.choices}


def view(request: HttpRequest, *, model_admin: desk.DeskAdmin) -> HttpResponseBase:
    """The download. A filter that cannot be read is said in the list, as the list says it."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    filterset = CustomerFilter(data=request.GET, queryset=Customer.objects.all())
    if lists.problems(filterset, model_admin.chips):
        messages.error(request, "Nothing was exported, because a filter cannot be read.")
        return back_to_list(request)
    zone, now = moments.current_zone(), timezone.now()
    response = StreamingHttpResponse(csv_file(filterset.qs, zone=zone, now=now), content_type="text/csv; charset=utf-8")
    day = now.astimezone(zone).date()
    response["Content-Disposition"] = f'attachment; filename="customers-{day}.csv"'
    return response


def back_to_list(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse('admin:customers_customer_changelist')}?{request.GET.urlencode()}")


def csv_file(rows: QuerySet[Customer], *, zone: ZoneInfo, now: datetime) -> Iterator[bytes]:
    """The file in blocks, its first line at once, then newest first. One statement, so one instant's truth."""
    yield (
        BYTE_ORDER_MARK + ",".join(f"{head} ({zone.key})" if head == "Member since" else head for head in HEADS)
    ).encode()
    yield b"\n"
    balance = points.spendable_expression(customer_id="pk", now=now)
    found = rows.annotate(active_points=balance).order_by("-pk").values_list(*FIELDS).iterator(ROWS_AT_ONCE)
    block = io.StringIO()
    writer = csv.writer(block, lineterminator="\n")
    for place, row in enumerate(found, start=1):
        writer.writerow([cell(name, value, zone=zone) for name, value in zip(FIELDS, row, strict=True)])
        if place % ROWS_AT_ONCE == 0:
            yield block.getvalue().encode()
            block.seek(0)
            block.truncate()
    yield block.getvalue().encode()


def cell(name: str, value: Any, *, zone: ZoneInfo) -> str:
    """As the file shows it: words for states, the programme's zone for instants, nothing for none."""
    if value is None:
        return ""
    if name == "state":
        return STATES[value]
    if name == "created_at":
        return f"{value.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    return defused(value) if isinstance(value, str) else str(value)
