"""Points outstanding: every number is the points it says times the value of one, or unknown."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from loyalty.common import actors
from loyalty.insights import liability
from loyalty.insights.liability import Ending
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import Programme
from loyalty.points import holds
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.rewards.admin_rows import staff, words

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WARSAW_NEW_YEAR = datetime(2026, 12, 31, 23, tzinfo=UTC)
LOOK = "points.view_pointstransaction"


@pytest.fixture
def held():
    """150 active points, 30 of them set aside; 40 pending, 25 that ended without anybody settling that."""
    one, other = CustomerFactory(), CustomerFactory()
    give(one, 100, now=NOW - 3 * DAY, expires_at=WARSAW_NEW_YEAR)
    give(other, 50, now=NOW - DAY)
    give(other, 40, now=NOW - DAY, available_at=NOW + DAY, expires_at=NOW + 60 * DAY)
    holds.create(customer_id=one.pk, points=30, actor=actors.api_key(1), now=NOW - 2 * DAY)
    give(one, 25, now=NOW - DAY, expires_at=NOW - DAY / 2)


def outstanding(**settings):
    Programme.objects.update_or_create(pk=1, defaults={"time_zone": "Europe/Warsaw", **settings})
    return liability.outstanding(programme=merchant.programme(), now=NOW)


def test_points_are_counted_as_they_are_now_by_the_month_of_their_last_day(held):
    found = outstanding()

    assert (found.active, found.pending, found.held, found.points) == (120, 40, 30, 190)
    assert found.endings == (
        Ending(month=date(2026, 12, 1), points=70),
        Ending(month=date(2027, 1, 1), points=40),
        Ending(month=None, points=50),
    )


def test_money_is_points_times_value_in_the_currencys_coin_and_unknown_without_one():
    found = outstanding(point_value=Decimal("0.0125"), currency="EUR")
    assert (found.worth(190), found.worth(1), found.worth(0)) == (Decimal("2.38"), Decimal("0.01"), 0)
    assert outstanding(point_value=Decimal("1.5"), currency="JPY").worth(3) == 5
    assert outstanding(point_value=Decimal(0)).worth(190) == 0
    assert outstanding(point_value=None).worth(190) is None
    with pytest.raises(IntegrityError), transaction.atomic():
        outstanding(point_value=Decimal(-1))


def test_the_page_shows_the_sum_it_comes_from(held):
    give(CustomerFactory(), 1_000, now=timezone.now())
    Programme.objects.update_or_create(pk=1, defaults={"point_value": None})
    page = staff(LOOK, "merchant.change_programme").get("/admin/points/outstanding/")
    assert "in money is unknown. Enter it under Programme" in words(page)

    Programme.objects.update(point_value=Decimal("0.010000"), currency="EUR")
    shown = words(staff(LOOK).get("/admin/points/outstanding/"))
    assert "points × 0.01 EUR =" in shown
    assert "Never" in shown
    assert staff().get("/admin/points/outstanding/").status_code == 403
