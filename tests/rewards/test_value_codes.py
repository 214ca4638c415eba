"""Value codes: spent bit by bit, with what remains kept, and never more than there was."""

from datetime import timedelta
from decimal import Decimal

import pytest

from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.points.errors import IdempotencyConflict
from rewards import cancellation, granting, usage, value_codes
from rewards.cancellation import CancellationRefused
from rewards.models import ValueCodeUse
from rewards.usage import UsageRefused
from rewards.value_codes import CurrencyMismatch, ValueCodeRefused
from tests.concurrency.races import kinds_of_failure, race, succeeded
from tests.factories.catalogue import CustomFactory, ValueCodeFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW

pytestmark = pytest.mark.django_db(transaction=True)
TILL = actors.api_key(1)


def have(**fields):
    return granting.grant(
        customer_id=CustomerFactory().pk, reward_id=ValueCodeFactory(**fields).pk, actor=TILL, now=NOW
    )


def spend(redeemed, amount, **more):
    return value_codes.spend(
        redeemed_reward_id=redeemed.pk, amount=Decimal(amount), actor=TILL, **({"now": NOW} | more)
    )


def state(redeemed):
    redeemed.refresh_from_db()
    return redeemed.remaining, redeemed.usage_status


def test_keep_what_remains_with_a_history():
    redeemed = have()

    spend(redeemed, "7.50", order_id="till-1")
    assert state(redeemed) == (Decimal("12.50"), "unused")
    spend(redeemed, "12.50")

    assert state(redeemed) == (Decimal(0), "used")
    assert [(use.amount, use.remaining_after, use.order_id) for use in ValueCodeUse.objects.order_by("id")] == [
        (Decimal("7.50"), Decimal("12.50"), "till-1"),
        (Decimal("12.50"), Decimal(0), ""),
    ]


@pytest.mark.parametrize(
    ("amount", "sentence"),
    [("20.01", "Only 20.00 USD are left"), ("0", "above zero"), ("-1", "above zero"), ("1.005", "2 decimals")],
)
def test_refuse_more_than_remains_and_amounts_that_are_none(amount, sentence):
    redeemed = have()

    with pytest.raises(ValueCodeRefused, match=sentence):
        spend(redeemed, amount)

    assert state(redeemed) == (Decimal(20), "unused")
    assert not ValueCodeUse.objects.exists()


def test_of_a_currency_without_a_minor_unit_are_spent_in_whole_ones():
    redeemed = have(currency="JPY")

    with pytest.raises(ValueCodeRefused, match="above zero, without decimals"):
        spend(redeemed, "1.50")

    assert spend(redeemed, "2").remaining_after == 18


def test_refuse_what_has_expired_and_what_is_used():
    expired, used = have(days_valid=0), have()
    usage.mark_used(redeemed_reward_id=used.pk, actor=TILL, now=NOW)

    with pytest.raises(UsageRefused, match="has expired"):
        spend(expired, "1", now=NOW + timedelta(days=1))
    with pytest.raises(ValueCodeRefused, match="nothing more can be spent"):
        spend(used, "1")


def test_are_the_only_ones_that_are_spent_in_parts():
    other = granting.grant(customer_id=CustomerFactory().pk, reward_id=CustomFactory().pk, actor=TILL, now=NOW)

    with pytest.raises(ValueCodeRefused, match="is a custom campaign: only value codes"):
        spend(other, "1")


def test_spend_once_for_a_key_and_refuse_it_for_another_amount():
    redeemed = have()

    first = spend(redeemed, "20", idempotency_key="receipt-7")
    assert spend(redeemed, "20", idempotency_key="receipt-7").pk == first.pk
    with pytest.raises(IdempotencyConflict):
        spend(redeemed, "19", idempotency_key="receipt-7")

    assert ValueCodeUse.objects.count() == 1


def test_are_not_marked_unused_once_nothing_is_left_nor_canceled_once_a_part_is_spent():
    empty, part = have(), have()
    spend(empty, "20")
    spend(part, "1")

    with pytest.raises(UsageRefused, match="spent to the end"):
        usage.mark_unused(redeemed_reward_id=empty.pk, actor=TILL, now=NOW)
    with pytest.raises(CancellationRefused, match="A part of"):
        cancellation.cancel(redeemed_reward_id=part.pk, actor=TILL, now=NOW)


def test_are_found_as_people_type_them():
    redeemed = have()

    assert value_codes.find(code=f" {redeemed.code.code.lower()} ").pk == redeemed.pk
    assert value_codes.find(code="NOBODY-HAS-IT") is None


def test_give_a_part_back_once_and_can_be_used_again():
    redeemed = have()
    use = spend(redeemed, "20", order_id="till-1")

    back = value_codes.reverse(use_id=use.pk, actor=TILL, now=NOW)

    assert value_codes.reverse(use_id=use.pk, actor=TILL, now=NOW).pk == back.pk
    assert (back.reversal_of_id, back.amount, back.remaining_after, back.order_id) == (use.pk, 20, 20, "till-1")
    assert state(redeemed) == (Decimal(20), "unused")
    assert (redeemed.used_at, redeemed.delivery_status) == (None, "")
    kinds = Event.objects.filter(subject_id=redeemed.pk).order_by("id").values_list("kind", flat=True)
    assert list(kinds)[2:] == ["reward.used", "reward.part_spent", "reward.unused", "reward.part_returned"]


def test_stay_used_by_staff_when_a_part_comes_back():
    redeemed = have()
    use = spend(redeemed, "5")
    usage.mark_used(redeemed_reward_id=redeemed.pk, actor=TILL, now=NOW)

    value_codes.reverse(use_id=use.pk, actor=TILL, now=NOW)

    assert state(redeemed) == (Decimal(20), "used")


def test_give_nothing_back_that_was_given_back_and_nothing_after_their_end_or_cancellation():
    returned, expired, canceled = have(), have(days_valid=0), have()
    back = value_codes.reverse(use_id=spend(returned, "5").pk, actor=TILL, now=NOW)
    late, gone = spend(expired, "5"), spend(canceled, "20")
    cancellation.cancel(redeemed_reward_id=canceled.pk, actor=TILL, now=NOW, after_use=True)

    with pytest.raises(ValueCodeRefused, match="it was no spending"):
        value_codes.reverse(use_id=back.pk, actor=TILL, now=NOW)
    with pytest.raises(UsageRefused, match="has expired: it can no longer be given back to"):
        value_codes.reverse(use_id=late.pk, actor=TILL, now=NOW + timedelta(days=1))
    with pytest.raises(UsageRefused, match="is canceled"):
        value_codes.reverse(use_id=gone.pk, actor=TILL, now=NOW)
    assert state(expired) == (Decimal(15), "unused")
    assert state(canceled) == (Decimal(0), "used")


def test_can_be_canceled_again_once_every_part_came_back():
    redeemed = have()
    value_codes.reverse(use_id=spend(redeemed, "5").pk, actor=TILL, now=NOW)

    assert cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=TILL, now=NOW).state == "proved"


def test_give_back_once_for_a_key_and_refuse_it_for_another_part():
    redeemed = have()
    first, second = spend(redeemed, "5"), spend(redeemed, "6")

    back = value_codes.reverse(use_id=first.pk, actor=TILL, now=NOW, idempotency_key="k")
    assert value_codes.reverse(use_id=first.pk, actor=TILL, now=NOW, idempotency_key="k").pk == back.pk
    with pytest.raises(IdempotencyConflict):
        value_codes.reverse(use_id=second.pk, actor=TILL, now=NOW, idempotency_key="k")
    with pytest.raises(IdempotencyConflict):
        spend(redeemed, "5", idempotency_key="k")


def test_convert_no_currency():
    redeemed = have(currency="EUR")

    with pytest.raises(CurrencyMismatch, match="is worth EUR, and the amount is in USD"):
        spend(redeemed, "5", currency="USD")

    assert state(redeemed) == (Decimal(20), "unused")


def test_are_never_overspent_by_tills_at_the_same_moment():
    redeemed = have()

    results = race(*[lambda: spend(redeemed, "6")] * 8)

    assert len(succeeded(results)) == 3
    assert kinds_of_failure(results) == {"ValueCodeRefused"}
    assert state(redeemed) == (Decimal(2), "unused")
