"""Redemption: points become a code, or nothing happens, or we are checking."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest

from loyalty.common import actors
from loyalty.customers.models import CustomerState
from loyalty.events.models import Event
from loyalty.merchant.models import Programme
from loyalty.points import adjustments, clawback
from loyalty.points import queries as points
from loyalty.points.errors import IdempotencyConflict, InsufficientPoints, UnknownCustomer
from loyalty.points.models import HoldState, PointsHold, PointsTransaction, TransactionKind
from rewards import catalogue, issuing, pricing, queries, redemption
from rewards.catalogue import CustomerDisabled, UnknownReward
from rewards.limits import RewardNotAvailable
from rewards.models import EvidenceKind, IssueAttempt, IssueWork, RedeemedReward, RewardStock
from tests.factories.catalogue import GiftFactory, PointsProductFactory
from tests.factories.people import CustomerFactory, ShippingAddressFactory
from tests.factories.points import NOW, give

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]


def redeem(customer, product, *, now=NOW, deadline=5.0, **more):
    return redemption.redeem(
        customer_id=customer.pk,
        points_product_id=product.pk,
        actor=actors.customer(customer.pk),
        now=now,
        deadline=deadline,
        **more,
    )


def figures(customer):
    found = points.balance(customer_id=customer.pk, now=NOW)
    return found.balance, found.held


def test_makes_the_code_in_the_shop_and_takes_the_points(customer, product, shop):
    redeemed = redeem(customer, product)

    assert redeemed.fulfillment_status == "issued"
    assert figures(customer) == (150, 0)
    (code,) = shop.codes(redeemed.code.code)
    assert (code["amount"], code["reference"]) == ("5.00", redeemed.reference)
    assert redeemed.debit.points_change == -100
    assert redeemed.on_profile


def test_keeps_copies_of_what_was_true(customer, product):
    address = ShippingAddressFactory(customer=customer)

    redeemed = redeem(customer, product)

    assert redeemed.name == "$5 off your next order"
    assert redeemed.terms == "Once per order."
    assert redeemed.cost_in_points == 100
    assert redeemed.balance_after == 150
    assert redeemed.customer_email == customer.email
    assert redeemed.shipping_address == address.as_snapshot()


def test_writes_what_happened_and_what_the_shop_showed(customer, product):
    redeemed = redeem(customer, product)

    kinds = list(Event.objects.filter(subject_id=redeemed.pk).order_by("id").values_list("kind", flat=True))
    assert kinds == ["reward.redeemed", "reward.issued"]
    evidence = redeemed.code.evidence.get()
    assert (evidence.kind, evidence.alive) == (EvidenceKind.CREATED, True)
    assert not IssueWork.objects.exists()


def test_of_a_gift_needs_no_shop(customer):
    product = PointsProductFactory(reward=GiftFactory(), points_price=200)

    redeemed = redeem(customer, product)

    assert (redeemed.fulfillment_status, redeemed.code) == ("issued", None)
    assert figures(customer) == (50, 0)


def test_code_of_limited_life_dies_at_the_end_of_the_day_in_the_shop_too(customer, product, shop):
    product.reward.days_valid = 30
    product.reward.save()

    redeemed = redeem(customer, product)

    assert redeemed.expires_at == NOW.replace(hour=0) + timedelta(days=31)
    assert shop.codes(redeemed.code.code)[0]["expires_at"].startswith("2026-12-22T00:00:00")


def test_refuses_too_few_points_and_leaves_nothing(customer, product, rows):
    product.points_price = 251
    product.save()

    with pytest.raises(InsufficientPoints) as refusal:
        redeem(customer, product)

    assert refusal.value.missing == 1
    assert (rows(), figures(customer)) == (0, (250, 0))
    assert not Event.objects.filter(kind="reward.redeemed").exists()


def test_refuses_a_disabled_customer(customer, product, rows):
    customer.state = CustomerState.DISABLED
    customer.save()

    with pytest.raises(CustomerDisabled):
        redeem(customer, product)

    assert rows() == 0


def test_refuses_unknown_customers_and_rewards(customer, product, rows):
    with pytest.raises(UnknownReward):
        redemption.redeem(customer_id=customer.pk, points_product_id=999999, actor=actors.SYSTEM, now=NOW)
    with pytest.raises(UnknownCustomer):
        redemption.redeem(customer_id=999999, points_product_id=product.pk, actor=actors.SYSTEM, now=NOW)

    assert rows() == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"enabled": False}, "reward_disabled"),
        ({"active_from": NOW + timedelta(seconds=1)}, "reward_not_started"),
        ({"active_until": NOW}, "reward_ended"),
        ({"limit_per_customer": 0}, "limit_reached"),
    ],
)
def test_refuses_a_reward_that_is_not_available(customer, product, rows, change, code):
    for name, value in change.items():
        setattr(product.reward, name, value)
    product.reward.save()

    with pytest.raises(RewardNotAvailable) as refusal:
        redeem(customer, product)

    assert refusal.value.code == code
    assert (rows(), figures(customer)) == (0, (250, 0))


def test_refuses_a_sold_out_reward(customer, product, rows):
    product.reward.limit_total = 1
    product.reward.save()
    stock = RewardStock.objects.create(reward=product.reward, left=1)
    redeem(customer, product)

    with pytest.raises(RewardNotAvailable) as refusal:
        redeem(customer, product)

    stock.refresh_from_db()
    assert (refusal.value.code, stock.left, rows()) == ("reward_sold_out", 0, 1)


def test_with_the_same_key_gives_the_same_reward_even_when_the_points_are_gone(customer, product, rows):
    product.points_price = 250
    product.save()

    first = redeem(customer, product, idempotency_key="click-1")
    second = redeem(customer, product, idempotency_key="click-1")

    assert first.pk == second.pk
    assert (rows(), figures(customer)) == (1, (0, 0))


def test_with_the_same_key_for_something_else_is_refused(customer, product):
    redeem(customer, product, idempotency_key="click-1")
    other = CustomerFactory()
    give(other, 100)

    with pytest.raises(IdempotencyConflict):
        redeem(other, product, idempotency_key="click-1")


def test_double_click_at_the_same_moment_makes_one_reward(customer, product, shop, rows):
    shop.fault("create", "slow", seconds=1.0)
    results = []

    def click():
        from django.db import connection as database

        try:
            results.append(redeem(customer, product, idempotency_key="click-2").pk)
        finally:
            database.close()

    clicks = [threading.Thread(target=click) for _ in range(2)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join()

    assert len(results) == 2
    assert results[0] == results[1]
    assert (rows(), figures(customer)) == (1, (150, 0))


def test_that_the_shop_refuses_is_an_attempt_and_spends_nothing(customer, product, shop):
    shop.fault("create", "refuse")

    with pytest.raises(redemption.RedemptionFailed) as refusal:
        redeem(customer, product)

    attempt = queries.attempts().get()
    assert attempt.pk == refusal.value.redeemed_reward_id
    assert attempt.failure_reason
    assert not queries.visible().exists()
    assert figures(customer) == (250, 0)
    assert PointsHold.objects.get().state == HoldState.RELEASED
    assert not PointsTransaction.objects.filter(kind=TransactionKind.REDEMPTION).exists()


def test_fails_at_once_when_the_shop_is_down(customer, product, shop):
    shop.stop()
    try:
        with pytest.raises(redemption.RedemptionFailed):
            redeem(customer, product)
    finally:
        shop.start()

    assert queries.attempts().get().failure_code == "not_sent"
    assert figures(customer) == (250, 0)


def test_failed_attempt_frees_its_place(customer, product, shop):
    product.reward.limit_total, product.reward.limit_per_customer = 1, 1
    product.reward.save()
    RewardStock.objects.create(reward=product.reward, left=1)
    shop.fault("create", "refuse")
    with pytest.raises(redemption.RedemptionFailed):
        redeem(customer, product)

    assert redeem(customer, product).fulfillment_status == "issued"


@pytest.mark.parametrize(
    "kind",
    ["timeout_after_accepting", "server_error_after_accepting", "garbage_after_accepting", "drop_after_accepting"],
)
def test_finds_the_one_code_again_when_the_answer_was_lost(customer, product, shop, monkeypatch, kind):
    monkeypatch.setattr(issuing.single, "CALL_TIMEOUT", 1.0)
    shop.fault("create", kind)

    redeemed = redeem(customer, product)

    assert redeemed.fulfillment_status == "issued"
    assert len(shop.codes(redeemed.code.code)) == 1
    calls = list(IssueAttempt.objects.order_by("id").values_list("call", "outcome"))
    assert calls == [("create", "unknown"), ("find", "ok")]
    assert figures(customer) == (150, 0)


@pytest.mark.parametrize("kind", ["server_error", "garbage", "drop"])
def test_never_sends_twice_while_in_doubt(customer, product, shop, kind):
    shop.fault("create", kind)

    with pytest.raises(redemption.RedemptionUnresolved):
        redeem(customer, product, deadline=1.0)

    assert list(IssueAttempt.objects.filter(call="create").values_list("outcome", flat=True)) == ["unknown"]
    assert figures(customer) == (150, 100)


def test_unknown_at_the_deadline_keeps_the_points_held_and_says_nothing_failed(customer, product, shop):
    shop.fault("all", "drop", times=50)

    with pytest.raises(redemption.RedemptionUnresolved) as doubt:
        redeem(customer, product, deadline=2.0)

    redeemed = RedeemedReward.objects.get(pk=doubt.value.redeemed_reward_id)
    assert (redeemed.fulfillment_status, redeemed.on_profile) == ("pending", False)
    assert figures(customer) == (150, 100)
    assert not queries.visible().exists()


def test_in_doubt_is_issued_by_the_sweep_when_the_shop_has_the_code(customer, product, shop):
    shop.fault("create", "timeout_after_accepting")
    shop.fault("find", "drop", times=50)
    with pytest.raises(redemption.RedemptionUnresolved) as doubt:
        redeem(customer, product, deadline=2.0, idempotency_key="k")
    shop.clear_faults()

    later = NOW + timedelta(minutes=2)
    claim = issuing.take(redeemed_reward_id=doubt.value.redeemed_reward_id, now=later)
    issuing.work(claim=claim, now=later, patience=5)

    redeemed = redeem(customer, product, idempotency_key="k")
    assert redeemed.fulfillment_status == "issued"
    assert len(shop.codes(redeemed.code.code)) == 1
    assert figures(customer) == (150, 0)


def test_in_doubt_fails_and_releases_when_the_shop_proves_that_it_has_none(customer, product, shop):
    shop.fault("create", "timeout_before_accepting")
    shop.fault("find", "drop", times=50)
    with pytest.raises(redemption.RedemptionUnresolved) as doubt:
        redeem(customer, product, deadline=2.0, idempotency_key="k")
    shop.clear_faults()

    later = NOW + timedelta(minutes=2)
    claim = issuing.take(redeemed_reward_id=doubt.value.redeemed_reward_id, now=later)
    issuing.work(claim=claim, now=later, patience=5)

    with pytest.raises(redemption.RedemptionFailed):
        redeem(customer, product, idempotency_key="k")
    assert figures(customer) == (250, 0)
    assert queries.attempts().get().failure_code == "not_made"


def test_foreign_code_of_the_same_name_means_another_code(customer, product, shop, monkeypatch):
    from rewards.types.base import TypeOfReward

    shop.create_code("TAKEN-CODE")
    names = iter(["TAKEN-CODE", "FREE-CODE"])
    monkeypatch.setattr(TypeOfReward, "new_code", lambda self, prefix: next(names))

    redeemed = redeem(customer, product)

    assert redeemed.code.code == "FREE-CODE"
    assert shop.codes("FREE-CODE")[0]["reference"] == redeemed.reference


def test_says_how_many_points_are_missing_before_anyone_clicks(customer, product):
    product.points_price = 300
    product.save()

    (offer,) = catalogue.offers(customer_id=customer.pk, now=NOW)

    assert not offer.available
    assert offer.reason == "You must have 50 more points to get reward"


@pytest.mark.parametrize("blocks", [True, False])
def test_of_a_customer_who_owes_points_is_refused_where_the_programme_says_so(customer, product, rows, blocks):
    Programme.objects.update_or_create(pk=1, defaults={"shortfall_blocks": blocks})
    first = PointsTransaction.objects.get()
    give(customer, 100)
    adjustments.adjust(customer_id=customer.pk, points=-350, actor=actors.staff(1), now=NOW)
    clawback.claw_back(earning_id=first.pk, refunded=Decimal(1), total=Decimal(10), actor=actors.SYSTEM, now=NOW)
    give(customer, 100)

    (offer,) = catalogue.offers(customer_id=customer.pk, now=NOW)
    if not blocks:
        assert (offer.available, redeem(customer, product).fulfillment_status) == (True, "issued")
        return
    with pytest.raises(catalogue.PointsOwed, match="25 points of refunded orders are still owed"):
        redeem(customer, product)

    assert (offer.reason_code, offer.reason.startswith("25 points of refunded orders")) == ("points_owed", True)
    assert (rows(), figures(customer)) == (0, (100, 0))
    assert (
        points.shown(balance=points.balance(customer_id=customer.pk, now=NOW), programme=Programme.objects.get()) == 75
    )


def test_at_another_price_than_the_customer_saw_spends_nothing(customer, product, rows):
    with pytest.raises(pricing.PriceChanged, match="costs 100 points, not 90"):
        redeem(customer, product, points_to_spend=90)

    assert (rows(), figures(customer)) == (0, (250, 0))
    assert redeem(customer, product, points_to_spend=100).cost_in_points == 100
