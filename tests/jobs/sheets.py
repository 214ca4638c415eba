"""Tables to send: CSV as bytes, and workbooks as Excel writes them."""

import io
import zipfile
from xml.sax.saxutils import escape

NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


class Formula(str):
    """The text of a formula, without its “=”."""

    __slots__ = ()


def csv_file(*lines: str, encoding: str = "utf-8", end: str = "\r\n") -> io.BytesIO:
    return io.BytesIO("".join(line + end for line in lines).encode(encoding))


def workbook(*rows: list[object], prolog: str = "", more_texts: int = 0) -> io.BytesIO:
    """A workbook with one sheet: texts shared, numbers as numbers, formulas with a cached value."""
    texts: list[str] = []
    lines = []
    for number, row in enumerate(rows, start=1):
        cells = "".join(_cell(f"{chr(65 + place)}{number}", value, texts) for place, value in enumerate(row))
        lines.append(f'<row r="{number}">{cells}</row>')
    texts += ["x" * 1000] * more_texts
    shared = "".join(f"<si><t>{escape(text)}</t></si>" for text in texts)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{NAMESPACE}" xmlns:r="{RELATIONS}"><sheets><sheet name="A" sheetId="1" r:id="rId7"/></sheets>'
            "</workbook>",
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            '<Relationship Id="rId7" Type="sheet" Target="worksheets/sheet1.xml"/></Relationships>',
        )
        book.writestr("xl/sharedStrings.xml", f'{prolog}<sst xmlns="{NAMESPACE}">{shared}</sst>')
        book.writestr(
            "xl/worksheets/sheet1.xml",
            f'<worksheet xmlns="{NAMESPACE}"><sheetData>{"".join(lines)}</sheetData></worksheet>',
        )
    file.seek(0)
    return file


def _cell(reference: str, value: object, texts: list[str]) -> str:
    if value is None:
        return ""
    if isinstance(value, Formula):
        return f'<c r="{reference}"><f>{escape(value)}</f><v>3</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{reference}"><v>{value}</v></c>'
    texts.append(str(value))
    return f'<c r="{reference}" t="s"><v>{len(texts) - 1}</v></c>'
