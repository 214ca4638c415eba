"""Workers who judge the same customers at once, and staff who move them meanwhile."""

import time
from datetime import UTC, datetime

import pytest
from django.db import transaction

from loyalty.common.actors import SYSTEM
from loyalty.customers import profile
from loyalty.customers.models import Customer, Tier
from loyalty.events.models import Event
from loyalty.program.tiers import changing, entries, evaluation, mass_entries, moving, setting
from loyalty.program.tiers.models import EntryState, TierEntry, TierRules, TierStanding, VipTierChange
from loyalty.program.tiers.moving import Wish
from rewards.models import RedeemedReward
from tests.concurrency.races import in_the_midst, kinds_of_failure, race, succeeded
from tests.factories.catalogue import InvitationFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.factories.tiers import switch_on, tier

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


pytestmark = pytest.mark.django_db(transaction=True)


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
    given = race(*[lambda: mass_entries.give_some(now=NOW)] * 4)

    assert len(succeeded(given)) == 4
    assert len(succeeded(results)) == 5  # the second move finds the customer there already
    for customer in people[1:]:
        assert [change.current_tier_id for change in VipTierChange.objects.filter(customer=customer)] == [gold.pk]
        assert RedeemedReward.objects.filter(customer=customer).count() == 1
    people[0].refresh_from_db()
    last = VipTierChange.objects.filter(customer=people[0]).order_by("-number").first()
    assert people[0].tier == top == last.current_tier
    assert TierEntry.objects.count() == RedeemedReward.objects.count()


@pytest.fixture
def member():
    """Somebody with 150 points, marked to be judged, where Silver begins at 100 and Gold at 500."""
    tier("Silver", 100, now=NOW, entry_points=10)
    tier("Gold", 500, now=NOW)
    switch_on(now=NOW)
    customer = CustomerFactory()
    give(customer, 150, now=NOW)
    evaluation.mark(customer_ids={customer.pk}, now=NOW)
    return customer


def to_gold(customer):
    wish = Wish(tier_id=Tier.objects.get(name="Gold").pk, reason="Friend", gives=False)
    return lambda: moving.move(customer_id=customer.pk, wish=wish, actor=SYSTEM, now=NOW)


def moves(customer):
    return list(
        VipTierChange.objects.filter(customer=customer).order_by("number").values_list("current_tier__name", flat=True)
    )


def test_staff_who_move_somebody_while_they_are_judged_wait_and_have_the_last_word(member, monkeypatch):
    moved = in_the_midst(monkeypatch, (evaluation, "_keep"), to_gold(member))

    evaluation.judge_some(now=NOW)

    assert succeeded([moved()])
    assert moves(member) == ["Silver", "Gold"]


def test_who_is_being_moved_by_staff_is_passed_over_by_the_judging(member, monkeypatch):
    judged = in_the_midst(monkeypatch, (changing, "write"), lambda: evaluation.judge_some(now=NOW))

    to_gold(member)()

    assert judged() == 0
    assert moves(member) == ["Gold"]


def test_a_batch_of_moves_takes_customers_in_the_order_of_their_ids(member, monkeypatch):
    """As whoever merges two of them does; the plan of an update alone would take them as it likes."""
    people = [CustomerFactory() for _ in range(2)]
    Customer.objects.filter(pk=people[0].pk).update(last_name="Nowak")  # stands after the other in the table now
    batch = [
        changing.Move(
            customer_id=customer.pk, number=1, previous_id=None, current_id=Tier.objects.get(name="Gold").pk,
            upward=True, cause="staff", measured=None, threshold=None, gives=False,
        )
        for customer in reversed(people)
    ]  # fmt: skip

    def both():
        with transaction.atomic():
            profile.locked(people[0].pk)
            time.sleep(0.4)
            profile.locked(people[1].pk)

    def write():
        time.sleep(0.2)
        with transaction.atomic():
            changing._hand_over(batch, now=NOW)

    assert kinds_of_failure(race(both, write)) == set()


def test_an_entry_that_two_workers_come_to_is_given_by_one(member, monkeypatch):
    evaluation.judge_some(now=NOW)
    entry = TierEntry.objects.get()
    other = in_the_midst(monkeypatch, (entries, "_give_points"), lambda: entries.give(entry_id=entry.pk, now=NOW))

    assert entries.give(entry_id=entry.pk, now=NOW)

    assert other() is False
    assert Event.objects.filter(kind="tier.entry_given").count() == 1


def test_two_batches_at_once_take_each_entry_once(member, monkeypatch):
    evaluation.judge_some(now=NOW)
    other = in_the_midst(monkeypatch, (mass_entries, "_give"), lambda: mass_entries.give_some(now=NOW))

    assert mass_entries.give_some(now=NOW) == 1

    assert other() == 0
    assert Event.objects.filter(kind="tier.entry_given").count() == 1


def test_a_refused_entry_is_tried_again_by_one_of_two(member, monkeypatch):
    evaluation.judge_some(now=NOW)
    entry = TierEntry.objects.get()
    TierEntry.objects.update(state=EntryState.REFUSED, refusal="No.", settled_at=NOW)

    def again():
        return entries.give_again(entry_id=entry.pk, actor=SYSTEM, now=NOW)

    other = in_the_midst(monkeypatch, (entries, "_note"), again)

    again()

    assert kinds_of_failure([other()]) == {"EntryRefused"}
    assert Event.objects.filter(kind="tier.entry_tried_again").count() == 1


def test_two_tiers_that_are_added_at_once_are_both_there_in_their_order(member, monkeypatch):
    other = in_the_midst(monkeypatch, (setting, "_give_ranks"), lambda: tier("Diamond", 900, now=NOW))

    tier("Platinum", 700, now=NOW)

    assert succeeded([other()])
    names = list(Tier.objects.order_by("rank").values_list("name", flat=True))
    assert names == ["Silver", "Gold", "Platinum", "Diamond"]


def test_two_workers_who_begin_a_day_share_the_customers(member, monkeypatch):
    CustomerFactory.create_batch(3)
    monkeypatch.setattr(evaluation, "MARKED_AT_ONCE", 2)
    other = in_the_midst(monkeypatch, (evaluation, "_mark_next"), lambda: evaluation.begin_day(now=NOW))

    evaluation.begin_day(now=NOW)

    assert other() is True
    assert TierStanding.objects.filter(due_at__isnull=False).count() == 4
    assert TierRules.objects.get().marked_up_to == Customer.objects.order_by("-pk").values_list("pk", flat=True)[0]
