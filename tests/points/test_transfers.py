"""Transfers: points move with their lots' ends, both sides at once, and only where the merchant allows it."""

from datetime import timedelta

import pytest

from loyalty.common.actors import staff
from loyalty.customers.models import CustomerState
from loyalty.merchant.models import Programme
from loyalty.points import queries, transfers
from loyalty.points.errors import IdempotencyConflict, InsufficientPoints, InvalidPoints, UnknownCustomer
from loyalty.points.models import PointsAccount, PointsLot, PointsTransfer
from loyalty.points.transfers import TransferRefused
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _allowed(db):
    Programme.objects.update_or_create(pk=1, defaults={"transfers_allowed": True})


@pytest.fixture
def receiver():
    return CustomerFactory()


def move(sender, receiver, points, **more):
    return transfers.transfer(
        sender_id=sender.pk, receiver_id=receiver.pk, points=points, actor=staff(1), now=NOW, **more
    )


def balance(customer):
    return queries.balance(customer_id=customer.pk, now=NOW).balance


def test_lots_keep_their_ends(customer, receiver):
    give(customer, 10, expires_at=NOW + DAY)
    give(customer, 10)

    made = move(customer, receiver, 15)

    assert (made.debit.points_change, made.credit.points_change) == (-15, 15)
    lots = PointsLot.objects.filter(customer=receiver).order_by("id").values_list("points", "expires_at")
    assert list(lots) == [(10, NOW + DAY), (5, None)]
    assert (balance(customer), balance(receiver)) == (5, 15)


def test_one_key_moves_once(customer, receiver):
    give(customer, 100)

    assert move(customer, receiver, 10, idempotency_key="k") == move(customer, receiver, 10, idempotency_key="k")
    with pytest.raises(IdempotencyConflict):
        move(customer, receiver, 11, idempotency_key="k")

    assert (balance(customer), balance(receiver)) == (90, 10)


def test_pending_points_do_not_move(customer, receiver):
    give(customer, 100, available_at=NOW + DAY)

    with pytest.raises(InsufficientPoints):
        move(customer, receiver, 1)

    assert not PointsTransfer.objects.exists()


def test_is_refused_where_it_is_switched_off(customer, receiver):
    give(customer, 100)
    Programme.objects.update(transfers_allowed=False)

    with pytest.raises(TransferRefused, match="switched off") as refusal:
        move(customer, receiver, 10)

    assert (refusal.value.code, balance(customer)) == ("transfers_off", 100)


@pytest.mark.parametrize("who", ["customer", "receiver"])
def test_is_refused_from_and_to_people_who_are_excluded(customer, receiver, who):
    give(customer, 100)
    excluded = {"customer": customer, "receiver": receiver}[who]
    excluded.state = CustomerState.DISABLED
    excluded.save()

    with pytest.raises(TransferRefused, match=f"customer {excluded.pk}, is excluded"):
        move(customer, receiver, 10)

    assert (balance(customer), balance(receiver)) == (100, 0)


def test_is_refused_while_points_are_owed_when_that_blocks(customer, receiver):
    give(customer, 100)
    Programme.objects.update(shortfall_blocks=True)
    PointsAccount.objects.filter(pk=customer.pk).update(owed=5)

    with pytest.raises(TransferRefused, match="owes 5 points"):
        move(customer, receiver, 10)

    PointsAccount.objects.filter(pk=customer.pk).update(owed=0)


def test_is_refused_to_oneself_to_nobody_and_for_no_points(customer, receiver):
    give(customer, 100)

    with pytest.raises(TransferRefused, match="same customer"):
        move(customer, customer, 10)
    with pytest.raises(UnknownCustomer):
        transfers.transfer(sender_id=customer.pk, receiver_id=10**9, points=1, actor=staff(1), now=NOW)
    with pytest.raises(InvalidPoints):
        move(customer, receiver, 0)

    assert balance(customer) == 100
