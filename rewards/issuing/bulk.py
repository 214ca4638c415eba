"""Codes that share one discount of the shop: which of those that the shop has made up is whose.

A shop may answer a call with texts of its own, or not answer, and then show what there is. No order of its list is relied
on: a text that nobody has here yet goes to a reward that has none. The unique key of codes keeps two from the same one.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from loyalty.common import codes
from platforms.adapter import PlatformCode
from rewards.issuing.asking import Exchange, Purpose
from rewards.issuing.calling import Asked
from rewards.models import RewardCode


def shared_out(asked: Sequence[Asked]) -> list[Asked]:
    """The same, with one code, or none, for each that was looked for among all of its discount. Reads only.

    What was made before is to be recorded before: a text is free as long as no row has it.
    """
    left: dict[str, Iterator[PlatformCode]] = {}
    for reference, found in _told(asked).items():
        left[reference] = iter(_free(found, connection_id=asked[0].item.redeemed.connection_id))
    return [_with_one(each, left) if _is_look(each) else each for each in asked]


def _is_look(asked: Asked) -> bool:
    question = asked.item.question
    return bool(question.bulk and asked.exchanges) and question.purpose is Purpose.SETTLE_DOUBT


def _told(asked: Sequence[Asked]) -> dict[str, dict[str, PlatformCode]]:
    """By discount and by canonical text, what the shop has shown."""
    told: dict[str, dict[str, PlatformCode]] = defaultdict(dict)
    for each in filter(_is_look, asked):
        for code in each.exchanges[-1].answer.value or ():
            told[each.item.question.bulk][codes.canonical(code.code)] = code
    return told


def _free(found: dict[str, PlatformCode], *, connection_id: int | None) -> list[PlatformCode]:
    rows = RewardCode.objects.filter(connection_id=connection_id, canonical__in=list(found))
    taken = set(rows.values_list("canonical", flat=True))
    return [code for canonical, code in sorted(found.items()) if canonical not in taken and code.alive]


def _with_one(asked: Asked, left: dict[str, Iterator[PlatformCode]]) -> Asked:
    last: Exchange = asked.exchanges[-1]
    if not last.answer.ok:
        return asked
    code = next(left[asked.item.question.bulk], None) if asked.item.question.bulk in left else None
    return replace(asked, exchanges=(*asked.exchanges[:-1], replace(last, answer=replace(last.answer, value=code))))
