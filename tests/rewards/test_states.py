"""The table of states: each combination of axes and clock has one word, and every reader takes it from there."""

import itertools
from datetime import timedelta

import pytest

from rewards import queries, states
from rewards.admin import words
from rewards.models import Cancellation
from tests.factories.people import CustomerFactory
from tests.rewards.admin_rows import AT, attempt, row, set_zone

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NOW = AT + 10 * DAY
FULFILLMENT = ("pending", "issued", "failed", "cancelled")
USAGE = ("unused", "used", "untracked")
ENDS = ("never", "ended", "not ended")
STARTS = ("at once", "begun", "not begun")
INSTANT = timedelta(microseconds=1)


def times(end, start):
    """Start and end as close to now as may be; an end comes after its start."""
    begins = {"at once": None, "begun": NOW if end != "ended" else NOW - INSTANT, "not begun": NOW + INSTANT}[start]
    later = 2 * INSTANT if start == "not begun" else INSTANT
    return begins, {"never": None, "ended": NOW, "not ended": NOW + later}[end]


def expected(fulfillment, usage, end, start, *, cancelling):
    """The rules once more, in other words than the table's."""
    if fulfillment in ("cancelled", "failed"):
        return fulfillment
    if cancelling:
        return "cancelling"
    if fulfillment == "pending":
        return "pending"
    if usage == "used":
        return "used"
    if end == "ended":
        return "expired"
    return "waiting" if start == "not begun" else "issued"


COMBINATIONS = [
    each
    for each in itertools.product(FULFILLMENT, USAGE, ENDS, STARTS, (False, True))
    if not (each[1] == "used" and each[0] in ("pending", "failed"))  # the database refuses these
    and (each[2], each[3]) != ("ended", "not begun")
]


def test_give_every_combination_of_axes_and_clock_its_word():
    customer = CustomerFactory()
    made = {}
    for fulfillment, usage, end, start, cancelling in COMBINATIONS:
        starts_at, expires_at = times(end, start)
        redeemed = row(
            customer=customer, fulfillment_status=fulfillment, usage_status=usage, expires_at=expires_at,
            starts_at=starts_at,
        )  # fmt: skip
        if cancelling:
            Cancellation.objects.create(
                redeemed_reward=redeemed, return_points=True, actor_kind="system", created_at=AT, due_at=AT
            )
        made[redeemed.pk] = expected(fulfillment, usage, end, start, cancelling=cancelling)

    found = {
        redeemed.pk: states.state_of(redeemed=redeemed, status=redeemed.status, now=NOW)
        for redeemed in queries.grid(now=NOW)
    }

    assert {pk: state.key for pk, state in found.items()} == made
    shown = queries.for_customer_page(customer_id=customer.pk, now=NOW).values_list("pk", flat=True)
    assert set(shown) == {pk for pk, state in found.items() if state.visible}


@pytest.mark.parametrize(("fulfillment", "key"), [("pending", "checking"), ("failed", "attempt")])
def test_tell_attempts_of_redemptions_apart(fulfillment, key):
    tried = attempt(fulfillment_status=fulfillment)
    status = queries.status_of(redeemed=tried, now=NOW)

    assert states.state_of(redeemed=tried, status=status, now=NOW).key == key


def test_hide_from_customers_whatever_is_not_theirs_yet_or_any_more():
    assert states.VISIBLE == ("used", "expired", "issued")


def test_have_a_word_a_sentence_and_a_next_step_each():
    for state in states.TABLE:
        assert state.word
        assert state.meaning.endswith(".")
        assert state.next.endswith(".")
    assert {state.status for state in states.TABLE} == set(states.Status)


def test_name_the_first_day_of_what_has_not_begun():
    set_zone("UTC")
    redeemed = row(starts_at=NOW + DAY)

    assert words.status_label(redeemed, "issued", now=NOW) == "Issued, valid from 12 Mar 2026"
    assert words.status_label(redeemed, "issued", now=NOW + DAY) == "Issued"
