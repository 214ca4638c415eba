"""A pool hands out each of its codes once, never one whose time has not come or is over, and tells when few are left."""

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.points import queries as points
from rewards import cancellation, catalogue, granting, issuing, pools, redemption
from rewards.limits import RewardNotAvailable
from rewards.models import (
    CodePool,
    EvidenceKind,
    FulfillmentStatus,
    IssueWork,
    RedeemedReward,
    Reward,
    RewardCode,
)
from tests.factories.catalogue import GiftFactory, PointsProductFactory, RewardFactory
from tests.factories.points import NOW
from tests.factories.pools import fill

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ledger_stays_proved")]

STAFF = actors.staff(7)
DAY = timedelta(days=1)


@pytest.fixture
def product(db):
    """5 off that no shop knows, for 100 points."""
    return PointsProductFactory()


@pytest.fixture
def in_shop(connection):
    """The same in the sandbox shop."""
    return PointsProductFactory(reward__connection=connection)


def redeem(customer, product, *, now=NOW, **more):
    return redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=now, deadline=0.5, **more
    )


def balance(customer):
    return points.balance(customer_id=customer.pk, now=NOW).balance


def free(reward, *, now=NOW):
    return pools.figures(reward_id=reward.pk, now=now).free


class TestHandingOut:
    def test_gives_the_code_that_ends_soonest(self, product, customer):
        fill(product.reward, "ENDLESS")
        fill(product.reward, "LATE", ends_at=NOW + 9 * DAY)
        fill(product.reward, "SOON", ends_at=NOW + 2 * DAY)

        got = [redeem(customer, product).code.code, redeem(customer, product).code.code]

        assert got == ["SOON", "LATE"]
        assert list(RewardCode.objects.filter(taken_at=NOW).order_by("id").values_list("code", flat=True)) == [
            "LATE",
            "SOON",
        ]

    def test_never_gives_a_code_before_its_start_or_from_its_end_on(self, product, customer):
        fill(product.reward, "OVER", ends_at=NOW)
        fill(product.reward, "NOT-YET", starts_at=NOW + pools_tick(), ends_at=NOW + DAY)

        with pytest.raises(RewardNotAvailable) as refusal:
            redeem(customer, product)

        assert refusal.value.code == "pool_empty"
        assert redeem(customer, product, now=NOW + pools_tick()).code.code == "NOT-YET"

    def test_ends_the_reward_with_the_code_when_that_is_sooner(self, product, customer):
        product.reward.days_valid = 30
        product.reward.save()
        fill(product.reward, "ENDS", ends_at=NOW + DAY)
        fill(product.reward, "STAYS", ends_at=NOW + 90 * DAY)

        first, second = redeem(customer, product), redeem(customer, product)

        assert first.expires_at == NOW + DAY
        assert NOW + 30 * DAY < second.expires_at <= NOW + 31 * DAY

    def test_refuses_from_an_empty_pool_and_does_nothing_half(self, product, customer, rows):
        fill(product.reward, "ONLY")
        redeem(customer, product)

        with pytest.raises(RewardNotAvailable) as refusal:
            redeem(customer, product)

        assert refusal.value.sentence == (
            "No code of this reward is left just now. Nothing was spent; please try again later."
        )
        assert (rows(), balance(customer), IssueWork.objects.count()) == (1, 150, 0)

    def test_is_sold_out_in_the_catalogue_while_it_is_empty(self, product, customer):
        fill(product.reward, "LATER", starts_at=NOW + DAY)

        before, after = (catalogue.offers(customer_id=customer.pk, now=at)[0] for at in (NOW, NOW + DAY))

        assert (before.reason_code, before.reason, after.available) == ("pool_empty", "This reward is sold out.", True)

    def test_refuses_a_grant_from_an_empty_pool_too(self, product, customer, rows):
        CodePool.objects.create(reward=product.reward, created_at=NOW)

        with pytest.raises(RewardNotAvailable):
            granting.grant(customer_id=customer.pk, reward_id=product.reward_id, actor=STAFF, now=NOW)

        assert rows() == 0

    def test_leaves_codes_of_other_rewards_alone(self, product, customer):
        fill(RewardFactory(), "FOREIGN")
        fill(product.reward)

        with pytest.raises(RewardNotAvailable):
            redeem(customer, product)

    def test_hands_out_nothing_of_another_shop_than_the_rewards(self, product, customer, connection):
        fill(product.reward, "OLD-SHOP")
        Reward.objects.filter(pk=product.reward_id).update(connection=connection)

        with pytest.raises(RewardNotAvailable):
            redeem(customer, product)

        with pytest.raises(pools.NoPool, match="codes of another shop"):
            pools.require_codes(reward_id=product.reward_id)

    def test_makes_codes_one_by_one_while_the_pool_is_not_in_use(self, product, customer):
        fill(product.reward, "READY")
        pools.configure(reward_id=product.reward_id, in_use=False, warn_below=5, actor=STAFF, now=NOW)

        assert redeem(customer, product).code.pool_id is None
        assert RewardCode.objects.get(code="READY").taken_at is None

    def test_does_not_hand_out_again_what_was_canceled(self, product, customer):
        fill(product.reward, "SEEN")
        redeemed = redeem(customer, product)

        cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)

        assert balance(customer) == 250
        with pytest.raises(RewardNotAvailable):
            redeem(customer, product)

    def test_takes_one_statement_and_one_reading(self, product):
        fill(product.reward, "A", "B")

        with CaptureQueriesContext(database) as queries:
            pools.draw(reward=product.reward, now=NOW)

        assert len(queries) == 2


class TestInAShop:
    def test_makes_the_code_there_when_the_shop_lacks_it(self, in_shop, customer, shop):
        fill(in_shop.reward, "HELLO-1")

        redeemed = redeem(customer, in_shop)

        assert redeemed.fulfillment_status == FulfillmentStatus.ISSUED
        assert shop.codes("HELLO-1")[0]["reference"] == redeemed.reference

    def test_takes_the_code_that_the_shop_has_already(self, in_shop, customer, shop):
        shop.create_code("READY-1", kind="fixed_amount", amount="5.00")
        fill(in_shop.reward, "ready-1")

        redeemed = redeem(customer, in_shop)

        assert redeemed.fulfillment_status == FulfillmentStatus.ISSUED
        assert list(redeemed.code.evidence.values_list("kind", flat=True)) == [EvidenceKind.FOUND]

    @pytest.mark.parametrize("unfit", ["another value", "switched off"])
    def test_fails_aloud_when_the_shops_code_is_another(self, in_shop, customer, shop, unfit):
        wrong = f"WRONG-{len(unfit)}"
        shop.create_code(wrong, kind="fixed_amount", amount="7.00" if unfit == "another value" else "5.00")
        if unfit == "switched off":
            shop.disable_code(wrong)
        fill(in_shop.reward, wrong, "NEXT-1")

        with pytest.raises(redemption.RedemptionFailed):
            redeem(customer, in_shop)

        failed = RedeemedReward.objects.get()
        assert failed.failure_code == "pool_code_unfit"
        assert wrong in failed.failure_reason
        assert (balance(customer), free(in_shop.reward)) == (250, 1)

    def test_takes_the_code_back_when_nothing_reached_the_shop(self, in_shop, customer):
        in_shop.reward.connection.base_url = "http://127.0.0.1:9"
        in_shop.reward.connection.save()
        fill(in_shop.reward, "UNSEEN")

        with pytest.raises(redemption.RedemptionFailed):
            redeem(customer, in_shop)

        failed = RedeemedReward.objects.get()
        assert (failed.failure_code, failed.code, failed.debit) == ("not_sent", None, None)
        assert (balance(customer), free(in_shop.reward)) == (250, 1)

    def test_keeps_the_code_out_when_the_shop_has_refused_it(self, in_shop, customer, shop):
        fill(in_shop.reward, "REFUSED BY THE SHOP")

        with pytest.raises(redemption.RedemptionFailed):
            redeem(customer, in_shop)

        assert RedeemedReward.objects.get().code.code == "REFUSED BY THE SHOP"
        assert free(in_shop.reward) == 0


class TestWarning:
    def test_tells_once_each_time_a_pool_falls_below_its_threshold(self, product):
        fill(product.reward)
        fill(product.reward, "A", "B", "C")
        pools.configure(reward_id=product.reward_id, in_use=True, warn_below=3, actor=STAFF, now=NOW)
        told = Event.objects.filter(kind="pool.low")

        assert pools.watch(now=NOW) == 0
        pools.draw(reward=product.reward, now=NOW)
        assert (pools.watch(now=NOW), pools.watch(now=NOW + DAY)) == (1, 0)
        assert (told.get().subject_id, told.get().data) == (product.reward_id, {"free": 2, "warn_below": 3})
        fill(product.reward, "D")
        assert pools.watch(now=NOW + 2 * DAY) == 0
        assert CodePool.objects.get().low_since is None
        pools.draw(reward=product.reward, now=NOW + 2 * DAY)
        assert pools.watch(now=NOW + 3 * DAY) == 1
        assert told.count() == 2

    def test_hears_of_codes_that_only_the_clock_has_ended(self, product):
        fill(product.reward, "A", "B", ends_at=NOW + DAY)
        pools.configure(reward_id=product.reward_id, in_use=True, warn_below=1, actor=STAFF, now=NOW)

        assert (pools.watch(now=NOW), pools.watch(now=NOW + DAY)) == (0, 1)

    def test_is_silent_about_pools_that_are_not_in_use_and_at_zero(self, product):
        other = RewardFactory()
        for reward in (product.reward, other):
            fill(reward)
        pools.configure(reward_id=product.reward_id, in_use=False, warn_below=10, actor=STAFF, now=NOW)
        pools.configure(reward_id=other.pk, in_use=True, warn_below=0, actor=STAFF, now=NOW)

        assert pools.watch(now=NOW) == 0


def test_a_gift_has_no_pool(db):
    gift = GiftFactory()

    with pytest.raises(pools.NoPool, match="it has no codes"):
        pools.require_codes(reward_id=gift.pk)


def test_a_reward_without_a_pool_cannot_be_configured(product):
    with pytest.raises(pools.NoPool, match="no pool yet"):
        pools.configure(reward_id=product.reward_id, in_use=True, warn_below=1, actor=STAFF, now=NOW)


def test_a_waiting_grant_keeps_its_pool_code(in_shop, customer):
    fill(in_shop.reward, "MINE", "OTHER")

    redeemed = granting.grant(customer_id=customer.pk, reward_id=in_shop.reward_id, actor=STAFF, now=NOW)
    taken = issuing.take(redeemed_reward_id=redeemed.pk, now=NOW)
    issuing.work(claim=taken, now=NOW, patience=5)

    redeemed.refresh_from_db()
    assert (redeemed.fulfillment_status, redeemed.code.code) == (FulfillmentStatus.ISSUED, "MINE")


def pools_tick():
    return timedelta(microseconds=1)
