"""Systems that change one reward at the same moment."""

import pytest

from loyalty.common.actors import SYSTEM
from rewards import editing, limits
from rewards.models import RewardStock
from tests.concurrency.races import in_the_midst, succeeded
from tests.factories.catalogue import GiftFactory
from tests.factories.points import NOW

pytestmark = pytest.mark.django_db(transaction=True)


def change(reward, **values):
    return editing.change(reward_id=reward.pk, said=editing.Said(values=values), actor=SYSTEM, now=NOW)


def test_what_each_of_two_says_of_a_reward_stays(monkeypatch):
    reward = GiftFactory(name="Mug")
    other = in_the_midst(monkeypatch, (editing, "_save"), lambda: change(reward, featured=True))

    change(reward, name="Cup")

    assert succeeded([other()])
    reward.refresh_from_db()
    assert (reward.name, reward.featured) == ("Cup", True)


def test_of_two_totals_at_once_the_stock_is_that_of_the_last(monkeypatch):
    reward = GiftFactory(limit_total=None)
    other = in_the_midst(
        monkeypatch, (limits, "share_out"), lambda: limits.set_total(reward_id=reward.pk, limit=2_000, now=NOW)
    )

    change(reward, limit_total=300)

    assert other() is None
    reward.refresh_from_db()
    left = list(RewardStock.objects.filter(reward=reward).values_list("left", flat=True))
    assert (reward.limit_total, sum(left), len(left)) == (2_000, 2_000, limits.MOST_BUCKETS)
