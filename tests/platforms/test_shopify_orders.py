"""Orders of a Shopify shop: read alone, page by page, and told by webhooks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from platforms.adapter import OrderStatus, Outcome, Refusal, ShopOrder
from platforms.shopify import adapter as shopify
from platforms.shopify import cursors, lines, orders
from platforms.shopify.cursors import Cursor
from tests.fakes.shopify import goods
from tests.fakes.shopify.server import Shopify, running_shopify
from tests.fakes.shopify.shop import PASTED, Order

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def fake() -> Iterator[Shopify]:
    with running_shopify() as running:
        yield running


def read(fake: Shopify, order: Order) -> ShopOrder:
    answer = fake.adapter().read_order(str(order.number))
    assert answer.value is not None, answer.reason
    return answer.value


def walk(fake: Shopify, cursor: str = "") -> tuple[list[ShopOrder], str, int]:
    """All orders from a cursor on, the cursor after them, and how many pages that took."""
    told: list[ShopOrder] = []
    for pages in range(1, 50):
        page = fake.adapter().orders_since(cursor).value
        assert page is not None
        told += page.orders
        cursor = page.cursor
        if not page.more:
            return told, cursor, pages
    raise AssertionError("the walk has no end")


def test_count_as_completed_once_they_are_paid(fake: Shopify) -> None:
    order = fake.shop.checkout("jo@example.com", pay=False)
    before = read(fake, order)
    fake.shop.pay(order.number)

    after = read(fake, order)

    assert (before.status, after.status) == (OrderStatus.PLACED, OrderStatus.COMPLETED)
    assert after.updated_at > before.updated_at


def test_of_a_test_are_never_completed_unless_they_count(fake: Shopify) -> None:
    order = fake.shop.checkout("jo@example.com", test=True)
    trial = fake.adapter(credentials={"token": PASTED, "test_orders": "Yes"})

    counted = trial.read_order(str(order.number)).value

    assert read(fake, order).status is OrderStatus.PLACED
    assert counted is not None
    assert counted.status is OrderStatus.COMPLETED


def test_tell_all_their_codes_not_only_the_first(fake: Shopify) -> None:
    order = fake.shop.checkout("jo@example.com", more_codes=("SUMMER", "LOY-2"))

    told = read(fake, order)

    assert [(one.code, one.discount) for one in told.codes] == [("SUMMER", None), ("LOY-2", None)]


def test_keep_their_total_beside_their_refunds(fake: Shopify) -> None:
    order = fake.shop.checkout("jo@example.com")
    fake.shop.refund(order.number, "3.00")
    fake.shop.refund(order.number, "4.50")

    told = read(fake, order)

    assert told.total == Decimal("28.90")
    assert [one.amount for one in told.refunds] == [Decimal("3.00"), Decimal("4.50")]


def test_with_more_refunds_than_a_page_shows_are_read_alone(fake: Shopify) -> None:
    order = fake.shop.checkout("jo@example.com")
    for _ in range(10):
        fake.shop.refund(order.number, "1.00")
    fake.shop.checkout("else@example.com")

    page = fake.adapter().orders_since("").value

    assert page is not None
    assert [one.external_id for one in page.unread] == [str(order.number)]
    assert len(page.orders) == 1
    assert len(read(fake, order).refunds) == 10


def test_are_walked_through_page_by_page_and_none_is_missed(fake: Shopify, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shopify, "PAGE_SIZE", 3)
    numbers = {str(fake.shop.checkout("jo@example.com").number) for _ in range(11)}

    told, cursor, pages = walk(fake)
    late = fake.shop.checkout("late@example.com")
    again, _, _ = walk(fake, cursor)

    assert {one.external_id for one in told} == numbers
    assert pages > 3
    assert str(late.number) in {one.external_id for one in again}


def test_of_one_second_are_walked_through_by_shopifys_own_cursor(
    fake: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shopify, "PAGE_SIZE", 3)
    bought = [fake.shop.checkout("jo@example.com") for _ in range(11)]
    for order in bought:
        order.updated_at = NOON

    told, _, pages = walk(fake)

    assert {one.external_id for one in told} == {str(one.number) for one in bought}
    assert pages <= 6


def test_found_late_by_the_search_are_seen_by_looking_back(fake: Shopify) -> None:
    fake.shop.checkout("jo@example.com")
    fake.shop.searches_late = True
    hidden = fake.shop.checkout("late@example.com")
    _, cursor, _ = walk(fake)
    fake.shop.checkout("more@example.com")
    fake.shop.settle()
    seen = fake.shop.checkout("last@example.com")

    told, _, _ = walk(fake, cursor)

    assert {str(hidden.number), str(seen.number)} <= {one.external_id for one in told}


def test_need_a_cursor_that_can_be_read(fake: Shopify) -> None:
    answer = fake.adapter().orders_since("yesterday")

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert fake.asked == []


def test_are_no_orders_without_a_number(fake: Shopify) -> None:
    answer = fake.adapter().read_order("no-number")

    assert (answer.outcome, answer.value) == (Outcome.OK, None)


@pytest.mark.parametrize(
    "cursor",
    [Cursor(), Cursor(NOON), Cursor(NOON, caught_up=False), Cursor(NOON, caught_up=False, after="abc=")],
)
def test_have_cursors_that_are_read_as_they_were_written(cursor: Cursor) -> None:
    assert cursors.parse(str(cursor)) == cursor
    assert len(str(Cursor(NOON, caught_up=False, after="a" * 150))) <= 200


def test_look_back_only_when_caught_up() -> None:
    assert Cursor(NOON).query == "updated_at:>='2026-11-21T11:50:00Z'"
    assert Cursor(NOON, caught_up=False).query == "updated_at:>='2026-11-21T12:00:00Z'"
    assert Cursor().query == ""


def test_never_move_the_cursor_back_when_caught_up() -> None:
    earlier = NOON - timedelta(minutes=5)

    assert Cursor(NOON).following(last=earlier, more=False, end="") == Cursor(NOON)
    assert Cursor(NOON).following(last=None, more=False, end="") == Cursor(NOON)


@pytest.mark.parametrize("end", ["", "a b", "a\x00", "x" * 151])
def test_do_not_go_on_from_a_cursor_that_cannot_be_kept(end: str) -> None:
    with pytest.raises(cursors.TooLong):
        Cursor(NOON, caught_up=False).following(last=NOON, more=True, end=end)


def test_with_more_lines_than_an_answer_has_are_read_to_the_last(
    fake: Shopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "LINES_OF_ONE", 2)
    monkeypatch.setattr(orders, "LINES_IN_A_PAGE", 2)
    monkeypatch.setattr(lines, "A_PAGE", 1)
    order = fake.shop.checkout("jo@example.com", basket={goods.MUG: 1, goods.PLATE: 1, "31": 1, "32": 1})

    told = read(fake, order)
    page = fake.adapter().orders_since("").value

    assert page is not None
    assert [(one.external_id, one.reason) for one in page.unread] == [(str(order.number), "it has more than 2 lines")]
    assert told.items is not None
    assert [item.product for item in told.items] == ["1", "2", "3", "3"]
    assert fake.asked.count("MoreLines") == 2
    monkeypatch.setattr(lines, "MOST_PAGES", 1)
    assert read(fake, order).items is None


def test_tell_of_a_tax_that_is_in_the_price_once(fake: Shopify) -> None:
    fake.shop.tax_rate, fake.shop.taxes_included = Decimal("0.20"), True
    order = fake.shop.checkout("jo@example.com")

    told = read(fake, order)

    assert told.items is not None
    assert (told.total, told.tax, told.shipping) == (Decimal("28.90"), Decimal("4.82"), Decimal("4.08"))
    assert (told.items[0].amount, told.items[0].tax) == (Decimal("24.00"), Decimal("4.00"))


def test_tell_a_line_whose_product_is_gone_without_a_name(fake: Shopify, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goods, "VARIANTS", {})
    order = fake.shop.checkout("jo@example.com")

    told = read(fake, order)

    assert told.items is not None
    assert (told.items[0].product, told.items[0].categories) == ("none", None)
