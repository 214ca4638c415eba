"""Make and change rewards of the catalogue by what another system says of them. Everything is judged as the staff's form is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant import queries as merchant
from platforms.models import StoreConnection
from rewards import offering
from rewards.catalogue import UnknownReward
from rewards.models import ExchangeType, PointsProduct, Reward, RewardText, RewardType

EDITABLE = frozenset(
    {
        "name", "enabled", "featured", "percent", "amount", "tax_value", "product_reference", "minimum_order",
        "days_valid", "limit_per_customer", "image_url", "action_url",
    }
)  # fmt: skip


class RewardRefused(DomainError):
    """The reward could not be offered like that. The sentence says why, `field` which part of it."""

    code = "reward_refused"

    def __init__(self, sentence: str, *, field: str) -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """So many points; None: it is only granted."""

    points: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is said of a reward; what is not said stays as it is. `values`: columns among EDITABLE, by name."""

    values: Mapping[str, Any] = field(default_factory=dict)
    description: str | None = None  # for customers, in the programme's language
    price: Price | None = None


@transaction.atomic
def create(*, reward_type: RewardType, connection_id: int | None, said: Said, actor: Actor, now: datetime) -> Reward:
    """A new reward, switched off unless it is said otherwise. Its currency is the shop's, or the programme's.

    Raises RewardRefused.
    """
    shop = StoreConnection.objects.filter(pk=connection_id).first() if connection_id is not None else None
    if shop is None and connection_id is not None:
        raise RewardRefused(f"There is no shop {connection_id}. Check the number.", field="connection_id")
    currency = shop.currency if shop is not None else merchant.programme().currency
    reward = Reward(type=reward_type, connection=shop, currency=currency)
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
    for name in EDITABLE & said.values.keys():
        setattr(reward, name, said.values[name])
    _judge(reward, bought_by_steps=_by_steps(reward, said))
    price = _priced(reward, said)
    reward.save()
    if said.price is not None:
        offering.set_price(reward_id=reward.pk, price=price, now=now)
    _word(reward, said)
    log.record(
        kind=kind,
        subject_type="reward",
        subject_id=reward.pk,
        actor=actor,
        now=now,
        fields=sorted(said.values),
        points_price=said.price.points if said.price is not None else None,
    )
    return reward


def _by_steps(reward: Reward, said: Said) -> bool:
    """Whether points buy more or less of it, now and from now on."""
    if said.price is not None or reward.pk is None:
        return False
    return PointsProduct.objects.filter(reward_id=reward.pk, exchange_type=ExchangeType.VARIABLE).exists()


def _judge(reward: Reward, *, bought_by_steps: bool) -> None:
    for name, sentence in offering.problems(reward=reward, bought_by_steps=bought_by_steps).items():
        raise RewardRefused(f"{name}: {sentence}", field="connection_id" if name == "connection" else name)
    _clean(reward)


def _priced(reward: Reward, said: Said) -> PointsProduct | None:
    """The price that is said, judged."""
    if said.price is None or said.price.points is None:
        return None
    price = PointsProduct(exchange_type=ExchangeType.FIXED, points_price=said.price.points)
    for sentence in offering.price_problems(reward=reward, price=price).values():
        raise RewardRefused(f"points_price: {sentence}", field="points_price")
    _clean(price, exclude={"reward"})
    return price


def _clean(row: Reward | PointsProduct, *, exclude: set[str] | None = None) -> None:
    """What the columns themselves refuse: too long, too large, no address."""
    try:
        row.clean_fields(exclude=exclude)
    except ValidationError as error:
        name, sentences = next(iter(error.message_dict.items()))
        raise RewardRefused(f"{name}: {sentences[0]}", field=name) from error


def _word(reward: Reward, said: Said) -> None:
    """Customers read the name and the description in the programme's language; other languages stay."""
    words: dict[str, str] = {}
    if "name" in said.values:
        words["name"] = said.values["name"]
    if said.description is not None:
        words["short_description"] = said.description
    if words:
        language = merchant.programme().language
        RewardText.objects.update_or_create(
            reward=reward, language=language, defaults=words, create_defaults={"name": reward.name, **words}
        )
