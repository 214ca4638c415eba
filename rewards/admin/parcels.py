"""Pages for those who pack: the packing list, addresses put right, and tables of tracking numbers."""

import csv
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts as desk_acts
from loyalty.common.adminkit import desk, show
from loyalty.common.errors import DomainError
from loyalty.common.spreadsheets import BYTE_ORDER_MARK, defused
from loyalty.customers.profile import Address
from rewards import delivery, parcels, tracking_sheet
from rewards.admin import words
from rewards.admin.timeline import Names
from rewards.models import DeliveryStatus, RedeemedReward

DELIVER, SEE_ADDRESSES = "rewards.deliver_redeemedreward", "rewards.view_address"
PACKING_URL_NAME = "rewards_redeemedreward_packing_list"
TRACKING_URL_NAME = "rewards_redeemedreward_tracking"
ADDRESS_URL_NAME = "rewards_redeemedreward_address"
GRID = "admin:rewards_redeemedreward_changelist"
MOST_PARCELS = 200
ADDRESS_LINES = (("recipient",), ("line_1",), ("line_2",), ("postal_code", "city"), ("region",), ("country",))


class AddressForm(forms.Form):
    """Where one parcel goes instead."""

    recipient = forms.CharField(label="Name on the parcel", max_length=160, required=False)
    line_1 = forms.CharField(label="Street", max_length=200)
    line_2 = forms.CharField(label="Additional line", max_length=200, required=False)
    postal_code = forms.CharField(max_length=20, required=False)
    city = forms.CharField(max_length=100)
    region = forms.CharField(max_length=100, required=False)
    country = forms.RegexField(
        r"^[A-Z]{2}$",
        help_text="Two capital letters, such as PL.",
        error_messages={"invalid": "Write the country as two capital letters, such as PL."},
    )
    comment = forms.CharField(max_length=500, required=False, help_text="Why it was changed. For staff.")


class TrackingForm(forms.Form):
    file = forms.FileField(
        label="Table",
        allow_empty_file=True,
        help_text=f"CSV in UTF-8, or an Excel workbook (.xlsx), up to {tracking_sheet.MOST_ROWS} rows.",
        widget=forms.FileInput(attrs={"accept": ".csv,.xlsx,.txt,.tsv"}),
    )


def require(request: HttpRequest, *permissions: str) -> None:
    if not request.user.has_perms(permissions):
        raise PermissionDenied


def actor_of(request: HttpRequest) -> Actor:
    return actors.staff(int(str(request.user.pk)))


def address_lines(address: dict[str, str]) -> list[str]:
    lines = (" ".join(str(address.get(part, "")) for part in parts).strip() for parts in ADDRESS_LINES)
    return [line for line in lines if line]


def address_view(request: HttpRequest, *, model_admin: desk.DeskAdmin, pk: int) -> HttpResponse:
    """GET shows the form with the address as it is; POST corrects it, with a comment for the history."""
    require(request, DELIVER, SEE_ADDRESSES)
    redeemed = RedeemedReward.objects.select_related("delivery", "code").filter(pk=pk).first()
    if redeemed is None:
        raise Http404(f"There is no redeemed reward {pk}.")
    page = desk_acts.page_of(model_admin, pk)
    form = AddressForm(request.POST or None, initial=parcels.address_of(redeemed))
    if request.method == "POST" and form.is_valid():
        comment = form.cleaned_data.pop("comment")
        try:
            delivery.correct_address(
                redeemed_reward_id=pk,
                address=Address(**form.cleaned_data),
                actor=actor_of(request),
                now=timezone.now(),
                comment=comment,
            )
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
        else:
            messages.success(request, f"{words.title(redeemed)}: address corrected.")
            return HttpResponseRedirect(f"{page}#address")
    return desk_acts.form_page(
        request,
        model_admin=model_admin,
        form=form,
        title=f"Correct the address: {words.title(redeemed)}",
        button="Correct address",
        explain="For this parcel alone. The customer's own address, and the copy made when it was redeemed, stay.",
        back_url=f"{page}#address",
    )


def packing_view(request: HttpRequest, *, model_admin: desk.DeskAdmin) -> HttpResponse:
    """What to pack for the chosen gifts, to be printed; as a table to fill in with tracking numbers too."""
    require(request, DELIVER, SEE_ADDRESSES)
    chosen = [int(part) for part in request.GET.get("ids", "").split(",") if part.isascii() and part.isdecimal()]
    rows = list(
        RedeemedReward.objects.filter(pk__in=chosen[:MOST_PARCELS], type="gift", on_profile=True)
        .select_related("delivery", "code", "customer")
        .order_by("pk")
    )
    if request.GET.get("format") == "csv":
        return packing_table(rows)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": "Packing list",
        "parcels": [parcel_to_pack(row) for row in rows],
        "left_out": len(set(chosen)) - len(rows),
        "most": MOST_PARCELS,
        "made_at": timezone.now(),
        "table_url": f"?ids={','.join(str(row.pk) for row in rows)}&format=csv",
        "grid_url": reverse(GRID),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/rewards/redeemedreward/packing_list.html", context)


def parcel_to_pack(row: RedeemedReward) -> dict[str, Any]:
    address, first = parcels.address_of(row), row.shipping_address or {}
    return {
        "row": row,
        "lines": address_lines(address),
        "first_lines": address_lines(first) if first and first != address else [],
        "name": f"{row.customer_first_name} {row.customer_last_name}".strip(),
        "delivery": getattr(row, "delivery", None),
        "to_pack": row.delivery_status == DeliveryStatus.ORDERED,
        "state": row.get_delivery_status_display() if row.delivery_status else "not ordered yet",
    }


def packing_table(rows: Sequence[RedeemedReward]) -> HttpResponse:
    """The same parcels as a table whose empty columns are filled in and sent back."""
    response = HttpResponse(BYTE_ORDER_MARK, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="parcels.csv"'
    writer = csv.writer(response)
    writer.writerow([*tracking_sheet.COLUMNS.values(), "Gift", "Address"])
    for row in rows:
        address = ", ".join(address_lines(parcels.address_of(row)))
        writer.writerow([row.pk, "", "", "", "", defused(row.name), defused(address)])
    return response


def tracking_view(request: HttpRequest, *, model_admin: desk.DeskAdmin) -> HttpResponse:
    """A table of tracking numbers: each row ships its parcel, and the report says what came of each."""
    require(request, DELIVER)
    form = TrackingForm(request.POST or None, request.FILES or None)
    report, status = None, 200
    if request.method == "POST" and form.is_valid():
        try:
            report = tracking_sheet.carry_out(
                file=form.cleaned_data["file"].file, actor=actor_of(request), now=timezone.now()
            )
        except DomainError as refusal:
            form.add_error("file", refusal.sentence)
            status = 422
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": "Tracking numbers",
        "form": form,
        "report": report,
        "heads": list(tracking_sheet.COLUMNS.values()),
        "back_url": reverse(GRID),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/rewards/redeemedreward/tracking.html", context, status=status)


def history_of(redeemed: RedeemedReward, *, addresses: bool) -> list[dict[str, Any]]:
    """What was done with the parcel, newest first: what, who, when, why."""
    rows = list(redeemed.delivery_changes.order_by("-id"))
    names = Names(rows)
    return [
        {
            "step": row.get_step_display(),
            "detail": " ".join(filter(None, (row.carrier, row.tracking_number))),
            "before": ", ".join(address_lines(row.address_before)) if addresses and row.address_before else "",
            "comment": row.comment,
            "who": names.of(row.actor_kind, row.actor_id),
            "when": show.instant(row.changed_at),
        }
        for row in rows
    ]
