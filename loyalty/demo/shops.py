"""The demo's two shops: the sandbox it sells in now, and the old one that is gone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from django.conf import settings

from loyalty.common.errors import DomainError
from platforms import credentials, registry
from platforms.models import PayoutAccount, PayoutProvider, Platform, StoreConnection
from platforms.payouts import registry as payout_registry

CURRENCY = "USD"
NAME = "Fern & Field shop"
BY_HAND, PAYOUTS = "Bank transfer by hand", "Sandbox payouts"
OLD_NAME = "Fern & Field old shop"
NOWHERE = "http://127.0.0.1:9"  # nothing listens on the discard port: what is gone refuses at once


class ShopUnreachable(DomainError):
    """The sandbox shop does not do what the demo asks of it."""

    code = "shop_unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopAccess:
    """How to reach the sandbox shop."""

    url: str
    token: str
    webhook_secret: str


def connect(access: ShopAccess) -> tuple[StoreConnection, StoreConnection]:
    """Both connections, the living one as the access says now."""
    secret = {"token": access.token, "webhook_secret": access.webhook_secret}
    shop, _ = StoreConnection.objects.get_or_create(
        name=NAME, defaults={"platform": Platform.SANDBOX, "currency": CURRENCY}
    )
    url = access.url.rstrip("/")
    if shop.base_url != url or _opened(shop) != secret:
        shop.base_url, shop.credentials = url, credentials.seal(secret)
        shop.save()
    old, _ = StoreConnection.objects.get_or_create(
        name=OLD_NAME,
        defaults={
            "platform": Platform.SANDBOX,
            "currency": CURRENCY,
            "enabled": False,
            "base_url": NOWHERE,
            "credentials": credentials.seal({"token": "gone", "webhook_secret": "gone"}),
        },
    )
    return shop, old


def payout_accounts(access: ShopAccess) -> tuple[PayoutAccount, PayoutAccount]:
    """The one the merchant pays by hand from, and the one at the sandbox, as the access says now."""
    by_hand, _ = PayoutAccount.objects.get_or_create(
        name=BY_HAND, defaults={"provider": PayoutProvider.BY_HAND, "currency": CURRENCY}
    )
    secret = {"token": access.token, "webhook_secret": access.webhook_secret}
    account, _ = PayoutAccount.objects.get_or_create(
        name=PAYOUTS,
        defaults={"provider": PayoutProvider.SANDBOX, "currency": CURRENCY, "base_url": access.url.rstrip("/")},
    )
    account.base_url, account.credentials = access.url.rstrip("/"), credentials.seal(secret)
    account.save()
    return by_hand, account


def register_callbacks(account: PayoutAccount, access: ShopAccess) -> None:
    """Let the sandbox tell us what became of payouts. Raises ShopUnreachable."""
    answer = payout_registry.provider_for(account).test_connection()
    if not answer.ok:
        raise ShopUnreachable(f"The sandbox at {account.base_url} does not answer for payouts: {answer.reason}")
    url = f"{settings.PUBLIC_URL}/hooks/payouts/{account.webhook_key}/"
    _call(access, "PUT", "/api/payout-webhook", {"url": url})


def register_webhooks(shop: StoreConnection) -> None:
    """Let the shop call us. Raises ShopUnreachable."""
    answer = registry.adapter_for(shop).ensure_webhooks(f"{settings.PUBLIC_URL}/hooks/{shop.webhook_key}/")
    if not answer.ok:
        raise ShopUnreachable(
            f"The sandbox shop at {shop.base_url} did not take our address: {answer.reason or answer.outcome} "
            "Start it, and check its address and token."
        )


@contextmanager
def wrong_token(shop: StoreConnection) -> Iterator[None]:
    """Reach the shop with a token it does not know, as after somebody changed it there. `connect` mends it as well."""
    right = shop.credentials
    StoreConnection.objects.filter(pk=shop.pk).update(
        credentials=credentials.seal(credentials.unseal(right) | {"token": "changed-in-the-shop"})
    )
    try:
        yield
    finally:
        StoreConnection.objects.filter(pk=shop.pk).update(credentials=right)


class Faults:
    """The levers of the sandbox shop. Raises ShopUnreachable."""

    def __init__(self, access: ShopAccess) -> None:
        self._access = access

    def next_creation(self, kind: str) -> None:
        """The next code the shop is asked for goes wrong in this way."""
        self._call("POST", {"operation": "create", "kind": kind, "times": 1, "seconds": 30})

    def next_payout(self, kind: str) -> None:
        """The next payout the sandbox takes on becomes this."""
        self._call("POST", {"operation": "payout_outcome", "kind": kind, "times": 1})

    def clear(self) -> None:
        self._call("DELETE", None)

    def _call(self, method: str, body: dict[str, Any] | None) -> None:
        _call(self._access, method, "/api/faults", body)


def _call(access: ShopAccess, method: str, path: str, body: dict[str, Any] | None) -> None:
    """What only the sandbox can be asked. Raises ShopUnreachable."""
    request = Request(  # noqa: S310 (the address is the one the person gave)
        f"{access.url.rstrip('/')}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"authorization": f"Bearer {access.token}", "content-type": "application/json"},
        method=method,
    )
    try:
        with urlopen(request, timeout=10):  # noqa: S310
            return
    except (URLError, OSError) as error:
        raise ShopUnreachable(f"The sandbox shop at {access.url} did not do what was asked: {error}.") from error


def _opened(shop: StoreConnection) -> dict[str, str] | None:
    try:
        return credentials.unseal(shop.credentials)
    except credentials.CredentialsUnreadable:
        return None
