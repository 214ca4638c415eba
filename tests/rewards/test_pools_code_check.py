"""The check of a code tells what it is, whose, and in which state since when, to whoever knows it whole."""

from datetime import timedelta

import pytest

from loyalty.common import actors
from rewards import cancellation, code_check, pools, redemption, usage
from rewards.models import RedeemedReward, RewardCode
from tests.factories.catalogue import PointsProductFactory, RewardFactory
from tests.factories.people import ConnectionFactory
from tests.factories.points import NOW
from tests.factories.pools import fill

pytestmark = pytest.mark.django_db

STAFF = actors.staff(7)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def told(code, *, now=NOW):
    (found,) = code_check.check(code=code, now=now)
    return found.state, found.since


@pytest.fixture
def redeemed(customer):
    product = PointsProductFactory(reward__days_valid=3)
    fill(product.reward, "Mine-1", ends_at=NOW + 2 * DAY)
    return redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW)


def test_knows_a_code_however_it_is_typed_and_only_the_whole_of_it(redeemed):
    (found,) = code_check.check(code=" mine-1 ", now=NOW)

    assert (found.holder, found.reward_id, found.reward_name) == (redeemed, redeemed.reward_id, "5 off")
    assert [code_check.check(code=part, now=NOW) for part in ("MINE", "MINE-", "M%", "", "MINE-1\x00")] == [[]] * 5


def test_tells_the_life_of_a_customers_code(redeemed):
    assert told("MINE-1") == ("issued", NOW)
    assert told("MINE-1", now=NOW + 2 * DAY) == ("expired", NOW + 2 * DAY)
    usage.mark_used(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW + HOUR)
    assert told("MINE-1", now=NOW + HOUR) == ("used", NOW + HOUR)
    usage.mark_unused(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW + 2 * HOUR)
    cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW + 3 * HOUR)
    state, since = told("MINE-1", now=NOW + 4 * HOUR)
    assert state == "cancelled"
    assert since >= NOW + 3 * HOUR


def test_calls_only_what_a_customer_can_use_now_usable(redeemed):
    fill(redeemed.reward, "WAITS")

    assert [code_check.check(code=code, now=NOW)[0].is_usable for code in ("MINE-1", "WAITS")] == [True, False]
    assert not code_check.check(code="MINE-1", now=NOW + 2 * DAY)[0].is_usable


def test_tells_codes_that_lie_in_a_pool_apart_by_the_clock():
    reward = RewardFactory()
    fill(reward, "READY")
    fill(reward, "TIMED", starts_at=NOW + DAY, ends_at=NOW + 3 * DAY)

    assert told("READY") == ("in_pool", NOW)
    assert told("TIMED") == ("not_yet", NOW)
    assert told("TIMED", now=NOW + 2 * DAY) == ("in_pool", NOW + DAY)
    assert told("TIMED", now=NOW + 3 * DAY) == ("over_in_pool", NOW + 3 * DAY)


def test_tells_a_code_that_was_set_aside():
    RewardCode.objects.create(code="ASIDE", canonical="ASIDE", created_at=NOW)
    reward = RewardFactory()
    fill(reward, "LEFT")
    pools.draw(reward=reward, now=NOW + DAY)

    assert told("ASIDE") == ("nobodys", NOW)
    assert told("LEFT", now=NOW + DAY) == ("nobodys", NOW + DAY)


def test_names_nobody_for_a_code_that_several_have(redeemed):
    RedeemedReward.objects.create(
        **{
            field.attname: getattr(redeemed, field.attname)
            for field in RedeemedReward._meta.concrete_fields
            if field.attname not in {"id", "hold_id", "debit_id", "origin"}
        },
        origin="staff",
    )

    (found,) = code_check.check(code="MINE-1", now=NOW)

    assert (found.state, found.holder, found.is_usable) == ("shared", None, True)


def test_finds_the_same_spelling_in_each_shop():
    fill(RewardFactory(), "TWIN")
    fill(RewardFactory(connection=ConnectionFactory()), "TWIN")

    assert len(code_check.check(code="twin", now=NOW)) == 2


def test_every_state_has_a_sentence():
    assert set(code_check.SENTENCES) == set(code_check.CodeState)
