"""The reward page says why: why it failed, why a button is grey, and what happens next and when."""

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from rewards.models import Cancellation
from tests.factories.people import ConnectionFactory
from tests.rewards.admin_rows import AT, GRID, VIEW, gift_row, row, staff, words

pytestmark = pytest.mark.django_db

RIGHTS = ("rewards.mark_used", "rewards.mark_unused", "rewards.cancel_redeemedreward", "rewards.deliver_redeemedreward")
HOUR = timedelta(hours=1)


def open_page(redeemed, *rights):
    return staff(VIEW, *(rights or RIGHTS)).get(f"{GRID}{redeemed.pk}/change/")


def greyed(page):
    return {button.label: button.reason for button in page.context["greyed"]}


def test_what_to_do_about_a_failure():
    page = words(
        open_page(row(fulfillment_status="failed", failure_code="unauthorized", failure_reason="The shop said 401."))
    )

    assert "Reason: The shop said 401. The shop refused our credentials. Enter them again under Shops" in page
    assert "then reissue it" in page


@pytest.mark.parametrize(
    ("fields", "label", "sentence"),
    [
        ({"usage_status": "untracked"}, "Mark used", "is not tracked, as nobody can know whether it was used"),
        ({"expires_at": AT}, "Mark used", "has expired: it can no longer be marked used."),
        ({"usage_status": "used", "expires_at": AT + 2 * HOUR}, "Mark unused", "can no longer be marked unused."),
        ({"usage_status": "used"}, "Cancel reward", "was used: mark it unused first if that was a mistake."),
        ({"fulfillment_status": "failed"}, "Cancel reward", "there is nothing to cancel."),
        ({"fulfillment_status": "pending"}, "Mark used", "only an issued reward can be marked used."),
    ],
)
def test_a_grey_button(fields, label, sentence):
    page = open_page(row(**fields))

    assert sentence in greyed(page)[label]
    assert f"{label} is not possible now." in words(page)
    assert label not in [act["label"] for act in page.context["acts"]]


def test_a_grey_button_before_the_first_day():
    page = open_page(row(starts_at=timezone.now() + HOUR))

    assert "is not valid before" in greyed(page)["Mark used"]
    assert "It can be used from then on:" in words(page)
    assert "Issued, valid from" in words(page)


def test_a_gift_that_was_not_ordered_cannot_be_shipped():
    assert "is not ordered yet" in greyed(open_page(gift_row()))["Mark shipped"]


def test_a_parcel_on_its_way_cannot_be_marked_unused():
    page = open_page(gift_row(usage_status="used", delivery_status="shipped"))

    assert "has been shipped already" in greyed(page)["Mark unused"]


def test_no_grey_button_without_the_right_to_it():
    page = open_page(row(usage_status="untracked"), "rewards.view_address")

    assert greyed(page) == {}


def test_nothing_is_grey_where_all_is_possible():
    assert greyed(open_page(row())) == {}


def test_what_happens_next_and_when():
    redeemed = row(connection=ConnectionFactory(), code="LOST-2345")
    Cancellation.objects.create(
        redeemed_reward=redeemed, return_points=True, actor_kind="staff", created_at=AT, due_at=AT + HOUR, attempts=1
    )
    expiring = row(expires_at=timezone.now() + HOUR)

    assert "The shop is asked again to kill the code: 1 Mar 2026, 13:00" in words(open_page(redeemed))
    assert "It expires if it is not used before:" in words(open_page(expiring))


def test_a_grey_button_changes_nothing_and_takes_a_bounded_number_of_queries():
    redeemed = row(usage_status="untracked", expires_at=AT)
    client = staff(VIEW, *RIGHTS)
    client.get(f"{GRID}{redeemed.pk}/change/")

    with CaptureQueriesContext(database) as captured:
        client.get(f"{GRID}{redeemed.pk}/change/")

    assert len(captured) <= 32
    assert type(redeemed).objects.get().updated_at == redeemed.updated_at


def test_the_usual_cancellation_is_not_grey_beside_the_one_after_use():
    page = open_page(row(usage_status="used"), "rewards.cancel_redeemedreward", "rewards.cancel_used_redeemedreward")

    assert [act["label"] for act in page.context["acts"]] == ["Cancel after use"]
    assert greyed(page) == {}
