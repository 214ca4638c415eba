"""Rewards for tests."""

from decimal import Decimal

import factory

from rewards.models import PointsProduct, Reward, RewardText, RewardType


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
