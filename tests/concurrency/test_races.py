"""Races on one customer, one reward, one code: exactly one effect, whoever comes when."""

from decimal import Decimal

import pytest

from loyalty.common import actors
from loyalty.common.causes import Cause, CauseType
from loyalty.points import adjustments, audit, ledger, queries
from loyalty.points.models import PointsTransaction, TransactionKind
from rewards import cancellation, granting, issuing, limits, redemption, usage
from rewards.models import FulfillmentStatus, IssueAttempt, RedeemedReward, RewardCode, RewardStock
from rewards.usage import OrderUse
from tests.concurrency.races import kinds_of_failure, race, succeeded
from tests.factories.catalogue import GiftFactory, PointsProductFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW, give
from tests.factories.shop import connect
from tests.fakes.sandbox import running_sandbox_shop
from tests.rewards.admin_rows import row

pytestmark = pytest.mark.django_db(transaction=True)

STAFF = actors.staff(1)
THREADS = 8


@pytest.fixture(autouse=True)
def _ledger_stays_proved():
    yield
    assert list(audit.differences()) == []


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    with running_sandbox_shop(tmp_path_factory.mktemp("race-shop")) as running:
        yield running


def redeem(customer, product, **more):
    return lambda: redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW, **more
    )


def balance(customer):
    return queries.balance(customer_id=customer.pk, now=NOW).balance


def test_one_customer_never_spends_points_twice():
    customer, product = CustomerFactory(), PointsProductFactory(reward=GiftFactory())
    give(customer, 350)

    results = race(*[redeem(customer, product)] * THREADS)

    assert len(succeeded(results)) == 3
    assert kinds_of_failure(results) == {"InsufficientPoints"}
    assert balance(customer) == 50


def test_a_limited_reward_is_never_oversold():
    product = PointsProductFactory(reward=GiftFactory(limit_total=5))
    stock = RewardStock.objects.create(reward=product.reward, left=5)
    customers = CustomerFactory.create_batch(12)
    for customer in customers:
        give(customer, 100)

    results = race(*(redeem(customer, product) for customer in customers))

    stock.refresh_from_db()
    assert (len(succeeded(results)), stock.left) == (5, 0)
    assert kinds_of_failure(results) == {"RewardNotAvailable"}
    assert sorted(balance(customer) for customer in customers) == [0] * 5 + [100] * 7


def test_the_limit_per_customer_holds():
    customer, product = CustomerFactory(), PointsProductFactory(reward=GiftFactory(limit_per_customer=1))
    give(customer, 1000)

    results = race(*[redeem(customer, product)] * THREADS)

    assert len(succeeded(results)) == 1
    assert kinds_of_failure(results) == {"RewardNotAvailable"}


def test_the_limit_per_customer_and_period_holds():
    customer, product = CustomerFactory(), PointsProductFactory(reward=GiftFactory(limit_per_period=2, period="day"))
    give(customer, 1000)

    results = race(*[redeem(customer, product)] * THREADS)

    assert len(succeeded(results)) == 2
    assert {failure.code for failure in results if failure not in succeeded(results)} == {"period_limit_reached"}


def test_no_more_value_is_out_than_the_limit_whoever_comes_when():
    product = PointsProductFactory(reward=GiftFactory(tax_value=Decimal("2.50"), liability_limit=Decimal("7.50")))
    customers = CustomerFactory.create_batch(THREADS)
    for customer in customers:
        give(customer, 100)

    results = race(*(redeem(customer, product) for customer in customers))

    assert len(succeeded(results)) == 3
    assert {failure.code for failure in results if failure not in succeeded(results)} == {"liability_limit_reached"}
    assert limits.outstanding(reward_id=product.reward_id, now=NOW) == Decimal("7.50")
    assert sorted(balance(customer) for customer in customers) == [0] * 3 + [100] * 5


def test_a_limit_of_value_and_a_changed_total_do_not_wait_for_each_other_for_ever():
    reward = GiftFactory(limit_total=None, liability_limit=Decimal(1000))
    product = PointsProductFactory(reward=reward)
    customers = CustomerFactory.create_batch(6)
    for customer in customers:
        give(customer, 100)

    results = race(
        *(redeem(customer, product) for customer in customers),
        *(lambda limit=limit: limits.set_total(reward_id=reward.pk, limit=limit, now=NOW) for limit in (20, 30)),
    )

    assert kinds_of_failure(results) == set()


def test_one_key_makes_one_reward():
    customer, product = CustomerFactory(), PointsProductFactory(reward=GiftFactory())
    give(customer, 1000)

    results = race(*[redeem(customer, product, idempotency_key="one")] * THREADS)

    assert len({redeemed.pk for redeemed in succeeded(results)}) == 1
    assert kinds_of_failure(results) == set()
    assert balance(customer) == 900


def test_canceling_many_times_at_once_returns_the_points_once():
    customer, product = CustomerFactory(), PointsProductFactory(reward=GiftFactory())
    give(customer, 100)
    redeemed = redeem(customer, product)()

    results = race(*[lambda: cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)] * THREADS)

    assert len({row.pk for row in succeeded(results)}) == 1
    assert balance(customer) == 100
    assert PointsTransaction.objects.filter(kind=TransactionKind.REVERSAL).count() == 1


def test_used_and_canceled_at_once_is_exactly_one_of_them():
    customer, product = CustomerFactory(), PointsProductFactory(reward=GiftFactory())
    give(customer, 1000)
    outcomes = set()
    for _ in range(5):
        redeemed = redeem(customer, product)()

        race(
            lambda pk=redeemed.pk: cancellation.cancel(redeemed_reward_id=pk, actor=STAFF, now=NOW),
            lambda pk=redeemed.pk: usage.mark_used(redeemed_reward_id=pk, actor=STAFF, now=NOW),
        )

        redeemed.refresh_from_db()
        outcomes.add((redeemed.fulfillment_status, redeemed.usage_status))
    assert outcomes <= {("cancelled", "unused"), ("issued", "used")}


def test_two_workers_on_one_reward_make_one_code(shop):
    customer = CustomerFactory()
    granted = granting.grant(
        customer_id=customer.pk, reward_id=RewardFactory(connection=connect(shop)).pk, actor=STAFF, now=NOW
    )

    def work():
        claim = issuing.take(redeemed_reward_id=granted.pk, now=NOW)
        return issuing.work(claim=claim, now=NOW, patience=5) if claim else "somebody else's"

    results = race(*[work] * 6)

    granted.refresh_from_db()
    assert granted.fulfillment_status == FulfillmentStatus.ISSUED
    assert sorted(results, key=str) == ["issued", *["somebody else's"] * 5]
    assert IssueAttempt.objects.filter(call="create").count() == 1


def test_an_order_and_a_cancellation_at_once_never_give_points_for_a_used_code(shop):
    customer = CustomerFactory()
    connection = connect(shop)
    product = PointsProductFactory(reward=RewardFactory(connection=connection))
    give(customer, 300)
    for _ in range(3):
        redeemed = redeem(customer, product)()
        order = shop.checkout(customer.email, code=redeemed.code.code)
        use = OrderUse(connection_id=connection.pk, order_id=order["id"], code=redeemed.code.code, used_at=NOW)

        race(
            lambda pk=redeemed.pk: cancellation.cancel(redeemed_reward_id=pk, actor=STAFF, now=NOW),
            lambda use=use: usage.record_order_use(use=use, actor=actors.shop(connection.pk), now=NOW),
        )

        redeemed.refresh_from_db()
        assert (redeemed.fulfillment_status, redeemed.usage_status) == ("issued", "used")
    assert balance(customer) == 0


def test_every_pair_of_writers_leaves_the_ledger_proved():
    customer, product = CustomerFactory(), PointsProductFactory(reward=GiftFactory())
    give(customer, 5000)
    redeemed = [redeem(customer, product)() for _ in range(4)]
    hold = ledger.hold(customer_id=customer.pk, points=10, cause=Cause(CauseType.API, 1), actor=STAFF, now=NOW)

    results = race(
        *(redeem(customer, product) for _ in range(4)),
        *(lambda pk=each.pk: cancellation.cancel(redeemed_reward_id=pk, actor=STAFF, now=NOW) for each in redeemed),
        lambda: adjustments.adjust(customer_id=customer.pk, points=-7, actor=STAFF, now=NOW),
        lambda: adjustments.adjust(customer_id=customer.pk, points=9, actor=STAFF, now=NOW),
        lambda: ledger.release(hold_id=hold.pk, now=NOW),
        lambda: ledger.release(hold_id=hold.pk, now=NOW),
    )

    assert kinds_of_failure(results) == set()
    assert balance(customer) == 5000 - 4 * 100 + 2


def test_changing_the_limit_while_redeeming_counts_every_piece():
    reward = GiftFactory(limit_total=None)
    product = PointsProductFactory(reward=reward)
    customers = CustomerFactory.create_batch(6)
    for customer in customers:
        give(customer, 100)

    race(
        *(redeem(customer, product) for customer in customers),
        lambda: limits.set_total(reward_id=reward.pk, limit=10, now=NOW),
    )

    taken = RedeemedReward.objects.filter(reward=reward, takes_place=True).count()
    assert RewardStock.objects.get(reward=reward).left == 10 - taken


def test_orders_of_one_buyer_with_a_shared_code_each_use_a_reward_of_their_own():
    customer, product = CustomerFactory(), PointsProductFactory(reward__connection=ConnectionFactory())
    give(customer, 100 * THREADS)
    code = RewardCode.objects.create(
        connection=product.reward.connection, code="ALL", canonical="ALL", created_at=NOW, is_shared=True
    )
    for _ in range(THREADS):
        row(at=NOW, customer=customer, reward=product.reward, connection=product.reward.connection, code=code)
    uses = [
        OrderUse(
            connection_id=product.reward.connection_id,
            order_id=str(number),
            code="ALL",
            used_at=NOW,
            customer_id=customer.pk,
        )
        for number in range(THREADS)
    ]

    results = race(*[lambda use=use: usage.record_order_use(use=use, actor=STAFF, now=NOW) for use in uses])

    assert results == [usage.OrderVerdict.USED] * THREADS
    assert RedeemedReward.objects.filter(usage_status="used").values("used_order_id").distinct().count() == THREADS
