"""What is earned, refunded and imported by the batch, beside single acts and beside another batch."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from loyalty.common.actors import SYSTEM, staff
from loyalty.common.causes import Cause, CauseType
from loyalty.merchant import queries as merchant
from loyalty.points import adjustments, audit, bulk_clawbacks, bulk_rows, mass_earning
from loyalty.points.bulk_clawbacks import Refund
from loyalty.points.mass_earning import Earned
from loyalty.program import imports, orders
from loyalty.program.models import Order, OrderRefund, OrderStatus
from loyalty.program.purchases import Purchase
from tests.concurrency.races import in_the_midst, succeeded
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _ledger_stays_proved(transactional_db):
    merchant.programme()  # it is there before anybody begins
    yield
    assert list(audit.differences()) == []


def adjust(customer, points):
    return lambda: adjustments.adjust(customer_id=customer.pk, points=points, actor=staff(1), now=NOW)


def test_a_batch_of_refunds_and_an_adjustment_both_count(monkeypatch):
    customer = CustomerFactory()
    earning = give(customer, 100)
    adjusted = in_the_midst(monkeypatch, (bulk_rows, "write_figures"), adjust(customer, -30))

    bulk_clawbacks.claw_back_many(
        refunds=[Refund(earning_id=earning.pk, refunded=Decimal(1), total=Decimal(2))], actor=SYSTEM, now=NOW
    )

    assert succeeded([adjusted()])


def test_a_batch_of_earnings_and_an_adjustment_both_count(monkeypatch):
    customer = CustomerFactory()
    give(customer, 100)
    adjusted = in_the_midst(monkeypatch, (bulk_rows, "write_figures"), adjust(customer, -30))

    earned = Earned(
        customer_id=customer.pk, points=50, cause=Cause(CauseType.API, 1), earned_at=NOW, idempotency_key="race:1"
    )
    with transaction.atomic():
        accounts = bulk_rows.lock({customer.pk}, now=NOW)
        mass_earning.earn_many(batch=[earned], accounts=accounts, programme=merchant.programme(), actor=SYSTEM, now=NOW)

    assert succeeded([adjusted()])


PURCHASES = [Purchase(line=1, customer="00001", day=date(1997, 1, 1), pieces=1, amount=Decimal("11.77"))]


def take():
    imports.begin()
    return imports.take(purchases=PURCHASES, programme=merchant.programme(), now=NOW)


def test_two_imports_of_one_file_take_turns_and_make_each_order_once(monkeypatch):
    other = in_the_midst(monkeypatch, (imports, "_customers"), take)

    first = take()

    assert (first.orders, other().known) == (1, 1)
    assert Order.objects.count() == 1


def test_news_of_an_order_that_a_batch_refunds_waits_and_is_the_last_word(monkeypatch):
    take()
    order = Order.objects.get()
    cancelled = in_the_midst(
        monkeypatch,
        (OrderRefund.objects, "bulk_create"),
        lambda: orders.cancel_told(external_id=order.external_id, actor=SYSTEM, now=NOW + HOUR),
    )

    imports.refund(order_ids=[order.pk], now=NOW)

    assert cancelled() is True
    order.refresh_from_db()
    assert (order.status, order.changed_at) == (OrderStatus.CANCELLED, NOW + HOUR)
