"""What a customer's browser may ask from a shop's own pages: a customer token, the shop's origin, a rate of its own."""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from loyalty.api import customer_tokens, errors, rate_limit, views
from loyalty.common import actors
from loyalty.common.actors import Actor
from loyalty.customers.models import Customer
from platforms.models import StoreConnection

REQUESTS_A_SECOND = 10  # of one customer, however many browsers they have
PREFLIGHT_SECONDS = 600
TOLD = "Idempotent-Replayed, Retry-After, X-Request-Id"


class OriginNotAllowed(errors.RequestError):
    code = "origin_not_allowed"
    status = 403


class TooManyRequests(errors.RequestError):
    code = "rate_limited"
    status = 429


@dataclass(frozen=True, slots=True)
class CustomerPrincipal:
    """A customer in their own browser. It stands where Django puts a user, and is none."""

    customer: Customer

    is_authenticated = True
    is_active = True
    is_staff = False
    is_anonymous = False

    @property
    def pk(self) -> None:
        return None


class CustomerTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <customer token>`. An API key is none."""

    def authenticate(self, request: Request) -> tuple[CustomerPrincipal, customer_tokens.Pass]:
        scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise exceptions.NotAuthenticated(
                "The customer token is missing. Send it in the header Authorization: Bearer <token>.",
                code="missing_customer_token",
            )
        try:
            found = customer_tokens.read(token=token.strip(), now=timezone.now())
        except customer_tokens.InvalidCustomerToken as error:
            raise exceptions.AuthenticationFailed(error.sentence, code=error.code) from error
        return CustomerPrincipal(found.customer), found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class PerCustomer(BaseThrottle):
    """So many requests of one customer in each second of the clock. Valkey counts, or the cache in PostgreSQL."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        name, second = f"customer:{customer_of(request).pk}", int(time.time())
        counted = rate_limit.valkey(settings.REDIS_URL).count(name, second) if settings.REDIS_URL else None
        if counted is None:
            kept = f"api:rate:{name}:{second}"
            cache.add(kept, 0, timeout=5)
            counted = cache.incr(kept)
        if counted > REQUESTS_A_SECOND:
            raise TooManyRequests("That was too much at once. Wait a second and try again.")
        return True


class StorefrontView(views.ApiView):
    """A customer token instead of a key; answers to a browser only on pages of the merchant's shops, or on our own."""

    authentication_classes = [CustomerTokenAuthentication]
    permission_classes = []
    throttle_classes = [PerCustomer]
    http_method_names = ["get", "head", "post", "options"]

    origin: str = ""  # of the page that asks, once it is found to be one of the shops'

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.origin = _origin(request)
        if request.method != "OPTIONS":
            super().initial(request, *args, **kwargs)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """What a browser asks first: it sends no token with it."""
        return Response(status=204)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Vary"] = "Origin"
        if self.origin:
            response["Access-Control-Allow-Origin"] = self.origin
            response["Access-Control-Expose-Headers"] = TOLD
        if self.origin and request.method == "OPTIONS":
            response["Access-Control-Allow-Methods"] = "GET, POST"
            response["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Idempotency-Key"
            response["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
        return response


def customer_of(request: Request) -> Customer:
    """Who asks."""
    principal: Any = request.user
    customer: Customer = principal.customer
    return customer


def actor_of(request: Request) -> Actor:
    return actors.customer(customer_of(request).pk)


def origins() -> set[str]:
    """The origins whose pages may ask: the shops we are connected to and their pages, those of the settings, our own."""
    shops = StoreConnection.objects.filter(enabled=True).values_list("base_url", "storefronts")
    found = {origin for _, pages in shops for origin in pages}
    found.update(map(origin_of, (settings.PUBLIC_URL, *settings.STOREFRONT_ORIGINS, *(base for base, _ in shops))))
    return found - {""}


def origin_of(address: str) -> str:
    """Scheme, host and port, as a browser writes them; empty for what has none."""
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return ""
    usual = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port and parts.port != usual else "")


def _origin(request: Request) -> str:
    """The origin of the page that asks; empty when it is not a page that asks. Raises OriginNotAllowed."""
    origin = request.headers.get("Origin", "")
    if origin and origin not in origins():
        raise OriginNotAllowed(
            "Pages of this origin may not ask. Name it among the addresses of the shop’s pages at its connection, or in STOREFRONT_ORIGINS."
        )
    return origin
