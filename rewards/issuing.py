"""Generate a reward in the shop: claim, call, record.

The code was decided and committed before. A call is made with no transaction and no lock open; its result is recorded
in a transaction that checks that our claim still stands. After a call whose result is unknown the code is looked up
before anything is sent again.
"""

import random
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from loyalty.common import codes, queue
from loyalty.common.actors import SYSTEM, Actor, ActorKind
from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.points import ledger, locking
from loyalty.points.models import TransactionKind
from platforms import registry as platforms
from platforms.adapter import Adapter, Answer, Outcome, PlatformCode, Refusal
from rewards import lifecycle, limits, parcels, pools
from rewards.claim import Claim, connection_of, new_code
from rewards.limits import RewardNotAvailable
from rewards.models import (
    CodeEvidence,
    DeliveryStatus,
    DeliveryStep,
    EvidenceKind,
    FulfillmentStatus,
    IssueAttempt,
    IssueWork,
    Origin,
    RedeemedReward,
)
from rewards.types import registry as types
from rewards.types.base import RewardIncomplete

AT_ONCE = 0.0
MOST_ATTEMPTS = 12  # of a granted reward while the shop cannot be reached: about a day with the back-off below
LONGEST_BACKOFF = timedelta(hours=3)
CALL_TIMEOUT = 8.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds between two questions about one reward; each pause doubles
SOONEST = timedelta(seconds=5)  # between two workers' tries; a doubt that lasts is looked into ever more rarely, up to
RAREST = timedelta(minutes=15)


class Verdict(StrEnum):
    """What came of working on a redeemed reward."""

    ISSUED = "issued"
    FAILED = "failed"
    WAITING = "waiting"  # not decided yet: somebody, a worker or the sweep, goes on later


@dataclass(frozen=True, slots=True)
class Failure:
    code: str
    reason: str


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


def sweep(*, now: datetime, limit: int = 500) -> int:
    """Ring for every redeemed reward that is due; gives back how many. A flushed broker loses nothing.

    One that rings several times is taken once: until its claim ends, or its pause, it is nobody's turn.
    """
    due = IssueWork.objects.filter(due_at__lte=now).order_by("due_at", "pk")
    waiting = list(due.values_list("pk", flat=True)[:limit])
    for redeemed_reward_id in waiting:
        queue.enqueue("rewards.issue", redeemed_reward_id=redeemed_reward_id)
    return len(waiting)


def work(*, claim: Claim, now: datetime, patience: float) -> Verdict:
    """Ask the shop until the reward is decided or `patience` (seconds) is over. Not inside a transaction."""
    watch, pause = Stopwatch(now), FIRST_PAUSE
    while True:
        verdict = _round(claim, watch, patience=patience)
        if isinstance(verdict, Verdict):
            return verdict
        wait = max(verdict, pause)
        if watch.elapsed + wait >= patience:
            return _put_off(claim, now=watch.now)
        time.sleep(wait)
        pause = min(pause * 2, LONGEST_PAUSE)


def _round(claim: Claim, watch: Stopwatch, *, patience: float) -> Verdict | float:
    """One question to the shop and what follows from the answer.

    A number: not decided, ask again, and not before so many seconds.
    """
    redeemed = RedeemedReward.objects.select_related("code", "reward").get(pk=claim.redeemed_reward_id)
    waiting = IssueWork.objects.filter(pk=redeemed.pk, claim=claim.token).first()
    if waiting is None:
        return _verdict_of(redeemed)
    try:
        timeout = min(CALL_TIMEOUT, max(patience - watch.elapsed, 1.0))
        adapter = platforms.adapter_for(connection_of(redeemed), timeout=timeout)
    except DomainError as refusal:
        if waiting.in_doubt_since is not None:  # its code may live: only the shop can say, once it can be asked again
            return _put_off(claim, now=watch.now)
        return _fail(claim, Failure(refusal.code, refusal.sentence), watch)
    return _ask(claim, redeemed, adapter, waiting, watch, patience=patience)


def _ask(
    claim: Claim, redeemed: RedeemedReward, adapter: Adapter, waiting: IssueWork, watch: Stopwatch, *, patience: float
) -> Verdict | float:
    """The question that is to be asked now."""
    if redeemed.code is not None and redeemed.code.is_shared:
        return _see_shared(claim, redeemed, adapter, watch, attempts=waiting.attempts, patience=patience)
    if waiting.in_doubt_since is not None:
        return _look_up(claim, redeemed, adapter, watch, in_doubt_since=waiting.in_doubt_since)
    if waiting.attempts >= MOST_ATTEMPTS:
        return _fail(claim, Failure("gave_up", _gave_up(redeemed)), watch)
    return _create(claim, redeemed, adapter, watch, patience=patience)


def _create(
    claim: Claim, redeemed: RedeemedReward, adapter: Adapter, watch: Stopwatch, *, patience: float
) -> Verdict | float:
    started_at = watch.now
    if not IssueWork.objects.filter(pk=redeemed.pk, claim=claim.token).update(attempts=F("attempts") + 1):
        return Verdict.WAITING  # our claim is over: whoever took it over, or canceled, must be able to rely on that
    answer = adapter.create_code(types.type_of(redeemed.type).spec(redeemed, _code(redeemed)))
    _note(redeemed, "create", answer, started_at=started_at, finished_at=watch.now)
    match answer.outcome:
        case Outcome.OK if answer.value is not None:
            return _issue(claim, answer.value, EvidenceKind.CREATED, answer, watch)
        case Outcome.REJECTED if answer.refusal is Refusal.DUPLICATE_CODE:
            return _look_up(claim, redeemed, adapter, watch, in_doubt_since=None)
        case Outcome.REJECTED:
            return _fail(claim, Failure(str(answer.refusal or "rejected"), answer.reason), watch)
        case Outcome.UNKNOWN | Outcome.OK:
            IssueWork.objects.filter(pk=redeemed.pk, claim=claim.token, in_doubt_since__isnull=True).update(
                in_doubt_since=watch.now
            )
            return AT_ONCE
        case Outcome.NOT_SENT | Outcome.THROTTLED:
            return _nothing_done(claim, redeemed, answer, watch, patience=patience)


def _look_up(
    claim: Claim, redeemed: RedeemedReward, adapter: Adapter, watch: Stopwatch, *, in_doubt_since: datetime | None
) -> Verdict | float:
    """Ask whether the code is there. Ours: issued. Foreign: a new code. Absent for long enough: it never was made.

    `in_doubt_since` is None when the shop itself has just said that it has the code: one it does not show is foreign.
    """
    started_at = watch.now
    answer = adapter.find_code(_code(redeemed))
    _note(redeemed, "find", answer, started_at=started_at, finished_at=watch.now)
    if not answer.ok:
        return answer.retry_after or AT_ONCE
    if answer.value is not None and is_ours(redeemed, answer.value):
        return _issue(claim, answer.value, EvidenceKind.FOUND, answer, watch)
    if answer.value is not None or in_doubt_since is None:
        return _replace_code(claim, redeemed, watch)
    if not absence_counts(in_doubt_since, now=watch.now):
        return AT_ONCE  # the request may still be under way inside the shop
    if redeemed.origin == Origin.REDEMPTION:
        reason = "The shop did not answer in time, and it has no such code: nothing was made there."
        return _fail(claim, Failure("not_made", reason), watch)
    IssueWork.objects.filter(pk=redeemed.pk, claim=claim.token).update(in_doubt_since=None)
    return _later(claim, redeemed, watch)


def _see_shared(
    claim: Claim, redeemed: RedeemedReward, adapter: Adapter, watch: Stopwatch, *, attempts: int, patience: float
) -> Verdict | float:
    """A shared code is in the shop already: ask whether it works. Nothing is made there, so no answer is ever in doubt."""
    if attempts >= MOST_ATTEMPTS:
        return _fail(claim, Failure("gave_up", _gave_up(redeemed)), watch)
    started_at = watch.now
    ours = IssueWork.objects.filter(pk=redeemed.pk, claim=claim.token)
    if not ours.update(attempts=F("attempts") + 1, in_doubt_since=None):
        return Verdict.WAITING
    answer = adapter.find_code(_code(redeemed))
    _note(redeemed, "find", answer, started_at=started_at, finished_at=watch.now)
    if answer.outcome is Outcome.REJECTED:
        return _fail(claim, Failure(str(answer.refusal or "rejected"), answer.reason), watch)
    if not answer.ok:
        return _nothing_done(claim, redeemed, answer, watch, patience=patience)
    if answer.value is None or not answer.value.alive:
        reason = f"The shop does not take the shared code {_code(redeemed)} any more, or not yet."
        return _fail(claim, Failure("shared_code_unfit", reason), watch)
    return _issue(claim, answer.value, EvidenceKind.FOUND, answer, watch)


def absence_counts(in_doubt_since: datetime, *, now: datetime) -> bool:
    """Whether "no such code" is proof by now: no request of before can still be under way inside the shop."""
    return now - in_doubt_since >= timedelta(seconds=settings.ABSENCE_PROVED_AFTER_SECONDS)


def is_ours(redeemed: RedeemedReward, found: PlatformCode) -> bool:
    """Whether a code in the shop is the one we asked for: our reference, and the very same value.

    A code out of a pool is ours without the reference, as long as it works: the merchant had it in the shop before.
    """
    from_pool = redeemed.code is not None and redeemed.code.pool_id is not None
    return (
        (found.reference == redeemed.reference or (from_pool and found.alive and not found.uses))
        and (found.percent is None or found.percent == redeemed.percent)
        and (found.amount is None or found.amount == redeemed.amount)
        and found.product_reference in ("", redeemed.product_reference)
    )


def _replace_code(claim: Claim, redeemed: RedeemedReward, watch: Stopwatch) -> Verdict | float:
    """The shop has somebody else's code of that name: commit another one and go on with it.

    Not for codes out of a pool: one that does not fit is followed by others of its kind, and a person must look.
    """
    if redeemed.code is not None and redeemed.code.pool_id is not None:
        return _fail(claim, Failure("pool_code_unfit", _unfit(redeemed.code.code)), watch)
    try:
        with transaction.atomic():
            row = RedeemedReward.objects.select_for_update(of=("self",)).select_related("reward").get(pk=redeemed.pk)
            if not IssueWork.objects.filter(pk=row.pk, claim=claim.token).update(in_doubt_since=None):
                return Verdict.WAITING
            row.code = new_code(reward=row.reward, now=watch.now)
            row.expires_at = pools.earlier(row.expires_at, row.code.ends_at if row.code is not None else None)
            row.save(update_fields=["code", "expires_at"])
    except (RewardNotAvailable, RewardIncomplete) as refusal:
        return _fail(claim, Failure(refusal.code, refusal.sentence), watch)
    return AT_ONCE


def _unfit(code: str) -> str:
    return (
        f"The shop has the code {code} of the pool already, but it is used, switched off or of another value. "
        "Compare the pool of this reward with the codes in the shop."
    )


def _issue(
    claim: Claim,
    made: PlatformCode,
    kind: EvidenceKind,
    answer: Answer[PlatformCode] | Answer[PlatformCode | None],
    watch: Stopwatch,
) -> Verdict:
    with transaction.atomic():
        redeemed = locked(redeemed_reward_id=claim.redeemed_reward_id, now=watch.now)
        if not IssueWork.objects.filter(pk=redeemed.pk, claim=claim.token).delete()[0]:
            return _verdict_of(redeemed)
        if redeemed.code is not None and not redeemed.code.is_shared:  # a shared one was looked at when it was shared
            redeemed.code.remote_id = made.remote_id
            redeemed.code.save(update_fields=["remote_id"])
            CodeEvidence.objects.create(
                code=redeemed.code,
                kind=kind,
                alive=made.alive,
                observed_at=watch.now,
                status=answer.observed.status,
                request_id=answer.observed.request_id[:120],
                excerpt=answer.observed.excerpt[:500],
            )
        record_issued(redeemed=redeemed, now=watch.now)
    return Verdict.ISSUED


def record_issued(*, redeemed: RedeemedReward, now: datetime) -> None:
    """Pending → issued, and the hold becomes the debit. The caller has locked account and redeemed reward."""
    changes: dict[str, object] = {}
    if redeemed.hold_id is not None:
        changes["debit"] = ledger.capture(
            hold_id=redeemed.hold_id,
            kind=TransactionKind.REDEMPTION,
            actor=Actor(ActorKind(redeemed.actor_kind), redeemed.actor_id),
            now=now,
        )
    if redeemed.is_gift and redeemed.code_id is not None:  # the coupon is in the parcel: it travels before it is used
        changes["delivery_status"] = DeliveryStatus.ORDERED
        parcels.write(redeemed=redeemed, step=DeliveryStep.ORDERED, actor=SYSTEM, now=now, ordered_at=now)
    lifecycle.move(
        redeemed,
        now=now,
        fulfillment_status=FulfillmentStatus.ISSUED,
        issued_at=now,
        on_profile=True,
        **changes,
    )
    _log("reward.issued", redeemed, now)


def _fail(claim: Claim, failure: Failure, watch: Stopwatch) -> Verdict:
    with transaction.atomic():
        redeemed = locked(redeemed_reward_id=claim.redeemed_reward_id, now=watch.now)
        if not IssueWork.objects.filter(pk=redeemed.pk, claim=claim.token).delete()[0]:
            return _verdict_of(redeemed)
        record_failed(redeemed=redeemed, failure=failure, now=watch.now, **pools.give_back(redeemed=redeemed))
    return Verdict.FAILED


def record_failed(*, redeemed: RedeemedReward, failure: Failure, now: datetime, **changes: Any) -> None:
    """It failed: its place is free again, and what is still held of its points too. The caller has locked both."""
    lifecycle.move(
        redeemed,
        now=now,
        fulfillment_status=FulfillmentStatus.FAILED,
        failure_code=failure.code[:40],
        failure_reason=failure.reason[:500],
        takes_place=False,
        **changes,
    )
    if redeemed.hold_id is not None and redeemed.debit_id is None:
        ledger.release(hold_id=redeemed.hold_id, now=now)
    _log("reward.failed", redeemed, now, code=failure.code)
    limits.free_piece(redeemed=redeemed)


def _nothing_done(
    claim: Claim,
    redeemed: RedeemedReward,
    answer: Answer[PlatformCode] | Answer[PlatformCode | None],
    watch: Stopwatch,
    *,
    patience: float,
) -> Verdict | float:
    """The shop could not be reached, or wants us to wait: nothing was made. A grant is tried again later.

    A redemption waits when the shop says for how long and that is within the caller's patience; else it ends here.
    """
    if redeemed.origin != Origin.REDEMPTION:
        return _later(claim, redeemed, watch, wait=answer.retry_after)
    if answer.retry_after and watch.elapsed + answer.retry_after < patience:
        return answer.retry_after
    return _fail(claim, Failure(str(answer.outcome), answer.reason), watch)


def _later(claim: Claim, redeemed: RedeemedReward, watch: Stopwatch, *, wait: float | None = None) -> Verdict:
    """Leave a grant to a later try: when the shop said so, else the more tries there were, the later."""
    waiting = IssueWork.objects.filter(pk=redeemed.pk, claim=claim.token).first()
    if waiting is not None:
        pause = timedelta(seconds=wait) if wait else backoff(waiting.attempts)
        _let_go(claim, due_at=watch.now + pause)
    return Verdict.WAITING


def _gave_up(redeemed: RedeemedReward) -> str:
    last = IssueAttempt.objects.filter(redeemed_reward=redeemed).order_by("-id").first()
    said = f" Its last answer: {last.reason}" if last is not None and last.reason else ""
    return f"The shop did not make it in {MOST_ATTEMPTS} tries.{said}"


def backoff(attempts: int) -> timedelta:
    """5 s, 10 s, 20 s … up to three hours, with jitter so that a recovering shop is not hit by all at once."""
    seconds = min(5 * 2 ** max(attempts - 1, 0), LONGEST_BACKOFF.total_seconds())
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 (jitter, not a secret)


def _put_off(claim: Claim, *, now: datetime) -> Verdict:
    """Our patience is over. A worker goes on: soon, and ever more rarely the longer a doubt has lasted."""
    waiting = IssueWork.objects.filter(pk=claim.redeemed_reward_id, claim=claim.token).first()
    lasted = now - waiting.in_doubt_since if waiting is not None and waiting.in_doubt_since is not None else SOONEST
    _let_go(claim, due_at=now + max(SOONEST, min(lasted / 2, RAREST)))
    redeemed = RedeemedReward.objects.get(pk=claim.redeemed_reward_id)
    return _verdict_of(redeemed)


def _let_go(claim: Claim, *, due_at: datetime) -> None:
    IssueWork.objects.filter(pk=claim.redeemed_reward_id, claim=claim.token).update(
        claim=None, claimed_until=None, due_at=due_at
    )


def locked(*, redeemed_reward_id: int, now: datetime) -> RedeemedReward:
    """Lock the customer's account, then the redeemed reward, and read it as it is now: the order everyone keeps."""
    customer_id = RedeemedReward.objects.values_list("customer_id", flat=True).get(pk=redeemed_reward_id)
    locking.lock(customer_id=customer_id, now=now)
    return RedeemedReward.objects.select_for_update(of=("self",)).select_related("code").get(pk=redeemed_reward_id)


def _verdict_of(redeemed: RedeemedReward) -> Verdict:
    match redeemed.fulfillment_status:
        case FulfillmentStatus.PENDING:
            return Verdict.WAITING
        case FulfillmentStatus.FAILED:
            return Verdict.FAILED
        case _:
            return Verdict.ISSUED


def _code(redeemed: RedeemedReward) -> str:
    if redeemed.code is None:
        raise lifecycle.IllegalTransition(f"Redeemed reward {redeemed.pk} has no code to generate.")
    return codes.canonical(redeemed.code.code)


def _note(
    redeemed: RedeemedReward,
    call: str,
    answer: Answer[PlatformCode] | Answer[PlatformCode | None],
    *,
    started_at: datetime,
    finished_at: datetime,
) -> None:
    IssueAttempt.objects.create(
        redeemed_reward=redeemed,
        call=call,
        outcome=answer.outcome,
        reason=answer.reason[:500],
        started_at=started_at,
        finished_at=finished_at,
    )


def _log(kind: str, redeemed: RedeemedReward, now: datetime, **data: object) -> None:
    log.record(
        kind=kind,
        subject_type="redeemed_reward",
        subject_id=redeemed.pk,
        customer_id=redeemed.customer_id,
        actor=SYSTEM,
        now=now,
        **data,
    )
