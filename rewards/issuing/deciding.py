"""What follows from a shop's answer about one reward: rules without a database, the same for one reward and for many."""

from dataclasses import dataclass

from platforms.adapter import Outcome, PlatformCode
from rewards.issuing import claims
from rewards.issuing.asking import Call, Exchange, Purpose, Question
from rewards.models import EvidenceKind, RedeemedReward


@dataclass(frozen=True, slots=True)
class Failure:
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Issue:
    """The code is there, and it is ours."""

    made: PlatformCode
    kind: EvidenceKind
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Fail:
    failure: Failure


class AnotherCode:
    """The shop has somebody else's code of that name."""


class Doubtful:
    """Sent, and nobody knows what it did."""


class NotMade:
    """After a doubt: the shop never made it."""


@dataclass(frozen=True, slots=True)
class AskAgain:
    """Not decided yet; not before so many seconds."""

    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class NothingDone:
    """The shop could not be reached, or wants us to wait: nothing was made. `wait`: seconds, when it said so."""

    wait: float | None
    failure: Failure  # what it is for somebody who cannot wait


Decision = Issue | Fail | AnotherCode | Doubtful | NotMade | AskAgain | NothingDone


def decide(redeemed: RedeemedReward, question: Question, exchanges: tuple[Exchange, ...]) -> Decision:
    """What the last answer means. Loaded with the redeemed reward: its code."""
    last = exchanges[-1]
    if question.purpose is Purpose.SEE_SHARED:
        return _shared(question, last)
    if last.call is Call.CREATE:
        return _created(last)
    return _found(redeemed, question, last)


def _created(last: Exchange) -> Decision:
    answer = last.answer
    match answer.outcome:
        case Outcome.OK if answer.value is not None:
            return Issue(answer.value, EvidenceKind.CREATED, last)
        case Outcome.REJECTED:
            return Fail(Failure(str(answer.refusal or "rejected"), answer.reason))
        case Outcome.UNKNOWN | Outcome.OK:
            return Doubtful()
        case _:
            return _nothing_done(last)


def _found(redeemed: RedeemedReward, question: Question, last: Exchange) -> Decision:
    """Ours: issued. Foreign: a new code. Absent for long enough: it never was made.

    One that came to share a discount which has ended meanwhile is no more good than a foreign one. Without a doubt the
    shop itself has just said that it has the code: one it does not show is foreign.
    """
    answer = last.answer
    if not answer.ok:
        return AskAgain(answer.retry_after or 0.0)
    in_bulk = redeemed.code is not None and bool(redeemed.code.bulk_reference)
    if answer.value is not None and is_ours(redeemed, answer.value) and (answer.value.alive or not in_bulk):
        return Issue(answer.value, EvidenceKind.FOUND, last)
    if answer.value is not None or question.in_doubt_since is None:
        return AnotherCode()
    if not claims.absence_counts(question.in_doubt_since, now=last.finished_at):
        return AskAgain()  # the request may still be under way inside the shop
    return NotMade()


def _shared(question: Question, last: Exchange) -> Decision:
    """A shared code is in the shop already. Nothing is made there, so no answer is ever in doubt."""
    answer = last.answer
    if answer.outcome is Outcome.REJECTED:
        return Fail(Failure(str(answer.refusal or "rejected"), answer.reason))
    if not answer.ok:
        return _nothing_done(last)
    if answer.value is None or not answer.value.alive:
        reason = f"The shop does not take the shared code {question.code} any more, or not yet."
        return Fail(Failure("shared_code_unfit", reason))
    return Issue(answer.value, EvidenceKind.FOUND, last)


def _nothing_done(last: Exchange) -> NothingDone:
    return NothingDone(last.answer.retry_after, Failure(str(last.answer.outcome), last.answer.reason))


def is_ours(redeemed: RedeemedReward, found: PlatformCode) -> bool:
    """Whether a code in the shop is the one we asked for: our reference, and the very same value.

    A code out of a pool is ours without the reference, as long as it works: the merchant had it in the shop before.
    """
    from_pool = redeemed.code is not None and redeemed.code.pool_id is not None
    reference = (redeemed.code.bulk_reference if redeemed.code is not None else "") or redeemed.reference
    return (
        (found.reference == reference or (from_pool and found.alive and not found.uses))
        and (found.percent is None or found.percent == redeemed.percent)
        and (found.amount is None or found.amount == redeemed.amount)
        and found.product_reference in ("", redeemed.product_reference)
    )
