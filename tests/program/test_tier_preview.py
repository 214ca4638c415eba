"""Before changed tiers or rules are saved: the numbers are what comes of it, and nothing is written for them."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from loyalty.common.actors import SYSTEM
from loyalty.customers.models import Customer, CustomerState, Tier
from loyalty.events.models import Event
from loyalty.program.tiers import evaluation, ladder, moving, preview, setting
from loyalty.program.tiers.models import TierEntry, TierRules, TierStanding, VipTierChange
from loyalty.program.tiers.moving import Wish
from tests.factories.catalogue import InvitationFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.factories.tiers import switch_on, tier

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
LAST_YEAR = datetime(2025, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def people():
    """Silver from 100, Gold from 500; some stand there by this year, some by the last, one is held, one excluded."""
    reward = InvitationFactory()
    tier("Silver", 100, now=NOW, entry_points=10)
    tier("Gold", 500, now=NOW, entry_points=50, rewards=(reward.pk,))
    switch_on(now=NOW)
    made = [CustomerFactory() for _ in range(8)]
    for customer, points in zip(made, (0, 60, 150, 300, 450, 600, 150, 900), strict=True):
        if points:
            give(customer, points, now=NOW - timedelta(days=1))
    give(made[0], 700, now=LAST_YEAR)
    judge_everybody()
    wish = Wish(tier_id=gold().pk, reason="Friend", until=date(2026, 12, 31))
    moving.move(customer_id=made[6].pk, wish=wish, actor=SYSTEM, now=NOW)
    Customer.objects.filter(pk=made[7].pk).update(state=CustomerState.DISABLED)
    return made


def judge_everybody():
    while evaluation.begin_day(now=NOW):
        pass
    while evaluation.judge_some(now=NOW):
        pass


def gold():
    return Tier.objects.get(name="Gold")


def rules(**changes):
    found = ladder.rules()
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def flows(shown):
    return Counter({(flow.previous, flow.current): flow.customers for flow in shown.flows})


def what_comes(save):
    """Save it, let the workers judge everybody, and count who moved and was given something."""
    moved, given = set(VipTierChange.objects.values_list("pk", flat=True)), TierEntry.objects.count()
    save()
    judge_everybody()
    rows = VipTierChange.objects.exclude(pk__in=moved).values_list("previous_tier__name", "current_tier__name")
    return Counter((before or "", after or "") for before, after in rows), TierEntry.objects.count() - given


@pytest.mark.parametrize(
    "changes",
    [
        {"kept_next_year": False},
        {"basis": "amount_spent"},
        {"period": "lifetime"},
        {"period": "rolling", "rolling_days": 1},
        {"starts_on": date(2026, 3, 10)},
        {"starts_on": date(2026, 3, 10), "grace_days": 5},
    ],
    ids=str,
)
def test_changed_rules_do_what_was_shown(people, changes):
    shown = preview.of(wanted=preview.with_rules(rules=rules(**changes), gives=True), now=NOW)

    moved, given = what_comes(
        lambda: setting.save_rules(rules=rules(**changes), gives=True, actor=SYSTEM, now=NOW, fields=changes)
    )

    assert (flows(shown), shown.given) == (moved, given)
    in_grace = TierStanding.objects.filter(grace_until__isnull=False).count()
    assert sum(count for _, count in shown.later) == in_grace


@pytest.mark.parametrize("gives", [True, False])
def test_a_lower_milestone_does_what_was_shown_and_says_what_that_gives(people, gives):
    rewards = tuple(gold().entry_rewards.values_list("reward_id", flat=True))
    terms = setting.Terms(name="Gold", milestone=Decimal(250), entry_points=50, reward_ids=rewards)
    shown = preview.of(wanted=preview.with_tier(tier_id=gold().pk, terms=terms, gives=gives), now=NOW)

    moved, given = what_comes(
        lambda: setting.save_tier(tier_id=gold().pk, terms=terms, gives=gives, actor=SYSTEM, now=NOW)
    )

    assert flows(shown) == moved == Counter({("Silver", "Gold"): 2})
    assert (shown.given, shown.points, shown.rewards) == ((2, 100, 2) if gives else (0, 0, 0))
    assert shown.given == given


def test_a_tier_that_is_not_there_yet_is_judged_as_if_it_were(people):
    terms = setting.Terms(name="Bronze", milestone=Decimal(50), entry_points=5)

    shown = preview.of(wanted=preview.with_tier(tier_id=None, terms=terms, gives=True), now=NOW)

    assert flows(shown) == Counter({("", "Bronze"): 1})
    assert (shown.given, shown.points, shown.judged, shown.is_exact) == (1, 5, 8, True)
    with pytest.raises(setting.TierRefused, match="“Silver” begins there already"):
        preview.with_tier(tier_id=None, terms=setting.Terms(name="Bronze", milestone=Decimal(100)), gives=True)


def test_a_tier_that_is_switched_off_lets_its_members_fall(people):
    terms = setting.Terms(name="Gold", milestone=Decimal(500), active=False)

    shown = preview.of(wanted=preview.with_tier(tier_id=gold().pk, terms=terms, gives=True), now=NOW)

    moved, _ = what_comes(lambda: setting.save_tier(tier_id=gold().pk, terms=terms, gives=True, actor=SYSTEM, now=NOW))
    assert flows(shown) == moved
    assert moved["Gold", "Silver"] > 0


def test_looking_writes_nothing(people):
    def rows():
        return [list(model.objects.order_by("pk").values()) for model in (TierStanding, TierRules, TierEntry, Customer)]

    before, happened = rows(), Event.objects.count()

    preview.of(wanted=preview.with_rules(rules=rules(period="lifetime", grace_days=3), gives=True), now=NOW)

    assert rows() == before
    assert Event.objects.count() == happened


def test_of_many_customers_some_are_judged_and_the_numbers_are_those_of_all(people, monkeypatch):
    CustomerFactory.create_batch(40)
    monkeypatch.setattr(preview, "MOST_JUDGED", 16)
    everybody = setting.Terms(name="Base", milestone=Decimal(0))

    shown = preview.of(wanted=preview.with_tier(tier_id=None, terms=everybody, gives=True), now=NOW)

    assert 0 < shown.judged < 48
    assert not shown.is_exact
    (flow,) = shown.flows
    assert 30 <= flow.customers <= 48
