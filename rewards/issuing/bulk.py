"""Codes that share one discount of the shop: which of those that it shows is whose.

A shop that makes up the texts may answer a call with them, or not answer, and then show what there is. No order of its
list is relied on: a text that nobody has here yet goes to a reward that has none. The unique key of codes keeps two from
the same one.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from loyalty.common import codes
from platforms.adapter import PlatformCode
from rewards.issuing.asking import Exchange
from rewards.issuing.calling import Asked
from rewards.models import RewardCode

Shown = dict[str, PlatformCode]  # by canonical text


def shared_out(asked: Sequence[Asked]) -> list[Asked]:
    """The same, with one code, or none, for each that was looked for among all of its discount. Reads only.

    What was made before is to be recorded before: a text is free as long as no row has it.
    """
    shown = _shown(asked)
    made_up = {each.item.question.bulk for each in asked if _is_look(each) and each.item.question.invented}
    connection_id = asked[0].item.redeemed.connection_id if asked else None
    free = {reference: iter(_free(shown[reference], connection_id=connection_id)) for reference in made_up}
    return [_with_one(each, shown, free) if _is_look(each) else each for each in asked]


def _is_look(asked: Asked) -> bool:
    """Whether it was answered with all codes of a discount."""
    return bool(asked.exchanges) and isinstance(asked.exchanges[-1].answer.value, tuple)


def _shown(asked: Sequence[Asked]) -> dict[str, Shown]:
    """By discount, what the shop has shown."""
    shown: dict[str, Shown] = defaultdict(dict)
    for each in filter(_is_look, asked):
        for code in each.exchanges[-1].answer.value or ():
            shown[each.item.question.bulk][codes.canonical(code.code)] = code
    return shown


def _free(shown: Shown, *, connection_id: int | None) -> list[PlatformCode]:
    """Those that work and nobody has here."""
    rows = RewardCode.objects.filter(connection_id=connection_id, canonical__in=list(shown))
    taken = set(rows.values_list("canonical", flat=True))
    return [code for canonical, code in sorted(shown.items()) if canonical not in taken and code.alive]


def _with_one(asked: Asked, shown: dict[str, Shown], free: dict[str, Iterator[PlatformCode]]) -> Asked:
    question, last = asked.item.question, asked.exchanges[-1]
    own = next(free[question.bulk], None) if question.invented else shown[question.bulk].get(question.code)
    seen: Exchange = replace(last, answer=replace(last.answer, value=own))
    return replace(asked, exchanges=(*asked.exchanges[:-1], seen))
