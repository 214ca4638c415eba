"""Whose turn it is to ask a shop about a reward: the claim on one, its lease, and when somebody goes on later."""

import random
import uuid
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Greatest

from loyalty.common import queue
from platforms.models import StoreConnection
from rewards.claim import Claim
from rewards.models import FulfillmentStatus, IssueWork, RedeemedReward

MOST_ATTEMPTS = 12  # of a granted reward while the shop cannot be reached: about a day with the back-off below
LONGEST_BACKOFF = timedelta(hours=3)
SOONEST = timedelta(seconds=5)  # between two workers' tries; a doubt that lasts is looked into ever more rarely, up to
RAREST = timedelta(minutes=15)


class Verdict(StrEnum):
    """What came of working on a redeemed reward."""

    ISSUED = "issued"
    FAILED = "failed"
    WAITING = "waiting"  # not decided yet: somebody, a worker or the sweep, goes on later


def lease() -> timedelta:
    return timedelta(seconds=settings.ISSUE_LEASE_SECONDS)


def take(*, redeemed_reward_id: int, now: datetime) -> Claim | None:
    """Claim the work on one redeemed reward; none when it is decided, not due yet, or somebody else works on it.

    Taking over from a holder whose claim ran out puts the code in doubt: they may have called before they died.
    """
    with transaction.atomic():
        work = (
            IssueWork.objects.select_for_update(skip_locked=True)
            .filter(pk=redeemed_reward_id, due_at__lte=now)
            .filter(Q(claim__isnull=True) | Q(claimed_until__lte=now))
            .first()
        )
        if work is None:
            return None
        if work.claim is not None and work.in_doubt_since is None:
            work.in_doubt_since = now
        work.claim, work.claimed_until = uuid.uuid4(), now + lease()
        work.due_at = work.claimed_until
        work.save()
        return Claim(redeemed_reward_id, work.claim)


def ring(*, connection_id: int | None) -> None:
    """Tell a worker, after commit, that rewards wait for this shop."""
    if connection_id is not None:
        queue.enqueue("rewards.issue_waiting", connection_id=connection_id)


def sweep(*, now: datetime, limit: int = 500) -> int:
    """Ring for every shop whose rewards are due; gives back how many rings. A flushed broker loses nothing.

    However often it rings, a reward is taken once: until its claim ends, or its pause, it is nobody's turn. Work that
    the release before this one queued names no shop, and is rung for by itself.
    """
    due = IssueWork.objects.filter(due_at__lte=now)
    shops = StoreConnection.objects.filter(Exists(due.filter(connection=OuterRef("pk")))).order_by("pk")
    waiting = list(shops.values_list("pk", flat=True))
    for connection_id in waiting:
        ring(connection_id=connection_id)
    single = due.filter(connection__isnull=True).order_by("due_at", "pk").values_list("pk", flat=True)[:limit]
    alone = list(single)
    for redeemed_reward_id in alone:
        queue.enqueue("rewards.issue", redeemed_reward_id=redeemed_reward_id)
    return len(waiting) + len(alone)


def start(claim: Claim, *, shared: bool) -> bool:
    """Count a try right before its call; False when the claim is over, and nothing may be asked.

    Whoever took it over, or canceled, must be able to rely on that. A shared code is only looked at: never in doubt.
    """
    changes: dict[str, object] = {"in_doubt_since": None} if shared else {}
    return bool(_ours(claim).update(attempts=F("attempts") + 1, **changes))


def doubt(claim: Claim, *, now: datetime) -> None:
    """A call was sent and nobody knows what it did: the code is looked up before anything is sent again."""
    _ours(claim).filter(in_doubt_since__isnull=True).update(in_doubt_since=now)


def trust(claim: Claim) -> None:
    """The shop has proved that it has no such code, or that the code of that name is not ours."""
    _ours(claim).update(in_doubt_since=None)


def later(claim: Claim, *, now: datetime, wait: float | None = None) -> None:
    """Leave it to a later try: when the shop said so (`wait`, seconds), else the more tries there were, the later.

    A try that the shop itself put off is none of those after which we give up.
    """
    waiting = _ours(claim).first()
    if waiting is None:
        return
    if wait:
        _ours(claim).update(attempts=Greatest(F("attempts") - 1, 0))
    let_go(claim, due_at=now + (timedelta(seconds=wait) if wait else backoff(waiting.attempts)))


def put_off(claim: Claim, *, now: datetime, wait: float = 0.0) -> None:
    """A worker goes on: soon, though not before `wait` seconds, and ever more rarely the longer a doubt has lasted."""
    waiting = _ours(claim).first()
    lasted = now - waiting.in_doubt_since if waiting is not None and waiting.in_doubt_since is not None else SOONEST
    let_go(claim, due_at=now + max(SOONEST, min(lasted / 2, RAREST), timedelta(seconds=wait)))


def let_go(claim: Claim, *, due_at: datetime) -> None:
    _ours(claim).update(claim=None, claimed_until=None, due_at=due_at)


def verdict_of(redeemed: RedeemedReward) -> Verdict:
    match redeemed.fulfillment_status:
        case FulfillmentStatus.PENDING:
            return Verdict.WAITING
        case FulfillmentStatus.FAILED:
            return Verdict.FAILED
        case _:
            return Verdict.ISSUED


def absence_counts(in_doubt_since: datetime, *, now: datetime) -> bool:
    """Whether "no such code" is proof by now: no request of before can still be under way inside the shop."""
    return now - in_doubt_since >= timedelta(seconds=settings.ABSENCE_PROVED_AFTER_SECONDS)


def backoff(attempts: int) -> timedelta:
    """5 s, 10 s, 20 s … up to three hours, with jitter so that a recovering shop is not hit by all at once."""
    seconds = min(5 * 2 ** max(attempts - 1, 0), LONGEST_BACKOFF.total_seconds())
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 (jitter, not a secret)


def _ours(claim: Claim) -> QuerySet[IssueWork]:
    return IssueWork.objects.filter(pk=claim.redeemed_reward_id, claim=claim.token)
