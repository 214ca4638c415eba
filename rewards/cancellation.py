"""Undo: plan, disable, prove, give back.

Order of effects: canceling → the code is killed in the shop → it is read back, dead and unused → the points go back and
the reward is canceled. A shop that counts uses late is asked once more after a while. A shop that cannot be reached
leaves it canceling, and it is tried again.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from loyalty.common import codes, plans, queue
from loyalty.common.actors import Actor, ActorKind
from loyalty.common.causes import Cause, CauseType
from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.points import ledger
from platforms import registry as platforms
from platforms.adapter import Adapter, Answer, OrderStatus, PlatformCode
from platforms.credentials import CredentialsUnreadable
from rewards import cancellation_plan, evidence, issuing, lifecycle, limits, parcels, payouts, probing, usage
from rewards.cancellation_plan import CancellationPlan, Effect, plan
from rewards.claim import connection_of
from rewards.models import (
    Cancellation,
    CancellationReason,
    CancellationState,
    DeliveryStatus,
    DeliveryStep,
    EvidenceKind,
    FulfillmentStatus,
    IssueWork,
    RedeemedReward,
    RewardCode,
)

LEASE = timedelta(seconds=60)
CALL_TIMEOUT = 8.0
MOST_ORDER_PAGES = 20
SETTLING = "The code is switched off. This shop counts uses late, so it is asked once more before the points go back."


__all__ = ["CancellationPlan", "CancellationRefused", "Effect", "begin", "cancel", "force", "plan", "proceed", "sweep"]


class CancellationRefused(DomainError):
    """This reward cannot be canceled now."""

    code = "cancellation_refused"


def cancel(
    *,
    redeemed_reward_id: int,
    actor: Actor,
    now: datetime,
    fingerprint: str | None = None,
    return_points: bool = True,
    after_use: bool = False,
    reason: CancellationReason | None = None,
    internal_note: str = "",
) -> Cancellation:
    """Cancel a reward of any origin: at once when no shop knows it, else as soon as the shop proves the code dead.

    With `after_use` also one that was used, which the door allows to few.

    The shop is asked right away; what cannot be finished now is finished by a worker, and the row says why. Canceling
    what is canceled, or being canceled, gives the same row. Not inside a transaction.
    Raises CancellationRefused, PlanOutdated.
    """
    watch = Stopwatch(now)
    cancellation = _begin(
        redeemed_reward_id=redeemed_reward_id,
        actor=actor,
        now=now,
        fingerprint=fingerprint,
        return_points=return_points,
        after_use=after_use,
        reason=reason,
        internal_note=internal_note,
    )
    if cancellation.state == CancellationState.CANCELLING:
        proceed(cancellation_id=cancellation.pk, now=watch.now)
    return Cancellation.objects.get(pk=cancellation.pk)


@transaction.atomic
def begin(*, redeemed_reward_id: int, actor: Actor, now: datetime, return_points: bool = True) -> Cancellation:
    """As `cancel`, inside a transaction of the caller's: where a shop has to be asked, a worker asks it afterwards.

    Raises CancellationRefused.
    """
    row = _begin(
        redeemed_reward_id=redeemed_reward_id,
        actor=actor,
        now=now,
        fingerprint=None,
        return_points=return_points,
        after_use=False,
        reason=None,
        internal_note="",
    )
    if row.state == CancellationState.CANCELLING:
        queue.enqueue("rewards.cancel", cancellation_id=row.pk)
    return row


@transaction.atomic
def force(*, redeemed_reward_id: int, actor: Actor, now: datetime, internal_note: str = "") -> Cancellation:
    """End a cancellation whose shop cannot be reached: the points go back, and the code may still work.

    Raises CancellationRefused when none is under way or the shop has not been asked yet.
    """
    redeemed = issuing.locked(redeemed_reward_id=redeemed_reward_id, now=now)
    cancellation = usage.open_cancellation(redeemed_reward_id=redeemed.pk)
    if cancellation is None:
        raise CancellationRefused(f"“{redeemed.name}” is not being canceled: there is nothing to force.")
    if not cancellation.attempts:
        raise CancellationRefused(
            f"The shop has not been asked yet about “{redeemed.name}”: wait for its answer first."
        )
    if internal_note.strip():
        cancellation.internal_note = f"{cancellation.internal_note}\n{internal_note.strip()}".strip()[:1000]
    _finish(redeemed, cancellation, CancellationState.UNPROVED, actor=actor, now=now)
    return cancellation


def sweep(*, now: datetime, limit: int = 200) -> int:
    """Ring for every cancellation that is due; gives back how many. One that rings several times is taken once."""
    due = Cancellation.objects.filter(state=CancellationState.CANCELLING, due_at__lte=now)
    ids = list(due.order_by("due_at", "pk").values_list("pk", flat=True)[:limit])
    for cancellation_id in ids:
        queue.enqueue("rewards.cancel", cancellation_id=cancellation_id)
    return len(ids)


def proceed(*, cancellation_id: int, now: datetime) -> None:
    """Ask the shop to kill the code, read it back, and finish; or note why not, and when to try again."""
    watch = Stopwatch(now)
    claim = _take(cancellation_id, now=now)
    if claim is None:
        return
    redeemed = RedeemedReward.objects.select_related("code").get(cancellations=cancellation_id)
    proof = _Proof()
    if redeemed.code is not None:
        try:
            adapter = platforms.adapter_for(connection_of(redeemed), timeout=CALL_TIMEOUT)
            proof = _kill(adapter, redeemed, redeemed.code, cancellation_id, watch)
        except CredentialsUnreadable as refusal:
            proof = _Proof(missing=refusal.sentence)
    if proof.missing:
        _wait(cancellation_id, claim, proof, now=watch.now)
    else:
        _record(cancellation_id, claim, proof, now=watch.now)


@dataclass(frozen=True, slots=True)
class _Proof:
    """What the shop showed. `missing` says what is still lacking; without it the code is dead, or was used."""

    missing: str = ""
    retry_after: float | None = None
    used: bool = False
    order_id: str = ""


def _kill(
    adapter: Adapter, redeemed: RedeemedReward, code: RewardCode, cancellation_id: int, watch: Stopwatch
) -> _Proof:
    """Disable, read back, look for a use: with no lock and no transaction open."""
    back = _disabled(adapter, redeemed, code, cancellation_id, watch)
    if not back.ok:
        return _Proof(missing=back.reason or "The shop gave no clear answer.", retry_after=back.retry_after)
    order_id = _use_seen(adapter, redeemed, code, back.value)
    if order_id is None:
        return _Proof(missing="The shop did not show its latest orders, so a use cannot be ruled out yet.")
    after_use = Cancellation.objects.values_list("after_use", flat=True).get(pk=cancellation_id)
    used = not after_use and (bool(order_id) or bool(back.value and back.value.uses))
    if back.value is not None and back.value.alive and not used:
        return _Proof(missing="The shop still takes the code although it was told to disable it.")
    was_there = back.value is not None or bool(code.remote_id)  # one of many is not disabled but taken out
    if was_there and not used and not after_use:
        wait = adapter.capabilities.settles - evidence.seconds_dead(cancellation_id=cancellation_id, now=watch.now)
        if wait > 0:
            return _Proof(missing=SETTLING, retry_after=wait)
    return _Proof(used=used, order_id=order_id)


def _disabled(
    adapter: Adapter, redeemed: RedeemedReward, code: RewardCode, cancellation_id: int, watch: Stopwatch
) -> Answer[PlatformCode | None]:
    """Our code as the shop shows it after it was told to disable it; every answer is kept.

    One that nobody has shown us yet is looked up before: its name may be somebody else's, whose code is not ours to kill.
    """

    def kept(kind: EvidenceKind, answer: Answer[PlatformCode | None]) -> Answer[PlatformCode | None]:
        ours = evidence.only_ours(redeemed=redeemed, code=code, answer=answer)
        evidence.keep(code=code, cancellation_id=cancellation_id, kind=kind, answer=ours, now=watch.now)
        return ours

    remote_id = code.remote_id
    if not remote_id:
        first = kept(EvidenceKind.READ_BACK, adapter.find_code(code.canonical))
        if first.value is None:
            return first
        remote_id = first.value.remote_id
    told = kept(EvidenceKind.DISABLED, adapter.disable_code(code.canonical, remote_id))
    return kept(EvidenceKind.READ_BACK, adapter.find_code(code.canonical)) if told.ok else told


@transaction.atomic
def _begin(
    *,
    redeemed_reward_id: int,
    actor: Actor,
    now: datetime,
    fingerprint: str | None,
    return_points: bool,
    after_use: bool,
    reason: CancellationReason | None,
    internal_note: str,
) -> Cancellation:
    redeemed = issuing.locked(redeemed_reward_id=redeemed_reward_id, now=now)
    before = (
        Cancellation.objects.filter(redeemed_reward=redeemed)
        .exclude(state=CancellationState.USED_MEANWHILE)
        .order_by("-id")
        .first()
    )
    if before is not None:
        return before
    current = cancellation_plan.plan(
        redeemed_reward_id=redeemed.pk, now=now, return_points=return_points, after_use=after_use
    )
    if current.refusal:
        raise CancellationRefused(current.refusal)
    if fingerprint is not None:
        plans.require_current(shown=fingerprint, current=current.fingerprint, subject=f"“{redeemed.name}”")
    cancellation = Cancellation.objects.create(
        redeemed_reward=redeemed,
        return_points=return_points,
        after_use=current.after_use,
        reason=reason or "",
        actor_kind=actor.kind,
        actor_id=actor.id,
        internal_note=internal_note.strip(),
        created_at=now,
        due_at=now,
    )
    work = IssueWork.objects.filter(pk=redeemed.pk).first()
    untouched = work is not None and not work.attempts and work.in_doubt_since is None
    IssueWork.objects.filter(pk=redeemed.pk).delete()
    redeemed.updated_at = now
    redeemed.save(update_fields=["updated_at"])  # what changed is told to those who ask for changes
    log.record(
        kind="reward.cancelling",
        subject_type="redeemed_reward",
        subject_id=redeemed.pk,
        customer_id=redeemed.customer_id,
        actor=actor,
        now=now,
        return_points=return_points,
        after_use=current.after_use,
        reason=reason or "",
    )
    if cancellation_plan.others_hold_the_code(redeemed):
        _finish(redeemed, cancellation, CancellationState.SHARED, actor=actor, now=now)
    elif redeemed.code_id is None or untouched or not platforms.calls_out(connection_of(redeemed)):
        _finish(redeemed, cancellation, CancellationState.PROVED, actor=actor, now=now)
    return cancellation


def _take(cancellation_id: int, *, now: datetime) -> uuid.UUID | None:
    with transaction.atomic():
        row = (
            Cancellation.objects.select_for_update(skip_locked=True)
            .filter(Q(claim__isnull=True) | Q(claimed_until__lte=now))
            .filter(pk=cancellation_id, state=CancellationState.CANCELLING, due_at__lte=now)
            .first()
        )
        if row is None:
            return None
        row.claim, row.claimed_until = uuid.uuid4(), now + LEASE
        row.due_at = row.claimed_until
        row.attempts += 1
        row.save()
        return row.claim


def _wait(cancellation_id: int, claim: uuid.UUID, proof: _Proof, *, now: datetime) -> None:
    row = Cancellation.objects.filter(pk=cancellation_id, claim=claim).first()
    if row is not None:
        pause = timedelta(seconds=proof.retry_after) if proof.retry_after else issuing.backoff(row.attempts)
        Cancellation.objects.filter(pk=cancellation_id, claim=claim, state=CancellationState.CANCELLING).update(
            claim=None, claimed_until=None, due_at=now + pause, last_reason=proof.missing[:500]
        )


@transaction.atomic
def _record(cancellation_id: int, claim: uuid.UUID, proof: _Proof, *, now: datetime) -> None:
    """Write down what the shop showed, if our claim still stands."""
    redeemed_id = Cancellation.objects.values_list("redeemed_reward_id", flat=True).get(pk=cancellation_id)
    redeemed = issuing.locked(redeemed_reward_id=redeemed_id, now=now)
    row = Cancellation.objects.select_for_update().get(pk=cancellation_id)
    if row.state != CancellationState.CANCELLING or row.claim != claim:
        return
    if proof.used:
        usage.record_used_meanwhile(redeemed=redeemed, cancellation=row, order_id=proof.order_id, now=now)
    else:
        _finish(redeemed, row, CancellationState.PROVED, actor=_actor_of(row), now=now)


def _finish(
    redeemed: RedeemedReward, row: Cancellation, state: CancellationState, *, actor: Actor, now: datetime
) -> None:
    """Give back the points, free the place, close the row. The caller has locked account and redeemed reward."""
    if row.return_points and redeemed.debit_id is not None and cancellation_plan.return_lines(redeemed, now=now):
        ledger.reverse(
            transaction_id=redeemed.debit_id,
            cause=Cause(CauseType.REDEEMED_REWARD, redeemed.pk),
            actor=actor,
            now=now,
        )
    payouts.withdraw(redeemed=redeemed, now=now)
    holds_piece = redeemed.takes_place
    changes: dict[str, Any] = {}
    if redeemed.is_gift and redeemed.delivery_status == DeliveryStatus.ORDERED:
        changes["delivery_status"] = DeliveryStatus.CANCELLED
        parcels.write(redeemed=redeemed, step=DeliveryStep.CANCELLED, actor=actor, now=now, cancelled_at=now)
    lifecycle.move(
        redeemed,
        now=now,
        fulfillment_status=FulfillmentStatus.CANCELLED,
        cancelled_at=now,
        takes_place=False,
        on_profile=True,
        **changes,
    )
    if redeemed.code_id is not None and state == CancellationState.PROVED:
        RewardCode.objects.filter(pk=redeemed.code_id).update(disabled_at=now)
    lifecycle.move_cancellation(row, state)
    row.closed_at, row.due_at = now, None
    row.claim = row.claimed_until = None
    asked = redeemed.code_id is not None and row.attempts > 0
    row.probe_due_at = probing.first_due(row=row, asked=asked)
    row.save()
    log.record(
        kind="reward.cancelled",
        subject_type="redeemed_reward",
        subject_id=redeemed.pk,
        customer_id=redeemed.customer_id,
        actor=actor,
        now=now,
        proof=state,
    )
    if holds_piece:
        limits.free_piece(redeemed=redeemed)


def _use_seen(adapter: Adapter, redeemed: RedeemedReward, code: RewardCode, found: PlatformCode | None) -> str | None:
    """The completed order that carries the code and that we have not been told of yet; empty: none; None: unknown.

    Shops that keep no count are asked for the orders since our last poll: older ones we know. An order that cannot be
    understood may be the one: it leaves the question open until the poll has put it aside for a person.
    """
    if found is not None and found.uses is not None:
        return ""
    connection = connection_of(redeemed)
    if connection is None:
        return ""
    cursor, understood = connection.orders_cursor, True
    for _ in range(MOST_ORDER_PAGES):
        page = adapter.orders_since(cursor)
        if page.value is None:
            return None
        for order in page.value.orders:
            carried = {codes.canonical(applied.code) for applied in order.codes}
            if order.status is OrderStatus.COMPLETED and code.canonical in carried:
                return order.external_id
        understood &= not page.value.unread
        if not page.value.more:
            return "" if understood else None
        cursor = page.value.cursor
    return None


def _actor_of(row: Cancellation) -> Actor:
    return Actor(ActorKind(row.actor_kind), row.actor_id)
