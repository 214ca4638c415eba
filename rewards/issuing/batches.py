"""Issue what waits for one shop: claim some, ask about many at the same time, record those that are through together.

One thread, this one, talks to the database; the others ask the shop. Each claim allows one question; what is not decided
then has its next turn later, so no reward holds up another.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError

from loyalty.common import copying
from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from platforms import registry as platforms
from platforms.adapter import Adapter, Capabilities
from platforms.models import StoreConnection
from rewards.claim import Claim
from rewards.issuing import asking, bulk, claims, deciding, lanes, many, recording
from rewards.issuing.asking import Purpose
from rewards.issuing.calling import Asked, Callers, Errand, Item
from rewards.issuing.deciding import Failure
from rewards.models import IssueWork, Origin, RedeemedReward

CALL_TIMEOUT = 8.0
TOGETHER_TIMEOUT = 20.0  # a shop makes the codes of one call one by one
TOGETHER_FROM = 10  # so many waiting; fewer are made sooner side by side, and each failure is that of one
BOOKED_WITHIN = 0.1  # seconds in which those that were made are gathered, to be recorded together
BOOKED_AT = 250  # or so many of them
CALLS_UNDER_WAY = 2.0  # seconds: of a shop with a pace, as many callers as it answers or lets wait in that time
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
        self._made: list[many.Made] = []  # and not recorded yet
        self._together = 1  # codes that one call may make, each with a discount of its own
        self._in_bulk = False  # what was claimed last shares discounts of the shop
        self._able = Capabilities()
        self._look_at = 0.0  # all four on our watch
        self._kept_at = 0.0
        self._booked_at = 0.0
        self._resting_until = 0.0
        self._callers = Callers(1, watch)

    @property
    def rest(self) -> float:
        return max(self._resting_until - self.watch.elapsed, 0.0)

    def go(self) -> None:
        shop = StoreConnection.objects.get(pk=self._lane.connection_id)
        self._able = platforms.adapter_class(shop.platform).capabilities
        self._together = min(settings.ISSUE_CODES_A_CALL, self._able.bulk)
        width = min(settings.ISSUE_CALLS_AT_ONCE, self._able.calls_at_once)
        if shop.calls_per_second is not None:  # more would only wait for their turn
            width = min(width, max(round(shop.calls_per_second * CALLS_UNDER_WAY), 1))
        with Callers(width, self.watch) as self._callers:
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
            self._book()
            self._record_locked()
            if ending or not self.rest:
                return False
            time.sleep(min(self.rest, LOOK_AGAIN))
            return True
        self._record(self._callers.collect(seconds=BOOKED_WITHIN if self._made else LOOK_AGAIN))
        if len(self._made) >= BOOKED_AT or self.watch.elapsed - self._booked_at >= BOOKED_WITHIN:
            self._book()
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
        ids = [item.redeemed.pk for each in errands for item in each.items]
        many.let_go(claim=self._lane.token, ids=ids, now=self.watch.now)

    def _hand_out(self) -> None:
        """As many as can be called at once, and some ahead, so that no caller waits for us."""
        while self._ready and self._callers.busy < self._callers.width + self._ahead:
            self._callers.give(self._ready.popleft())

    @property
    def _ahead(self) -> int:
        """Errands that wait for a caller: when all of them are through at the same time, each has its next at once.

        Half as many where each is many rewards: what is claimed is in doubt when we are killed.
        """
        alone = self._codes_a_call == 1 and not self._in_bulk
        return max(2, self._callers.width if alone else self._callers.width // 2)

    def _refill(self) -> None:
        """As much as the callers can take. What shares discounts is claimed by the discount: one look brings few errands."""
        while self._look_for_more():
            pass

    def _look_for_more(self) -> bool:
        """Whether another look may bring more."""
        wanted = self._callers.width + self._ahead - self._callers.busy - len(self._ready)
        if wanted < max(self._ahead // 2, 1) or (self._callers.busy and self.watch.elapsed < self._look_at):
            return False
        now, ends_at = self.watch.now, time.monotonic() + claims.lease().total_seconds()
        count = wanted * self._codes_a_call
        found = many.take(connection_id=self._lane.connection_id, claim=self._lane.token, count=count, now=now)
        self._look_at = self.watch.elapsed + LOOK_AGAIN if len(found) < count else 0.0
        if found:
            self._prepare(found, ends_at=ends_at)
        return len(found) == count

    @property
    def _codes_a_call(self) -> int:
        return 1 if self._callers.alone else self._together

    def _prepare(self, found: Sequence[IssueWork], *, ends_at: float) -> None:
        items: list[Item] = []
        found, rewards = self._with_others(found)
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
                question = asking.question(redeemed, work, self._able)
            except DomainError as refusal:
                self._cannot_ask(claim, work, refusal)
                continue
            if work.in_doubt_since is not None and question.purpose is Purpose.SEE_SHARED:
                claims.start(claim, shared=True)  # nothing is made there, so nothing can be in doubt
            if question.counts and work.attempts >= claims.MOST_ATTEMPTS:
                recording.give_up(claim, now=self.watch.now)
            else:
                items.append(Item(claim, redeemed, question))
        if adapter is not None:
            self._queue(items, shop=shop, adapter=adapter, ends_at=ends_at)

    def _with_others(self, found: Sequence[IssueWork]) -> tuple[list[IssueWork], dict[int, RedeemedReward]]:
        """The same, in their turn, with all that are due of the bulk discounts they share; and their rewards."""
        rewards = _with_codes(found)
        references = {row.code.bulk_reference for row in rewards.values() if row.code is not None} - {""}
        others: list[IssueWork] = []
        if references and self._able.bulk_discounts is not None:
            shop_id, token = self._lane.connection_id, self._lane.token
            others = many.take_of_discounts(
                connection_id=shop_id, claim=token, references=sorted(references), now=self.watch.now
            )
        return sorted([*found, *others], key=lambda work: work.turn), rewards | _with_codes(others)

    def _queue(self, items: Sequence[Item], *, shop: StoreConnection, adapter: Adapter, ends_at: float) -> None:
        """One call for each; grants that are to be made share calls where the shop takes that and many wait.

        What shares a discount of the shop is made together, however few they are, and many of it are looked for together.
        """
        single, shared = [], []
        discounts: dict[tuple[str, Purpose], list[Item]] = defaultdict(list)
        sought = Counter(item.question.bulk for item in items if item.question.purpose is Purpose.SETTLE_DOUBT)
        for item in items:
            question = item.question
            looked_for = question.purpose is Purpose.SETTLE_DOUBT and not question.invented
            if question.bulk and not (looked_for and sought[question.bulk] < TOGETHER_FROM):
                discounts[question.bulk, question.purpose].append(item)
            elif self._codes_a_call > 1 and _is_one_of_many(item):
                shared.append(item)
            else:
                single.append(item)
        if len(shared) < TOGETHER_FROM:
            single, shared = [*single, *shared], []
        self._in_bulk = bool(discounts)
        patient = platforms.adapter_for(shop, timeout=TOGETHER_TIMEOUT) if shared or discounts else adapter
        self._ready += [Errand(items=(item,), adapter=adapter, ends_at=ends_at) for item in single]
        for portion in _portions(shared, self._together):
            self._ready.append(Errand(items=portion, adapter=patient, ends_at=ends_at))
        most = self._able.bulk_discounts.most if self._able.bulk_discounts is not None else 1
        for of_one in discounts.values():
            for portion in _portions(of_one, most):
                self._ready.append(Errand(items=portion, adapter=patient, ends_at=ends_at, in_bulk=True))

    def _cannot_ask(self, claim: Claim, work: IssueWork, refusal: DomainError) -> None:
        if work.in_doubt_since is not None:  # its code may live: only the shop can say, once it can be asked again
            claims.put_off(claim, now=self.watch.now)
        else:
            recording.fail(claim, Failure(refusal.code, refusal.sentence), now=self.watch.now)

    def _record(self, asked: Sequence[Asked]) -> None:
        others: list[tuple[Asked, deciding.Decision]] = []
        if any(each.item.question.bulk for each in asked):
            self._book()  # a text of the shop's own is free until it is recorded
        for each in bulk.shared_out(asked):
            if not each.exchanges:
                continue
            self._heed(each)
            decision = deciding.decide(each.item.redeemed, each.item.question, each.exchanges)
            if isinstance(decision, deciding.Issue) and many.fits(each.item.redeemed):
                self._made.append(many.Made(each, decision))
            else:
                others.append((each, decision))
        unasked = [each.item.redeemed.pk for each in asked if not each.exchanges]
        many.let_go(claim=self._lane.token, ids=unasked, now=self.watch.now)
        if not self.rest:
            self._hand_out()  # first the callers, then the books
        if others:
            rows = [row for each, _ in others for row in recording.attempts(each.item.redeemed.pk, each.exchanges)]
            copying.insert(rows)
            for each, decision in others:
                self._act(each.item, decision)

    def _book(self) -> None:
        """Record those that were made, together; those that somebody has locked stay for the next time."""
        self._booked_at = self.watch.elapsed
        if not self._made:
            return
        try:
            self._made = many.issue(claim=self._lane.token, made=self._made, now=self.watch.now)
        except IntegrityError:  # one of them has a text that another reward was given: the others have not
            self._record_locked()

    def _record_locked(self) -> None:
        """Those that somebody had locked, now that nobody waits for us: one by one, as long as it takes."""
        for each in self._made:
            copying.insert(recording.attempts(each.asked.item.redeemed.pk, each.asked.exchanges))
            recording.issue(each.asked.item.claim, each.found, now=self.watch.now)
        self._made = []

    def _heed(self, asked: Asked) -> None:
        """A shop that asks for time gets it, from all of us."""
        if wait := asked.exchanges[-1].wait:
            self._resting_until = max(self._resting_until, self.watch.elapsed + wait)

    def _act(self, item: Item, decision: deciding.Decision) -> None:
        claim, now = item.claim, self.watch.now
        match decision:
            case deciding.Issue():
                recording.issue(claim, decision, now=now)
            case deciding.Fail(failure):
                recording.fail(claim, failure, now=now)
            case deciding.AnotherCode():
                if recording.replace_code(claim, item.redeemed, now=now) is None:
                    claims.let_go(claim, due_at=now)
            case deciding.Doubtful():
                claims.doubt(claim, now=now)
                claims.put_off(claim, now=now)
            case deciding.NotMade():
                recording.not_made(claim, item.redeemed, now=now)
            case _:
                self._wait(item, decision, now=now)

    def _wait(self, item: Item, decision: deciding.AskAgain | deciding.NothingDone, *, now: datetime) -> None:
        """A grant is tried again later. A redemption follows a busy shop for some seconds; else it ends here."""
        redeemed, wait = item.redeemed, decision.wait
        if isinstance(decision, deciding.AskAgain):
            claims.put_off(item.claim, now=now, wait=decision.wait)
            return
        lasts = (now - redeemed.redeemed_at).total_seconds() + (wait or 0.0)
        if redeemed.origin != Origin.REDEMPTION or (wait and lasts < CUSTOMERS_PATIENCE):
            claims.later(item.claim, now=now, wait=wait)
        else:
            recording.fail(item.claim, decision.failure, now=now)


def _with_codes(found: Sequence[IssueWork]) -> dict[int, RedeemedReward]:
    return RedeemedReward.objects.select_related("code").in_bulk([work.pk for work in found])


def _portions(items: Sequence[Item], size: int) -> Iterator[tuple[Item, ...]]:
    for start in range(0, len(items), size):
        yield tuple(items[start : start + size])


def _is_one_of_many(item: Item) -> bool:
    """Nobody waits for it, and it is to be made: a customer's own is made by a call of its own, which is sooner back."""
    return item.question.purpose is Purpose.MAKE and item.redeemed.origin != Origin.REDEMPTION
