"""Make and change rewards of the catalogue by what another system says of them. Everything is judged as the staff's form is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer, Tier
from loyalty.events import log
from loyalty.merchant import queries as merchant
from platforms.models import PayoutAccount, StoreConnection
from rewards import limits, offering
from rewards.catalogue import UnknownReward
from rewards.models import (
    ExchangeType,
    PointsProduct,
    Reward,
    RewardAudience,
    RewardCategory,
    RewardText,
    RewardTier,
)

LIMIT_TOTAL = "limit_total"  # moves the stock with it, and is therefore written by `limits`
EDITABLE = frozenset(
    {
        "type", "name", "enabled", "featured", "percent", "amount", "tax_value", "currency", "product_reference",
        "carries_code", "minimum_order", "collections", "combines_with", "prefix", "days_inactive", "days_valid",
        "active_from", "active_until", "visible_from", "visible_until", "restricted", LIMIT_TOTAL, "limit_per_customer",
        "limit_per_period", "period", "liability_limit", "daily_limit", "labels", "image_url", "action_url",
        "connection_id", "payout_account_id",
    }
)  # fmt: skip
OF_STEPS = (*offering.OF_VARIABLE, "variable_points_max")
TOLD_AS = {
    "connection": "connection_id",
    "payout_account": "payout_account_id",
    "cost": "variable_points_step",
    "tiers": "vip_tier_ids",
    "audience": "customer_ids",
}  # what a problem is beside, as other systems name it


class RewardRefused(DomainError):
    """The reward could not be offered like that. The sentence says why, `field` which part of it."""

    code = "reward_refused"

    def __init__(self, sentence: str, *, field: str) -> None:
        self.field = TOLD_AS.get(field, field)
        super().__init__(f"{self.field}: {sentence}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is said of a reward; what is not said stays as it is.

    `values`: columns among EDITABLE, by name. `price`: columns of the price, by name; `points_price` alone and None: it is
    only granted. `description` is for customers, in the programme's language; `texts` are columns of the words in each
    language, in place of all there are. The other lists, too, stand in place of what there is.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    price: Mapping[str, int | None] = field(default_factory=dict)
    description: str | None = None
    texts: Sequence[Mapping[str, str]] | None = None
    tier_ids: Collection[int] | None = None
    customer_ids: Collection[int] | None = None
    categories: Collection[str] | None = None


@transaction.atomic
def create(*, said: Said, actor: Actor, now: datetime) -> Reward:
    """A new reward, switched off unless it is said otherwise. Its currency is the shop's, or the programme's.

    Raises RewardRefused.
    """
    reward = Reward(currency=merchant.programme().currency)
    if "currency" not in said.values and (place := _place(said.values)) is not None:
        reward.currency = place.currency
    return _save(reward, said, kind="catalogue.reward_created", actor=actor, now=now)


@transaction.atomic
def change(*, reward_id: int, said: Said, actor: Actor, now: datetime) -> Reward:
    """The reward as it is said from now on; what was redeemed keeps what it was. Raises UnknownReward, RewardRefused."""
    locked = Reward.objects.select_for_update(of=("self",)).filter(pk=reward_id)
    reward = locked.select_related("connection", "payout_account", "shared_code").first()
    if reward is None:
        raise UnknownReward(f"There is no reward {reward_id}. Check the number.")
    return _save(reward, said, kind="catalogue.reward_changed", actor=actor, now=now)


def _save(reward: Reward, said: Said, *, kind: str, actor: Actor, now: datetime) -> Reward:
    _take(reward, said.values)
    price = _priced(reward, said.price)
    steps = price is not None and price.exchange_type == ExchangeType.VARIABLE
    _refuse(offering.problems(reward=reward, bought_by_steps=steps))
    _clean(reward)
    if price is not None and said.price:
        _refuse(offering.price_problems(reward=reward, price=price))
        _clean(price, exclude={"reward"})
    _judge_audience(reward, said)
    wanted = reward.limit_total
    if LIMIT_TOTAL in said.values:
        reward.limit_total = Reward.objects.values_list(LIMIT_TOTAL, flat=True).filter(pk=reward.pk).first()
    reward.save()
    if wanted != reward.limit_total:
        _set_total(reward, wanted, now)
    if said.price:
        offering.set_price(reward_id=reward.pk, price=price, now=now)
    _list(reward, said)
    _word(reward, said)
    log.record(
        kind=kind,
        subject_type="reward",
        subject_id=reward.pk,
        actor=actor,
        now=now,
        fields=sorted({*said.values, *said.price, *_lists_said(said)}),
        points_price=said.price.get("points_price"),
    )
    return reward


def _place(values: Mapping[str, Any]) -> StoreConnection | PayoutAccount | None:
    """The shop that is named, else the payout account. Raises RewardRefused where there is none of that number."""
    found: StoreConnection | PayoutAccount | None = None
    for name, what, known in (
        ("payout_account", "payout account", PayoutAccount.objects),
        ("connection", "shop", StoreConnection.objects),
    ):
        number = values.get(f"{name}_id")
        if number is not None:
            found = known.filter(pk=number).first()
            if found is None:
                raise RewardRefused(f"There is no {what} {number}. Check the number.", field=name)
    return found


def _take(reward: Reward, values: Mapping[str, Any]) -> None:
    """The columns that are said."""
    _place(values)
    for name in EDITABLE & values.keys():
        setattr(reward, name, values[name])
    reward.currency = reward.currency.strip().upper()


def _priced(reward: Reward, said: Mapping[str, int | None]) -> PointsProduct | None:
    """What it costs from now on, unsaved: what is said beside what there is; said of the other sort, that alone."""
    known = PointsProduct.objects.filter(reward_id=reward.pk).first()
    before: dict[str, int | None] = {name: getattr(known, name, None) for name in (*offering.OF_FIXED, *OF_STEPS)}
    if any(said.get(name) is not None for name in OF_STEPS):
        before["points_price"] = None
    elif "points_price" in said:
        before |= dict.fromkeys(OF_STEPS)
    after = before | dict(said)
    if not any(value is not None for value in after.values()):
        return None
    variable = any(after[name] is not None for name in OF_STEPS)
    return PointsProduct(exchange_type=ExchangeType.VARIABLE if variable else ExchangeType.FIXED, **after)


def _judge_audience(reward: Reward, said: Said) -> None:
    tiers = RewardTier.objects.filter(reward_id=reward.pk).values_list("tier_id", flat=True)
    listed = RewardAudience.objects.filter(reward_id=reward.pk).values_list("customer_id", flat=True)
    for name, known, ids in (
        ("tiers", Tier.objects.all(), said.tier_ids),
        ("audience", Customer.objects.all(), said.customer_ids),
    ):
        there = set(known.filter(pk__in=ids or ()).values_list("pk", flat=True))
        if missing := sorted({*(ids or ())} - there):
            told = ", ".join(map(str, missing[:5]))
            raise RewardRefused(f"Nothing has the number {told}. Correct or remove it.", field=name)
    _refuse(
        offering.audience_problems(
            restricted=reward.restricted,
            tier_ids=said.tier_ids if said.tier_ids is not None else tiers,
            customer_ids=said.customer_ids if said.customer_ids is not None else listed[:1],
        )
    )


def _set_total(reward: Reward, wanted: int | None, now: datetime) -> None:
    try:
        limits.set_total(reward_id=reward.pk, limit=wanted, now=now)
    except limits.StockBelowZero as refusal:
        raise RewardRefused(refusal.sentence, field=LIMIT_TOTAL) from refusal
    reward.limit_total = wanted


def _list(reward: Reward, said: Said) -> None:
    """Who it is for, and where it stands."""
    if said.tier_ids is not None:
        offering.set_tiers(reward_id=reward.pk, tier_ids=said.tier_ids)
    if said.customer_ids is not None:
        offering.set_audience(reward_id=reward.pk, customer_ids=said.customer_ids)
    if said.categories is not None:
        for name in said.categories:
            _clean(RewardCategory(name=name), beside="categories")
        offering.set_categories(reward_id=reward.pk, names=said.categories)


def _word(reward: Reward, said: Said) -> None:
    """In each language that is told; else the name and the description in the programme's, and other languages stay."""
    language = merchant.programme().language
    if said.texts is not None:
        if not said.texts:
            raise RewardRefused("Customers need words in one language at least.", field="texts")
        if len({words["language"] for words in said.texts}) < len(said.texts):
            raise RewardRefused("A language is told twice. Remove one of them.", field="texts")
        rows = [RewardText(reward=reward, **words) for words in said.texts]
        for row in rows:
            _clean(row, exclude={"reward"}, beside="texts")
        reward.texts.all().delete()
        RewardText.objects.bulk_create(rows)
        return
    told: dict[str, str] = {"name": said.values["name"]} if "name" in said.values else {}
    if said.description is not None:
        told["short_description"] = said.description
    if told:
        RewardText.objects.update_or_create(
            reward=reward, language=language, defaults=told, create_defaults={"name": reward.name, **told}
        )


def _lists_said(said: Said) -> set[str]:
    return {name for name in ("texts", "tier_ids", "customer_ids", "categories") if getattr(said, name) is not None}


def _refuse(problems: Mapping[str, str]) -> None:
    for name, sentence in problems.items():
        raise RewardRefused(sentence, field=name)


def _clean(row: Model, *, exclude: set[str] | None = None, beside: str = "") -> None:
    """What the columns themselves refuse: too long, too large, no address."""
    try:
        row.clean_fields(exclude=exclude)
    except ValidationError as error:
        name, sentences = next(iter(error.message_dict.items()))
        raise RewardRefused(sentences[0], field=beside or name) from error
