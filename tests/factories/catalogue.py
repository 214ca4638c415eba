"""Rewards for tests."""

from decimal import Decimal

import factory

from rewards.models import PointsProduct, Reward, RewardText, RewardType
from tests.factories.people import PayoutAccountFactory


class RewardFactory(factory.django.DjangoModelFactory):
    """A discount of 5 that no shop knows, switched on."""

    class Meta:
        model = Reward

    name = "5 off"
    type = RewardType.DISCOUNT_CODE
    amount = Decimal("5.00")
    currency = "USD"
    enabled = True


class GiftFactory(RewardFactory):
    name = "A mug"
    type = RewardType.GIFT
    amount = None
    tax_value = Decimal("2.50")


class RewardTextFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = RewardText

    reward = factory.SubFactory(RewardFactory)
    language = "en"
    name = "$5 off"


class PointsProductFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = PointsProduct

    reward = factory.SubFactory(RewardFactory)
    points_price = 100


class GiftCardFactory(RewardFactory):
    name = "Gift card"
    type = RewardType.GIFT_CARD
    amount = Decimal("25.00")


class ValueCodeFactory(RewardFactory):
    name = "Value code"
    type = RewardType.VALUE_CODE
    amount = Decimal("20.00")


class InvitationFactory(RewardFactory):
    name = "Garden evening"
    type = RewardType.EVENT_INVITATION
    amount = None


class CustomFactory(RewardFactory):
    name = "The back room"
    type = RewardType.CUSTOM
    amount = None
    action_url = "https://shop.example/back-room"


class FreeProductFactory(RewardFactory):
    """Give it a shop."""

    name = "A free mug"
    type = RewardType.FREE_PRODUCT
    amount = None
    product_reference = "mug"


class CouponGiftFactory(GiftFactory):
    """A parcel with a coupon of 10% in it."""

    name = "A card with a coupon"
    carries_code = True
    percent = Decimal(10)


class VariablePriceFactory(PointsProductFactory):
    """100 points buy 2, from 200 to 800 points."""

    reward = factory.SubFactory(RewardFactory, amount=None)
    exchange_type = "variable"
    points_price = None
    variable_points_step = 100
    variable_points_step_reward_value = 2
    variable_points_min = 200
    variable_points_max = 800


class CashbackFactory(RewardFactory):
    """5 in money, paid by hand unless another account is given."""

    name = "5 back"
    type = RewardType.CASHBACK
    payout_account = factory.SubFactory(PayoutAccountFactory)
