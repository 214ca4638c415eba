"""API keys: making, finding and revoking them. Keys are random, so their digest needs no slow hash."""

import hashlib
import ipaddress
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import Q

from loyalty.api.models import ApiKey
from loyalty.common.errors import DomainError

PREFIX = "api_"
RANDOM_BYTES = 32
VISIBLE_CHARACTERS = 12
USE_NOTED_EVERY = timedelta(minutes=1)
MOST_NETWORKS = 50
LONGEST_OVERLAP = timedelta(days=30)  # in which a key that was replaced is still taken


class Scope(models.TextChoices):
    """What a key may do. Writing includes reading the same thing."""

    CUSTOMER_READ = "customer:read", "See customers"
    CUSTOMER_WRITE = "customer:write", "Create customers"
    CUSTOMER_MERGE_WRITE = "customer_merge:write", "Merge customers who are one person, and take it back"
    CUSTOMER_ERASURE_WRITE = "customer_erasure:write", "Forget who a customer is, for good"
    SIGN_IN_LINK_WRITE = "sign_in_link:write", "Let customers sign in by a link"
    CUSTOMER_TOKEN_WRITE = "customer_token:write", "Let customers' browsers read and redeem for themselves"
    CUSTOMER_IDENTITY_WRITE = "customer_identity:write", "Say under which ids other systems know customers"
    POINTS_TRANSACTION_READ = "points_transaction:read", "See points transactions"
    POINTS_TRANSACTION_WRITE = "points_transaction:write", "Adjust points"
    POINTS_HOLD_READ = "points_hold:read", "See points that are held"
    POINTS_HOLD_WRITE = "points_hold:write", "Hold points, capture and release them"
    POINTS_PRODUCT_READ = "points_product:read", "See what points can buy"
    REWARD_WRITE = "reward:write", "Make and change the rewards of the catalogue, and what they cost"
    REWARD_READ = "reward:read", "See the rewards of the catalogue, those that are switched off too"
    POINTS_PURCHASE_READ = "points_purchase:read", "See what points were spent on"
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
    WEBHOOK_ENDPOINT_READ = "webhook_endpoint:read", "See webhook endpoints, and what was sent to them"
    WEBHOOK_ENDPOINT_WRITE = "webhook_endpoint:write", "Say which systems are told what happens"
    VALUE_CODE_READ = "value_code:read", "See what is left of value codes, and what was spent"
    VALUE_CODE_WRITE = "value_code:write", "Spend value codes, and give back what was spent"
    POINTS_SETTINGS_READ = "points_settings:read", "See what points are called"
    REFERRAL_READ = "referral:read", "See who recommended whom, and what came of it"
    REFERRAL_SETTINGS_READ = "referral_settings:read", "See what both sides of a referral get"
    VIP_TIER_READ = "vip_tier:read", "See VIP tiers, and who moved between them"
    CAMPAIGN_READ = "campaign:read", "See campaigns, how far they are, and how many got the reward"
    CAMPAIGN_WRITE = "campaign:write", "Give a reward to many customers at once, and take it back"
    CODE_POOL_WRITE = "code_pool:write", "Bring codes into the pools of rewards"
    JOB_READ = "job:read", "See bulk work begun with keys of the same system, and what became of its rows"
    JOB_WRITE = "job:write", "Begin, apply, undo and stop bulk work"
    SEGMENT_READ = "segment:read", "See segments of customers, how many are in each, and who"
    EVENT_READ = "event:read", "See what happened: points, rewards, parcels and customers, by their ids"
    EVENT_WRITE = "event:write", "Tell of orders and customers of a shop of one's own"
    ACTIVITY_READ = "activity:read", "See what customers did elsewhere, and what came of it"
    ACTIVITY_WRITE = "activity:write", "Tell what customers do elsewhere, for which they may earn"
    EARNING_RULE_READ = "earning_rule:read", "See by which rules customers earn"


class InvalidApiKey(DomainError):
    """The key cannot be made as asked."""

    code = "invalid_api_key"


def create(
    *,
    name: str,
    scopes: Iterable[str],
    created_by_id: int | None,
    now: datetime,
    expires_at: datetime | None = None,
    networks: Iterable[str] = (),
) -> tuple[ApiKey, str]:
    """Make a key. The second value is the key itself: show it once, it is kept nowhere. Raises InvalidApiKey.

    `networks`: the addresses it is taken from, such as 192.0.2.7 or 192.0.2.0/24; none for all.
    """
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
        networks=_networks(networks),
        created_by_id=created_by_id,
        expires_at=expires_at,
    )
    return key, secret


@transaction.atomic
def rotate(*, key_id: int, overlap: timedelta, created_by_id: int | None, now: datetime) -> tuple[ApiKey, str]:
    """Make a key that takes the place of another, which ends after the overlap. The second value is the new key itself.

    Raises InvalidApiKey when the other one has ended, or was replaced before.
    """
    old = ApiKey.objects.select_for_update().get(pk=key_id)
    if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now):
        raise InvalidApiKey(f"{old} has ended already: nobody can be using it. Make a new key.")
    if ApiKey.objects.filter(replaces=old).exists():
        raise InvalidApiKey(f"{old} was replaced before. Rotate the key that took its place.")
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidApiKey(f"Both keys work for 0 to {LONGEST_OVERLAP.days} days. Choose a shorter time.")
    key, secret = create(
        name=old.name,
        scopes=old.scopes,
        created_by_id=created_by_id,
        now=now,
        expires_at=old.expires_at,
        networks=old.networks,
    )
    key.replaces, key.origin_id = old, old.identity
    key.save(update_fields=["replaces", "origin"])
    until = now + overlap
    if old.expires_at is None or until < old.expires_at:
        old.expires_at = until
        old.save(update_fields=["expires_at"])
    return key, secret


def _networks(wanted: Iterable[str]) -> list[str]:
    found: list[str] = []
    for text in wanted:
        try:
            found.append(str(ipaddress.ip_network(text.strip())))
        except ValueError:
            raise InvalidApiKey(
                f"{text.strip()[:60]!r} is no address and no network. Write one such as 192.0.2.7 or 192.0.2.0/24."
            ) from None
    if len(found) > MOST_NETWORKS:
        raise InvalidApiKey(
            f"A key is taken from {MOST_NETWORKS} addresses at most. Write networks, such as 192.0.2.0/24."
        )
    return list(dict.fromkeys(found))


def taken_from(*, key: ApiKey, address: str) -> bool:
    """Whether the key may be used by a caller at this address, which may be empty when it is not known."""
    if not key.networks:
        return True
    try:
        caller = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped is not None:
        caller = caller.ipv4_mapped
    return any(caller in ipaddress.ip_network(network) for network in key.networks)


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
