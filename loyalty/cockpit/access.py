"""Who may open a page of the cockpit: a customer who signed in, and nobody else."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import activate, get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from loyalty.accounts.models import User
from loyalty.cockpit import linking, speech
from loyalty.common import actors
from loyalty.customers.models import Customer, CustomerState
from loyalty.merchant.models import Programme
from loyalty.program.tiers import progress

P = ParamSpec("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One customer's request for one page, and the instant it is judged at."""

    request: HttpRequest
    customer: Customer
    programme: Programme
    now: datetime

    @property
    def actor(self) -> actors.Actor:
        return actors.customer(self.customer.pk)

    @property
    def language(self) -> str:
        """The language of the rewards' texts: the customer's, else the page's where the programme's is one of those."""
        own = speech.chosen(self.programme.language) == self.programme.language
        return self.customer.language or (get_language() if own else None) or self.programme.language

    @property
    def excluded(self) -> bool:
        return self.customer.state == CustomerState.DISABLED

    def render(self, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
        """A page of the cockpit."""
        context |= {
            "customer": self.customer,
            "programme": self.programme,
            "now": self.now,
            "excluded": self.excluded,
            "text_language": self.language,
        }
        return render(self.request, template, context, status=status)


def customers_only(view: Callable[Concatenate[Visit, P], HttpResponse]) -> Callable[..., HttpResponse]:
    """Give the view a `Visit`. Strangers are led to the sign-in page and back.

    Times are shown in the programme's zone, words in the customer's language.
    """

    @wraps(view)
    def door(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not isinstance(request.user, User):
            return _to_the_door(request)
        now = timezone.now()
        programme = progress.programme_of(user_id=request.user.pk)
        with timezone.override(programme.zone):
            try:
                customer = linking.customer_of(user=request.user, now=now)
            except linking.NotACustomer as refusal:
                context = {"refusal": refusal, "programme": programme}
                return render(request, "cockpit/not_a_customer.html", context, status=403)
            if customer.language:
                activate(speech.chosen(customer.language, get_language()))
            visit = Visit(request=request, customer=customer, programme=programme, now=now)
            return view(visit, *args, **kwargs)

    return never_cache(door)


def _to_the_door(request: HttpRequest) -> HttpResponse:
    """To the sign-in page, and from there to the page that was wanted, or whose form was sent: nothing is sent twice."""
    back = request.get_full_path()
    if request.method == "POST":
        messages.warning(request, _("You were signed out meanwhile, so nothing was done. Sign in and try again."))
        back = reverse("cockpit:account") if request.path == reverse("cockpit:address") else request.path
    return redirect_to_login(back, login_url=reverse("account_request_login_code"))


def safe_next(request: HttpRequest) -> str:
    """The page of ours to return to; empty for anything that is not ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if ours else ""
