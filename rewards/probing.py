"""Ask again, later, whether a canceled code is still dead: after an hour and after a day, on a sample.

Every cancellation that was forced is asked about. What the shop says is kept as evidence; a code that lives again, or
was used, is told to staff, and it is killed once more.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from loyalty.common import queue
from loyalty.common.actors import SYSTEM, Actor
from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from loyalty.events import log
from platforms import registry as platforms
from platforms.adapter import Adapter, PlatformCode
from platforms.credentials import CredentialsUnreadable
from rewards import evidence, lifecycle
from rewards.claim import connection_of
from rewards.models import Cancellation, CancellationState, EvidenceKind, RedeemedReward, RewardCode

AFTER = (timedelta(hours=1), timedelta(hours=24))  # the end of the cancellation
ONE_IN = 10  # of the cancellations that were proved
LEASE = timedelta(seconds=60)
CALL_TIMEOUT = 8.0
ALIVE_AGAIN = "reward.code_alive_after_cancel"
ENDED = (CancellationState.PROVED, CancellationState.UNPROVED)


class NothingToCheck(DomainError):
    """No shop can be asked about this cancellation."""

    code = "nothing_to_check"


@dataclass(frozen=True, slots=True)
class Finding:
    """What the shop showed. `unknown` says why it showed nothing."""

    alive: bool = False
    used: bool = False
    unknown: str = ""
    held_back: float | None = None  # seconds for which the shop is left alone: it was not asked

    @property
    def sentence(self) -> str:
        if self.unknown:
            return f"the shop did not answer: {self.unknown}"
        if self.used:
            return "the code was used at the shop although it was canceled. Somebody should look"
        if self.alive:
            return "the code still works at the shop. Follow the steps below"
        return "the code is dead at the shop"


def first_due(*, row: Cancellation, asked: bool) -> datetime | None:
    """When a cancellation that has just ended is asked about; None for those that are not in the sample.

    `asked` says whether a shop stands behind the code.
    """
    if not asked or row.closed_at is None or row.state not in ENDED:
        return None
    sampled = row.state == CancellationState.UNPROVED or row.pk % ONE_IN == 0
    return row.closed_at + AFTER[0] if sampled else None


def sweep(*, now: datetime, limit: int = 200) -> int:
    """Ring for every probe that is due; gives back how many."""
    due = Cancellation.objects.filter(probe_due_at__lte=now).order_by("probe_due_at", "pk")
    ids = list(due.values_list("pk", flat=True)[:limit])
    for cancellation_id in ids:
        queue.enqueue("rewards.probe", cancellation_id=cancellation_id)
    return len(ids)


def proceed(*, cancellation_id: int, now: datetime) -> None:
    """The probe that is due, if it is: once, however often it rings. What went unanswered counts, and the next follows.

    One that could not be asked, as the shop is being left alone, is put off.
    """
    if _take(cancellation_id, now=now):
        finding = check(cancellation_id=cancellation_id, actor=SYSTEM, now=now)
        if finding.held_back is not None:
            _put_off(cancellation_id, until=now + timedelta(seconds=finding.held_back))


def check(*, cancellation_id: int, actor: Actor, now: datetime) -> Finding:
    """Ask the shop about a canceled code now, and kill it if it lives. Not inside a transaction. Raises NothingToCheck."""
    watch = Stopwatch(now)
    row = Cancellation.objects.get(pk=cancellation_id)
    redeemed = RedeemedReward.objects.select_related("code").get(pk=row.redeemed_reward_id)
    connection = connection_of(redeemed)
    if redeemed.code is None or row.state not in ENDED or not platforms.calls_out(connection):
        raise NothingToCheck(f"No shop knows a code of “{redeemed.name}” that was canceled: there is nothing to check.")
    try:
        adapter = platforms.adapter_for(connection, timeout=CALL_TIMEOUT)
    except CredentialsUnreadable as refusal:
        return Finding(unknown=refusal.sentence)
    finding = _ask(adapter, redeemed, redeemed.code, row, watch)
    _record(redeemed, row, finding, actor=actor, now=watch.now)
    return finding


@transaction.atomic
def ask(*, redeemed_reward_id: int, now: datetime) -> None:
    """Let a worker ask the shop about a canceled code, at once. Raises NothingToCheck."""
    redeemed = RedeemedReward.objects.select_related("connection").get(pk=redeemed_reward_id)
    ended = Cancellation.objects.select_for_update().filter(redeemed_reward=redeemed, state__in=ENDED)
    row = ended.order_by("-id").first()
    if row is None or not can_check(redeemed=redeemed):
        raise NothingToCheck(f"No shop knows a code of “{redeemed.name}” that was canceled: there is nothing to check.")
    row.probe_due_at = now
    row.save(update_fields=["probe_due_at"])
    queue.enqueue("rewards.probe", cancellation_id=row.pk)


def can_check(*, redeemed: RedeemedReward) -> bool:
    """Whether a canceled reward has a code that a shop can be asked about."""
    ended = Cancellation.objects.filter(redeemed_reward=redeemed, state__in=ENDED)
    return redeemed.code_id is not None and platforms.calls_out(redeemed.connection) and ended.exists()


def steps_by_hand(*, redeemed: RedeemedReward) -> tuple[str, ...]:
    """Where in the shop a person finds the code and kills it; nothing where no shop stands behind it."""
    if redeemed.code is None or redeemed.connection is None:
        return ()
    steps = platforms.adapter_class(redeemed.connection.platform).capabilities.steps_to_disable
    return tuple(step.format(code=redeemed.code.code, shop=redeemed.connection.name) for step in steps)


def _ask(adapter: Adapter, redeemed: RedeemedReward, code: RewardCode, row: Cancellation, watch: Stopwatch) -> Finding:
    answer = evidence.only_ours(redeemed=redeemed, code=code, answer=adapter.find_code(code.canonical))
    evidence.keep(code=code, cancellation_id=row.pk, kind=EvidenceKind.PROBED, answer=answer, now=watch.now)
    if not answer.ok:
        held_back = answer.retry_after if answer.held_back else None
        return Finding(unknown=answer.reason or "no reason was given", held_back=held_back)
    used = bool(answer.value and answer.value.uses) and not row.after_use
    if answer.value is None or not answer.value.alive:
        return Finding(used=used)
    return Finding(alive=_lives_on(adapter, redeemed, code, row, watch, found=answer.value), used=used)


def _lives_on(
    adapter: Adapter,
    redeemed: RedeemedReward,
    code: RewardCode,
    row: Cancellation,
    watch: Stopwatch,
    *,
    found: PlatformCode,
) -> bool:
    """Kill it once more; whether it lives even so. That it lived is told in either case."""
    _tell(ALIVE_AGAIN, row, now=watch.now)
    answer = adapter.disable_code(code.canonical, found.remote_id)
    evidence.keep(code=code, cancellation_id=row.pk, kind=EvidenceKind.DISABLED, answer=answer, now=watch.now)
    back = evidence.only_ours(redeemed=redeemed, code=code, answer=adapter.find_code(code.canonical))
    evidence.keep(code=code, cancellation_id=row.pk, kind=EvidenceKind.READ_BACK, answer=back, now=watch.now)
    return not back.ok or (back.value is not None and back.value.alive)


@transaction.atomic
def _take(cancellation_id: int, *, now: datetime) -> bool:
    """Claim the probe that is due by planning the next one."""
    row = (
        Cancellation.objects.select_for_update(skip_locked=True)
        .filter(pk=cancellation_id, probe_due_at__lte=now, state__in=ENDED)
        .first()
    )
    if row is None or row.closed_at is None:
        return False
    row.probes += 1
    row.probe_due_at = max(row.closed_at + AFTER[row.probes], now + LEASE) if row.probes < len(AFTER) else None
    row.save(update_fields=["probes", "probe_due_at"])
    return True


def _put_off(cancellation_id: int, *, until: datetime) -> None:
    """The probe that was taken is still to come."""
    Cancellation.objects.filter(pk=cancellation_id, state__in=ENDED, probes__gt=0).update(
        probes=F("probes") - 1, probe_due_at=until
    )


@transaction.atomic
def _record(redeemed: RedeemedReward, seen: Cancellation, finding: Finding, *, actor: Actor, now: datetime) -> None:
    """A forced cancellation whose code is dead by now is proved after all; a use is told once."""
    row = Cancellation.objects.select_for_update().get(pk=seen.pk)
    if finding.used and not log.exists(
        kind="reward.used_after_cancel", subject_type="redeemed_reward", subject_id=redeemed.pk
    ):
        _tell("reward.used_after_cancel", row, now=now)
    proved = not (finding.unknown or finding.alive or finding.used)
    if not proved or row.state != CancellationState.UNPROVED or redeemed.code_id is None:
        return
    lifecycle.move_cancellation(row, CancellationState.PROVED)
    row.save(update_fields=["state"])
    RewardCode.objects.filter(pk=redeemed.code_id).update(disabled_at=now)
    _tell("reward.cancel_proved", row, now=now, actor=actor)


def _tell(kind: str, row: Cancellation, *, now: datetime, actor: Actor = SYSTEM) -> None:
    log.record(
        kind=kind,
        subject_type="redeemed_reward",
        subject_id=row.redeemed_reward_id,
        customer_id=row.redeemed_reward.customer_id,
        actor=actor,
        now=now,
    )
