"""Campaigns whose codes are made many at a time, under one discount of the shop: quick, exact, taken back with proof."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import count

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db import connection as database

from loyalty.common import actors
from loyalty.jobs.models import Job
from platforms import registry
from platforms.adapter import CodeSpec, DiscountKind
from rewards import bulk_codes, cancellation, extension, issuing
from rewards.campaigns import acts, audiences, steps
from rewards.models import Campaign, CancellationState, IssueAttempt, IssueWork, RedeemedReward, RewardCode
from tests.factories.catalogue import GiftCardFactory, GiftFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW
from tests.factories.pools import fill
from tests.rewards.bulk_shops import SHOPS, BulkShop, codes_of
from tests.rewards.reconciling import reconcile

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]
STAFF = actors.staff(7_000_001)
NAMES = count(1)
# Where the texts are the shop's own none is taken before, and of those it shows only living ones are given to anybody.
OF_OUR_TEXTS = pytest.mark.parametrize("shop", sorted(SHOPS.keys() - {"bigcommerce"}), indirect=True)


@pytest.fixture(autouse=True)
def _people(db):
    get_user_model().objects.create(pk=STAFF.id, email="manager@example.com", is_staff=True, is_superuser=True)


@pytest.fixture(params=sorted(SHOPS))
def shop(request: pytest.FixtureRequest, tmp_path) -> Iterator[BulkShop]:
    with SHOPS[request.param](tmp_path) as running:
        yield running


@pytest.fixture
def connection(shop, db):
    return shop.connected()


@pytest.fixture
def reward(connection):
    return RewardFactory(connection=connection, prefix="SPRING")


@pytest.fixture
def work(connection):
    def on_it(*, after=5.0):
        issuing.work_for(connection_id=connection.pk, now=NOW + timedelta(seconds=after), patience=20.0)

    return on_it


def planned(reward, customers, **terms):
    people = [customer.pk for customer in customers]
    return acts.plan(
        name=f"Spring {next(NAMES)}",
        reward_id=reward.pk,
        audience=audiences.of_ids(customer_ids=people),
        actor=STAFF,
        now=NOW,
        bulk=True,
        **terms,
    )


def given(reward, number):
    """A campaign for so many new customers, let go; nothing is asked of the shop yet."""
    campaign = planned(reward, CustomerFactory.create_batch(number), give_at_once=True)
    worked(campaign)
    return campaign


def worked(campaign, now=NOW):
    for _ in range(2):  # a step that is over is followed by the next, which is another turn
        steps.work_on(job_id=campaign.job_id, now=now, patience=60)
    return Job.objects.get(pk=campaign.job_id)


def rows(campaign):
    found = RedeemedReward.objects.filter(of_campaign__campaign=campaign).select_related("code").order_by("pk")
    return list(found)


def statuses(campaign):
    return {row.fulfillment_status for row in rows(campaign)}


def assert_each_has_one_that_the_shop_has(campaign, *, surplus=0):
    """Zero lost, zero double: everybody's code is in the shop under its discount, and nothing else is."""
    there = codes_of(rows(campaign)[0].connection)
    ours = [row.code.canonical for row in rows(campaign)]
    assert len(set(ours)) == len(ours)
    assert all(there[text].alive and there[text].uses in (0, None) for text in ours)
    assert {there[row.code.canonical].reference for row in rows(campaign)} == {
        row.code.bulk_reference for row in rows(campaign)
    }
    assert {there[row.code.canonical].remote_id == row.code.remote_id for row in rows(campaign)} == {True}
    assert len(there) == len(ours) + surplus


def test_makes_the_codes_of_a_batch_by_one_call_under_one_discount(reward, work):
    campaign = given(reward, 40)

    work()

    assert statuses(campaign) == {"issued"}
    assert_each_has_one_that_the_shop_has(campaign)
    assert {row.code.bulk_reference for row in rows(campaign)} == {f"cb-{campaign.pk}-1"}
    assert all(row.code.code.startswith("SPRING-") for row in rows(campaign))
    assert IssueAttempt.objects.values("started_at").distinct().count() == 1
    assert not IssueWork.objects.exists()


def test_makes_each_batch_under_a_discount_of_its_own(reward, work, monkeypatch):
    monkeypatch.setattr(steps.Apply, "batch_size", 20)
    campaign = given(reward, 45)

    work()

    assert statuses(campaign) == {"issued"}
    assert_each_has_one_that_the_shop_has(campaign)
    used = [row.code.bulk_reference for row in rows(campaign)]
    assert sorted((name, used.count(name)) for name in set(used)) == [
        (f"cb-{campaign.pk}-1", 20),
        (f"cb-{campaign.pk}-2", 20),
        (f"cb-{campaign.pk}-3", 5),
    ]


def test_keeps_all_callers_busy_with_a_large_campaign(connection, reward, work, monkeypatch):
    monkeypatch.setattr(steps.Apply, "batch_size", 5)
    campaign = given(reward, 40)
    platform, under_way, most = registry.adapter_class(connection.platform), [], []
    original = platform.create_bulk

    def noted(self, specs):
        under_way.append(specs[0].reference)
        most.append(len(under_way))
        time.sleep(0.3)
        try:
            return original(self, specs)
        finally:
            under_way.remove(specs[0].reference)

    monkeypatch.setattr(platform, "create_bulk", noted)

    work()

    assert statuses(campaign) == {"issued"}
    assert max(most) == 8  # as many batches as calls at once


@pytest.mark.parametrize("trouble", ["lose_answers", "break_down"])
def test_makes_none_twice_and_loses_none_whatever_became_of_the_call(shop, reward, work, trouble):
    campaign = given(reward, 12)
    getattr(shop, trouble)()

    work()
    assert "pending" in statuses(campaign)

    shop.recover()
    for after in (40, 90, 200):
        work(after=after)
    assert statuses(campaign) == {"issued"}
    assert_each_has_one_that_the_shop_has(campaign)


def test_looks_for_many_in_doubt_by_the_discount_they_share(shop, connection, reward, work, monkeypatch):
    campaign = given(reward, 14)
    shop.lose_answers()
    work()
    shop.recover()
    platform, looked = registry.adapter_class(connection.platform), []
    for name in ("find_bulk", "find_code"):
        usual = getattr(platform, name)
        monkeypatch.setattr(
            platform, name, lambda self, text, name=name, usual=usual: looked.append(name) or usual(self, text)
        )

    work(after=40)

    assert statuses(campaign) == {"issued"}
    assert looked == ["find_bulk"]
    assert_each_has_one_that_the_shop_has(campaign)


def test_goes_on_where_a_killed_worker_left_off(reward, work, monkeypatch):
    """It had called, and died before it wrote down what came of it."""
    campaign = given(reward, 12)

    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("rewards.issuing.many.issue", die)
        with pytest.raises(Killed):
            work()
    assert statuses(campaign) == {"pending"}

    work(after=120)
    work(after=180)
    work(after=300)
    assert statuses(campaign) == {"issued"}
    assert_each_has_one_that_the_shop_has(campaign)


def test_shares_a_discount_among_workers_without_giving_a_code_twice(shop, connection, reward, work, settings):
    """Those in doubt are shown all codes of the discount, while the others are being made under it."""
    settings.ISSUE_WORKERS_PER_SHOP = 3
    campaign = given(reward, 30)
    shop.lose_answers()
    work()
    shop.recover()
    # Half of them are in doubt, the others as good as new.
    ids = [row.pk for row in rows(campaign)]
    IssueWork.objects.filter(pk__in=ids[::2]).update(in_doubt_since=None)

    def run(after):
        try:
            issuing.work_for(connection_id=connection.pk, now=NOW + timedelta(seconds=after), patience=20.0)
        finally:
            database.close()

    for after in (60, 200, 400, 700, 1100):
        threads = [threading.Thread(target=run, args=(after,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert statuses(campaign) == {"issued"}
    assert_each_has_one_that_the_shop_has(campaign, surplus=15 if shop.invents else 0)


def test_lets_a_customers_own_redemption_and_a_small_campaign_pass(reward, connection, work, monkeypatch):
    """The second batch of the large one comes after the first of the small one."""
    monkeypatch.setattr(steps.Apply, "batch_size", 10)
    large, small = given(reward, 30), given(reward, 5)
    made = []
    original = registry.adapter_class(connection.platform).create_bulk

    def noted(self, specs):
        made.append(specs[0].reference)
        return original(self, specs)

    monkeypatch.setattr(registry.adapter_class(connection.platform), "create_bulk", noted)
    work()

    assert statuses(large) | statuses(small) == {"issued"}
    assert made.index(f"cb-{small.pk}-1") < made.index(f"cb-{large.pk}-3")


def test_takes_one_back_with_proof_and_leaves_the_others_of_its_discount_alone(reward, work):
    campaign = given(reward, 12)
    work()
    first, *others = rows(campaign)

    ended = cancellation.cancel(redeemed_reward_id=first.pk, actor=STAFF, now=NOW)
    for after in (1000, 2500, 6000):
        cancellation.proceed(cancellation_id=ended.pk, now=NOW + timedelta(seconds=after))

    ended.refresh_from_db()
    there = codes_of(first.connection)
    assert ended.state == CancellationState.PROVED
    assert first.code.canonical not in there or not there[first.code.canonical].alive
    assert all(there[row.code.canonical].alive for row in others)


def test_does_not_take_back_what_was_used(shop, reward, work):
    campaign = given(reward, 12)
    work()
    first = rows(campaign)[0]
    shop.buy(first.code.code)

    ended = cancellation.cancel(redeemed_reward_id=first.pk, actor=STAFF, now=NOW)
    for after in (1000, 2500, 6000):
        cancellation.proceed(cancellation_id=ended.pk, now=NOW + timedelta(seconds=after))

    ended.refresh_from_db()
    first.refresh_from_db()
    assert (ended.state, first.usage_status) == (CancellationState.USED_MEANWHILE, "used")


def test_reverts_a_campaign_of_many_codes_whole(reward, work):
    campaign = given(reward, 12)
    work()

    acts.revert(campaign_id=campaign.pk, actor=STAFF, now=NOW + timedelta(hours=1))
    worked(campaign, NOW + timedelta(hours=1))
    for after in (4000, 6000, 9000):
        cancellation_ids = [row.cancellations.get().pk for row in rows(campaign)]
        for pk in cancellation_ids:
            cancellation.proceed(cancellation_id=pk, now=NOW + timedelta(seconds=after))

    assert statuses(campaign) == {"cancelled"}
    assert not any(code.alive for code in codes_of(reward.connection).values())


def test_agrees_with_the_shop_when_both_sides_are_compared(reward, connection, work):
    campaign = given(reward, 12)
    work()

    run = reconcile(connection)

    assert (run.tally, run.listed) == ({}, 12)
    assert statuses(campaign) == {"issued"}


def test_does_not_extend_one_alone(reward, work):
    reward.days_valid = 30
    reward.save()
    campaign = given(reward, 12)
    work()

    with pytest.raises(extension.ExtensionRefused, match="shares its last day with others of its campaign"):
        extension.extend(redeemed_reward_id=rows(campaign)[0].pk, days=60, actor=STAFF, now=NOW)


@OF_OUR_TEXTS
def test_replaces_a_text_that_the_shop_knew_before_by_a_code_of_its_own(shop, reward, work):
    campaign = given(reward, 12)
    taken = rows(campaign)[4]
    name = taken.code.canonical
    theirs = CodeSpec(
        code=name, kind=DiscountKind.PERCENTAGE, title="Twenty off", reference="shop-own", currency="USD",
        percent=Decimal(20),
    )  # fmt: skip
    assert registry.adapter_for(reward.connection).create_code(theirs).ok

    work()
    work(after=10)

    assert statuses(campaign) == {"issued"}
    again = RedeemedReward.objects.select_related("code").get(pk=taken.pk)
    assert (again.code.bulk_reference, again.code.canonical != name) == ("", True)
    assert codes_of(reward.connection)[name].percent == Decimal(20)


@OF_OUR_TEXTS
def test_gives_nobody_a_code_that_joined_a_discount_which_had_ended(shop, reward, work):
    """The first was canceled as the only one there, while the shop was still adding the others."""
    campaign = given(reward, 4)
    shop.lose_answers()
    work()
    shop.recover()
    adapter = registry.adapter_for(reward.connection)
    doubtful = [row for row in rows(campaign) if row.fulfillment_status == "pending"]
    for row in doubtful:
        assert adapter.disable_code(row.code.canonical, "").ok

    for after in (40, 90, 200, 400, 800):
        work(after=after)

    there = codes_of(reward.connection)
    assert statuses(campaign) == {"issued"}
    assert all(there[row.code.canonical].alive for row in rows(campaign))


def test_gives_codes_of_their_own_where_the_reward_has_moved_to_another_shop_meanwhile(reward, work):
    campaign = planned(reward, CustomerFactory.create_batch(3))
    worked(campaign)
    reward.connection = ConnectionFactory(platform="vendure")
    reward.save()

    acts.give(campaign_id=campaign.pk, actor=STAFF, now=NOW)
    worked(campaign)

    assert {row.code.bulk_reference for row in rows(campaign)} == {""}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (GiftFactory, "has no code that a shop makes"),
        (lambda: RewardFactory(connection=None), "has no code that a shop makes"),
        (lambda: RewardFactory(connection=ConnectionFactory(platform="vendure")), "does not put many codes under one"),
        (lambda: GiftCardFactory(connection=ConnectionFactory(platform="shopify")), "cannot make rewards like"),
        (
            lambda: RewardFactory(connection=ConnectionFactory(platform="bigcommerce"), collections=[["7", "Mugs"]]),
            "cannot limit many codes of one discount to collections",
        ),
    ],
)
def test_says_why_codes_cannot_share_a_discount(db, make, says):
    reward, customer = make(), CustomerFactory()

    with pytest.raises(acts.CampaignRefused, match=says) as refused:
        planned(reward, [customer])

    assert refused.value.code == "no_bulk_codes"
    assert not Campaign.objects.exists()


def test_wants_no_discount_for_codes_that_lie_ready_in_a_pool(db):
    reward = RewardFactory(connection=ConnectionFactory(platform="shopify"))
    fill(reward, "A-1")

    assert "are in the shop already" in bulk_codes.refusal(reward=reward)


def test_keeps_the_codes_of_a_discount_apart_from_pools_and_shared_ones(db):
    reward = RewardFactory(connection=ConnectionFactory(platform="shopify"))
    code = fill(reward, "A-1")[0]

    for changes in ({"bulk_reference": "cb-1-1"}, {"bulk_reference": "cb-1-1", "pool": None, "is_shared": True}):
        with pytest.raises(IntegrityError, match="code_in_bulk_is_its_own"), transaction.atomic():
            RewardCode.objects.filter(pk=code.pk).update(**changes)
