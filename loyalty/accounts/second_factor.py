"""The door of the admin: staff only, and with a second factor where the settings ask for one."""

from collections.abc import Iterable
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

SECRET_MODELS = frozenset({Authenticator})
SET_UP = "The admin asks staff for a second factor. Set one up now, then open the admin again."


def given(request: HttpRequest) -> bool:
    """Whether this session has proved a second factor that its user still has, whatever they signed in with."""
    records = get_authentication_records(request, request.user if request.user.is_authenticated else None)
    proved = {record["id"] for record in records if record.get("method") == "mfa" and record.get("id")}
    return bool(proved) and Authenticator.objects.filter(user_id=request.user.pk, pk__in=proved).exists()


def is_staff(request: HttpRequest) -> bool:
    return bool(request.user.is_active and getattr(request.user, "is_staff", False))


def may_enter(request: HttpRequest) -> bool:
    """Whether the admin opens. Being signed in as a customer is never enough."""
    return is_staff(request) and (not settings.STAFF_SECOND_FACTOR or given(request))


def entrance(request: HttpRequest) -> HttpResponse:
    """Where the admin sends whoever may not enter: to sign in, to the second factor, or to a page that says no.

    It has no form of its own: the one sign-in page holds every limit on guessing.
    """
    target = _target(request)
    if not request.user.is_authenticated:
        return _to("account_login", target)
    if not is_staff(request):
        return render(request, "admin/accounts/not_staff.html", status=403)
    if may_enter(request):
        return HttpResponseRedirect(target)
    if Authenticator.objects.filter(user_id=request.user.pk).exists():
        return _to("mfa_reauthenticate", target)
    messages.warning(request, SET_UP)
    return _to("mfa_activate_totp", target)


class StaffEntrance:
    """Mix into an AdminSite, before it."""

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Like the site's own, but the secrets of second factors get no page."""
        models = model_or_iterable if isinstance(model_or_iterable, Iterable) else [model_or_iterable]
        shown = [model for model in models if model not in SECRET_MODELS]
        if shown:
            super().register(shown, admin_class, **options)  # type: ignore[misc]

    def has_permission(self, request: HttpRequest) -> bool:
        return may_enter(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return entrance(request)


def _to(view: str, target: str) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse(view)}?{urlencode({REDIRECT_FIELD_NAME: target})}")


def _target(request: HttpRequest) -> str:
    """Where to go afterwards; only our own pages."""
    asked = request.GET.get(REDIRECT_FIELD_NAME, "")
    safe = url_has_allowed_host_and_scheme(asked, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return asked if asked and safe else reverse("admin:index")
