"""Read a purchase history: a text file, gzip or plain, one purchase a line, without ever holding more than a line."""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from loyalty.common.errors import DomainError

COLUMNS = ("customer", "date", "number of CDs", "amount")
LONGEST_LINE = 200
SHOWN_BYTES = 120
EARLIEST = date(1970, 1, 1)
MOST_MONEY = Decimal(1_000_000)
GZIP_MAGIC = b"\x1f\x8b"

CUSTOMER = re.compile(rb"[0-9]{1,20}")
DAY = re.compile(rb"([0-9]{4})([0-9]{2})([0-9]{2})")
PIECES = re.compile(rb"[0-9]{1,6}")
MONEY = re.compile(rb"[0-9]+(\.[0-9]{1,2})?")
NEGATIVE = re.compile(rb"-[0-9.]+")
WORD = re.compile(rb"[A-Za-z_]+")


class UnreadableFile(DomainError):
    """The file cannot be opened, or breaks off."""

    code = "unreadable_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """One line that can be imported. Money has two decimals."""

    line: int
    customer: str
    day: date
    pieces: int
    amount: Decimal

    @property
    def content(self) -> str:
        """Everything the file says of it: lines with equal content are told apart by their count alone."""
        return f"{self.customer}:{self.day:%Y%m%d}:{self.pieces}:{self.amount}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """One line that cannot, and why. `text` is its beginning, printable."""

    line: int
    reason: str
    text: str


class PurchaseFile:
    """An open purchase history; iterate it once. Raises UnreadableFile when it cannot be opened, or breaks off."""

    def __init__(self, path: Path, *, today: date) -> None:
        self._today = today
        self._lines = 0
        try:
            self._raw: BinaryIO = path.open("rb")
            self._size = path.stat().st_size
            magic = self._raw.read(len(GZIP_MAGIC))
            self._raw.seek(0)
        except OSError as error:
            raise UnreadableFile(
                f"{path} cannot be read: {error.strerror}. Check the path and its permissions."
            ) from error
        if not magic:
            self._raw.close()
            raise UnreadableFile(f"{path} is empty. Give the file with the purchases.")
        self._text: BinaryIO = self._raw
        if magic == GZIP_MAGIC:
            self._text = io.BufferedReader(gzip.GzipFile(fileobj=self._raw))

    @property
    def share_read(self) -> float:
        """How much of the file has been read, from 0 to 1."""
        return min(self._raw.tell() / self._size, 1.0) if self._size else 1.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._raw.close()

    def __iter__(self) -> Iterator[Purchase | BadLine]:
        """Every line but blank ones and the header, which is the first line when it holds four words."""
        while line := self._next_line():
            self._lines += 1
            words = line.split()
            if words and not (self._lines == 1 and _is_header(words)):
                yield _parse(self._lines, line, words, today=self._today)

    def _next_line(self) -> bytes:
        """The next line, or so much of it that it is known to be too long."""
        try:
            line = self._text.readline(LONGEST_LINE + 2)
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = self._text.readline(65_536)
        except (OSError, EOFError, zlib.error) as error:
            raise UnreadableFile(
                f"The file breaks off or is damaged after line {self._lines}. Get it again, and run the import again: "
                "what is in stays in, once."
            ) from error
        return line


def _is_header(words: list[bytes]) -> bool:
    return len(words) == len(COLUMNS) and all(WORD.fullmatch(word) for word in words)


def _parse(number: int, line: bytes, words: list[bytes], *, today: date) -> Purchase | BadLine:
    try:
        customer, day, pieces, amount = _columns(line, words)
        return Purchase(
            line=number,
            customer=_customer(customer),
            day=_day(day, today=today),
            pieces=_pieces(pieces),
            amount=_amount(amount),
        )
    except _Refused as refusal:
        return BadLine(line=number, reason=str(refusal), text=_printable(line[:SHOWN_BYTES]))


class _Refused(ValueError):
    """What is wrong with a line, as a sentence."""


def _columns(line: bytes, words: list[bytes]) -> list[bytes]:
    if len(line.rstrip(b"\r\n")) > LONGEST_LINE:
        raise _Refused(f"It is longer than {LONGEST_LINE} bytes.")
    if len(words) != len(COLUMNS):
        raise _Refused(f"It has {len(words)} columns, not {len(COLUMNS)}: {', '.join(COLUMNS)}.")
    return words


def _customer(word: bytes) -> str:
    if not CUSTOMER.fullmatch(word):
        raise _Refused(f"The customer {_quoted(word)} is not a number of at most 20 digits.")
    return word.decode()


def _day(word: bytes, *, today: date) -> date:
    refusal = _Refused(f"The date {_quoted(word)} is no day written as YYYYMMDD.")
    found = DAY.fullmatch(word)
    if found is None:
        raise refusal
    try:
        day = date(*(int(part) for part in found.groups()))
    except ValueError as error:
        raise refusal from error
    if not EARLIEST <= day <= today:
        raise _Refused(f"The date {_quoted(word)} is before {EARLIEST.year} or in the future.")
    return day


def _pieces(word: bytes) -> int:
    if not PIECES.fullmatch(word):
        raise _Refused(f"The number of CDs {_quoted(word)} is not a whole number from 0 to 999999.")
    return int(word)


def _amount(word: bytes) -> Decimal:
    if NEGATIVE.fullmatch(word):
        raise _Refused(f"The amount {_quoted(word)} is negative.")
    if not MONEY.fullmatch(word):
        raise _Refused(f"The amount {_quoted(word)} is not money such as 11.77.")
    amount = Decimal(word.decode())
    if amount > MOST_MONEY:
        raise _Refused(f"The amount {_quoted(word)} is more than {MOST_MONEY:,}.00. Is it in cents?")
    return amount.quantize(Decimal("0.01"))


def _quoted(word: bytes) -> str:
    return f"'{_printable(word[:40])}'"


def _printable(text: bytes) -> str:
    """ASCII that cannot disturb a terminal or a spreadsheet's lines."""
    return repr(text.rstrip(b"\r\n"))[2:-1]
