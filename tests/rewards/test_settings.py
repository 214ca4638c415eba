"""Settings of a reward: when it is seen, when its code begins, who gets how many, and how much may be outstanding."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from loyalty.common import actors
from loyalty.customers.models import Customer, Tier
from loyalty.merchant.models import Programme
from rewards import cancellation, catalogue, granting, limits, offering, redemption, usage, value_codes
from rewards.limits import RewardNotAvailable
from rewards.models import RedeemedReward
from rewards.usage import OrderUse, OrderVerdict, UsageRefused
from tests.factories.catalogue import (
    GiftCardFactory,
    GiftFactory,
    PointsProductFactory,
    RewardFactory,
    RewardTextFactory,
    ValueCodeFactory,
)
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]
STAFF = actors.staff(1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def customer():
    member = CustomerFactory()
    give(member, 1000, now=NOW - 90 * DAY)
    return member


def redeem(customer, product, now=NOW):
    return redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=now)


def refused(customer, product, now=NOW):
    with pytest.raises(RewardNotAvailable) as refusal:
        redeem(customer, product, now=now)
    return refusal.value.code


def offers(customer, now=NOW):
    return {offer.points_product_id: offer for offer in catalogue.offers(customer_id=customer.pk, now=now)}


@pytest.mark.parametrize(
    ("windows", "seen", "code"),
    [
        ({"active_from": NOW + HOUR}, False, ""),
        ({"active_from": NOW + HOUR, "visible_from": NOW}, True, "reward_not_started"),
        ({"active_until": NOW, "visible_until": NOW + HOUR}, True, "reward_ended"),
        ({"visible_from": NOW + HOUR}, False, ""),
        ({"visible_until": NOW}, False, ""),
        ({"visible_until": NOW + HOUR}, True, ""),
    ],
)
def test_a_reward_is_seen_in_its_time_of_visibility_and_redeemed_in_its_window(customer, windows, seen, code):
    product = PointsProductFactory(reward=GiftFactory(**windows))

    found = offers(customer)

    assert (product.pk in found) is seen
    if code:
        assert (found[product.pk].reason_code, refused(customer, product)) == (code, code)
    elif seen:
        assert redeem(customer, product).fulfillment_status == "issued"


def test_a_code_begins_with_its_day_and_lives_from_then_on_in_the_programmes_zone(customer, connection, shop):
    Programme.objects.update_or_create(pk=1, defaults={"time_zone": "Europe/Warsaw"})
    product = PointsProductFactory(reward=RewardFactory(days_inactive=10, days_valid=20, connection=connection))

    redeemed = redeem(customer, product)

    assert redeemed.starts_at == datetime(2026, 11, 30, 23, 0, tzinfo=UTC)
    assert redeemed.expires_at == datetime(2026, 12, 21, 23, 0, tzinfo=UTC)
    assert shop.codes(redeemed.code.code)[0]["starts_at"].startswith("2026-11-30T23:00:00")


def test_a_code_is_not_marked_used_before_it_begins_and_says_when_it_does(customer):
    redeemed = redeem(customer, PointsProductFactory(reward=RewardFactory(days_inactive=3)))

    with pytest.raises(
        UsageRefused, match="is not valid before 24 Nov 2026, 00:00: until then it cannot be marked used"
    ):
        usage.mark_used(redeemed_reward_id=redeemed.pk, actor=STAFF, now=redeemed.starts_at - timedelta(seconds=1))
    usage.mark_used(redeemed_reward_id=redeemed.pk, actor=STAFF, now=redeemed.starts_at)

    redeemed.refresh_from_db()
    assert redeemed.usage_status == "used"


def test_a_value_code_is_not_spent_before_it_begins(customer):
    redeemed = redeem(customer, PointsProductFactory(reward=ValueCodeFactory(days_inactive=3)))

    with pytest.raises(UsageRefused, match="is not valid before"):
        value_codes.spend(redeemed_reward_id=redeemed.pk, amount=Decimal(1), actor=STAFF, now=NOW)


def test_what_an_order_did_is_a_fact_also_before_the_code_begins(customer, connection):
    redeemed = redeem(customer, PointsProductFactory(reward=RewardFactory(days_inactive=3, connection=connection)))
    use = OrderUse(connection_id=connection.pk, order_id="1", code=redeemed.code.code, used_at=NOW)

    assert usage.record_order_use(use=use, actor=STAFF, now=NOW) == OrderVerdict.USED
    usage.mark_unused(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)


@pytest.mark.parametrize(
    ("period", "still", "again"),
    [
        ("day", datetime(2026, 11, 21, 22, 59, tzinfo=UTC), datetime(2026, 11, 21, 23, 0, tzinfo=UTC)),
        ("week", datetime(2026, 11, 22, 22, 59, tzinfo=UTC), datetime(2026, 11, 22, 23, 0, tzinfo=UTC)),
        ("month", datetime(2026, 11, 30, 22, 59, tzinfo=UTC), datetime(2026, 11, 30, 23, 0, tzinfo=UTC)),
    ],
)
def test_the_limit_per_period_ends_with_the_period_in_the_programmes_zone(customer, period, still, again):
    Programme.objects.update_or_create(pk=1, defaults={"time_zone": "Europe/Warsaw"})
    product = PointsProductFactory(reward=GiftFactory(limit_per_period=2, period=period))
    redeem(customer, product)
    redeem(customer, product)

    assert refused(customer, product, now=still) == "period_limit_reached"
    assert offers(customer, still)[product.pk].reason == (
        f"This reward can be had 2 times a {period} per customer, and that has been reached."
    )
    assert offers(customer, again)[product.pk].available
    assert redeem(customer, product, now=again).fulfillment_status == "issued"


def test_a_canceled_reward_frees_its_place_in_the_period_and_grants_count(customer):
    product = PointsProductFactory(reward=GiftFactory(limit_per_period=1, period="day"))
    granted = granting.grant(customer_id=customer.pk, reward_id=product.reward_id, actor=STAFF, now=NOW)

    assert refused(customer, product) == "period_limit_reached"
    cancellation.cancel(redeemed_reward_id=granted.pk, actor=STAFF, now=NOW)

    assert redeem(customer, product).fulfillment_status == "issued"


def test_a_restricted_reward_is_seen_and_redeemed_by_its_list_alone_and_given_to_anybody(customer):
    other = CustomerFactory()
    give(other, 100)
    product = PointsProductFactory(reward=GiftFactory(restricted=True))
    offering.set_audience(reward_id=product.reward_id, customer_ids=[customer.pk])

    assert (product.pk in offers(customer), product.pk in offers(other)) == (True, False)
    with pytest.raises(catalogue.UnknownReward):
        catalogue.offer(customer_id=other.pk, points_product_id=product.pk, now=NOW)
    assert refused(other, product) == "not_in_audience"
    assert redeem(customer, product).fulfillment_status == "issued"
    granted = granting.grant(customer_id=other.pk, reward_id=product.reward_id, actor=STAFF, now=NOW)
    assert granted.fulfillment_status == "issued"


def test_a_reward_for_tiers_is_seen_and_redeemed_by_those_in_them_as_long_as_they_are(customer):
    gold, silver = Tier.objects.create(name="Gold", rank=2), Tier.objects.create(name="Silver", rank=1)
    other, nobody = CustomerFactory(tier=silver), CustomerFactory()
    Customer.objects.filter(pk=customer.pk).update(tier=gold)
    give(other, 100)
    product = PointsProductFactory(reward=GiftFactory(restricted=True))
    offering.set_tiers(reward_id=product.reward_id, tier_ids=[gold.pk])

    assert [product.pk in offers(who) for who in (customer, other, nobody)] == [True, False, False]
    assert refused(other, product) == "not_in_audience"
    assert redeem(customer, product).fulfillment_status == "issued"
    Customer.objects.filter(pk=customer.pk).update(tier=silver)

    assert product.pk not in offers(customer)
    assert refused(customer, product) == "not_in_audience"


def test_a_reward_for_a_tier_and_a_list_is_for_both(customer):
    gold = Tier.objects.create(name="Gold", rank=2)
    golden, other = CustomerFactory(tier=gold), CustomerFactory()
    product = PointsProductFactory(reward=GiftFactory(restricted=True))
    offering.set_tiers(reward_id=product.reward_id, tier_ids=[gold.pk])
    offering.set_audience(reward_id=product.reward_id, customer_ids=[customer.pk])

    assert [product.pk in offers(who) for who in (customer, golden, other)] == [True, True, False]


def test_the_tiers_are_what_was_set_last():
    gold, silver = Tier.objects.create(name="Gold", rank=2), Tier.objects.create(name="Silver", rank=1)
    reward = GiftFactory(restricted=True)

    offering.set_tiers(reward_id=reward.pk, tier_ids=[gold.pk])
    offering.set_tiers(reward_id=reward.pk, tier_ids=[silver.pk])

    assert list(reward.tiers.values_list("tier__name", flat=True)) == ["Silver"]


def test_the_brand_is_kept_as_it_was_when_it_was_redeemed(customer):
    product = PointsProductFactory(reward=GiftFactory())
    text = RewardTextFactory(reward=product.reward, brand="Oat & Slate")

    assert offers(customer)[product.pk].brand == "Oat & Slate"
    redeemed = redeem(customer, product)
    text.brand = "Another"
    text.save()

    assert RedeemedReward.objects.get(pk=redeemed.pk).brand == "Oat & Slate"


def test_the_list_is_what_was_set_last(customer):
    other, reward = CustomerFactory(), GiftFactory(restricted=True)

    offering.set_audience(reward_id=reward.pk, customer_ids=[customer.pk])
    offering.set_audience(reward_id=reward.pk, customer_ids=[other.pk])

    assert list(reward.audience.values_list("customer_id", flat=True)) == [other.pk]


def test_no_more_value_is_out_than_the_limit_and_what_is_used_expired_or_canceled_is_not(customer):
    product = PointsProductFactory(reward=RewardFactory(liability_limit=Decimal(10), days_valid=0))
    first = redeem(customer, product)
    second = redeem(customer, product)

    assert refused(customer, product) == "liability_limit_reached"
    assert RedeemedReward.objects.count() == 2
    usage.mark_used(redeemed_reward_id=first.pk, actor=STAFF, now=NOW)
    third = redeem(customer, product)
    cancellation.cancel(redeemed_reward_id=third.pk, actor=STAFF, now=NOW)
    redeem(customer, product)
    assert refused(customer, product) == "liability_limit_reached"
    assert limits.outstanding(reward_id=product.reward_id, now=NOW) == Decimal(10)
    assert limits.outstanding(reward_id=product.reward_id, now=second.expires_at) == Decimal(0)


def test_of_a_value_code_what_remains_is_outstanding_and_of_a_gift_card_all(customer):
    value, card = (PointsProductFactory(reward=factory()) for factory in (ValueCodeFactory, GiftCardFactory))
    spent = redeem(customer, value)
    redeem(customer, card)

    value_codes.spend(redeemed_reward_id=spent.pk, amount=Decimal("7.50"), actor=STAFF, now=NOW)

    assert limits.outstanding(reward_id=value.reward_id, now=NOW) == Decimal("12.50")
    assert limits.outstanding(reward_id=card.reward_id, now=NOW) == Decimal(25)


def test_a_gift_counts_with_its_tax_value_and_a_grant_is_limited_too(customer):
    reward = GiftFactory(tax_value=Decimal("2.50"), liability_limit=Decimal("2.50"))
    granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=STAFF, now=NOW)

    with pytest.raises(RewardNotAvailable, match="waiting to be used"):
        granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=STAFF, now=NOW)


@pytest.mark.parametrize(
    ("language", "offered", "kept"),
    [
        (
            "en",
            "Mine.\n\nFor orders of $40 or more. It is valid for 30 days, to the end of the last one.",
            "Mine.\n\nFor orders of $40 or more. Valid until 21 December 2026.",
        ),
        (
            "de",
            "Mine.\n\nAb einem Bestellwert von 40\u00a0$. 30 Tage gültig, bis zum Ende des letzten.",
            "Mine.\n\nAb einem Bestellwert von 40\u00a0$. Gültig bis 21.12.2026.",
        ),
        (
            "ja",
            "Mine.\n\n$40以上のご注文でご利用いただけます。有効期間は30日間です。",
            "Mine.\n\n$40以上のご注文でご利用いただけます。2026年12月21日まで有効です。",
        ),
    ],
)
def test_the_terms_are_the_merchants_and_sentences_from_the_rewards_own_figures(customer, language, offered, kept):
    customer.language = language
    customer.save()
    product = PointsProductFactory(reward=RewardFactory(minimum_order=Decimal(40), days_valid=30))
    RewardTextFactory(reward=product.reward, language=language, terms="Mine.")

    assert offers(customer)[product.pk].terms == offered
    assert redeem(customer, product).terms == kept


def test_terms_without_figures_are_the_merchants_alone(customer):
    product = PointsProductFactory(reward=RewardFactory())
    RewardTextFactory(reward=product.reward, terms="Mine.")

    assert (offers(customer)[product.pk].terms, redeem(customer, product).terms) == ("Mine.", "Mine.")


def test_categories_are_made_by_their_names():
    reward, other = RewardFactory(), RewardFactory()
    offering.set_categories(reward_id=reward.pk, names=["Garden", "Spring"])
    offering.set_categories(reward_id=other.pk, names=["Spring"])

    offering.set_categories(reward_id=reward.pk, names=["Spring"])

    assert [category.name for category in reward.categories.all()] == ["Spring"]
    assert other.categories.get() == reward.categories.get()
