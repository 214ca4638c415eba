"""Entries into tiers by the batch: the points, rewards and refusals that giving them one by one would have written."""

from datetime import UTC, datetime

import pytest
from django.db import transaction

from loyalty.customers.models import CustomerState
from loyalty.events.models import Event
from loyalty.points.errors import MOST_POINTS
from loyalty.points.models import PointsAccount, PointsTransaction
from loyalty.program.tiers import entries, evaluation, mass_entries
from loyalty.program.tiers.models import EntryState, TierEntry
from rewards.models import RedeemedReward, Reward, RewardStock
from tests.factories.catalogue import CustomFactory, InvitationFactory, RewardFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.factories.tiers import switch_on, tier

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ledger_stays_proved")]

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def customers():
    """Five in Silver and two in Gold, whose gifts are due."""
    rewards = [CustomFactory(), InvitationFactory(limit_per_customer=1), RewardFactory(enabled=False)]
    tier("Silver", 100, now=NOW, rewards=(rewards[0].pk, rewards[1].pk), entry_points=20)
    tier("Gold", 500, now=NOW, rewards=(rewards[0].pk, rewards[2].pk), entry_points=70)
    switch_on(now=NOW)
    people = CustomerFactory.create_batch(7)
    for number, customer in enumerate(people):
        give(customer, 600 if number > 4 else 150, now=NOW)
    evaluation.mark(customer_ids={customer.pk for customer in people}, now=NOW)
    assert evaluation.judge_some(now=NOW) == 7
    return people


def written():
    """What giving left, but for ids."""
    return {
        "entries": list(TierEntry.objects.order_by("pk").values_list("pk", "state", "refusal", "settled_at")),
        "points": sorted(
            PointsTransaction.objects.filter(cause_type="vip_tier").values_list(
                "customer", "points_change", "cause_id", "idempotency_key", "effective_at", "note__description"
            )
        ),
        "accounts": list(PointsAccount.objects.order_by("pk").values_list("pk", "balance", "pending")),
        "rewards": sorted(
            RedeemedReward.objects.values_list(
                "customer",
                "reward",
                "idempotency_key",
                "origin",
                "fulfillment_status",
                "internal_note",
                "balance_after",
            )
        ),
        "events": sorted(
            (kind, customer, data.get("points", 0), data.get("tier_id", 0), data.get("reward_id", 0))
            for kind, customer, data in Event.objects.values_list("kind", "customer_id", "data")
        ),
    }


def one_by_one():
    for pk in TierEntry.objects.order_by("pk").values_list("pk", flat=True):
        entries.give(entry_id=pk, now=NOW)


def test_leaves_what_giving_one_by_one_leaves(customers):
    customers[1].state = CustomerState.DISABLED
    customers[1].save()
    before = transaction.savepoint()
    one_by_one()
    expected = written()
    transaction.savepoint_rollback(before)

    given = mass_entries.give_some(now=NOW)

    assert given == 7
    assert written() == expected
    assert {state for _, state, *_ in expected["entries"]} == {"given", "refused"}
    assert len(expected["points"]) == 7
    assert mass_entries.give_some(now=NOW) == 0


def test_what_was_given_at_an_earlier_try_is_not_given_again(customers):
    mass_entries.give_some(now=NOW)
    before = written()
    TierEntry.objects.filter(state=EntryState.REFUSED).update(state=EntryState.DUE, refusal="", settled_at=None)
    Reward.objects.update(enabled=True)

    mass_entries.give_some(now=NOW)

    after = written()
    assert after["points"] == before["points"]
    assert len(after["rewards"]) == len(before["rewards"]) + 2
    assert {state for _, state, *_ in after["entries"]} == {"given"}


def test_who_can_hold_no_more_points_keeps_nobody_else_from_theirs(customers):
    give(customers[0], MOST_POINTS - 160, now=NOW)

    mass_entries.give_some(now=NOW)

    refused = TierEntry.objects.filter(state=EntryState.REFUSED, customer=customers[0]).get()
    assert "more than" in refused.refusal
    assert RedeemedReward.objects.filter(customer=customers[0]).count() == 2
    assert PointsTransaction.objects.filter(cause_type="vip_tier").count() == 6


def test_no_more_than_the_last_pieces_are_given_and_the_others_are_told(customers):
    reward = Reward.objects.get(type="custom")
    reward.limit_total = 3
    reward.save()
    RewardStock.objects.create(reward=reward, bucket=0, left=3)

    mass_entries.give_some(now=NOW)

    assert RedeemedReward.objects.filter(reward=reward).count() == 3
    assert "sold out" in TierEntry.objects.filter(customer=customers[-1]).get().refusal
