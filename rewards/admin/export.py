"""The grid as CSV: the same rows, every column, streamed in constant memory."""

import csv
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone

from loyalty.common.adminkit import moments
from rewards import queries
from rewards.filters import RedeemedRewardFilter
from rewards.models import DeliveryStatus, RewardType, UsageStatus
from rewards.queries import Status

URL_NAME = "rewards_redeemedreward_export"
CHUNK = 2_000
BYTE_ORDER_MARK = "\ufeff"  # spreadsheets take the file for UTF-8 only with it
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
TYPES, USAGES, DELIVERIES, STATUSES = (
    dict(choices.choices) for choices in (RewardType, UsageStatus, DeliveryStatus, Status)
)

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
    "usage_status": "Unused / used",
    "status": "Status",
    "expires_at": "Expires",
    "connection__name": "Shop",
    "used_order_id": "Order",
    "customer_id": "Customer number",
    "id": "Redeemed reward number",
}
ADDRESS_PARTS = ("recipient", "line_1", "line_2", "postal_code", "city", "region", "country")
LABELS: dict[str, dict[Any, Any]] = {
    "type": TYPES,
    "usage_status": USAGES,
    "delivery_status": {**DELIVERIES, "": ""},
    "status": STATUSES,
}
INSTANTS = ("redeemed_at", "used_at", "expires_at")


class Echo:
    """What the csv module writes to: hands each line straight back."""

    def write(self, line: str) -> str:
        return line


def view(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse | StreamingHttpResponse:
    """The download. A filter that cannot be read is said in the list, and nothing is exported."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    filterset = RedeemedRewardFilter(data=request.GET, queryset=queries.grid(now=timezone.now()))
    if not filterset.is_valid():
        messages.error(request, "Nothing was exported, because a filter cannot be read.")
        grid = reverse("admin:rewards_redeemedreward_changelist")
        return HttpResponseRedirect(f"{grid}?{request.GET.urlencode()}")
    zone = moments.current_zone()
    addresses = request.user.has_perm("rewards.view_address")
    response = StreamingHttpResponse(
        lines(filterset.qs, zone=zone, addresses=addresses), content_type="text/csv; charset=utf-8"
    )
    day = timezone.now().astimezone(zone).date()
    response["Content-Disposition"] = f'attachment; filename="redeemed-rewards-{day}.csv"'
    return response


def lines(rows: QuerySet, *, zone: ZoneInfo, addresses: bool) -> Iterator[str]:
    """The file, line by line, newest first."""
    writer: Any = csv.writer(Echo())
    heads = [f"{label} ({zone.key})" if name in INSTANTS else label for name, label in COLUMNS.items()]
    address_heads = [f"Address: {part.replace('_', ' ')}" for part in ADDRESS_PARTS] if addresses else []
    yield BYTE_ORDER_MARK + writer.writerow([*heads, *address_heads])
    names = [*COLUMNS, *(("delivery__address", "shipping_address") if addresses else ())]
    for values in chunks(rows, names):
        yield writer.writerow(cells(values, zone=zone, addresses=addresses))


def chunks(rows: QuerySet, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Every row once, a chunk at a time by key, so that neither we nor the database hold them all."""
    ordered = rows.order_by("-redeemed_at", "-pk").values_list(*names)
    when, key = names.index("redeemed_at"), names.index("id")
    page = list(ordered[:CHUNK])
    while page:
        yield from page
        if len(page) < CHUNK:
            return
        last = page[-1]
        after = Q(redeemed_at__lt=last[when]) | Q(redeemed_at=last[when], pk__lt=last[key])
        page = list(ordered.filter(after, redeemed_at__lte=last[when])[:CHUNK])


def cells(values: Sequence[Any], *, zone: ZoneInfo, addresses: bool) -> list[Any]:
    row = [cell(name, value, zone) for name, value in zip(COLUMNS, values, strict=False)]
    if addresses:
        corrected, original = values[len(COLUMNS) :]
        address = corrected or original or {}
        row += [defused(str(address.get(part, ""))) for part in ADDRESS_PARTS]
    return row


def cell(name: str, value: Any, zone: ZoneInfo) -> Any:
    """A value as the file shows it: labels for words, the programme's zone for instants, nothing for none."""
    if value is None:
        return ""
    if name in LABELS:
        return LABELS[name].get(value, value)
    if isinstance(value, datetime):
        return value.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    return defused(value) if isinstance(value, str) else value


def defused(text: str) -> str:
    """Text that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
