"""The page of a reward's shared code: one code for everybody, or one for each; and uses nobody is known for."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.adminkit import desk, show
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer
from rewards import shared_codes, unmatched_uses
from rewards.models import Reward, RewardCode

CHANGE = "rewards.change_reward"
SETTLE = "rewards.mark_used"
URL_NAME = "rewards_reward_shared_code"


class SharedCodeForm(forms.Form):
    code = forms.CharField(
        label="Code",
        max_length=shared_codes.LONGEST,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )


class SettleForm(forms.Form):
    order_id = forms.CharField(max_length=120)
    email = forms.CharField(max_length=254, required=False)


def view(request: HttpRequest, *, model_admin: desk.DeskAdmin, reward: Reward) -> HttpResponse:
    """GET tells; POST shares a code, ends that, or settles a use."""
    form = SharedCodeForm(request.POST if request.POST.get("act") == "share" else None)
    if request.method == "POST":
        refusal = _act(request, reward=reward, form=form)
        if not refusal and not form.errors:
            return HttpResponseRedirect(request.path)
        if refusal and form.is_bound:
            form.add_error("code", refusal)
        elif refusal:
            messages.error(request, refusal)
    uses = unmatched_uses.waiting(code=reward.shared_code) if reward.shared_code is not None else []
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": f"Shared code: {reward.name}",
        "reward": reward,
        "refusal": shared_codes.refusal(reward=reward) if reward.shared_code is None else "",
        "sharing": shared_codes.sharing(reward=reward),
        "form": form,
        "may_change": request.user.has_perm(CHANGE),
        "may_settle": request.user.has_perm(SETTLE),
        "uses": [_drawn(each, model_admin) for each in uses],
        "back_url": reverse("admin:rewards_reward_change", args=(reward.pk,)),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/rewards/reward/shared_code.html", context)


def _act(request: HttpRequest, *, reward: Reward, form: SharedCodeForm) -> str:
    """Do what was asked; gives the sentence of a refusal, or nothing."""
    act = request.POST.get("act", "")
    if not request.user.has_perm(SETTLE if act == "settle" else CHANGE):
        raise PermissionDenied
    actor, now = actors.staff(int(str(request.user.pk))), timezone.now()
    try:
        if act == "share" and form.is_valid():
            code = shared_codes.share(reward_id=reward.pk, code=form.cleaned_data["code"], actor=actor, now=now)
            messages.success(request, f"Everybody who gets “{reward.name}” from now on has the code {code.code}.")
        elif act == "end":
            shared_codes.end(reward_id=reward.pk, actor=actor, now=now)
            messages.success(request, f"Everybody who gets “{reward.name}” from now on has a code of their own.")
        elif act == "settle" and reward.shared_code is not None:
            return _settle(request, code=reward.shared_code, actor=actor)
    except DomainError as refusal:
        return refusal.sentence
    return ""


def _settle(request: HttpRequest, *, code: RewardCode, actor: actors.Actor) -> str:
    form = SettleForm(request.POST)
    if not form.is_valid():
        return "This page was out of date. Nothing was changed: try again."
    email = form.cleaned_data["email"].strip()
    customer = Customer.objects.filter(email__iexact=email).first() if email else None
    if email and customer is None:
        return f"Nobody has the address {email}. Correct it; leave it empty if it was no customer of yours."
    unmatched_uses.settle(
        code_id=code.pk,
        order_id=form.cleaned_data["order_id"],
        customer_id=customer.pk if customer is not None else None,
        actor=actor,
        now=timezone.now(),
    )
    whose = f"{customer}’s: their reward is marked used" if customer is not None else "nobody’s"
    messages.success(request, f"The use on order {form.cleaned_data['order_id']} was {whose}.")
    return ""


def _drawn(use: unmatched_uses.UnmatchedUse, model_admin: desk.DeskAdmin) -> dict[str, Any]:
    buyer = Customer.objects.filter(pk=use.customer_id).first() if use.customer_id else None
    return {
        "order_id": use.order_id,
        "when": show.instant(use.used_at),
        "buyer": model_admin.link_to(Customer, buyer.pk, str(buyer)) if buyer is not None else show.text("A guest"),
    }
