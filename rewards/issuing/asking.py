"""One question to the shop about one reward, or one about several, and its answer: the part that waits.

Nothing here reads or writes a row.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from loyalty.common import codes
from loyalty.common.clock import Stopwatch
from platforms.adapter import (
    Adapter,
    Answer,
    BulkAdapter,
    BulkDiscountAdapter,
    Capabilities,
    CodeSpec,
    Outcome,
    PlatformCode,
    Refusal,
)
from rewards import lifecycle
from rewards.models import IssueWork, RedeemedReward
from rewards.types import registry as types


class Call(StrEnum):
    CREATE = "create"
    FIND = "find"


class Purpose(StrEnum):
    """Why the shop is asked."""

    MAKE = "make"
    SETTLE_DOUBT = "settle_doubt"  # a call before may have made the code
    SEE_SHARED = "see_shared"  # the merchant has made it: does it work?


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    purpose: Purpose
    code: str  # canonical
    spec: CodeSpec | None = None  # of a code that is to be made
    in_doubt_since: datetime | None = None
    bulk: str = ""  # asked together with all of this discount, which the code shares; empty: on its own
    invented: bool = False  # the shop makes up the texts of such codes: one is found among the others alone

    @property
    def counts(self) -> bool:
        """Whether it is one of the tries after which we give up."""
        return self.purpose is not Purpose.SETTLE_DOUBT


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One call, and what came of it."""

    call: Call
    # Of a PlatformCode; of None where a code was looked for and is not there; of a discount's codes, all of them, until
    # `bulk.shared_out` has said which is whose.
    answer: Answer[Any]
    started_at: datetime
    finished_at: datetime

    @property
    def wait(self) -> float:
        """Seconds for which the shop, or who guards it, wants nobody to ask; nothing was done."""
        put_off = self.answer.outcome in {Outcome.THROTTLED, Outcome.NOT_SENT}
        return (self.answer.retry_after or 0.0) if put_off else 0.0


def question(redeemed: RedeemedReward, waiting: IssueWork, able: Capabilities) -> Question:
    """What is to be asked now, of a shop that can do this. Loaded with the redeemed reward: its code.

    Raises RewardIncomplete.
    """
    code = code_of(redeemed)
    if redeemed.code is not None and redeemed.code.is_shared:
        return Question(purpose=Purpose.SEE_SHARED, code=code)
    discounts = able.bulk_discounts
    bulk = redeemed.code.bulk_reference if redeemed.code is not None and discounts is not None else ""
    invented = bool(bulk) and discounts is not None and discounts.invents_codes
    if waiting.in_doubt_since is not None:
        since = waiting.in_doubt_since
        return Question(purpose=Purpose.SETTLE_DOUBT, code=code, in_doubt_since=since, bulk=bulk, invented=invented)
    spec = types.type_of(redeemed.type).spec(redeemed, code)
    return Question(purpose=Purpose.MAKE, code=code, spec=spec, bulk=bulk, invented=invented)


def ask(adapter: Adapter, question: Question, watch: Stopwatch) -> tuple[Exchange, ...]:
    """Ask the shop. One that says it has the code already is asked for it at once. Not inside a transaction."""
    if question.bulk and (question.spec is not None or question.invented):
        return ask_in_bulk(adapter, [question], watch)[0]
    if question.spec is None:
        return (_exchange(Call.FIND, lambda: adapter.find_code(question.code), watch),)
    spec = question.spec
    return _looked_up(adapter, question, _exchange(Call.CREATE, lambda: adapter.create_code(spec), watch), watch)


def ask_together(
    adapter: BulkAdapter, questions: Sequence[Question], watch: Stopwatch
) -> tuple[tuple[tuple[Exchange, ...], ...], bool]:
    """Let the shop make the codes of all these in one call; what became of each, in their order. All are to be made.

    Also whether the next are better asked about alone: the call as a whole was refused, and then nothing is told of any
    of them, or nobody knows what it did, and then each of them is in doubt.
    """
    started_at = watch.now
    answer = adapter.create_codes([question.spec for question in questions if question.spec is not None])
    finished_at = watch.now
    refused = answer.outcome is Outcome.REJECTED and answer.refusal is not Refusal.UNAUTHORIZED
    if refused:
        return tuple(() for _ in questions), True
    told = answer.value if answer.value is not None else (replace(answer, value=None),) * len(questions)
    found: list[tuple[Exchange, ...]] = []
    for question, each in zip(questions, told, strict=True):
        made = Exchange(call=Call.CREATE, answer=each, started_at=started_at, finished_at=finished_at)
        found.append(_looked_up(adapter, question, made, watch))
    return tuple(found), answer.outcome in {Outcome.UNKNOWN, Outcome.REJECTED}


def ask_in_bulk(adapter: Adapter, questions: Sequence[Question], watch: Stopwatch) -> tuple[tuple[Exchange, ...], ...]:
    """Ask about codes that share one discount, all for the same purpose; what became of each, in their order.

    As they share their terms, a refusal of the call is that of each.
    """
    shop = cast(BulkDiscountAdapter, adapter)  # its capabilities say so
    started_at = watch.now
    specs = [question.spec for question in questions if question.spec is not None]
    if not specs:
        found = shop.find_bulk(questions[0].bulk)
        seen = Exchange(call=Call.FIND, answer=found, started_at=started_at, finished_at=watch.now)
        return tuple((seen,) for _ in questions)
    answer = shop.create_bulk(specs)
    finished_at = watch.now
    told = answer.value if answer.value is not None else (replace(answer, value=None),) * len(questions)
    return tuple(
        _looked_up(
            adapter,
            question,
            Exchange(call=Call.CREATE, answer=each, started_at=started_at, finished_at=finished_at),
            watch,
        )
        for question, each in zip(questions, told, strict=True)
    )


def _looked_up(adapter: Adapter, question: Question, made: Exchange, watch: Stopwatch) -> tuple[Exchange, ...]:
    """The same, with a look at the code where the shop says that it has it already."""
    if made.answer.outcome is Outcome.REJECTED and made.answer.refusal is Refusal.DUPLICATE_CODE:
        return made, _exchange(Call.FIND, lambda: adapter.find_code(question.code), watch)
    return (made,)


def code_of(redeemed: RedeemedReward) -> str:
    """The text of its code, as it is compared."""
    if redeemed.code is None:
        raise lifecycle.IllegalTransition(f"Redeemed reward {redeemed.pk} has no code to generate.")
    return codes.canonical(redeemed.code.code)


def _exchange(
    call: Call, deed: Callable[[], Answer[PlatformCode] | Answer[PlatformCode | None]], watch: Stopwatch
) -> Exchange:
    started_at = watch.now
    answer = deed()
    return Exchange(call=call, answer=answer, started_at=started_at, finished_at=watch.now)
