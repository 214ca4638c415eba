"""Rewards that a backfill gives: who can have one, and taking them back."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.jobs import work
from loyalty.jobs.models import JobOutcome, Verdict
from loyalty.merchant.models import Programme
from loyalty.points import bulk_rows
from loyalty.program.earning import orders
from loyalty.program.earning.models import AwardState, EarningAward
from rewards import limits, mass_granting
from rewards.mass_granting import Refusal, Room
from rewards.models import IssueWork, Reward

REWARD = "reward"  # the code of an outcome that gives one, or takes one back
BATCH = 50  # each is given by itself
UNTIL_DECIDED = timedelta(seconds=5)  # what the shop is being asked about at this moment is looked at again after
GONE_BEFORE = "It was taken back before, with its order."


@dataclass(slots=True, kw_only=True)
class Places:
    """Who can have the reward: as things are, and with what the backfill would have given before."""

    reward: Reward
    refused: Mapping[int, Refusal]
    room: Room
    taken: dict[int, int]
    in_period: dict[int, int]
    planned: int
    by_customer: Counter[int] = field(default_factory=Counter)

    @classmethod
    def read(
        cls, reward_id: int, customers: Collection[int], *, planned: int, wanted: int,
        programme: Programme, now: datetime,
    ) -> "Places":  # fmt: skip
        """`planned`: how many would have got one before these orders, of which there are `wanted`. Reads only."""
        reward = Reward.objects.select_related("connection", "payout_account").get(pk=reward_id)
        taken: dict[int, int] = {}
        in_period: dict[int, int] = {}
        if reward.limit_per_customer is not None:
            taken = limits.taken_by_customers(reward_id=reward.pk, customer_ids=customers)
        if reward.limit_per_period is not None:
            since = limits.period_start(reward.period, now=now, zone=programme.zone)
            in_period = limits.taken_by_customers(reward_id=reward.pk, customer_ids=customers, since=since)
        return cls(
            reward=reward,
            refused=mass_granting.judge(
                reward=reward, customer_ids=customers, now=now, beyond_audience=True, once=False
            ),
            room=mass_granting.room(reward=reward, now=now, wanted=planned + wanted),
            taken=taken,
            in_period=in_period,
            planned=planned,
        )

    def refusal(self, customer_id: int) -> Refusal | None:
        """Why the customer cannot have another one; None when they can."""
        if customer_id in self.refused:
            return self.refused[customer_id]
        if self.room.places is not None and self.planned >= self.room.places:
            return self.room.refusal
        more = self.by_customer[customer_id]
        try:
            limits.require_under(
                reward=self.reward,
                taken=self.taken.get(customer_id, 0) + more,
                in_period=self.in_period.get(customer_id, 0) + more,
            )
        except DomainError as refusal:
            return Refusal(refusal.code, refusal.sentence)
        return None

    def take(self, customer_id: int) -> None:
        """The customer would get one."""
        self.planned += 1
        self.by_customer[customer_id] += 1


def ids(keys: Iterable[str]) -> dict[str, int]:
    """The awards of these keys."""
    return dict(EarningAward.objects.filter(key__in=list(keys)).values_list("key", "pk"))


def undone(applied: Sequence[JobOutcome], *, actor: Actor, now: datetime) -> list[work.Outcome]:
    """Take back what was given and is not used; what was used stays among what was earned, for a person to look at.

    Locks the customers' accounts. Raises NotYet while a shop is being asked about one of them.
    """
    bulk_rows.lock({each.subject_id for each in applied if each.subject_id}, now=now)
    awards = EarningAward.objects.in_bulk([each.result_id for each in applied if each.result_id])
    asked = IssueWork.objects.select_for_update().filter(
        redeemed_reward_id__in=[made.redeemed_reward_id for made in awards.values() if made.redeemed_reward_id]
    )
    if any(each.claimed_until is not None and each.claimed_until > now for each in asked.order_by("pk")):
        raise work.NotYet(UNTIL_DECIDED)
    return [_undone(each, awards[each.result_id or 0], actor=actor, now=now) for each in applied]


def _undone(applied: JobOutcome, made: EarningAward, *, actor: Actor, now: datetime) -> work.Outcome:
    verdict, code, text = Verdict.OK, REWARD, ""
    if made.state in {AwardState.UNDONE, AwardState.STANDS}:
        verdict, code, text = Verdict.UNCHANGED, "not_any_more", GONE_BEFORE
    elif refusal := orders.close(made, actor=actor, now=now):
        verdict, code, text = Verdict.REFUSED, refusal.code, refusal.sentence
    return work.Outcome(
        number=applied.number,
        verdict=verdict,
        code=code[:40],
        text=text,
        subject_id=applied.subject_id,
        amount=0,
        result_id=made.pk,
    )
