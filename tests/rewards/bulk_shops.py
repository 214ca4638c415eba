"""Shops that put many codes under one discount, each behind HTTP, in one shape."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platforms import credentials, registry
from platforms.adapter import PlatformCode
from platforms.models import Platform, StoreConnection
from tests.factories.people import ConnectionFactory
from tests.factories.shop import connect
from tests.fakes import bigcommerce
from tests.fakes.sandbox import SandboxShop, running_sandbox_shop
from tests.fakes.shopify.server import Shopify, running_shopify
from tests.fakes.shopify.shop import CLIENT_ID, CLIENT_SECRET


class BulkShop(ABC):
    """One that runs. `invents` says whether the texts of the codes are its own."""

    invents = False

    @abstractmethod
    def connected(self) -> StoreConnection: ...

    @abstractmethod
    def lose_answers(self, *, times: int = 1) -> None:
        """The next calls that make many codes are carried out, and nobody is told."""

    @abstractmethod
    def break_down(self, *, times: int = 1) -> None:
        """The next calls that make many codes do nothing, and it says so."""

    @abstractmethod
    def recover(self) -> None:
        """From now on nothing goes wrong."""

    @abstractmethod
    def buy(self, code: str) -> None:
        """Somebody uses the code on an order, and pays."""


def codes_of(connection: StoreConnection) -> dict[str, PlatformCode]:
    """All codes of the shop, by their texts in upper case. Each is listed once."""
    adapter, cursor, more = registry.adapter_for(connection), "", True
    found: list[PlatformCode] = []
    while more:
        page = adapter.list_codes(cursor).value
        assert page is not None
        found += page.codes
        cursor, more = page.cursor, page.more
    by_text = {code.code.upper(): code for code in found}
    assert len(by_text) == len(found)
    return by_text


class BulkSandbox(BulkShop):
    def __init__(self, shop: SandboxShop) -> None:
        self.shop = shop

    def connected(self) -> StoreConnection:
        return connect(self.shop)

    def lose_answers(self, *, times: int = 1) -> None:
        self.shop.fault("create", "drop_after_accepting", times=times)

    def break_down(self, *, times: int = 1) -> None:
        self.shop.fault("create", "drop", times=times)

    def recover(self) -> None:
        self.shop.clear_faults()

    def buy(self, code: str) -> None:
        self.shop.checkout("somebody@example.com", code=code)


class BulkShopify(BulkShop):
    def __init__(self, fake: Shopify) -> None:
        self.fake = fake

    def connected(self) -> StoreConnection:
        sealed = credentials.seal({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET})
        return ConnectionFactory(platform=Platform.SHOPIFY, base_url=self.fake.url, credentials=sealed)

    def lose_answers(self, *, times: int = 1) -> None:
        self.fake.fault("AddToMany", "drop_after", times=times)

    def break_down(self, *, times: int = 1) -> None:
        self.fake.fault("AddToMany", "502", times=times)

    def recover(self) -> None:
        self.fake.faults.clear()

    def buy(self, code: str) -> None:
        self.fake.shop.checkout("somebody@example.com", code=code)


class BulkBigCommerce(BulkShop):
    """The texts of its codes are its own."""

    invents = True

    def __init__(self, store: bigcommerce.BigCommerceShop) -> None:
        self.store = store

    def connected(self) -> StoreConnection:
        sealed = credentials.seal(self.store.credentials())
        return ConnectionFactory(platform=Platform.BIGCOMMERCE, base_url=self.store.url, credentials=sealed)

    def lose_answers(self, *, times: int = 1) -> None:
        self.store.fault("drop_after", "POST", "/v3/promotions/", times=times)  # the generator's path begins so

    def break_down(self, *, times: int = 1) -> None:
        self.store.fault("bad_gateway", "POST", "/v3/promotions/", times=times)

    def recover(self) -> None:
        self.store.faults.clear()

    def buy(self, code: str) -> None:
        self.store.buy("somebody@example.com", code=code)


@contextmanager
def sandbox(folder: Path) -> Iterator[BulkShop]:
    with running_sandbox_shop(folder) as shop:
        yield BulkSandbox(shop)


@contextmanager
def shopify(_folder: Path) -> Iterator[BulkShop]:
    with running_shopify() as fake:
        yield BulkShopify(fake)


@contextmanager
def bigcommerce_store(_folder: Path) -> Iterator[BulkShop]:
    with bigcommerce.running_store() as store:
        yield BulkBigCommerce(store)


SHOPS: dict[str, Any] = {"sandbox": sandbox, "shopify": shopify, "bigcommerce": bigcommerce_store}
