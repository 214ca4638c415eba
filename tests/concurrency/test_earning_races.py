"""Earning at the same moment: each rule gives as often as it says, whoever asks beside whom."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from loyalty.common import actors
from loyalty.merchant.models import Programme
from loyalty.points import audit
from loyalty.program import orders
from loyalty.program.earning import activities, days
from loyalty.program.earning.models import Activity, EarningAward
from platforms.adapter import OrderStatus, ShopOrder
from tests.concurrency.races import race, succeeded
from tests.factories.earning import RuleFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

ORDER = ShopOrder(
    external_id="1", number="#1", status=OrderStatus.COMPLETED, placed_at=NOW, updated_at=NOW, total=Decimal(10),
    currency="USD", customer_email="anna@example.com",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _ledger_stays_proved():
    Programme.objects.update_or_create(pk=1, defaults={"points_per_unit": 0})
    yield
    assert list(audit.differences()) == []


def told(customer, number):
    return activities.record(
        token="review", customer_id=customer.pk, distinct_id=str(number), actor=actors.SYSTEM, now=NOW
    )


def test_the_last_place_under_a_cap_is_given_once():
    customer = CustomerFactory()
    RuleFactory(kind="activity", token="review", points=20, most_times=1, period="day")
    made = [told(customer, number) for number in range(4)]

    results = race(*(lambda pk=each.pk: activities.evaluate(activity_id=pk, now=NOW) for each in made))

    assert len(succeeded(results)) == 4
    assert sorted(Activity.objects.values_list("outcome", flat=True)) == ["awarded"] + ["cap_of_period"] * 3
    assert EarningAward.objects.count() == 1


def test_the_last_points_under_a_cap_are_given_once():
    customer = CustomerFactory()
    RuleFactory(kind="activity", token="review", points=20, most_points_ever=50)
    made = [told(customer, number) for number in range(5)]

    results = race(*(lambda pk=each.pk: activities.evaluate(activity_id=pk, now=NOW) for each in made))

    assert len(succeeded(results)) == 5
    assert sorted(EarningAward.objects.values_list("points", flat=True)) == [10, 20, 20]
    assert sorted(Activity.objects.values_list("outcome", flat=True)) == ["awarded"] * 3 + ["points_ever"] * 2


def test_six_deliveries_of_one_task_and_two_beats_beside_each_other_give_once():
    """Peers B32."""
    customer = CustomerFactory(date_of_birth=date(1990, NOW.month, NOW.day))
    RuleFactory(kind="activity", token="review", points=20)
    RuleFactory(kind="birthday", points=50)
    activity = told(customer, 1)

    results = race(
        *[lambda: activities.evaluate(activity_id=activity.pk, now=NOW)] * 6, *[lambda: days.give_of_days(now=NOW)] * 2
    )

    assert len(succeeded(results)) == 8
    assert sorted(EarningAward.objects.values_list("points", flat=True)) == [20, 50]


def test_of_two_first_orders_one_is_the_first():
    shop = ConnectionFactory()
    CustomerFactory(email="anna@example.com")
    RuleFactory(kind="first_order", points=100)

    def deliver(number):
        order = replace(ORDER, external_id=str(number), placed_at=NOW + timedelta(hours=number))
        return lambda: orders.record(
            connection_id=shop.pk, order=order, returns_use_on_cancel=True, actor=actors.shop(shop.pk), now=NOW
        )

    results = race(*(deliver(number) for number in (3, 2, 1)))

    assert len(succeeded(results)) == 3
    assert EarningAward.objects.count() == 1
