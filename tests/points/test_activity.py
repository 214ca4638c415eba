"""Activity: points that expire after days without it, whose end moves with each earning, redemption and adjustment."""

from datetime import timedelta

import pytest

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.merchant.models import ExpiryMode, Programme
from loyalty.points import adjustments, earning, expiry, ledger, queries
from loyalty.points.models import PointsLot, TransactionKind
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0)


@pytest.fixture
def programme():
    return Programme.objects.update_or_create(pk=1, defaults={"expiry_mode": ExpiryMode.IDLE, "expiry_days": 30})[0]


def earn(customer, points, *, now=NOW, key=None):
    programme = Programme.objects.get()
    return earning.earn(
        customer_id=customer.pk, points=points, cause=Cause(CauseType.ORDER, 1), actor=SYSTEM, programme=programme,
        earned_at=now, now=now, idempotency_key=key or f"{customer.pk}:{now}",
    )  # fmt: skip


def spend(customer, points, *, now):
    return ledger.debit(
        customer_id=customer.pk, points=points, kind=TransactionKind.REDEMPTION, cause=Cause(CauseType.API, 1),
        actor=SYSTEM, now=now,
    )  # fmt: skip


def balance(customer, now):
    return queries.balance(customer_id=customer.pk, now=now).balance


def ends(customer):
    return list(PointsLot.objects.filter(customer=customer).order_by("id").values_list("expires_at", flat=True))


def test_points_end_after_the_days_without_any(programme, customer):
    earn(customer, 100)

    assert ends(customer) == [MIDNIGHT + 31 * DAY]
    assert balance(customer, MIDNIGHT + 31 * DAY - timedelta(microseconds=1)) == 100
    assert balance(customer, MIDNIGHT + 31 * DAY) == 0


def test_moves_the_end_of_all_points_that_depend_on_it_and_of_no_others(programme, customer):
    give(customer, 5, expires_at=NOW + 40 * DAY)
    earn(customer, 100)

    earn(customer, 10, now=NOW + 20 * DAY)

    assert ends(customer) == [NOW + 40 * DAY, MIDNIGHT + 51 * DAY, MIDNIGHT + 51 * DAY]
    assert balance(customer, NOW + 45 * DAY) == 110


@pytest.mark.parametrize("kind", ["redemption", "adjustment"])
def test_redeeming_and_an_adjustment_count(programme, customer, kind):
    earn(customer, 100)
    later = NOW + 20 * DAY

    if kind == "redemption":
        spend(customer, 1, now=later)
    else:
        adjustments.adjust(customer_id=customer.pk, points=-1, actor=SYSTEM, now=later)

    assert ends(customer) == [MIDNIGHT + 51 * DAY]


def test_expiry_and_reversal_do_not_count(programme, customer):
    earn(customer, 100)
    debit = spend(customer, 1, now=NOW)
    give(customer, 7, expires_at=NOW + 5 * DAY)

    expiry.settle_due(now=NOW + 10 * DAY)
    ledger.reverse(transaction_id=debit.pk, cause=Cause(CauseType.API, 1), actor=SYSTEM, now=NOW + 10 * DAY)

    assert ends(customer)[0] == MIDNIGHT + 31 * DAY


def test_after_the_end_saves_nothing(programme, customer):
    earn(customer, 100)

    earn(customer, 10, now=NOW + 40 * DAY)

    assert balance(customer, NOW + 40 * DAY) == 10


def test_points_that_come_back_to_a_spent_lot_live_as_long_as_the_others(programme, customer):
    earn(customer, 100)
    debit = spend(customer, 100, now=NOW + DAY)
    earn(customer, 10, now=NOW + 25 * DAY)

    ledger.reverse(transaction_id=debit.pk, cause=Cause(CauseType.API, 1), actor=SYSTEM, now=NOW + 40 * DAY)

    assert ends(customer) == [MIDNIGHT + 56 * DAY, MIDNIGHT + 56 * DAY]
    assert balance(customer, NOW + 50 * DAY) == 110
    assert balance(customer, MIDNIGHT + 56 * DAY) == 0


def test_pending_points_live_their_days_from_when_they_can_be_spent(programme, customer):
    Programme.objects.update(pending_days=45)

    earn(customer, 100)

    assert ends(customer) == [MIDNIGHT + (45 + 31) * DAY]


def test_a_changed_setting_concerns_new_points_only(programme, customer):
    earn(customer, 100)
    Programme.objects.update(expiry_mode=ExpiryMode.NEVER)

    earn(customer, 10, now=NOW + DAY)

    assert ends(customer) == [MIDNIGHT + 32 * DAY, None]


def test_capturing_a_part_of_a_hold_moves_the_end_of_the_rest_too(programme, customer):
    earn(customer, 100)
    all_of_it = ledger.hold(
        customer_id=customer.pk, points=100, cause=Cause(CauseType.API, 1), actor=SYSTEM, now=NOW + DAY
    )
    captured_at = NOW + 20 * DAY

    ledger.capture(
        hold_id=all_of_it.pk, kind=TransactionKind.REDEMPTION, actor=SYSTEM, now=captured_at, points=40
    )  # fmt: skip

    assert ends(customer) == [MIDNIGHT + 51 * DAY]
    assert balance(customer, NOW + 45 * DAY) == 60


def test_capturing_a_part_of_a_hold_does_not_move_the_end_of_its_lot_back(programme, customer):
    earn(customer, 100)
    some_of_it = ledger.hold(
        customer_id=customer.pk, points=50, cause=Cause(CauseType.API, 1), actor=SYSTEM, now=NOW + DAY
    )

    ledger.capture(hold_id=some_of_it.pk, kind=TransactionKind.REDEMPTION, actor=SYSTEM, now=NOW + 20 * DAY, points=40)

    assert ends(customer) == [MIDNIGHT + 51 * DAY]


def test_capturing_a_part_of_a_hold_whose_lot_has_ended_does_not_revive_it(programme, customer):
    earn(customer, 100)
    late = NOW + 40 * DAY
    held = ledger.hold(customer_id=customer.pk, points=100, cause=Cause(CauseType.API, 1), actor=SYSTEM, now=NOW + DAY)

    ledger.capture(hold_id=held.pk, kind=TransactionKind.REDEMPTION, actor=SYSTEM, now=late, points=40)

    assert ends(customer) == [MIDNIGHT + 31 * DAY, MIDNIGHT + (40 + 31) * DAY]
    assert balance(customer, late) == 60
