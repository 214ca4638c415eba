"""Issue what waits for one shop: claim some, ask about many at the same time, record those that are through together.

One thread, this one, talks to the database; the others ask the shop. Each claim allows one question; what is not decided
then has its next turn later, so no reward holds up another.
"""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.conf import settings

from loyalty.common import copying
from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from platforms import registry as platforms
from platforms.adapter import Adapter
from platforms.models import StoreConnection
from rewards.claim import Claim
from rewards.issuing import asking, claims, deciding, lanes, many, recording
from rewards.issuing.asking import Purpose
from rewards.issuing.calling import Asked, Callers, Errand
from rewards.issuing.deciding import Failure
from rewards.models import IssueWork, Origin, RedeemedReward

CALL_TIMEOUT = 8.0
LOOK_AGAIN = 0.25  # seconds between two looks for more while there was none
CUSTOMERS_PATIENCE = 20.0  # seconds for which a redemption, which no customer waits for any more, follows a busy shop


def work_for(*, connection_id: int, now: datetime, patience: float) -> None:
    """Issue the rewards that wait for this shop until none is due or `patience` (seconds) is over.

    Does nothing when as many workers as the shop may have are at it. Not inside a transaction.
    """
    lane = lanes.take(connection_id=connection_id, now=now)
    if lane is None:
        return
    run = Run(lane, Stopwatch(now), patience=patience)
    try:
        run.go()
    finally:
        lanes.leave(lane, now=run.watch.now, rest=run.rest)
    if not run.rest and IssueWork.objects.filter(connection_id=connection_id, due_at__lte=run.watch.now).exists():
        claims.ring(connection_id=connection_id)


class Run:
    """One worker's time at one shop. `rest`: seconds from now for which the shop wants to be left alone."""

    def __init__(self, lane: lanes.Lane, watch: Stopwatch, *, patience: float) -> None:
        self.watch = watch
        self._lane = lane
        self._patience = patience
        self._ready: deque[Errand] = deque()
        self._locked: list[many.Made] = []  # made, and not recorded yet
        self._look_at = 0.0  # all three on our watch
        self._kept_at = 0.0
        self._resting_until = 0.0
        self._callers = Callers(1, watch)

    @property
    def rest(self) -> float:
        return max(self._resting_until - self.watch.elapsed, 0.0)

    def go(self) -> None:
        shop = StoreConnection.objects.get(pk=self._lane.connection_id)
        bears = platforms.adapter_class(shop.platform).capabilities.calls_at_once
        with Callers(min(settings.ISSUE_CALLS_AT_ONCE, bears), self.watch) as self._callers:
            while self._step():
                pass

    def _step(self) -> bool:
        """Keep the callers busy, and record what they bring; says whether there is more to do."""
        ending = self._ending()
        if ending or self.rest:
            self._let_go([*self._callers.take_back(), *self._ready])
            self._ready.clear()
        else:
            self._callers.halted = False
            self._refill()
            self._hand_out()
        if not self._callers.busy:
            self._record_locked()
            if ending or not self.rest:
                return False
            time.sleep(min(self.rest, LOOK_AGAIN))
            return True
        self._record(self._callers.collect(seconds=LOOK_AGAIN))
        return True

    def _ending(self) -> bool:
        now = self.watch.elapsed
        if now >= self._patience or self._resting_until >= self._patience:
            return True
        if now - self._kept_at > claims.lease().total_seconds() / 4:
            self._kept_at = now
            if not lanes.keep(self._lane, now=self.watch.now):
                self._patience = 0.0
        return not self._patience

    def _let_go(self, errands: Iterable[Errand]) -> None:
        """Nobody asked about these: others may."""
        many.let_go(claim=self._lane.token, ids=[each.redeemed.pk for each in errands], now=self.watch.now)

    def _hand_out(self) -> None:
        """As many as can be called at once, and some ahead, so that no caller waits for us."""
        while self._ready and self._callers.busy < self._callers.width + self._ahead:
            self._callers.give(self._ready.popleft())

    @property
    def _ahead(self) -> int:
        """Errands that wait for a caller: when all of them are through at the same time, each has its next at once."""
        return max(2, self._callers.width)

    def _refill(self) -> None:
        wanted = self._callers.width + self._ahead - self._callers.busy - len(self._ready)
        if wanted < self._ahead // 2 or (self._callers.busy and self.watch.elapsed < self._look_at):
            return
        now, ends_at = self.watch.now, time.monotonic() + claims.lease().total_seconds()
        found = many.take(connection_id=self._lane.connection_id, claim=self._lane.token, count=wanted, now=now)
        self._look_at = self.watch.elapsed + LOOK_AGAIN if len(found) < wanted else 0.0
        if found:
            self._prepare(sorted(found, key=lambda work: work.turn), ends_at=ends_at)

    def _prepare(self, found: Sequence[IssueWork], *, ends_at: float) -> None:
        rewards = RedeemedReward.objects.select_related("code").in_bulk([work.pk for work in found])
        shop = StoreConnection.objects.get(pk=self._lane.connection_id)  # fresh: its credentials may have changed
        adapter: Adapter | None = None
        unreadable: DomainError | None = None
        try:
            adapter = platforms.adapter_for(shop, timeout=CALL_TIMEOUT)
        except DomainError as refusal:
            unreadable = refusal
        for work in found:
            claim, redeemed = Claim(work.pk, self._lane.token), rewards[work.pk]
            try:
                if unreadable is not None:
                    raise unreadable
                question = asking.question(redeemed, work)
            except DomainError as refusal:
                self._cannot_ask(claim, work, refusal)
                continue
            if work.in_doubt_since is not None and question.purpose is Purpose.SEE_SHARED:
                claims.start(claim, shared=True)  # nothing is made there, so nothing can be in doubt
            if question.counts and work.attempts >= claims.MOST_ATTEMPTS:
                recording.give_up(claim, now=self.watch.now)
            elif adapter is not None:
                self._ready.append(
                    Errand(claim=claim, redeemed=redeemed, question=question, adapter=adapter, ends_at=ends_at)
                )

    def _cannot_ask(self, claim: Claim, work: IssueWork, refusal: DomainError) -> None:
        if work.in_doubt_since is not None:  # its code may live: only the shop can say, once it can be asked again
            claims.put_off(claim, now=self.watch.now)
        else:
            recording.fail(claim, Failure(refusal.code, refusal.sentence), now=self.watch.now)

    def _record(self, asked: Sequence[Asked]) -> None:
        made, self._locked = self._locked, []
        others: list[tuple[Asked, deciding.Decision]] = []
        for each in asked:
            if not each.exchanges:
                continue
            self._heed(each)
            decision = deciding.decide(each.errand.redeemed, each.errand.question, each.exchanges)
            if isinstance(decision, deciding.Issue) and many.fits(each.errand.redeemed):
                made.append(many.Made(each, decision))
            else:
                others.append((each, decision))
        self._let_go(each.errand for each in asked if not each.exchanges)
        if not self.rest:
            self._hand_out()  # first the callers, then the books
        if made:
            self._locked = many.issue(claim=self._lane.token, made=made, now=self.watch.now)
        if others:
            rows = [row for each, _ in others for row in recording.attempts(each.errand.redeemed.pk, each.exchanges)]
            copying.insert(rows)
            for each, decision in others:
                self._act(each.errand, decision)

    def _record_locked(self) -> None:
        """Those that somebody had locked, now that nobody waits for us: one by one, as long as it takes."""
        for each in self._locked:
            copying.insert(recording.attempts(each.asked.errand.redeemed.pk, each.asked.exchanges))
            recording.issue(each.asked.errand.claim, each.found, now=self.watch.now)
        self._locked = []

    def _heed(self, asked: Asked) -> None:
        """A shop that asks for time gets it, from all of us."""
        if wait := asked.exchanges[-1].wait:
            self._resting_until = max(self._resting_until, self.watch.elapsed + wait)

    def _act(self, errand: Errand, decision: deciding.Decision) -> None:
        claim, now = errand.claim, self.watch.now
        match decision:
            case deciding.Issue():
                recording.issue(claim, decision, now=now)
            case deciding.Fail(failure):
                recording.fail(claim, failure, now=now)
            case deciding.AnotherCode():
                if recording.replace_code(claim, errand.redeemed, now=now) is None:
                    claims.let_go(claim, due_at=now)
            case deciding.Doubtful():
                claims.doubt(claim, now=now)
                claims.put_off(claim, now=now)
            case deciding.NotMade():
                recording.not_made(claim, errand.redeemed, now=now)
            case _:
                self._wait(errand, decision, now=now)

    def _wait(self, errand: Errand, decision: deciding.AskAgain | deciding.NothingDone, *, now: datetime) -> None:
        """A grant is tried again later. A redemption follows a busy shop for some seconds; else it ends here."""
        redeemed, wait = errand.redeemed, decision.wait
        if isinstance(decision, deciding.AskAgain):
            claims.put_off(errand.claim, now=now, wait=decision.wait)
            return
        lasts = (now - redeemed.redeemed_at).total_seconds() + (wait or 0.0)
        if redeemed.origin != Origin.REDEMPTION or (wait and lasts < CUSTOMERS_PATIENCE):
            claims.later(errand.claim, now=now, wait=wait)
        else:
            recording.fail(errand.claim, decision.failure, now=now)
