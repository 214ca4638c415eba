"""A shop's page with `desk.js` on it, in the demo alone: in production these addresses are not there."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from loyalty.api import customer_tokens, keys, reference
from loyalty.api.models import ApiKey
from loyalty.customers.models import Customer, CustomerState

KEY_NAME = "Storefront of the demo"


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """What a customer of the shop sees on their account page."""
    return render(request, "api/showroom.html", {"integrity": reference.integrity()})


@require_safe
@never_cache
def token(request: HttpRequest) -> HttpResponse:
    """What the shop's own server answers: a token for its customer. Here it is the first member; 204 without any."""
    now = timezone.now()
    customer = Customer.objects.filter(state=CustomerState.MEMBER, points_account__balance__gt=0).order_by("pk").first()
    if customer is None:
        return HttpResponse(status=204)
    key = ApiKey.objects.filter(name=KEY_NAME, revoked_at__isnull=True).order_by("pk").first()
    if key is None:
        key, _ = keys.create(name=KEY_NAME, scopes=[keys.Scope.CUSTOMER_TOKEN_WRITE], created_by_id=None, now=now)
    made, _ = customer_tokens.mint(key=key, customer_id=customer.pk, now=now)
    return JsonResponse({"token": made})


ADDRESSES = (
    [path("showroom/", page, name="api_showroom"), path("showroom/token/", token, name="api_showroom_token")]
    if settings.ENVIRONMENT in {"demo", "test"}
    else []
)
