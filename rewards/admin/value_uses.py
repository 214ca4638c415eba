"""What was spent of a value code, on the reward's page, and the page that gives one part back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.adminkit import acts as desk_acts
from loyalty.common.adminkit import desk, show
from loyalty.common.errors import DomainError
from rewards import value_codes
from rewards.admin.timeline import Names
from rewards.models import RedeemedReward, ValueCodeUse

URL_NAME = "rewards_redeemedreward_value_back"
GIVE_BACK = "rewards.reverse_valuecodeuse"
MOST_ROWS = 50


@dataclass(frozen=True)
class Row:
    """One line: what was spent or came back, and whether it can still come back."""

    what: str
    amount: Any
    left: Any
    order: str
    when: Any
    who: str
    back_url: str


def rows_of(request: HttpRequest, redeemed: RedeemedReward, *, now: datetime) -> list[Row]:
    """The newest uses of a value code; nothing for other rewards."""
    if redeemed.remaining is None:
        return []
    uses = list(value_codes.history(redeemed_reward_id=redeemed.pk)[:MOST_ROWS])
    names, allowed = Names(uses), request.user.has_perm(GIVE_BACK)
    for use in uses:
        use.redeemed_reward = redeemed
    return [
        Row(
            what=word(use),
            amount=show.money(use.amount, redeemed.currency),
            left=show.money(use.remaining_after, redeemed.currency),
            order=use.order_id,
            when=show.instant(use.used_at),
            who=names.of(use.actor_kind, use.actor_id),
            back_url=reverse(f"admin:{URL_NAME}", args=(redeemed.pk, use.pk))
            if allowed and not value_codes.reversal_refusal(use=use, now=now)
            else "",
        )
        for use in uses
    ]


def word(use: ValueCodeUse) -> str:
    if use.is_reversal:
        return "Given back"
    return "Spent, given back since:" if getattr(use, "reversal", None) is not None else "Spent"


def view(request: HttpRequest, *, model_admin: desk.DeskAdmin, pk: int, use_id: int) -> HttpResponse:
    """GET says what would happen; POST gives the part back, once."""
    if not request.user.has_perm(GIVE_BACK) or not model_admin.has_view_permission(request):
        raise PermissionDenied
    uses = ValueCodeUse.objects.select_related("redeemed_reward", "reversal")
    use = uses.filter(pk=use_id, redeemed_reward_id=pk).first()
    if use is None:
        raise Http404(f"Redeemed reward {pk} has no use {use_id}.")
    redeemed, page = use.redeemed_reward, desk_acts.page_of(model_admin, pk)
    amount = f"{use.amount} {redeemed.currency}"
    form = forms.Form(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            back = value_codes.reverse(use_id=use.pk, actor=actors.staff(int(str(request.user.pk))), now=timezone.now())
        except DomainError as refusal:
            messages.error(request, refusal.sentence)
        else:
            left = f"{back.remaining_after} {redeemed.currency}"
            messages.success(request, f"{amount} are on “{redeemed.name}” again: {left} can be spent.")
        return HttpResponseRedirect(f"{page}#value")
    if refused := value_codes.reversal_refusal(use=use, now=timezone.now()):
        messages.error(request, refused)
        return HttpResponseRedirect(f"{page}#value")
    after = (redeemed.remaining or 0) + use.amount
    return desk_acts.form_page(
        request,
        model_admin=model_admin,
        form=form,
        title=f"Give back {amount}: {redeemed.name}",
        button=f"Give back {amount}",
        explain=(
            f"{amount}{f', spent on {use.order_id},' if use.order_id else ''} go back onto the code: "
            f"{after} {redeemed.currency} can be spent afterwards. For goods that came back. "
            "It cannot be undone, only spent again."
        ),
        back_url=f"{page}#value",
    )
