"""Cancellation: planned, proved, and undone to the very lots."""

from datetime import timedelta

import pytest

from loyalty.common import actors
from loyalty.common.plans import PlanOutdated
from loyalty.events.models import Event
from loyalty.points import queries as points
from loyalty.points.models import PointsLot, PointsTransaction, TransactionKind
from rewards import cancellation, granting, queries, redemption, usage
from rewards.cancellation import CancellationRefused
from rewards.models import Cancellation, EvidenceKind, IssueWork, RedeemedReward, RewardStock
from rewards.usage import OrderUse
from tests.factories.catalogue import GiftFactory, PointsProductFactory, RewardFactory
from tests.factories.points import NOW, give
from tests.rewards.reconciling import remove

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

STAFF = actors.staff(1)


@pytest.fixture
def redeemed(customer, product):
    return redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=actors.SYSTEM, now=NOW, deadline=5.0
    )


def cancel(redeemed, *, now=NOW, **more):
    return cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=now, **more)


def balance(customer, *, now=NOW):
    return points.balance(customer_id=customer.pk, now=now).balance


def status(redeemed, *, now=NOW):
    return queries.status_of(redeemed=RedeemedReward.objects.get(pk=redeemed.pk), now=now)


def test_kills_the_code_in_the_shop_and_returns_the_points(customer, redeemed, shop):
    row = cancel(redeemed)

    assert row.state == "proved"
    assert shop.codes(redeemed.code.code)[0]["enabled"] is False
    assert balance(customer) == 250
    assert status(redeemed) == "cancelled"


def test_code_is_refused_at_the_checkout_afterwards(redeemed, shop):
    cancel(redeemed)

    with pytest.raises(Exception, match=r"(?i)code"):
        shop.checkout(redeemed.customer_email, code=redeemed.code.code)


def test_returns_the_points_to_the_lots_they_came_from(customer, redeemed):
    cancel(redeemed)

    lot = PointsLot.objects.get(customer=customer)
    assert (lot.points, lot.remaining) == (250, 250)
    entry = PointsTransaction.objects.get(kind=TransactionKind.REVERSAL)
    assert entry.reverses == redeemed.debit


def test_keeps_the_evidence_of_what_the_shop_showed(redeemed):
    row = cancel(redeemed)

    kinds = list(row.evidence.order_by("id").values_list("kind", "alive"))
    assert kinds == [(EvidenceKind.DISABLED, False), (EvidenceKind.READ_BACK, False)]


def test_twice_returns_the_points_once(customer, redeemed):
    first, second = cancel(redeemed), cancel(redeemed)

    assert first.pk == second.pk
    assert balance(customer) == 250
    assert PointsTransaction.objects.filter(kind=TransactionKind.REVERSAL).count() == 1


def test_frees_its_place_in_every_limit(customer, product):
    product.reward.limit_total = product.reward.limit_per_customer = 1
    product.reward.save()
    stock = RewardStock.objects.create(reward=product.reward, left=1)
    ask = {"customer_id": customer.pk, "points_product_id": product.pk, "actor": STAFF, "now": NOW}
    first = redemption.redeem(**ask)

    cancel(first)

    stock.refresh_from_db()
    assert stock.left == 1
    assert redemption.redeem(**ask).fulfillment_status == "issued"


def test_plan_states_every_effect_and_changes_nothing(customer, redeemed):
    plan = cancellation.plan(redeemed_reward_id=redeemed.pk, now=NOW)

    assert (plan.refusal, plan.points_returned, plan.code) == ("", 100, redeemed.code.code)
    assert [effect.kind for effect in plan.effects] == ["code", "points", "limit", "customer"]
    assert "100 points go back to the lot they came from" in plan.effects[1].sentence
    assert (balance(customer), Cancellation.objects.count()) == (150, 0)


def test_refuses_to_apply_a_plan_when_the_state_has_moved(customer, redeemed):
    shown = cancellation.plan(redeemed_reward_id=redeemed.pk, now=NOW).fingerprint
    usage.mark_used(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)
    usage.mark_unused(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)
    cancel_now = cancellation.plan(redeemed_reward_id=redeemed.pk, now=NOW).fingerprint

    with pytest.raises(PlanOutdated):
        cancel(redeemed, fingerprint="another")

    assert shown == cancel_now  # back where it was: the plan holds again
    assert cancel(redeemed, fingerprint=shown).state == "proved"


def test_of_a_used_reward_is_refused(customer, redeemed):
    usage.mark_used(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)

    with pytest.raises(CancellationRefused, match="was used"):
        cancel(redeemed)

    assert (balance(customer), Cancellation.objects.count()) == (150, 0)


def test_stays_canceling_while_the_shop_is_down_and_finishes_later(customer, redeemed, shop):
    shop.stop()
    try:
        row = cancel(redeemed, now=NOW + timedelta(seconds=1))
        assert (row.state, status(redeemed)) == ("cancelling", "cancelling")
        assert RedeemedReward.objects.get(pk=redeemed.pk).updated_at == NOW + timedelta(seconds=1)
        assert row.last_reason
        assert balance(customer) == 150
        assert not queries.for_customer_page(customer_id=customer.pk, now=NOW).exists()
    finally:
        shop.start()

    later = NOW + timedelta(minutes=5)
    cancellation.proceed(cancellation_id=row.pk, now=later)

    assert status(redeemed) == "cancelled"
    assert balance(customer) == 250


def test_by_force_returns_the_points_and_says_that_the_code_may_still_work(customer, redeemed, shop):
    shop.stop()
    try:
        cancel(redeemed)
        row = cancellation.force(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)
    finally:
        shop.start()

    assert row.state == "unproved"
    assert balance(customer) == 250
    redeemed.code.refresh_from_db()
    assert redeemed.code.disabled_at is None


def test_by_force_needs_a_cancellation_under_way(redeemed):
    with pytest.raises(CancellationRefused, match="nothing to force"):
        cancellation.force(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)


def test_of_a_code_that_was_used_meanwhile_ends_in_used_without_points(customer, redeemed, shop):
    shop.checkout(redeemed.customer_email, code=redeemed.code.code)

    row = cancel(redeemed)

    assert row.state == "used_meanwhile"
    assert status(redeemed) == "used"
    assert balance(customer) == 150
    assert Event.objects.filter(kind="reward.used_while_cancelling").exists()


def test_under_way_ends_when_the_order_arrives_first(customer, redeemed, shop, connection):
    shop.stop()
    try:
        row = cancel(redeemed)
        usage.record_order_use(
            use=OrderUse(connection_id=connection.pk, order_id="9", code=redeemed.code.code, used_at=NOW),
            actor=actors.shop(connection.pk),
            now=NOW,
        )
    finally:
        shop.start()
    cancellation.proceed(cancellation_id=row.pk, now=NOW + timedelta(minutes=5))

    row.refresh_from_db()
    assert row.state == "used_meanwhile"
    assert (status(redeemed), balance(customer)) == ("used", 150)


def test_of_a_gift_needs_no_shop(customer):
    product = PointsProductFactory(reward=GiftFactory(), points_price=200)
    gift = redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW)

    assert cancel(gift).state == "proved"
    assert balance(customer) == 250


def test_of_a_granted_reward_returns_no_points(customer, connection):
    reward = RewardFactory(connection=connection)
    granted = granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=STAFF, now=NOW)

    row = cancel(granted)

    assert row.state == "proved"
    assert balance(customer) == 250
    assert status(granted) == "cancelled"
    assert not hasattr(RedeemedReward.objects.get(pk=granted.pk), "issue_work")


def foreign(shop, redeemed):
    """Staff of the shop remove the code, and make one of their own of that name."""
    remove(shop, redeemed.code.code)
    shop.create_code(redeemed.code.code)


def test_leaves_a_foreign_code_alone_that_has_taken_the_name(customer, redeemed, shop):
    foreign(shop, redeemed)

    row = cancel(redeemed)

    assert (row.state, balance(customer)) == ("proved", 250)
    assert shop.codes(redeemed.code.code)[0]["alive"]
    assert list(row.evidence.order_by("id").values_list("kind", "alive")) == [
        (EvidenceKind.DISABLED, False),
        (EvidenceKind.READ_BACK, False),
    ]


def test_of_one_the_shop_never_showed_leaves_a_foreign_code_of_its_name_alone(customer, connection, shop):
    granted = granting.grant(
        customer_id=customer.pk, reward_id=RewardFactory(connection=connection).pk, actor=STAFF, now=NOW
    )
    shop.create_code(granted.code.code)
    IssueWork.objects.update(attempts=1)  # a worker asked for it, and died before it heard the answer

    row = cancel(granted)

    assert (row.state, status(granted)) == ("proved", "cancelled")
    assert shop.codes(granted.code.code)[0]["alive"]


def test_of_one_the_shop_made_and_never_showed_kills_it(customer, connection, shop):
    reward = RewardFactory(connection=connection)
    granted = granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=STAFF, now=NOW)
    shop.create_code(granted.code.code, reference=granted.reference)
    IssueWork.objects.update(attempts=1)

    row = cancel(granted)

    assert row.state == "proved"
    assert not shop.codes(granted.code.code)[0]["alive"]


def test_can_keep_the_points(customer, redeemed):
    cancel(redeemed, return_points=False)

    assert (balance(customer), status(redeemed)) == (150, "cancelled")


def test_a_use_after_it_is_an_alert_and_changes_nothing(customer, redeemed, connection):
    cancel(redeemed)
    use = OrderUse(connection_id=connection.pk, order_id="9", code=redeemed.code.code, used_at=NOW)

    for _ in range(2):
        verdict = usage.record_order_use(use=use, actor=actors.shop(connection.pk), now=NOW)
        assert verdict == "used_after_cancel"

    assert status(redeemed) == "cancelled"
    assert Event.objects.filter(kind="reward.used_after_cancel").count() == 1


def test_returns_expired_lots_by_the_policy_and_says_so_before(customer, product):
    soon = give(customer, 40, expires_at=NOW + timedelta(days=1))
    redeemed = redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW)
    later = NOW + timedelta(days=3)

    plan = cancellation.plan(redeemed_reward_id=redeemed.pk, now=later)
    cancel(redeemed, now=later, fingerprint=plan.fingerprint)

    assert any("their lot has expired meanwhile" in effect.sentence for effect in plan.effects)
    assert PointsLot.objects.filter(origin__transaction=soon).get().remaining == 40
    assert balance(customer, now=later + timedelta(minutes=1)) == 290
