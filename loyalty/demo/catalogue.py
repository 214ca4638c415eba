"""The demo's rewards: every type, cheap to dear, and one for each reason why a reward cannot be had."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from loyalty.demo import texts
from platforms.models import PayoutAccount, StoreConnection
from rewards import limits, offering
from rewards.models import ExchangeType, PointsProduct, Reward, RewardText, RewardType
from rewards.types import registry


@dataclass(frozen=True, slots=True)
class Spec:
    """One reward: its key in `texts`, type, price in points, and what else differs from the usual."""

    key: str
    type: RewardType
    price: int | None  # none: by steps of 100 points
    fields: dict[str, Any] = field(default_factory=dict)


def specs(now: datetime) -> list[Spec]:
    percentage, fixed = RewardType.PERCENTAGE_DISCOUNT, RewardType.DISCOUNT_CODE
    delivery, gift = RewardType.FREE_DELIVERY, RewardType.GIFT
    soon, later = now + timedelta(days=3), now + timedelta(days=10)
    return [
        Spec("ten", percentage, 150, {"percent": 10, "prefix": "FERN10", "days_valid": 60, "featured": True}),
        Spec("fifteen", percentage, 260, {"percent": 15, "prefix": "FERN15", "days_valid": 60, "minimum_order": 40}),
        Spec(
            "quarter",
            percentage,
            520,
            {"percent": 25, "prefix": "FERN25", "days_valid": 30, "minimum_order": 100, "limit_per_customer": 1},
        ),
        Spec("launch", percentage, 600, {"percent": 30, "prefix": "LAUNCH", "days_valid": 14, "active_until": soon}),
        Spec("five", fixed, 100, {"amount": 5, "prefix": "FIVE", "days_valid": 30}),
        Spec("fifteen_off", fixed, 280, {"amount": 15, "prefix": "GREEN15", "days_valid": 60, "minimum_order": 60}),
        Spec("fifty_off", fixed, 900, {"amount": 50, "prefix": "GREEN50", "days_valid": 120, "minimum_order": 150}),
        Spec("welcome_back", fixed, 350, {"amount": 20, "prefix": "BACK", "days_valid": 30, "enabled": False}),
        Spec("delivery", delivery, 50, {"prefix": "SHIP", "days_valid": 45}),
        Spec("express", delivery, 120, {"prefix": "FAST", "days_valid": 45, "minimum_order": 30}),
        Spec("big_plants", delivery, 220, {"prefix": "BIG", "days_valid": 45, "active_from": later}),
        Spec("seeds", gift, 80, {"tax_value": "2.50"}),
        Spec("mug", gift, 300, {"tax_value": "6.00", "limit_per_customer": 2, "featured": True}),
        Spec("tote", gift, 200, {"tax_value": "4.00"}),
        Spec("can", gift, 650, {"tax_value": "18.00"}),
        Spec("trowels", gift, 1200, {"tax_value": "34.00"}),
        Spec("bench", gift, 6000, {"tax_value": "240.00", "limit_per_customer": 1}),
        *_of_other_types(),
    ]


def _of_other_types() -> list[Spec]:
    coupon = {"carries_code": True, "percent": 20, "prefix": "CARD", "tax_value": "1.50", "days_valid": 120}
    evening = {"prefix": "EVENING", "days_valid": 90, "limit_per_customer": 2, "labels": ["event", "spring"]}
    page = {
        "prefix": "NURSERY",
        "limit_per_period": 1,
        "period": "month",
        "action_url": "https://shop.fernandfield.example/nursery",
    }
    return [
        Spec("fern", RewardType.FREE_PRODUCT, 340, {"product_reference": "fern", "prefix": "FERN", "days_valid": 60}),
        Spec("till", RewardType.VALUE_CODE, 400, {"amount": 20, "days_valid": 365}),
        Spec("card", RewardType.GIFT_CARD, 500, {"amount": 25, "days_inactive": 1, "liability_limit": 5000}),
        Spec("coupon", RewardType.GIFT, 180, coupon),
        Spec("evening", RewardType.EVENT_INVITATION, 160, evening),
        Spec("nursery", RewardType.CUSTOM, 90, page),
        Spec("cash", RewardType.CASHBACK, None, {"daily_limit": 200}),
        Spec("any", RewardType.DISCOUNT_CODE, None, {"prefix": "ANY", "days_valid": 90, "featured": True}),
    ]


CATEGORIES = {"Garden": ("seeds", "can", "trowels", "bench", "fern"), "Together": ("evening", "card", "coupon")}
BRANDS = {"mug": "Ashfold Pottery", "can": "Hollis & Sons", "trowels": "Hollis & Sons"}
TOTALS = {"can": 40, "bench": 3}
SOLD_OUT = "tote"
MONEY = ("percent", "amount", "minimum_order", "tax_value", "liability_limit", "daily_limit")


def load(*, shop: StoreConnection, by_hand: PayoutAccount, now: datetime) -> dict[str, PointsProduct]:
    """Make every reward; gives back their prices by key."""
    made = {}
    for spec in specs(now):
        fields = {name: Decimal(value) if name in MONEY else value for name, value in spec.fields.items()}
        reward = Reward.objects.create(
            name=texts.NAMES[spec.key]["en"][0],
            type=spec.type,
            connection=shop if registry.type_of(spec.type).needs_shop or "carries_code" in fields else None,
            payout_account=by_hand if registry.type_of(spec.type).pays_out else None,
            **{"enabled": True, **fields},
        )
        RewardText.objects.bulk_create(
            RewardText(
                reward=reward,
                language=language,
                name=name,
                short_description=description,
                usage_instructions=texts.usage(spec.type, carries_code="carries_code" in fields)[language],
                terms=(texts.CASH_TERMS if spec.type == RewardType.CASHBACK else texts.TERMS)[language],
                brand=BRANDS.get(spec.key, ""),
            )
            for language, (name, description) in texts.NAMES[spec.key].items()
        )
        made[spec.key] = PointsProduct.objects.create(reward=reward, **_price(spec.price))
        shelves = [name for name, keys in CATEGORIES.items() if spec.key in keys]
        offering.set_categories(reward_id=reward.pk, names=shelves)
        if spec.key in TOTALS:
            limits.set_total(reward_id=reward.pk, limit=TOTALS[spec.key], now=now)
    return made


def _price(points: int | None) -> dict[str, Any]:
    if points is not None:
        return {"points_price": points}
    return {
        "exchange_type": ExchangeType.VARIABLE,
        "variable_points_step": 100,
        "variable_points_step_reward_value": 4,
        "variable_points_min": 100,
        "variable_points_max": 2000,
    }


def pay_through(*, products: dict[str, PointsProduct], account: PayoutAccount) -> None:
    """After the history: cashback is no longer paid by hand."""
    Reward.objects.filter(pk=products["cash"].reward_id).update(payout_account=account)
    products["cash"].reward.payout_account = account


def sell_out(*, products: dict[str, PointsProduct], now: datetime) -> None:
    """After the history: of one reward there are just as many as were taken."""
    reward = products[SOLD_OUT].reward
    taken = reward.redeemed_rewards.filter(takes_place=True).count()
    limits.set_total(reward_id=reward.pk, limit=taken, now=now)
