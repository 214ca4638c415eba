"""API keys: making, finding and revoking them. Keys are random, so their digest needs no slow hash."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from loyalty.api.models import ApiKey
from loyalty.common.errors import DomainError

PREFIX = "api_"
RANDOM_BYTES = 32
VISIBLE_CHARACTERS = 12
USE_NOTED_EVERY = timedelta(minutes=1)


class Scope(models.TextChoices):
    """What a key may do. Writing includes reading the same thing."""

    CUSTOMER_READ = "customer:read", "See customers"
    CUSTOMER_WRITE = "customer:write", "Create customers"
    POINTS_TRANSACTION_READ = "points_transaction:read", "See points transactions"
    POINTS_TRANSACTION_WRITE = "points_transaction:write", "Adjust points"
    POINTS_HOLD_READ = "points_hold:read", "See points that are held"
    POINTS_HOLD_WRITE = "points_hold:write", "Hold points, capture and release them"
    POINTS_PRODUCT_READ = "points_product:read", "See what points can buy"
    POINTS_PURCHASE_WRITE = "points_purchase:write", "Redeem rewards for customers"
    REWARD_FULFILLMENT_READ = "reward_fulfillment:read", "See redeemed rewards"
    REWARD_FULFILLMENT_WRITE = "reward_fulfillment:write", "Cancel redeemed rewards, mark them used or unused"
    REWARD_CANCELLATION_WRITE = (
        "reward_cancellation:write",
        "Cancel rewards after use, and by force without the shop's proof",
    )
    DELIVERY_READ = "delivery:read", "See parcels and their addresses"
    DELIVERY_WRITE = "delivery:write", "Ship, deliver and cancel parcels, and correct addresses"
    CODE_READ = "code:read", "Check a code: what it is, whose, whether it was used"
    VALUE_CODE_READ = "value_code:read", "See what is left of value codes, and what was spent"
    VALUE_CODE_WRITE = "value_code:write", "Spend value codes, and give back what was spent"


class InvalidApiKey(DomainError):
    """The key cannot be made as asked."""

    code = "invalid_api_key"


def create(
    *, name: str, scopes: Iterable[str], created_by_id: int | None, now: datetime, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Make a key. The second value is the key itself: show it once, it is kept nowhere. Raises InvalidApiKey."""
    name = name.strip()
    if not 0 < len(name) <= 80:
        raise InvalidApiKey("The name of an API key has 1 to 80 characters. Name the system that will use it.")
    chosen = sorted(set(scopes))
    unknown = [scope for scope in chosen if scope not in Scope.values]
    if unknown:
        raise InvalidApiKey(f"There is no scope {', '.join(unknown)}. Choose among {', '.join(Scope.values)}.")
    if not chosen:
        raise InvalidApiKey("An API key without a scope could do nothing. Choose at least one.")
    if expires_at is not None and expires_at <= now:
        raise InvalidApiKey("The API key would have expired already. Choose a later time, or none.")
    secret = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    key = ApiKey.objects.create(
        name=name,
        prefix=secret[:VISIBLE_CHARACTERS],
        digest=digest(secret),
        scopes=chosen,
        created_by_id=created_by_id,
        expires_at=expires_at,
    )
    return key, secret


def revoke(*, key_id: int, now: datetime) -> None:
    """End a key at once and for good. Revoking twice keeps the first time."""
    ApiKey.objects.filter(pk=key_id, revoked_at__isnull=True).update(revoked_at=now)


def find(*, secret: str, now: datetime) -> ApiKey | None:
    """The key this secret opens: None when there is no such key, or it was revoked, or it has expired."""
    live = Q(revoked_at__isnull=True) & (Q(expires_at__isnull=True) | Q(expires_at__gt=now))
    return ApiKey.objects.filter(live, digest=digest(secret)).first()


def note_use(*, key: ApiKey, now: datetime) -> None:
    """Remember when a key was last used, at most once a minute."""
    if key.last_used_at is not None and key.last_used_at > now - USE_NOTED_EVERY:
        return
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - USE_NOTED_EVERY)
    ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)


def allows(*, key: ApiKey, scope: str) -> bool:
    """Whether the key may do this; a key that may write a thing may read it."""
    return scope in key.scopes or (scope.endswith(":read") and scope.removesuffix("read") + "write" in key.scopes)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
