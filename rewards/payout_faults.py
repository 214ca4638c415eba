"""Cashback at every step of a fault: money is paid once, or not at all and the points are back. For `prove_faults`."""

from datetime import timedelta
from decimal import Decimal

from loyalty.common.crashing import Scenario
from loyalty.common.racing import Scores
from loyalty.customers.models import Customer
from loyalty.points.models import PointsTransaction, TransactionKind
from loyalty.points.proving import STAFF, balance, credit, new_customer
from platforms.trial import Scene
from rewards import granting, redemption
from rewards.models import FulfillmentStatus, Payout, PayoutState, PointsProduct, RedeemedReward, Reward, RewardType

PRICE, GIVEN = 100, 250
PAID_ONCE = "Money is paid once, and only for a reward that somebody has"
Subject = dict[str, int | str]


def _product(scene: Scene) -> PointsProduct:
    """Money through the shop's payouts, at its price."""
    reward = Reward.objects.create(
        name="Proof",
        type=RewardType.CASHBACK,
        amount=Decimal("5.00"),
        currency="USD",
        payout_account=scene.payout_account(),
        enabled=True,
        active_from=scene.now() - timedelta(days=10_000),
    )
    return PointsProduct.objects.create(reward=reward, points_price=PRICE)


def _member(scene: Scene) -> Subject:
    """A customer with points, and what they would redeem."""
    customer_id = new_customer()
    Customer.objects.filter(pk=customer_id).update(email=f"cashback{customer_id}@example.com")
    credit(customer_id=customer_id, points=GIVEN)
    return {"customer": customer_id, "product": _product(scene).pk, "key": f"cashback:{customer_id}"}


def _redeem(scene: Scene, subject: Subject) -> RedeemedReward:
    return redemption.redeem(
        customer_id=int(subject["customer"]),
        points_product_id=int(subject["product"]),
        actor=STAFF,
        now=scene.now(),
        idempotency_key=str(subject["key"]),
    )


def _granted(scene: Scene) -> Subject:
    """A cashback that staff granted; no worker has come yet."""
    subject = _member(scene)
    reward_id = PointsProduct.objects.values_list("reward_id", flat=True).get(pk=subject["product"])
    granted = granting.grant(customer_id=int(subject["customer"]), reward_id=reward_id, actor=STAFF, now=scene.now())
    return subject | {"redeemed": granted.pk}


def _judge_redemption(scene: Scene, subject: Subject, scores: Scores) -> None:
    rows = list(RedeemedReward.objects.filter(idempotency_key=subject["key"]))
    scores.equal("What was asked for comes to pass", len(rows), 1)
    for row in rows:
        issued = row.fulfillment_status == FulfillmentStatus.ISSUED
        _judge(scene, row, scores, paid=issued)
        debits = PointsTransaction.objects.filter(
            customer_id=row.customer_id, kind=TransactionKind.REDEMPTION, reversals__isnull=True
        )
        scores.equal(PAID_ONCE, (debits.count(), balance(row.customer_id)), (int(issued), GIVEN - PRICE * issued))


def _judge_grant(scene: Scene, subject: Subject, scores: Scores) -> None:
    row = RedeemedReward.objects.get(pk=subject["redeemed"])
    scores.equal("What was asked for comes to pass", row.fulfillment_status, FulfillmentStatus.ISSUED)
    _judge(scene, row, scores, paid=True)


def _judge(scene: Scene, row: RedeemedReward, scores: Scores, *, paid: bool) -> None:
    payout = Payout.objects.get(redeemed_reward=row)
    seen = (payout.state, scene.shop.payouts()[payout.reference])
    scores.equal(PAID_ONCE, seen, (PayoutState.PAID, 1) if paid else (PayoutState.FAILED, 0))


FAULTS: dict[str, Scenario[Scene]] = {
    "a customer redeems a cashback": Scenario(prepare=_member, act=_redeem, again=_redeem, judge=_judge_redemption),
    "a worker pays a cashback": Scenario(
        prepare=_granted,
        act=lambda scene, subject: scene.task("rewards.pay", redeemed_reward_id=subject["redeemed"]),
        judge=_judge_grant,
    ),
}


def waiting() -> dict[str, int]:
    """What is under way, by its name."""
    return {"payouts": Payout.objects.filter(next_attempt_at__isnull=False).count()}


def closing(scene: Scene, scores: Scores) -> None:
    """What holds of all money when nothing is under way: each payment of the shop is one of ours, and was made once."""
    ours = dict(Payout.objects.values_list("reference", "state"))
    for reference, times in scene.shop.payouts().items():
        state = ours.get(reference, "unknown to us")
        scores.check(
            PAID_ONCE,
            holds=times == 1 and state == PayoutState.PAID,
            otherwise=f"{reference} was paid {times} times, and is {state}",
        )
