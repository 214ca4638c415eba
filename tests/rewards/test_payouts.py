"""Cashback: money is sent once, unknown is only asked about, and what fails gives the points back once."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.actors import SYSTEM
from loyalty.events.models import Event
from loyalty.points import queries as points
from platforms.models import PayoutAccount
from platforms.payouts.provider import PayoutReport, PayoutStatus
from rewards import cancellation, cashback, granting, lifecycle, payouts, payouts_by_hand, queries, reissue, usage
from rewards.limits import RewardNotAvailable
from rewards.models import Payout, PayoutEvidence, PayoutEvidenceKind, PayoutState, RedeemedReward
from rewards.redemption import RedemptionFailed, RedemptionUnresolved, redeem
from rewards.types.base import RewardIncomplete
from tests.factories.catalogue import CashbackFactory, PointsProductFactory, VariablePriceFactory
from tests.factories.people import CustomerFactory, PayoutAccountFactory
from tests.factories.points import give
from tests.factories.shop import pay_through

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

STAFF = actors.staff(1)


@pytest.fixture(autouse=True)
def impatient(settings):
    settings.ABSENCE_PROVED_AFTER_SECONDS = 1
    settings.ISSUE_LEASE_SECONDS = 30


@pytest.fixture
def account(shop, db):
    return pay_through(shop)


@pytest.fixture
def price(account):
    """5 back through the sandbox, for 100 points."""
    return PointsProductFactory(reward=CashbackFactory(payout_account=account))


@pytest.fixture
def by_hand(db):
    return PointsProductFactory(reward=CashbackFactory())


def buy(customer, price, **more):
    return redeem(
        customer_id=customer.pk,
        points_product_id=price.pk,
        actor=actors.customer(customer.pk),
        now=timezone.now(),
        **{"deadline": 6.0} | more,
    )


def balance(customer):
    return points.balance(customer_id=customer.pk, now=timezone.now()).balance


def held(customer):
    return points.balance(customer_id=customer.pk, now=timezone.now()).held


def only():
    payout = Payout.objects.select_related("redeemed_reward").get()
    return payout, payout.redeemed_reward


def turn(later=timedelta()):
    """What a worker does when it is rung for."""
    redeemed_reward_id = RedeemedReward.objects.get().pk
    now = timezone.now() + later
    claim = cashback.take(redeemed_reward_id=redeemed_reward_id, now=now)
    return cashback.work(claim=claim, now=now, patience=3.0) if claim is not None else None


def report(payout, status, **more):
    return PayoutReport(reference=payout.reference, status=status, **more)


def heard(payout, status, **more):
    return payouts.record(
        redeemed_reward_id=payout.redeemed_reward_id,
        report=report(payout, status, **more),
        kind=PayoutEvidenceKind.CALLBACK,
        now=timezone.now(),
    )


def test_is_paid_while_the_customer_waits(customer, price, shop):
    redeemed = buy(customer, price)

    payout, redeemed = only()
    assert (redeemed.fulfillment_status, redeemed.usage_status, redeemed.on_profile) == ("issued", "untracked", True)
    assert (payout.state, redeemed.cashback_status) == (PayoutState.PAID, "1: SUCCESS")
    assert (payout.amount, payout.currency, payout.attempts) == (Decimal("5.00"), "USD", 1)
    assert balance(customer) == 150
    (paid,) = shop.payouts(payout.reference)
    assert (paid["amount"], paid["status"]) == ("5.00", 1)


def test_taken_on_but_not_paid_yet_is_the_customers_and_on_its_way(customer, price, shop):
    shop.fault("payout_outcome", "accept")

    redeemed = buy(customer, price)

    payout, redeemed = only()
    assert (redeemed.fulfillment_status, redeemed.cashback_status) == ("issued", "0: INIT: INIT")
    assert payout.state == PayoutState.PENDING
    assert payout.next_attempt_at is not None
    assert balance(customer) == 150
    assert list(queries.for_customer_page(customer_id=customer.pk, now=timezone.now())) == [redeemed]


def test_a_poll_hears_that_it_was_paid(customer, price, shop):
    shop.fault("payout_outcome", "pending")
    buy(customer, price)
    payout, redeemed = only()
    assert redeemed.cashback_status == "3: P02: Waiting for the receiver's bank"
    shop.settle_payout(payout.reference, "paid")

    turn(later=timedelta(hours=1))

    payout, redeemed = only()
    assert (payout.state, redeemed.cashback_status) == (PayoutState.PAID, "1: SUCCESS")
    assert payout.settled_at is not None
    assert balance(customer) == 150


def test_what_fails_on_its_way_gives_the_points_back_to_their_lots(customer, price, shop):
    shop.fault("payout_outcome", "accept")
    buy(customer, price)
    payout, _ = only()
    shop.settle_payout(payout.reference, "failed", code="R09", message="The account is closed")

    turn(later=timedelta(hours=1))

    payout, redeemed = only()
    assert payout.state == PayoutState.FAILED
    assert redeemed.cashback_status == "2: R09: The account is closed"
    assert (redeemed.fulfillment_status, redeemed.failure_code) == ("failed", "payout_failed")
    assert "The account is closed" in redeemed.failure_reason
    assert balance(customer) == 250
    assert not queries.for_customer_page(customer_id=customer.pk, now=timezone.now()).exists()
    assert list(queries.visible()) == [redeemed]


def test_a_payout_refused_at_once_costs_nothing_and_stands_nowhere(customer, price, shop):
    shop.fault("payout", "refuse")

    with pytest.raises(RedemptionFailed):
        buy(customer, price)

    payout, redeemed = only()
    assert (payout.state, redeemed.fulfillment_status, redeemed.on_profile) == ("failed", "failed", False)
    assert (balance(customer), held(customer)) == (250, 0)
    assert redeemed.cashback_status.startswith("2: invalid: ")


def test_a_timeout_after_accepting_is_asked_about_and_paid_once(customer, price, shop, monkeypatch):
    monkeypatch.setattr(cashback, "CALL_TIMEOUT", 1.0)
    shop.fault("payout", "timeout_after_accepting", seconds=3)

    buy(customer, price)

    payout, redeemed = only()
    assert (payout.state, payout.attempts, redeemed.fulfillment_status) == (PayoutState.PAID, 1, "issued")
    assert list(payout.evidence.order_by("id").values_list("kind", "outcome")) == [
        ("submitted", "unknown"),
        ("asked", "ok"),
    ]
    assert balance(customer) == 150


def test_an_answer_that_never_came_leaves_the_points_held_until_somebody_asked(customer, price, shop, monkeypatch):
    monkeypatch.setattr(cashback, "CALL_TIMEOUT", 0.5)
    shop.fault("payout", "drop_after_accepting")
    shop.fault("payout_query", "server_error", times=20)

    with pytest.raises(RedemptionUnresolved):
        buy(customer, price, deadline=1.0)

    payout, redeemed = only()
    assert (payout.state, redeemed.fulfillment_status, redeemed.on_profile) == ("unknown", "pending", False)
    assert (balance(customer), held(customer)) == (150, 100)
    shop.clear_faults()
    turn(later=timedelta(minutes=5))
    payout, redeemed = only()
    assert (payout.state, payout.attempts, redeemed.fulfillment_status) == ("paid", 1, "issued")
    assert (balance(customer), held(customer)) == (150, 0)


def test_a_payout_in_doubt_is_asked_about_no_sooner_than_the_provider_said(customer, price, shop, monkeypatch):
    monkeypatch.setattr(cashback, "CALL_TIMEOUT", 0.5)
    shop.fault("payout", "drop_after_accepting")
    shop.fault("payout_query", "throttle", seconds=600)

    with pytest.raises(RedemptionUnresolved):
        buy(customer, price, deadline=6.0)

    assert only()[0].next_attempt_at > timezone.now() + timedelta(seconds=580)


def test_a_redemption_the_provider_proves_it_never_got_fails_and_frees_the_points(customer, price, shop, monkeypatch):
    monkeypatch.setattr(cashback, "CALL_TIMEOUT", 1.0)
    shop.fault("payout", "drop")

    with pytest.raises(RedemptionFailed):
        buy(customer, price)

    payout, redeemed = only()
    assert (payout.state, redeemed.failure_code) == ("failed", "not_made")
    assert (balance(customer), held(customer)) == (250, 0)


def test_killed_between_the_commit_and_the_call_nothing_is_lost(customer, price, shop, monkeypatch):
    """The process dies right before it calls: the row is there, nothing was sent, and a worker sends it later."""

    def die(**_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cashback, "work", die)
        with pytest.raises(KeyboardInterrupt):
            buy(customer, price)
    payout, redeemed = only()
    assert (payout.state, payout.attempts, redeemed.fulfillment_status) == ("init", 0, "pending")
    assert held(customer) == 100
    assert turn() is None  # the lease of the dead one still holds

    turn(later=timedelta(minutes=1))

    payout, redeemed = only()
    assert (payout.state, payout.attempts, redeemed.fulfillment_status) == ("paid", 1, "issued")
    assert len(shop.payouts(payout.reference)) == 1


@pytest.mark.parametrize("reached", [True, False])
def test_killed_while_it_calls_it_is_asked_about_and_never_sent_twice(customer, price, shop, monkeypatch, reached):
    submit = cashback.registry.PROVIDERS["sandbox"].submit

    def die(self, order):
        if reached:
            submit(self, order)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cashback.registry.PROVIDERS["sandbox"], "submit", die)
        with pytest.raises(KeyboardInterrupt):
            buy(customer, price)
    payout, _ = only()
    assert (payout.state, payout.attempts) == ("unknown", 1)

    turn(later=timedelta(minutes=2))

    payout, redeemed = only()
    assert payout.attempts == 1
    assert (payout.state, redeemed.fulfillment_status) == (("paid", "issued") if reached else ("failed", "failed"))
    assert balance(customer) == (150 if reached else 250)
    assert held(customer) == 0


def test_a_grant_that_never_arrived_is_sent_again_under_the_same_reference(customer, price, shop):
    granted = granting.grant(customer_id=customer.pk, reward_id=price.reward_id, actor=STAFF, now=timezone.now())
    shop.fault("payout", "drop")

    turn()
    payout, _ = only()
    assert payout.state in {"unknown", "init"}
    turn(later=timedelta(minutes=2))
    turn(later=timedelta(minutes=5))

    payout, redeemed = only()
    assert (redeemed.pk, redeemed.fulfillment_status, payout.state, payout.attempts) == (
        granted.pk,
        "issued",
        "paid",
        2,
    )
    assert len(shop.payouts(payout.reference)) == 1


def test_a_grant_waits_for_a_provider_that_cannot_be_reached(customer):
    nowhere = PayoutAccountFactory(provider="sandbox", base_url="http://127.0.0.1:9")
    reward = CashbackFactory(payout_account=nowhere)
    granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=STAFF, now=timezone.now())

    turn()

    payout, redeemed = only()
    assert (payout.state, redeemed.fulfillment_status, redeemed.on_profile) == ("init", "pending", True)
    assert payout.next_attempt_at > timezone.now()
    assert "could not be asked" in payout.last_reason


def test_by_hand_is_the_customers_at_once_and_waits_for_a_person(customer, by_hand):
    buy(customer, by_hand)

    payout, redeemed = only()
    assert (payout.state, payout.next_attempt_at, redeemed.fulfillment_status) == ("init", None, "issued")
    assert redeemed.cashback_status == "0: INIT: INIT"
    assert cashback.sweep(now=timezone.now() + timedelta(days=1)) == 0


def test_by_hand_is_paid_when_a_person_says_so_once(customer, by_hand):
    buy(customer, by_hand)
    payout, _ = only()

    for _ in range(2):
        payouts_by_hand.mark_paid(
            redeemed_reward_id=payout.redeemed_reward_id, actor=STAFF, now=timezone.now(), remote_id="SEPA 4711"
        )

    payout, redeemed = only()
    assert (payout.state, payout.remote_id, redeemed.cashback_status) == ("paid", "SEPA 4711", "1: SUCCESS")
    assert Event.objects.filter(kind="payout.paid").count() == 1


def test_by_hand_refused_gives_the_points_back_with_the_reason(customer, by_hand):
    buy(customer, by_hand)
    payout, _ = only()

    for _ in range(2):
        payouts_by_hand.mark_refused(
            redeemed_reward_id=payout.redeemed_reward_id, actor=STAFF, now=timezone.now(), reason="No such IBAN."
        )

    payout, redeemed = only()
    assert redeemed.cashback_status == "2: BY_HAND: No such IBAN"
    assert redeemed.failure_reason == f"{payout.account.name} did not pay: No such IBAN."
    assert balance(customer) == 250


def test_staff_cannot_say_what_a_provider_says_by_itself(customer, price, shop):
    shop.fault("payout_outcome", "accept")
    buy(customer, price)
    payout, _ = only()

    with pytest.raises(payouts.PayoutRefused, match="says by itself what came of it"):
        payouts_by_hand.mark_paid(redeemed_reward_id=payout.redeemed_reward_id, actor=STAFF, now=timezone.now())

    assert only()[0].state == PayoutState.PENDING


def test_words_out_of_order_do_not_undo_what_is_settled(customer, price, shop):
    shop.fault("payout_outcome", "accept")
    buy(customer, price)
    payout, _ = only()

    heard(payout, PayoutStatus.PAID)
    heard(payout, PayoutStatus.PENDING, code="P02", message="Waiting")
    heard(payout, PayoutStatus.PAID)

    payout, redeemed = only()
    assert (payout.state, redeemed.cashback_status) == ("paid", "1: SUCCESS")
    assert Event.objects.filter(kind="payout.paid").count() == 1
    assert not Event.objects.filter(kind="payout.contradicted").exists()


def test_an_older_word_than_the_last_is_kept_and_not_believed(customer, price, shop):
    shop.fault("payout_outcome", "pending")
    buy(customer, price)
    payout, _ = only()
    long_ago = payout.reported_at - timedelta(minutes=1)

    heard(payout, PayoutStatus.FAILED, updated_at=long_ago)

    payout, redeemed = only()
    assert (payout.state, redeemed.fulfillment_status) == ("pending", "issued")
    assert PayoutEvidence.objects.filter(kind="callback").count() == 1


def test_a_word_against_what_is_settled_is_an_event_once_and_moves_no_points(customer, price, shop):
    buy(customer, price)
    payout, _ = only()

    for _ in range(3):
        heard(payout, PayoutStatus.FAILED, code="R01", message="Returned")

    payout, redeemed = only()
    assert (payout.state, redeemed.fulfillment_status, balance(customer)) == ("paid", "issued", 150)
    assert Event.objects.filter(kind="payout.contradicted").count() == 1


def test_another_amount_under_our_reference_is_not_ours(customer, price, shop):
    shop.fault("payout_outcome", "accept")
    buy(customer, price)
    payout, _ = only()

    heard(payout, PayoutStatus.PAID, amount=Decimal("6.00"), currency="USD")

    assert only()[0].state == PayoutState.PENDING
    assert Event.objects.filter(kind="payout.foreign").count() == 1


def test_staff_who_returned_the_points_already_do_not_block_a_failure(customer, by_hand):
    from loyalty.common.causes import Cause, CauseType
    from loyalty.points import ledger

    buy(customer, by_hand)
    payout, redeemed = only()
    with transaction.atomic():
        ledger.reverse(
            transaction_id=redeemed.debit_id,
            cause=Cause(CauseType.REDEEMED_REWARD, redeemed.pk),
            actor=STAFF,
            now=timezone.now(),
        )

    heard(payout, PayoutStatus.FAILED)

    assert only()[0].state == PayoutState.FAILED
    assert balance(customer) == 250


def test_what_was_not_sent_can_be_canceled(customer, by_hand):
    buy(customer, by_hand)
    _, redeemed = only()

    cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=timezone.now())

    payout, redeemed = only()
    assert (payout.state, redeemed.fulfillment_status, balance(customer)) == ("cancelled", "cancelled", 250)
    with pytest.raises(payouts.PayoutRefused, match="settled already"):
        payouts_by_hand.mark_paid(redeemed_reward_id=redeemed.pk, actor=STAFF, now=timezone.now())


@pytest.mark.parametrize(("outcome", "sentence"), [("accept", "is on its way through"), (None, "was paid out already")])
def test_what_was_sent_cannot_be_canceled(customer, price, shop, outcome, sentence):
    if outcome:
        shop.fault("payout_outcome", outcome)
    buy(customer, price)
    _, redeemed = only()

    with pytest.raises(cancellation.CancellationRefused, match=sentence):
        cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=timezone.now())

    assert balance(customer) == 150


def test_a_grant_canceled_before_it_was_sent_is_never_sent(customer, price, shop):
    granted = granting.grant(customer_id=customer.pk, reward_id=price.reward_id, actor=STAFF, now=timezone.now())
    cancellation.cancel(redeemed_reward_id=granted.pk, actor=STAFF, now=timezone.now())

    assert turn(later=timedelta(minutes=5)) is None

    assert shop.payouts(only()[0].reference) == []


def test_canceled_while_a_slow_worker_holds_it_is_not_sent_by_that_worker(customer, price, shop):
    granted = granting.grant(customer_id=customer.pk, reward_id=price.reward_id, actor=STAFF, now=timezone.now())
    claim = cashback.take(redeemed_reward_id=granted.pk, now=timezone.now())
    with pytest.raises(cancellation.CancellationRefused, match="being sent this moment"):
        cancellation.cancel(redeemed_reward_id=granted.pk, actor=STAFF, now=timezone.now())
    cancellation.cancel(redeemed_reward_id=granted.pk, actor=STAFF, now=timezone.now() + timedelta(minutes=2))

    cashback.work(claim=claim, now=timezone.now(), patience=2.0)

    payout, _ = only()
    assert (payout.state, payout.attempts) == ("cancelled", 0)
    assert shop.payouts(payout.reference) == []


def test_cannot_be_marked_used(customer, by_hand):
    buy(customer, by_hand)

    with pytest.raises(usage.UsageRefused, match="money that is paid out is not used like a code"):
        usage.mark_used(redeemed_reward_id=only()[1].pk, actor=STAFF, now=timezone.now())


def test_a_redeemed_one_that_failed_is_not_reissued_for_its_points_went_back(customer, by_hand):
    buy(customer, by_hand)
    heard(only()[0], PayoutStatus.FAILED)

    with pytest.raises(reissue.ReissueRefused, match="the points went back"):
        reissue.reissue(redeemed_reward_id=only()[1].pk, actor=STAFF, now=timezone.now())

    assert reissue.failure_classes() == []


def test_a_granted_one_that_failed_is_reissued_with_a_payout_of_its_own(customer, by_hand):
    granted = granting.grant(customer_id=customer.pk, reward_id=by_hand.reward_id, actor=STAFF, now=timezone.now())
    heard(Payout.objects.get(), PayoutStatus.FAILED)

    new = reissue.reissue(redeemed_reward_id=granted.pk, actor=STAFF, now=timezone.now())

    references = set(Payout.objects.values_list("reference", flat=True))
    assert len(references) == 2
    assert (new.payout.state, new.payout.amount) == ("init", Decimal("5.00"))


def test_points_buy_as_much_as_they_are_worth(customer, account, shop):
    price = VariablePriceFactory(reward=CashbackFactory(payout_account=account, amount=None))

    redeemed = buy(customer, price, points_to_spend=200)

    assert (redeemed.name, redeemed.amount) == ("$4 cashback", Decimal(4))
    assert shop.payouts(only()[0].reference)[0]["amount"] == "4.00"


def test_without_an_address_to_send_it_to_nothing_is_spent(price):
    nameless = CustomerFactory(email=None, phone="+48123456789")
    give(nameless, 250)

    with pytest.raises(RewardNotAvailable) as refused:
        buy(nameless, price)

    assert refused.value.code == "receiver_missing"
    assert (balance(nameless), Payout.objects.count()) == (250, 0)


def test_an_account_that_changed_its_currency_sends_nothing_in_another(customer, price, account):
    PayoutAccount.objects.filter(pk=account.pk).update(currency="EUR")

    with pytest.raises(RewardIncomplete, match="pays EUR"):
        buy(customer, price)

    assert balance(customer) == 250


def test_a_switched_off_account_pays_nothing_new(customer, price, account):
    PayoutAccount.objects.filter(pk=account.pk).update(enabled=False)

    with pytest.raises(RewardNotAvailable) as refused:
        buy(customer, price)

    assert refused.value.code == "payouts_off"
    assert balance(customer) == 250


@pytest.mark.parametrize(
    ("status", "code", "message", "shown"),
    [
        (0, "", "", "0: INIT: INIT"),
        (1, "SUCCESS", "Paid today", "1: SUCCESS"),
        (2, "GE_1", "No wallet", "2: GE_1: No wallet"),
        (2, "GE_1", "", "2: GE_1: GE_1"),
        (3, "DE_101", "Bank is down", "3: DE_101: Bank is down"),
    ],
)
def test_the_status_reads_as_the_provider_numbers_it(status, code, message, shown):
    assert payouts.word(status, code, message) == shown


@pytest.mark.parametrize("present", PayoutState)
@pytest.mark.parametrize("wanted", PayoutState)
def test_a_payout_moves_only_as_its_table_says(present, wanted):
    row = Payout(reference="CB1", state=present)
    if wanted in lifecycle.PAYOUT[present]:
        lifecycle.move_payout(row, wanted)
        assert row.state == wanted
    else:
        with pytest.raises(lifecycle.IllegalTransition):
            lifecycle.move_payout(row, wanted)
        assert row.state == present


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 0},
        {"currency": "usd"},
        {"reference": ""},
        {"state": "lost"},
        {"state": "paid"},
        {"state": "pending", "attempts": 1, "next_attempt_at": None},
        {"state": "unknown", "attempts": 1, "next_attempt_at": timezone.now(), "unknown_since": None},
        {"state": "pending", "next_attempt_at": timezone.now()},
        {"provider_status": 1},
        {"claimed_until": timezone.now()},
    ],
)
def test_the_database_holds_what_must_hold(customer, by_hand, wrong):
    buy(customer, by_hand)

    with pytest.raises(IntegrityError), transaction.atomic():
        Payout.objects.update(**wrong)


def test_evidence_is_never_changed(customer, by_hand):
    buy(customer, by_hand)
    heard(only()[0], PayoutStatus.PAID)

    from django.db import InternalError, ProgrammingError

    with pytest.raises((InternalError, ProgrammingError)), transaction.atomic():
        PayoutEvidence.objects.update(said="never")


def test_only_money_on_its_way_can_fail_after_it_was_issued(customer):
    from tests.rewards.admin_rows import row

    redeemed = row(customer=customer)
    with pytest.raises(lifecycle.IllegalTransition, match="cannot fail"):
        lifecycle.move(redeemed, now=timezone.now(), fulfillment_status="failed", takes_place=False)


def test_system_is_who_hears_callbacks(customer, by_hand):
    buy(customer, by_hand)
    heard(only()[0], PayoutStatus.PAID)

    assert Event.objects.get(kind="payout.paid").actor_kind == SYSTEM.kind
