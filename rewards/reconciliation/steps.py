"""A run portion by portion: read a page or look at some codes, then write down what came of it and the place reached.

Each portion asks the shop with no transaction open and records in one that checks that the claim still stands: whoever
is killed loses one portion, and the next worker does it. Memory is that of a portion, however many codes there are.
A difference between the lists counts only when both sides, looked at once more, still differ: the lists are as old as
the run, and neither an order that came in meanwhile nor a code made meanwhile is a finding.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction

from loyalty.common import codes
from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from platforms import registry as platforms
from platforms.adapter import Adapter, Answer, OrderStatus, Outcome, PlatformCode
from rewards.models import (
    FindingDetail,
    ReconciliationFinding,
    ReconciliationRun,
    Repair,
    RunPhase,
    RunScope,
    RunState,
)
from rewards.reconciliation import comparing, findings, records, runs, sieve, staging
from rewards.reconciliation.findings import Seen
from rewards.reconciliation.runs import Claim

ASKED = 8  # single questions of one portion: at their time-out, begun at the end of a task's patience, within its limit
SIFTED = 5_000  # codes of one portion, of which
COMPARED = 500  # may differ, and are compared one by one
CALL_TIMEOUT = 8.0
PAGE_TIMEOUT = 20.0


class Verdict(StrEnum):
    """What came of working on a run."""

    DONE = "done"
    WAITING = "waiting"  # somebody goes on later
    STOPPED = "stopped"  # it is over, and not everything was compared


class _NoAnswer(Exception):
    """The shop did not answer a question."""

    def __init__(self, answer: Answer[object]) -> None:
        super().__init__(answer.reason)
        self.answer = answer


def work(*, claim: Claim, now: datetime, patience: float) -> Verdict:
    """Do portions until the run is over or `patience` (seconds) is. Not inside a transaction."""
    watch = Stopwatch(now)
    while True:
        run = ReconciliationRun.objects.get(pk=claim.run_id)
        if run.state != RunState.OPEN or run.claim != claim.token:
            return _verdict_of(run)
        wait = _portion(run, claim, watch)
        if wait is None:
            return _verdict_of(ReconciliationRun.objects.get(pk=claim.run_id))
        if watch.elapsed + wait.total_seconds() >= patience or wait > runs.LEASE / 2:
            runs.let_go(claim=claim, now=watch.now, wait=wait)
            return Verdict.WAITING
        time.sleep(wait.total_seconds())


def _portion(run: ReconciliationRun, claim: Claim, watch: Stopwatch) -> timedelta | None:
    """One portion; how long to wait before the next. None: there is none for us."""
    try:
        timeout = PAGE_TIMEOUT if run.phase in (RunPhase.READ, RunPhase.ORDERS) else CALL_TIMEOUT
        adapter = platforms.adapter_for(records.connection_of(run), timeout=timeout)
        PORTIONS[RunPhase(run.phase)](run, adapter, claim, watch)
    except _NoAnswer as silence:
        final = silence.answer.outcome is Outcome.REJECTED
        if not runs.note_trouble(claim=claim, reason=silence.answer.reason, final=final, now=watch.now):
            return None
        asked_to_wait, pause = timedelta(seconds=silence.answer.retry_after or 0), runs.pause(run.troubles + 1)
        return max(asked_to_wait, pause) if silence.answer.held_back else asked_to_wait or pause
    except DomainError as refusal:  # our own key to the credentials, say
        runs.note_trouble(claim=claim, reason=refusal.sentence, final=True, now=watch.now)
        return None
    return timedelta()


def _read(run: ReconciliationRun, adapter: Adapter, claim: Claim, watch: Stopwatch) -> None:
    """A page of the shop's list; or, of what moved, some codes one by one."""
    if run.scope == RunScope.MOVED:
        _ask_moved(run, adapter, claim, watch)
        return
    answer = adapter.list_codes(run.cursor)
    if answer.value is None:
        raise _NoAnswer(answer)
    page = answer.value
    with transaction.atomic():
        held = runs.held(claim=claim)
        if held is None:
            return
        staging.keep(run=held, found=page.codes)
        held.listed += len(page.codes)
        if page.more:
            runs.go_on(held, now=watch.now, cursor=_moved_on(run, page.cursor))
        else:
            runs.go_on(held, now=watch.now, cursor="", phase=RunPhase.OURS)


def _ask_moved(run: ReconciliationRun, adapter: Adapter, claim: Claim, watch: Stopwatch) -> None:
    wanted = records.moved(run=run, after=int(run.cursor or 0), limit=ASKED)
    asked = [(canonical, _find(adapter, canonical)) for _, canonical in wanted]
    with transaction.atomic():
        held = runs.held(claim=claim)
        if held is None:
            return
        staging.keep_asked(run=held, asked=asked)
        held.listed += sum(found is not None for _, found in asked)
        if wanted:
            runs.go_on(held, now=watch.now, cursor=str(wanted[-1][0]))
        else:
            runs.go_on(held, now=watch.now, cursor="", phase=RunPhase.OURS)


def _compare_ours(run: ReconciliationRun, adapter: Adapter, claim: Claim, watch: Stopwatch) -> None:
    """Our next codes against what the shop listed; what differs is looked at once more, some at a time."""
    capabilities = adapter.capabilities
    sifted = sieve.ours(run=run, after=run.cursor, capabilities=capabilities, limit=SIFTED, most_doubtful=COMPARED)
    shown = staging.shown(run=run, canonicals=sifted.doubtful)
    doubtful = [
        ours.canonical
        for ours in records.of(connection_id=run.connection_id, canonicals=sifted.doubtful)
        if comparing.judge(ours=ours, theirs=shown.get(ours.canonical), capabilities=capabilities, now=run.began_at)
    ]
    _examine(
        run,
        adapter,
        claim,
        watch,
        doubtful=doubtful,
        end=sifted.end,
        places=sifted.places,
        following=RunPhase.THEIRS if run.scope == RunScope.ALL else RunPhase.ORDERS,
    )


def _compare_theirs(run: ReconciliationRun, adapter: Adapter, claim: Claim, watch: Stopwatch) -> None:
    """Living codes with our mark of which we have no row: each is looked at once more."""
    sifted = sieve.theirs(run=run, after=run.cursor, limit=SIFTED, most_doubtful=ASKED)
    doubtful = sifted.doubtful
    _examine(run, adapter, claim, watch, doubtful=doubtful, end=sifted.end, places={}, following=RunPhase.ORDERS)


def _examine(
    run: ReconciliationRun,
    adapter: Adapter,
    claim: Claim,
    watch: Stopwatch,
    *,
    doubtful: Sequence[str],
    end: str,
    places: Mapping[str, int],
    following: RunPhase,
) -> None:
    """Ask the shop about the first few doubtful codes and record what still differs.

    The place reached is the last code that was dealt with, or the end of the portion; without any the phase is over.
    """
    looked_at, rest = doubtful[:ASKED], doubtful[ASKED:]
    seen = [found for canonical in looked_at if (found := _look(run, adapter, canonical, watch)) is not None]
    reached = looked_at[-1] if rest else end
    with transaction.atomic():
        held = runs.held(claim=claim)
        if held is None:
            return
        findings.add(run=held, seen=seen, now=watch.now)
        held.compared += places.get(reached, 0)
        if reached:
            runs.go_on(held, now=watch.now, cursor=reached)
        else:
            runs.go_on(held, now=watch.now, cursor="", phase=following)


def _look(run: ReconciliationRun, adapter: Adapter, canonical: str, watch: Stopwatch) -> Seen | None:
    """The shop first, then our rows: what we do at the shop is written down here before and after."""
    theirs = _find(adapter, canonical)
    reference = theirs.reference if theirs is not None else ""
    ours = records.now_of(connection_id=run.connection_id, canonical=canonical, reference=reference)
    difference = comparing.judge(ours=ours, theirs=theirs, capabilities=adapter.capabilities, now=watch.now)
    return None if difference is None else Seen(ours, theirs, difference)


def _find(adapter: Adapter, canonical: str) -> PlatformCode | None:
    answer = adapter.find_code(canonical)
    if not answer.ok:
        raise _NoAnswer(answer)
    return answer.value


def _find_orders(run: ReconciliationRun, adapter: Adapter, claim: Claim, watch: Stopwatch) -> None:
    """The orders behind uses we did not know of: a page of the shop's orders at a time, as long as one is missing."""
    missing = ReconciliationFinding.objects.filter(run=run, detail=FindingDetail.USED_THERE, order_id="")
    if not missing.exists():
        _next(claim, watch, phase=RunPhase.TIDY)
        return
    answer = adapter.orders_since(run.cursor)
    if answer.value is None:
        raise _NoAnswer(answer)
    page = answer.value
    carried = {
        codes.canonical(applied.code): order
        for order in page.orders
        if order.status is OrderStatus.COMPLETED
        for applied in order.codes
    }
    with transaction.atomic():
        held = runs.held(claim=claim)
        if held is None:
            return
        for found in missing.filter(canonical__in=list(carried)):
            order = carried[found.canonical]
            found.order_id, found.order_at = order.external_id[:120], order.placed_at
            found.repair = Repair.RECORD_USE
            found.save(update_fields=["order_id", "order_at", "repair"])
        if page.more:
            runs.go_on(held, now=watch.now, cursor=_moved_on(run, page.cursor))
        else:
            runs.go_on(held, now=watch.now, cursor="", phase=RunPhase.TIDY)


def _tidy(run: ReconciliationRun, adapter: Adapter, claim: Claim, watch: Stopwatch) -> None:
    """Remove what the shop listed, then let this run stand in the place of earlier ones."""
    with transaction.atomic():
        held = runs.held(claim=claim)
        if held is None:
            return
        if staging.tidy(run_id=held.pk):
            runs.go_on(held, now=watch.now, cursor="")
            return
        findings.supersede(run=held, now=watch.now)
        runs.end(held, state=RunState.DONE, now=watch.now, **held.tally)


def _moved_on(run: ReconciliationRun, cursor: str) -> str:
    """The next place of a list. Raises CannotReconcile for one that leads nowhere: its end would be made up."""
    if cursor == run.cursor:
        raise runs.CannotReconcile(
            "The shop's list says that it goes on, and shows the same page again. Tell its maker."
        )
    return cursor


def _next(claim: Claim, watch: Stopwatch, *, phase: RunPhase) -> None:
    with transaction.atomic():
        held = runs.held(claim=claim)
        if held is not None:
            runs.go_on(held, now=watch.now, cursor="", phase=phase)


def _verdict_of(run: ReconciliationRun) -> Verdict:
    return {RunState.DONE: Verdict.DONE, RunState.STOPPED: Verdict.STOPPED}.get(RunState(run.state), Verdict.WAITING)


Portion = Callable[[ReconciliationRun, Adapter, Claim, Stopwatch], None]
PORTIONS: dict[RunPhase, Portion] = {
    RunPhase.READ: _read,
    RunPhase.OURS: _compare_ours,
    RunPhase.THEIRS: _compare_theirs,
    RunPhase.ORDERS: _find_orders,
    RunPhase.TIDY: _tidy,
}
