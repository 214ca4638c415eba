"""Campaigns: one reward for many customers, checked first, given exactly once, and taken back where it was not used."""

import io
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from loyalty.common import actors
from loyalty.customers.models import CustomerState, Tier
from loyalty.jobs import lifecycle
from loyalty.jobs.models import Job, JobOutcome, JobState, Step
from loyalty.points.import_rows import By
from rewards import granting, limits, usage
from rewards.campaigns import acts, audiences, queries, steps
from rewards.issuing import many
from rewards.models import (
    Campaign,
    CampaignReward,
    IssueWork,
    RedeemedReward,
    RewardAudience,
    RewardStock,
    RewardTier,
)
from rewards.queries import Status
from tests.factories.catalogue import GiftFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory, ShippingAddressFactory
from tests.factories.points import NOW
from tests.factories.pools import fill

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)
STAFF, HELPER = actors.staff(7_000_001), actors.staff(7_000_002)


@pytest.fixture(autouse=True)
def _people(db):
    users = get_user_model().objects
    users.create(pk=STAFF.id, email="manager@example.com", is_staff=True, is_superuser=True)
    users.create(pk=HELPER.id, email="helper@example.com", is_staff=True)


def table(*customers, header="customer id"):
    text = "\n".join([header, *(str(getattr(each, "pk", each)) for each in customers)])
    return audiences.of_table(file=io.BytesIO(text.encode()), file_name="spring.csv", by=By.ID)


def planned(reward, audience, *, name="Spring", **terms):
    """A campaign whose customers are checked."""
    campaign = acts.plan(name=name, reward_id=reward.pk, audience=audience, actor=STAFF, now=NOW, **terms)
    worked(campaign)
    return campaign


def worked(campaign, now=NOW, patience=60):
    steps.work_on(job_id=campaign.job_id, now=now, patience=patience)
    return Job.objects.get(pk=campaign.job_id)


def given(campaign):
    acts.give(campaign_id=campaign.pk, actor=STAFF, now=NOW)
    return worked(campaign)


def reverted(campaign, now=LATER):
    acts.revert(campaign_id=campaign.pk, actor=STAFF, now=now)
    return worked(campaign, now)


def figures(campaign, now=NOW):
    read = Campaign.objects.select_related("job", "reward").get(pk=campaign.pk)
    return queries.figures(campaign=read, now=now)


def counts(reasons):
    return {reason.code: reason.count for reason in reasons}


def who_has(reward):
    return sorted(RedeemedReward.objects.filter(reward=reward).values_list("customer_id", flat=True))


def test_checking_says_exactly_how_many_would_get_it_and_why_the_others_would_not_and_gives_nothing():
    reward = RewardFactory(tax_value=Decimal("1.25"), limit_per_customer=1, restricted=True)
    listed, stranger, excluded = CustomerFactory(), CustomerFactory(), CustomerFactory(state=CustomerState.DISABLED)
    gold = Tier.objects.create(name="Gold", rank=9)
    in_tier, had = CustomerFactory(tier=gold), CustomerFactory(tier=gold)
    RewardTier.objects.create(reward=reward, tier=gold)
    RewardAudience.objects.create(reward=reward, customer=listed)
    granting.grant(customer_id=had.pk, reward_id=reward.pk, actor=STAFF, now=NOW)

    campaign = planned(reward, table(listed, in_tier, stranger, excluded, had, listed, "", "abc", 999_999_999))

    told = figures(campaign)
    assert (told.rows, told.planned, told.granted) == (8, 2, 0)
    assert counts(told.left_out) == {
        "not_in_audience": 1,
        "customer_disabled": 1,
        "had_before": 1,
        "named_twice": 1,
        "invalid_id": 1,
        "unknown_customer": 1,
    }
    assert (told.tax_value, told.worth) == (Decimal("2.50"), Decimal("10.00"))
    assert who_has(reward) == [had.pk]


def test_it_gives_one_to_each_who_was_found_fit_as_a_single_grant_would():
    reward = RewardFactory(tax_value=Decimal("1.25"), days_valid=30)
    customers = CustomerFactory.create_batch(3)
    alone = granting.grant(
        customer_id=CustomerFactory().pk, reward_id=reward.pk, actor=STAFF, now=NOW, internal_note="Thank you"
    )

    campaign = planned(reward, table(*customers), internal_note="Thank you")
    job = given(campaign)

    assert (job.step, job.state, job.tally["apply"]) == ("apply", "done", {"ok": 3})
    assert figures(campaign).now == {Status.ISSUED: 3}
    own = {"id", "customer_id", "code_id", "customer_email", "redeemed_at", "issued_at", "updated_at"}
    several = RedeemedReward.objects.filter(of_campaign__campaign=campaign).values()
    single = {key: value for key, value in RedeemedReward.objects.values().get(pk=alone.pk).items() if key not in own}
    assert [{key: value for key, value in each.items() if key not in own} for each in several] == [single] * 3
    assert len({each["code_id"] for each in several}) == 3
    events = [
        (each.kind, each.actor_kind, each.actor_id, each.data)
        for each in queries.queries.history(redeemed_reward_id=several[0]["id"])
    ]
    assert events == [
        (each.kind, each.actor_kind, each.actor_id, each.data)
        for each in queries.queries.history(redeemed_reward_id=alone.pk)
    ]


def test_stock_is_given_to_the_first_and_not_one_more():
    reward = RewardFactory()
    limits.set_total(reward_id=reward.pk, limit=3, now=NOW)
    reward.refresh_from_db()
    customers = CustomerFactory.create_batch(5)

    campaign = planned(reward, table(*customers))
    checked = figures(campaign)
    granting.grant(customer_id=CustomerFactory().pk, reward_id=reward.pk, actor=STAFF, now=NOW)
    given(campaign)

    told = figures(campaign)
    assert (checked.planned, counts(checked.left_out)) == (3, {"reward_sold_out": 2})
    assert (told.granted, counts(told.refused)) == (2, {"reward_sold_out": 1})
    assert sorted(CampaignReward.objects.values_list("customer_id", flat=True)) == [each.pk for each in customers[:2]]
    assert sum(RewardStock.objects.values_list("left", flat=True)) == 0


def test_pool_codes_and_the_value_outstanding_bound_it_exactly():
    customers = CustomerFactory.create_batch(5)
    pooled, capped = RewardFactory(name="Pooled"), RewardFactory(name="Capped", liability_limit=Decimal("20.00"))
    fill(pooled, "ONE-1", "TWO-2")
    granting.grant(customer_id=CustomerFactory().pk, reward_id=capped.pk, actor=STAFF, now=NOW)

    one, other = planned(pooled, table(*customers)), planned(capped, table(*customers), name="Summer")
    before = [counts(figures(each).left_out) for each in (one, other)]
    given(one)
    given(other)

    assert before == [{"pool_empty": 3}, {"liability_limit_reached": 2}]
    assert sorted(RedeemedReward.objects.filter(reward=pooled).values_list("code__code", flat=True)) == [
        "ONE-1",
        "TWO-2",
    ]
    assert figures(other).granted == 3
    assert limits.outstanding(reward_id=capped.pk, now=NOW) == Decimal("20.00")


def test_whoever_changed_since_the_check_is_judged_once_more():
    reward, customers = RewardFactory(), CustomerFactory.create_batch(3)
    campaign = planned(reward, table(*customers))
    customers[0].state = CustomerState.DISABLED
    customers[0].save()
    granting.grant(customer_id=customers[1].pk, reward_id=reward.pk, actor=STAFF, now=NOW)

    given(campaign)

    assert counts(figures(campaign).refused) == {"customer_disabled": 1, "had_before": 1}
    assert who_has(reward) == [customers[1].pk, customers[2].pk]


def test_nobody_gets_two_however_often_it_is_run_or_begun_again(monkeypatch):
    monkeypatch.setattr(steps.Apply, "batch_size", 2)
    reward, customers = RewardFactory(), CustomerFactory.create_batch(5)
    campaign = planned(reward, table(*customers, customers[0]))
    acts.give(campaign_id=campaign.pk, actor=STAFF, now=NOW)

    worked(campaign, patience=0)
    lifecycle.pause(job_id=campaign.job_id)
    halfway = len(who_has(reward))
    lifecycle.resume(job_id=campaign.job_id, now=NOW)
    worked(campaign)
    worked(campaign)

    assert halfway == 2
    assert who_has(reward) == sorted(each.pk for each in customers)
    with pytest.raises(lifecycle.JobRefused):
        acts.give(campaign_id=campaign.pk, actor=STAFF, now=NOW)
    with pytest.raises(acts.CampaignRefused, match="There is a campaign “Spring” already"):
        acts.plan(name="Spring", reward_id=reward.pk, audience=table(*customers), actor=STAFF, now=NOW)
    row = CampaignReward.objects.first()
    spare = granting.grant(customer_id=row.customer_id, reward_id=reward.pk, actor=STAFF, now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        CampaignReward.objects.create(campaign=campaign, customer_id=row.customer_id, redeemed_reward=spare)


def test_a_redemption_and_a_small_campaign_are_not_held_up_by_a_large_one(monkeypatch):
    monkeypatch.setattr(steps.Apply, "batch_size", 2)
    reward = RewardFactory(connection=ConnectionFactory())
    large, small = CustomerFactory.create_batch(6), CustomerFactory.create_batch(2)

    given(planned(reward, table(*large)))
    given(planned(reward, table(*small), name="Small"))
    own = granting.grant(customer_id=CustomerFactory().pk, reward_id=reward.pk, actor=STAFF, now=NOW)

    order = []
    while claimed := many.take(connection_id=reward.connection_id, claim=uuid4(), count=3, now=LATER):
        order.append({RedeemedReward.objects.get(pk=work.pk).customer_id for work in claimed})
    first = set().union(*order[:2])
    assert own.customer_id in order[0]
    assert {each.pk for each in small} <= first
    assert len(set().union(*order)) == 9
    assert sorted(IssueWork.objects.values_list("turn", flat=True)) == [0, 1, 1, 1, 1, 2, 2, 3, 3]


def test_reverting_cancels_what_was_not_used_and_tells_what_was():
    reward, customers = RewardFactory(), CustomerFactory.create_batch(4)
    limits.set_total(reward_id=reward.pk, limit=10, now=NOW)
    campaign = planned(reward, table(*customers))
    given(campaign)
    rows = list(RedeemedReward.objects.order_by("pk"))
    usage.mark_used(redeemed_reward_id=rows[0].pk, actor=STAFF, now=NOW)

    job = reverted(campaign)

    told = figures(campaign, LATER)
    assert (job.step, job.state) == ("undo", "done")
    assert (told.taken_back, counts(told.kept)) == (3, {"used": 1})
    assert told.now == {Status.USED: 1, Status.CANCELLED: 3}
    assert JobOutcome.objects.get(step=Step.UNDO, code="used").subject_id == customers[0].pk
    assert sum(RewardStock.objects.values_list("left", flat=True)) == 9


def test_reverting_keeps_the_shop_from_making_the_rest_and_waits_for_what_it_is_asked_now():
    reward = RewardFactory(connection=ConnectionFactory())
    campaign = planned(reward, table(*CustomerFactory.create_batch(4)))
    given(campaign)
    (asked,) = many.take(connection_id=reward.connection_id, claim=uuid4(), count=1, now=LATER)

    waiting = reverted(campaign, LATER + timedelta(seconds=1))
    before = set(RedeemedReward.objects.values_list("fulfillment_status", flat=True))
    due = IssueWork.objects.exclude(pk=asked.pk).earliest("due_at").due_at
    many.let_go(claim=asked.claim, ids=[asked.pk], now=LATER + timedelta(seconds=2))
    done = worked(campaign, LATER + timedelta(seconds=10))

    assert (waiting.state, waiting.claim) == ("open", None)
    assert timedelta(seconds=5) <= waiting.due_at - LATER <= timedelta(seconds=20)
    assert before == {"pending"}
    assert due == LATER + timedelta(hours=1, seconds=1)
    assert done.state == JobState.DONE
    assert set(RedeemedReward.objects.values_list("fulfillment_status", flat=True)) == {"cancelled"}
    assert not IssueWork.objects.exists()


def test_stopping_keeps_what_was_given_and_it_can_be_reverted(monkeypatch):
    monkeypatch.setattr(steps.Apply, "batch_size", 2)
    reward = RewardFactory()
    campaign = planned(reward, table(*CustomerFactory.create_batch(5)))
    acts.give(campaign_id=campaign.pk, actor=STAFF, now=NOW)
    worked(campaign, patience=0)

    lifecycle.cancel(job_id=campaign.job_id, now=NOW)
    stopped = worked(campaign)
    held = figures(campaign).now
    reverted(campaign)

    assert queries.word(stopped) == "Stopped"
    assert held == {Status.ISSUED: 2}
    assert figures(campaign, LATER).now == {Status.CANCELLED: 2}


def test_whoever_may_not_give_to_many_may_not_let_it_go():
    campaign = planned(RewardFactory(), table(CustomerFactory()))

    with pytest.raises(lifecycle.JobRefused, match="not allowed"):
        acts.give(campaign_id=campaign.pk, actor=HELPER, now=NOW)

    assert not RedeemedReward.objects.exists()


def test_it_is_for_those_who_fit_or_whom_a_reward_is_for():
    gold, silver = Tier.objects.create(name="Gold", rank=9), Tier.objects.create(name="Silver", rank=8)
    member, guest = CustomerFactory(tier=gold), CustomerFactory(state=CustomerState.CANDIDATE, tier=silver)
    listed = CustomerFactory()
    CustomerFactory(state=CustomerState.DISABLED, tier=gold)
    of_list = RewardFactory(name="Secret", restricted=True)
    RewardAudience.objects.create(reward=of_list, customer=listed)
    RewardTier.objects.create(reward=of_list, tier=silver)
    zone = ZoneInfo("UTC")

    def meant(audience):
        return [int(data["customer"]) for _, data in audience.rows]

    tiers = audiences.of_fit(fit=audiences.Fit(tier_ids=(gold.pk, silver.pk), states=("member",)), zone=zone)
    assert (meant(tiers), tiers.text) == ([member.pk], "Members in Silver or Gold")
    assert meant(audiences.of_fit(fit=audiences.Fit(), zone=zone)) == [member.pk, guest.pk, listed.pk]
    assert meant(audiences.of_reward(reward_id=of_list.pk)) == [guest.pk, listed.pk]
    with pytest.raises(audiences.NobodyMeant, match="No customer"):
        audiences.of_fit(fit=audiences.Fit(joined_until=NOW - timedelta(days=9000)), zone=zone)
    with pytest.raises(audiences.NobodyMeant, match="for everybody"):
        audiences.of_reward(reward_id=RewardFactory().pk)


def test_a_table_is_read_by_its_column_of_customers_and_refused_without_one():
    anna = CustomerFactory(email="Anna@example.com")
    text = b"Name,E-mail,City\nAnna, anna@EXAMPLE.com ,Bern\nBen,nobody@example.com,Bonn\n"
    audience = audiences.of_table(file=io.BytesIO(text), file_name="list.csv", by=By.EMAIL)

    campaign = planned(RewardFactory(), audience)

    assert list(JobOutcome.objects.order_by("number").values_list("subject_id", "code")) == [
        (anna.pk, ""),
        (None, "unknown_customer"),
    ]
    assert campaign.audience_text == "Those in list.csv, by email"
    with pytest.raises(audiences.NoCustomerColumn, match="no column for the customers"):
        audiences.of_table(file=io.BytesIO(b"Name\nAnna\n"), file_name="x.csv", by=By.EMAIL)


def test_gifts_keep_the_address_of_each():
    address = ShippingAddressFactory()
    without = CustomerFactory()

    given(planned(GiftFactory(), table(address.customer, without)))

    kept = dict(RedeemedReward.objects.values_list("customer_id", "shipping_address"))
    assert kept == {address.customer.pk: address.as_snapshot(), without.pk: None}
