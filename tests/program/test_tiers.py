"""Judging: who stands in which tier, why, and what they get for it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from loyalty.common.actors import SYSTEM, shop
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import Customer
from loyalty.events.models import Event
from loyalty.merchant.models import Programme
from loyalty.points import adjustments, earning
from loyalty.points.models import PointsTransaction
from loyalty.program import orders
from loyalty.program.tiers import entries, evaluation, progress, setting
from loyalty.program.tiers.models import EntryState, TierEntry, TierRules, TierStanding, VipTierChange
from platforms.adapter import OrderStatus, ShopOrder, ShopRefund
from rewards.models import RedeemedReward, Reward
from tests.factories.catalogue import InvitationFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import give
from tests.factories.tiers import judge, switch_on, tier

pytestmark = pytest.mark.django_db(transaction=True)  # events are read once they are committed

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WARSAW_NEW_YEAR = datetime(2026, 12, 31, 23, tzinfo=UTC)


@pytest.fixture
def tiers():
    """Silver from 100, Gold from 500, both without gifts."""
    return tier("Silver", 100, now=NOW), tier("Gold", 500, now=NOW)


def earn(customer, points, at, key=None):
    return earning.earn(
        customer_id=customer.pk,
        points=points,
        cause=Cause(CauseType.API, 1),
        actor=SYSTEM,
        programme=Programme.objects.get(pk=1),
        earned_at=at,
        now=at,
        idempotency_key=key or f"test:{customer.pk}:{at}:{points}",
    )


def moves(customer):
    rows = VipTierChange.objects.filter(customer=customer).order_by("number")
    return [
        (str(row.previous_tier or "-"), str(row.current_tier or "-"), row.cause) for row in rows.select_related(None)
    ]


def test_points_lead_to_the_highest_tier_they_reach_and_the_change_says_why(tiers):
    switch_on(now=NOW)
    customer = CustomerFactory()
    earn(customer, 99, NOW)
    judge(customer, now=NOW)
    assert customer.tier is None

    earn(customer, 1, NOW + DAY)
    judge(customer, now=NOW + DAY)

    assert customer.tier == tiers[0]
    change = VipTierChange.objects.get(customer=customer)
    assert (change.number, change.previous_tier, change.upward, change.cause) == (1, None, True, "reached")
    assert (change.measured, change.threshold, change.basis) == (100, 100, "points_earned")
    assert change.window_from == datetime(2025, 12, 31, 23, tzinfo=UTC)
    event = Event.objects.get(kind="tier.changed")
    assert (event.subject_type, event.subject_id, event.customer_id) == ("vip_tier_change", change.pk, customer.pk)
    assert event.data == {"previous_tier_id": None, "current_tier_id": tiers[0].pk, "cause": "reached"}


def test_judging_again_changes_nothing(tiers):
    switch_on(now=NOW)
    customer = CustomerFactory()
    earn(customer, 600, NOW)

    for hours in (0, 1, 2):
        judge(customer, now=NOW + timedelta(hours=hours))

    assert moves(customer) == [("-", "Gold", "reached")]


def test_spending_expiry_and_transfers_take_no_progress_away_but_adjustments_count(tiers):
    switch_on(now=NOW)
    customer = CustomerFactory()
    earn(customer, 90, NOW)
    adjustments.adjust(customer_id=customer.pk, points=20, actor=SYSTEM, now=NOW)
    judge(customer, now=NOW)
    assert customer.tier == tiers[0]

    adjustments.adjust(customer_id=customer.pk, points=-20, actor=SYSTEM, now=NOW + DAY)
    judge(customer, now=NOW + DAY)

    assert moves(customer) == [("-", "Silver", "reached"), ("Silver", "-", "lost")]


def test_points_that_cannot_be_spent_yet_count_when_they_can(tiers):
    Programme.objects.update_or_create(pk=1, defaults={"pending_days": 5})
    switch_on(now=NOW)
    customer = CustomerFactory()
    earn(customer, 100, NOW)
    judge(customer, now=NOW + 4 * DAY)
    assert customer.tier is None

    judge(customer, now=NOW + 5 * DAY)

    assert customer.tier == tiers[0]


def order(
    number, total, *, refunded=0, status=OrderStatus.COMPLETED, placed=NOW, changed=None, email="buyer@example.com"
):
    return ShopOrder(
        external_id=str(number),
        number=f"#{number}",
        status=status,
        placed_at=placed,
        updated_at=changed or placed,
        total=Decimal(total),
        currency="USD",
        customer_email=email,
        customer_external_id="b1",
        refunds=(ShopRefund(external_id=f"r{number}", amount=Decimal(refunded), refunded_at=placed),)
        if refunded
        else (),
    )


def tell(connection, told, *, now):
    orders.record(
        connection_id=connection.pk, order=told, returns_use_on_cancel=True, actor=shop(connection.pk), now=now
    )


@pytest.mark.django_db(transaction=True)
def test_an_order_is_noticed_by_itself_and_its_refund_too():
    switch_on(now=NOW, basis="amount_spent", period="lifetime")
    Programme.objects.update(points_per_unit=0)
    silver = tier("Silver", 100, now=NOW)
    judge(now=NOW)
    connection, customer = ConnectionFactory(), CustomerFactory(email="buyer@example.com")

    tell(connection, order(1, "120.50"), now=NOW)
    judge(now=NOW)
    customer.refresh_from_db()
    assert customer.tier == silver

    tell(connection, order(1, "120.50", refunded="20.51", changed=NOW + DAY), now=NOW + DAY)
    assert PointsTransaction.objects.count() == 0
    TierRules.objects.update(marked_on=date(2026, 3, 11))  # not by the new day
    judge(now=NOW + DAY)

    customer.refresh_from_db()
    assert customer.tier is None
    lost = VipTierChange.objects.get(customer=customer, number=2)
    assert (lost.cause, lost.measured, lost.threshold) == ("lost", Decimal("99.99"), 100)


def test_a_refund_counts_against_the_year_of_its_order_and_also_where_the_points_are_spent(tiers):
    switch_on(now=NOW, kept_next_year=False)
    last_year, connection = datetime(2025, 12, 20, 12, tzinfo=UTC), ConnectionFactory()
    customer = CustomerFactory(email="buyer@example.com")
    tell(connection, order(1, 300, placed=last_year), now=last_year)
    tell(connection, order(2, 120), now=NOW)
    adjustments.adjust(customer_id=customer.pk, points=-20, actor=SYSTEM, now=last_year)

    tell(connection, order(1, 300, refunded=300, placed=last_year, changed=NOW), now=NOW + DAY)
    judge(customer, now=NOW + DAY)
    assert customer.tier == tiers[0]

    tell(connection, order(2, 120, refunded=60, changed=NOW + 2 * DAY), now=NOW + 2 * DAY)
    judge(customer, now=NOW + 2 * DAY)

    assert customer.tier is None


def test_a_calendar_years_tier_lasts_through_the_next_year_and_ends_at_its_midnight(tiers):
    switch_on(now=NOW)
    customer = CustomerFactory()
    earn(customer, 600, NOW)
    judge(customer, now=NOW)

    judge(customer, now=WARSAW_NEW_YEAR)
    assert customer.tier == tiers[1]
    judge(customer, now=WARSAW_NEW_YEAR + 365 * DAY - timedelta(seconds=1))
    assert customer.tier == tiers[1]
    judge(customer, now=WARSAW_NEW_YEAR + 365 * DAY)

    assert moves(customer) == [("-", "Gold", "reached"), ("Gold", "-", "lost")]


def test_a_rolling_window_lets_go_at_midnight_of_the_programmes_zone(tiers):
    switch_on(now=NOW, period="rolling", rolling_days=30)
    customer = CustomerFactory()
    earn(customer, 100, NOW)
    judge(customer, now=NOW)
    out = datetime(2026, 4, 8, 22, tzinfo=UTC)  # 9 April in Warsaw, by summer time: 10 March is the 31st day

    judge(customer, now=out - timedelta(seconds=1))
    assert customer.tier == tiers[0]
    judge(customer, now=out)

    assert customer.tier is None


def test_each_midnight_everybody_is_judged_without_anything_happening(tiers):
    switch_on(now=NOW, period="rolling", rolling_days=30)
    customer = CustomerFactory()
    earn(customer, 100, NOW)
    judge(customer, now=NOW)

    judge(now=NOW + 31 * DAY)

    customer.refresh_from_db()
    assert customer.tier is None


def test_grace_keeps_a_tier_for_some_days_and_new_points_save_it(tiers):
    switch_on(now=NOW, period="rolling", rolling_days=30, grace_days=10)
    saved, lost = CustomerFactory(), CustomerFactory()
    for customer in (saved, lost):
        earn(customer, 100, NOW)
    judge(saved, lost, now=NOW)

    judge(saved, lost, now=NOW + 31 * DAY)
    grace_until = TierStanding.objects.get(pk=lost.pk).grace_until
    assert grace_until == datetime(2026, 4, 20, 22, tzinfo=UTC)
    assert (saved.tier, lost.tier) == (tiers[0], tiers[0])
    earn(saved, 100, NOW + 32 * DAY)
    judge(saved, lost, now=grace_until - timedelta(seconds=1))
    assert TierStanding.objects.get(pk=saved.pk).grace_until is None
    judge(saved, lost, now=grace_until)

    assert (saved.tier, lost.tier) == (tiers[0], None)


def test_rising_gives_the_tiers_points_and_rewards_once_in_a_period(tiers):
    reward = InvitationFactory()
    gold = setting.save_tier(
        tier_id=tiers[1].pk,
        terms=setting.Terms(name="Gold", milestone=Decimal(500), entry_points=50, reward_ids=[reward.pk]),
        gives=True,
        actor=SYSTEM,
        now=NOW,
    )
    switch_on(now=NOW, kept_next_year=False)
    customer = CustomerFactory()
    earn(customer, 600, NOW)
    judge(customer, now=NOW)
    assert (customer.tier, RedeemedReward.objects.get().origin) == (gold, "programme")

    adjustments.adjust(customer_id=customer.pk, points=-200, actor=SYSTEM, now=NOW + DAY)
    judge(customer, now=NOW + DAY)
    earn(customer, 200, NOW + 2 * DAY)
    judge(customer, now=NOW + 2 * DAY)

    assert moves(customer)[-2:] == [("Gold", "Silver", "lost"), ("Silver", "Gold", "reached")]
    assert [entry.state for entry in TierEntry.objects.all()] == ["given"]
    assert RedeemedReward.objects.count() == 1
    assert PointsTransaction.objects.filter(cause_type="vip_tier").count() == 1

    judge(customer, now=WARSAW_NEW_YEAR)
    earn(customer, 500, NOW + 365 * DAY)
    judge(customer, now=NOW + 365 * DAY)

    assert RedeemedReward.objects.count() == 2


def test_what_a_tier_gives_leads_to_no_further_tier():
    silver = tier("Silver", 100, now=NOW, entry_points=500)
    tier("Gold", 500, now=NOW)
    switch_on(now=NOW)
    customer = CustomerFactory()
    earn(customer, 100, NOW)

    judge(customer, now=NOW)
    judge(customer, now=NOW)

    assert customer.tier == silver


def test_a_gift_that_cannot_be_given_says_why_and_is_given_once_it_can(tiers):
    reward = InvitationFactory(enabled=False)
    tier("Top", 900, now=NOW, rewards=(reward.pk,), entry_points=10)
    switch_on(now=NOW)
    customer = CustomerFactory()
    earn(customer, 900, NOW)
    judge(customer, now=NOW)
    entry = TierEntry.objects.get()
    assert entry.state == EntryState.REFUSED
    assert entry.refusal

    with pytest.raises(entries.EntryRefused):
        entries.give_again(entry_id=0, actor=SYSTEM, now=NOW)
    Reward.objects.update(enabled=True)
    entry = entries.give_again(entry_id=entry.pk, actor=SYSTEM, now=NOW + DAY)

    assert (entry.state, RedeemedReward.objects.count()) == (EntryState.GIVEN, 1)
    assert PointsTransaction.objects.filter(cause_type="vip_tier").count() == 1


def test_who_moves_by_a_change_of_the_rules_is_given_nothing_unless_that_is_wanted(tiers):
    switch_on(now=NOW)
    customer = CustomerFactory()
    earn(customer, 50, NOW)
    judge(customer, now=NOW)

    for milestone, gives in ((40, False), (30, True)):
        setting.save_tier(
            tier_id=None,
            terms=setting.Terms(name=f"From {milestone}", milestone=Decimal(milestone), entry_points=5),
            gives=gives,
            actor=SYSTEM,
            now=NOW,
        )
        judge(now=NOW)
    other = CustomerFactory()
    earn(other, 40, NOW)
    judge(other, now=NOW)

    assert moves(customer) == [("-", "From 40", "reached")]
    assert [entry.customer_id for entry in TierEntry.objects.all()] == [other.pk]


def test_a_tier_that_is_switched_off_is_left(tiers):
    switch_on(now=NOW)
    customer = CustomerFactory()
    earn(customer, 600, NOW)
    judge(customer, now=NOW)

    off = setting.Terms(name="Gold", milestone=Decimal(500), active=False)
    setting.save_tier(tier_id=tiers[1].pk, terms=off, gives=True, actor=SYSTEM, now=NOW)
    judge(now=NOW)

    assert moves(customer)[-1] == ("Gold", "Silver", "lost")


def test_excluded_customers_stay_where_they_are(tiers):
    switch_on(now=NOW)
    customer = CustomerFactory(state="disabled", tier=tiers[0])

    judge(customer, now=NOW)

    assert (customer.tier, VipTierChange.objects.count()) == (tiers[0], 0)


def test_a_tier_from_nought_on_is_everybodys():
    base = tier("Base", 0, now=NOW)
    switch_on(now=NOW)
    customer = CustomerFactory()

    judge(now=NOW)

    customer.refresh_from_db()
    assert customer.tier == base


def test_nothing_is_judged_while_tiers_are_off(tiers):
    customer = CustomerFactory()
    give(customer, 900, now=NOW)

    judge(customer, now=NOW)

    assert (customer.tier, progress.of(customer=customer, now=NOW)) == (None, None)


def test_progress_says_what_is_missing_and_until_when(tiers):
    switch_on(now=NOW)
    customer = CustomerFactory()
    earn(customer, 120, NOW)
    judge(customer, now=NOW)

    found = progress.of(customer=customer, now=NOW)

    assert (found.value, found.tier.name, found.next.name, found.missing, found.share) == (
        120,
        "Silver",
        "Gold",
        380,
        24,
    )
    assert (found.ends_at, found.to_keep) == (WARSAW_NEW_YEAR, 0)
    assert found.expires_at == WARSAW_NEW_YEAR + 365 * DAY


def test_ranks_follow_the_milestones():
    tier("Gold", 500, now=NOW), tier("Bronze", 0, now=NOW), tier("Silver", 100, now=NOW)

    names = Customer.tier.field.related_model.objects.order_by("rank").values_list("name", flat=True)

    assert list(names) == ["Bronze", "Silver", "Gold"]
    with pytest.raises(setting.TierRefused):
        tier("Other", 100, now=NOW)


def test_many_are_judged_by_as_few_statements_as_one(tiers, django_assert_max_num_queries):
    switch_on(now=NOW)
    people = [CustomerFactory(email=None, phone=f"+4850000{number:04}") for number in range(25)]
    for customer in people[:24]:
        give(customer, 150, now=NOW)
    while evaluation.begin_day(now=NOW):
        pass
    with django_assert_max_num_queries(30) as few:
        evaluation.judge_some(now=NOW, limit=1)

    with django_assert_max_num_queries(len(few)):
        evaluation.judge_some(now=NOW)

    assert VipTierChange.objects.count() == 24


def test_a_day_whose_worker_is_killed_goes_on_where_it_was(tiers, monkeypatch):
    switch_on(now=NOW)
    people = [CustomerFactory(email=None, phone=f"+4850000{number:04}") for number in range(5)]
    monkeypatch.setattr(evaluation, "MARKED_AT_ONCE", 2)
    assert evaluation.begin_day(now=NOW)
    mark = evaluation._mark

    def mark_and_die(*args, **named):
        mark(*args, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(evaluation, "_mark", mark_and_die)
        with pytest.raises(KeyboardInterrupt):
            evaluation.begin_day(now=NOW)
    assert list(marked()) == [people[0].pk, people[1].pk]
    while evaluation.judge_some(now=NOW):
        pass

    while evaluation.begin_day(now=NOW):
        pass

    assert list(marked()) == [people[2].pk, people[3].pk, people[4].pk]
    rules = TierRules.objects.get()
    assert (rules.marked_on, rules.marked_up_to) == (NOW.date(), None)


def test_rules_that_change_while_a_day_begins_let_it_begin_anew(tiers, monkeypatch):
    switch_on(now=NOW)
    people = [CustomerFactory(email=None, phone=f"+4850000{number:04}") for number in range(4)]
    monkeypatch.setattr(evaluation, "MARKED_AT_ONCE", 2)
    evaluation.begin_day(now=NOW)
    while evaluation.judge_some(now=NOW):
        pass

    switch_on(now=NOW, gives=False, grace_days=3)
    while evaluation.begin_day(now=NOW):
        pass

    assert list(marked()) == [each.pk for each in people]
    assert TierStanding.objects.filter(quiet=True).count() == 4


def test_a_day_that_began_before_midnight_is_followed_by_the_next(tiers, monkeypatch):
    switch_on(now=NOW)
    people = [CustomerFactory(email=None, phone=f"+4850000{number:04}") for number in range(3)]
    monkeypatch.setattr(evaluation, "MARKED_AT_ONCE", 2)
    evaluation.begin_day(now=NOW)
    while evaluation.judge_some(now=NOW):
        pass

    while evaluation.begin_day(now=NOW + DAY):
        pass
    assert list(marked()) == [people[2].pk]
    while evaluation.begin_day(now=NOW + DAY):
        pass
    assert list(marked()) == [each.pk for each in people]


def marked():
    return TierStanding.objects.filter(due_at__isnull=False).order_by("pk").values_list("pk", flat=True)
