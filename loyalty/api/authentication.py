"""Who is calling: a bearer key, and what it may do."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from loyalty.api import keys
from loyalty.api.models import ApiKey
from loyalty.common import actors
from loyalty.common.actors import Actor


@dataclass(frozen=True, slots=True)
class ApiPrincipal:
    """An integrator's system, known by its key. It stands where Django puts a user, and is none."""

    key: ApiKey

    is_authenticated = True
    is_active = True
    is_staff = False
    is_anonymous = False

    @property
    def pk(self) -> None:
        return None

    @property
    def actor(self) -> Actor:
        return actors.api_key(self.key.pk)


def actor_of(request: Request) -> Actor:
    """Who does what this request asks for."""
    return actors.api_key(request.auth.pk)


def identity_of(request: Request) -> int:
    """The system that calls, however often its key was rotated: see `ApiKey.identity`."""
    key: Any = request.auth
    return int(key.identity)


def own_key(request: Request, key: str | None) -> str | None:
    """An idempotency key as this caller's own: customers of one shop use the same words without meeting each other."""
    space = getattr(request.auth, "namespace", "")
    return f"{space}{hashlib.sha256(key.encode()).hexdigest()}" if space and key is not None else key


def address_of(request: Request) -> str:
    """Where the caller is: behind our proxy, as the proxy saw it; what the caller says of itself stands before that."""
    if settings.BEHIND_PROXY:
        return str(request.headers.get("X-Forwarded-For", "")).rpartition(",")[2].strip()
    return str(request.META.get("REMOTE_ADDR", ""))


def require_scope(request: Request, scope: str) -> None:
    """Refuse a key that lacks a scope which only some requests to an address need. Raises PermissionDenied."""
    principal: Any = request.user
    if not keys.allows(key=principal.key, scope=scope):
        raise exceptions.PermissionDenied(lacking(scope), code="missing_scope")


def lacking(scope: str) -> str:
    return f"This API key lacks the scope {scope}. Make a key that has it in the back office."


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer api_…`."""

    def authenticate(self, request: Request) -> tuple[ApiPrincipal, ApiKey]:
        scheme, _, secret = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise exceptions.NotAuthenticated(
                "The API key is missing. Send it in the header Authorization: Bearer <key>.", code="missing_api_key"
            )
        now = timezone.now()
        key = keys.find(secret=secret.strip(), now=now)
        if key is None:
            raise exceptions.AuthenticationFailed(
                "This API key is unknown, revoked or expired. Make a new one in the back office.",
                code="invalid_api_key",
            )
        if not keys.taken_from(key=key, address=address_of(request)):
            raise exceptions.PermissionDenied(
                "This API key is not taken from your address. Add the address to the key in the back office.",
                code="address_not_allowed",
            )
        keys.note_use(key=key, now=now)
        return ApiPrincipal(key), key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class HasScope(BasePermission):
    """The key has the scope that the view's `scopes` names for the method; a method it does not name is not judged."""

    message = ""
    code = "missing_scope"

    def has_permission(self, request: Request, view: APIView) -> bool:
        method = "GET" if request.method == "HEAD" else str(request.method)
        scopes: dict[str, str] = getattr(view, "scopes", {})
        needed = scopes.get(method)
        if needed is None:
            return True
        self.message = lacking(needed)
        principal: Any = request.user
        return keys.allows(key=principal.key, scope=needed)
