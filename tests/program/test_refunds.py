"""Refunds: an order that is refunded or canceled takes back what it earned, whatever repeats and in whatever order."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest

from loyalty.common import actors
from loyalty.points import queries as points
from loyalty.points.models import PointsTransaction, TransactionKind
from loyalty.program import orders
from platforms.adapter import OrderStatus, ShopOrder, ShopRefund
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ledger_stays_proved")]

HOUR = timedelta(hours=1)


@pytest.fixture
def shop():
    return ConnectionFactory()


@pytest.fixture
def customer():
    return CustomerFactory(email="anna@example.com")


COMPLETED = ShopOrder(
    external_id="7", number="#7", status=OrderStatus.COMPLETED, placed_at=NOW, updated_at=NOW,
    total=Decimal("60.00"), currency="USD", customer_email="anna@example.com",
)  # fmt: skip


def refunded(*amounts, hours):
    parts = tuple(
        ShopRefund(external_id=str(number), amount=Decimal(amount), refunded_at=NOW)
        for number, amount in enumerate(amounts)
    )
    return replace(COMPLETED, refunds=parts, updated_at=NOW + hours * HOUR)


def record(shop, order):
    orders.record(connection_id=shop.pk, order=order, returns_use_on_cancel=True, actor=actors.shop(shop.pk), now=NOW)


def balance(customer):
    return points.balance(customer_id=customer.pk, now=NOW).balance


def test_partial_refunds_take_their_share_and_sum_exactly(shop, customer):
    record(shop, COMPLETED)
    record(shop, refunded("20.50", hours=1))
    assert balance(customer) == 40

    record(shop, refunded("20.50", "39.50", hours=2))

    assert balance(customer) == 0


def test_a_canceled_order_takes_back_everything(shop, customer):
    record(shop, COMPLETED)

    record(shop, replace(COMPLETED, status=OrderStatus.CANCELLED, updated_at=NOW + HOUR))

    assert balance(customer) == 0
    assert PointsTransaction.objects.filter(kind=TransactionKind.CLAWBACK).count() == 1


def test_an_order_first_heard_of_when_refunded_earns_the_rest(shop, customer):
    record(shop, refunded("15.00", hours=1))

    assert balance(customer) == 45


@pytest.mark.parametrize("arrival", list(permutations(range(3))))
def test_any_order_of_arrival_and_any_repetition_end_alike(shop, customer, arrival):
    news = [COMPLETED, refunded("20.00", hours=1), refunded("20.00", "10.00", hours=2)]

    for index in arrival + arrival:
        record(shop, news[index])

    assert balance(customer) == 30
