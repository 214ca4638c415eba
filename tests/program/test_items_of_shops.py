"""What each shop tells of an order's items is what rules for products go by."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from math import floor
from pathlib import Path

import pytest

from loyalty.common import actors
from loyalty.merchant.models import Programme
from loyalty.program import orders
from loyalty.program.earning.models import EarningAward
from tests.factories.earning import RuleFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW
from tests.fakes.contract import Harness, bigcommerce_harness, sandbox_harness, shopify_harness
from tests.fakes.medusa_contract import medusa_harness
from tests.fakes.vendure_contract import VendureHarness
from tests.fakes.vendure_shop import running_vendure_shop
from tests.fakes.woocommerce_contract import woocommerce_harness

pytestmark = pytest.mark.django_db


@contextmanager
def vendure_harness(_folder: Path) -> Iterator[Harness]:
    with running_vendure_shop() as running:
        yield VendureHarness(running)


@pytest.mark.parametrize(
    "running",
    [bigcommerce_harness, medusa_harness, sandbox_harness, shopify_harness, vendure_harness, woocommerce_harness],
    ids=lambda running: running.__name__.removesuffix("_harness"),
)
def test_a_multiplier_doubles_the_right_item(
    running: Callable[[Path], AbstractContextManager[Harness]], tmp_path: Path
):
    with running(tmp_path) as shop:
        spec = shop.spec()
        shop.adapter().create_code(spec)
        told = shop.adapter().read_order(shop.buy_basket(email="anna@example.com", code=spec.code)).value
        product = shop.basket[0]
    assert told is not None
    assert told.items is not None
    doubled = told.items[0].amount
    CustomerFactory(email="anna@example.com")
    Programme.objects.update_or_create(pk=1, defaults={"points_per_unit": 0})
    rate = RuleFactory(points=100, per_amount=1)
    double = RuleFactory(kind="multiplier", points=None, per_amount=None, factor=2, products=[product])

    connection = ConnectionFactory()
    orders.record(
        connection_id=connection.pk,
        order=told,
        returns_use_on_cancel=True,
        actor=actors.shop(connection.pk),
        now=max(NOW, told.updated_at),
    )

    given = dict(EarningAward.objects.values_list("rule_id", "points"))
    assert given[double.pk] == floor(round(doubled, 2) * 100)
    assert given[double.pk] < given[rate.pk] == floor(round(told.total, 2)) * 100
    assert doubled > Decimal(10)
