"""The fake WooCommerce shop: it has the habits that were seen on a real one, so what is tested on it counts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from platforms.http import HttpAnswer
from platforms.woocommerce.client import Conversation, error_code
from tests.fakes.receiver import webhook_receiver
from tests.fakes.woocommerce import WooShop, running_woocommerce
from tests.fakes.woocommerce_shop import ShopRefused

COUPON = {"code": "LOY-1", "discount_type": "percent", "amount": "10", "usage_limit": 1}


@pytest.fixture
def shop() -> Iterator[WooShop]:
    with running_woocommerce() as running:
        yield running


def ask(shop: WooShop, method: str, path: str, body: Any = None, **params: str) -> HttpAnswer:
    return Conversation(shop.access()).ask(method, path, params=params, body=body)


def test_writes_codes_in_lower_case_and_refuses_them_in_any(shop: WooShop) -> None:
    first = ask(shop, "POST", "/coupons", COUPON)
    second = ask(shop, "POST", "/coupons", {**COUPON, "code": " loy-1"})

    assert (first.status, first.data["code"]) == (201, "loy-1")
    assert (second.status, error_code(second)) == (400, "woocommerce_rest_coupon_code_already_exists")


def test_drops_an_end_in_gmt_and_a_draft_without_a_word(shop: WooShop) -> None:
    answer = ask(shop, "POST", "/coupons", {**COUPON, "date_expires_gmt": "2020-01-01T00:00:00", "status": "draft"})

    assert (answer.status, answer.data["date_expires_gmt"], answer.data["status"]) == (201, None, "publish")
    assert shop.checkout("jo@example.com", code="LOY-1")


def test_reads_an_end_by_its_own_clock_unless_a_zone_is_given(shop: WooShop) -> None:
    local = ask(shop, "POST", "/coupons", {**COUPON, "date_expires": "2031-01-01T12:00:00"})
    zoned = ask(shop, "PUT", f"/coupons/{local.data['id']}", {"date_expires": "2031-01-01T12:00:00Z"})

    assert local.data["date_expires_gmt"] == "2031-01-01T10:00:00"
    assert (zoned.data["date_expires_gmt"], zoned.data["date_expires"]) == (
        "2031-01-01T12:00:00",
        "2031-01-01T14:00:00",
    )


def test_shows_one_of_two_by_code_and_both_by_search(shop: WooShop) -> None:
    numbers = [shop.foreign_coupon("loy-1").number for _ in range(2)]

    by_code = ask(shop, "GET", "/coupons", code="LOY-1")
    by_search = ask(shop, "GET", "/coupons", search="LOY-1")

    assert [entry["id"] for entry in by_code.data] == numbers[1:]
    assert sorted(entry["id"] for entry in by_search.data) == numbers


def test_frees_the_name_of_a_draft(shop: WooShop) -> None:
    shop.foreign_coupon("loy-1", status="draft")

    assert ask(shop, "GET", "/coupons", code="LOY-1").data == []
    assert ask(shop, "POST", "/coupons", COUPON).status == 201


def test_deletes_by_force_only_and_once(shop: WooShop) -> None:
    path = f"/coupons/{shop.foreign_coupon('loy-1').number}"

    answers = [
        ask(shop, "DELETE", path),
        ask(shop, "DELETE", path, force="true"),
        ask(shop, "DELETE", path, force="true"),
    ]

    assert [answer.status for answer in answers] == [500, 200, 404]
    assert error_code(answers[0]) == "woocommerce_rest_cannot_delete"


def test_takes_numbers_of_categories_that_it_does_not_have(shop: WooShop) -> None:
    assert ask(shop, "POST", "/coupons", {**COUPON, "product_categories": [4711]}).status == 201


@pytest.mark.parametrize("body", [{"colour": "red"}, {"usage_limit": "1"}, {"amount": 10}, {"discount_type": "gift"}])
def test_refuses_what_no_coupon_has(shop: WooShop, body: dict[str, Any]) -> None:
    assert ask(shop, "POST", "/coupons", COUPON | body).status == 400
    assert shop.coupons == []


def test_refuses_parameters_that_it_does_not_know(shop: WooShop) -> None:
    assert ask(shop, "GET", "/coupons", reference="rr-1").status == 400


def test_shows_two_decimals_of_what_it_keeps(shop: WooShop) -> None:
    assert ask(shop, "POST", "/coupons", {**COUPON, "amount": "12.345"}).data["amount"] in {"12.34", "12.35"}


def test_counts_a_use_from_the_unpaid_order_on_and_once(shop: WooShop) -> None:
    coupon = shop.foreign_coupon("loy-1", usage_limit=1)
    order = shop.checkout("jo@example.com", code="loy-1", pay=False)
    counts = [coupon.usage_count]

    for status in ("on-hold", "processing", "completed", "cancelled", "cancelled", "processing", "trash"):
        shop.move(order.number, status)
        counts.append(coupon.usage_count)

    assert counts == [1, 1, 1, 1, 0, 0, 1, 0]


def test_keeps_a_use_when_all_of_the_money_goes_back(shop: WooShop) -> None:
    coupon = shop.foreign_coupon("loy-1", usage_limit=1)
    order = shop.checkout("jo@example.com", code="loy-1")

    shop.refund(order.number, str(order.total))

    assert (order.status, coupon.usage_count) == ("refunded", 1)


def test_holds_a_use_for_a_checkout_under_way_without_counting_it(shop: WooShop) -> None:
    coupon = shop.foreign_coupon("loy-1", usage_limit=1)

    place = shop.ready_cart("jo@example.com", "loy-1")

    assert coupon.usage_count == 0
    with pytest.raises(ShopRefused):
        shop.checkout("somebody@example.com", code="loy-1")
    assert place().coupon_lines[0]["code"] == "loy-1"


def test_refuses_a_ready_cart_whose_code_was_disabled_meanwhile(shop: WooShop) -> None:
    coupon = shop.foreign_coupon("loy-1")
    place = shop.ready_cart("jo@example.com", "loy-1")

    assert shop.adapter().disable_code("LOY-1", str(coupon.number)).ok

    with pytest.raises(ShopRefused):
        place()
    assert shop.orders == []


def test_lists_what_changed_after_a_second_and_nothing_of_the_bin(shop: WooShop) -> None:
    first, second, binned = (shop.checkout("jo@example.com", pay=False) for _ in range(3))
    shop.move(binned.number, "trash")
    after = first.modified_at.replace(tzinfo=None).isoformat()

    answer = ask(shop, "GET", "/orders", modified_after=after, dates_are_gmt="true", orderby="modified", order="asc")

    assert [entry["id"] for entry in answer.data] == [second.number]


def test_tells_no_dates_of_refunds_in_an_order(shop: WooShop) -> None:
    order = shop.checkout("jo@example.com")
    shop.refund(order.number, "3.00")

    (refund,) = ask(shop, "GET", f"/orders/{order.number}").data["refunds"]

    assert sorted(refund) == ["id", "reason", "total"]
    assert refund["total"] == "-3.00"


def test_switches_a_hook_off_at_its_seventh_failure_in_a_row(shop: WooShop) -> None:
    with webhook_receiver() as receiver:
        shop.adapter().ensure_webhooks(receiver.url)
        hook = next(hook for hook in shop.hooks if hook.topic == "order.created")
        states = []
        receiver.answers = [500] * 7
        for _ in range(7):
            shop.checkout("jo@example.com", pay=False)
            shop.run_cron()
            states.append(hook.status)

        shop.checkout("jo@example.com", pay=False)
        before = len(receiver.deliveries)
        shop.run_cron()

    assert states == ["active"] * 6 + ["disabled"]
    assert len(receiver.deliveries) == before


def test_delivers_once_and_never_again(shop: WooShop) -> None:
    with webhook_receiver() as receiver:
        shop.adapter().ensure_webhooks(receiver.url)
        receiver.answers = [503]
        shop.checkout("jo@example.com", pay=False)
        shop.run_cron()
        before = len(receiver.deliveries)

        shop.run_cron()

    assert len(receiver.deliveries) == before


def test_keeps_whole_seconds(shop: WooShop) -> None:
    order = shop.checkout("jo@example.com")

    assert order.modified_at.microsecond == 0
    assert abs(order.created_at - datetime.now(UTC)) < timedelta(seconds=30)
