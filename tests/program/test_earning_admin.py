"""Earning rules, orders and activities in the admin: sentences instead of refusals, and reasons instead of numbers."""

from datetime import timedelta
from decimal import Decimal

import pytest

from loyalty.common import actors
from loyalty.customers.models import Tier
from loyalty.events.models import Event
from loyalty.merchant.models import Programme
from loyalty.program import orders
from loyalty.program.earning import activities
from loyalty.program.earning.models import EarningRule
from loyalty.program.models import Order
from platforms.adapter import OrderStatus, ShopItem, ShopOrder
from tests.factories.catalogue import RewardFactory
from tests.factories.earning import RuleFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW
from tests.rewards.admin_rows import staff, words

pytestmark = pytest.mark.django_db

RULES = "/admin/program/earningrule/"


@pytest.fixture
def manager():
    return staff(
        *(f"program.{verb}_earningrule" for verb in ("view", "add", "change")),
        "program.view_order", "program.view_activity", "program.view_earningaward",
    )  # fmt: skip


def form(**changes):
    """The form of a new rule, as a browser sends it."""
    data = {
        "name": "Two for one", "kind": "per_amount", "points": "2", "per_amount": "1", "rounding": "whole",
        "priority": "100",
    }  # fmt: skip
    return {key: value for key, value in (data | changes).items() if value is not None}


def test_a_new_rule_starts_switched_off_with_its_terms(manager):
    tier = Tier.objects.create(name="Gold", rank=1)

    response = manager.post(
        f"{RULES}add/", form(enabled="on", tiers=[tier.pk], excluded_products="cup, mug", currency="eur")
    )

    rule = EarningRule.objects.get()
    assert response.status_code == 302
    assert (rule.enabled, rule.points, rule.per_amount, rule.currency) == (False, 2, Decimal(1), "EUR")
    assert (rule.tier_ids, rule.excluded_products) == ([tier.pk], ["cup", "mug"])
    assert list(Event.objects.values_list("kind", flat=True)) == ["earning_rule.added"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"points": None}, "Write how many points it gives."),
        ({"per_amount": None}, "Write for how much money the points are"),
        ({"kind": "per_order", "per_amount": None, "points": None}, "one of them, and not both"),
        ({"kind": "per_order"}, "leave it empty"),
        ({"kind": "multiplier", "points": None, "per_amount": None, "factor": "1"}, "Write a number above 1"),
        ({"kind": "multiplier", "points": None, "per_amount": None, "factor": "2"}, "Name products or categories"),
        ({"kind": "activity", "per_amount": None}, "Write the name under which the other system tells"),
        ({"token": "review"}, "Only activities have a name"),
        ({"most_times": "3"}, "both, or neither"),
        ({"currency": "EURO"}, "at most 3 characters"),
        ({"delay_days": "99999"}, "At most 36,500 days"),
        (
            {"starts_at_0": "2026-05-02", "starts_at_1": "00:00", "ends_at_0": "2026-05-01", "ends_at_1": "00:00"},
            "It ends before it begins",
        ),
    ],
)
def test_what_cannot_be_kept_is_said_beside_its_field(manager, changes, sentence):
    response = manager.post(f"{RULES}add/", form(**changes))

    assert response.status_code == 200
    assert sentence in words(response)
    assert not EarningRule.objects.exists()


def test_a_rule_is_switched_on_by_its_form_and_off_by_its_act(manager):
    rule = RuleFactory(enabled=False, enabled_at=None)

    manager.post(f"{RULES}{rule.pk}/change/", form(name=rule.name, enabled="on"))
    rule.refresh_from_db()
    assert (rule.enabled, rule.enabled_at is not None, rule.points) == (True, True, 2)

    manager.post(f"{RULES}{rule.pk}/act/switch-off/", {"confirmed": "1"})
    rule.refresh_from_db()
    assert rule.enabled is False


def test_who_may_only_look_changes_nothing():
    viewer, rule = staff("program.view_earningrule"), RuleFactory()

    assert viewer.get(f"{RULES}{rule.pk}/change/").status_code == 200
    assert viewer.post(f"{RULES}{rule.pk}/change/", form(points="9")).status_code == 403
    assert viewer.get(f"{RULES}preview/").status_code == 200
    assert staff().get(f"{RULES}preview/").status_code == 403
    assert EarningRule.objects.get().points == 1


def test_the_preview_says_what_a_sample_order_earns_and_why(manager):
    off = RuleFactory(name="Coffee twice", kind="multiplier", points=None, factor=2, products=["coffee"],
                      enabled=False, enabled_at=None)  # fmt: skip
    RuleFactory(name="Big orders", kind="per_order", points=25, minimum=Decimal(200))
    order = {"total": "120", "product": "coffee", "goods": "30"}

    as_it_is = words(manager.get(f"{RULES}preview/", order))
    tried = words(manager.get(f"{RULES}preview/", order | {"rule": off.pk}))

    assert "This order would earn 120 points" in as_it_is
    assert "what counts of the order is below the rule" in as_it_is
    assert "This order would earn 150 points" in tried
    assert "30 USD of items count 2 times" in tried


def test_an_order_says_why_it_earned_these_points(manager):
    RuleFactory(name="Welcome", kind="first_order", points=None, reward=RewardFactory())
    Programme.objects.update_or_create(pk=1, defaults={"points_per_unit": 1})
    CustomerFactory(email="anna@example.com")
    shop = ConnectionFactory()
    told = ShopOrder(
        external_id="7", number="#7", status=OrderStatus.COMPLETED, placed_at=NOW, updated_at=NOW, total=Decimal("59.90"),
        currency="USD", customer_email="anna@example.com", tax=Decimal("9.00"),
        items=(ShopItem(product="coffee", quantity=2, amount=Decimal("50.90"), tax=Decimal("9.00")),),
        shipping=Decimal("8.00"),
    )  # fmt: skip
    orders.record(connection_id=shop.pk, order=told, returns_use_on_cancel=True, actor=actors.shop(shop.pk), now=NOW)

    page = words(manager.get(f"/admin/program/order/{Order.objects.get().pk}/change/"))

    assert "The programme's rate: 59 points: 1 point for each whole USD of 59.90 USD. Given" in page
    assert "Welcome : a reward for the first completed order. Given" in page
    assert "2 × coffee, 50.90 USD" in page
    assert "9.00 USD tax" in page
    assert "1.00 USD of the total is neither items nor shipping nor their tax" in page


def test_activities_are_listed_with_their_outcome(manager):
    customer = CustomerFactory()
    RuleFactory(name="Reviews", kind="activity", token="review", points=20)
    made = activities.record(token="review", customer_id=customer.pk, actor=actors.SYSTEM, now=NOW)
    activities.record(token="other", customer_id=customer.pk, actor=actors.SYSTEM, now=NOW)
    activities.evaluate(activity_id=made.pk, now=NOW + timedelta(minutes=1))

    listed = words(manager.get("/admin/program/activity/"))
    page = words(manager.get(f"/admin/program/activity/{made.pk}/change/"))

    assert "review" in listed
    assert "Earned" in listed
    assert "Waiting" in listed
    assert "Reviews : 20 points for the activity." in page


def test_what_could_not_be_given_is_listed_with_its_reason(manager):
    rule = RuleFactory(name="Hello", kind="activity", token="hello", points=None, reward=RewardFactory(enabled=False))
    made = activities.record(token="hello", customer_id=CustomerFactory().pk, actor=actors.SYSTEM, now=NOW)
    activities.evaluate(activity_id=made.pk, now=NOW)

    listed = words(manager.get("/admin/program/earningaward/?state=refused"))
    page = words(manager.get(f"/admin/program/earningaward/{rule.awards.get().pk}/change/"))

    assert "Hello" in listed
    assert "Could not be given" in page
    made.refresh_from_db()
    assert made.outcome == "reward_refused"
