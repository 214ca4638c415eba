"""Granting several at once: all of them or none, once however often it is asked."""

import pytest

from loyalty.common import actors
from loyalty.points.errors import IdempotencyConflict
from rewards import granting
from rewards.granting import QuantityRefused
from rewards.limits import RewardNotAvailable
from rewards.models import RedeemedReward
from tests.factories.catalogue import GiftFactory
from tests.factories.points import NOW

pytestmark = pytest.mark.django_db

STAFF = actors.staff(1)


def grant(customer, reward, quantity, **more):
    return granting.grant_several(
        customer_id=customer.pk, reward_id=reward.pk, quantity=quantity, actor=STAFF, now=NOW, **more
    )


def test_gives_so_many(customer):
    assert len({redeemed.pk for redeemed in grant(customer, GiftFactory(), 3)}) == 3


def test_with_one_key_gives_them_once(customer):
    reward = GiftFactory()

    first, second = grant(customer, reward, 3, idempotency_key="one"), grant(customer, reward, 3, idempotency_key="one")

    assert first == second
    assert RedeemedReward.objects.count() == 3


@pytest.mark.parametrize("quantity", [1, 2, 4])
def test_with_one_key_and_another_quantity_is_refused(customer, quantity):
    reward = GiftFactory()
    grant(customer, reward, 3, idempotency_key="one")

    with pytest.raises(IdempotencyConflict):
        grant(customer, reward, quantity, idempotency_key="one")

    assert RedeemedReward.objects.count() == 3


def test_gives_none_when_the_limit_allows_fewer(customer):
    with pytest.raises(RewardNotAvailable):
        grant(customer, GiftFactory(limit_per_customer=2), 3)

    assert not RedeemedReward.objects.exists()


@pytest.mark.parametrize("quantity", [0, -1, 21])
def test_is_refused_beyond_reason(customer, quantity):
    with pytest.raises(QuantityRefused):
        grant(customer, GiftFactory(), quantity)
