"""Give one reward to many customers, in a few statements for all of them.

What is decided of each is what `granting.grant` would decide, and the rows are the same, which the tests compare. The
locks too: accounts in the order of their ids, the reward where its value is limited, stock last.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum

from loyalty.common.actors import Actor
from loyalty.common.among import Among
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer, CustomerState
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.points import bulk_rows
from loyalty.points.errors import UnknownCustomer
from loyalty.points.models import PointsAccount
from rewards import bulk_codes, catalogue, claim, granting, limits, payouts, pools
from rewards.catalogue import CustomerDisabled, UnknownReward, Words
from rewards.limits import RewardNotAvailable
from rewards.models import Origin, RedeemedReward, Reward, RewardAudience, RewardCode, RewardStock, RewardTier
from rewards.types import registry as types
from rewards.types.base import RewardIncomplete

HAD_BEFORE = "This customer has had this reward already."


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a customer does not get it: for programs, and in a sentence."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Room:
    """How many more can have a reward: None is as many as you like. `refusal` is what the next one is told."""

    places: int | None = None
    refusal: Refusal = Refusal("", "")


@dataclass(slots=True)
class Given:
    """What came of a batch, by customer: everybody stands in one of the two."""

    granted: dict[int, RedeemedReward] = field(default_factory=dict)
    refused: dict[int, Refusal] = field(default_factory=dict)


class _Short(Exception):
    """Somebody else took pieces meanwhile: so many are left for us."""

    def __init__(self, taken: int) -> None:
        super().__init__(taken)
        self.taken = taken


@transaction.atomic
def grant(
    *,
    reward_id: int,
    customer_ids: Sequence[int],
    actor: Actor,
    now: datetime,
    turn: int,
    origin: Origin = Origin.STAFF,
    internal_note: str = "",
    beyond_audience: bool = True,
    once: bool = False,
    keys: Mapping[int, str] | None = None,
    bulk_reference: str = "",
) -> Given:
    """Give each of these customers, named once, one of the reward; who comes first has the last pieces.

    They are pending until a worker has generated them, taken from among their shop's by `turn`; types no shop makes are
    issued at once. Whoever is refused holds up nobody. With `beyond_audience` also those get it whom a restricted reward
    is not for, as from `granting.grant`; with `once` nobody who has one already. `keys`: the idempotency key of each
    customer, for callers who have made sure that nothing was given under it. `bulk_reference`: a name nobody has used, of
    the discount that their codes share in the shop, where `bulk_codes` allows that. Raises UnknownReward.
    """
    found = Customer.objects.filter(Among("pk", customer_ids)).values_list("pk", flat=True)
    accounts = bulk_rows.lock(set(found), now=now)
    if not Reward.objects.filter(pk=reward_id).exists():
        raise UnknownReward(f"There is no reward {reward_id}. Check the id.")
    limits.keep_liability(reward_id=reward_id)
    reward = Reward.objects.select_related("connection", "payout_account", "shared_code").get(pk=reward_id)
    refused = judge(reward=reward, customer_ids=customer_ids, now=now, beyond_audience=beyond_audience, once=once)
    given = Given(refused=refused)
    willing = [pk for pk in customer_ids if pk not in given.refused]
    if types.type_of(reward.type).pays_out:
        terms = {"actor": actor, "now": now, "turn": turn, "origin": origin, "internal_note": internal_note}
        _one_by_one(given, willing, keys=keys or {}, reward=reward, **terms)
        return given
    willing = _cut(given, willing, room(reward=reward, now=now, wanted=len(willing)))
    while willing:
        try:
            rows = _give(
                willing,
                accounts,
                reward=reward,
                actor=actor,
                now=now,
                turn=turn,
                origin=origin,
                note=internal_note,
                keys=keys or {},
                bulk_reference=bulk_reference if bulk_codes.refusal(reward=reward) == "" else "",
            )
        except _Short as short:
            willing = _cut(given, willing, Room(short.taken, Refusal("reward_sold_out", limits.SOLD_OUT)))
        except (RewardNotAvailable, RewardIncomplete) as refusal:
            willing = _cut(given, willing, Room(0, Refusal(refusal.code, refusal.sentence)))
        else:
            given.granted = {row.customer_id: row for row in rows}
            _cut(given, willing, Room(len(rows), Refusal("pool_empty", pools.EMPTY)))
            break
    return given


def judge(
    *, reward: Reward, customer_ids: Collection[int], now: datetime, beyond_audience: bool, once: bool
) -> dict[int, Refusal]:
    """Who of them cannot have one, and why, whatever others get. Reads only; exact while their accounts are locked."""
    whole = _of_everybody(reward, now=now)
    if whole is not None:
        return dict.fromkeys(customer_ids, whole)
    rows = Customer.objects.filter(Among("pk", customer_ids)).only("pk", "state", "tier_id", "email", "phone")
    customers = {row.pk: row for row in rows}
    standing = _Standing(
        reward=reward,
        taken=_taken(reward, customer_ids, once=once),
        in_period=_taken_in_period(reward, customer_ids, now=now),
        meant=None if beyond_audience or not reward.restricted else _meant(reward, customers.values()),
        once=once,
    )
    refused: dict[int, Refusal] = {}
    for pk in customer_ids:
        try:
            standing.require(pk, customers.get(pk))
        except DomainError as refusal:
            refused[pk] = Refusal(refusal.code, refusal.sentence)
    return refused


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """What was read of all of them at once to judge each."""

    reward: Reward
    taken: dict[int, int]
    in_period: dict[int, int]
    meant: set[int] | None  # whom the reward is for; none: it does not matter
    once: bool

    def require(self, pk: int, customer: Customer | None) -> None:
        """Raises UnknownCustomer, CustomerDisabled, RewardNotAvailable."""
        if customer is None:
            raise UnknownCustomer(pk)
        if customer.state == CustomerState.DISABLED:
            raise CustomerDisabled
        if self.meant is not None and pk not in self.meant:
            raise RewardNotAvailable(catalogue.NOT_OFFERED, code="not_in_audience")
        if self.once and self.taken.get(pk):
            raise RewardNotAvailable(HAD_BEFORE, code="had_before")
        limits.require_under(reward=self.reward, taken=self.taken.get(pk, 0), in_period=self.in_period.get(pk, 0))
        if self.reward.payout_account is not None:
            account = self.reward.payout_account
            payouts.require_receiver(account, email=customer.email or "", phone=customer.phone or "")


def room(*, reward: Reward, now: datetime, wanted: int) -> Room:
    """How many can have one before stock, pool, value outstanding or the money of the day is used up. Reads only.

    Codes of a pool are counted no further than are `wanted`.
    """
    kind, found = types.type_of(reward.type), [Room()]
    if reward.limit_total is not None:
        left = RewardStock.objects.filter(reward=reward).aggregate(sum=Sum("left"))["sum"] or 0
        found.append(Room(left, Refusal("reward_sold_out", limits.SOLD_OUT)))
    if kind.carries_code(reward) and reward.shared_code_id is None:
        free = pools.free(reward_ids=[reward.pk], now=now, cap=wanted).get(reward.pk)
        found.append(Room(free, Refusal("pool_empty", pools.EMPTY)))
    worth = reward.amount if reward.amount is not None else reward.tax_value
    if reward.liability_limit is not None and worth:
        left_out = reward.liability_limit - limits.outstanding(reward_id=reward.pk, now=now)
        found.append(Room(_times(left_out, worth), Refusal("liability_limit_reached", limits.SO_MUCH_OUT)))
    if reward.daily_limit is not None and reward.amount:
        paid = limits.paid_out_today(reward_ids=[reward.pk], now=now).get(reward.pk, Decimal(0))
        left_today = _times(reward.daily_limit - paid, reward.amount)
        found.append(Room(left_today, Refusal("daily_limit_reached", limits.ENOUGH_TODAY)))
    return min(found, key=lambda each: float("inf") if each.places is None else each.places)


def _of_everybody(reward: Reward, *, now: datetime) -> Refusal | None:
    """What refuses the reward to whomever: it is switched off, over, or not complete."""
    try:
        catalogue.require_open(reward=reward, now=now)
        claim.amount_of(reward)
    except DomainError as refusal:
        return Refusal(refusal.code, refusal.sentence)
    return None


def _taken(reward: Reward, customer_ids: Collection[int], *, once: bool) -> dict[int, int]:
    if reward.limit_per_customer is None and not once:
        return {}
    return limits.taken_by_customers(reward_id=reward.pk, customer_ids=customer_ids)


def _taken_in_period(reward: Reward, customer_ids: Collection[int], *, now: datetime) -> dict[int, int]:
    if reward.limit_per_period is None:
        return {}
    since = limits.period_start(reward.period, now=now, zone=merchant.programme().zone)
    return limits.taken_by_customers(reward_id=reward.pk, customer_ids=customer_ids, since=since)


def _meant(reward: Reward, customers: Collection[Customer]) -> set[int]:
    """Those of them on the reward's list or in its tiers."""
    rows = RewardAudience.objects.filter(Among("customer_id", [each.pk for each in customers]), reward=reward)
    tiers = set(RewardTier.objects.filter(reward=reward).values_list("tier_id", flat=True))
    return {*rows.values_list("customer_id", flat=True), *(each.pk for each in customers if each.tier_id in tiers)}


@transaction.atomic
def _give(
    customer_ids: Sequence[int],
    accounts: dict[int, PointsAccount],
    *,
    reward: Reward,
    actor: Actor,
    now: datetime,
    turn: int,
    origin: Origin,
    note: str,
    keys: Mapping[int, str],
    bulk_reference: str,
) -> list[RedeemedReward]:
    """All of them, or none: stock comes last. Raises _Short, RewardNotAvailable, RewardIncomplete."""
    made = claim.new_codes(reward=reward, count=len(customer_ids), now=now, bulk_reference=bulk_reference)
    rows = _write(
        customer_ids, accounts, made, reward=reward, actor=actor, now=now, origin=origin, note=note, keys=keys
    )
    granting.generate_many(redeemed=rows, reward=reward, now=now, turn=turn)
    taken = limits.take_pieces(reward=reward, wanted=len(rows))
    if taken < len(rows):
        raise _Short(taken)
    return rows


def _write(
    customer_ids: Sequence[int],
    accounts: dict[int, PointsAccount],
    made: Sequence[RewardCode | None],
    *,
    reward: Reward,
    actor: Actor,
    now: datetime,
    origin: Origin,
    note: str,
    keys: Mapping[int, str],
) -> list[RedeemedReward]:
    """The rows of these customers with these codes, and events; of the first ones only, where a pool ran out of codes."""
    rows = Customer.objects.select_related("shipping_address").filter(Among("pk", customer_ids))
    customers = {row.pk: row for row in rows}
    zone = merchant.programme().zone
    texts: dict[str, Words] = {}
    composed = []
    for pk, code in zip(customer_ids, made, strict=False):
        customer = customers[pk]
        language = catalogue.language_of(customer)
        if language not in texts:
            texts[language] = catalogue.words(rewards=[reward], language=language)[reward.pk]
        address = getattr(customer, "shipping_address", None)
        composed.append(
            claim.compose(
                customer=customer,
                reward=reward,
                origin=origin,
                actor=actor,
                now=now,
                balance_after=accounts[pk].balance,
                address=address.as_snapshot() if address is not None else None,
                code=code,
                text=texts[language],
                language=language,
                zone=zone,
                internal_note=note,
                idempotency_key=keys.get(pk),
            )
        )
    saved = RedeemedReward.objects.bulk_create(composed)
    facts = [log.Fact(row.pk, row.customer_id, now, {"reward_id": reward.pk, "cost_in_points": 0}) for row in saved]
    log.record_many(kind="reward.granted", subject_type="redeemed_reward", actor=actor, facts=facts)
    return saved


def _one_by_one(
    given: Given, customer_ids: Sequence[int], *, keys: Mapping[int, str], reward: Reward, **terms: Any
) -> None:
    """Money is given one by one: each has a payout of its own, decided under the limit of the day."""
    for pk in customer_ids:
        try:
            given.granted[pk] = granting.grant(
                customer_id=pk, reward_id=reward.pk, idempotency_key=keys.get(pk), **terms
            )
        except DomainError as refusal:
            given.refused[pk] = Refusal(refusal.code, refusal.sentence)


def _cut(given: Given, customer_ids: list[int], left: Room) -> list[int]:
    """The first of them, as many as there are places; the others are refused."""
    if left.places is None:
        return customer_ids
    given.refused |= dict.fromkeys(customer_ids[left.places :], left.refusal)
    return customer_ids[: left.places]


def _times(sum_of_money: Decimal, one: Decimal) -> int:
    return max(int(sum_of_money // one), 0)
