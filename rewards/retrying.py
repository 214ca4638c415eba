"""Let what waits for its next turn at a shop or a provider have it now: for staff who know that the shop is back.

Nothing is decided here: a worker asks, as it would have done later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Model, Q, QuerySet

from loyalty.common import queue
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from platforms import breaker
from rewards.issuing import claims, lanes
from rewards.models import (
    Cancellation,
    CancellationState,
    CodeExtension,
    FulfillmentStatus,
    IssueWork,
    Payout,
    RedeemedReward,
)
from rewards.models.extension import OPEN

FAILED = "“{name}” failed for good: nobody asks about it any more. Reissue it."
NOTHING_WAITS = "Nothing waits for a shop or a provider here: “{name}” is decided."
UNDER_WAY = "“{name}” is being worked on this moment: look again in a minute."


class NothingToRetry(DomainError):
    """Nothing of this reward waits for its turn."""

    code = "nothing_to_retry"


@dataclass(frozen=True, slots=True)
class _Turn:
    """One queue of record, narrowed to one reward."""

    rows: QuerySet[Model]
    due: str  # the column that says when it is its turn
    task: str
    argument: str  # of the task
    names: str  # the column the task is given
    sentence: str
    asks_shop: bool = True
    fresh: Mapping[str, int] = field(default_factory=dict)  # columns that begin anew


def plan(*, redeemed_reward_id: int, now: datetime) -> tuple[tuple[str, ...], str]:
    """What asking again now would do, in sentences, and why it cannot be done, if so. Reads only."""
    turns = [turn for turn in _turns(redeemed_reward_id) if turn.rows.filter(_free(now)).exists()]
    if turns:
        held = _held_back(redeemed_reward_id, now=now) if any(turn.asks_shop for turn in turns) else ""
        return (*(turn.sentence for turn in turns), *([held] if held else [])), ""
    return (), _refusal(redeemed_reward_id)


@transaction.atomic
def retry(*, redeemed_reward_id: int, actor: Actor, now: datetime) -> None:
    """Ring for all that waits of this reward, whatever pause it is in. Twice is harmless. Raises NothingToRetry.

    The tries of a reward that is being generated begin anew, so that a person cannot use them up, and among those that
    wait for the shop it is the next.
    """
    found = False
    for turn in _turns(redeemed_reward_id):
        for waiting in turn.rows.filter(_free(now)).select_for_update():
            turn.rows.filter(pk=waiting.pk).update(**{turn.due: now}, **turn.fresh)
            _ring(turn, waiting)
            found = True
    if not found:
        raise NothingToRetry(_refusal(redeemed_reward_id))
    redeemed = RedeemedReward.objects.only("customer_id").get(pk=redeemed_reward_id)
    log.record(
        kind="reward.retried",
        subject_type="redeemed_reward",
        subject_id=redeemed.pk,
        customer_id=redeemed.customer_id,
        actor=actor,
        now=now,
    )


def _turns(redeemed_reward_id: int) -> list[_Turn]:
    mine = {"redeemed_reward_id": redeemed_reward_id}
    return [
        _Turn(
            IssueWork.objects.filter(**mine),
            "due_at",
            "rewards.issue",
            "redeemed_reward_id",
            "redeemed_reward_id",
            "The shop is asked at once to make the code, and its tries begin anew.",
            fresh={"attempts": 0, "turn": 0},
        ),
        _Turn(
            Cancellation.objects.filter(**mine, state=CancellationState.CANCELLING),
            "due_at",
            "rewards.cancel",
            "cancellation_id",
            "pk",
            "The shop is asked at once to disable the code.",
        ),
        _Turn(
            CodeExtension.objects.filter(**mine, state__in=OPEN),
            "due_at",
            "rewards.extend",
            "extension_id",
            "pk",
            "The shop is asked at once to let the code live longer.",
        ),
        _Turn(
            Payout.objects.filter(**mine, next_attempt_at__isnull=False),
            "next_attempt_at",
            "rewards.pay",
            "redeemed_reward_id",
            "redeemed_reward_id",
            "The payout provider is asked at once.",
            asks_shop=False,
        ),
    ]


def _ring(turn: _Turn, waiting: Model) -> None:
    """Rewards of a shop are made by whoever holds one of its lanes: a message names the shop, as the sweep's does."""
    if isinstance(waiting, IssueWork) and waiting.connection_id is not None:
        claims.ring(connection_id=waiting.connection_id)
    else:
        queue.enqueue(turn.task, **{turn.argument: getattr(waiting, turn.names)})


def _held_back(redeemed_reward_id: int, *, now: datetime) -> str:
    """Why the shop is not asked at once after all; empty when nothing stands in the way, as far as anybody knows."""
    redeemed = RedeemedReward.objects.only("connection_id").get(pk=redeemed_reward_id)
    said = breaker.holding(connection_id=redeemed.connection_id, now=now)
    if said:
        return f"Not at once after all: {said[0].lower()}{said[1:]} This waits until then, too."
    rest = lanes.rests_until(connection_id=redeemed.connection_id, now=now)
    return f"Not at once after all: the shop has asked for time until {rest:%H:%M:%S} UTC." if rest is not None else ""


def _free(now: datetime) -> Q:
    """Nobody is at it."""
    return Q(claim__isnull=True) | Q(claimed_until__lte=now)


def _refusal(redeemed_reward_id: int) -> str:
    redeemed = RedeemedReward.objects.get(pk=redeemed_reward_id)
    if any(turn.rows.exists() for turn in _turns(redeemed_reward_id)):
        return UNDER_WAY.format(name=redeemed.name)
    failed = redeemed.fulfillment_status == FulfillmentStatus.FAILED
    return (FAILED if failed else NOTHING_WAITS).format(name=redeemed.name)
