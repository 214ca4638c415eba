"""What the WordPress site says about itself to anybody: its name, its time zone, and whether WooCommerce is there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from platforms.adapter import Answer, Outcome, Refusal
from platforms.http import HttpAnswer
from platforms.woocommerce import client, fields
from platforms.woocommerce.fields import Unreadable

NAMESPACE = "wc/v3"
PERMALINKS_OFF = (
    "WordPress answers, but its permalinks are plain, so WooCommerce's REST API has no address. In WordPress, Settings, "
    "Permalinks, choose any structure but Plain and save."
)
# The index also describes every route of every plugin, which may be a megabyte.
INDEX_FIELDS = {"_fields": "name,namespaces,timezone_string,gmt_offset"}
FURTHEST = timedelta(hours=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    name: str
    has_shop: bool
    zone: tzinfo


def ask(conversation: client.Conversation) -> Answer[Site]:
    """The site, shop or not. A WordPress without pretty permalinks gets its own sentence."""
    answer = conversation.ask_openly(client.INDEX, params=INDEX_FIELDS)
    if not answer.ok:
        if answer.outcome is Outcome.REJECTED and answer.status == 404 and _without_permalinks(conversation):
            return answer.failure(refusal=Refusal.INVALID, reason=PERMALINKS_OFF)
        return _failure(answer)
    try:
        return answer.success(read(answer.data))
    except Unreadable:
        return client.rejected(answer, Refusal.NOT_FOUND, client.NOTHING_THERE)


def read(data: Any) -> Site:
    """Raises Unreadable."""
    return Site(
        name=fields.text(data, "name") or "The shop",
        has_shop=NAMESPACE in fields.texts(data, "namespaces"),
        zone=_zone(data),
    )


def _failure(answer: HttpAnswer) -> Answer[Site]:
    if answer.outcome is Outcome.UNKNOWN and answer.status == 200:
        # A page that is no JSON: some other site, or a WordPress behind a page of its host's.
        return client.unknown(answer, client.NOTHING_THERE)
    if answer.outcome is Outcome.REJECTED and answer.status in {401, 403}:
        return answer.failure(refusal=Refusal.UNAUTHORIZED, reason=client.BLOCKED)
    return client.failure(answer)


def _without_permalinks(conversation: client.Conversation) -> bool:
    answer = conversation.ask_openly("/", params={"rest_route": "/", **INDEX_FIELDS})
    return answer.ok and isinstance(answer.data, Mapping) and "namespaces" in answer.data


def _zone(data: Any) -> tzinfo:
    name = fields.text(data, "timezone_string", longest=100)
    if name:
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise Unreadable("timezone_string is no time zone") from error
    hours = data.get("gmt_offset")  # a number, or a text in some versions
    try:
        offset = timedelta(hours=float(Decimal(str(hours))))
    except (ArithmeticError, ValueError, OverflowError) as error:
        raise Unreadable("gmt_offset is no number") from error
    if abs(offset) > FURTHEST:
        raise Unreadable("gmt_offset is no offset of a time zone")
    return timezone(offset)
