"""One code for everybody who gets a reward: the merchant's own, looked at in the shop before it is handed out.

The shop keeps such a code as the merchant made it there, for any number of orders; nothing of ours changes it. It is
one row for many: who used it is told by the code and the customer.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from loyalty.common import codes
from loyalty.common.actors import Actor
from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from loyalty.events import log
from platforms import registry as platforms
from platforms.adapter import Answer, PlatformCode
from platforms.models import StoreConnection
from rewards import evidence
from rewards.models import CodePool, EvidenceKind, RedeemedReward, Reward, RewardCode
from rewards.types import registry

CALL_TIMEOUT = 8.0
SHORTEST, LONGEST = 3, 60


class SharedCodeRefused(DomainError):
    """The reward cannot share this code. The sentence says what to do."""

    code = "shared_code_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """The shared code of a reward, and how many customers have it."""

    code: RewardCode
    rewards: int  # redeemed rewards with it that are not canceled
    customers: int


def refusal(*, reward: Reward) -> str:
    """Why this reward cannot share any code; empty when it can. The pool in use is among the reasons."""
    kind = registry.type_of(reward.type)
    label = str(reward.get_type_display()).lower()
    if not kind.carries_code(reward):
        return f"“{reward.name}” is a {label} without a code: there is nothing to share."
    if kind.code_is_money:
        return f"The code of a {label} is money: everybody needs one of their own."
    if CodePool.objects.filter(reward=reward, in_use=True).exists():
        return f"“{reward.name}” takes its codes from a pool. Switch the pool off first, on its own page."
    return ""


def share(*, reward_id: int, code: str, actor: Actor, now: datetime) -> RewardCode:
    """Everybody who gets the reward from now on gets this code; what was redeemed keeps its own.

    A shop is asked first: the code must be there, work, and be worth what the reward says. Not inside a transaction.
    Raises SharedCodeRefused, CredentialsUnreadable.
    """
    watch = Stopwatch(now)
    reward = Reward.objects.select_related("connection").get(pk=reward_id)
    text = codes.canonical(code)
    _require(reward, text)
    answer = _ask(reward, text)
    return _record(reward, text, answer, actor=actor, now=watch.now)


@transaction.atomic
def end(*, reward_id: int, actor: Actor, now: datetime) -> None:
    """Everybody who gets the reward from now on gets a code of their own. The shared one stays as it is in the shop."""
    reward = Reward.objects.select_for_update(no_key=True).get(pk=reward_id)
    if reward.shared_code_id is None:
        return
    code_id = reward.shared_code_id
    Reward.objects.filter(pk=reward_id).update(shared_code=None, updated_at=now)
    log.record(
        kind="reward.code_unshared", subject_type="reward", subject_id=reward_id, actor=actor, now=now, code_id=code_id
    )


def sharing(*, reward: Reward) -> Sharing | None:
    """The code everybody gets now, and how many have it; None when each gets one of their own."""
    if reward.shared_code is None:
        return None
    held = RedeemedReward.objects.filter(code_id=reward.shared_code_id, takes_place=True, on_profile=True)
    return Sharing(
        code=reward.shared_code, rewards=held.count(), customers=held.values("customer_id").distinct().count()
    )


def _require(reward: Reward, text: str) -> None:
    if sentence := refusal(reward=reward):
        raise SharedCodeRefused(sentence)
    plain = text.isprintable() and not any(sign.isspace() for sign in text)
    if not (SHORTEST <= len(text) <= LONGEST and plain):
        raise SharedCodeRefused(f"Write a code of {SHORTEST} to {LONGEST} signs, without spaces.")


def _ask(reward: Reward, text: str) -> Answer[PlatformCode | None] | None:
    """The shop's answer about a code that can be shared; None where no shop is asked."""
    shop = reward.connection
    if shop is None or not platforms.calls_out(shop):
        return None
    answer = platforms.adapter_for(shop, timeout=CALL_TIMEOUT).find_code(text)
    if not answer.ok:
        reason = answer.reason or "It gave no clear answer."
        raise SharedCodeRefused(f"{shop.name} could not be asked about {text}, so nothing was changed. {reason}")
    if answer.value is None:
        raise SharedCodeRefused(
            f"{shop.name} has no code {text}. Make it there first, good for any number of orders, and come back."
        )
    if not answer.value.alive:
        raise SharedCodeRefused(
            f"{shop.name} does not take the code {text}: it is switched off, over, not begun or used up. Look at it there."
        )
    if difference := _difference(reward, answer.value, shop):
        raise SharedCodeRefused(difference)
    return answer


def _difference(reward: Reward, found: PlatformCode, shop: StoreConnection) -> str:
    """What the code is worth in the shop, where that is not what customers would be told."""
    if reward.percent is not None and found.percent != reward.percent:
        there = f"{found.percent.normalize():f} %" if found.percent is not None else "no percentage"
        return (
            f"In {shop.name} the code {found.code} takes off {there}, and this reward says "
            f"{reward.percent.normalize():f} %. Make both the same."
        )
    if reward.amount is not None and found.amount != reward.amount:
        there = f"{found.amount} {shop.currency}" if found.amount is not None else "no amount"
        return (
            f"In {shop.name} the code {found.code} takes off {there}, and this reward says "
            f"{reward.amount} {reward.currency}. Make both the same."
        )
    if reward.minimum_order != found.minimum_order:
        return (
            f"In {shop.name} the code {found.code} has {_minimum(found.minimum_order, shop)}, and this reward "
            f"has {_minimum(reward.minimum_order, shop)}. Make both the same, as customers read it."
        )
    if set(found.collections) != {reference for reference, _ in reward.collections}:
        there = f"is good for {', '.join(found.collections)} alone" if found.collections else "is good for everything"
        return f"In {shop.name} the code {found.code} {there}, and this reward says something else. Make both the same."
    return ""


def _minimum(amount: object, shop: StoreConnection) -> str:
    return f"a minimum order of {amount} {shop.currency}" if amount else "no minimum order"


@transaction.atomic
def _record(
    seen: Reward, text: str, answer: Answer[PlatformCode | None] | None, *, actor: Actor, now: datetime
) -> RewardCode:
    reward = Reward.objects.select_for_update(no_key=True).get(pk=seen.pk)
    if (reward.connection_id, reward.type) != (seen.connection_id, seen.type):
        raise SharedCodeRefused(f"“{reward.name}” was changed while the shop was asked. Try again.")
    _require(reward, text)
    RewardCode.objects.bulk_create(
        [RewardCode(connection_id=reward.connection_id, code=text, canonical=text, created_at=now, is_shared=True)],
        ignore_conflicts=True,
    )
    code = RewardCode.objects.get(connection_id=reward.connection_id, canonical=text)
    if not code.is_shared:
        raise SharedCodeRefused(f"{text} is one customer's own code, or lies in a pool: it cannot be shared.")
    if answer is not None and answer.value is not None:
        code.remote_id = answer.value.remote_id
        code.save(update_fields=["remote_id"])
        evidence.keep(code=code, cancellation_id=None, kind=EvidenceKind.FOUND, answer=answer, now=now)
    if reward.shared_code_id != code.pk:
        Reward.objects.filter(pk=reward.pk).update(shared_code=code, updated_at=now)
        log.record(
            kind="reward.code_shared",
            subject_type="reward",
            subject_id=reward.pk,
            actor=actor,
            now=now,
            code_id=code.pk,
        )
    return code
