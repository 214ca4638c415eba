"""What a BigCommerce store keeps, and the checks that all its answers have in common. As strict as the real one, or more.

It refuses fields and parameters that it does not know.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

CODE = re.compile(r"[a-zA-Z0-9_ -]{1,50}")
RFC_DATE = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} [+-]\d{4}")
Entry = dict[str, Any]

PAGING = {"page", "limit"}


class Refused(Exception):
    """The store says no: a status and a sentence, shaped by the version of the API."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class Store:
    """One store. `clock` gives whole seconds, each later than the one before, so that every change has its own."""

    currency: str = "USD"
    name: str = "Garden of Loyalty"
    scopes: set[str] = field(
        default_factory=lambda: {"marketing", "marketing:modify", "orders", "products", "transactions", "info"}
    )
    duplicate_status: int = 400  # with which it refuses a code it has: not documented
    exact_case: bool = False  # whether the filter by code minds the case: not documented
    names_alike: bool = False  # whether the filter by name shows longer names, too: not documented
    generates: int | None = None  # how many codes the generator makes, whatever it was asked for
    tells: list[Callable[[Entry], None]] = field(default_factory=list)  # what it does to the generator's answers
    hidden_codes: int = 0  # of a promotion, at the end of its list
    endless_codes: bool = False  # each page of a promotion's codes leads on to itself
    names_once: bool = False  # whether it refuses a second promotion of one name: not documented
    bounds_included: bool = True  # whether min_date_modified includes itself: not documented
    coupons: dict[int, Entry] = field(default_factory=dict)
    certificates: dict[int, Entry] = field(default_factory=dict)
    promotions: dict[int, Entry] = field(default_factory=dict)
    codes: dict[int, Entry] = field(default_factory=dict)  # of promotions; each names its promotion
    orders: dict[int, Entry] = field(default_factory=dict)
    applied: dict[int, list[Entry]] = field(default_factory=dict)
    lines: dict[int, list[Entry]] = field(default_factory=dict)
    refunds: list[Entry] = field(default_factory=list)
    payments: dict[int, list[Entry]] = field(default_factory=dict)
    hooks: dict[int, Entry] = field(default_factory=dict)
    deleted_everything: list[str] = field(default_factory=list)
    changes: list[Callable[[Entry], None]] = field(default_factory=list)  # what it does to what it is given, unasked
    code_changes: list[Callable[[Entry], None]] = field(default_factory=list)  # the same to codes of promotions
    _next_id: int = 1000
    _last: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def clock(self) -> datetime:
        self._last = max(datetime.now(UTC).replace(microsecond=0), self._last + timedelta(seconds=1))
        return self._last

    def new_id(self) -> int:
        self._next_id += 1
        return self._next_id


Act = Callable[[Store, list[int], dict[str, str], Any], tuple[int, Any]]


def checked(body: Any, known: Mapping[str, type], required: set[str]) -> Entry:
    if not isinstance(body, dict):
        raise Refused(400, "The body is no object")
    for name, value in body.items():
        if name not in known:
            raise Refused(400, f"The field '{name}' is not supported by this resource.")
        if not isinstance(value, known[name]) or (known[name] is int and isinstance(value, bool)):
            raise Refused(400, f"The field '{name}' is invalid.")
    for name in sorted(required - body.keys()):
        raise Refused(400, f"The required field '{name}' was not supplied.")
    return dict(body)


def allowed(query: dict[str, str], known: set[str]) -> dict[str, str]:
    for name in query:
        if name not in known:
            raise Refused(400, f"The parameter '{name}' is not supported.")
    if not 1 <= int(query.get("limit", 50)) <= 250:
        raise Refused(422, "limit must be between 1 and 250")
    return query


def number(text: str) -> str:
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise Refused(400, f"'{text}' is not an amount") from None
    if found < 0:
        raise Refused(400, "An amount cannot be negative")
    return f"{found:.4f}"


def rfc(text: str) -> datetime:
    if RFC_DATE.fullmatch(text) is None:
        raise Refused(400, "The date is not in RFC 2822 format")
    return parsedate_to_datetime(text)


def code_free(store: Store, code: str, *, except_id: int = 0) -> None:
    for shelf in (store.coupons, store.codes, store.certificates):
        for entry in shelf.values():
            if entry["id"] != except_id and entry["code"].casefold() == code.casefold():
                raise Refused(store.duplicate_status, "The code is in use already.")


def fits_code(store: Store, entry: Entry, query: dict[str, str]) -> bool:
    wanted = query.get("code")
    if wanted is None:
        return True
    return bool(entry["code"] == wanted if store.exact_case else entry["code"].casefold() == wanted.casefold())


def paged(entries: list[Entry], query: dict[str, str]) -> list[Entry]:
    limit = int(query.get("limit", 50))
    first = (int(query.get("page", 1)) - 1) * limit
    low, high = int(query.get("min_id", 0)), int(query.get("max_id", 10**18))
    return [entry for entry in entries if low <= entry["id"] <= high][first : first + limit]


def v2_list(entries: list[Entry]) -> tuple[int, Any]:
    return (200, entries) if entries else (204, None)


def v3(data: Any, *, status: int = 200, meta: Entry | None = None) -> tuple[int, Any]:
    return status, {"data": data, "meta": meta or {}}
