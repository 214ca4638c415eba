"""What staff put right by hand: each act stated before, in sentences, and refused when that has moved since.

The acts themselves stand in their own modules; here they get a plan with a fingerprint that is checked under the lock.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from loyalty.common import plans
from loyalty.common.actors import SYSTEM, Actor
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.points import credit_cancellation, effects, ledger, locking, queries, shortfalls, transfers
from loyalty.points.errors import NotReversible
from loyalty.points.models import (
    PointsAccount,
    PointsLot,
    PointsShortfall,
    PointsTransaction,
    PointsTransfer,
    ShortfallState,
    TransactionKind,
)


class NothingToCollect(DomainError):
    """The customer owes nothing, or has nothing."""

    code = "nothing_to_collect"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionPlan:
    """Every effect of a correction, stated before. `refusal` says why it cannot be done; then there are no effects."""

    points: int
    effects: tuple[str, ...]
    fingerprint: str
    refusal: str = ""


def plan_cancellation(*, transaction_id: int, now: datetime) -> CorrectionPlan:
    """What canceling a credit would take from which lots, and what is gone already. Reads only."""
    try:
        entry = _entry(transaction_id)
        found = credit_cancellation.plan(transaction_id=transaction_id, now=now)
    except DomainError as error:
        return _refused(error, transaction_id)
    if entry.reversals.filter(kind=TransactionKind.CANCELLATION).exists():
        return _refused(credit_cancellation.CreditNotCancellable("This credit was canceled already."), transaction_id)
    at = _settled(entry.customer_id, now)
    taken = {charge.lot_id: charge.points for charge in found.charges}
    lots = PointsLot.objects.filter(pk__in=taken).exclude(expires_at__lte=at).order_by("id")
    lines = [effects.line_of(lot, points=taken[lot.pk]) for lot in lots]
    left = sum(line.points for line in lines)
    gone = found.credited - left - found.held
    if not left:
        return _refused(
            credit_cancellation.CreditNotCancellable(
                f"Nothing is left of these {effects.count(found.credited)}: {effects.number(gone)} are spent or "
                f"expired, {effects.number(found.held)} are held. An adjustment can take other points instead."
            ),
            transaction_id,
        )
    sentences = effects.taken(lines, zone=merchant.programme().zone)
    if gone:
        sentences.append(
            f"{effects.count(gone)} of {effects.number(found.credited)} are spent or expired already: they stay gone."
        )
    if found.held:
        sentences.append(f"{effects.count(found.held)} are held at the moment and are not taken.")
    return _plan(left, sentences, facts=[transaction_id, gone, found.held, [line.facts for line in lines]])


@transaction.atomic
def cancel_credit(
    *, transaction_id: int, actor: Actor, now: datetime, fingerprint: str, internal_note: str = ""
) -> PointsTransaction:
    """Take what is left of a credit, as it was shown. Raises PlanOutdated, CreditNotCancellable."""
    _lock(transaction_id, now=now)
    current = plan_cancellation(transaction_id=transaction_id, now=now)
    if current.refusal:
        raise credit_cancellation.CreditNotCancellable(current.refusal)
    _require(fingerprint, current, subject="What is left of it")
    return credit_cancellation.cancel(transaction_id=transaction_id, actor=actor, now=now, internal_note=internal_note)


def plan_return(*, transaction_id: int, now: datetime, points: int | None = None) -> CorrectionPlan:
    """To which lots the points of a debit would go back, and how long they would live there. Reads only.

    `points` is how many; None means all that have not come back yet.
    """
    try:
        entry = _entry(transaction_id)
        lines = ledger.plan_reversal(transaction_id=transaction_id, now=_settled(entry.customer_id, now), points=points)
    except DomainError as error:
        return _refused(error, transaction_id, points)
    zone = merchant.programme().zone
    sentences = [effects.returned(line, zone=zone) for line in lines]
    total = sum(line.points for line in lines)
    if entry.cause_type == CauseType.REDEEMED_REWARD:
        sentences.append("The reward itself stays as it is: to end its code too, cancel the reward instead.")
    facts = [
        [line.lot_id, line.points, line.way, line.expires_at and effects.day(line.expires_at, zone=zone)]
        for line in lines
    ]
    return _plan(total, sentences, facts=[transaction_id, facts])


@transaction.atomic
def return_points(
    *,
    transaction_id: int,
    actor: Actor,
    now: datetime,
    fingerprint: str,
    points: int | None = None,
    description: str = "",
    internal_note: str = "",
) -> PointsTransaction:
    """Return points of a debit to the lots they came from, as it was shown. Raises PlanOutdated, NotReversible."""
    entry = _lock(transaction_id, now=now)
    current = plan_return(transaction_id=transaction_id, now=now, points=points)
    if current.refusal:
        raise NotReversible(current.refusal)
    _require(fingerprint, current, subject="What can still be returned")
    back = ledger.reverse(
        transaction_id=transaction_id,
        cause=Cause(CauseType.TRANSACTION, transaction_id),
        actor=actor,
        now=now,
        points=points,
        description=description.strip(),
        internal_note=internal_note.strip(),
    )
    log.record(
        kind="points.returned",
        subject_type="points_transaction",
        subject_id=transaction_id,
        customer_id=entry.customer_id,
        actor=actor,
        now=now,
        points=back.points_change,
    )
    return back


def plan_transfer(*, sender_id: int, receiver_id: int, points: int, now: datetime) -> CorrectionPlan:
    """Which lots would move, each with its end. Rehearsed and rolled back, so it is refused as the act would be."""
    at = _settled(sender_id, now)
    try:
        with transaction.atomic():
            transfers.transfer(sender_id=sender_id, receiver_id=receiver_id, points=points, actor=SYSTEM, now=now)
            transaction.set_rollback(True)
        lines = effects.paying(customer_id=sender_id, points=points, at=at)
    except DomainError as error:
        return _refused(error, sender_id, receiver_id, points)
    sender = queries.balance(customer_id=sender_id, now=at).balance
    receiver = queries.balance(customer_id=receiver_id, now=_settled(receiver_id, now)).balance
    sentences = [
        f"The sender's active points go from {effects.number(sender)} to {effects.number(sender - points)}.",
        f"The receiver's go from {effects.number(receiver)} to {effects.number(receiver + points)}.",
        "Each part keeps its last day:",
        *effects.taken(lines, zone=merchant.programme().zone),
    ]
    facts = [sender_id, receiver_id, points, sender, receiver, [line.facts for line in lines]]
    return _plan(points, sentences, facts=facts)


@transaction.atomic
def transfer(
    *,
    sender_id: int,
    receiver_id: int,
    points: int,
    actor: Actor,
    now: datetime,
    fingerprint: str,
    idempotency_key: str,
    internal_note: str = "",
) -> PointsTransfer:
    """Move points as it was shown. The same idempotency key gives the same transfer.

    Raises PlanOutdated, and what `transfers.transfer` raises.
    """
    for customer_id in sorted({sender_id, receiver_id}):
        locking.lock(customer_id=customer_id, now=now)
    if not PointsTransfer.objects.filter(debit__idempotency_key=idempotency_key).exists():
        current = plan_transfer(sender_id=sender_id, receiver_id=receiver_id, points=points, now=now)
        _require(fingerprint, current, subject="One of the two balances, or what was typed,")
    return transfers.transfer(
        sender_id=sender_id,
        receiver_id=receiver_id,
        points=points,
        actor=actor,
        now=now,
        internal_note=internal_note,
        idempotency_key=idempotency_key,
    )


def plan_collection(*, customer_id: int, now: datetime) -> CorrectionPlan:
    """What collecting now would take, and what would still be owed. Reads only."""
    account = PointsAccount.objects.filter(pk=customer_id).first()
    at = _settled(customer_id, now)
    balance = queries.balance(customer_id=customer_id, now=at)
    points = min(balance.owed, balance.balance)
    if account is None or not points:
        why = "no active points to collect" if balance.owed else "nothing to pay back"
        return _refused(NothingToCollect(f"This customer has {why}."), customer_id)
    lines = effects.paying(customer_id=customer_id, points=points, at=at)
    rest = balance.owed - points
    sentences = [
        f"{effects.count(points)} of the {effects.number(balance.owed)} owed are taken, from the oldest refund on.",
        f"{effects.count(rest)} are still owed." if rest else "Nothing is owed any more.",
        f"Active points go from {effects.number(balance.balance)} to {effects.number(balance.balance - points)}.",
        *effects.taken(lines, zone=merchant.programme().zone),
    ]
    return _plan(points, sentences, facts=[customer_id, balance.owed, balance.balance, [line.facts for line in lines]])


@transaction.atomic
def collect(*, customer_id: int, actor: Actor, now: datetime, fingerprint: str) -> PointsTransaction:
    """Collect what the customer owes, as it was shown. Raises PlanOutdated, NothingToCollect."""
    locking.lock(customer_id=customer_id, now=now)
    current = plan_collection(customer_id=customer_id, now=now)
    if not current.refusal:
        _require(fingerprint, current, subject="The customer's balance, or what is owed,")
    entry = shortfalls.collect(customer_id=customer_id, actor=actor, now=now)
    if entry is None:
        raise NothingToCollect(current.refusal)
    return entry


def plan_waiver(*, shortfall_id: int) -> CorrectionPlan:
    """What waiving would let go. Reads only."""
    row = PointsShortfall.objects.filter(pk=shortfall_id).first()
    if row is None:
        return _refused(shortfalls.UnknownShortfall(shortfall_id), shortfall_id)
    if row.state != ShortfallState.OPEN:
        closed = shortfalls.ShortfallClosed(f"It was {row.get_state_display().lower()} already.")
        return _refused(closed, shortfall_id)
    owed = PointsAccount.objects.values_list("owed", flat=True).get(pk=row.customer_id)
    rest = owed - row.left
    sentences = [
        f"{effects.count(row.left)} are no longer owed, for good.",
        f"{effects.count(rest)} are still owed from other refunds." if rest else "Nothing is owed any more.",
    ]
    return _plan(row.left, sentences, facts=[shortfall_id, row.left, owed])


@transaction.atomic
def waive(
    *, shortfall_id: int, actor: Actor, now: datetime, fingerprint: str, internal_note: str = ""
) -> PointsShortfall:
    """Let the rest of a shortfall go, as it was shown. Raises PlanOutdated, ShortfallClosed, UnknownShortfall."""
    locking.lock(customer_id=shortfalls.customer_of(shortfall_id=shortfall_id), now=now)
    current = plan_waiver(shortfall_id=shortfall_id)
    if current.refusal:
        raise shortfalls.ShortfallClosed(current.refusal)
    _require(fingerprint, current, subject="What is owed")
    return shortfalls.waive(shortfall_id=shortfall_id, actor=actor, now=now, internal_note=internal_note)


def _entry(transaction_id: int) -> PointsTransaction:
    entry = PointsTransaction.objects.filter(pk=transaction_id).first()
    if entry is None:
        raise NotReversible(f"There is no transaction {transaction_id}. Check the number.")
    return entry


def _lock(transaction_id: int, *, now: datetime) -> PointsTransaction:
    entry = _entry(transaction_id)
    locking.lock(customer_id=entry.customer_id, now=now)
    return entry


def _settled(customer_id: int, now: datetime) -> datetime:
    """The instant at which a writer would work: an account never goes back in time."""
    settled_at = PointsAccount.objects.filter(pk=customer_id).values_list("settled_at", flat=True).first()
    return max(settled_at, now) if settled_at is not None else now


def _plan(points: int, sentences: list[str], *, facts: list[Any]) -> CorrectionPlan:
    return CorrectionPlan(points=points, effects=tuple(sentences), fingerprint=plans.fingerprint({"facts": facts}))


def _refused(error: DomainError, *facts: Any) -> CorrectionPlan:
    fingerprint = plans.fingerprint({"refusal": error.sentence, "facts": facts})
    return CorrectionPlan(points=0, effects=(), refusal=error.sentence, fingerprint=fingerprint)


def _require(shown: str, current: CorrectionPlan, *, subject: str) -> None:
    plans.require_current(shown=shown, current=current.fingerprint, subject=subject)
