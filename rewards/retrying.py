"""Let what waits for its next turn at a shop or a provider have it now: for staff who know that the shop is back.

Nothing is decided here: a worker asks, as it would have done later.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Model, Q, QuerySet

from loyalty.common import queue
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
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


def plan(*, redeemed_reward_id: int, now: datetime) -> tuple[tuple[str, ...], str]:
    """What asking again now would do, in sentences, and why it cannot be done, if so. Reads only."""
    turns = [turn for turn in _turns(redeemed_reward_id) if turn.rows.filter(_free(now)).exists()]
    if turns:
        return tuple(turn.sentence for turn in turns), ""
    return (), _refusal(redeemed_reward_id)


@transaction.atomic
def retry(*, redeemed_reward_id: int, actor: Actor, now: datetime) -> None:
    """Ring for all that waits of this reward, whatever pause it is in. Twice is harmless. Raises NothingToRetry.

    The tries of a reward that is being generated begin anew, so that a person cannot use them up.
    """
    found = False
    for turn in _turns(redeemed_reward_id):
        for waiting in turn.rows.filter(_free(now)).select_for_update():
            fresh = {"attempts": 0} if isinstance(waiting, IssueWork) else {}
            turn.rows.filter(pk=waiting.pk).update(**{turn.due: now}, **fresh)
            queue.enqueue(turn.task, **{turn.argument: getattr(waiting, turn.names)})
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
        ),
    ]


def _free(now: datetime) -> Q:
    """Nobody is at it."""
    return Q(claim__isnull=True) | Q(claimed_until__lte=now)


def _refusal(redeemed_reward_id: int) -> str:
    redeemed = RedeemedReward.objects.get(pk=redeemed_reward_id)
    if any(turn.rows.exists() for turn in _turns(redeemed_reward_id)):
        return UNDER_WAY.format(name=redeemed.name)
    failed = redeemed.fulfillment_status == FulfillmentStatus.FAILED
    return (FAILED if failed else NOTHING_WAITS).format(name=redeemed.name)
