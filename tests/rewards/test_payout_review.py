"""Money that nobody can be asked about: found by its mark, by sending the same again, or by a person; never paid twice."""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.customers.models import CustomerIdentity
from loyalty.events.models import Event
from loyalty.messages import occasions
from loyalty.points import queries as points
from platforms.payouts.provider import PayoutReport, PayoutStatus
from rewards import cashback, granting, payouts, payouts_by_hand
from rewards.models import Payout, PayoutEvidence, PayoutEvidenceKind
from rewards.redemption import RedemptionFailed, RedemptionUnresolved, redeem
from tests.factories.catalogue import CashbackFactory, PointsProductFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.factories.shop import give_credit_in, pay_by
from tests.fakes.paying import ASK, running
from tests.fakes.paypal import PayPal
from tests.fakes.shopify.server import running_shopify
from tests.rewards.admin_rows import GRID, VIEW, staff, words

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]
STAFF = actors.staff(1)
SETTLE = "rewards.settle_payout"
SOON, LATER = timedelta(minutes=1), timedelta(minutes=15)


@pytest.fixture
def shopify():
    with running_shopify() as fake:
        yield fake


@pytest.fixture
def paypal():
    with running(PayPal()) as fake:
        yield fake


@pytest.fixture
def anna():
    customer = CustomerFactory(email="anna@example.com")
    give(customer, 250)
    return customer


@pytest.fixture
def price(shopify):
    """5 of store credit for 100 points."""
    shopify.shop.customer("anna@example.com")
    return PointsProductFactory(reward=CashbackFactory(payout_account=give_credit_in(shopify)))


@pytest.fixture
def by_paypal(paypal):
    return PointsProductFactory(reward=CashbackFactory(payout_account=pay_by(paypal)))


def buy(customer, price, deadline=1.0):
    return redeem(
        customer_id=customer.pk,
        points_product_id=price.pk,
        actor=actors.customer(customer.pk),
        now=timezone.now(),
        deadline=deadline,
    )


def buy_however_slow(customer, price):
    """On a busy machine the answer may come too late for the customer: then a worker finds it out."""
    with suppress(RedemptionUnresolved):
        buy(customer, price, deadline=4.0)
    turn(SOON)


def turn(after=timedelta()):
    """What a worker does when it is rung for."""
    redeemed_reward_id = Payout.objects.get().redeemed_reward_id
    now = timezone.now() + after
    claim = cashback.take(redeemed_reward_id=redeemed_reward_id, now=now)
    return cashback.work(claim=claim, now=now, patience=1.0) if claim is not None else None


def only():
    payout = Payout.objects.select_related("redeemed_reward", "account").get()
    return payout, payout.redeemed_reward


def left(customer):
    found = points.balance(customer_id=customer.pk, now=timezone.now())
    return found.balance, found.held


def in_review(customer, price, shopify):
    """A credit that may have been given, as far as we know, and was looked for in vain."""
    shopify.fault("GiveCredit", "drop")
    with pytest.raises(RedemptionUnresolved):
        buy(customer, price)
    turn(LATER)
    return only()


def test_store_credit_is_given_while_the_customer_waits(anna, price, shopify):
    buy(anna, price)

    payout, redeemed = only()
    (given,) = shopify.credits.given
    assert (given.amount, given.currency) == (Decimal("5.00"), "USD")
    assert (payout.state, payout.remote_id, redeemed.cashback_status) == ("paid", str(given.number), "1: SUCCESS")
    assert left(anna) == (150, 0)


def test_store_credit_goes_to_the_customer_the_shop_knows_by_number(anna, price, shopify):
    other = shopify.shop.customer("anna.old@example.com")
    shop = price.reward.payout_account.shop
    CustomerIdentity.objects.create(customer=anna, connection=shop, external_id=other.rpartition("/")[2])

    buy(anna, price)

    assert [one.customer for one in shopify.credits.given] == [other]


def test_without_an_account_in_the_shop_nothing_is_spent(price):
    stranger = CustomerFactory(email="stranger@example.com")
    give(stranger, 250)

    with pytest.raises(RedemptionFailed):
        buy(stranger, price)

    assert left(stranger) == (250, 0)
    assert "The shop has no such customer." in only()[1].failure_reason


@pytest.mark.parametrize("fault", ["timeout_after", "504_after", "drop_after", "malformed_after", "internal_after"])
def test_a_credit_whose_answer_was_lost_is_found_by_its_mark(anna, price, shopify, monkeypatch, fault):
    monkeypatch.setattr(cashback, "CALL_TIMEOUT", 0.8)
    shopify.fault("GiveCredit", fault, seconds=1.2)

    buy_however_slow(anna, price)

    payout, redeemed = only()
    assert (payout.state, payout.attempts, redeemed.fulfillment_status) == ("paid", 1, "issued")
    assert len(shopify.credits.given) == 1
    assert left(anna) == (150, 0)


def test_a_credit_that_is_not_found_waits_for_a_person_and_is_never_given_again(anna, price, shopify):
    payout, redeemed = in_review(anna, price, shopify)

    assert (payout.state, redeemed.cashback_status) == (
        "review",
        "3: REVIEW: Somebody has to look",
    )
    assert "this one would end at" in payout.last_reason
    assert (redeemed.fulfillment_status, left(anna)) == ("pending", (150, 100))
    for days in (1, 3, 30):
        turn(timedelta(days=days))
    assert (only()[0].state, shopify.credits.given) == ("review", [])
    assert shopify.asked.count("GiveCredit") == 1
    assert Event.objects.filter(kind="payout.in_review").count() == 1
    assert "payout.in_review" in occasions.TABLE


def test_before_ten_minutes_it_is_only_asked_about(anna, price, shopify):
    shopify.fault("GiveCredit", "drop")
    with pytest.raises(RedemptionUnresolved):
        buy(anna, price)

    turn(SOON)

    assert only()[0].state == "unknown"


def test_a_credit_that_shows_itself_later_settles_without_a_person(anna, price, shopify):
    shopify.fault("GiveCredit", "drop_after")
    shopify.credits.listed_late = True
    with pytest.raises(RedemptionUnresolved):
        buy(anna, price)
    turn(LATER)
    assert only()[0].state == "review"
    shopify.credits.listed_late = False

    turn(timedelta(days=1))

    payout, redeemed = only()
    assert (payout.state, redeemed.fulfillment_status, left(anna)) == ("paid", "issued", (150, 0))


def test_another_credit_of_the_same_amount_is_not_taken_for_ours(anna, price, shopify):
    shopify.fault("GiveCredit", "drop")
    customer = shopify.shop.customer("anna@example.com")
    by_staff = {"creditAmount": {"amount": "5.00", "currencyCode": "USD"}, "expiresAt": "2031-01-01T00:00:00Z"}
    with pytest.raises(RedemptionUnresolved):
        buy(anna, price)
    shopify.credits.give(shopify.shop, customer, by_staff)

    turn(LATER)

    payout, _ = only()
    assert payout.state == "review"
    assert "gave 1 of this amount since then" in payout.last_reason


def test_a_shop_that_keeps_no_seconds_leaves_it_to_a_person(anna, price, shopify):
    shopify.fault("GiveCredit", "drop_after")
    shopify.credits.rounds_ends = True
    with pytest.raises(RedemptionUnresolved):
        buy(anna, price)

    turn(LATER)

    assert (only()[0].state, len(shopify.credits.given)) == ("review", 1)


def test_a_person_found_it_paid(anna, price, shopify):
    payout, redeemed = in_review(anna, price, shopify)

    payouts_by_hand.mark_paid(redeemed_reward_id=redeemed.pk, actor=STAFF, now=timezone.now(), remote_id="77")

    payout, redeemed = only()
    assert (payout.state, payout.remote_id, redeemed.fulfillment_status) == ("paid", "77", "issued")
    assert left(anna) == (150, 0)


def test_a_person_found_it_not_paid_and_the_points_go_back(anna, price, shopify):
    _, redeemed = in_review(anna, price, shopify)

    payouts_by_hand.mark_refused(
        redeemed_reward_id=redeemed.pk, actor=STAFF, now=timezone.now(), reason="There is no such credit"
    )

    payout, redeemed = only()
    assert (payout.state, redeemed.fulfillment_status, left(anna)) == ("failed", "failed", (250, 0))
    assert turn(timedelta(days=1)) is None


def test_in_review_it_cannot_be_canceled(anna, price, shopify):
    _, redeemed = in_review(anna, price, shopify)

    refusal = payouts.cancel_refusal(redeemed=redeemed, now=timezone.now())

    assert refusal == f"“{redeemed.name}” may have been paid already. Find out, and mark it paid or refused."


def test_the_page_says_where_to_look_and_takes_the_decision(anna, price, shopify):
    _, redeemed = in_review(anna, price, shopify)
    browser = staff(VIEW, SETTLE)

    page = browser.get(f"{GRID}{redeemed.pk}/change/")

    shown = words(page)
    assert "Pending, in review" in shown
    assert "In the shop's admin open Customers, the customer, and Store credit" in shown
    assert "this one would end at" in shown
    acts = {act["label"]: act["url"] for act in page.context["acts"]}
    assert list(acts)[:2] == ["Mark paid", "Mark refused"]
    assert "Look first. In the shop's admin open" in words(browser.get(acts["Mark refused"]))
    browser.post(acts["Mark refused"], {"reason": "No such credit", "code": "", "shown": ""})
    assert (only()[0].state, left(anna)) == ("failed", (250, 0))


def test_a_provider_that_cannot_be_reached_for_a_day_is_left_to_a_person(anna, price, shopify):
    shopify.fault("GiveCredit", "drop")
    with pytest.raises(RedemptionUnresolved):
        buy(anna, price)
    shopify.fault("CreditsOf", "502", times=100)

    turn(timedelta(hours=2))
    assert only()[0].state == "unknown"
    turn(timedelta(hours=25))

    assert (only()[0].state, only()[0].last_reason) == (
        "review",
        "The shop failed with status 502. It may or may not have done it.",
    )


def test_paypal_takes_it_on_and_says_later_that_it_was_paid(anna, by_paypal, paypal):
    buy(anna, by_paypal)
    payout, redeemed = only()
    assert (payout.state, payout.remote_id, redeemed.cashback_status) == ("pending", "BATCH1", "0: INIT: INIT")
    paypal.settle(payout.reference, "UNCLAIMED")
    turn(timedelta(hours=1))
    assert only()[1].cashback_status.startswith("3: UNCLAIMED: The receiver has no PayPal account")
    paypal.settle(payout.reference, "SUCCESS")

    turn(timedelta(hours=9))

    payout, redeemed = only()
    assert (payout.state, redeemed.cashback_status, left(anna)) == ("paid", "1: SUCCESS", (150, 0))


def test_what_nobody_claimed_in_paypal_gives_the_points_back(anna, by_paypal, paypal):
    buy(anna, by_paypal)
    paypal.settle(only()[0].reference, "RETURNED")

    turn(timedelta(days=31))

    payout, redeemed = only()
    assert (payout.state, redeemed.fulfillment_status, left(anna)) == ("failed", "failed", (250, 0))
    assert redeemed.cashback_status == "2: RETURNED: The receiver did not claim it in 30 days"


@pytest.mark.parametrize("fault", ["drop_after_accepting", "server_error_after_accepting", "drop", "server_error"])
def test_paypal_is_asked_by_sending_the_same_batch_and_pays_once(anna, by_paypal, paypal, fault):
    paypal.fault(fault)

    buy_however_slow(anna, by_paypal)

    payout, redeemed = only()
    assert (payout.state, redeemed.fulfillment_status) == ("pending", "issued")
    assert payout.attempts >= 2
    assert len(paypal.of(payout.reference)) == 1


def test_after_29_days_paypal_is_not_sent_the_same_batch_any_more(anna, by_paypal, paypal):
    paypal.fault("drop_after_accepting")
    paypal.fault("server_error", at=ASK, times=100)
    with pytest.raises(RedemptionUnresolved):
        buy(anna, by_paypal, deadline=0.6)
    payout, _ = only()
    Payout.objects.update(
        unknown_since=timezone.now() - timedelta(days=29), created_at=timezone.now() - timedelta(days=29)
    )
    paypal.forget(payout.reference)
    paypal.clear_faults()

    turn(SOON)

    payout, _ = only()
    assert payout.state == "review"
    assert payout.last_reason.startswith("PayPal never told its number of this payout")
    assert len(paypal.of(payout.reference)) == 1


def test_a_refusal_of_the_same_batch_proves_nothing_of_the_first(anna, by_paypal, paypal):
    paypal.fault("drop")
    paypal.balance_is_empty = True

    with pytest.raises(RedemptionUnresolved):
        buy(anna, by_paypal)

    payout, redeemed = only()
    assert (payout.state, redeemed.fulfillment_status, left(anna)) == ("unknown", "pending", (150, 100))
    turn(LATER)
    assert only()[0].state == "review"
    assert "too little money in the PayPal balance" in only()[0].last_reason


def test_another_amount_under_our_reference_is_left_to_a_person(anna, by_paypal, paypal):
    granting.grant(customer_id=anna.pk, reward_id=by_paypal.reward_id, actor=STAFF, now=timezone.now())
    paypal.fault("drop_after_accepting")
    paypal.fault("server_error", at=ASK, times=100)
    turn()
    payout, _ = only()
    paypal.clear_faults()
    (batch,) = paypal.of(payout.reference)
    batch.item["amount"]["value"] = "50.00"

    turn(LATER)

    payout, redeemed = only()
    assert (payout.state, redeemed.fulfillment_status) == ("review", "pending")
    assert Event.objects.filter(kind="payout.foreign").exists()
    assert not PayoutEvidence.objects.filter(excerpt__contains="anna@example.com").exists()


def test_money_on_its_way_that_paypal_shows_no_more_is_left_to_a_person(anna, by_paypal, paypal):
    buy(anna, by_paypal)
    paypal.batches.clear()
    turn(SOON)
    assert only()[0].state == "pending"

    turn(LATER)

    payout, redeemed = only()
    assert (payout.state, redeemed.fulfillment_status) == ("review", "issued")
    payouts_by_hand.mark_refused(
        redeemed_reward_id=redeemed.pk, actor=STAFF, now=timezone.now(), reason="PayPal never sent it"
    )
    payout, redeemed = only()
    assert (payout.state, redeemed.fulfillment_status, left(anna)) == ("failed", "failed", (250, 0))


def test_what_a_person_said_of_it_stays_and_a_word_against_it_is_an_alert(anna, price, shopify):
    shopify.fault("GiveCredit", "drop_after")
    shopify.credits.listed_late = True
    with pytest.raises(RedemptionUnresolved):
        buy(anna, price)
    turn(LATER)
    _, redeemed = only()
    payouts_by_hand.mark_refused(
        redeemed_reward_id=redeemed.pk, actor=STAFF, now=timezone.now(), reason="There is no such credit"
    )

    (given,) = shopify.credits.given
    report = PayoutReport(reference=only()[0].reference, status=PayoutStatus.PAID, remote_id=str(given.number))
    payouts.record(
        redeemed_reward_id=redeemed.pk, report=report, kind=PayoutEvidenceKind.ASKED, now=timezone.now() + LATER
    )

    assert (only()[0].state, left(anna)) == ("failed", (250, 0))
    assert Event.objects.filter(kind="payout.contradicted").count() == 1
