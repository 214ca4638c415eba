"""The cells of an Excel workbook's first sheet, in constant memory.

A workbook is a zip of XML files. The usual libraries keep every text of it in memory and unpack whatever they are given;
this reads with expat as a stream, keeps the shared texts in a temporary file, refuses document types (and so entities),
and stops where a file unpacks to more than it may.
"""

import posixpath
import re
import tempfile
import zipfile
import zlib
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import BinaryIO
from xml.parsers import expat

MOST_UNPACKED = 512 * 1024 * 1024
MOST_COLUMNS = 64
BLOCK = 65_536
LONGEST_TEXT = 33_000  # a cell of Excel holds 32,767 characters
REFERENCE = re.compile(r"([A-Z]{1,3})[0-9]+")
NUMBER = re.compile(r"-?[0-9]+")
FORMULA = "="


class NotAWorkbook(Exception):
    """What is wrong with it, as a sentence."""


def rows(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """Each row of the first sheet as (its number, its cells). A formula is given as text that begins with “=”.

    Raises NotAWorkbook.
    """
    try:
        with zipfile.ZipFile(file) as book, tempfile.TemporaryFile() as texts:
            shared = _SharedTexts(texts)
            if "xl/sharedStrings.xml" in book.namelist():
                _parse(book, "xl/sharedStrings.xml", shared)
            sheet = _SheetReader(shared)
            for _ in _parse_on(book, _first_sheet(book), sheet):
                while sheet.ready:
                    yield sheet.ready.popleft()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise NotAWorkbook("it is damaged, or needs a password.") from error
    except expat.ExpatError as error:
        raise NotAWorkbook(f"its XML is damaged in line {error.lineno}.") from error


class _Reader:
    """What takes part in parsing: the elements' local names and the text in them."""

    def start(self, name: str, attributes: dict[str, str]) -> None: ...

    def end(self, name: str) -> None: ...

    def text(self, data: str) -> None: ...


class _SharedTexts(_Reader):
    """The texts that cells share, on disk: memory holds where each begins."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._ends = array("Q", [0])
        self._parts: list[str] = []
        self._taking = False
        self._phonetic = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        del attributes
        if name == "si":
            self._parts = []
        elif name == "rPh":
            self._phonetic = True
        elif name == "t":
            self._taking = not self._phonetic

    def end(self, name: str) -> None:
        if name == "t":
            self._taking = False
        elif name == "rPh":
            self._phonetic = False
        elif name == "si":
            self._ends.append(self._ends[-1] + self._file.write("".join(self._parts)[:LONGEST_TEXT].encode()))

    def text(self, data: str) -> None:
        if self._taking:
            self._parts.append(data)

    def at(self, index: str) -> str:
        place = int(index) if index.isascii() and index.isdigit() else -1
        if not 0 <= place < len(self._ends) - 1:
            raise NotAWorkbook(f"a cell names a text that is not there ({index[:20]}).")
        self._file.seek(self._ends[place])
        return self._file.read(self._ends[place + 1] - self._ends[place]).decode()


class _SheetReader(_Reader):
    """Turns the elements of a sheet into rows."""

    def __init__(self, shared: _SharedTexts) -> None:
        self.ready: deque[tuple[int, list[str]]] = deque()
        self._shared = shared
        self._number = 0
        self._cells: list[str] = []
        self._column = 0
        self._kind = ""
        self._inside = ""
        self._parts: dict[str, list[str]] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "row":
            number = attributes.get("r", "")
            self._number = max(int(number) if NUMBER.fullmatch(number) else 0, self._number + 1)
            self._cells = []
        elif name == "c":
            self._column = _column(attributes.get("r", ""), following=len(self._cells))
            self._kind = attributes.get("t", "n")
            self._parts = {}
        elif name in {"v", "t", "f"}:
            self._inside = name
            self._parts.setdefault(name, [])

    def end(self, name: str) -> None:
        if name == self._inside:
            self._inside = ""
        elif name == "c" and self._column < MOST_COLUMNS:
            self._cells += [""] * (self._column - len(self._cells))
            self._cells[self._column :] = [self._value()]
        elif name == "row":
            self.ready.append((self._number, self._cells))

    def text(self, data: str) -> None:
        if self._inside and sum(map(len, self._parts[self._inside])) < LONGEST_TEXT:
            self._parts[self._inside].append(data)

    def _value(self) -> str:
        parts = {name: "".join(found) for name, found in self._parts.items()}
        if "f" in parts:
            return FORMULA + parts["f"]
        if self._kind == "inlineStr":
            return parts.get("t", "")
        value = parts.get("v", "")
        if self._kind == "s":
            return self._shared.at(value)
        return _number(value) if self._kind == "n" else value


def _number(text: str) -> str:
    """A number as a person would write it: 1000 for 1E3, and what is no whole number as it stands."""
    if not text or NUMBER.fullmatch(text):
        return text
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    whole = number.is_finite() and abs(number) < 10**15 and number == number.to_integral_value()
    return str(int(number)) if whole else text


def _column(reference: str, *, following: int) -> int:
    """The place of a cell such as C7, from 0; the next one when it names none."""
    found = REFERENCE.fullmatch(reference)
    if found is None:
        return following
    place = 0
    for letter in found[1]:
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1


def _first_sheet(book: zipfile.ZipFile) -> str:
    """The file that holds the first sheet of the workbook."""
    names, targets = _Attributes("sheet"), _Attributes("Relationship")
    _parse(book, "xl/workbook.xml", names)
    _parse(book, "xl/_rels/workbook.xml.rels", targets)
    if not names.found:
        raise NotAWorkbook("it has no sheet.")
    link = names.found[0].get("id", "")
    target = next((each.get("Target", "") for each in targets.found if each.get("Id") == link), "")
    path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join("xl", target))
    if path not in book.namelist():
        raise NotAWorkbook("its first sheet is missing.")
    return path


class _Attributes(_Reader):
    """The attributes of every element of one name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.found: list[dict[str, str]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == self._name and len(self.found) < 1_000:
            self.found.append(attributes)


def _parse(book: zipfile.ZipFile, path: str, reader: _Reader) -> None:
    for _ in _parse_on(book, path, reader):
        pass


def _parse_on(book: zipfile.ZipFile, path: str, reader: _Reader) -> Iterator[None]:
    """Parse one file of the workbook, a block a time."""
    if path not in book.namelist():
        raise NotAWorkbook(f"{path} is missing in it.")
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = _local(reader.start)
    parser.EndElementHandler = lambda name: reader.end(name.rpartition(":")[2])
    parser.CharacterDataHandler = reader.text
    read = 0
    with book.open(path) as packed:
        while block := packed.read(BLOCK):
            read += len(block)
            if read > MOST_UNPACKED:
                raise NotAWorkbook(f"it unpacks to more than {MOST_UNPACKED // 1024 // 1024} MB.")
            parser.Parse(block, False)  # noqa: FBT003 (expat's own)
            yield
    parser.Parse(b"", True)  # noqa: FBT003
    yield


def _local(handle: Callable[[str, dict[str, str]], None]) -> Callable[[str, dict[str, str]], None]:
    """Names without their namespace's prefix."""

    def start(name: str, attributes: dict[str, str]) -> None:
        handle(name.rpartition(":")[2], {key.rpartition(":")[2]: value for key, value in attributes.items()})

    return start


def _refuse_doctype(*_: object) -> None:
    raise NotAWorkbook("it declares a document type, which no workbook does.")
