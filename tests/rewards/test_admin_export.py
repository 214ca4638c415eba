"""The export: the grid's rows, every column, harmless to spreadsheets, in constant memory."""

import csv
import io
import zipfile
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from loyalty.common import copying
from loyalty.jobs import xlsx
from rewards.admin import workbook
from rewards.models import Delivery
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.rewards.admin_rows import AT, EXPORT, GRID, VIEW, attempt, gift_row, row, set_zone, staff, words

pytestmark = pytest.mark.django_db

ADDRESS = {"recipient": "Ada Byron", "line_1": "Prosta 1", "postal_code": "00-001", "city": "Warszawa", "country": "PL"}


def exported(client, **query):
    response = client.get(EXPORT, query)
    assert response.status_code == 200, response
    text = b"".join(response.streaming_content).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_holds_every_column_in_words_and_in_the_programmes_zone():
    set_zone("Europe/Warsaw")
    customer = CustomerFactory(email="a@example.com", phone="600", first_name="Ada", last_name="Byron")
    redeemed = gift_row(
        customer=customer,
        connection=ConnectionFactory(name="Roastery"),
        code="MUG-1",
        cost_in_points=1200,
        tax_value=Decimal("2.50"),
        usage_status="used",
        used_order_id="77",
        delivery_status="shipped",
    )

    (line,) = exported(staff(VIEW))

    assert line == {
        "Redeem date and time (Europe/Warsaw)": "2026-03-01 13:00:00",
        "Usage date and time (Europe/Warsaw)": "2026-03-01 14:00:00",
        "Cost in points": "1200",
        "Tax value": "2.50",
        "Currency": "USD",
        "E-mail": "a@example.com",
        "Phone": "600",
        "Reward": "A mug",
        "Code": "MUG-1",
        "Type": "Gift",
        "First name": "Ada",
        "Surname": "Byron",
        "Active points after": "150",
        "Delivery status": "Shipped",
        "Cashback status": "",
        "Unused / used": "Used",
        "Status": "Used",
        "Origin": "Granted by staff",
        "Failure reason": "",
        "Expires (Europe/Warsaw)": "",
        "Shop": "Roastery",
        "Order": "77",
        "Customer number": str(customer.pk),
        "Redeemed reward number": str(redeemed.pk),
    }


def test_holds_addresses_only_for_those_who_may_see_them():
    redeemed = gift_row(usage_status="used", shipping_address=ADDRESS)
    corrected = gift_row(usage_status="used", shipping_address=ADDRESS, at=AT - timedelta(days=1))
    Delivery.objects.create(redeemed_reward=corrected, address={**ADDRESS, "line_1": "Nowa 2"})
    Delivery.objects.create(redeemed_reward=redeemed)

    with_addresses = exported(staff(VIEW, "rewards.view_address"))

    assert [line["Address: line 1"] for line in with_addresses] == ["Prosta 1", "Nowa 2"]
    assert with_addresses[0]["Address: recipient"] == "Ada Byron"
    assert not any(name.startswith("Address") for name in exported(staff(VIEW))[0])


def test_holds_the_filtered_rows_newest_first_and_no_attempts():
    first, second = row(), row(at=AT + timedelta(days=1))
    row(usage_status="used")
    attempt()

    lines = exported(staff(VIEW), usage="unused")

    assert [line["Redeemed reward number"] for line in lines] == [str(second.pk), str(first.pk)]


def test_exports_nothing_when_a_filter_cannot_be_read():
    row()

    response = staff(VIEW).get(EXPORT, {"redeemed_after": "soon"}, follow=True)

    page = response.content.decode()
    assert "Nothing was exported, because a filter cannot be read." in page
    assert "“soon” is not a date." in page


def test_refuses_those_who_may_not_see_the_grid():
    assert staff("rewards.view_reward").get(EXPORT).status_code == 403


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1"])
def test_takes_the_sting_out_of_formulas(name):
    row(customer=CustomerFactory(first_name=name, last_name='O\'Neil, "x"'))

    (line,) = exported(staff(VIEW))

    assert line["First name"] == f"'{name}"
    assert line["Surname"] == 'O\'Neil, "x"'


def test_is_one_statement_whatever_the_number_of_rows_and_hands_out_its_first_line_before_it(monkeypatch):
    monkeypatch.setattr(copying, "BLOCK", 200)
    made = [row(at=AT + timedelta(hours=number // 4)) for number in range(10)]
    client = staff(VIEW)

    with CaptureQueriesContext(database) as captured:
        response = client.get(EXPORT)
        blocks = list(response.streaming_content)

    assert blocks[0].startswith("\ufeffRedeem date and time".encode())
    assert len(blocks) > 5
    lines = list(csv.DictReader(io.StringIO(b"".join(blocks).decode().removeprefix("\ufeff"))))
    wanted = sorted(made, key=lambda each: (each.redeemed_at, each.pk), reverse=True)
    assert [line["Redeemed reward number"] for line in lines] == [str(each.pk) for each in wanted]
    assert not [each for each in captured.captured_queries if 'FROM "rewards_redeemedreward"' in each["sql"]]


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_a_reversed_range_exports_nothing_and_is_said_as_the_grid_says_it(file_format):
    row()

    page = staff(VIEW).get(
        f"{GRID}export/{file_format}/", {"used_after": "2026-03-02", "used_before": "2026-03-01"}, follow=True
    )

    assert "Nothing was exported, because a filter cannot be read." in words(page)
    assert "Used: it ends before it begins. Choose a later end." in words(page)


def test_a_format_there_is_none_of_is_not_found():
    assert staff(VIEW).get(f"{GRID}export/pdf/").status_code == 404


def test_search_and_every_filter_hold_in_the_file_too():
    mine = row(customer=CustomerFactory(email="kim@example.com"), code="KIM-2222", origin="api")
    row()

    lines = exported(staff(VIEW), search="kim@", status="issued", origin="api", kind="virtual", reward=mine.reward_id)

    assert [line["Redeemed reward number"] for line in lines] == [str(mine.pk)]


def read_workbook(client, **query):
    response = client.get(f"{GRID}export/xlsx/", query)
    assert response.status_code == 200, response
    found = [cells for _, cells in xlsx.rows(io.BytesIO(b"".join(response.streaming_content)))]
    return [dict(zip(found[0], cells, strict=False)) for cells in found[1:]]


def test_a_workbook_holds_what_the_csv_holds():
    customer = CustomerFactory(email="a@example.com", first_name="=1+1", last_name="<O'Neil> & \x01 Söhne")
    gift_row(customer=customer, code="MUG-1", tax_value=Decimal("2.50"), usage_status="used")
    row(at=AT - timedelta(days=1))
    client = staff(VIEW)

    book, lines = read_workbook(client), exported(client)

    assert len(book) == len(lines) == 2
    for ours, theirs in zip(book, lines, strict=True):
        assert {**theirs, "Surname": theirs["Surname"].replace("\x01", "")} == {
            name: ours.get(name, "") for name in theirs
        }
    assert book[0]["First name"] == "'=1+1"


def test_a_workbook_has_numbers_as_numbers_and_goes_on_in_a_further_sheet(monkeypatch):
    monkeypatch.setattr(workbook, "MOST_ROWS", 3)

    whole = b"".join(
        workbook.written(["Name", "Points"], [[f"n{k}", str(k)] for k in range(5)], numbers=frozenset({1}))
    )

    with zipfile.ZipFile(io.BytesIO(whole)) as book:
        sheets = [book.read(f"xl/worksheets/sheet{number}.xml").decode() for number in (1, 2, 3)]
        assert book.testzip() is None
    assert [sheet.count("<row>") for sheet in sheets] == [3, 3, 2]
    assert '<c t="inlineStr"><is><t xml:space="preserve">n4</t></is></c><c><v>4</v></c>' in sheets[2]
