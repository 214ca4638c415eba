"""Read a table that somebody sent: CSV or XLSX, row by row, never holding more than a row. Nothing in it is trusted."""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from loyalty.common.errors import DomainError
from loyalty.jobs import xlsx

MOST_BYTES = 64 * 1024 * 1024
LONGEST_LINE = 65_536
LONGEST_CELL = 2_000  # what is longer is cut there, one character more, so that a rule on length still sees it
DELIMITERS = (",", ";", "\t")
UTF_8_MARK = b"\xef\xbb\xbf"
BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xfe", "It is UTF-16 text."),
    (b"\xfe\xff", "It is UTF-16 text."),
    (b"\xd0\xcf\x11\xe0", "It is an old Excel workbook (.xls), or one with a password."),
    (b"\x1f\x8b", "It is packed with gzip."),
    (b"%PDF", "It is a PDF."),
)
SAVE_AS = "Save it as “CSV UTF-8” or as an Excel workbook (.xlsx) and send that."


class UnreadableSheet(DomainError):
    """The file is no table that can be read. The sentence says where it stops being one."""

    code = "unreadable_file"


class Sheet:
    """An open table: its header, and then its rows as (number, cells), blank ones left out. Iterate it once.

    What kind of file it is is told from its first bytes, never from its name. Raises UnreadableSheet.
    """

    def __init__(self, file: BinaryIO) -> None:
        size = file.seek(0, 2)
        file.seek(0)
        if size > MOST_BYTES:
            raise UnreadableSheet(too_large(size))
        beginning = file.read(4)
        file.seek(0)
        if not beginning:
            raise UnreadableSheet("The file is empty. Send a table with a header and the rows below it.")
        for magic, what in BEGINNINGS:
            if beginning.startswith(magic):
                raise UnreadableSheet(f"The file is neither CSV in UTF-8 nor an Excel workbook. {what} {SAVE_AS}")
        self._rows = _workbook(file) if beginning == b"PK\x03\x04" else _text(file)
        self.header: list[str] = []
        for _, cells in self._rows:
            self.header = [cell.strip() for cell in cells]
            break
        if not self.header:
            raise UnreadableSheet("The file holds no text at all. Send a table with a header and the rows below it.")

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        return self._rows


def digest(file: BinaryIO) -> str:
    """What tells a file from another: equal bytes, equal digest. Of one that is too large, only its beginning."""
    file.seek(0)
    found = hashlib.sha256()
    read = 0
    while read <= MOST_BYTES and (block := file.read(1 << 20)):
        found.update(block)
        read += len(block)
    file.seek(0)
    return found.hexdigest()


def too_large(size: int) -> str:
    """The sentence for a file of so many bytes."""
    return (
        f"The file has {size / 1024 / 1024:,.0f} MB, and at most {MOST_BYTES // 1024 // 1024} MB are read. "
        "Split it, and send the parts one by one."
    )


def _workbook(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    try:
        for number, cells in xlsx.rows(file):
            if any(cells):
                yield number, [cell[: LONGEST_CELL + 1] for cell in cells]
    except xlsx.NotAWorkbook as refusal:
        raise UnreadableSheet(f"The file is no Excel workbook that can be read: {refusal} {SAVE_AS}") from refusal


def _text(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    lines = _Lines(file)
    reader: Iterator[Sequence[str]] | None = None
    number = 0
    try:
        first = next(lines, "")
        reader = csv.reader(_again(first, lines), delimiter=_delimiter(first), strict=True)
        for number, cells in enumerate(reader, start=1):
            if any(cell.strip() for cell in cells):
                yield number, [cell[: LONGEST_CELL + 1] for cell in cells]
    except csv.Error as error:
        raise UnreadableSheet(
            f"Row {number + 1} is no CSV ({error}). Look for a quotation mark that is not closed. {SAVE_AS}"
        ) from error


class _Lines(Iterator[str]):
    """The lines of a text, each decoded strictly."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._count = 0
        if file.read(len(UTF_8_MARK)) != UTF_8_MARK:
            file.seek(0)

    def __next__(self) -> str:
        line = self._file.readline(LONGEST_LINE + 1)
        self._count += 1
        if not line:
            raise StopIteration
        if len(line) > LONGEST_LINE:
            raise UnreadableSheet(
                f"Line {self._count} is longer than {LONGEST_LINE} bytes: this is no table. {SAVE_AS}"
            )
        if b"\x00" in line:
            raise UnreadableSheet(f"Line {self._count} holds a zero byte: this is no text. {SAVE_AS}")
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnreadableSheet(
                f"Line {self._count} is not UTF-8 text (byte 0x{line[error.start]:02x}): the file has another encoding. "
                f"{SAVE_AS}"
            ) from error


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _delimiter(header: str) -> str:
    """The one the header uses most; a comma when it uses none."""
    return max(DELIMITERS, key=header.count)
