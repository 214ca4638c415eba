"""Many codes under one promotion of the type BULK, whose codes BigCommerce's own generator makes.

A call looks for the promotion of its reference by the name, makes it where there is none, generates, and lists the codes
for their ids. A promotion without codes works for nobody, so one that an earlier try left is used by the next. The
generator and the listing bear ten requests at the same time, other calls forty: an adapter makes eight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from platforms.adapter import Answer, CodeSpec, Outcome, PlatformCode, Refusal
from platforms.bigcommerce import batches, client, fields, parents, promotions
from platforms.bigcommerce.batches import Batch
from platforms.bigcommerce.codes import Kept
from platforms.bigcommerce.parents import Parent
from platforms.http import HttpAnswer

Each = Answer[PlatformCode]


def create(
    conversation: client.Conversation, specs: Sequence[CodeSpec], *, currency: str, now: datetime
) -> Answer[tuple[Each, ...]]:
    """Generate as many codes as there are specs. Raises CannotMake before anything is sent."""
    if not specs:
        return Answer(outcome=Outcome.OK, value=())
    batch = batches.read(specs, currency=currency)
    parent = parents.find_or_make(conversation, batch, now=now)
    if parent.value is None:
        return client.relay(parent)
    answer = promotions.generate(conversation, parent.value.id, batch.body)
    if not answer.ok:
        return answer.failure()
    answer = replace(answer, excerpt="")  # it names the codes of many people: the evidence of one shows its own alone
    try:
        return _told(conversation, batch, parent.value, answer, now=now)
    except fields.Unreadable as error:
        return answer.unusable(str(error))


def find(conversation: client.Conversation, reference: str, *, now: datetime) -> Answer[tuple[PlatformCode, ...]]:
    """All codes of this reference. One that is good for more than one order is none of ours, and left out."""
    there = promotions.named(conversation, reference)
    if there.value is None:
        return client.relay(there)
    found: list[PlatformCode] = []
    for promotion in filter(parents.is_bulk, there.value):
        listed = _listed(conversation, promotion, now=now)
        if listed.refusal is Refusal.NOT_FOUND:
            continue  # deleted between the two questions
        if listed.value is None:
            return client.relay(listed)
        found += [kept.code for kept in listed.value.values() if kept.limited_to_one_use]
    return client.ok(there, tuple(found))


def _told(
    conversation: client.Conversation, batch: Batch, parent: Parent, answer: HttpAnswer, *, now: datetime
) -> Answer[tuple[Each, ...]]:
    """What became of each code, once the generator has spoken. Raises Unreadable.

    Where the shop then does not list its codes, the generator's own word that it made them for one use each is enough:
    an id is only a short cut, and whoever cancels a code without one looks it up by its text. Where the shop lists them
    and leaves one out, it contradicts itself, and nobody knows.
    """
    made = batches.made(answer.data)
    listed = _listed(conversation, parent.promotion, now=now)
    shown = listed.value or {}
    ours = {text: shown[text.casefold()] for text in made.texts if text.casefold() in shown}
    if made.most_uses not in {None, 1} or not all(kept.limited_to_one_use for kept in ours.values()):
        return _withdrawn(conversation, answer, parent, alone=parent.fresh or (listed.ok and len(shown) == len(ours)))
    if listed.value is None and made.most_uses is None:
        return client.unknown(answer, f"The shop made these codes and then did not show them: {listed.reason}")
    if listed.value is None:
        ours = {text: parents.as_if(parent.promotion, text, now=now) for text in made.texts}
    told = [_one(answer, text, ours.get(text)) for text in made.texts[: batch.count]]
    lacking = f"The shop was asked for {batch.count} codes, and made {len(made.texts)}."
    return answer.success((*told, *[client.unknown(answer, lacking)] * (batch.count - len(told))))


def _one(answer: HttpAnswer, text: str, kept: Kept | None) -> Each:
    if kept is None:
        return client.unknown(answer, f"The shop made the code {text}, and does not list it.")
    evidence = {"code": kept.code.code, "id": kept.code.remote_id, "promotion": kept.raw.get("name")}
    return answer.about(evidence).success(kept.code)


def _withdrawn(conversation: client.Conversation, answer: HttpAnswer, parent: Parent, *, alone: bool) -> Answer[Any]:
    """Codes with another limit of uses, which nobody may get. Their promotion is switched off if it is theirs alone."""
    reason = "The shop made codes that are good for other than one order, so nobody was given one."
    if not alone:
        return client.rejected(answer, Refusal.INVALID, f"{reason} Delete those without a use. {parents.WHERE}")
    off = promotions.switch_off(conversation, parent.id)
    if not off.ok:
        return answer.unusable("it made codes that are good for other than one order, and they could not be disabled")
    return client.rejected(answer, Refusal.INVALID, f"{reason} Their promotion was disabled there.")


def _listed(
    conversation: client.Conversation, promotion: Mapping[str, Any], *, now: datetime
) -> Answer[dict[str, Kept]]:
    """All codes of a promotion, by their texts in lower case."""
    found: dict[str, Kept] = {}
    after, seen = "", set[str]()
    while True:
        answer = promotions.ask_codes(conversation, fields.identity(promotion), after=after)
        if not answer.ok:
            return answer.failure()
        try:
            for entry in fields.wrapped(answer.data):
                kept = promotions.read(promotion, entry, now=now)
                found[kept.code.code.casefold()] = kept
            after = promotions.end_of(answer)
        except fields.Unreadable as error:
            return answer.unusable(str(error))
        if not after:
            return answer.success(found)
        if after in seen:
            return answer.unusable("its list of codes goes round in a circle")
        seen.add(after)
