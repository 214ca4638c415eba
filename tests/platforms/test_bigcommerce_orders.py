"""BigCommerce's orders: what their statuses mean, what stands beside them, and how none is missed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest

from platforms.adapter import CodeSpec, DiscountKind, OrderStatus, Outcome, Refusal, ShopOrder
from platforms.bigcommerce.adapter import PAGE_SIZE, BigCommerceAdapter
from platforms.bigcommerce.cursors import NotACursor, parse
from tests.fakes.bigcommerce import BigCommerceShop, running_store

PLACED, COMPLETED, CANCELLED = OrderStatus.PLACED, OrderStatus.COMPLETED, OrderStatus.CANCELLED
LAST_MONTH = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
def shop() -> Iterator[BigCommerceShop]:
    with running_store() as running:
        yield running


def read(shop: BigCommerceShop, order_id: str, **changes: Any) -> ShopOrder:
    answer = shop.adapter(**changes).read_order(order_id)
    assert answer.ok, answer.reason
    assert answer.value is not None
    return answer.value


def walk(adapter: BigCommerceAdapter, cursor: str = "", *, most: int = 60) -> tuple[list[str], str]:
    """The ids of all orders from the cursor on, as often as they are told, and the cursor afterwards."""
    told: list[str] = []
    for _ in range(most):
        page = adapter.orders_since(cursor).value
        assert page is not None
        told += [order.external_id for order in page.orders]
        cursor = page.cursor
        if not page.more:
            return told, cursor
    raise AssertionError("it does not come to an end")


def put_back(shop: BigCommerceShop, order_id: str, moment: datetime) -> None:
    shop.store.orders[int(order_id)]["date_modified"] = format_datetime(moment)


@pytest.mark.parametrize(
    ("status_id", "status"),
    [
        (2, COMPLETED), (3, COMPLETED), (4, COMPLETED), (5, CANCELLED), (6, CANCELLED), (7, PLACED), (8, COMPLETED),
        (9, COMPLETED), (10, COMPLETED), (11, COMPLETED), (12, PLACED), (13, COMPLETED), (14, COMPLETED), (99, PLACED),
    ],
)  # fmt: skip
def test_knows_what_each_status_means(shop: BigCommerceShop, status_id: int, status: OrderStatus):
    order_id = shop.buy("jo@example.com", status_id=status_id)

    assert read(shop, order_id).status is status


@pytest.mark.parametrize("status_id", [0, 1])
def test_takes_a_checkout_that_was_left_for_no_order(shop: BigCommerceShop, status_id: int):
    order_id = shop.buy("jo@example.com", status_id=status_id)

    answer = shop.adapter().read_order(order_id)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert walk(shop.adapter())[0] == []


def test_lets_the_merchant_say_from_which_status_on_a_reward_is_used(shop: BigCommerceShop):
    shipped, paid = shop.buy("jo@example.com", status_id=2), shop.buy("jo@example.com", status_id=11)
    credentials = shop.credentials(completed_statuses="2, 10")

    assert read(shop, shipped, credentials=credentials).status is COMPLETED
    assert read(shop, paid, credentials=credentials).status is PLACED


@pytest.mark.parametrize("setting", ["x", "2;3", "5", "0", "14", "2,,3", "99"])
def test_reads_no_order_by_a_choice_of_statuses_that_makes_no_sense(shop: BigCommerceShop, setting: str):
    adapter = shop.adapter(credentials=shop.credentials(completed_statuses=setting))

    answers = [adapter.read_order("1"), adapter.orders_since("")]

    assert {(answer.outcome, answer.refusal) for answer in answers} == {(Outcome.REJECTED, Refusal.INVALID)}
    assert all("completed order statuses" in answer.reason for answer in answers)
    assert shop.requests == []


def test_tells_an_order_whole(shop: BigCommerceShop):
    shop.adapter().create_code(spec())
    order_id = shop.buy("jo@example.com", code="loy-1", customer_id=12)

    order = read(shop, order_id)

    assert (order.number, order.total, order.currency) == (order_id, Decimal("20.2000"), "USD")
    assert (order.customer_email, order.customer_external_id) == ("jo@example.com", "12")
    assert [(applied.code, applied.discount) for applied in order.codes] == [("LOY-1", Decimal("1.8"))]


def spec(kind: DiscountKind = DiscountKind.PERCENTAGE) -> CodeSpec:
    percent = Decimal(10) if kind is DiscountKind.PERCENTAGE else None
    amount = Decimal(5) if kind is DiscountKind.GIFT_CARD else None
    return CodeSpec(
        code="LOY-1", kind=kind, title="A reward", reference="rr-1", currency="USD", percent=percent, amount=amount
    )


def test_sees_the_gift_card_that_paid_for_an_order(shop: BigCommerceShop):
    shop.adapter().create_code(spec(DiscountKind.GIFT_CARD))
    order_id = shop.buy("jo@example.com", code="LOY-1")

    order = read(shop, order_id)

    assert [(applied.code, applied.discount) for applied in order.codes] == [("LOY-1", Decimal("5.0"))]


def test_sees_a_use_although_the_order_says_that_coupons_took_nothing(shop: BigCommerceShop):
    shop.adapter().create_code(spec(DiscountKind.FREE_DELIVERY))
    order_id = shop.buy("jo@example.com", code="LOY-1")

    assert shop.store.orders[int(order_id)]["coupon_discount"] == "0.0000"
    assert [applied.code for applied in read(shop, order_id).codes] == ["LOY-1"]


def test_knows_a_guest(shop: BigCommerceShop):
    order = read(shop, shop.buy("guest@example.com"))

    assert (order.customer_external_id, order.customer_email) == ("", "guest@example.com")


def test_counts_the_refunds_that_went_through(shop: BigCommerceShop):
    order_id = shop.buy("jo@example.com")
    shop.refund(order_id, "3.00")
    shop.refund(order_id, "9.00", declined=True)

    order = read(shop, order_id)

    assert [refund.amount for refund in order.refunds] == [Decimal("3.0")]
    assert order.updated_at >= order.refunds[0].refunded_at


def test_takes_an_order_that_staff_set_to_refunded_for_refunded_whole(shop: BigCommerceShop):
    order_id = shop.buy("jo@example.com")
    shop.set_status(order_id, 4)

    order = read(shop, order_id)

    assert (order.status, [refund.amount for refund in order.refunds]) == (COMPLETED, [order.total])


@pytest.mark.parametrize("external_id", ["", "abc", "0", "-1", "1/coupons", "../coupons", "9" * 30])
def test_asks_for_no_order_by_what_is_no_number(shop: BigCommerceShop, external_id: str):
    answer = shop.adapter().read_order(external_id)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert shop.requests == []


@pytest.mark.parametrize("place", ["/v2/orders", "/v3/orders/payment_actions/refunds", "/v2/orders/1"])
@pytest.mark.parametrize(("fault", "outcome"), [("drop", Outcome.UNKNOWN), ("throttled", Outcome.THROTTLED)])
def test_tells_nothing_of_a_page_it_cannot_see_whole(shop: BigCommerceShop, place: str, fault: str, outcome: Outcome):
    shop.buy("jo@example.com")
    shop.fault(fault, "GET", place)

    answer = shop.adapter().orders_since("")

    assert (answer.outcome, answer.value) == (outcome, None)


@pytest.mark.parametrize("included", [True, False])
@pytest.mark.parametrize("quota", [4, 5, 7])
def test_misses_no_order_when_the_quota_ends_in_the_middle_of_a_page(shop: BigCommerceShop, quota: int, included: bool):
    shop.store.bounds_included = included
    ids = [shop.buy("jo@example.com") for _ in range(9)]
    for number, order_id in enumerate(ids):
        put_back(shop, order_id, LAST_MONTH + timedelta(seconds=number // 3))
    told: set[str] = set()
    cursor, more = "", True
    for _ in range(80):
        shop.quota = quota
        page = shop.adapter().orders_since(cursor).value
        assert page is not None
        told |= {order.external_id for order in page.orders}
        cursor, more = page.cursor, page.more
        if not more:
            break

    assert (told, more) == (set(ids), False)


def test_says_so_when_the_quota_does_not_reach_for_a_single_order(shop: BigCommerceShop):
    shop.buy("jo@example.com")
    shop.quota = 2

    answer = shop.adapter().orders_since("")

    assert (answer.outcome, answer.retry_after) == (Outcome.THROTTLED, 15.0)


def test_lets_one_strange_order_hold_up_no_other(shop: BigCommerceShop):
    strange, good = shop.buy("jo@example.com"), shop.buy("jo@example.com")
    shop.store.orders[int(strange)]["total_inc_tax"] = "a lot"

    page = shop.adapter().orders_since("").value

    assert page is not None
    assert [order.external_id for order in page.orders] == [good]
    assert [(entry.external_id, entry.reason) for entry in page.unread] == [(strange, "total_inc_tax is not an amount")]


@pytest.mark.parametrize("fault", ["error", "error_after"])
def test_lets_an_order_at_which_the_shop_fails_hold_up_no_other(shop: BigCommerceShop, fault: str):
    bad, good = shop.buy("jo@example.com"), shop.buy("jo@example.com")
    shop.fault(fault, "GET", f"/v2/orders/{bad}/coupons", times=2)

    page = shop.adapter().orders_since("").value
    alone = shop.adapter().read_order(bad)

    assert page is not None
    assert [order.external_id for order in page.orders] == [good]
    assert [entry.external_id for entry in page.unread] == [bad]
    assert (alone.outcome, alone.value) == (Outcome.UNKNOWN, None)
    assert read(shop, bad).external_id == bad


def test_has_an_end_where_there_is_no_order(shop: BigCommerceShop):
    page = shop.adapter().orders_since("").value

    assert page is not None
    assert (page.orders, page.cursor, page.more) == ((), "", False)


@pytest.mark.parametrize("included", [True, False])
def test_misses_no_order_however_many_share_a_second(shop: BigCommerceShop, included: bool):
    shop.store.bounds_included = included
    ids = [shop.buy("jo@example.com") for _ in range(3 * PAGE_SIZE + 5)]
    for number, order_id in enumerate(ids):
        put_back(shop, order_id, LAST_MONTH + timedelta(seconds=0 if 3 <= number < 58 else number))

    told, cursor = walk(shop.adapter())

    assert set(told) == set(ids)
    assert cursor.startswith("poll ")


def test_misses_no_order_when_others_change_while_it_reads(shop: BigCommerceShop):
    ids = [shop.buy("jo@example.com") for _ in range(2 * PAGE_SIZE + 5)]
    for number, order_id in enumerate(ids):
        put_back(shop, order_id, LAST_MONTH + timedelta(seconds=number))
    first = shop.adapter().orders_since("").value
    assert first is not None

    for order_id in ids[:PAGE_SIZE]:  # all that were told move to the end
        shop.set_status(order_id, 2)
    told, _ = walk(shop.adapter(), first.cursor)

    assert {order.external_id for order in first.orders} | set(told) == set(ids)
    assert set(ids[:PAGE_SIZE]) <= set(told)


def test_looks_back_when_it_has_caught_up(shop: BigCommerceShop):
    order_id = shop.buy("jo@example.com")
    _, cursor = walk(shop.adapter())
    late = shop.buy("late@example.com")
    seen = parse(cursor).at
    assert seen is not None
    put_back(shop, late, seen - timedelta(seconds=100))

    told, after = walk(shop.adapter(), cursor)

    assert set(told) == {order_id, late}
    assert after == cursor


def test_keeps_its_place_when_a_poll_finds_nothing(shop: BigCommerceShop):
    page = shop.adapter().orders_since("poll 2026-11-26T20:00:00+00:00 0").value

    assert page is not None
    assert (page.cursor, page.more) == ("poll 2026-11-26T20:00:00+00:00 0", False)


@pytest.mark.parametrize(
    "cursor",
    ["x", "poll", "poll yesterday 0", "poll 2026-11-26T20:00:00 0", "page 0001-01-01T00:00:00+00:00 0",
     "poll 9999-12-31T23:59:59+00:00 0", "poll 2026-11-26T20:00:00+00:00 -1"],
)  # fmt: skip
def test_says_when_the_place_it_had_reached_is_unreadable(shop: BigCommerceShop, cursor: str):
    with pytest.raises(NotACursor):
        parse(cursor)
    answer = shop.adapter().orders_since(cursor)

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert shop.requests == []
