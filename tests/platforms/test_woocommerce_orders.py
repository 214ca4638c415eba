"""Orders of WooCommerce: what counts as used, and a poll that misses none."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from platforms.adapter import OrderStatus as Status
from platforms.adapter import Outcome, Refusal, ShopOrder, UnreadOrder
from platforms.walking import Mode, NotACursor
from platforms.woocommerce import polling
from platforms.woocommerce.cursors import Cursor
from tests.fakes.woocommerce import WooShop, running_woocommerce
from tests.fakes.woocommerce_shop import Order

AT = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)


@pytest.fixture
def shop() -> Iterator[WooShop]:
    with running_woocommerce() as running:
        yield running


@pytest.fixture(params=[7])
def small_pages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(polling, "PAGE_SIZE", request.param)
    return int(request.param)


def polled(shop: WooShop, cursor: str = "", *, most: int = 60) -> tuple[list[ShopOrder], list[UnreadOrder], str]:
    told: list[ShopOrder] = []
    unread: list[UnreadOrder] = []
    for _ in range(most):
        page = shop.adapter().orders_since(cursor).value
        assert page is not None
        told += page.orders
        unread += page.unread
        cursor = page.cursor
        if not page.more:
            return told, unread, cursor
    raise AssertionError("the poll never ends")


def order_of(shop: WooShop, order: Order) -> ShopOrder:
    found = shop.adapter().read_order(str(order.number)).value
    assert found is not None
    return found


# One order


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (["pending"], Status.PLACED),
        (["on-hold"], Status.PLACED),
        (["processing"], Status.COMPLETED),
        (["completed"], Status.COMPLETED),
        (["processing", "refunded"], Status.COMPLETED),
        (["cancelled"], Status.CANCELLED),
        (["processing", "trash"], Status.CANCELLED),
        (["failed"], Status.PLACED),
        (["processing", "failed"], Status.CANCELLED),
        (["failed", "processing"], Status.COMPLETED),
        (["wc-made-to-measure"], Status.PLACED),
        (["processing", "wc-made-to-measure"], Status.COMPLETED),
    ],
)
def test_says_how_far_an_order_came(shop: WooShop, path: list[str], status: Status) -> None:
    order = shop.checkout("jo@example.com", pay=False)

    for each in path:
        shop.move(order.number, each)

    assert order_of(shop, order).status is status


def test_takes_a_cart_at_the_checkout_for_no_order(shop: WooShop) -> None:
    order = shop.checkout("jo@example.com", pay=False)
    order.status = "checkout-draft"

    assert shop.adapter().read_order(str(order.number)).value is None
    assert polled(shop)[0] == []


def test_tells_the_code_of_an_order_without_taking_the_line_for_the_coupon(shop: WooShop) -> None:
    shop.foreign_coupon("loy-1", amount=Decimal("5.00"))

    order = order_of(shop, shop.checkout("jo@example.com", code="LOY-1"))

    (applied,) = order.codes
    assert (applied.code, applied.discount, applied.remote_id) == ("loy-1", Decimal("5.00"), "")
    assert (order.total, order.currency, order.customer_email) == (Decimal("19.00"), "USD", "jo@example.com")


def test_adds_the_tax_to_what_a_code_was_worth(shop: WooShop) -> None:
    shop.foreign_coupon("loy-1", amount=Decimal("5.00"))
    order = shop.checkout("jo@example.com", code="LOY-1")
    order.coupon_lines[0]["discount_tax"] = "1.20"

    assert order_of(shop, order).codes[0].discount == Decimal("6.20")


def test_leaves_in_the_shop_what_it_does_not_read(shop: WooShop) -> None:
    order = shop.checkout("jo@example.com")

    answer = shop.adapter().read_order(str(order.number))

    assert answer.ok
    assert '"shipping":' not in answer.observed.excerpt
    assert "Secret Street" not in answer.observed.excerpt
    assert "example.com" not in answer.observed.excerpt


def test_asks_for_the_dates_of_refunds(shop: WooShop) -> None:
    order = shop.checkout("jo@example.com")
    shop.refund(order.number, "3.00")
    shop.refund(order.number, "2.50")

    refunds = order_of(shop, order).refunds

    assert [refund.amount for refund in refunds] == [Decimal("3.00"), Decimal("2.50")]
    assert [refund.refunded_at for refund in refunds] == [each["at"] for each in order.refunds]
    assert refunds[0].external_id != refunds[1].external_id


def test_knows_that_what_is_no_number_is_no_order(shop: WooShop) -> None:
    answer = shop.adapter().read_order("order_1")

    assert (answer.outcome, answer.value, shop.asked) == (Outcome.OK, None, [])


def test_proves_nothing_where_woocommerce_is_switched_off(shop: WooShop) -> None:
    shop.has_woocommerce = False

    answer = shop.adapter().read_order("1")

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.NOT_FOUND)


# Polling


def test_tells_each_order_page_by_page(shop: WooShop, small_pages: int) -> None:
    orders = [shop.checkout("jo@example.com", pay=False) for _ in range(25)]

    told, unread, _ = polled(shop)

    assert {order.external_id for order in told} == {str(order.number) for order in orders}
    assert unread == []


def test_tells_each_of_more_orders_than_fill_a_page_that_changed_in_one_second(shop: WooShop, small_pages: int) -> None:
    before = shop.checkout("jo@example.com", pay=False)
    shop.standing = shop.now() + timedelta(seconds=5)
    orders = [shop.checkout("jo@example.com", pay=False) for _ in range(23)]
    shop.standing += timedelta(seconds=5)
    after = shop.checkout("jo@example.com", pay=False)

    told, _, _ = polled(shop)

    assert {order.external_id for order in told} == {str(each.number) for each in (before, *orders, after)}


def test_sees_an_order_that_changes_while_a_full_second_is_read(shop: WooShop, small_pages: int) -> None:
    shop.standing = shop.now()
    orders = [shop.checkout("jo@example.com", pay=False) for _ in range(23)]
    told: list[ShopOrder] = []
    cursor, more, read = "", True, 0

    while more:
        page = shop.adapter().orders_since(cursor).value
        assert page is not None
        told, cursor, more, read = [*told, *page.orders], page.cursor, page.more, read + 1
        if read == 3:  # two pages into the second: the first ones leave it
            shop.standing += timedelta(seconds=9)
            shop.move(orders[0].number, "cancelled")

    assert {order.external_id for order in told} == {str(order.number) for order in orders}
    assert told[-1].status is Status.CANCELLED


def test_looks_back_for_what_became_visible_late(shop: WooShop) -> None:
    shop.checkout("jo@example.com")
    late = shop.checkout("jo@example.com")
    shop.checkout("jo@example.com")
    shop.orders.remove(late)
    _, _, cursor = polled(shop)

    shop.orders.append(late)  # its stamp is older than what was read

    assert str(late.number) in {order.external_id for order in polled(shop, cursor)[0]}


def test_reads_on_when_the_shop_left_an_order_out_of_a_page(shop: WooShop, small_pages: int) -> None:
    orders = [shop.checkout("jo@example.com", pay=False) for _ in range(15)]
    shop.hidden = {orders[2].number}

    told, _, _ = polled(shop)

    assert str(orders[-1].number) in {order.external_id for order in told}


def test_sees_that_an_order_was_thrown_away(shop: WooShop) -> None:
    order = shop.checkout("jo@example.com")
    _, _, cursor = polled(shop)

    shop.move(order.number, "trash")

    told, _, _ = polled(shop, cursor)
    assert [each.status for each in told if each.external_id == str(order.number)] == [Status.CANCELLED]


def test_tells_refunds_in_a_page_as_it_does_alone(shop: WooShop) -> None:
    order = shop.checkout("jo@example.com")
    shop.refund(order.number, "3.00")

    told, unread, _ = polled(shop)

    assert (told, unread) == ([order_of(shop, order)], [])


def test_leaves_refunds_for_later_that_it_could_not_ask_for(shop: WooShop) -> None:
    order, other = shop.checkout("jo@example.com"), shop.checkout("jo@example.com")
    shop.refund(order.number, "3.00")
    shop.fault("GET", "/refunds", "throttle", times=2)

    told, unread, cursor = polled(shop)
    shop.refund(order.number, "2.00")
    _, again, _ = polled(shop, cursor)

    assert [each.external_id for each in told] == [str(other.number)]
    assert [each.external_id for each in unread + again] == [str(order.number)] * 2
    assert unread[0].reason != again[0].reason  # the same words again would be taken for the same news


def test_asks_for_few_refunds_at_once(shop: WooShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "MOST_ASKED", 2)
    for _ in range(4):
        shop.refund(shop.checkout("jo@example.com").number, "1.00")

    told, unread, _ = polled(shop)

    assert (len(told), len(unread)) == (2, 2)


def test_lets_one_strange_order_hold_up_no_other(shop: WooShop) -> None:
    strange, good = shop.checkout("jo@example.com"), shop.checkout("jo@example.com")
    strange.coupon_lines = [{"id": 1, "code": "", "discount": "1.00", "discount_tax": "0.00"}]

    told, unread, _ = polled(shop)

    assert [each.external_id for each in told] == [str(good.number)]
    assert [(each.external_id, each.reason) for each in unread] == [(str(strange.number), "code is empty")]


@pytest.mark.parametrize("kind", ["error", "drop", "firewall", "busy"])
def test_keeps_its_place_when_the_shop_fails(shop: WooShop, kind: str) -> None:
    shop.fault("GET", "/orders", kind)

    answer = shop.adapter().orders_since("")

    assert (answer.ok, answer.value) == (False, None)


def test_moves_on_only_when_the_bin_was_looked_into(shop: WooShop) -> None:
    shop.checkout("jo@example.com")
    _, _, cursor = polled(shop)
    shop.fault("GET", "/orders", "slow", seconds=0.0)
    shop.fault("GET", "/orders", "error")

    assert shop.adapter().orders_since(cursor).value is None


@pytest.mark.parametrize(
    ("unheard", "says"),
    [("modified_after", "older than WooCommerce 7.9"), ("order", "do not come by their last change")],
)
def test_says_so_before_it_passes_orders_over_in_a_shop_that_drops_what_it_asks_for(
    shop: WooShop, unheard: str, says: str
) -> None:
    shop.standing = shop.now() - timedelta(days=9)
    shop.checkout("jo@example.com", pay=False)
    shop.standing += timedelta(days=3)
    shop.checkout("jo@example.com", pay=False)
    shop.standing += timedelta(days=3)
    _, _, cursor = polled(shop)
    shop.checkout("jo@example.com", pay=False)
    shop.unheard = {unheard}

    answer = shop.adapter().orders_since(cursor if unheard == "modified_after" else "")

    assert (answer.outcome, answer.value) == (Outcome.UNKNOWN, None)
    assert says in answer.reason


# Cursors


@pytest.mark.parametrize(
    "cursor",
    [Cursor(), Cursor(AT), Cursor(AT, Mode.PAGE), Cursor(AT, Mode.INSTANT, 160)],
)
def test_reads_back_what_a_cursor_was_written_as(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor


def test_goes_on_from_the_place_that_an_earlier_release_wrote_down() -> None:
    assert Cursor.parse("second 2026-11-21T20:00:00 160") == Cursor(AT, Mode.INSTANT, 160)


@pytest.mark.parametrize("text", ["x", "poll 2026-11-21 0", "poll 2026-13-21T20:00:00 0", "poll 0001-01-01T00:00:00 0"])
def test_takes_no_other_text_for_a_cursor(shop: WooShop, text: str) -> None:
    with pytest.raises(NotACursor):
        Cursor.parse(text)
    answer = shop.adapter().orders_since(text)
    assert (answer.refusal, shop.asked) == (Refusal.INVALID, [])


def test_asks_a_minute_back_once_it_has_caught_up_and_a_second_back_until_then() -> None:
    asked = [Cursor(AT, mode).params(page_size=100)["modified_after"] for mode in (Mode.POLL, Mode.PAGE)]

    assert asked == ["2026-11-21T19:59:00", "2026-11-21T19:59:59"]


def test_never_moves_back() -> None:
    earlier = AT - timedelta(seconds=30)

    assert Cursor(AT).following(full=False, last=earlier, page_size=100) == Cursor(AT)


@pytest.mark.parametrize(
    ("line", "told"),
    [({"product_id": 0}, ("none", Decimal("24.00"))), ({"total": ""}, None), ({"quantity": "two"}, None)],
)
def test_of_a_strange_line_are_told_all_the_same(shop: WooShop, line: dict[str, Any], told: Any) -> None:
    order = shop.checkout("jo@example.com")
    order.lines[0] |= line

    items = order_of(shop, order).items

    assert (items and (items[0].product, items[0].amount)) == told
