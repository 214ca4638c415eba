"""Everything that can be set of a reward of the catalogue: as other systems say it, and as they read it."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from loyalty.api import errors, fields
from rewards import editing, offering
from rewards.models import Combination, Period, Reward, RewardAudience, RewardTier, RewardType

MOST_CUSTOMERS = 5_000
MOST_LISTED = 20
LARGEST = 2**31 - 1
PRICE = (*offering.OF_FIXED, *editing.OF_STEPS)
TEXT_NAMES = {
    "description": "short_description",
    "terms_and_conditions": "terms",
}  # as the wire has them, and the columns
PLAIN = tuple(sorted(editing.EDITABLE - {"name", "type", "enabled", "image_url", "collections"}))


def _money(digits: int = 12, help_text: str = "") -> serializers.DecimalField:
    return serializers.DecimalField(
        max_digits=digits, decimal_places=2, required=False, allow_null=True, help_text=help_text or None
    )


def _count(help_text: str = "") -> fields.WholeNumberField:
    return fields.WholeNumberField(required=False, allow_null=True, help_text=help_text or None)


def _instant(help_text: str = "") -> serializers.DateTimeField:
    return serializers.DateTimeField(required=False, allow_null=True, help_text=help_text or None)


class CollectionSerializer(serializers.Serializer):
    reference = fields.TrimmedTextField(max_length=120, help_text="As the shop names it: its id or handle.")
    name = fields.TrimmedTextField(max_length=120, help_text="As customers read it.")


class TextSerializer(serializers.Serializer):
    language = fields.WordField(choices=[code for code, _ in settings.LANGUAGES])
    name = fields.TrimmedTextField(max_length=160)
    description = fields.TextField(required=False, allow_blank=True, default="", max_length=500)
    usage_instructions = fields.TextField(required=False, allow_blank=True, default="", max_length=5000)
    terms_and_conditions = fields.TextField(required=False, allow_blank=True, default="", max_length=5000)
    action_text = fields.TextField(required=False, allow_blank=True, default="", max_length=60)
    brand = fields.TextField(required=False, allow_blank=True, default="", max_length=80, help_text="Whose it is.")


class ChangedRewardSerializer(serializers.Serializer):
    type = fields.WordField(choices=RewardType.choices, required=False)
    name = fields.TextField(
        required=False,
        max_length=120,
        help_text="For staff, and, without `texts`, for customers who read your language.",
    )
    description = fields.TextField(
        required=False, allow_blank=True, max_length=500, help_text="For customers, in the programme's language."
    )
    texts = serializers.ListField(
        child=TextSerializer(),
        required=False,
        max_length=MOST_LISTED,
        help_text="What customers read, one for each language, in place of all there are. Not beside `description`.",
    )
    enabled = serializers.BooleanField(required=False, help_text="Whether it can be redeemed or granted.")
    featured = serializers.BooleanField(required=False)
    connection_id = _count("The shop that makes its codes; null for what no shop makes.")
    payout_account_id = _count("Of a cashback: who sends the money.")
    points_price = _count("What it costs, from now on; null: it is only granted.")
    variable_points_step = _count("Of a cost that customers choose: points of one step.")
    variable_points_step_reward_value = _count("What each step buys, in whole units of the currency.")
    variable_points_min = _count("The fewest points: whole steps.")
    variable_points_max = _count("The most points: whole steps. Null: no limit.")
    percent = _money(5)
    amount = _money(help_text="In the currency of the shop.")
    tax_value = _money()
    currency = fields.TextField(
        required=False, max_length=3, help_text="A new one has that of its shop or account, else the programme's."
    )
    product_reference = fields.TextField(required=False, allow_blank=True, max_length=120)
    carries_code = serializers.BooleanField(required=False, help_text="Of a gift: it comes with a printed coupon.")
    minimum_order = _money()
    collections = serializers.ListField(
        child=CollectionSerializer(),
        required=False,
        max_length=MOST_LISTED,
        help_text="Of the shop, for which alone a code is good. None: for everything.",
    )
    combines_with = serializers.ListField(
        child=fields.WordField(choices=Combination.values), required=False, max_length=len(Combination)
    )
    prefix = fields.TextField(required=False, allow_blank=True, max_length=8, help_text="Of codes made from now on.")
    days_inactive = fields.WholeNumberField(required=False, help_text="Days before a code can be used.")
    days_valid = _count("Days a code lives once it can be used; null: for ever.")
    active_from = _instant("When it can be redeemed; null: at once.")
    active_until = _instant("Exclusive; null: for ever.")
    visible_from = _instant("When customers see it; both null: while it can be redeemed.")
    visible_until = _instant("Exclusive.")
    restricted = serializers.BooleanField(
        required=False, help_text="Only for the tiers and the customers that are named; nobody else sees it."
    )
    vip_tier_ids = serializers.ListField(
        child=fields.WholeNumberField(), required=False, max_length=100, help_text="In place of those there are."
    )
    customer_ids = serializers.ListField(
        child=fields.WholeNumberField(),
        required=False,
        max_length=MOST_CUSTOMERS,
        help_text=f"In place of those there are; at most {MOST_CUSTOMERS:,}.",
    )
    limit_total = _count("How many there are, those that are taken included; null: no limit.")
    limit_per_customer = _count()
    limit_per_period = _count("How many a customer gets in one period.")
    period = serializers.ChoiceField(
        choices=Period.values, required=False, allow_blank=True, help_text="In the programme's time zone."
    )
    liability_limit = _money(14, "The most that may be worth together what customers have and have not used.")
    daily_limit = _money(14, "Of a cashback: the most that is paid out in a day.")
    categories = serializers.ListField(
        child=fields.TrimmedTextField(max_length=60),
        required=False,
        max_length=MOST_LISTED,
        help_text="By name, in place of those there are. A new name makes a new one.",
    )
    labels = serializers.ListField(child=fields.TrimmedTextField(max_length=40), required=False, max_length=MOST_LISTED)
    image_url = fields.TextField(required=False, allow_blank=True, max_length=300)
    action_url = fields.TextField(required=False, allow_blank=True, max_length=300)


class NewRewardSerializer(ChangedRewardSerializer):
    type = fields.WordField(choices=RewardType.choices)
    name = fields.TextField(
        max_length=120, help_text="For staff, and, without `texts`, for customers who read your language."
    )


class RewardSettingsSerializer(serializers.Serializer):
    name = serializers.CharField(help_text="For staff.")
    texts = TextSerializer(many=True)
    featured = serializers.BooleanField()
    connection_id = serializers.IntegerField(allow_null=True)
    payout_account_id = serializers.IntegerField(allow_null=True)
    points_price = serializers.IntegerField(allow_null=True)
    variable_points_step = serializers.IntegerField(allow_null=True)
    variable_points_step_reward_value = serializers.IntegerField(allow_null=True)
    variable_points_min = serializers.IntegerField(allow_null=True)
    variable_points_max = serializers.IntegerField(allow_null=True)
    percent = serializers.DecimalField(max_digits=5, decimal_places=2, allow_null=True)
    amount = serializers.DecimalField(max_digits=12, decimal_places=2, allow_null=True)
    tax_value = serializers.DecimalField(max_digits=12, decimal_places=2, allow_null=True)
    currency = serializers.CharField()
    product_reference = serializers.CharField()
    carries_code = serializers.BooleanField()
    minimum_order = serializers.DecimalField(max_digits=12, decimal_places=2, allow_null=True)
    collections = CollectionSerializer(many=True)
    combines_with = serializers.ListField(child=serializers.ChoiceField(choices=Combination.values))
    prefix = serializers.CharField()
    days_inactive = serializers.IntegerField()
    days_valid = serializers.IntegerField(allow_null=True)
    active_from = fields.InstantField(allow_null=True)
    active_until = fields.InstantField(allow_null=True)
    visible_from = fields.InstantField(allow_null=True)
    visible_until = fields.InstantField(allow_null=True)
    restricted = serializers.BooleanField()
    vip_tier_ids = serializers.ListField(child=serializers.IntegerField())
    customers_listed = serializers.IntegerField(help_text="How many customers are named by `customer_ids`.")
    limit_total = serializers.IntegerField(allow_null=True)
    limit_per_customer = serializers.IntegerField(allow_null=True)
    limit_per_period = serializers.IntegerField(allow_null=True)
    period = serializers.ChoiceField(choices=["", *Period.values])
    liability_limit = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
    daily_limit = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
    categories = serializers.ListField(child=serializers.CharField())
    labels = serializers.ListField(child=serializers.CharField())
    action_url = serializers.CharField()


def said(given: dict[str, Any]) -> editing.Said:
    """What the body says, as the domain takes it. Raises Contradictory."""
    if "texts" in given and "description" in given:
        raise errors.Contradictory("description is one of the texts. Say it there, or leave texts out.")
    values = {name: value for name, value in given.items() if name in editing.EDITABLE}
    if "collections" in given:
        values["collections"] = [[each["reference"], each["name"]] for each in given["collections"]]
    texts = given.get("texts")
    return editing.Said(
        values=values,
        price={name: given[name] for name in PRICE if name in given},
        description=given.get("description"),
        texts=None if texts is None else [{TEXT_NAMES.get(k, k): v for k, v in each.items()} for each in texts],
        tier_ids=given.get("vip_tier_ids"),
        customer_ids=given.get("customer_ids"),
        categories=given.get("categories"),
    )


def settings_of(reward: Reward) -> Any:
    """All that can be set of one reward, as it is."""
    price = getattr(reward, "points_product", None)
    facts: dict[str, Any] = {name: getattr(reward, name) for name in PLAIN}
    facts |= {name: getattr(price, name, None) for name in PRICE}
    facts |= {
        "name": reward.name,
        "collections": [{"reference": reference, "name": name} for reference, name in reward.collections],
        "texts": [_words(text) for text in reward.texts.order_by("language", "pk")],
        "vip_tier_ids": list(
            RewardTier.objects.filter(reward=reward).order_by("tier_id").values_list("tier_id", flat=True)
        ),
        "customers_listed": RewardAudience.objects.filter(reward=reward).count(),
        "categories": list(reward.categories.order_by("position", "name").values_list("name", flat=True)),
    }
    return RewardSettingsSerializer(facts).data


def _words(text: Any) -> dict[str, str]:
    return {str(name): getattr(text, TEXT_NAMES.get(str(name), str(name))) for name in TextSerializer().fields}
