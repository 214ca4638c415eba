"""Which rewards a customer can have, and what stands in the way of the others."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, JSONObject
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from loyalty.common.errors import DomainError
from loyalty.customers import queries as customers
from loyalty.customers.models import Customer, CustomerState
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import Programme
from loyalty.points import queries as points
from loyalty.points.errors import UnknownCustomer
from loyalty.points.queries import Balance
from rewards import limits, pools, pricing, wording
from rewards.limits import RewardNotAvailable
from rewards.models import (
    PointsProduct,
    RedeemedReward,
    Reward,
    RewardAudience,
    RewardCategory,
    RewardStock,
    RewardText,
    RewardTier,
)
from rewards.pricing import Steps
from rewards.types import registry

NOT_OFFERED = gettext_noop("This reward is not offered to this customer.")


class UnknownReward(DomainError):
    code = "unknown_reward"


class CustomerDisabled(DomainError):
    code = "customer_disabled"

    def __init__(self) -> None:
        super().__init__("This customer is excluded from the programme and cannot get rewards.")


class PointsOwed(DomainError):
    """The customer owes points from refunds, and the programme lets nobody who owes redeem."""

    code = "points_owed"

    def __init__(self, owed: int) -> None:
        super().__init__(owed_sentence(owed))
        self.owed = owed


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A reward's texts in one language."""

    name: str
    short_description: str = ""
    usage_instructions: str = ""
    terms: str = ""
    action_text: str = ""
    brand: str = ""


TEXTS = tuple(field.name for field in fields(Words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a caller has read of the customer already, so that it is not read twice."""

    customer: Customer  # with everything its own row holds
    programme: Programme
    balance: Balance


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A category of the catalogue, as a customer sees it."""

    pk: int
    name: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One reward as one customer sees it now. `reason` says why it cannot be redeemed, in the customer's words."""

    reward_id: int
    points_product_id: int
    name: str
    short_description: str
    usage_instructions: str
    terms: str
    image_url: str
    type: str
    cost_in_points: int
    missing_points: int
    steps: Steps | None  # of a variable cost; `cost_in_points` is then the least it takes
    currency: str
    needs_address: bool
    pays_out: bool  # money is sent to the customer
    value: Decimal | None  # of a cashback: the money it is; of a variable cost, what the least of it buys
    featured: bool
    brand: str = ""
    shelves: tuple[Shelf, ...] = ()
    reason_code: str = ""
    reason: str = ""

    @property
    def available(self) -> bool:
        return not self.reason_code


def require_customer(*, customer_id: int) -> Customer:
    """The customer, fit to get rewards. Raises UnknownCustomer, CustomerDisabled."""
    customer = Customer.objects.select_related("shipping_address").filter(pk=customer_id).first()
    if customer is None:
        raise UnknownCustomer(customer_id)
    if customer.state == CustomerState.DISABLED:
        raise CustomerDisabled
    return customer


def require_nothing_owed(*, owed: int) -> None:
    """Refuse a customer who owes points, where the programme says that this blocks. Raises PointsOwed."""
    if owed and merchant.programme().shortfall_blocks:
        raise PointsOwed(owed)


def owed_sentence(owed: int) -> str:
    sentence = ngettext(
        "1 point of a refunded order is still owed: nothing can be redeemed until that is settled.",
        "%(owed)s points of refunded orders are still owed: nothing can be redeemed until that is settled.",
        owed,
    )
    return sentence % {"owed": owed}


def require_open(*, reward: Reward, now: datetime) -> None:
    """Refuse a reward that is off or outside its window. Raises RewardNotAvailable."""
    code, sentence = _closed(reward, now=now)
    if code:
        raise RewardNotAvailable(sentence, code=code)


def _closed(reward: Reward, *, now: datetime) -> tuple[str, str]:
    if not reward.enabled:
        return "reward_disabled", gettext_noop("This reward is switched off.")
    if reward.active_from is not None and now < reward.active_from:
        return "reward_not_started", gettext_noop("This reward is not available yet.")
    if reward.active_until is not None and now >= reward.active_until:
        return "reward_ended", gettext_noop("This reward is no longer available.")
    if reward.payout_account is not None and not reward.payout_account.enabled:
        return "payouts_off", gettext_noop("No money is paid out at the moment.")
    return "", ""


def require_in_audience(*, reward: Reward, customer: Customer) -> None:
    """Refuse a customer a restricted reward is not for: neither on its list nor in its tiers.

    Raises RewardNotAvailable.
    """
    if not reward.restricted or RewardAudience.objects.filter(reward=reward, customer=customer).exists():
        return
    if customer.tier_id is None or not RewardTier.objects.filter(reward=reward, tier_id=customer.tier_id).exists():
        raise RewardNotAvailable(NOT_OFFERED, code="not_in_audience")


def too_few_points_sentence(missing: int) -> str:
    return _("You must have %(missing)s more points to get reward") % {"missing": missing}


def on_offer(*, now: datetime) -> QuerySet[PointsProduct]:
    """Prices of the rewards that are on and to be seen now: in their time of visibility, else in their window."""
    always = Q(reward__visible_from__isnull=True, reward__visible_until__isnull=True)
    visible, active = _within("visible", now), _within("active", now)
    shown = (~always & visible) | (always & active)
    return PointsProduct.objects.select_related("reward__pool", "reward__payout_account").filter(
        shown, reward__enabled=True
    )


def _within(window: str, now: datetime) -> Q:
    begin, end = f"reward__{window}_from", f"reward__{window}_until"
    begun = Q(**{f"{begin}__isnull": True}) | Q(**{f"{begin}__lte": now})
    return begun & (Q(**{f"{end}__isnull": True}) | Q(**{f"{end}__gt": now}))


def _offered_to(customer: Customer, *, now: datetime) -> QuerySet[Any]:
    """With the `shelves` each stands in, its `texts`, how many the customer `had` and the pieces `left`: one query."""
    listed = RewardAudience.objects.filter(customer=customer).values("reward_id")
    of_tier = RewardTier.objects.filter(tier_id=customer.tier_id or 0).values("reward_id")
    own = Q(reward__restricted=False) | Q(reward__in=listed) | Q(reward__in=of_tier)
    stands_in = RewardCategory.objects.filter(rewards=OuterRef("reward_id")).order_by("position", "pk")
    shelf = stands_in.values(shelf=JSONObject(pk="pk", name="name", position="position"))
    said = RewardText.objects.filter(reward=OuterRef("reward_id")).order_by("pk")
    person = customers.same_person(customer.pk)
    taken = RedeemedReward.objects.filter(customer__in=person, reward=OuterRef("reward_id"), takes_place=True)
    had = taken.order_by().values("reward_id").annotate(number=Count("id")).values("number")
    stock = RewardStock.objects.filter(reward=OuterRef("reward_id")).order_by().values("reward_id")
    return (
        on_offer(now=now)
        .filter(own)
        .annotate(
            shelves=ArraySubquery(shelf),
            texts=ArraySubquery(said.values(text=JSONObject(**{name: name for name in ("language", *TEXTS)}))),
            had=Coalesce(Subquery(had), 0),
            left=Coalesce(Subquery(stock.annotate(number=Sum("left")).values("number")), 0),
        )
    )


def offers(*, customer_id: int, now: datetime, language: str | None = None, known: Known | None = None) -> list[Offer]:
    """The rewards this customer sees: on, in their window, with a price; featured and cheapest first.

    A constant number of queries, with what is `known` one and one for each sort of limit that is used.
    Raises UnknownCustomer, CustomerDisabled.
    """
    known = known or _known(customer_id, now)
    products = list(
        _offered_to(known.customer, now=now).order_by(
            "-reward__featured", Coalesce("points_price", "variable_points_min"), "id"
        )
    )
    return _offers(known=known, products=products, now=now, language=language)


def offer(
    *, customer_id: int, points_product_id: int, now: datetime, language: str | None = None, known: Known | None = None
) -> Offer:
    """One of them. Raises UnknownReward when this customer cannot see it, UnknownCustomer, CustomerDisabled."""
    known = known or _known(customer_id, now)
    products = list(_offered_to(known.customer, now=now).filter(pk=points_product_id))
    if not products:
        raise UnknownReward(f"There is no reward with the price {points_product_id} for you now.")
    return _offers(known=known, products=products, now=now, language=language)[0]


def _known(customer_id: int, now: datetime) -> Known:
    customer = require_customer(customer_id=customer_id)
    balance = points.balance(customer_id=customer_id, now=now)
    return Known(customer=customer, programme=merchant.programme(), balance=balance)


def words(*, rewards: Iterable[Reward], language: str, fallback: str = "") -> dict[int, Words]:
    """Each reward's texts in that language; else in the programme's; else any; else its name for staff.

    `fallback` is the programme's language, from a caller who has read it.
    """
    wanted = {reward.pk: reward for reward in rewards}
    languages = (language, fallback or merchant.programme().language)
    texts: dict[int, list[dict[str, str]]] = {pk: [] for pk in wanted}
    for text in RewardText.objects.filter(reward_id__in=wanted).order_by("id").values("reward_id", "language", *TEXTS):
        texts[text.pop("reward_id")].append(text)
    return {pk: _best(texts[pk], languages, reward.name) for pk, reward in wanted.items()}


def _best(texts: list[dict[str, str]], languages: tuple[str, ...], name: str) -> Words:
    """The text in the first of these languages; else the first there is; else the name for staff."""
    ranked = sorted(texts, key=lambda text: [*languages, text["language"]].index(text["language"]))
    return Words(**{each: ranked[0][each] for each in TEXTS}) if ranked else Words(name=name)


def language_of(customer: Customer) -> str:
    return customer.language or merchant.programme().language


def shelves(*, offers: Iterable[Offer]) -> list[Shelf]:
    """The categories that hold any of these offers, in the merchant's order."""
    found = {shelf for offer in offers for shelf in offer.shelves}
    return sorted(found, key=lambda shelf: (shelf.position, shelf.name, shelf.pk))


def _offers(*, known: Known, products: list[Any], now: datetime, language: str | None) -> list[Offer]:
    rewards = [product.reward for product in products]
    figures, fallback = known.balance, known.programme.language
    language = language or known.customer.language or fallback
    blocked = figures.owed if known.programme.shortfall_blocks else 0
    with_pool = [reward.pk for reward in rewards if hasattr(reward, "pool")]
    codes = pools.free(reward_ids=with_pool, now=now, cap=1) if with_pool else {}
    in_period = _taken_in_period(known=known, rewards=rewards, now=now)
    today = _left_today(rewards, now=now)
    result = []
    for product in products:
        reward, text = product.reward, _best(product.texts, (language, fallback), product.reward.name)
        cost = pricing.least_points(product)
        missing = max(cost - figures.balance, 0)
        code, reason = _closed(reward, now=now)
        value = _value(product)
        if not code and value is not None and value > today.get(reward.pk, value):
            code, reason = "daily_limit_reached", limits.ENOUGH_TODAY
        if not code:
            code, reason = _obstacle(
                reward,
                had=product.had,
                in_period=in_period.get(reward.pk, 0),
                left=product.left if codes.get(reward.pk) != 0 else None,
                missing=missing,
                owed=blocked,
            )
        result.append(
            Offer(
                reward_id=reward.pk,
                points_product_id=product.pk,
                name=text.name,
                short_description=text.short_description,
                usage_instructions=text.usage_instructions,
                terms=terms(reward=reward, text=text, language=language),
                image_url=reward.image_url,
                type=reward.type,
                cost_in_points=cost,
                missing_points=missing,
                steps=pricing.steps_of(product),
                currency=reward.currency,
                needs_address=registry.type_of(reward.type).is_delivered,
                pays_out=registry.type_of(reward.type).pays_out,
                value=value,
                featured=reward.featured,
                brand=text.brand,
                shelves=tuple(Shelf(**shelf) for shelf in product.shelves),
                reason_code=code,
                reason=reason,
            )
        )
    return result


def _value(product: PointsProduct) -> Decimal | None:
    """The money of a cashback, or the least of it; none for all others."""
    if not registry.type_of(product.reward.type).pays_out:
        return None
    steps = pricing.steps_of(product)
    return product.reward.amount if steps is None else steps.worth(steps.least)


def _left_today(rewards: list[Reward], *, now: datetime) -> dict[int, Decimal]:
    """How much each of those with a limit a day may still pay out today."""
    capped = {reward.pk: reward.daily_limit for reward in rewards if reward.daily_limit is not None}
    if not capped:
        return {}
    paid = limits.paid_out_today(reward_ids=list(capped), now=now)
    return {pk: limit - paid.get(pk, Decimal(0)) for pk, limit in capped.items()}


def terms(*, reward: Reward, text: Words, language: str) -> str:
    """The merchant's text, and what follows from the reward's own settings."""
    return wording.terms(
        own=text.terms,
        language=language,
        sentences=wording.of_offer(
            language=language,
            minimum=reward.minimum_order,
            currency=reward.currency,
            collections=[name for _, name in reward.collections],
            combines_with=reward.combines_with,
            days_inactive=reward.days_inactive,
            days_valid=reward.days_valid,
        ),
    )


def _taken_in_period(*, known: Known, rewards: list[Reward], now: datetime) -> dict[int, int]:
    """How many of each reward with a limit per period the customer took in the present one."""
    limited = [reward for reward in rewards if reward.limit_per_period is not None]
    if not limited:
        return {}
    zone = known.programme.zone
    since = {reward.pk: limits.period_start(reward.period, now=now, zone=zone) for reward in limited}
    rows = RedeemedReward.objects.filter(
        customer__in=customers.same_person(known.customer.pk),
        reward__in=since,
        takes_place=True,
        redeemed_at__gte=min(since.values()),
    )
    return Counter(reward for reward, at in rows.values_list("reward_id", "redeemed_at") if at >= since[reward])


def _obstacle(
    reward: Reward, *, had: int, in_period: int, left: int | None, missing: int, owed: int
) -> tuple[str, str]:
    """What stands in the way. `left` is None when the reward's pool has no code left."""
    if left is None:
        return "pool_empty", limits.SOLD_OUT
    if reward.limit_total is not None and left <= 0:
        return "reward_sold_out", limits.SOLD_OUT
    if reward.limit_per_customer is not None and had >= reward.limit_per_customer:
        return "limit_reached", limits.per_customer_sentence(reward.limit_per_customer)
    if reward.limit_per_period is not None and in_period >= reward.limit_per_period:
        return "period_limit_reached", limits.per_period_sentence(reward.limit_per_period, reward.period)
    return _lacking(missing=missing, owed=owed)


def _lacking(*, missing: int, owed: int) -> tuple[str, str]:
    """Points that stand in the way; empty when none do."""
    if owed:
        return "points_owed", owed_sentence(owed)
    if missing:
        return "insufficient_points", too_few_points_sentence(missing)
    return "", ""
