"""One row of an import, read and judged by itself: whom it names, how many points, which notes. Pure but for nothing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from loyalty.common.errors import DomainError
from loyalty.customers import contacts
from loyalty.points.errors import MOST_POINTS


class Mode(StrEnum):
    ADD = "add"
    REMOVE = "remove"
    SET = "set"  # to: the active points become so many


class By(StrEnum):
    """By what the rows name customers."""

    EMAIL = "email"
    PHONE = "phone"
    ID = "id"
    SHOP_ID = "shop-id"  # under which a shop, or an integrator without one, knows them


COLUMNS = {
    "customer": "Customer",
    "points": "Points",
    "internal_note": "Internal note",
    "customer_note": "Customer note",
}
OVERFLOW = "more"  # how many cells a row has beyond the header
NAMES: dict[str, str] = {
    "customer": "customer",
    "email": "customer",
    "phone": "customer",
    "customer_id": "customer",
    "shop_id": "customer",
    "external_id": "customer",
    "points": "points",
    "internal_note": "internal_note",
    "customer_note": "customer_note",
}
FITTING: dict[By, frozenset[str]] = {
    By.EMAIL: frozenset({"customer", "email"}),
    By.PHONE: frozenset({"customer", "phone"}),
    By.ID: frozenset({"customer", "customer_id"}),
    By.SHOP_ID: frozenset({"customer", "shop_id", "external_id"}),
}
LONGEST = {"internal_note": 1000, "customer_note": 500}
LONGEST_SHOP_ID = 120
MOST_ID = 2**63 - 1

WHOLE = re.compile(r"\+?[0-9]+")
NEGATIVE = re.compile(r"[-−–]\s*[0-9.,]+")
SEPARATED = re.compile(r"[+-]?[0-9]{1,3}([.,'’ \u00a0\u2009\u202f][0-9]{3})+([.,][0-9]*)?")
FRACTION = re.compile(r"[+-]?[0-9]*[.,][0-9]+")
THREE_DIGITS = re.compile(r"[0-9]{3}")
ONE_TO_THREE = re.compile(r"\+?[0-9]{1,3}")


class BadHeader(DomainError):
    """The first row does not say which column is which."""

    code = "bad_header"


class BadRow(DomainError):
    """What is wrong with a row, in a sentence that names the field."""

    code = "bad_row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a row asks for. `name` is whom it names, in the form in which customers are stored and compared."""

    name: str
    points: int
    internal_note: str
    customer_note: str


def columns(header: Sequence[str], *, by: By) -> list[str]:
    """What each column holds, by its head. Raises BadHeader."""
    found: list[str] = []
    for head in header:
        name = head.strip().lower().replace("-", "").replace(" ", "_")
        meaning = NAMES.get(name)
        if meaning is None:
            raise BadHeader(
                f"The column {head[:40]!r} is not known. The first row names the columns: {by_words(by)}, points, and if "
                "you like internal note and customer note. Remove the others."
            )
        if meaning == "customer" and name not in FITTING[by]:
            raise BadHeader(
                f"The column {head[:40]!r} does not fit: customers are named by {by_words(by)} here. Choose the other way, "
                "or name the column “customer”."
            )
        if meaning in found:
            raise BadHeader(f"The first row names two columns for {COLUMNS[meaning].lower()}. Remove one.")
        found.append(meaning)
    missing = [COLUMNS[meaning].lower() for meaning in ("customer", "points") if meaning not in found]
    if missing:
        raise BadHeader(
            f"The first row names no column for {' and '.join(missing)}. It must read, for example: "
            f"{by_words(by)}, points."
        )
    return found


def by_words(by: By) -> str:
    return {By.EMAIL: "email", By.PHONE: "phone", By.ID: "customer id", By.SHOP_ID: "shop id"}[by]


def data(cells: Sequence[str], names: Sequence[str]) -> dict[str, str | int]:
    """The cells of a row under their names, as they are kept."""
    kept: dict[str, str | int] = {name: cell.strip() for name, cell in zip(names, cells, strict=False)}
    more = sum(1 for cell in cells[len(names) :] if cell.strip())
    return {**kept, OVERFLOW: more} if more else kept


def read(row: Mapping[str, str | int], *, mode: Mode, by: By, names: Sequence[str]) -> Wanted:
    """What a row asks for. Raises BadRow."""
    texts = {name: str(row.get(name, "")) for name in COLUMNS}
    if row.get(OVERFLOW):
        raise BadRow(
            "The row has more cells than the header. A number such as 1,000 without quotation marks makes two: write 1000.",
            code="too_many_cells",
        )
    for name, text in texts.items():
        if text.startswith("="):
            raise BadRow(
                f"{COLUMNS[name]}: {_shown(text)} is a formula. Put its value in the cell instead.", code="formula"
            )
    _refuse_split_number(texts, names)
    return Wanted(
        name=name_of(texts["customer"], by=by),
        points=_points(texts["points"], mode=mode),
        internal_note=_note(texts, "internal_note"),
        customer_note=_note(texts, "customer_note"),
    )


def _refuse_split_number(texts: Mapping[str, str], names: Sequence[str]) -> None:
    """1,000 without quotation marks stands in two cells: the points, and what the next column takes for a note."""
    place = names.index("points") + 1
    following = texts[names[place]] if place < len(names) and names[place] in LONGEST else ""
    if THREE_DIGITS.fullmatch(following) and ONE_TO_THREE.fullmatch(texts["points"]):
        raise BadRow(
            f"Points: {texts['points']} is followed by {following}. Is it {texts['points']},{following}? Write "
            f"{texts['points']}{following} without a separator, or other words in the note.",
            code="thousands_separator",
        )


def _points(text: str, *, mode: Mode) -> int:
    lowest = 0 if mode is Mode.SET else 1
    if not text:
        raise BadRow("Points: the cell is empty. Write a whole number such as 50.", code="bad_number")
    if SEPARATED.fullmatch(text):
        bare = re.sub(r"[^0-9]", "", text)
        raise BadRow(
            f"Points: {_shown(text)} has a separator that means thousands in one country and a fraction in another. "
            f"Write {bare} if that is what you mean.",
            code="thousands_separator",
        )
    if NEGATIVE.fullmatch(text):
        raise BadRow(
            f"Points: {_shown(text)} is negative. Write the number alone, and choose “remove” to take points.",
            code="negative",
        )
    if FRACTION.fullmatch(text):
        raise BadRow(f"Points: {_shown(text)} is a fraction. Points are whole numbers.", code="fraction")
    if not (text.isascii() and WHOLE.fullmatch(text)):
        raise BadRow(f"Points: {_shown(text)} is not a whole number such as 50.", code="bad_number")
    if len(text) > 12 or not lowest <= int(text) <= MOST_POINTS:
        raise BadRow(
            f"Points: {_shown(text)} is not between {lowest} and {MOST_POINTS:,}.",
            code="out_of_range",
        )
    return int(text)


def _note(texts: Mapping[str, str], name: str) -> str:
    text = texts[name]
    if len(text) > LONGEST[name]:
        raise BadRow(f"{COLUMNS[name]}: it is longer than {LONGEST[name]:,} characters.", code="note_too_long")
    return text


def name_of(text: str, *, by: By) -> str:
    """Whom a cell names, in the form in which customers are stored and compared. Raises BadRow."""
    if not text:
        raise BadRow(f"Customer: the cell is empty. Write the {by_words(by)}.", code="no_customer")
    try:
        if by is By.EMAIL:
            return (contacts.email(text) or "").lower()
        if by is By.PHONE:
            return contacts.phone(text) or ""
    except DomainError as refusal:
        raise BadRow(f"Customer: {refusal.sentence}", code=refusal.code) from refusal
    if by is By.ID:
        if not (text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= MOST_ID):
            raise BadRow(f"Customer: {_shown(text)} is not a customer id such as 42.", code="invalid_id")
        return str(int(text))
    if len(text) > LONGEST_SHOP_ID:
        raise BadRow(f"Customer: the id is longer than {LONGEST_SHOP_ID} characters.", code="invalid_id")
    return text


def _shown(text: str) -> str:
    return f"“{text[:40]}…”" if len(text) > 40 else f"“{text}”"
