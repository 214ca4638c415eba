"""What kinds of things a reward can be. `rewards.types` says what each of them needs and does."""

from django.db import models


class RewardKind(models.TextChoices):
    """What reaches the customer: something to type or show, a parcel, or money."""

    VIRTUAL = "virtual", "Virtual"
    PHYSICAL = "physical", "Physical"
    CASHBACK = "cashback", "Cashback"


class RewardType(models.TextChoices):
    PERCENTAGE_DISCOUNT = "percentage_discount", "Percentage discount code"
    DISCOUNT_CODE = "discount_code", "Discount code"
    FREE_DELIVERY = "free_delivery", "Free delivery"
    FREE_PRODUCT = "free_product", "Free product"
    VALUE_CODE = "value_code", "Value code"
    GIFT_CARD = "gift_card", "Gift card"
    GIFT = "gift", "Gift"
    EVENT_INVITATION = "event_invitation", "Invitation for the event"
    CASHBACK = "cashback", "Cashback"
    CUSTOM = "custom", "Custom campaign"


def reward_types() -> list[tuple[str, str]]:
    """The choices of the columns: a function, so that a further type needs no migration."""
    return RewardType.choices
