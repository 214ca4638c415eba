"""Whose address a webhook came to, and what can tell whether it is genuine.

Asked for each delivery, so it is one prepared statement. Of each address what was found last is kept, which spares
opening the credentials for as long as the row says the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from threading import Lock
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from loyalty.common.prepared import Statement
from platforms import registry
from platforms.adapter import Adapter
from platforms.models import PayoutAccount, StoreConnection
from platforms.payouts import registry as payout_registry
from platforms.payouts.provider import Provider

Address = tuple[bool, str]  # whether it is a payout account's, and its key

MOST_KNOWN = 256

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Caller:
    """Who has an address here, as it was found: another finding is another caller, unless the row was the same."""

    key: str
    row: tuple[Any, ...]  # as it stood: the id, the system, its base URL, its currency, its sealed credentials
    what: str  # for the log
    verifier: Callable[[], Adapter | Provider]  # raises CredentialsUnreadable
    whose: dict[str, int]  # the column of the inbox that names it
    secret_headers: frozenset[str] = frozenset()  # of its webhooks, in lower case


_known: dict[Address, Caller] = {}
_learning = Lock()


def shop(key: UUID) -> Caller | None:
    """The shop whose address it is; none when nobody has it."""
    return _as_it_is((False, str(key)), _SHOP, _shop)


def payout_account(key: UUID) -> Caller | None:
    """The same of payout accounts."""
    return _as_it_is((True, str(key)), _ACCOUNT, _payout_account)


def known(address: Address) -> Caller | None:
    """Whose address it was when it was last looked up, without asking the database; the key as PostgreSQL writes it."""
    return _known.get(address)


def _as_it_is(
    address: Address, statement: Statement, describe: Callable[[str, tuple[Any, ...]], Caller]
) -> Caller | None:
    key = address[1]
    row, before = _found(statement, key), _known.get(address)
    if row is not None and before is not None and before.row == row:
        return before
    now = describe(key, row) if row is not None else None
    with _learning:
        _known.pop(address, None)
        if now is not None:
            _known[address] = now
        if len(_known) > MOST_KNOWN:
            del _known[next(iter(_known))]
    return now


def _shop(key: str, row: tuple[Any, ...]) -> Caller:
    pk, platform, base_url, currency, sealed = row
    access = {"platform": platform, "base_url": base_url, "currency": currency, "credentials": sealed}
    return Caller(
        key=key,
        row=row,
        what=f"shop {pk}",
        verifier=cache(partial(registry.adapter_for, StoreConnection(**access))),
        whose={"connection_id": pk},
        secret_headers=registry.adapter_class(platform).capabilities.secret_headers,
    )


def _payout_account(key: str, row: tuple[Any, ...]) -> Caller:
    pk, provider, base_url, currency, sealed = row
    access = {"provider": provider, "base_url": base_url, "currency": currency, "credentials": sealed}
    return Caller(
        key=key,
        row=row,
        what=f"payout account {pk}",
        verifier=cache(partial(payout_registry.provider_for, PayoutAccount(**access))),
        whose={"payout_account_id": pk},
    )


def _found(statement: Statement, key: str) -> tuple[Any, ...] | None:
    """The row. A session that has gone stale since the last request is replaced once, as nothing was written in it yet."""
    try:
        rows = statement.run({"key": key})
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block:
            raise
        connection.close()
        rows = statement.run({"key": key})
    return rows[0] if rows else None
