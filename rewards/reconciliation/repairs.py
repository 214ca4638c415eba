"""The one safe repair of a finding: said before it is done, done once however often it is asked for.

Claim, call, record. The claim is committed, then both sides are looked at once more: a repair is done to what differs
now, not to what differed when the run passed by. Each repair is an act that exists for itself and may be repeated, so
one that was cut off is finished by the sweep.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from loyalty.common import plans, queue
from loyalty.common.actors import Actor, ActorKind
from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from loyalty.events import log
from platforms import registry as platforms
from platforms.adapter import Adapter, PlatformCode
from platforms.models import StoreConnection
from rewards import cancellation, lifecycle, probing, reissue, usage
from rewards.holders import OrderUse
from rewards.models import (
    Cancellation,
    CancellationReason,
    CancellationState,
    FindingDetail,
    FindingKind,
    FindingState,
    ReconciliationFinding,
    Repair,
)
from rewards.reconciliation import comparing, findings, records
from rewards.reconciliation.comparing import Difference

TASK = "rewards.repair_finding"
LEASE = timedelta(seconds=90)
CALL_TIMEOUT = 8.0
OTHERS = (
    "Leave it if another desk works with this shop, or if our records were restored from a backup: somebody may have got "
    "it then."
)
WHAT_IT_WAS: dict[str, str] = {
    FindingKind.GHOST: "gone from the shop",
    FindingKind.VALUE_DRIFT: "worth something else in the shop, or ended on another day",
}
WHY_NOTHING: dict[str, str] = {FindingKind.ORPHAN: "nobody has it", FindingKind.VALUE_DRIFT: "it is over"}


class RepairRefused(DomainError):
    """The difference cannot be repaired now. Nothing was changed, and the sentence says what to do."""

    code = "repair_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairPlan:
    """What repairing would do. `refusal` says why it cannot be done; then there are no effects."""

    finding_id: int
    effects: tuple[str, ...]
    fingerprint: str
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of a repair; `state` is where the finding ends, OPEN when it could not be repaired."""

    state: FindingState
    sentence: str


def plan(*, finding_id: int, now: datetime) -> RepairPlan:
    """What repairing would do, as far as we know without asking the shop. Reads only."""
    row = ReconciliationFinding.objects.select_related("connection", "redeemed_reward__reward").get(pk=finding_id)
    refusal = _refusal(row, now=now)
    facts = {"id": row.pk, "state": row.state, "repair": row.repair, "digest": row.digest, "refusal": refusal}
    return RepairPlan(
        finding_id=row.pk,
        effects=() if refusal else _effects(row),
        refusal=refusal,
        fingerprint=plans.fingerprint(facts),
    )


def repair(*, finding_id: int, actor: Actor, now: datetime, fingerprint: str | None = None) -> ReconciliationFinding:
    """Repair a finding. One that is repaired is given back as it is. Not inside a transaction.

    Raises RepairRefused, FindingClosed, PlanOutdated.
    """
    claim = _take(finding_id, actor=actor, now=now, fingerprint=fingerprint)
    if claim is None:
        return ReconciliationFinding.objects.get(pk=finding_id)
    done = _do(finding_id, claim, Stopwatch(now))
    if done.state == FindingState.OPEN:
        raise RepairRefused(done.sentence)
    return ReconciliationFinding.objects.get(pk=finding_id)


def proceed(*, finding_id: int, now: datetime) -> None:
    """Finish a repair whose worker died. What cannot be finished is open again, and says why."""
    row = ReconciliationFinding.objects.get(pk=finding_id)
    if row.state != FindingState.REPAIRING or row.claimed_until is None or row.claimed_until > now:
        return
    claim = _take(finding_id, actor=Actor(ActorKind(row.actor_kind), row.actor_id), now=now, fingerprint=None)
    if claim is not None:
        _do(finding_id, claim, Stopwatch(now))


def sweep(*, now: datetime, limit: int = 100) -> int:
    """Ring for every repair that was cut off; gives back how many."""
    cut_off = ReconciliationFinding.objects.filter(state=FindingState.REPAIRING, claimed_until__lte=now)
    ids = list(cut_off.order_by("claimed_until", "pk").values_list("pk", flat=True)[:limit])
    for finding_id in ids:
        queue.enqueue(TASK, finding_id=finding_id)
    return len(ids)


@transaction.atomic
def _take(finding_id: int, *, actor: Actor, now: datetime, fingerprint: str | None) -> uuid.UUID | None:
    """Claim the repair; none when it was done already."""
    row = ReconciliationFinding.objects.select_for_update().get(pk=finding_id)
    if row.state in (FindingState.REPAIRED, FindingState.SETTLED):
        return None
    if fingerprint is not None:
        current = plan(finding_id=row.pk, now=now).fingerprint
        plans.require_current(shown=fingerprint, current=current, subject=f"The difference of {row.canonical}")
    findings.require_open(row)
    if refusal := _refusal(row, now=now):
        raise RepairRefused(refusal)
    if row.state == FindingState.OPEN:
        lifecycle.move_finding(row, FindingState.REPAIRING)
    row.claim, row.claimed_until = uuid.uuid4(), now + LEASE
    row.actor_kind, row.actor_id = actor.kind, actor.id
    row.save()
    return row.claim


def _refusal(row: ReconciliationFinding, *, now: datetime) -> str:
    if row.state == FindingState.REPAIRING and row.claimed_until is not None and row.claimed_until > now:
        return f"{row.canonical} is being repaired this moment: try again in a minute or two."
    if row.state not in (FindingState.OPEN, FindingState.REPAIRING):
        return f"{row.canonical} is closed: {row.get_state_display().lower()}."
    if row.repair == Repair.NONE:
        return f"No repair of {row.canonical} is safe without a person who decides. The page says what there is to look at."
    return ""


def _effects(row: ReconciliationFinding) -> tuple[str, ...]:
    """What each repair does, in sentences."""
    shop, code = row.connection.name, row.canonical
    first = f"{shop} is asked about {code} once more; nothing is done if both sides agree by now."
    match row.repair:
        case Repair.REISSUE:
            name = row.redeemed_reward.name if row.redeemed_reward is not None else ""
            switched_off = f"{code} is disabled in {shop} and read back; had an order used it, nothing else is done."
            return (
                first,
                *([switched_off] if row.kind == FindingKind.VALUE_DRIFT else []),
                f"The customer gets “{name}” anew, with the value and terms of then and another code, without points.",
                f"This one is canceled without returning points, and {code} is made useless in {shop} for good.",
            )
        case Repair.DISABLE:
            return (
                first,
                f"{code} is disabled in {shop} and read back. Nothing changes here: {WHY_NOTHING[row.kind]}.",
                *([OTHERS] if row.kind == FindingKind.ORPHAN else []),
            )
        case Repair.KILL_AND_PROVE:
            return (
                first,
                f"{code} is disabled in {shop} and read back, and that is kept as proof of the cancellation.",
            )
    return (
        first,
        f"The reward is marked used on order {row.order_id} of {shop}, as its order says.",
        "The order itself is not kept by this: what it earns comes when the shop tells of it, by webhook or by polling.",
    )


def _do(finding_id: int, claim: uuid.UUID, watch: Stopwatch) -> _Done:
    """Look at both sides, repair what still differs, write down what came of it."""
    row = ReconciliationFinding.objects.select_related("code", "redeemed_reward").get(pk=finding_id)
    try:
        adapter = platforms.adapter_for(StoreConnection.objects.get(pk=row.connection_id), timeout=CALL_TIMEOUT)
        done = _repair_if_needed(row, adapter, watch)
    except DomainError as refusal:
        done = _Done(FindingState.OPEN, refusal.sentence)
    _record(row.pk, claim, done, now=watch.now)
    return done


def _repair_if_needed(row: ReconciliationFinding, adapter: Adapter, watch: Stopwatch) -> _Done:
    answer = adapter.find_code(row.canonical)
    if not answer.ok:
        return _Done(FindingState.OPEN, f"The shop did not show {row.canonical}: {answer.reason or 'no reason given'}")
    reference = answer.value.reference if answer.value is not None else ""
    ours = records.now_of(connection_id=row.connection_id, canonical=row.canonical, reference=reference)
    current = comparing.judge(ours=ours, theirs=answer.value, capabilities=adapter.capabilities, now=watch.now)
    if current is None and not _half_done(row):
        return _Done(FindingState.SETTLED, "Both sides agree by now: nothing was changed.")
    if current is not None and not _is_the_same(row, current):
        return _Done(
            FindingState.OPEN, f"It differs in another way by now: {current.detail.label}. Reconcile once more."
        )
    if row.repair == Repair.DISABLE:
        return _disable(row, adapter, answer.value)
    dies_first = row.kind == FindingKind.VALUE_DRIFT and current is not None  # so that nobody uses both
    if dies_first and (trouble := _kill_unused(row, adapter, answer.value)):
        return _Done(FindingState.OPEN, trouble)
    return ACTS[Repair(row.repair)](row, watch)


def _is_the_same(row: ReconciliationFinding, current: Difference) -> bool:
    """Whether the repair that was planned fits what differs now."""
    if row.kind == FindingKind.USE_DRIFT:
        return current.detail == row.detail
    if row.kind == FindingKind.VALUE_DRIFT and current.detail == FindingDetail.DEAD:
        return current.repair == row.repair  # cut off after the code was disabled, or somebody did it there
    return current.kind == row.kind and current.repair == row.repair


def _half_done(row: ReconciliationFinding) -> bool:
    """A reissue that was cut off before the old one was canceled differs no more, and is not done."""
    old = row.redeemed_reward
    return row.repair == Repair.REISSUE and old is not None and old.reissues.exists() and old.cancelled_at is None


def _reissue(row: ReconciliationFinding, watch: Stopwatch) -> _Done:
    """The new one first, which takes over the place of the old: no limit can come between."""
    actor = _actor_of(row)
    redeemed_id = row.redeemed_reward_id or 0
    new = reissue.reissue(
        redeemed_reward_id=redeemed_id,
        actor=actor,
        now=watch.now,
        internal_note=f"Its code {row.canonical} was {WHAT_IT_WAS[row.kind]}.",
    )
    ended = cancellation.cancel(
        redeemed_reward_id=redeemed_id,
        actor=actor,
        now=watch.now,
        return_points=False,
        reason=CancellationReason.NOT_WORKING,
        internal_note=f"Given anew as {new.reference}: the code was {WHAT_IT_WAS[row.kind]}.",
    )
    sentence = f"Given anew as {new.reference}."
    if ended.state == CancellationState.CANCELLING:
        sentence += " The old one is canceled as soon as the shop answers."
    if ended.state == CancellationState.USED_MEANWHILE:
        sentence += " The old one was used meanwhile: somebody should look."
    return _Done(FindingState.REPAIRED, sentence)


def _disable(row: ReconciliationFinding, adapter: Adapter, theirs: PlatformCode | None) -> _Done:
    if theirs is None or not (comparing.is_marked(theirs) and theirs.reference == (row.theirs or {}).get("reference")):
        return _Done(
            FindingState.OPEN, f"{row.canonical} no longer carries the mark it was found with. Look at it there."
        )
    if trouble := _kill_unused(row, adapter, theirs):
        return _Done(FindingState.OPEN, trouble)
    return _Done(FindingState.REPAIRED, "Disabled in the shop, and read back dead.")


def _kill_unused(row: ReconciliationFinding, adapter: Adapter, theirs: PlatformCode | None) -> str:
    """Disable it in the shop and read it back; gives back why it is not certainly dead and unused, empty when it is."""
    answer = adapter.disable_code(row.canonical, theirs.remote_id if theirs is not None else "")
    if not answer.ok:
        return answer.reason or f"The shop did not disable {row.canonical}."
    back = adapter.find_code(row.canonical)
    if not back.ok:
        return back.reason or f"The shop did not show {row.canonical} afterwards."
    if back.value is not None and back.value.alive:
        return f"The shop still takes {row.canonical} although it was told to disable it."
    if row.kind == FindingKind.VALUE_DRIFT and back.value is not None and back.value.uses:
        return f"An order used {row.canonical} before it was disabled. Reconcile once more to record the use."
    return ""


def _kill(row: ReconciliationFinding, watch: Stopwatch) -> _Done:
    ended = Cancellation.objects.filter(redeemed_reward_id=row.redeemed_reward_id or 0, state__in=probing.ENDED)
    latest = ended.order_by("-pk").first()
    if latest is None:
        return _Done(FindingState.OPEN, "No cancellation of it is written down: disable the code in the shop by hand.")
    seen = probing.check(cancellation_id=latest.pk, actor=_actor_of(row), now=watch.now)
    if seen.unknown or seen.alive:
        return _Done(FindingState.OPEN, f"{row.canonical}: {seen.sentence}.")
    return _Done(FindingState.REPAIRED, f"{row.canonical}: {seen.sentence}.")


def _record_use(row: ReconciliationFinding, watch: Stopwatch) -> _Done:
    verdict = usage.record_order_use(
        use=OrderUse(
            connection_id=row.connection_id,
            order_id=row.order_id,
            code=row.canonical,
            used_at=row.order_at or watch.now,
        ),
        actor=_actor_of(row),
        now=watch.now,
    )
    if verdict in (usage.OrderVerdict.USED, usage.OrderVerdict.KNOWN):
        return _Done(FindingState.REPAIRED, f"Marked used on order {row.order_id}.")
    return _Done(
        FindingState.OPEN, f"The use on order {row.order_id} could not be recorded ({verdict}). Look at the reward."
    )


ACTS: dict[Repair, Callable[[ReconciliationFinding, Stopwatch], _Done]] = {
    Repair.REISSUE: _reissue,
    Repair.KILL_AND_PROVE: _kill,
    Repair.RECORD_USE: _record_use,
}


@transaction.atomic
def _record(finding_id: int, claim: uuid.UUID, done: _Done, *, now: datetime) -> None:
    """Write down what came of it, if our claim still stands."""
    row = ReconciliationFinding.objects.select_for_update().get(pk=finding_id)
    if row.claim != claim:
        return
    lifecycle.move_finding(row, done.state)
    row.claim = row.claimed_until = None
    row.result = done.sentence[:500]
    row.closed_at = None if done.state == FindingState.OPEN else now
    row.save()
    if done.state == FindingState.REPAIRED:
        log.record(
            kind="shop.difference_repaired",
            subject_type="store_connection",
            subject_id=row.connection_id,
            actor=_actor_of(row),
            now=now,
            finding_id=row.pk,
            code=row.canonical,
            repair=row.repair,
        )


def _actor_of(row: ReconciliationFinding) -> Actor:
    return Actor(ActorKind(row.actor_kind), row.actor_id)
