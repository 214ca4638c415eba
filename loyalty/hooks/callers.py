"""Whose address a webhook came to, and what can tell whether it is genuine.

Asked for each delivery, so it is one prepared statement; the adapter is kept for as long as the row says the same, which
spares opening the credentials each time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from loyalty.common.prepared import Statement
from platforms import registry
from platforms.adapter import Adapter
from platforms.models import PayoutAccount, StoreConnection
from platforms.payouts import registry as payout_registry
from platforms.payouts.provider import Provider

_KEY = {"key": "text"}
_SHOP = Statement(
    "shop_of_webhook",
    "SELECT id, platform, base_url, currency, credentials FROM platforms_storeconnection "
    "WHERE webhook_key = %(key)s::uuid",
    types=_KEY,
)
_ACCOUNT = Statement(
    "account_of_webhook",
    "SELECT id, provider, base_url, currency, credentials FROM platforms_payoutaccount "
    "WHERE webhook_key = %(key)s::uuid",
    types=_KEY,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who has an address here."""

    what: str  # for the log
    verifier: Callable[[], Adapter | Provider]  # raises CredentialsUnreadable
    whose: dict[str, int]  # the column of the inbox that names it
    secret_headers: frozenset[str] = frozenset()  # of its webhooks, in lower case


def shop(key: UUID) -> Caller | None:
    """The shop whose address it is; none when nobody has it."""
    row = _found(_SHOP, key)
    if row is None:
        return None
    pk, platform, *access = row
    return Caller(
        what=f"shop {pk}",
        verifier=partial(_adapter, platform, *access),
        whose={"connection_id": pk},
        secret_headers=registry.adapter_class(platform).capabilities.secret_headers,
    )


def payout_account(key: UUID) -> Caller | None:
    """The same of payout accounts."""
    row = _found(_ACCOUNT, key)
    if row is None:
        return None
    pk, provider, *access = row
    return Caller(
        what=f"payout account {pk}",
        verifier=partial(_provider, provider, *access),
        whose={"payout_account_id": pk},
    )


def _found(statement: Statement, key: UUID) -> tuple[Any, ...] | None:
    """The row. A session that has gone stale since the last request is replaced once, as nothing was written in it yet."""
    try:
        rows = statement.run({"key": str(key)})
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block:
            raise
        connection.close()
        rows = statement.run({"key": str(key)})
    return rows[0] if rows else None


@lru_cache(maxsize=256)
def _adapter(platform: str, base_url: str, currency: str, sealed: str) -> Adapter:
    access = {"base_url": base_url, "currency": currency, "credentials": sealed}
    return registry.adapter_for(StoreConnection(platform=platform, **access))


@lru_cache(maxsize=256)
def _provider(provider: str, base_url: str, currency: str, sealed: str) -> Provider:
    access = {"base_url": base_url, "currency": currency, "credentials": sealed}
    return payout_registry.provider_for(PayoutAccount(provider=provider, **access))
