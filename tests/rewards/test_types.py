"""Reward types: what each needs, what a shop is asked for, and whether its use is tracked."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.points import queries as points
from rewards import delivery, granting, issuing, offering, redemption, usage
from rewards.models import RedeemedReward, Reward, RewardKind, RewardType, UsageStatus
from rewards.types import registry
from rewards.usage import OrderUse, OrderVerdict, UsageRefused
from tests.factories.catalogue import (
    CouponGiftFactory,
    CustomFactory,
    FreeProductFactory,
    GiftCardFactory,
    GiftFactory,
    InvitationFactory,
    PointsProductFactory,
    RewardFactory,
    RewardTextFactory,
    ValueCodeFactory,
)
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW, give
from tests.fakes.sandbox import ShopRefused

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]
STAFF = actors.staff(1)


def redeem(reward, customer=None):
    product = PointsProductFactory(reward=reward)
    customer = customer or CustomerFactory()
    give(customer, 100)
    return redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW)


def use(redeemed, order_id="1001"):
    seen = OrderUse(connection_id=redeemed.connection_id, order_id=order_id, code=redeemed.code.code, used_at=NOW)
    return usage.record_order_use(use=seen, actor=actors.shop(1), now=NOW)


def test_every_type_has_its_class_and_its_kind():
    assert set(registry.TYPES) == set(RewardType.values)
    assert {name: registry.type_of(name).kind for name in ("gift", "gift_card", "custom")} == {
        "gift": RewardKind.PHYSICAL,
        "gift_card": RewardKind.VIRTUAL,
        "custom": RewardKind.VIRTUAL,
    }
    assert sorted(name for kind in RewardKind for name in registry.OF_KIND[kind]) == sorted(RewardType.values)


def test_labels_are_those_staff_know():
    assert (RewardType.EVENT_INVITATION.label, RewardType.CUSTOM.label) == (
        "Invitation for the event",
        "Custom campaign",
    )


def test_a_further_type_needs_no_migration():
    for model in (Reward, RedeemedReward):
        _, _, _, arguments = model._meta.get_field("type").deconstruct()

        assert callable(arguments["choices"])


def test_a_free_product_is_made_in_the_shop_with_its_product(connection, shop):
    redeemed = redeem(FreeProductFactory(connection=connection))

    (code,) = shop.codes(redeemed.code.code)
    assert (code["kind"], code["product"]) == ("free_product", "mug")
    order = shop.checkout(redeemed.customer_email, product="mug", quantity=2, code=redeemed.code.code)
    assert (order["subtotal"], order["discount"]) == ("36.00", "18.00")


def test_a_product_the_shop_does_not_have_fails_with_its_sentence(connection):
    with pytest.raises(redemption.RedemptionFailed):
        redeem(FreeProductFactory(connection=connection, product_reference="unicorn"))

    assert "has no product 'unicorn'" in RedeemedReward.objects.get().failure_reason


def test_a_gift_card_is_money_the_shop_keeps_and_its_use_is_not_tracked(connection, shop):
    redeemed = redeem(GiftCardFactory(connection=connection))

    assert len(redeemed.code.code) == 16
    first = shop.checkout("anna@example.com", product="soap", code=redeemed.code.code)
    second = shop.checkout("anna@example.com", product="tote", code=redeemed.code.code)
    assert (first["discount"], second["discount"]) == ("13.90", "11.10")  # with delivery, to the last of the 25.00
    assert use(redeemed) == OrderVerdict.UNTRACKED
    redeemed.refresh_from_db()
    assert (redeemed.usage_status, redeemed.delivery_status) == ("untracked", "")


@pytest.mark.parametrize(("act", "words"), [(usage.mark_used, "marked used"), (usage.mark_unused, "marked unused")])
def test_an_untracked_reward_is_not_marked_and_says_why(act, words):
    redeemed = redeem(GiftCardFactory())

    with pytest.raises(UsageRefused) as refusal:
        act(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)

    assert refusal.value.sentence == (
        f"“Gift card” is not tracked, as only the shop knows what is left on a gift card: it cannot be {words}."
    )
    assert not Event.objects.filter(kind="reward.used").exists()


def test_an_untracked_reward_says_so_even_when_it_has_expired():
    redeemed = redeem(GiftCardFactory(days_valid=0))

    with pytest.raises(UsageRefused, match="not tracked"):
        usage.mark_used(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW + timedelta(days=9))


@pytest.mark.parametrize("factory", [InvitationFactory, CustomFactory])
def test_an_invitation_and_a_custom_reward_have_a_code_that_staff_mark_used(factory):
    redeemed = redeem(factory())

    usage.mark_used(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)

    redeemed.refresh_from_db()
    assert len(redeemed.code.code) == 10
    assert (redeemed.usage_status, redeemed.delivery_status) == ("used", "ordered")
    assert redeemed.action_url == redeemed.reward.action_url


def test_a_printed_coupon_is_ordered_at_once_and_used_by_an_order(connection, shop):
    redeemed = redeem(CouponGiftFactory(connection=connection))

    assert (redeemed.usage_status, redeemed.delivery_status) == ("unused", "ordered")
    assert redeemed.delivery.ordered_at is not None
    assert shop.codes(redeemed.code.code)[0]["percent"] == "10"
    delivery.ship(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)
    assert use(redeemed) == OrderVerdict.USED
    redeemed.refresh_from_db()
    assert (redeemed.usage_status, redeemed.delivery_status) == ("used", "shipped")


def test_the_use_of_a_printed_coupon_is_taken_back_while_its_parcel_goes_on(connection):
    redeemed = redeem(CouponGiftFactory(connection=connection))
    delivery.ship(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)
    use(redeemed)

    usage.mark_unused(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)

    redeemed.refresh_from_db()
    assert (redeemed.usage_status, redeemed.delivery_status) == ("unused", "shipped")


def test_a_changed_type_never_touches_what_was_redeemed():
    reward = ValueCodeFactory()
    redeemed = redeem(reward)

    reward.type, reward.amount = RewardType.CUSTOM, None
    reward.action_url = "https://shop.example/other"
    reward.save()

    redeemed.refresh_from_db()
    assert (redeemed.type, redeemed.amount, redeemed.remaining) == ("value_code", Decimal(20), Decimal(20))


@pytest.mark.parametrize(
    ("factory", "changes", "field", "sentence"),
    [
        (GiftCardFactory, {"amount": None}, "amount", "A gift card needs this. Say how much it is worth."),
        (RewardFactory, {"percent": 5}, "percent", "Leave this empty: a reward of type “discount code” has none."),
        (FreeProductFactory, {"product_reference": ""}, "product_reference", "Say which product of the shop is free."),
        (FreeProductFactory, {}, "connection", "A free product needs a shop: only a shop can give it. Choose one."),
        (CustomFactory, {"action_url": ""}, "action_url", "A custom campaign needs a link"),
        (RewardFactory, {"carries_code": True}, "carries_code", "Leave this empty"),
        (CouponGiftFactory, {"percent": None}, "amount", "Say what the printed coupon takes off"),
        (CouponGiftFactory, {"amount": 5}, "percent", "leave one of them empty."),
        (GiftFactory, {"amount": 5}, "amount", "Leave this empty: a reward of type “gift” has none."),
    ],
)
def test_what_is_missing_or_too_much_is_said_beside_its_field(factory, changes, field, sentence):
    reward = factory.build(**changes)

    assert sentence in offering.problems(reward=reward)[field]


@pytest.mark.parametrize("factory", [GiftFactory, ValueCodeFactory, InvitationFactory, CustomFactory])
def test_what_no_shop_makes_takes_no_shop(factory):
    reward = factory.build(connection=ConnectionFactory())

    assert "Leave this empty: no shop makes" in offering.problems(reward=reward)["connection"]
    with pytest.raises(IntegrityError), transaction.atomic():
        reward.save()


@pytest.mark.parametrize(
    ("factory", "what"),
    [(FreeProductFactory, "cannot make a free product"), (GiftCardFactory, "cannot make a gift card")],
)
def test_a_shop_that_cannot_make_it_is_refused_with_a_sentence(factory, what):
    shop = ConnectionFactory(name="Paris", platform="vendure")

    assert what in offering.problems(reward=factory.build(connection=shop))["connection"]
    assert offering.problems(reward=factory.build(connection=ConnectionFactory())) == {}


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "free_product", "amount": None},
        {"type": "custom", "amount": None},
        {"type": "gift", "amount": Decimal(5)},
        {"type": "event_invitation", "amount": Decimal(5)},
        {"carries_code": True},
        {"type": "gift", "carries_code": True, "amount": None},
        {"product_reference": "mug"},
    ],
)
def test_the_database_refuses_what_does_not_fit_the_type(broken):
    with pytest.raises(IntegrityError), transaction.atomic():
        RewardFactory(**broken)


def test_the_database_keeps_gift_cards_untracked_and_remains_within_bounds():
    card, value = redeem(GiftCardFactory()), redeem(ValueCodeFactory())

    for row, change in (
        (card, {"usage_status": UsageStatus.UNUSED}),
        (value, {"remaining": Decimal("20.01")}),
        (value, {"remaining": Decimal("-0.01")}),
        (value, {"remaining": None}),
        (value, {"remaining": Decimal(0)}),
        (card, {"remaining": Decimal(1)}),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            RedeemedReward.objects.filter(pk=row.pk).update(**change)


def test_a_granted_gift_card_is_made_by_a_worker(connection, shop):
    granted = granting.grant(
        customer_id=CustomerFactory().pk, reward_id=GiftCardFactory(connection=connection).pk, actor=STAFF, now=NOW
    )

    issuing.work(claim=issuing.take(redeemed_reward_id=granted.pk, now=NOW), now=NOW, patience=5)

    granted.refresh_from_db()
    assert (granted.fulfillment_status, granted.usage_status) == ("issued", "untracked")
    assert shop.codes(granted.code.code)[0]["usage_limit"] is None


def test_a_code_for_some_collections_works_for_them_alone_and_keeps_them(customer, connection, shop):
    reward = RewardFactory(connection=connection, collections=[["kitchen", "Kitchen"], ["bath", "Bath"]])
    product = PointsProductFactory(reward=reward)
    RewardTextFactory(reward=reward)

    redeemed = redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW)
    reward.collections = []
    reward.save()

    made = shop.codes(redeemed.code.code)[0]
    assert made["collections"] == ["bath", "kitchen"]
    assert RedeemedReward.objects.get().collections == [["kitchen", "Kitchen"], ["bath", "Bath"]]
    assert "Only for products in Kitchen and Bath." in redeemed.terms
    with pytest.raises(ShopRefused, match="needs a product of Bath or Kitchen in your cart"):
        shop.checkout(customer.email, product="candle", code=redeemed.code.code)
    assert shop.checkout(customer.email, product="soap", code=redeemed.code.code)["discount"] == "5.00"


def test_a_collection_the_shop_does_not_have_costs_nothing(customer, connection):
    product = PointsProductFactory(reward=RewardFactory(connection=connection, collections=[["moon", "Moon"]]))

    with pytest.raises(redemption.RedemptionFailed):
        redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW)

    attempt = RedeemedReward.objects.get()
    assert (attempt.failure_code, points.balance(customer_id=customer.pk, now=NOW).balance) == ("invalid", 250)
    assert "The shop has no collection 'moon'" in attempt.failure_reason


def test_a_code_of_no_shop_says_its_conditions_in_its_terms(customer):
    reward = RewardFactory(collections=[["kitchen", "Kitchen"]], combines_with=["shipping"])
    product = PointsProductFactory(reward=reward)

    redeemed = redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW)

    assert redeemed.terms == "Only for products in Kitchen. It can be combined with shipping discounts."
    spec = registry.type_of(redeemed.type).spec(redeemed, "CODE")
    assert (spec.collections, spec.combines_with) == (("kitchen",), {"shipping"})
