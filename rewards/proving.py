"""The races of rewards: one reward, one code, one key. For `manage.py prove_races`; they make their own rows."""

from datetime import timedelta
from decimal import Decimal

from loyalty.common.racing import Act, Crew, Race, Scores
from loyalty.points.models import PointsTransaction, TransactionKind
from loyalty.points.proving import NOW, STAFF, balance, credit, done, each, judge, new_customer
from platforms.models import StoreConnection
from rewards import cancellation, limits, redemption, usage
from rewards.models import (
    FulfillmentStatus,
    PointsProduct,
    RedeemedReward,
    Reward,
    RewardStock,
    RewardType,
    UsageStatus,
)

PRICE = 100
CODE_ROUNDS = 5


def one_reward(crew: Crew, scores: Scores) -> None:
    """Every worker is a customer, and there are fewer pieces than customers."""
    pieces = max(crew.workers // 4, 1)
    product = new_product()
    limits.set_total(reward_id=product.reward_id, limit=pieces, now=NOW)
    customers = [new_customer() for _ in range(crew.workers)]
    for customer_id in customers:
        credit(customer_id=customer_id, points=PRICE)
    results = crew.race([redeem(customer_id, product) for customer_id in customers])
    scores.equal("A limited reward is never oversold", len(done(results)), pieces)
    scores.equal(
        "A limited reward is never oversold",
        sum(RewardStock.objects.filter(reward_id=product.reward_id).values_list("left", flat=True)),
        0,
    )
    paid = sum(balance(customer_id) == 0 for customer_id in customers)
    scores.equal("Who got a reward paid for it, and nobody else", paid, pieces)
    judge(scores, results, customer_ids=customers)


def one_reward_per_customer(crew: Crew, scores: Scores) -> None:
    product = new_product(limit_per_customer=2)
    customer_id = new_customer()
    credit(customer_id=customer_id, points=PRICE * crew.workers)
    results = crew.race([redeem(customer_id, product)] * crew.workers)
    expected = min(crew.workers, 2)
    scores.equal("The limit per customer holds", len(done(results)), expected)
    scores.equal("The limit per customer holds", balance(customer_id), PRICE * (crew.workers - expected))
    judge(scores, results, customer_ids=[customer_id])


def one_purchase(crew: Crew, scores: Scores) -> None:
    product, customer_id = new_product(), new_customer()
    credit(customer_id=customer_id, points=PRICE * crew.workers)
    results = crew.race([redeem(customer_id, product, key=f"one-purchase:{customer_id}")] * crew.workers)
    scores.equal("One key, one reward", len({redeemed.pk for redeemed in done(results)}), 1)
    scores.equal("One key, one reward", balance(customer_id), PRICE * (crew.workers - 1))
    judge(scores, results, customer_ids=[customer_id])


def one_code(crew: Crew, scores: Scores) -> None:
    """A code is used by half of them and canceled by half of them: one of the two, and points for the one only."""
    product, customer_id = new_product(), new_customer()
    for _ in range(CODE_ROUNDS):
        credit(customer_id=customer_id, points=PRICE)
        before = balance(customer_id)
        redeemed_id = redeem(customer_id, product)().pk
        results = crew.race(each(crew, cancel(redeemed_id), use(redeemed_id)))
        row = RedeemedReward.objects.get(pk=redeemed_id)
        cancelled = row.fulfillment_status == FulfillmentStatus.CANCELLED
        scores.equal(
            "A code is used or canceled, not both",
            row.usage_status,
            UsageStatus.UNUSED if cancelled else UsageStatus.USED,
        )
        scores.equal(
            "Points come back for a code that was canceled, and for no other",
            balance(customer_id),
            before if cancelled else before - PRICE,
        )
        judge(scores, results, customer_ids=[customer_id])


def one_cancellation(crew: Crew, scores: Scores) -> None:
    product, customer_id = new_product(), new_customer()
    credit(customer_id=customer_id, points=PRICE)
    redeemed_id = redeem(customer_id, product)().pk
    results = crew.race([cancel(redeemed_id)] * crew.workers)
    reversals = PointsTransaction.objects.filter(customer_id=customer_id, kind=TransactionKind.REVERSAL)
    scores.equal("A reward is refunded once", (reversals.count(), balance(customer_id)), (1, PRICE))
    judge(scores, results, customer_ids=[customer_id])


RACES: dict[str, Race] = {
    "one reward": one_reward,
    "one reward per customer": one_reward_per_customer,
    "one purchase": one_purchase,
    "one code": one_code,
    "one cancellation": one_cancellation,
}


def new_product(*, limit_per_customer: int | None = None, connection: StoreConnection | None = None) -> PointsProduct:
    """A discount at its price, whose code no shop knows unless one is named."""
    reward = Reward.objects.create(
        name="Proof",
        type=RewardType.DISCOUNT_CODE,
        amount=Decimal("5.00"),
        currency="USD",
        connection=connection,
        enabled=True,
        limit_per_customer=limit_per_customer,
        active_from=NOW - timedelta(days=10_000),  # whatever the clock says
    )
    return PointsProduct.objects.create(reward=reward, points_price=PRICE)


def redeem(customer_id: int, product: PointsProduct, *, key: str | None = None) -> Act:
    return lambda: redemption.redeem(
        customer_id=customer_id, points_product_id=product.pk, actor=STAFF, now=NOW, idempotency_key=key
    )


def cancel(redeemed_id: int) -> Act:
    return lambda: cancellation.cancel(redeemed_reward_id=redeemed_id, actor=STAFF, now=NOW)


def use(redeemed_id: int) -> Act:
    return lambda: usage.mark_used(redeemed_reward_id=redeemed_id, actor=STAFF, now=NOW)
