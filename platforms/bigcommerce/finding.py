"""Looking a code up. BigCommerce keeps codes in three places, and only a look into all of them proves an absence."""

from datetime import datetime
from types import ModuleType
from typing import Any

from platforms.adapter import Answer, Outcome, PlatformCode
from platforms.bigcommerce import certificates, client, coupons, promotions
from platforms.bigcommerce.codes import Kept

PLACES: tuple[Any, ...] = (coupons, promotions, certificates)


def module_of(kept: Kept) -> ModuleType:
    """Where codes of its kind are looked up and changed."""
    found: ModuleType = next(place for place in PLACES if kept.kind == place.KIND)
    return found


def find_all(conversation: client.Conversation, code: str, *, now: datetime, remote_id: str = "") -> Answer[list[Kept]]:
    """Every code of that text in any case, the best first. It looks no further once it has ours, or that remote id.

    Whether BigCommerce minds the case of a code is not documented: it is asked in upper case, then as given.
    """
    answer = _find_all(conversation, code.upper(), now=now, remote_id=remote_id)
    if answer.value == [] and code != code.upper():
        return _find_all(conversation, code, now=now, remote_id=remote_id)
    return answer


def _find_all(conversation: client.Conversation, code: str, *, now: datetime, remote_id: str) -> Answer[list[Kept]]:
    likely = remote_id.partition(":")[0]
    found: list[Kept] = []
    answer: Answer[list[Kept]] = Answer(outcome=Outcome.OK, value=found)
    for place in sorted(PLACES, key=lambda place: likely != place.KIND):
        answer = place.find(conversation, code, now=now)
        if answer.value is None:
            return client.relay(answer)
        found += answer.value
        if any(kept.is_ours or kept.code.remote_id == remote_id for kept in answer.value):
            break
    return client.ok(answer, sorted(found, key=lambda kept: kept.rank))


def best(answer: Answer[list[Kept]]) -> Answer[PlatformCode | None]:
    """The living code before a dead one, ours before another's."""
    if answer.value is None:
        return client.relay(answer)
    return client.ok(answer, answer.value[0].code if answer.value else None)
