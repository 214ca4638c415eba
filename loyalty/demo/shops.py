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
from platforms.models import Platform, StoreConnection

CURRENCY = "USD"
NAME = "Fern & Field shop"
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

    def clear(self) -> None:
        self._call("DELETE", None)

    def _call(self, method: str, body: dict[str, Any] | None) -> None:
        request = Request(  # noqa: S310 (the address is the one the person gave)
            f"{self._access.url.rstrip('/')}/api/faults",
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {self._access.token}", "content-type": "application/json"},
            method=method,
        )
        try:
            with urlopen(request, timeout=10):  # noqa: S310
                return
        except (URLError, OSError) as error:
            raise ShopUnreachable(f"The sandbox shop at {self._access.url} did not take a fault: {error}.") from error


def _opened(shop: StoreConnection) -> dict[str, str] | None:
    try:
        return credentials.unseal(shop.credentials)
    except credentials.CredentialsUnreadable:
        return None
