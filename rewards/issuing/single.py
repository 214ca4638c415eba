"""Work on one reward until it is decided or our patience is over: a customer may be waiting for it."""

import time
from datetime import datetime

from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from platforms import registry as platforms
from platforms.adapter import Adapter
from rewards.claim import Claim, connection_of
from rewards.issuing import asking, bulk, claims, deciding, recording
from rewards.issuing.calling import Asked, Item
from rewards.issuing.claims import Verdict
from rewards.issuing.deciding import Failure
from rewards.models import IssueAttempt, IssueWork, Origin, RedeemedReward

AT_ONCE = 0.0
CALL_TIMEOUT = 8.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds between two questions about one reward; each pause doubles


def work(*, claim: Claim, now: datetime, patience: float) -> Verdict:
    """Ask the shop until the reward is decided or `patience` (seconds) is over. Not inside a transaction."""
    watch, pause = Stopwatch(now), FIRST_PAUSE
    while True:
        verdict = _round(claim, watch, patience=patience)
        if isinstance(verdict, Verdict):
            return verdict
        wait = max(verdict, pause)
        if watch.elapsed + wait >= patience:
            return _put_off(claim, watch, wait=verdict)
        time.sleep(wait)
        pause = min(pause * 2, LONGEST_PAUSE)


def _round(claim: Claim, watch: Stopwatch, *, patience: float) -> Verdict | float:
    """One question to the shop and what follows from the answer.

    A number: not decided, ask again, and not before so many seconds.
    """
    redeemed = RedeemedReward.objects.select_related("code", "reward").get(pk=claim.redeemed_reward_id)
    waiting = IssueWork.objects.filter(pk=redeemed.pk, claim=claim.token).first()
    if waiting is None:
        return claims.verdict_of(redeemed)
    try:
        timeout = min(CALL_TIMEOUT, max(patience - watch.elapsed, 1.0))
        adapter = platforms.adapter_for(connection_of(redeemed), timeout=timeout)
    except DomainError as refusal:
        if waiting.in_doubt_since is not None:  # its code may live: only the shop can say, once it can be asked again
            return _put_off(claim, watch)
        return recording.fail(claim, Failure(refusal.code, refusal.sentence), now=watch.now)
    return _ask(claim, redeemed, adapter, waiting, watch, patience=patience)


def _ask(
    claim: Claim, redeemed: RedeemedReward, adapter: Adapter, waiting: IssueWork, watch: Stopwatch, *, patience: float
) -> Verdict | float:
    """The question that is to be asked now."""
    question = asking.question(redeemed, waiting, adapter.capabilities)
    if question.counts:
        if waiting.attempts >= claims.MOST_ATTEMPTS:
            return recording.give_up(claim, now=watch.now)
        if not claims.start(claim, shared=question.spec is None):
            return Verdict.WAITING
    asked = Asked(Item(claim, redeemed, question), asking.ask(adapter, question, watch))
    exchanges = bulk.shared_out([asked])[0].exchanges
    IssueAttempt.objects.bulk_create(recording.attempts(redeemed.pk, exchanges))
    decision = deciding.decide(redeemed, question, exchanges)
    return _act(claim, redeemed, decision, watch, patience=patience)


def _act(
    claim: Claim, redeemed: RedeemedReward, decision: deciding.Decision, watch: Stopwatch, *, patience: float
) -> Verdict | float:
    now = watch.now
    outcome: Verdict | float | None = AT_ONCE
    match decision:
        case deciding.Issue():
            outcome = recording.issue(claim, decision, now=now)
        case deciding.Fail(failure):
            outcome = recording.fail(claim, failure, now=now)
        case deciding.AnotherCode():
            outcome = recording.replace_code(claim, redeemed, now=now)
        case deciding.Doubtful():
            claims.doubt(claim, now=now)
        case deciding.NotMade():
            outcome = recording.not_made(claim, redeemed, now=now)
        case deciding.AskAgain(wait):
            outcome = wait
        case deciding.NothingDone():
            outcome = _nothing_done(claim, redeemed, decision, watch, patience=patience)
    return AT_ONCE if outcome is None else outcome


def _nothing_done(
    claim: Claim, redeemed: RedeemedReward, decision: deciding.NothingDone, watch: Stopwatch, *, patience: float
) -> Verdict | float:
    """Nothing was made. A grant is tried again later.

    A redemption waits when the shop says for how long and that is within the caller's patience; else it ends here.
    """
    if redeemed.origin != Origin.REDEMPTION:
        claims.later(claim, now=watch.now, wait=decision.wait)
        return Verdict.WAITING
    if decision.wait and watch.elapsed + decision.wait < patience:
        return decision.wait
    return recording.fail(claim, decision.failure, now=watch.now)


def _put_off(claim: Claim, watch: Stopwatch, *, wait: float = 0.0) -> Verdict:
    """Our patience is over. A shop that asked for `wait` seconds gets them."""
    claims.put_off(claim, now=watch.now, wait=wait)
    return claims.verdict_of(RedeemedReward.objects.get(pk=claim.redeemed_reward_id))
