"""Gift cards in a Shopify shop: money under a code that Shopify shows nobody a second time.

So a card is known again by a search for its code, its last letters and our reference in its note, which its owner does
not see. It ends with a day in the shop's zone, the last one in which it works; where our end lies within a day, the
customer has the rest of it too. A card that was switched off never works again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from loyalty.common import money
from platforms.adapter import Access, Answer, CodeSpec, Outcome, PlatformCode, Refusal
from platforms.redaction import is_plain
from platforms.shopify import client, queries, sentences, values
from platforms.shopify.client import Conversation
from platforms.shopify.values import Unreadable

PREFIX = "gift_cards/"  # of a remote id: what Shopify's admin has in its addresses
REFERENCE = "loyalty-desk-ref-"

# Shopify takes 8 to 20 letters and digits. Codes of ours that are money have sixteen at least, and others no such form.
_FORM = re.compile(r"[A-Z0-9]{16,20}", re.ASCII | re.IGNORECASE)
_NOTE = re.compile(re.escape(REFERENCE) + r"(\S{1,80})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One gift card as the shop has it."""

    code: PlatformCode
    global_id: str
    ends_on: date | None
    enabled: bool
    currency: str
    last_characters: str


def may_be(code: str) -> bool:
    """Whether a code has the form of a gift card's."""
    return _FORM.fullmatch(code) is not None


def create(access: Access, conversation: Conversation, spec: CodeSpec) -> Answer[PlatformCode]:
    """Make the card and compare what the shop stored."""
    problem = _problem(spec, currency=access.currency)
    if problem or spec.amount is None:
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=problem)
    zone: tzinfo = UTC
    if spec.expires_at is not None:
        asked = conversation.ask(queries.ZONE)
        if asked.value is None:
            return client.relay(asked)
        zone = _zone(asked.value)
    ends_on = _last_day(spec.expires_at, zone)
    wanted = {
        "code": spec.code,
        "initialAmount": {"amount": money.written(spec.amount, spec.currency), "currencyCode": spec.currency},
        "expiresOn": ends_on,
        "note": f"Loyalty Desk, {REFERENCE}{spec.reference}",
    }
    answer = client.told(conversation.ask(queries.CREATE_GIFT_CARD, card=wanted), "giftCardCreate")
    if answer.value is None:
        return _denied(answer)
    try:
        result = values.mapping(answer.value, "giftCardCreate")
        made = _card(values.mapping(result, "giftCard"), code=values.text(result, "giftCardCode"), zone=zone)
    except Unreadable as error:
        return client.unreadable(answer, error)
    wrong = _differences(spec, made, ends_on=ends_on)
    return _withdraw(conversation, answer, made, wrong) if wrong else client.done(answer, made.code)


def find(conversation: Conversation, code: str) -> Answer[PlatformCode | None]:
    answer = _search(conversation, code)
    return client.done(answer, answer.value.code if answer.value else None) if answer.ok else client.relay(answer)


def disable(conversation: Conversation, code: str, remote_id: str) -> Answer[PlatformCode | None]:
    """Switch the card off for good, and read it back."""
    answer = _meant(conversation, code, remote_id)
    if answer.value is None:
        return client.done(answer, None) if answer.ok else client.relay(answer)
    if answer.value.enabled:
        off = client.told(conversation.ask(queries.DISABLE_GIFT_CARD, id=answer.value.global_id), "giftCardDeactivate")
        if not off.ok:
            return _denied(off)
    return _read_back(conversation, code, answer.value)


def extend(conversation: Conversation, code: str, remote_id: str, expires_at: datetime) -> Answer[PlatformCode | None]:
    """Move its last day, and read it back. One that was switched off stays so."""
    answer = _meant(conversation, code, remote_id)
    if answer.value is None or not answer.value.enabled:
        return client.done(answer, answer.value.code if answer.value else None) if answer.ok else client.relay(answer)
    asked = conversation.ask(queries.ZONE)
    if asked.value is None:
        return client.relay(asked)
    card = {"expiresOn": _last_day(expires_at, _zone(asked.value))}
    changed = conversation.ask(queries.EXTEND_GIFT_CARD, id=answer.value.global_id, card=card)
    moved = client.told(changed, "giftCardUpdate")
    return _read_back(conversation, code, answer.value) if moved.ok else _denied(moved)


def _problem(spec: CodeSpec, *, currency: str) -> str:
    if not may_be(spec.code):
        return (
            f"Shopify's gift cards have codes of letters and digits alone, here sixteen to twenty of them: {spec.code} "
            "does not fit. Take the prefix out of the reward."
        )
    if spec.amount is None or spec.amount <= 0 or not money.fits(spec.amount, spec.currency):
        return f"The amount of the gift card must be above 0 and payable in {spec.currency}. Correct the reward."
    if spec.currency != currency:
        return f"The reward is in {spec.currency}, but the shop's connection in {currency}. Correct one of them."
    return ""


def _meant(conversation: Conversation, code: str, remote_id: str) -> Answer[Card | None]:
    """The card with this number; else the one with this code."""
    global_id = values.global_id("GiftCard", remote_id.removeprefix(PREFIX)) if remote_id.startswith(PREFIX) else ""
    return _read(conversation, code, global_id) if global_id else _search(conversation, code)


def _search(conversation: Conversation, code: str) -> Answer[Card | None]:
    answer = conversation.ask(queries.FIND_GIFT_CARDS, code=code)
    if answer.value is None:
        return _denied(answer)
    try:
        zone = _zone(answer.value)
        found = [_card(entry, code=code, zone=zone) for entry in values.nodes(answer.value, "giftCards")]
    except Unreadable as error:
        return client.unreadable(answer, error)
    # The search looks into other fields too; the last letters are all that Shopify shows of a code.
    same = [card for card in found if code.casefold().endswith(card.last_characters.casefold())]
    return client.done(answer, same[0] if same else None)


def _read(conversation: Conversation, code: str, global_id: str) -> Answer[Card | None]:
    answer = conversation.ask(queries.READ_GIFT_CARD, id=global_id)
    if answer.value is None:
        return _denied(answer)
    entry = answer.value.get("giftCard")
    if entry is None:
        return client.done(answer, None)
    try:
        return client.done(answer, _card(entry, code=code, zone=_zone(answer.value)))
    except Unreadable as error:
        return client.unreadable(answer, error)


def _read_back(conversation: Conversation, code: str, card: Card) -> Answer[PlatformCode | None]:
    answer = _read(conversation, code, card.global_id)
    return client.done(answer, answer.value.code if answer.value else None) if answer.ok else client.relay(answer)


def _card(entry: Any, *, code: str, zone: tzinfo) -> Card:
    """A card as the shop tells it. Raises Unreadable."""
    if not isinstance(entry, Mapping):
        raise Unreadable("the gift card is no object")
    worth, currency = values.money(entry, "initialValue")
    left, _ = values.money(entry, "balance")
    enabled = values.flag(entry, "enabled")
    ends_on = _day(entry)
    ends_at = None if ends_on is None else _midnight_after(ends_on, zone)
    noted = _NOTE.search(str(entry.get("note") or ""))
    reference = noted[1] if noted is not None and is_plain(noted[1]) else ""
    return Card(
        code=PlatformCode(
            code=code,
            remote_id=PREFIX + values.number(entry),
            alive=enabled and (ends_at is None or ends_at > datetime.now(UTC)),
            reference=reference,
            uses=1 if left < worth else 0,  # Shopify tells of no order: what was spent is all that shows
            amount=worth,
            expires_at=ends_at,
        ),
        global_id=values.text(entry, "id"),
        ends_on=ends_on,
        enabled=enabled,
        currency=currency,
        last_characters=values.text(entry, "lastCharacters", longest=20),
    )


def _day(entry: Mapping[str, Any]) -> date | None:
    if entry.get("expiresOn") is None:
        return None
    try:
        return date.fromisoformat(values.text(entry, "expiresOn"))
    except ValueError as error:
        raise Unreadable("expiresOn is not a day") from error


def _last_day(expires_at: datetime | None, zone: tzinfo) -> str | None:
    """The last day on which the card must still work: an end at midnight is the end of the day before."""
    return None if expires_at is None else (expires_at - timedelta(seconds=1)).astimezone(zone).date().isoformat()


def _midnight_after(day: date, zone: tzinfo) -> datetime:
    try:
        return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
    except OverflowError as error:
        raise Unreadable("expiresOn is no day that comes") from error


def _zone(data: Mapping[str, Any]) -> tzinfo:
    """The shop's time zone; UTC when we know none of that name."""
    try:
        return ZoneInfo(str(values.mapping(data, "shop").get("ianaTimezone"))[:60])
    except (Unreadable, ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _differences(spec: CodeSpec, made: Card, *, ends_on: str | None) -> list[str]:
    agrees = {
        "code": made.code.code.casefold() == spec.code.casefold(),
        "reference": made.code.reference == spec.reference,
        "amount": made.code.amount == spec.amount,
        "currency": made.currency == spec.currency,
        "last day": (made.ends_on.isoformat() if made.ends_on else None) == ends_on,
        "state": made.enabled,
    }
    return [name for name, same in agrees.items() if not same]


def _withdraw(
    conversation: Conversation, answer: Answer[dict[str, Any]], made: Card, wrong: list[str]
) -> Answer[PlatformCode]:
    """The shop stored something else than we asked for: nobody may get that card."""
    what = " and ".join(wrong)
    off = client.told(conversation.ask(queries.DISABLE_GIFT_CARD, id=made.global_id), "giftCardDeactivate")
    if not off.ok:
        return client.unknown(answer, f"The shop stored another {what} than we asked for, and its card still works.")
    reason = f"The shop stored another {what} than we asked for, so the gift card was switched off there."
    return client.rejected(answer, Refusal.OTHER, reason)


def _denied(answer: Answer[Any]) -> Answer[Any]:
    """The failure; of an app without the scope it says what gift cards need."""
    lacking = answer.refusal is Refusal.UNAUTHORIZED and answer.observed.status == 200
    reason = sentences.no_scope(sentences.GIFT_CARD_SCOPE, what="work with gift cards") if lacking else ""
    return client.relay(answer, reason=reason)
