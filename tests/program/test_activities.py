"""Activities: told once, evaluated by a worker once, and every one says what came of it."""

from datetime import timedelta

import pytest

from loyalty.common import actors
from loyalty.customers.models import CustomerState
from loyalty.points import queries as points
from loyalty.points.models import PointsTransaction
from loyalty.program.earning import activities, awarding
from loyalty.program.earning.models import Activity, ActivityState, EarningAward
from tests.factories.earning import RuleFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def review_rule(**terms):
    return RuleFactory(**{"kind": "activity", "token": "review", "points": 20, **terms})


def tell(customer, *, now=NOW, token="review", **more):
    return activities.record(token=token, customer_id=customer.pk, actor=actors.api_key(1), now=now, **more)


def balance(customer):
    return points.balance(customer_id=customer.pk, now=NOW + HOUR).balance


def test_an_activity_waits_for_a_worker_and_earns_once():
    customer = CustomerFactory()
    rule = review_rule()
    activity = tell(customer, distinct_id="r-1")
    assert (activity.state, balance(customer)) == (ActivityState.WAITING, 0)

    for _ in range(3):
        activities.evaluate(activity_id=activity.pk, now=NOW)

    activity.refresh_from_db()
    assert (activity.state, activity.outcome, activity.evaluated_at) == (ActivityState.DONE, "awarded", NOW)
    assert balance(customer) == 20
    entry = PointsTransaction.objects.get()
    assert (entry.cause_type, entry.cause_id, entry.note.description) == ("activity", activity.pk, rule.name)


def test_the_same_distinct_id_counts_once_and_another_again():
    customer = CustomerFactory()
    tell(customer, distinct_id="r-1")

    with pytest.raises(activities.ActivityToldBefore, match="send another distinct_id"):
        tell(customer, distinct_id="r-1")

    tell(customer, distinct_id="r-2")
    tell(customer, distinct_id="r-1", token="other")
    tell(customer)
    tell(customer)
    assert Activity.objects.count() == 5


@pytest.mark.parametrize("state", [None, CustomerState.DISABLED])
def test_an_activity_of_nobody_or_of_an_excluded_customer_is_refused(state):
    customer_id = CustomerFactory(state=state).pk if state else 10**9

    with pytest.raises(activities.UnknownActor):
        activities.record(token="review", customer_id=customer_id, actor=actors.SYSTEM, now=NOW)

    assert not Activity.objects.exists()


def test_a_customer_is_found_by_address_whatever_its_case():
    customer = CustomerFactory(email="anna@example.com")

    made = activities.record(token="x", customer_email=" ANNA@example.com", actor=actors.SYSTEM, now=NOW)

    assert made.customer == customer


@pytest.mark.parametrize(
    ("terms", "told", "outcome"),
    [
        ({"token": "other"}, {}, "no_rule"),
        ({"enabled": False}, {}, "no_rule"),
        ({"enabled_at": NOW + HOUR}, {}, "not_on_then"),
        ({"ends_at": NOW}, {}, "over"),
        ({}, {"created_on_origin_at": NOW - timedelta(days=800)}, "not_on_then"),
        ({"tier_ids": [4]}, {}, "other_tier"),
    ],
)
def test_the_outcome_says_why_nothing_was_earned(terms, told, outcome):
    customer = CustomerFactory()
    review_rule(**terms)
    activity = tell(customer, **told)

    activities.evaluate(activity_id=activity.pk, now=NOW)

    activity.refresh_from_db()
    assert (activity.outcome, balance(customer)) == (outcome, 0)


def test_a_cap_holds_over_activities():
    customer = CustomerFactory()
    review_rule(most_times=2, period="day")
    for number in range(3):
        activities.evaluate(activity_id=tell(customer, distinct_id=str(number)).pk, now=NOW)

    assert balance(customer) == 40
    assert list(Activity.objects.order_by("pk").values_list("outcome", flat=True)) == [
        "awarded", "awarded", "cap_of_period",
    ]  # fmt: skip


def test_consent_to_the_newsletter_earns_once_however_often_it_is_given():
    customer = CustomerFactory()
    RuleFactory(kind="newsletter", points=15)
    for _ in range(2):
        activities.evaluate(activity_id=tell(customer, token=activities.NEWSLETTER_TOKEN).pk, now=NOW)

    assert balance(customer) == 15


def test_what_a_lost_message_left_is_found_by_the_sweep(django_capture_on_commit_callbacks):
    activity = tell(CustomerFactory())

    assert activities.sweep(now=NOW - HOUR) == 0
    assert activities.sweep(now=NOW) == 1
    activities.evaluate(activity_id=activity.pk, now=NOW)
    assert activities.sweep(now=NOW + 10 * HOUR) == 0


def test_an_evaluation_that_crashes_goes_behind_the_others_and_leaves_nothing(monkeypatch):
    customer = CustomerFactory()
    review_rule()
    activity = tell(customer)

    def crash(**given):
        raise RuntimeError("the power went")

    with monkeypatch.context() as broken:
        broken.setattr(awarding, "award", crash)
        with pytest.raises(RuntimeError):
            activities.evaluate(activity_id=activity.pk, now=NOW)

    activity.refresh_from_db()
    assert (activity.state, activity.tries, activity.due_at) == (ActivityState.WAITING, 1, NOW + activities.FIRST_WAIT)
    assert not EarningAward.objects.exists()
    activities.evaluate(activity_id=activity.pk, now=NOW + HOUR)
    assert balance(customer) == 20
