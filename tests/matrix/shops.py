"""Which shops the fault matrix has. A further platform is one subclass of FaultyShop and one line in SHOPS."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.fakes import bigcommerce, vendure_shop, woocommerce
from tests.fakes.contract import ShopifyHarness
from tests.fakes.medusa import running_medusa
from tests.fakes.sandbox import running_sandbox_shop
from tests.fakes.shopify.server import running_shopify
from tests.matrix.hosted import BigCommerce, Shopify
from tests.matrix.levers import FaultyShop
from tests.matrix.run_by_merchants import Medusa, Sandbox, Vendure, WooCommerce


@contextmanager
def sandbox(folder: Path) -> Iterator[FaultyShop]:
    with running_sandbox_shop(folder) as shop:
        yield Sandbox(shop)


@contextmanager
def vendure(_folder: Path) -> Iterator[FaultyShop]:
    with vendure_shop.running_vendure_shop() as shop:
        yield Vendure(shop)


@contextmanager
def bigcommerce_store(_folder: Path) -> Iterator[FaultyShop]:
    with bigcommerce.running_store() as shop:
        yield BigCommerce(shop)


@contextmanager
def woocommerce_shop(_folder: Path) -> Iterator[FaultyShop]:
    with woocommerce.running_woocommerce() as shop:
        yield WooCommerce(shop)


@contextmanager
def medusa(_folder: Path) -> Iterator[FaultyShop]:
    with running_medusa() as shop:
        yield Medusa(shop)


@contextmanager
def shopify(_folder: Path) -> Iterator[FaultyShop]:
    with running_shopify() as fake:
        yield Shopify(ShopifyHarness(fake))


SHOPS: dict[str, Callable[[Path], AbstractContextManager[FaultyShop]]] = {
    "sandbox": sandbox,
    "vendure": vendure,
    "bigcommerce": bigcommerce_store,
    "woocommerce": woocommerce_shop,
    "medusa": medusa,
    "shopify": shopify,
}
