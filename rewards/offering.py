"""What a reward must be before it can be offered: each problem a sentence beside the field it is about."""

import re
from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from loyalty.common import codes, money
from platforms import registry as platforms
from platforms.adapter import DISCOUNTS
from platforms.payouts import registry as payout_registry
from rewards.models import ExchangeType, PointsProduct, Reward, RewardAudience, RewardCategory, RewardTier, RewardType
from rewards.types import registry
from rewards.types.base import TypeOfReward

# Fields that belong to some types only, and what is missing when a type needs one.
MISSING: dict[str, str] = {
    "percent": "{a_label} needs this. Say how much it takes off.",
    "amount": "{a_label} needs this. Say how much it is worth.",
    "product_reference": "{a_label} needs this. Say which product of the shop is free.",
    "connection": "{a_label} needs a shop: only a shop can give it. Choose one.",
    "payout_account": "{a_label} needs a payout account: it says who sends the money. Choose one.",
    "action_url": "{a_label} needs a link: it leads customers to the page where the code is good for something.",
}
OWN_FIELDS = ("percent", "amount", "product_reference", "carries_code", "payout_account", "daily_limit")
COUPON = ("percent", "amount")
CURRENCY = re.compile("[A-Z]{3}", re.ASCII)

# Fields of a price, by how it is made.
OF_FIXED = ("points_price",)
OF_VARIABLE = ("variable_points_step", "variable_points_step_reward_value", "variable_points_min")


def problems(*, reward: Reward, bought_by_steps: bool = False) -> dict[str, str]:
    """Field → what is wrong with it; empty when the reward can be offered. Reads only what the reward carries.

    One that is bought by steps of points needs no amount of its own.
    """
    kind = registry.type_of(reward.type)
    found = _coupon_problems(reward) if kind.carries_code(reward) and not kind.has_code else {}
    label = RewardType(reward.type).label.lower()
    for name in kind.needs:
        if not _filled(reward, name) and not (bought_by_steps and name == "amount"):
            found[name] = MISSING[name].format(a_label=f"{'An' if label[0] in 'aeiou' else 'A'} {label}")
    found |= _limit_problems(reward) | _window_problems(reward)
    for name in OWN_FIELDS:
        if _filled(reward, name) and name not in kind.needs | kind.takes and not _of_coupon(reward, name):
            found[name] = f"Leave this empty: a reward of type “{label}” has none."
    return (
        _conditions_problems(reward, kind, label)
        | _code_problems(reward, kind)
        | _shop_problems(reward, kind, label)
        | _shared_problems(reward, kind)
        | (_payout_problems(reward) if kind.pays_out else {})
        | found
    )


def price_problems(*, reward: Reward, price: PointsProduct) -> dict[str, str]:
    """Field of the price → what is wrong with it."""
    variable = price.exchange_type == ExchangeType.VARIABLE
    if variable and "amount" not in registry.type_of(reward.type).needs:
        label = RewardType(reward.type).label.lower()
        return {"cost": f"Points cannot buy more or less of a reward of type “{label}”. Choose a fixed cost."}
    needed, others = (OF_VARIABLE, OF_FIXED) if variable else (OF_FIXED, (*OF_VARIABLE, "variable_points_max"))
    found = {name: "Leave this empty: the cost is of the other sort." for name in others if getattr(price, name)}
    for name in needed:
        value = getattr(price, name)
        if value is None:
            found[name] = "Fill this in: without it nobody knows what to pay."
        elif value < 1:
            found[name] = "This is at least 1. To give the reward away only, choose that as its cost."
    return found or (_bounds_problems(price) if variable else {})


def audience_problems(*, restricted: bool, tier_ids: Collection[int], customer_ids: Collection[int]) -> dict[str, str]:
    """Somebody, or everybody: a reward that is restricted to nobody would be seen by nobody."""
    if restricted and not (tier_ids or customer_ids):
        return {"audience": "Choose a tier or name a customer, or offer the reward to everybody."}
    if tier_ids and not restricted:
        return {"tiers": "Tick “only for some customers” as well, or choose no tier."}
    return {}


def _bounds_problems(price: PointsProduct) -> dict[str, str]:
    step, least, most = price.variable_points_step or 1, price.variable_points_min or 0, price.variable_points_max
    if least % step:
        return {"variable_points_min": f"This is not a whole number of steps. Choose a multiple of {step}."}
    if most is not None and most % step:
        return {"variable_points_max": f"This is not a whole number of steps. Choose a multiple of {step}."}
    if most is not None and most < least:
        return {"variable_points_max": f"This is less than the minimum of {least}."}
    return {}


@transaction.atomic
def set_price(*, reward_id: int, price: PointsProduct | None, now: datetime) -> None:
    """Give a reward this price from now on, or none. What was redeemed keeps what it cost."""
    if price is None:
        PointsProduct.objects.filter(reward_id=reward_id).delete()
        return
    names = (*OF_FIXED, *OF_VARIABLE, "variable_points_max", "exchange_type")
    PointsProduct.objects.update_or_create(
        reward_id=reward_id, defaults={name: getattr(price, name) for name in names} | {"updated_at": now}
    )


@transaction.atomic
def set_audience(*, reward_id: int, customer_ids: Collection[int]) -> None:
    """The customers a restricted reward is for, from now on."""
    rows = RewardAudience.objects.filter(reward_id=reward_id)
    rows.exclude(customer_id__in=customer_ids).delete()
    RewardAudience.objects.bulk_create(
        (RewardAudience(reward_id=reward_id, customer_id=pk) for pk in customer_ids), ignore_conflicts=True
    )


@transaction.atomic
def set_tiers(*, reward_id: int, tier_ids: Collection[int]) -> None:
    """The VIP tiers a restricted reward is for, from now on."""
    rows = RewardTier.objects.filter(reward_id=reward_id)
    rows.exclude(tier_id__in=tier_ids).delete()
    RewardTier.objects.bulk_create(
        (RewardTier(reward_id=reward_id, tier_id=pk) for pk in tier_ids), ignore_conflicts=True
    )


@transaction.atomic
def set_categories(*, reward_id: int, names: Collection[str]) -> None:
    """The categories a reward stands in. A name nobody has used is a new category."""
    RewardCategory.objects.bulk_create((RewardCategory(name=name) for name in names), ignore_conflicts=True)
    Reward.objects.get(pk=reward_id).categories.set(RewardCategory.objects.filter(name__in=names))


def _limit_problems(reward: Reward) -> dict[str, str]:
    found = {}
    if (reward.limit_per_period is None) == bool(reward.period):
        found["limit_per_period" if reward.limit_per_period is None else "period"] = (
            "A limit per period needs both: how many, and in which period."
        )
    worth = reward.amount is not None or reward.tax_value is not None or "amount" in registry.type_of(reward.type).needs
    if reward.liability_limit is not None and not worth:
        found["liability_limit"] = (
            "Nobody knows what one of these is worth: fill in its tax value, or leave this empty."
        )
    return found


def _window_problems(reward: Reward) -> dict[str, str]:
    found = {}
    for window in ("active", "visible"):
        start, end = getattr(reward, f"{window}_from"), getattr(reward, f"{window}_until")
        if start and end and end <= start:
            found[f"{window}_until"] = "It ends before it begins. Choose a later moment."
    return found


def _filled(reward: Reward, name: str) -> bool:
    return getattr(reward, name) not in (None, "", False)


def _of_coupon(reward: Reward, name: str) -> bool:
    return reward.type == RewardType.GIFT and reward.carries_code and name in COUPON


def _coupon_problems(reward: Reward) -> dict[str, str]:
    if reward.percent is None and reward.amount is None:
        return {"amount": "Say what the printed coupon takes off: an amount here, or a percentage."}
    if reward.percent is not None and reward.amount is not None:
        return {"percent": "A printed coupon takes off an amount or a percentage: leave one of them empty."}
    return {}


def _conditions_problems(reward: Reward, kind: TypeOfReward, label: str) -> dict[str, str]:
    """Collections and combinations are of discounts, and only where the shop can hold them."""
    wanted = kind.discount(reward)
    found = {}
    if len({reference for reference, _ in reward.collections}) < len(reward.collections):
        found["collections"] = "A collection is named twice. Remove one of the lines."
    if reward.collections and wanted not in DISCOUNTS:
        found["collections"] = f"Leave this empty: a reward of type “{label}” is not limited to collections."
    if reward.combines_with and wanted not in DISCOUNTS:
        found["combines_with"] = f"Leave this empty: a reward of type “{label}” is no discount beside others."
    if reward.connection is None or found:
        return found
    shop = reward.connection
    adapter = platforms.adapter_class(shop.platform)
    on = f"{shop.name} runs on {adapter.label}"
    if reward.collections and wanted not in adapter.capabilities.collections:
        found["collections"] = f"{on}, which cannot limit such a code to collections. Leave this empty."
    if reward.combines_with and not adapter.capabilities.combinations:
        found["combines_with"] = f"{on}, which cannot be told what a code is combined with. Choose none."
    return found


def _code_problems(reward: Reward, kind: TypeOfReward) -> dict[str, str]:
    """A prefix short enough for the codes of its type, as money has more random characters; and a currency that is one."""
    found = {}
    try:
        codes.generate(prefix=reward.prefix, money=kind.code_is_money)
    except ValueError as error:
        found["prefix"] = str(error)
    if not CURRENCY.fullmatch(reward.currency):
        found["currency"] = "Write the three letters of a currency, such as EUR."
    return found


def _shared_problems(reward: Reward, kind: TypeOfReward) -> dict[str, str]:
    """A reward that shares a code stays with the shop and the sort of code it was chosen for."""
    code = reward.shared_code
    if code is None:
        return {}
    change = (
        f"This reward gives everybody the code {code.code}. Give each a code of their own first, under “Shared code”."
    )
    if not kind.carries_code(reward) or kind.code_is_money:
        return {"type": change}
    return {"connection": change} if code.connection_id != reward.connection_id else {}


def _shop_problems(reward: Reward, kind: TypeOfReward, label: str) -> dict[str, str]:
    if reward.connection is None:
        return {}
    shop, wanted = reward.connection, kind.discount(reward)
    if wanted is None:
        return {"connection": f"Leave this empty: no shop makes a reward of type “{label}”."}
    adapter = platforms.adapter_class(shop.platform)
    if wanted not in adapter.capabilities.kinds:
        what = wanted.value.replace("_", " ")
        return {"connection": f"{shop.name} runs on {adapter.label}, which cannot make a {what}. Choose another shop."}
    if reward.minimum_order is not None and not adapter.capabilities.minimum_order:
        return {"minimum_order": f"{shop.name} runs on {adapter.label}, which knows no minimum order. Leave it empty."}
    if reward.currency != shop.currency:
        return {
            "currency": f"{shop.name} sells in {shop.currency}: a code in {reward.currency} would be refused there."
        }
    return {}


def _payout_problems(reward: Reward) -> dict[str, str]:
    """What a cashback cannot have, and what its account could not pay."""
    found = {}
    for name in ("days_valid", "days_inactive", "minimum_order", "prefix"):
        if getattr(reward, name):
            found[name] = "Leave this empty: money that is paid out has no code, no end and no order."
    if reward.liability_limit is not None:
        found["liability_limit"] = (
            "Leave this empty: what was paid out is not outstanding. Use the limit of money a day."
        )
    if reward.amount is not None and not money.fits(reward.amount, reward.currency):
        found["amount"] = f"{reward.currency} has fewer decimals than this: nobody could pay it out."
    account = reward.payout_account
    if account is None:
        return found
    currencies = payout_registry.provider_class(account.provider).capabilities.currencies
    if reward.currency != account.currency:
        found["currency"] = f"{account.name} pays in {account.currency}: it could not send {reward.currency}."
    elif currencies is not None and reward.currency not in currencies:
        found["currency"] = (
            f"{account.get_provider_display()} does not pay in {reward.currency}. Choose another account."
        )
    return found


def fields_of(reward_type: str) -> list[str]:
    """Which of the fields that not every reward has a reward of this type may fill in: for forms that hide the others."""
    kind = registry.type_of(reward_type)
    shown = {*kind.needs, *kind.takes} & {*OWN_FIELDS}
    coupon = "carries_code" in kind.takes
    if kind.needs_shop or coupon:
        shown |= {"connection", "minimum_order", "percent", "amount"} if coupon else {"connection", "minimum_order"}
    if kind.has_code or coupon:
        shown |= {"prefix"}
    if coupon or kind.makes in DISCOUNTS:
        shown |= {"collections", "combines_with"}
    return sorted(shown)
