"""Ways to earn: what the rules say, in the customer's words and language, and only those open to this customer."""

from datetime import timedelta
from decimal import Decimal
from html import unescape
from re import sub

import pytest
from django.utils import timezone

from loyalty.customers.models import CustomerState, Tier
from loyalty.merchant.models import Programme
from tests.factories.catalogue import RewardFactory, RewardTextFactory
from tests.factories.earning import RuleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _programme():
    Programme.objects.update_or_create(
        pk=1, defaults={"points_per_unit": 1, "currency": "EUR", "points_label_one": "point"}
    )


def page(visitor, **headers):
    answer = visitor.get("/earn/", headers=headers)
    assert answer.status_code == 200
    return " ".join(sub(r"<[^>]+>", " ", unescape(answer.content.decode())).split())


def test_every_way_that_is_open_is_told_with_its_terms(visitor):
    reward = RewardTextFactory(reward=RewardFactory(), name="A free mug").reward
    RuleFactory(
        name="Double days",
        points=2,
        per_amount=Decimal(5),
        minimum=Decimal(20),
        ends_at=timezone.now() + timedelta(days=3),
    )
    RuleFactory(name="Happy birthday", kind="birthday", points=1000, most_times_ever=1)
    RuleFactory(name="Say what you think", kind="activity", token="review", points=20, most_times=2, period="week",
                action_url="https://shop.example/reviews", action_text="Write a review")  # fmt: skip
    RuleFactory(name="Hello", kind="first_order", points=None, reward=reward, delay_days=14)
    RuleFactory(name="Coffee", kind="multiplier", points=None, factor=Decimal("2.50"), categories=["drinks"],
                most_points=1500, period="month", most_points_ever=9000)  # fmt: skip

    text = page(visitor)

    assert "Double days 2 points for every €5 you spend For orders of €20 and more Until" in text
    assert "Happy birthday 1,000 points on your birthday Once in all" in text
    assert "Say what you think 20 points each time Up to 2 times a week Write a review" in text
    assert "Hello A free mug for your first order Usable after 14 days" in text
    coffee = "Coffee 2.5 times the points for: drinks Up to 1,500 points a month Up to 9,000 points in all"
    assert coffee in text
    assert "Every purchase 1 point for every" in text


def test_they_are_told_in_german(visitor):
    RuleFactory(name="Reviews", kind="activity", token="review", points=1250, most_times=1, period="day")

    text = page(visitor, accept_language="de")

    assert "Punkte sammeln" in text
    assert "Reviews Jedes Mal 1.250 Punkte Einmal am Tag" in text


def test_what_is_off_over_not_begun_or_for_other_tiers_is_not_told(visitor, customer):
    now = timezone.now()
    gold, silver = Tier.objects.create(name="Gold", rank=2), Tier.objects.create(name="Silver", rank=1)
    customer.tier = silver
    customer.save()
    RuleFactory(name="Off", enabled=False)
    RuleFactory(name="Over", ends_at=now - timedelta(days=1))
    RuleFactory(name="Later", starts_at=now + timedelta(days=1))
    RuleFactory(name="Golden", tier_ids=[gold.pk])
    RuleFactory(name="Silvery", tier_ids=[silver.pk, gold.pk])

    text = page(visitor)

    assert [name for name in ("Off", "Over ", "Later", "Golden", "Silvery") if name in text] == ["Silvery"]


def test_an_excluded_customer_is_told_of_none(visitor, customer):
    customer.state = CustomerState.DISABLED
    customer.save()
    RuleFactory(name="Reviews", kind="activity", token="review", points=20)

    assert "Reviews" not in page(visitor)


def test_a_name_with_markup_stays_text(visitor):
    RuleFactory(name="<script>alert(1)</script>", kind="birthday", points=5)

    assert b"<script>alert" not in visitor.get("/earn/").content
