"""One row of a table of codes, read and judged by itself: the code, and from when to when it is good."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from loyalty.common import clock, codes
from loyalty.common.errors import DomainError

COLUMNS = {"code": "Code", "start": "Start", "end": "End"}
OVERFLOW = "more"  # how many cells a row has beyond the header
LONGEST_CODE = 60
EARLIEST, LATEST = 1900, 2200
SHORTENED_NUMBER = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+[0-9]+")
ONLY_DIGITS = re.compile(r"[0-9]+([.,][0-9]+)?")
WRITE_A_DATE = "Write a date such as 2027-01-31, or a date and time such as 2027-01-31 18:00."


class BadHeader(DomainError):
    """The first row does not say which column is which."""

    code = "bad_header"


class BadRow(DomainError):
    """What is wrong with a row, in a sentence that names the field."""

    code = "bad_row"


@dataclass(frozen=True, slots=True)
class Given:
    """A code as a row gives it."""

    code: str
    canonical: str
    starts_at: datetime | None
    ends_at: datetime | None  # exclusive


class Edges:
    """Reads starts and ends in a zone. Most rows of a table name the same few, so what was read is remembered."""

    MOST = 10_000

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._read: dict[tuple[str, str], datetime | None] = {}

    def read(self, text: str, *, name: str) -> datetime | None:
        """The instant that a cell of column `name` means; an end is exclusive. Raises BadRow."""
        if not text:
            return None
        if (text, name) not in self._read:
            if len(self._read) >= self.MOST:
                self._read.clear()
            self._read[text, name] = self._instant(text, name=name)
        return self._read[text, name]

    def _instant(self, text: str, *, name: str) -> datetime:
        label = COLUMNS[name]
        if ONLY_DIGITS.fullmatch(text):
            raise BadRow(
                f"{label}: {shown(text)} is a number, as workbooks store dates. Format the column as text. {WRITE_A_DATE}",
                code="bad_date",
            )
        try:
            instant = self._parsed(text, is_end=name == "end")
        except (ValueError, OverflowError) as error:
            raise BadRow(f"{label}: {shown(text)} is no date. {WRITE_A_DATE}", code="bad_date") from error
        if not EARLIEST <= instant.year <= LATEST:
            raise BadRow(f"{label}: {shown(text)} lies outside the years {EARLIEST} to {LATEST}.", code="bad_date")
        return instant

    def _parsed(self, text: str, *, is_end: bool) -> datetime:
        """A date alone means the whole day: as an end, it lasts until midnight after it."""
        try:
            day = date.fromisoformat(text)
        except ValueError:
            instant = datetime.fromisoformat(text)
            aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=self._zone)
            return aware.astimezone(UTC)
        return clock.midnight(day + timedelta(days=1) if is_end else day, self._zone)


def columns(header: Sequence[str]) -> list[str]:
    """What each column holds, by its head. Raises BadHeader."""
    found: list[str] = []
    for head in header:
        name = head.strip().lower()
        if name not in COLUMNS:
            raise BadHeader(
                f"The column {head[:40]!r} is not known. The first row names the columns: code, and if you like start "
                "and end. Remove the others."
            )
        if name in found:
            raise BadHeader(f"The first row names two columns for {name}. Remove one.")
        found.append(name)
    if "code" not in found:
        raise BadHeader("The first row names no column for the codes. It must read, for example: code, start, end.")
    return found


def data(cells: Sequence[str], names: Sequence[str]) -> dict[str, str | int]:
    """The cells of a row under their names, as they are kept."""
    kept: dict[str, str | int] = {name: cell.strip() for name, cell in zip(names, cells, strict=False)}
    more = sum(1 for cell in cells[len(names) :] if cell.strip())
    return {**kept, OVERFLOW: more} if more else kept


def read(row: Mapping[str, str | int], *, edges: Edges, now: datetime) -> Given:
    """What a row gives. Raises BadRow."""
    if row.get(OVERFLOW):
        raise BadRow("The row has more cells than the header. Remove them, or name them.", code="too_many_cells")
    code = read_code(str(row.get("code", "")))
    starts_at = edges.read(str(row.get("start", "")), name="start")
    ends_at = edges.read(str(row.get("end", "")), name="end")
    if ends_at is not None and ends_at <= now:
        raise BadRow(f"End: {shown(str(row['end']))} is over: the code could never be handed out.", code="over")
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise BadRow("End: it is not after the start.", code="ends_before_start")
    return Given(code, codes.canonical(code), starts_at, ends_at)


def read_code(text: str) -> str:
    """A code as it is handed out. Raises BadRow."""
    if not text:
        raise BadRow("Code: the cell is empty.", code="no_code")
    if text.startswith("="):
        raise BadRow(f"Code: {shown(text)} is a formula. Put its value in the cell instead.", code="formula")
    if SHORTENED_NUMBER.fullmatch(text):
        raise BadRow(
            f"Code: {shown(text)} is a long number that a spreadsheet has shortened, and its digits are lost. Take the "
            "codes from where they were made, and open the column as text.",
            code="shortened_number",
        )
    if len(text) > LONGEST_CODE or len(codes.canonical(text)) > LONGEST_CODE:
        raise BadRow(f"Code: {shown(text)} is longer than {LONGEST_CODE} characters.", code="code_too_long")
    if not text.isprintable():
        raise BadRow(f"Code: {shown(text)} holds characters that cannot be typed.", code="bad_code")
    return text


def shown(text: str) -> str:
    return f"“{text[:40]}…”" if len(text) > 40 else f"“{text}”"
