"""The box of the grid that marks one reward used or unused without leaving the page."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
    QueryDict,
)
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.common import actors
from loyalty.common.errors import DomainError
from rewards import usage
from rewards.admin import words
from rewards.models import FulfillmentStatus, RedeemedReward, UsageStatus

URL_NAME = "rewards_redeemedreward_usage"
FORM_ID = "desk-usage"
REDRAWN = ("used", "status_word", "delivery_word", "used_or_not")
USED, UNUSED = "yes", "no"
PERMISSIONS = {USED: "rewards.mark_used", UNUSED: "rewards.mark_unused"}


def view(request: HttpRequest, pk: int, *, model_admin: Any) -> HttpResponse:
    """POST `used=yes` or `used=no`. A script gets the changed cells and the sentence, a browser the list again."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    permission = PERMISSIONS.get(str(request.POST.get("used")))
    if permission is None or not request.user.has_perm(permission) or not model_admin.has_view_permission(request):
        raise PermissionDenied
    found = RedeemedReward.objects.filter(pk=pk, on_profile=True)
    if not found.exists():
        raise Http404(f"There is no redeemed reward {pk}.")
    done, sentence = mark(request, pk=pk)
    row = model_admin.shown(found).get()
    if not sentence:
        sentence = f"{words.title(row)}: marked {'used' if row.usage_status == UsageStatus.USED else 'unused'}."
    if "application/json" in request.headers.get("Accept", ""):
        allow(request, [row])
        cells = {name: str(getattr(model_admin, name)(row)) for name in REDRAWN}
        return JsonResponse({"done": done, "sentence": sentence, "cells": cells}, status=200 if done else 409)
    messages.add_message(request, messages.SUCCESS if done else messages.ERROR, sentence)
    back = QueryDict(str(request.POST.get("back", ""))[:4000]).urlencode()
    grid = reverse("admin:rewards_redeemedreward_changelist")
    return HttpResponseRedirect(f"{grid}?{back}" if back else grid)


def mark(request: HttpRequest, *, pk: int) -> tuple[bool, str]:
    """Whether it was done; and, where it was not, why."""
    act = usage.mark_used if request.POST["used"] == USED else usage.mark_unused
    try:
        act(redeemed_reward_id=pk, actor=actors.staff(int(str(request.user.pk))), now=timezone.now())
    except DomainError as refusal:
        return False, refusal.sentence
    return True, ""


def allow(request: HttpRequest, rows: list[Any]) -> None:
    """Say to each row what this person may do with its box."""
    may = frozenset(asked for asked, permission in PERMISSIONS.items() if request.user.has_perm(permission))
    address = reverse(f"admin:{URL_NAME}", args=(0,)).split("/0/", 1)
    for row in rows:
        row.may_mark, row.usage_url = may, f"/{row.pk}/".join(address)


def box(row: Any) -> SafeString:
    """A box, marked when used; a dash where nobody can know. A button for those who may, in whose hands it does something."""
    if row.usage_status == UsageStatus.UNTRACKED:
        return format_html('<span class="desk-quiet" title="{}">–</span>', "The use of this type is not tracked")
    marked = row.usage_status == UsageStatus.USED
    state, asked = (" desk-tick--on", UNUSED) if marked else ("", USED)
    word = "Used" if marked else "Unused"
    if asked not in getattr(row, "may_mark", ()) or row.fulfillment_status != FulfillmentStatus.ISSUED:
        return format_html('<span class="desk-tick{}">{}</span>', state, word)
    return format_html(
        '<button type="submit" form="{}" formaction="{}" name="used" value="{}" class="desk-tick desk-tick--button{}" '
        'role="checkbox" aria-checked="{}" aria-label="Used: {}">{}</button>',
        FORM_ID,
        row.usage_url,
        asked,
        state,
        "true" if marked else "false",
        words.title(row),
        word,
    )
