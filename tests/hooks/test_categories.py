"""Rules for categories in shops that tell them with their products: asked for once, waited for, and else unknown."""

from collections.abc import Iterator

import pytest
from django.utils import timezone

from loyalty.hooks import processing
from loyalty.hooks.models import InboundWebhook, InboxState
from loyalty.merchant.models import Programme
from loyalty.program.earning.models import EarningAward
from loyalty.program.models import OrderItem
from platforms import credentials
from platforms.models import StoreConnection
from tests.factories.earning import RuleFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.fakes.bigcommerce import CATEGORY, PRODUCT, BigCommerceShop, running_store
from tests.fakes.woocommerce import KEY, SECRET, running_woocommerce

pytestmark = pytest.mark.django_db

CATALOGUE = "/v3/catalog/products"


@pytest.fixture(autouse=True)
def _jo():
    Programme.objects.update_or_create(pk=1, defaults={"points_per_unit": 1})
    CustomerFactory(email="jo@example.com")


@pytest.fixture
def shop() -> Iterator[BigCommerceShop]:
    with running_store() as running:
        yield running


@pytest.fixture
def connection(shop: BigCommerceShop) -> StoreConnection:
    sealed = credentials.seal(shop.credentials())
    return ConnectionFactory(platform="bigcommerce", base_url=shop.url, currency="USD", credentials=sealed)


def double(**names):
    return RuleFactory(kind="multiplier", points=None, per_amount=None, factor=2, **names)


def poll(connection):
    processing.poll(connection_id=connection.pk, now=timezone.now())


def points_of(rule):
    return list(EarningAward.objects.filter(rule=rule).values_list("points", flat=True))


def categories():
    return list(OrderItem.objects.order_by("order_id", "position").values_list("categories", flat=True))


def test_a_multiplier_for_a_category_counts_and_each_product_is_asked_for_once(shop, connection):
    rule = double(categories=[str(CATEGORY)])
    for _ in range(2):
        shop.buy("jo@example.com", plates=1)
    poll(connection)
    shop.buy("jo@example.com")
    poll(connection)

    assert points_of(rule) == [36, 36, 18]
    assert categories() == [["21", "23"], [], ["21", "23"], [], ["21", "23"]]
    assert shop.asked().count(CATALOGUE) == 1


def test_in_woocommerce_a_category_goes_by_its_number_and_its_slug():
    rules = [double(categories=["5"]), double(categories=["category-6"])]
    with running_woocommerce() as woo:
        sealed = credentials.seal({"consumer_key": KEY, "consumer_secret": SECRET})
        connection = ConnectionFactory(
            platform="woocommerce", base_url=woo.base_url, currency="USD", credentials=sealed
        )
        woo.checkout("jo@example.com", plates=1)
        poll(connection)

    assert [points_of(rule) for rule in rules] == [[24], [9]]


def test_nobody_is_asked_where_no_rule_names_a_category(shop, connection):
    double(products=[str(PRODUCT)])
    shop.buy("jo@example.com")
    poll(connection)

    assert shop.asked().count(CATALOGUE) == 0
    assert categories() == [None]


def test_an_order_waits_for_a_shop_that_is_slow_to_say_and_then_earns_all(shop, connection):
    rule = double(categories=[str(CATEGORY)])
    shop.buy("jo@example.com")
    shop.fault("error", "GET", CATALOGUE)
    poll(connection)
    waiting = InboundWebhook.objects.get()
    assert (waiting.state, EarningAward.objects.count()) == (InboxState.RECEIVED, 0)

    processing.process(webhook_id=waiting.pk, now=waiting.due_at)

    assert points_of(rule) == [18]


def test_it_waits_for_some_minutes_and_no_longer(shop, connection):
    rule = double(categories=[str(CATEGORY)])
    shop.buy("jo@example.com")
    shop.fault("error", "GET", CATALOGUE, times=99)
    poll(connection)
    waiting = InboundWebhook.objects.get()
    for _ in range(6):
        waiting.refresh_from_db()
        processing.process(webhook_id=waiting.pk, now=waiting.due_at or timezone.now())

    waiting.refresh_from_db()
    assert waiting.state == InboxState.PROCESSED
    assert (points_of(rule), categories()) == ([], [None])
    assert waiting.due_at is None


def test_where_the_key_may_not_read_products_they_stay_unknown_and_it_is_not_asked_again(shop, connection):
    rule = double(categories=[str(CATEGORY)])
    shop.store.scopes -= {"products"}
    for _ in range(2):
        shop.buy("jo@example.com")
        poll(connection)

    assert (points_of(rule), categories()) == ([], [None, None])
    assert EarningAward.objects.count() == 2
    assert shop.asked().count(CATALOGUE) == 1


def test_connecting_says_that_the_scope_is_missing(shop):
    shop.store.scopes -= {"products"}

    info = shop.adapter().test_connection().value

    assert info is not None
    assert "no rules for categories without Products: read-only (store_v2_products_read_only)" in info.detail
