"""An Excel workbook written as a stream: rows go in one by one, bytes come out, and neither file nor rows are kept."""

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from io import RawIOBase
from typing import Any
from xml.sax.saxutils import escape

MOST_ROWS = 1_048_576  # of a sheet; more rows go on in a further one
BLOCK = 64 * 1024
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
BOOK_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
# What XML cannot hold at all.
UNSPEAKABLE = {code: None for code in range(32) if code not in (9, 10, 13)} | {0xFFFE: None, 0xFFFF: None}


def written(heads: Sequence[str], rows: Iterable[Sequence[str | None]], *, numbers: frozenset[int]) -> Iterator[bytes]:
    """The workbook's bytes. Cells of the columns in `numbers` are numbers, all others text, never formulas."""
    drain = _Drain()
    source = iter(rows)
    with zipfile.ZipFile(drain, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
        count, more = 0, True
        while more:
            count += 1
            with book.open(f"xl/worksheets/sheet{count}.xml", "w", force_zip64=True) as sheet:
                more = False
                sheet.write(f'{XML}<worksheet xmlns="{MAIN}"><sheetData>'.encode())
                sheet.write(_row(heads, frozenset()))
                yield drain.taken()
                for place, row in enumerate(source, start=2):
                    sheet.write(_row(row, numbers))
                    if drain.size >= BLOCK:
                        yield drain.taken()
                    if place == MOST_ROWS:
                        more = True
                        break
                sheet.write(b"</sheetData></worksheet>")
        for name, text in _frame(count).items():
            book.writestr(name, XML + text)
    yield drain.taken()


def _row(cells: Sequence[str | None], numbers: frozenset[int]) -> bytes:
    drawn = []
    for place, value in enumerate(cells):
        if value is None or value == "":
            drawn.append("<c/>")
        elif place in numbers:
            drawn.append(f"<c><v>{value}</v></c>")
        else:
            drawn.append(f'<c t="inlineStr"><is><t xml:space="preserve">{_text(value)}</t></is></c>')
    return f"<row>{''.join(drawn)}</row>".encode()


def _text(value: str) -> str:
    plain = value if value.isprintable() else value.translate(UNSPEAKABLE)
    return escape(plain) if "&" in plain or "<" in plain or ">" in plain else plain


def _frame(sheets: int) -> dict[str, str]:
    """The files that say which sheets there are."""
    each = range(1, sheets + 1)
    return {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{BOOK_TYPE}"/>'
        + "".join(f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{SHEET_TYPE}"/>' for n in each)
        + "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets>'
        + "".join(f'<sheet name="Redeemed rewards {n}" sheetId="{n}" r:id="rId{n}"/>' for n in each)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        + "".join(
            f'<Relationship Id="rId{n}" Type="{RELATIONS}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in each
        )
        + "</Relationships>",
    }


class _Drain(RawIOBase):
    """A file that cannot be sought: what is written to it waits until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, block: Any) -> int:
        self._blocks.append(bytes(block))
        self.size += len(block)
        return len(block)

    def taken(self) -> bytes:
        block = b"".join(self._blocks)
        self._blocks, self.size = [], 0
        return block
