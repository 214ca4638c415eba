"""Workers who judge the same customers at once, and staff who move them meanwhile."""

from datetime import UTC, datetime

import pytest

from loyalty.common.actors import SYSTEM
from loyalty.program.tiers import evaluation, mass_entries, moving
from loyalty.program.tiers.models import TierEntry, VipTierChange
from loyalty.program.tiers.moving import Wish
from rewards.models import RedeemedReward
from tests.concurrency.races import race, succeeded
from tests.factories.catalogue import InvitationFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.factories.tiers import switch_on, tier

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.mark.django_db(transaction=True)
def test_many_workers_write_each_move_and_give_each_gift_once():
    reward = InvitationFactory()
    gold, top = tier("Gold", 100, now=NOW, rewards=(reward.pk,)), tier("Top", 900, now=NOW)
    switch_on(now=NOW, grace_days=5)
    people = [CustomerFactory() for _ in range(6)]
    for customer in people:
        give(customer, 150, now=NOW)
    evaluation.mark(customer_ids={customer.pk for customer in people}, now=NOW)
    wish = Wish(tier_id=top.pk, reason="Friend", gives=False)

    results = race(
        *[lambda: evaluation.judge_some(now=NOW)] * 4,
        *[lambda: moving.move(customer_id=people[0].pk, wish=wish, actor=SYSTEM, now=NOW)] * 2,
    )
    while evaluation.judge_some(now=NOW):
        pass
    race(*[lambda: mass_entries.give_some(now=NOW)] * 4)

    assert len(succeeded(results)) == 5  # the second move finds the customer there already
    for customer in people[1:]:
        assert [change.current_tier_id for change in VipTierChange.objects.filter(customer=customer)] == [gold.pk]
        assert RedeemedReward.objects.filter(customer=customer).count() == 1
    people[0].refresh_from_db()
    last = VipTierChange.objects.filter(customer=people[0]).order_by("-number").first()
    assert people[0].tier == top == last.current_tier
    assert TierEntry.objects.count() == RedeemedReward.objects.count()
