"""Issuing: a claim that still stands, a code in doubt, a shop that wants us to wait, and when to give up."""

from datetime import timedelta

import pytest

from loyalty.common import actors
from loyalty.common.errors import DomainError
from loyalty.points import queries as points
from platforms import breaker
from platforms.adapter import Answer, Outcome
from platforms.sandbox.adapter import SandboxAdapter
from rewards import cancellation, granting, issuing, redemption
from rewards.cancellation import CancellationRefused
from rewards.models import FulfillmentStatus, IssueAttempt, IssueWork
from tests.factories.points import NOW

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

STAFF = actors.staff(1)


@pytest.fixture
def granted(customer, product):
    """A reward that waits for the shop."""
    return granting.grant(customer_id=customer.pk, reward_id=product.reward_id, actor=STAFF, now=NOW)


def work(granted, *, now=NOW, patience=0.5):
    claim = issuing.take(redeemed_reward_id=granted.pk, now=now)
    return issuing.work(claim=claim, now=now, patience=patience)


def test_asks_no_shop_once_the_claim_is_lost(granted, shop, monkeypatch):
    adapter_for = issuing.single.platforms.adapter_for

    def lose_the_claim_first(*args, **more):
        IssueWork.objects.all().delete()  # somebody canceled between our look and our call
        return adapter_for(*args, **more)

    monkeypatch.setattr(issuing.single.platforms, "adapter_for", lose_the_claim_first)

    assert work(granted) == issuing.Verdict.WAITING

    assert shop.codes(granted.code.code) == []
    assert not IssueAttempt.objects.exists()


def test_cannot_be_undone_while_the_shop_may_still_be_making_the_code(granted, shop):
    shop.fault("create", "drop")
    assert work(granted) == issuing.Verdict.WAITING

    with pytest.raises(CancellationRefused, match="has not said whether it made"):
        cancellation.cancel(redeemed_reward_id=granted.pk, actor=STAFF, now=NOW + timedelta(seconds=5))

    row = cancellation.cancel(redeemed_reward_id=granted.pk, actor=STAFF, now=NOW + timedelta(minutes=1))
    assert row.state == "proved"


@pytest.mark.parametrize("in_doubt", [True, False])
def test_fails_when_the_shop_cannot_be_asked_unless_a_code_may_live_there(granted, shop, monkeypatch, in_doubt):
    if in_doubt:
        shop.fault("create", "drop")
        assert work(granted) == issuing.Verdict.WAITING

    def unreadable(*_args, **_more):
        raise DomainError("The shop's token cannot be read.", code="credentials_unreadable")

    monkeypatch.setattr(issuing.single.platforms, "adapter_for", unreadable)

    verdict = work(granted, now=NOW + timedelta(minutes=1))

    granted.refresh_from_db()
    if in_doubt:
        assert (verdict, granted.fulfillment_status) == (issuing.Verdict.WAITING, FulfillmentStatus.PENDING)
        assert IssueWork.objects.get().due_at > NOW + timedelta(minutes=1)
    else:
        assert (verdict, granted.failure_code) == (issuing.Verdict.FAILED, "credentials_unreadable")


def test_for_a_customer_waits_as_long_as_the_shop_asks(customer, product, shop):
    shop.fault("create", "throttle", seconds=1)

    redeemed = redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW, deadline=5.0
    )

    assert redeemed.fulfillment_status == FulfillmentStatus.ISSUED
    assert redeemed.issued_at >= NOW + timedelta(seconds=1)
    outcomes = IssueAttempt.objects.order_by("id").values_list("outcome", flat=True)
    assert list(outcomes) == ["throttled", "ok"]


def test_for_a_customer_ends_when_the_shop_asks_for_more_time_than_there_is(customer, product, shop):
    shop.fault("create", "throttle", seconds=60)

    with pytest.raises(redemption.RedemptionFailed):
        redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW, deadline=5.0)

    assert points.balance(customer_id=customer.pk, now=NOW).balance == 250


def test_in_the_background_comes_back_when_the_shop_said(granted, shop):
    shop.fault("create", "throttle", seconds=90)

    assert work(granted, patience=20) == issuing.Verdict.WAITING

    assert IssueWork.objects.get().due_at - NOW >= timedelta(seconds=90)
    assert IssueWork.objects.get().claim is None


def test_looks_into_a_doubt_ever_more_rarely(granted, shop):
    shop.fault("create", "drop")
    shop.fault("find", "server_error", times=100)
    work(granted)
    pauses = []

    for minutes in (2, 10, 600):
        later = NOW + timedelta(minutes=minutes)
        work(granted, now=later)
        pauses.append((IssueWork.objects.get().due_at - later) / timedelta(minutes=1))

    assert pauses == pytest.approx([1, 5, 15], abs=0.2)
    assert IssueAttempt.objects.filter(call="create").count() == 1


def test_looks_into_a_doubt_no_sooner_than_the_shop_said(granted, shop):
    shop.fault("create", "drop")
    work(granted)
    shop.fault("find", "throttle", seconds=600)
    later = NOW + timedelta(minutes=2)

    assert work(granted, now=later) == issuing.Verdict.WAITING

    assert IssueWork.objects.get().due_at - later >= timedelta(seconds=600)


def test_gives_up_after_its_tries_and_says_what_the_shop_said_last(granted, shop, monkeypatch):
    monkeypatch.setattr(breaker, "MOST_FAILURES", 99)  # each try is one
    shop.stop()
    try:
        now = NOW
        for _ in range(issuing.MOST_ATTEMPTS):
            assert work(granted, now=now) == issuing.Verdict.WAITING
            now += issuing.LONGEST_BACKOFF * 2
        assert work(granted, now=now) == issuing.Verdict.FAILED
    finally:
        shop.start()

    granted.refresh_from_db()
    assert granted.failure_code == "gave_up"
    assert "12 tries" in granted.failure_reason
    assert IssueAttempt.objects.latest("id").reason in granted.failure_reason
    assert IssueAttempt.objects.count() == issuing.MOST_ATTEMPTS


def test_sends_a_grant_again_only_later_when_the_shop_proved_that_it_has_none(granted, shop):
    shop.fault("create", "server_error")
    work(granted)

    later = NOW + timedelta(minutes=1)
    assert work(granted, now=later) == issuing.Verdict.WAITING

    waiting = IssueWork.objects.get()
    assert (waiting.in_doubt_since, waiting.claim) == (None, None)
    assert waiting.due_at > later
    assert work(granted, now=later + timedelta(minutes=1)) == issuing.Verdict.ISSUED


def test_takes_another_code_when_the_shop_says_taken_and_shows_none(granted, shop, monkeypatch):
    taken = granted.code.code
    shop.create_code(taken)
    monkeypatch.setattr(SandboxAdapter, "find_code", lambda self, code: Answer(outcome=Outcome.OK))

    assert work(granted, patience=5) == issuing.Verdict.ISSUED

    granted.refresh_from_db()
    assert granted.code.code != taken
    assert shop.codes(granted.code.code)[0]["reference"] == granted.reference
