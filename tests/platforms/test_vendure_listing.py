"""The list of all codes of a Vendure shop: whole, page by page, whatever else the merchant has made there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from platforms.adapter import Outcome, PlatformCode, Refusal
from platforms.vendure import adapter as vendure
from tests.fakes import vendure as fake

FIRST = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendure, "PAGE_SIZE", 2)


def made(number: int, **changes: Any) -> dict[str, Any]:
    """One promotion, made so many seconds after the first."""
    created_at = (FIRST + timedelta(seconds=number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return fake.promotion(id=str(number), couponCode=f"LOY-{number}", createdAt=created_at) | changes


def listed(*entries: dict[str, Any]) -> fake.Reply:
    return fake.data(promotions={"items": list(entries)})


def read(shop: fake.ScriptedShop) -> list[PlatformCode]:
    codes: list[PlatformCode] = []
    cursor, more = "", True
    while more:
        page = fake.adapter_for(shop.url).list_codes(cursor).value
        assert page is not None
        codes += page.codes
        cursor, more = page.cursor, page.more
    return codes


def test_goes_on_where_the_last_page_ended():
    with fake.scripted_shop(listed(made(1), made(2)), listed(made(2), made(3)), listed(made(3))) as shop:
        codes = read(shop)

    assert [code.code for code in codes] == ["LOY-1", "LOY-2", "LOY-2", "LOY-3", "LOY-3"]
    asked = [request["variables"] for request in shop.requests]
    assert asked[0]["filter"] == {"couponCode": {"isNull": False, "notEq": ""}}
    after = [variables["filter"]["createdAt"] for variables in asked[1:]]
    assert after == [{"after": "2026-11-21T20:00:01.999+00:00"}, {"after": "2026-11-21T20:00:02.999+00:00"}]
    assert [variables["sort"] for variables in asked] == [{"createdAt": "ASC"}] * 3


def test_goes_by_id_where_more_were_made_in_one_instant_than_fill_a_page():
    same = made(1)["createdAt"]
    twins = [made(number, createdAt=same) for number in (1, 2, 3)]
    with fake.scripted_shop(listed(*twins[:2]), listed(*twins[:2]), listed(*twins[:2]), listed(twins[2])) as shop:
        assert {code.code for code in read(shop)} == {"LOY-1", "LOY-2", "LOY-3"}

    assert [request["variables"]["sort"] for request in shop.requests[2:4]] == [{"id": "ASC"}] * 2


def test_tells_what_it_cannot_value_without_its_value():
    odd = {"code": "order_percentage_discount", "args": [{"name": "discount", "value": "a tenth"}]}
    with fake.scripted_shop(listed(made(1, actions=[odd], description="Spring"))) as shop:
        (code,) = read(shop)

    assert (code.code, code.alive, code.reference, code.percent) == ("LOY-1", True, "", None)


def test_refuses_a_cursor_that_is_not_ours():
    answer = fake.adapter_for().list_codes("yesterday")

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert answer.reason == "The place we had reached in the shop's codes is unreadable. Begin anew."


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (fake.errors("FORBIDDEN"), Outcome.REJECTED),
        (fake.Reply({}, status=429, headers=(("retry-after", "7"),)), Outcome.THROTTLED),
        (fake.Reply(hang_up=True), Outcome.UNKNOWN),
        (listed({"id": "1"}), Outcome.UNKNOWN),
    ],
)
def test_never_takes_trouble_for_the_end_of_the_list(reply: fake.Reply, outcome: Outcome):
    with fake.scripted_shop(reply) as shop:
        answer = fake.adapter_for(shop.url).list_codes("")

    assert (answer.outcome, answer.value) == (outcome, None)
