"""One row of a table of customers, read and judged by itself: who it is, and what is told of them. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from loyalty.common.errors import DomainError
from loyalty.customers import contacts
from loyalty.customers.models import CustomerState

COLUMNS = {
    "email": "E-mail",
    "phone": "Phone",
    "first_name": "First name",
    "last_name": "Surname",
    "state": "State",
    "language": "Language",
    "date_of_birth": "Date of birth",
    "shop_id": "Id in the shop",
}
NAMES = {
    **{name: name for name in COLUMNS},
    "mail": "email", "e_mail": "email", "surname": "last_name", "birthday": "date_of_birth", "external_id": "shop_id",
    "id_in_the_shop": "shop_id",
}  # fmt: skip
OURS = frozenset(
    {"customer_number", "tier", "active_points", "member_since", "merged_into"}
)  # of an export: not taken in
OVERFLOW = "more"  # how many cells a row has beyond the header
STATES = {
    **{str(key): str(key) for key in CustomerState.values},
    **{str(label).lower(): str(key) for key, label in CustomerState.choices},
}
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,6})?", re.ASCII)
LONGEST = {"first_name": 80, "last_name": 80, "shop_id": 120}
LONGEST_CONTACT = 254
EARLIEST_YEAR = 1900
NO_YEAR = 1004  # only day and month are known


class BadHeader(DomainError):
    """The first row does not say which column is which."""

    code = "bad_header"


class BadRow(DomainError):
    """What is wrong with a row, in a sentence that names the field."""

    code = "bad_row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a row says: an e-mail address, an id in the shop, or both, and what is told beside; empty cells tell nothing."""

    email: str
    shop_id: str
    fields: Mapping[str, Any]


def columns(header: Sequence[str]) -> list[str]:
    """What each column holds, by its head; empty for a column of an export that is not taken in. Raises BadHeader."""
    found: list[str] = []
    for head in header:
        plain = re.sub(r"\s*\(.*\)$", "", head.strip()).lower().replace("-", "_").replace(" ", "_")
        meaning = "" if plain in OURS else NAMES.get(plain)
        if meaning is None:
            known = ", ".join(label.lower() for label in COLUMNS.values())
            raise BadHeader(f"The column {head[:40]!r} is not known. The first row names columns such as {known}.")
        if meaning and meaning in found:
            raise BadHeader(f"The first row names two columns for {COLUMNS[meaning].lower()}. Remove one.")
        found.append(meaning)
    if not {"email", "shop_id"} & set(found):
        raise BadHeader("The first row names neither an e-mail column nor one for the id in the shop: add one.")
    return found


def data(cells: Sequence[str], names: Sequence[str]) -> dict[str, str | int]:
    """The cells of a row under their names, as they are kept. An apostrophe that guards a formula is taken off."""
    kept: dict[str, str | int] = {
        name: unguarded(cell.strip()) for name, cell in zip(names, cells, strict=False) if name
    }
    more = sum(1 for cell in cells[len(names) :] if cell.strip())
    return {**kept, OVERFLOW: more} if more else kept


def unguarded(text: str) -> str:
    """What our own export put an apostrophe before, without it: a phone number begins with +."""
    return text[1:] if text.startswith(("'+", "'-", "'=", "'@")) else text


def read(row: Mapping[str, str | int]) -> Told:
    """What a row tells. Raises BadRow."""
    if row.get(OVERFLOW):
        raise BadRow(
            "The row has more cells than the header. Put texts with commas in quotation marks.", code="too_many_cells"
        )
    texts = {name: str(row.get(name, "")) for name in COLUMNS}
    for name, text in texts.items():
        if text.startswith("="):
            raise BadRow(f"{COLUMNS[name]}: it is a formula. Put its value in the cell instead.", code="formula")
        if len(text) > LONGEST.get(name, LONGEST_CONTACT):
            limit = LONGEST.get(name, LONGEST_CONTACT)
            raise BadRow(f"{COLUMNS[name]}: it is longer than {limit} characters.", code="too_long")
    if not texts["email"] and not texts["shop_id"]:
        raise BadRow("E-mail: the cell is empty, and there is no id in the shop. Fill one of them.", code="nobody")
    fields = {
        "email": _contact("email", texts),
        "phone": _contact("phone", texts),
        "first_name": texts["first_name"],
        "last_name": texts["last_name"],
        "state": _state(texts["state"]),
        "language": _language(texts["language"]),
        "date_of_birth": _day(texts["date_of_birth"]),
    }
    return Told(
        email=str(fields["email"] or "").lower(),
        shop_id=texts["shop_id"],
        fields={name: value for name, value in fields.items() if value},
    )


def _contact(name: str, texts: Mapping[str, str]) -> str | None:
    forms = {"email": contacts.email, "phone": contacts.phone}
    try:
        return forms[name](texts[name])
    except DomainError as refusal:
        raise BadRow(f"{COLUMNS[name]}: {refusal.sentence}", code=refusal.code) from refusal


def _state(text: str) -> str:
    if not text:
        return ""
    state = STATES.get(text.lower())
    if state is None:
        raise BadRow(f"State: “{text[:40]}” is none. Write member, guest or excluded.", code="bad_state")
    return state


def _language(text: str) -> str:
    if text and not LANGUAGE.fullmatch(text):
        raise BadRow(f"Language: “{text[:40]}” is none. Write two letters, such as en.", code="bad_language")
    return text


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text) if DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or not (day.year == NO_YEAR or EARLIEST_YEAR <= day.year <= 2100):
        raise BadRow(
            f"Date of birth: “{text[:20]}” is none. Write one such as 1980-02-29; year 1004 where it is not known.",
            code="bad_date",
        )
    return day
