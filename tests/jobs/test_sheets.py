"""Sheets: CSV and workbooks are read a row at a time, and what is neither is refused with a sentence."""

import io
import tracemalloc
import zipfile

import pytest

from loyalty.jobs import sheets, xlsx
from loyalty.jobs.sheets import Sheet, UnreadableSheet
from tests.jobs.sheets import Formula, csv_file, workbook


def refusal(file: io.BytesIO) -> str:
    with pytest.raises(UnreadableSheet) as refused:
        list(Sheet(file))
    return refused.value.sentence


def test_reads_csv_with_its_row_numbers_and_leaves_blank_rows_out():
    sheet = Sheet(csv_file("email,points", "a@example.com,5", "", ",", '"b@example.com","1\n2"', "ł@example.com,7"))

    assert sheet.header == ["email", "points"]
    assert list(sheet) == [(2, ["a@example.com", "5"]), (5, ["b@example.com", "1\n2"]), (6, ["ł@example.com", "7"])]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_reads_the_delimiters_spreadsheets_use_with_or_without_a_mark(delimiter, mark):
    sheet = Sheet(csv_file(f"{mark}email{delimiter}points", f"a@example.com{delimiter}5"))

    assert sheet.header == ["email", "points"]
    assert list(sheet) == [(2, ["a@example.com", "5"])]


def test_reads_a_workbook_with_numbers_texts_gaps_and_formulas():
    file = workbook(
        ["email", "points", "note"],
        ["a&b@example.com", 1000, "hi"],
        [None, None, None],
        ["b@example.com", 1e3, None],
        ["c@example.com", 1.5, Formula("SUM(B2:B4)")],
    )

    assert list(Sheet(file)) == [
        (2, ["a&b@example.com", "1000", "hi"]),
        (4, ["b@example.com", "1000"]),
        (5, ["c@example.com", "1.5", "=SUM(B2:B4)"]),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty"),
        (b"\r\n  \r\n", "holds no text at all"),
        (b"email,points\r\nm\xfcller@example.com,5\r\n", "Line 2 is not UTF-8 text (byte 0xfc)"),
        ("email,points\r\n".encode("utf-16"), "UTF-16"),
        (b"email,points\r\na\x00b,5\r\n", "Line 2 holds a zero byte"),
        (b"\xd0\xcf\x11\xe0 old excel", "old Excel workbook"),
        (b"\x1f\x8b\x08\x00 gzip", "packed with gzip"),
        (b"%PDF-1.7", "It is a PDF"),
        (b'email,points\r\n"a@example.com,5\r\n', "Look for a quotation mark that is not closed"),
        (b"email,points\r\n" + b"x" * 70_000, "longer than 65536 bytes"),
        (b"PK\x03\x04 not really a zip", "no Excel workbook that can be read: it is damaged"),
    ],
)
def test_refuses_what_is_no_table_with_a_sentence(content, said):
    assert said in refusal(io.BytesIO(content))


def test_refuses_a_zip_that_is_no_workbook():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as other:
        other.writestr("readme.txt", "hello")

    assert "xl/workbook.xml is missing" in refusal(file)


def test_refuses_a_workbook_that_declares_entities():
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'

    assert "declares a document type" in refusal(workbook(["email"], ["a@example.com"], prolog=bomb))


def test_refuses_a_workbook_that_unpacks_to_too_much(monkeypatch):
    monkeypatch.setattr(xlsx, "MOST_UNPACKED", 1_000_000)

    assert "unpacks to more than" in refusal(workbook(["email"], ["a@example.com"], more_texts=2_000))


def test_refuses_a_gigabyte_without_reading_it():
    class Gigabyte(io.BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            return 2**30 if whence == 2 else super().seek(offset)

        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError("It is read.")

    assert "The file has 1,024 MB, and at most 64 MB are read" in refusal(Gigabyte())


def test_tells_files_apart_by_their_bytes():
    assert sheets.digest(csv_file("a")) == sheets.digest(csv_file("a"))
    assert sheets.digest(csv_file("a")) != sheets.digest(csv_file("b"))


@pytest.mark.parametrize("make", [
    lambda rows: csv_file("email,points", *(f"customer{n}@example.com,{n}" for n in range(rows))),
    lambda rows: workbook(["email", "points"], *([f"customer{n}@example.com", n] for n in range(rows))),
], ids=["csv", "xlsx"])  # fmt: skip
def test_memory_does_not_grow_with_the_rows(make):
    def peak(rows: int) -> int:
        file = make(rows)
        tracemalloc.start()
        count = sum(1 for _ in Sheet(file))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == rows
        return most

    assert peak(20_000) < peak(2_000) + 400_000
