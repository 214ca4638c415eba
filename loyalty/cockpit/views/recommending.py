"""Recommending the shop to friends: the customer's link, and the page it leads a friend to."""

from allauth.account.adapter import get_adapter
from allauth.core import ratelimit
from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from loyalty.cockpit.access import Visit, customers_only
from loyalty.common.errors import DomainError
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import Programme
from loyalty.program.models import Referral
from loyalty.program.referrals import claiming, links
from loyalty.program.referrals.models import ReferralState
from rewards import catalogue
from rewards.models import Reward

SHOWN = 50
# To the one who recommended, a friend who is looked at, or was blocked, is one who has not bought yet.
WORDS = {
    ReferralState.PENDING: _("Not bought yet"),
    ReferralState.BLOCKED: _("Not bought yet"),
    ReferralState.COMPLETED: _("Bought"),
    ReferralState.CANCELLED: _("Did not count"),
}


class FriendForm(forms.Form):
    email = forms.EmailField(
        label=_("Your e-mail address"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )


@require_safe
@customers_only
def friends(visit: Visit) -> HttpResponse:
    """The customer's own link, what it brings, and what came of it so far."""
    rules, url = links.rules_and_url(customer_id=visit.customer.pk, now=visit.now)
    if not rules.active:
        return redirect("cockpit:home")
    if visit.excluded:
        return visit.render("cockpit/friends.html")
    brought = Referral.objects.filter(sender=visit.customer).select_related("friend").order_by("-id")[:SHOWN]
    for_friend, for_you = _named(rules.friend_reward, rules.sender_reward, language=visit.language, of=visit.programme)
    return visit.render(
        "cockpit/friends.html",
        url=url,
        for_friend=for_friend,
        for_you=for_you,
        brought=[
            (masked(each.friend.email), each.created_at, each.state, WORDS[ReferralState(each.state)])
            for each in brought
        ],
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def recommended(request: HttpRequest, code: str) -> HttpResponse:
    """Where a friend lands; on POST their address is noted. The answer is the same for everybody and every address."""
    rules = links.settings()
    if links.sender_of(code) is None:
        raise Http404
    programme = merchant.programme()
    form = FriendForm(request.POST if request.method == "POST" else None)
    noted = False
    if request.method == "POST" and form.is_valid():
        limited: HttpResponse | None = ratelimit.consume_or_429(request, action="claim_referral")
        if limited is not None:
            return limited
        try:
            claiming.claim(
                code=code,
                email=form.cleaned_data["email"],
                internet_address=get_adapter().get_client_ip(request),
                now=timezone.now(),
            )
            noted = True
        except DomainError as refusal:
            form.add_error("email", refusal.sentence)
    context = {
        "programme": programme,
        "form": form,
        "noted": noted,
        "for_friend": _named(rules.friend_reward, language=get_language() or programme.language, of=programme)[0],
    }
    return render(request, "cockpit/recommended.html", context, status=422 if form.errors else 200)


def masked(email: str | None) -> str:
    """An address as its owner's friend may see it: enough to know whose it is. "a…@example.com"."""
    name, _at, domain = (email or "").rpartition("@")
    return f"{name[0]}…@{domain}" if name else "…"


def _named(*rewards: Reward | None, language: str, of: Programme) -> list[str]:
    """What customers call each reward; empty where there is none."""
    there = [reward for reward in rewards if reward is not None]
    texts = catalogue.words(rewards=there, language=language, fallback=of.language)
    return [texts[reward.pk].name if reward is not None else "" for reward in rewards]
