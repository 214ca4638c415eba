"""The customer page's "Why not?": what cannot be redeemed, what waits and what failed, in words for staff."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from loyalty.common import actors
from rewards import granting, limits, obstacles, redemption, reissue
from rewards.models import Cancellation, CodeExtension, RewardAudience
from tests.factories.catalogue import PointsProductFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import give
from tests.rewards.admin_rows import VIEW, row, staff, words

pytestmark = pytest.mark.django_db

STAFF = actors.staff(1)


@pytest.fixture
def anna():
    member = CustomerFactory()
    give(member, 150, now=timezone.now())
    return member


def picture(customer):
    return obstacles.of(customer_id=customer.pk, now=timezone.now())


def offer(name, **fields):
    price = fields.pop("points_price", 100)
    return PointsProductFactory(reward=RewardFactory(name=name, **fields), points_price=price)


def test_names_what_stands_before_each_reward_and_what_to_do(anna):
    offer("Possible")
    offer("Dear", points_price=400)
    once, sold_out, kept = offer("Once", limit_per_customer=1), offer("Gone"), offer("Kept", restricted=True)
    redemption.redeem(customer_id=anna.pk, points_product_id=once.pk, actor=STAFF, now=timezone.now())
    give(anna, 100, now=timezone.now())
    limits.set_total(reward_id=sold_out.reward_id, limit=0, now=timezone.now())

    found = picture(anna)

    assert found.possible == 1
    told = {each.name: (each.reason, each.remedy) for each in found.refused}
    assert told == {
        "Dear": (
            "250 more points are needed: it costs 400.",
            "It opens by itself once the points are there. Adjust the balance, or grant it without points.",
        ),
        "Once": (
            "This reward can be had once per customer, and that has been reached.",
            "Cancel one that was not used, or raise the limit per customer in the catalogue.",
        ),
        "Gone": (
            "This reward is sold out.",
            "Raise the total in the catalogue, or cancel one that was not used.",
        ),
        "Kept": (obstacles.NOT_OFFERED, "Add the customer to those it is for, in the catalogue."),
    }
    RewardAudience.objects.create(reward=kept.reward, customer=anna)
    assert "Kept" not in {each.name for each in picture(anna).refused}


def test_names_what_waits_with_the_time_of_the_next_try(anna):
    shop = ConnectionFactory()
    pending = granting.grant(
        customer_id=anna.pk, reward_id=RewardFactory(connection=shop).pk, actor=STAFF, now=timezone.now()
    )
    now = timezone.now()
    dying = row(customer=anna, connection=shop, code="A-1", expires_at=now)
    Cancellation.objects.create(
        redeemed_reward=dying, return_points=True, created_at=now, due_at=now, last_reason="The shop is down."
    )
    longer = row(customer=anna, connection=shop, code="A-2", expires_at=now)
    CodeExtension.objects.create(
        redeemed_reward=longer,
        before=now,
        until=now + timedelta(days=1),
        actor_kind="staff",
        created_at=now,
        due_at=now,
    )

    waiting = picture(anna).waiting

    assert [(each.redeemed_reward_id, each.what) for each in waiting] == [
        (pending.pk, "Being generated in the shop."),
        (dying.pk, "Being canceled: the shop has not proved its code dead. The shop is down."),
        (longer.pk, "Being extended: the shop has not answered yet."),
    ]
    assert all(each.next_at for each in waiting)


def test_names_what_failed_lately_and_was_not_given_anew(anna):
    now = timezone.now()
    failed = row(
        customer=anna, at=now, fulfillment_status="failed", failure_code="unauthorized", failure_reason="No token."
    )
    anew = row(customer=anna, at=now, fulfillment_status="failed", failure_code="invalid", failure_reason="No.")
    reissue.reissue(redeemed_reward_id=anew.pk, actor=STAFF, now=now)
    row(customer=anna, at=now - timedelta(days=31), fulfillment_status="failed", failure_reason="Long ago.")
    row(at=now, fulfillment_status="failed", failure_reason="Another customer's.")

    (told,) = picture(anna).failed

    assert (told.redeemed_reward_id, told.reason) == (failed.pk, "No token.")
    assert told.remedy == (
        "The shop refused our credentials. Enter them again under Shops and test the connection. Then reissue it."
    )


def test_says_of_an_excluded_customer_that_nothing_can_be_had(anna):
    offer("Possible")
    anna.state = "disabled"
    anna.save()

    found = picture(anna)

    assert (found.excluded, found.refused) == (obstacles.EXCLUDED, [])


def test_costs_the_same_queries_however_much_there_is(anna):
    def cost():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            picture(anna)
        return len(queries)

    offer("Dear", points_price=400)
    picture(anna)
    before = cost()
    for number in range(5):
        offer(f"Dear {number}", points_price=400)
        row(customer=anna, at=timezone.now(), fulfillment_status="failed", failure_reason="No.")

    assert cost() == before


def test_stands_on_the_customer_page_for_whoever_sees_customers(anna):
    offer("Dear", points_price=400)
    page = f"/admin/customers/customer/{anna.pk}/change/?tab=why"

    shown = words(staff("customers.view_customer", VIEW).get(page))

    assert "Why not?" in shown
    assert "250 more points are needed: it costs 400." in shown
    assert "Nothing is under way." in shown
    assert staff(VIEW).get(page).status_code == 403
