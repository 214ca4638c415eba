"""Runs: begun by a person, by the night or by a command, claimed by one worker at a time, taken over when it dies.

Not a job of `loyalty.jobs`: its rows are not known beforehand, and a portion of it asks a shop, which no transaction
may wait for. The row of the run is the queue of record in the same way: a claim that runs out, a due time, a place.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from loyalty.common import clock, queue
from loyalty.common.actors import SYSTEM, Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant import queries as merchant
from platforms import registry as platforms
from platforms.models import StoreConnection
from rewards import lifecycle
from rewards.models import ReconciliationRun, RunPhase, RunScope, RunState

TASK = "rewards.reconcile"
LEASE = timedelta(minutes=4)  # longer than the longest portion: eight questions at their time-out, several times over
MOST_TROUBLES = 20  # questions in a row without an answer; with the pauses below that is about a day
LONGEST_PAUSE = timedelta(hours=2)
HOUR_OF_NIGHT = timedelta(hours=3)  # after midnight in the programme's zone
OVERLAP = timedelta(hours=1)  # a change is dated when its act began, and may have been committed after the run looked
WEEK = timedelta(days=6, hours=12)  # between two runs over all codes: the seventh night is due


class CannotReconcile(DomainError):
    """This shop cannot be compared with our records."""

    code = "cannot_reconcile"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a run until it runs out."""

    run_id: int
    token: uuid.UUID


def begin(*, connection_id: int, scope: RunScope = RunScope.ALL, actor: Actor, now: datetime) -> ReconciliationRun:
    """Begin to compare a shop with our records; one that is under way already is given back. Raises CannotReconcile."""
    shop = StoreConnection.objects.get(pk=connection_id)
    require_possible(shop)
    since = _since(connection_id) if scope is RunScope.MOVED else None
    chosen = scope if since is not None else RunScope.ALL
    try:
        with transaction.atomic():
            run = ReconciliationRun.objects.create(
                connection=shop,
                scope=chosen,
                since=since,
                began_at=now,
                due_at=now,
                actor_kind=actor.kind,
                actor_id=actor.id,
            )
            queue.enqueue(TASK, run_id=run.pk)
    except IntegrityError:
        return ReconciliationRun.objects.get(connection=shop, state=RunState.OPEN)
    return run


def require_possible(shop: StoreConnection) -> None:
    """Raises CannotReconcile for a shop that cannot be asked for its codes."""
    capabilities = platforms.adapter_class(shop.platform).capabilities
    if not (capabilities.calls_out and capabilities.lists_codes):
        raise CannotReconcile(f"{shop.name} cannot be asked for its codes: there is nothing to compare with.")


def begin_due(*, now: datetime) -> int:
    """Begin what is due tonight, once a night and shop: all codes each week, what moved in between."""
    tonight = clock.start_of_day(now, 0, merchant.programme().zone) + HOUR_OF_NIGHT
    if now < tonight:
        return 0
    begun = 0
    for shop in StoreConnection.objects.filter(enabled=True).order_by("pk"):
        runs = ReconciliationRun.objects.filter(connection=shop)
        if runs.filter(Q(state=RunState.OPEN) | Q(began_at__gte=tonight, actor_kind=SYSTEM.kind)).exists():
            continue
        weekly = not runs.filter(scope=RunScope.ALL, state=RunState.DONE, began_at__gt=now - WEEK).exists()
        try:
            begin(connection_id=shop.pk, scope=RunScope.ALL if weekly else RunScope.MOVED, actor=SYSTEM, now=now)
        except CannotReconcile:
            continue
        begun += 1
    return begun


def take(*, run_id: int, now: datetime) -> Claim | None:
    """Claim the work on a run; none when it is over, waits, or somebody is at it."""
    with transaction.atomic():
        run = (
            ReconciliationRun.objects.select_for_update(skip_locked=True)
            .filter(pk=run_id, state=RunState.OPEN, due_at__lte=now)
            .filter(Q(claim__isnull=True) | Q(claimed_until__lte=now))
            .first()
        )
        if run is None:
            return None
        run.claim = uuid.uuid4()
        _renew(run, now=now)
        run.save(update_fields=["claim", "claimed_until", "due_at"])
        return Claim(run.pk, run.claim)


def held(*, claim: Claim) -> ReconciliationRun | None:
    """The run, locked, if the claim still stands; for the caller's transaction."""
    return (
        ReconciliationRun.objects.select_for_update()
        .filter(pk=claim.run_id, claim=claim.token, state=RunState.OPEN)
        .first()
    )


def go_on(run: ReconciliationRun, *, now: datetime, cursor: str, phase: RunPhase | None = None) -> None:
    """A portion is done: keep its place, and the claim. The caller has locked the run."""
    if phase is not None:
        run.phase = phase
    run.cursor, run.troubles, run.last_reason = cursor, 0, ""
    _renew(run, now=now)
    run.save()


@transaction.atomic
def let_go(*, claim: Claim, now: datetime, wait: timedelta = timedelta()) -> None:
    """Hand the rest to whoever comes next, at once or after a pause."""
    run = held(claim=claim)
    if run is not None:
        run.claim = run.claimed_until = None
        run.due_at = now + wait
        run.save(update_fields=["claim", "claimed_until", "due_at"])
        if not wait:
            queue.enqueue(TASK, run_id=run.pk)


@transaction.atomic
def note_trouble(*, claim: Claim, reason: str, final: bool, now: datetime) -> bool:
    """The shop did not answer. Says whether it is worth asking again: not when it refused, or has been silent for long."""
    run = held(claim=claim)
    if run is None:
        return False
    run.troubles += 1
    run.last_reason = (reason or "The shop gave no clear answer.")[:500]
    if final or run.troubles >= MOST_TROUBLES:
        end(run, state=RunState.STOPPED, now=now)
        return False
    _renew(run, now=now)
    run.save()
    return True


def end(run: ReconciliationRun, *, state: RunState, now: datetime, **facts: Any) -> None:
    """The run is over. The caller has locked it."""
    lifecycle.move_run(run, state)
    run.ended_at = now
    run.due_at = run.claim = run.claimed_until = None
    run.save()
    log.record(
        kind="shop.reconciled" if state is RunState.DONE else "shop.reconciliation_stopped",
        subject_type="store_connection",
        subject_id=run.connection_id,
        actor=SYSTEM,
        now=now,
        run_id=run.pk,
        **facts,
    )


def pause(troubles: int) -> timedelta:
    """How long to leave a shop alone that has not answered so often: 5, 10, 20 seconds, and so on."""
    return min(timedelta(seconds=5 * 2 ** max(troubles - 1, 0)), LONGEST_PAUSE)


def sweep(*, now: datetime, limit: int = 50) -> int:
    """Ring for every run that waits for a worker; gives back how many."""
    due = ReconciliationRun.objects.filter(state=RunState.OPEN, due_at__lte=now).order_by("due_at", "pk")
    ids = list(due.values_list("pk", flat=True)[:limit])
    for run_id in ids:
        queue.enqueue(TASK, run_id=run_id)
    return len(ids)


def _renew(run: ReconciliationRun, *, now: datetime) -> None:
    run.claimed_until = run.due_at = now + LEASE


def _since(connection_id: int) -> datetime | None:
    """From when on changes count: shortly before the last run began that came to its end."""
    done = ReconciliationRun.objects.filter(connection_id=connection_id, state=RunState.DONE)
    began_at = done.order_by("-began_at", "-pk").values_list("began_at", flat=True).first()
    return None if began_at is None else began_at - OVERLAP
