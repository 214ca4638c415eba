"""Many codes under one discount: they share its beginning, end and terms, and each is good once.

The discount is made with the first code, and the others are added to it in one call. Shopify adds them after it has
answered, so its progress is asked for until it is done or time is up. A code is told as made only where the shop counts
or shows it as made; what it does not tell stays unknown, and is found by its text later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any

from loyalty.common import codes as spelling
from platforms.adapter import Access, Answer, BulkDiscounts, CodeSpec, DiscountKind, Outcome, PlatformCode, Refusal
from platforms.shopify import client, codes, discounts, listing, queries, values
from platforms.shopify.client import Conversation
from platforms.shopify.discounts import Discount
from platforms.shopify.values import Unreadable

CAPABILITY = BulkDiscounts(
    most=discounts.MOST_CODES,
    kinds=frozenset(DiscountKind) - {DiscountKind.GIFT_CARD},
    collections=frozenset({DiscountKind.PERCENTAGE, DiscountKind.FIXED_AMOUNT}),
)
PAUSES = (0.25, 0.5, 1.0, 2.0)  # seconds between looks at the progress, a point each; the last one for all further
FAILURES_IN_A_ROW = 3  # looks without an answer, after which it is left to be found later
RESULTS_PAGE = 100  # a result costs three points, and a question 1,000 at most
_ADDED, _CREATION = "discountRedeemCodeBulkAdd", "discountRedeemCodeBulkCreation"
UNTOLD = "The shop has not said in time whether it has added this code to the others. It may or may not have done it."
UNTOLD_RESULT = "The shop has added some codes and not others, and does not say which this one is."
WITH_OTHERS = "The shop refused to add this code together with others, and does not say that it is at fault."

Told = list[Answer[PlatformCode]]


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far Shopify has come with adding codes."""

    global_id: str
    is_done: bool
    wanted: int
    made: int
    failed: int

    def has_made_all(self, wanted: int) -> bool:
        return (self.wanted, self.made, self.failed) == (wanted, wanted, 0)


def create(
    access: Access, conversation: Conversation, specs: Sequence[CodeSpec]
) -> Answer[tuple[Answer[PlatformCode], ...]]:
    """Make a discount with these codes; the title is the first one's. OK once there is a discount, or all are taken."""
    if not specs:
        return Answer(outcome=Outcome.OK, value=())
    wrong = _unfit(specs)
    if wrong is not None:
        return wrong
    bounds = codes.bounds_of(conversation, specs[0])
    if bounds.value is None:
        return client.relay(bounds)
    told: Told = []
    for spec in specs:
        made = codes.make(access, conversation, replace(spec, title=specs[0].title), bounds.value)
        if made.value is not None:
            told.append(client.done(made, made.value.code))
            told += _added(conversation, made.value, specs[len(told) :])
            return client.done(made, tuple(told))
        if made.refusal is not Refusal.DUPLICATE_CODE:
            return client.relay(made)
        told.append(client.relay(made))
    return Answer(outcome=Outcome.OK, value=tuple(told), observed=told[-1].observed)


def find(access: Access, conversation: Conversation, reference: str) -> Answer[tuple[PlatformCode, ...]]:
    """All codes that the shop has now under discounts for many of this reference of ours."""
    tag = "".join(letter for letter in discounts.REFERENCE + reference if letter not in "\\'\"")
    numbers: list[str] = []
    after = ""
    while True:
        answer = conversation.ask(queries.LIST_CODES, first=listing.PAGE_SIZE, query=f"tag:'{tag}'{after}")
        if answer.value is None:
            return client.relay(answer)
        try:
            found, more = listing.discounts_in(answer.value)
        except Unreadable as error:
            return client.unreadable(answer, error)
        # The search finds words; the tag itself decides.
        numbers += [one.number for one in found if one.is_ours_for_many and one.code.reference == reference]
        if not more or after == f" id:>{found[-1].number}":
            break
        after = f" id:>{found[-1].number}"
    every: list[PlatformCode] = []
    for number in numbers:
        within = listing.all_within(access, conversation, number=number)
        if within.value is None:
            return client.relay(within)
        every += within.value
    return client.done(answer, tuple(every))


def _unfit(specs: Sequence[CodeSpec]) -> Answer[Any] | None:
    """The answer to specs that cannot be codes of one discount."""
    if len(specs) > CAPABILITY.most:
        return _never(
            f"Shopify adds {CAPABILITY.most} codes to a discount at a time, and these are {len(specs)}. Ask for fewer."
        )
    if specs[0].kind not in CAPABILITY.kinds:
        kind = specs[0].kind.value.replace("_", " ")
        return _never(f"Shopify puts no {kind}s under one discount. Make them one by one.", Refusal.UNSUPPORTED)
    if any(spec.customer_email or not spec.in_bulk for spec in specs):
        return _never("A discount for many codes is bound to no customer. Make a code for one customer by itself.")
    if len({replace(spec, code="", title="") for spec in specs}) > 1:
        return _never("Codes of one discount share its terms, and these have different ones. Make them one by one.")
    if len({spelling.canonical(spec.code) for spec in specs}) < len(specs):
        return _never("The same code is among these twice. Ask for each code once.")
    return None


def _never(reason: str, refusal: Refusal = Refusal.INVALID) -> Answer[Any]:
    return Answer(outcome=Outcome.REJECTED, refusal=refusal, reason=reason)


def _added(conversation: Conversation, parent: Discount, specs: Sequence[CodeSpec]) -> Told:
    """What became of each of the codes that are to join the first one, in their order."""
    if not specs:
        return []
    wanted = [{"code": spec.code} for spec in specs]
    asked = conversation.ask(queries.ADD_TO_MANY, discount=parent.global_id, codes=wanted)
    if asked.value is None:
        return [client.relay(asked)] * len(specs)
    refused = client.refused(asked, _ADDED)
    if refused is not None:
        return _refused(asked, refused, specs)
    finished = _finished(conversation, asked)
    if finished.value is None:
        return [client.unknown(finished, UNTOLD)] * len(specs)
    if finished.value.has_made_all(len(specs)):
        return [_made(finished, parent, spec) for spec in specs]
    return _results(conversation, finished, finished.value, parent, specs)


def _refused(asked: Answer[dict[str, Any]], refused: Answer[Any], specs: Sequence[CodeSpec]) -> Told:
    """The call was refused as a whole: for the sake of the codes whose places are named, or for all of them."""
    if refused.outcome is Outcome.UNKNOWN or asked.value is None:
        return [refused] * len(specs)
    faults: dict[int, list[Any]] = {}
    for error in asked.value[_ADDED]["userErrors"]:
        for place in _places(error):
            faults.setdefault(place, []).append(error)
    if not faults:
        return [replace(refused, refusal=Refusal.INVALID)] * len(specs)  # no code is known to be taken
    others = client.unknown(asked, WITH_OTHERS)
    return [client.refusal(asked, faults[place]) if place in faults else others for place in range(len(specs))]


def _places(error: Any) -> list[int]:
    """Which of the codes an error names, by their places in the call."""
    path = error.get("field") if isinstance(error, Mapping) else None
    parts = path if isinstance(path, list) else []
    return [
        int(part) for part in parts if isinstance(part, str) and part.isascii() and part.isdigit() and len(part) < 4
    ]


def _finished(conversation: Conversation, asked: Answer[dict[str, Any]]) -> Answer[_Progress]:
    """The end of it; any other outcome says why it was not seen."""
    looked = _progress(asked, values.mapping(asked.value, _ADDED), "bulkCreation")
    failures = 0
    for pause in chain(PAUSES, repeat(PAUSES[-1])):
        if looked.value is None or looked.value.is_done:
            return looked
        if not conversation.pause(pause):
            break
        answer = conversation.ask(queries.BULK_PROGRESS, id=looked.value.global_id)
        if answer.value is not None:
            looked, failures = _progress(answer, answer.value, _CREATION), 0
            continue
        failures += 1
        if answer.outcome is Outcome.REJECTED or failures == FAILURES_IN_A_ROW:
            return client.relay(answer)
        if answer.retry_after and not conversation.pause(answer.retry_after):
            break
    return client.unknown(asked, UNTOLD)


def _progress(answer: Answer[dict[str, Any]], data: Mapping[str, Any], name: str) -> Answer[_Progress]:
    try:
        told = values.mapping(data, name)
        progress = _Progress(
            global_id=values.text(told, "id"),
            is_done=values.flag(told, "done"),
            wanted=values.count(told, "codesCount"),
            made=values.count(told, "importedCount"),
            failed=values.count(told, "failedCount"),
        )
    except Unreadable as error:
        return client.unreadable(answer, error)
    return client.done(answer, progress)


def _results(
    conversation: Conversation,
    finished: Answer[_Progress],
    progress: _Progress,
    parent: Discount,
    specs: Sequence[CodeSpec],
) -> Told:
    """What the shop says of each, page by page. What it does not show is unknown."""
    by_code = {spelling.canonical(spec.code): spec for spec in specs}
    told: dict[str, Answer[PlatformCode]] = {}
    last: Answer[Any] = finished
    after: str | None = None
    for _ in range(-(-CAPABILITY.most // RESULTS_PAGE)):
        answer = conversation.ask(queries.BULK_RESULTS, id=progress.global_id, first=RESULTS_PAGE, after=after)
        answer = replace(answer, observed=replace(answer.observed, excerpt=""))  # it names the codes of many people
        last = answer
        if answer.value is None:
            break
        try:
            page = values.mapping(values.mapping(answer.value, _CREATION), "codes")
            for entry in values.objects(page, "nodes"):
                spec = by_code.get(spelling.canonical(str(entry.get("code"))))
                if spec is not None:
                    told[spec.code] = _result(answer, entry, parent, spec)
            info = values.mapping(page, "pageInfo")
            if not values.flag(info, "hasNextPage"):
                break
            after = values.text(info, "endCursor")
        except Unreadable:
            break
    return [told.get(spec.code) or client.unknown(last, UNTOLD_RESULT) for spec in specs]


def _result(answer: Answer[Any], entry: Mapping[str, Any], parent: Discount, spec: CodeSpec) -> Answer[PlatformCode]:
    """What one entry says of its code."""
    try:
        errors = values.objects(entry, "errors")
        if errors:
            return client.refusal(answer, errors)
        values.number(values.mapping(entry, "discountRedeemCode"))
    except Unreadable:
        return client.unknown(answer, UNTOLD_RESULT)
    return _made(answer, parent, spec)


def _made(answer: Answer[Any], parent: Discount, spec: CodeSpec) -> Answer[PlatformCode]:
    """The code as the discount has it: with its terms, and no use yet."""
    return client.done(answer, replace(parent.code, code=spec.code, uses=0))
