"""Codes on WooCommerce, against the fake shop over HTTPS: each of its traps, and each fault of the line."""

import base64
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from platforms.adapter import CodeSpec, DiscountKind, Outcome, PlatformCode, Refusal
from platforms.woocommerce import client, delivery
from tests.fakes.woocommerce import KEY, SECRET, WooShop, running_woocommerce
from tests.fakes.woocommerce_shop import ShopRefused

NOW = datetime.now(UTC).replace(microsecond=0)
LATER = datetime(2031, 5, 17, 21, 59, 59, tzinfo=UTC)


@pytest.fixture
def shop() -> Iterator[WooShop]:
    with running_woocommerce() as running:
        yield running


def spec(**changes: Any) -> CodeSpec:
    values: dict[str, Any] = {
        "code": "LOY-7KQ2M9XA",
        "kind": DiscountKind.PERCENTAGE,
        "title": "10% off (Loyalty Desk)",
        "reference": "rr-1",
        "currency": "USD",
        "percent": Decimal(10),
    }
    return CodeSpec(**(values | changes))


def made(shop: WooShop, **changes: Any) -> PlatformCode:
    answer = shop.adapter().create_code(spec(**changes))
    assert answer.ok, answer.reason
    assert answer.value is not None
    return answer.value


def writes(shop: WooShop) -> list[str]:
    return [asked for asked in shop.asked if not asked.startswith("GET")]


# Making


def test_takes_the_code_as_the_shop_writes_it() -> None:
    with running_woocommerce() as shop:
        code = made(shop)

        assert code.code == "loy-7kq2m9xa"
        assert shop.checkout("jo@example.com", code="Loy-7Kq2m9xA").coupon_lines[0]["code"] == "loy-7kq2m9xa"


@pytest.mark.parametrize("zone", ["Europe/Helsinki", "America/New_York", "UTC", "Asia/Kolkata"])
def test_keeps_the_last_moment_whatever_clock_the_shop_goes_by(shop: WooShop, zone: str) -> None:
    shop.zone = ZoneInfo(zone)

    code = made(shop, expires_at=LATER)

    assert code.expires_at == shop.coupon("LOY-7KQ2M9XA").expires_at == LATER


@pytest.mark.parametrize("hour", [0, 1, 2])
def test_keeps_a_last_moment_in_the_hour_that_comes_twice(shop: WooShop, hour: int) -> None:
    moment = datetime(2031, 10, 26, hour, 30, tzinfo=UTC)  # clocks in Helsinki go back from 4 to 3 at 01:00 UTC

    assert made(shop, expires_at=moment).expires_at == moment


@pytest.mark.parametrize(
    ("field", "changes", "what"),
    [
        ("meta_data", {}, "reference"),
        ("usage_limit", {}, "limit of uses"),
        ("minimum_amount", {"minimum_order": Decimal("20.00")}, "minimum order"),
        ("email_restrictions", {"customer_email": "jo@example.com"}, "customer"),
        ("product_categories", {"collections": ("5",)}, "choice of categories"),
        ("amount", {}, "percentage"),
        ("free_shipping", {"kind": DiscountKind.FREE_DELIVERY, "percent": None}, "delivery"),
        (
            "limit_usage_to_x_items",
            {"kind": DiscountKind.FREE_PRODUCT, "percent": None, "product_reference": "11"},
            "product",
        ),
    ],
)
def test_gives_nobody_a_code_of_which_the_shop_dropped_a_part(
    shop: WooShop, field: str, changes: dict[str, Any], what: str
) -> None:
    shop.dropped = {field}

    answer = shop.adapter().create_code(spec(**changes))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert answer.reason.startswith("The shop stored another ")
    assert what in answer.reason
    with pytest.raises(ShopRefused):
        shop.checkout("jo@example.com", code="LOY-7KQ2M9XA")


def test_says_when_a_code_that_went_wrong_could_not_be_ended(shop: WooShop) -> None:
    shop.dropped = {"usage_limit"}
    shop.fault("PUT", "", "error")

    answer = shop.adapter().create_code(spec())

    assert answer.outcome is Outcome.UNKNOWN
    assert "another limit of uses, and the coupon" in answer.reason


def test_says_so_too_where_the_shop_takes_no_end(shop: WooShop) -> None:
    shop.dropped = {"date_expires"}

    making = shop.adapter().create_code(spec(expires_at=LATER))
    ending = shop.adapter().disable_code("LOY-7KQ2M9XA", "")

    assert making.outcome is Outcome.UNKNOWN
    assert "another expiry" in making.reason
    assert ending.outcome is Outcome.UNKNOWN
    assert "kept the old one all the same" in ending.reason


def test_makes_a_free_product_of_one_piece(shop: WooShop) -> None:
    code = made(shop, kind=DiscountKind.FREE_PRODUCT, percent=None, product_reference="11")

    order = shop.checkout("jo@example.com", code="LOY-7KQ2M9XA", pieces=3)

    assert (code.product_reference, code.percent, order.total) == ("11", None, Decimal("48.00"))


def test_binds_a_code_to_one_customer(shop: WooShop) -> None:
    made(shop, customer_email="Jo@Example.com")

    with pytest.raises(ShopRefused):
        shop.checkout("somebody.else@example.com", code="LOY-7KQ2M9XA")
    assert shop.checkout("jo@example.com", code="LOY-7KQ2M9XA")


@pytest.mark.parametrize(
    ("changes", "refusal", "says"),
    [
        ({"kind": DiscountKind.GIFT_CARD, "amount": Decimal(5)}, Refusal.UNSUPPORTED, "no gift cards of its own"),
        ({"starts_at": NOW + timedelta(days=1)}, Refusal.UNSUPPORTED, "have no first day"),
        ({"percent": Decimal("12.345")}, Refusal.INVALID, "two decimals only, and the percentage has more"),
        ({"percent": Decimal(101)}, Refusal.INVALID, "above 0 and at most 100"),
        ({"minimum_order": Decimal(5), "currency": "EUR"}, Refusal.INVALID, "minimum order is in EUR"),
        (
            {"kind": DiscountKind.FIXED_AMOUNT, "amount": Decimal(5), "collections": ("5",)},
            Refusal.UNSUPPORTED,
            "cannot limit a fixed amount",
        ),
        ({"kind": DiscountKind.FIXED_AMOUNT, "amount": Decimal(0)}, Refusal.INVALID, "must be above 0"),
        ({"collections": ("kitchen",)}, Refusal.INVALID, "names a product category by its number, and 'kitchen'"),
        ({"collections": ("5", "77")}, Refusal.INVALID, "The shop has no product category 77."),
        ({"kind": DiscountKind.FREE_PRODUCT, "product_reference": "99"}, Refusal.INVALID, "has no product 99"),
        ({"kind": DiscountKind.FREE_PRODUCT, "product_reference": "mug"}, Refusal.INVALID, "names a product by its"),
    ],
)
def test_refuses_what_would_do_nothing_or_something_else(
    shop: WooShop, changes: dict[str, Any], refusal: Refusal, says: str
) -> None:
    answer = shop.adapter().create_code(spec(**changes))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, refusal)
    assert says in answer.reason
    assert writes(shop) == []


def test_makes_no_free_delivery_in_a_shop_that_has_none_for_a_coupon(shop: WooShop) -> None:
    shop.offers_free_delivery = False

    answer = shop.adapter().create_code(spec(kind=DiscountKind.FREE_DELIVERY, percent=None))

    assert (answer.refusal, answer.reason) == (Refusal.UNSUPPORTED, delivery.NOT_OFFERED)
    assert writes(shop) == []


# Duplicates


def test_leaves_the_code_of_somebody_else_alone(shop: WooShop) -> None:
    shop.foreign_coupon("loy-7kq2m9xa", amount=Decimal(3))

    answer = shop.adapter().create_code(spec())

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.DUPLICATE_CODE)
    assert shop.coupon("loy-7kq2m9xa").amount == 3
    found = shop.adapter().find_code("LOY-7KQ2M9XA").value
    assert found is not None
    assert found.reference == ""


def test_makes_one_code_when_two_requests_come_at_once(shop: WooShop) -> None:
    meeting = threading.Barrier(2, timeout=10)
    shop.between_look_and_write = meeting.wait
    answers: list[Any] = []
    both = [threading.Thread(target=lambda: answers.append(shop.adapter().create_code(spec()))) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join(20)

    left = shop.same_name("LOY-7KQ2M9XA")
    assert len(left) == 1
    assert len(answers) == 2
    assert {answer.refusal for answer in answers} <= {None, Refusal.DUPLICATE_CODE}
    found = shop.adapter().find_code("LOY-7KQ2M9XA").value
    assert found is not None
    assert (found.remote_id, found.alive, found.reference) == (str(left[0].number), True, "rr-1")


def test_takes_its_own_away_when_staff_made_one_of_that_name_meanwhile(shop: WooShop) -> None:
    shop.between_look_and_write = lambda: shop.foreign_coupon("loy-7kq2m9xa", amount=Decimal(3))

    answer = shop.adapter().create_code(spec())

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.DUPLICATE_CODE)
    assert "2 coupons named LOY-7KQ2M9XA" in answer.reason
    assert [each.amount for each in shop.same_name("loy-7kq2m9xa")] == [3]


def test_does_not_know_what_stands_when_the_second_of_a_name_cannot_be_deleted(shop: WooShop) -> None:
    shop.between_look_and_write = lambda: shop.foreign_coupon("loy-7kq2m9xa")
    shop.fault("DELETE", "", "error")

    assert shop.adapter().create_code(spec()).outcome is Outcome.UNKNOWN


def test_says_that_the_shop_has_two_of_one_name(shop: WooShop) -> None:
    first = made(shop)
    second = shop.foreign_coupon("loy-7kq2m9xa")

    answer = shop.adapter().find_code("LOY-7KQ2M9XA")

    assert answer.value is not None
    assert answer.value.remote_id == first.remote_id
    assert answer.reason.startswith(f"The shop has 2 coupons named LOY-7KQ2M9XA: {first.remote_id}, {second.number}.")


def test_shows_the_living_one_after_ours_of_that_name_was_ended(shop: WooShop) -> None:
    first = made(shop)
    second = shop.foreign_coupon("loy-7kq2m9xa")

    answer = shop.adapter().disable_code("LOY-7KQ2M9XA", first.remote_id)

    assert answer.value is not None
    assert (answer.value.remote_id, answer.value.alive) == (str(second.number), True)
    assert second.expires_at is None


# Finding


def test_looks_twice_before_it_says_that_a_code_is_absent(shop: WooShop) -> None:
    made(shop)
    shop.search_is_replaced = True

    found = shop.adapter().find_code("LOY-7KQ2M9XA")

    assert found.value is not None
    assert shop.adapter().find_code("LOY-NONE").value is None
    assert shop.adapter().find_code("LOY-NONE").ok


def test_takes_no_longer_code_for_the_one_that_is_meant(shop: WooShop) -> None:
    made(shop, code="LOY-7KQ2M9XA-2")

    assert shop.adapter().find_code("LOY-7KQ2M9XA").value is None


def test_does_not_count_an_unpaid_order_as_a_use_but_sees_that_it_holds_the_code(shop: WooShop) -> None:
    made(shop)
    shop.checkout("jo@example.com", code="LOY-7KQ2M9XA", pay=False)

    found = shop.adapter().find_code("LOY-7KQ2M9XA").value

    assert found is not None
    assert (found.uses, found.alive, found.taken) == (None, False, True)


def test_does_not_say_of_a_code_that_is_over_that_an_order_holds_it(shop: WooShop) -> None:
    code = made(shop)
    shop.checkout("jo@example.com", code="LOY-7KQ2M9XA", pay=False)

    shop.adapter().disable_code("LOY-7KQ2M9XA", code.remote_id)

    found = shop.adapter().find_code("LOY-7KQ2M9XA").value
    assert found is not None
    assert (found.alive, found.taken) == (False, False)


@pytest.mark.parametrize("status", ["cancelled", "failed", "trash"])
def test_sees_a_use_that_was_given_back(shop: WooShop, status: str) -> None:
    made(shop)
    order = shop.checkout("jo@example.com", code="LOY-7KQ2M9XA")

    shop.move(order.number, status)

    found = shop.adapter().find_code("LOY-7KQ2M9XA").value
    assert found is not None
    assert (found.uses, found.alive) == (0, True)


# Ending


def test_ends_a_code_so_that_its_name_stays_taken(shop: WooShop) -> None:
    code = made(shop)

    answer = shop.adapter().disable_code("LOY-7KQ2M9XA", code.remote_id)

    assert answer.value is not None
    assert answer.value.alive is False
    assert shop.adapter().create_code(spec(reference="rr-2")).refusal is Refusal.DUPLICATE_CODE


def test_ends_a_used_code_too_and_an_order_that_gives_it_back_brings_nothing(shop: WooShop) -> None:
    code = made(shop)
    order = shop.checkout("jo@example.com", code="LOY-7KQ2M9XA")

    answer = shop.adapter().disable_code("LOY-7KQ2M9XA", code.remote_id)
    shop.move(order.number, "cancelled")

    assert answer.ok
    with pytest.raises(ShopRefused):
        shop.checkout("jo@example.com", code="LOY-7KQ2M9XA")


def test_ends_a_draft_that_might_come_back(shop: WooShop) -> None:
    code = made(shop)
    coupon = shop.coupon("LOY-7KQ2M9XA")
    coupon.status = "draft"

    answer = shop.adapter().disable_code("LOY-7KQ2M9XA", code.remote_id)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    coupon.status = "publish"
    with pytest.raises(ShopRefused):
        shop.checkout("jo@example.com", code="LOY-7KQ2M9XA")


def test_leaves_a_coupon_alone_that_staff_gave_another_name(shop: WooShop) -> None:
    code = made(shop)
    coupon = shop.coupon("LOY-7KQ2M9XA")
    coupon.code = "summer"

    answer = shop.adapter().disable_code("LOY-7KQ2M9XA", code.remote_id)

    assert (answer.outcome, answer.value, coupon.expires_at) == (Outcome.OK, None, None)


def test_writes_nothing_the_second_time(shop: WooShop) -> None:
    code = made(shop)
    shop.adapter().disable_code("LOY-7KQ2M9XA", code.remote_id)
    before = writes(shop)

    again = shop.adapter().disable_code("LOY-7KQ2M9XA", code.remote_id)

    assert again.ok
    assert writes(shop) == before


def test_takes_a_code_for_dead_that_staff_deleted_meanwhile(shop: WooShop) -> None:
    code = made(shop)
    shop.coupons.clear()

    answer = shop.adapter().disable_code("LOY-7KQ2M9XA", code.remote_id)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)


# Extending


def test_gives_a_code_more_time_by_the_clock_of_the_shop(shop: WooShop) -> None:
    code = made(shop, expires_at=NOW - timedelta(hours=1))

    answer = shop.adapter().extend_code("LOY-7KQ2M9XA", code.remote_id, LATER)

    assert answer.value is not None
    assert (answer.value.expires_at, answer.value.alive) == (LATER, True)


def test_takes_no_time_away_from_a_code(shop: WooShop) -> None:
    code = made(shop, expires_at=LATER)

    answer = shop.adapter().extend_code("LOY-7KQ2M9XA", code.remote_id, LATER - timedelta(days=9))

    assert answer.value is not None
    assert answer.value.expires_at == LATER


def test_leaves_a_code_without_an_end_as_it_is(shop: WooShop) -> None:
    code = made(shop)

    answer = shop.adapter().extend_code("LOY-7KQ2M9XA", code.remote_id, LATER)

    assert answer.value is not None
    assert answer.value.expires_at is None


# Listing


def test_lists_every_code_however_many_are_deleted_meanwhile(shop: WooShop) -> None:
    for number in range(250):
        shop.foreign_coupon(f"old-{number}")
    stays = [each.code for each in shop.coupons[130:]]
    seen: list[str] = []
    cursor, more = "", True

    while more:
        answer = shop.adapter().list_codes(cursor)
        assert answer.value is not None, answer.reason
        seen += [code.code for code in answer.value.codes]
        cursor, more = answer.value.cursor, answer.value.more
        if len(shop.coupons) == 250:
            del shop.coupons[:130]  # what comes next has moved to places that were read already

    assert [code for code in seen if code in stays] == stays


def test_goes_on_past_a_page_that_the_shop_did_not_fill(shop: WooShop) -> None:
    for number in range(130):
        shop.foreign_coupon(f"old-{number}")
    shop.hidden = {shop.coupons[7].number}

    page = shop.adapter().list_codes("").value

    assert page is not None
    assert (len(page.codes), page.more) == (99, True)


def test_lets_a_coupon_without_a_name_hold_up_no_other(shop: WooShop) -> None:
    shop.foreign_coupon("")
    made(shop)

    page = shop.adapter().list_codes("").value

    assert page is not None
    assert [code.code for code in page.codes] == ["loy-7kq2m9xa"]


def test_does_not_guess_where_an_unreadable_listing_stood(shop: WooShop) -> None:
    answer = shop.adapter().list_codes("somewhere")

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert shop.asked == []


# The line


@pytest.mark.parametrize("kind", ["drop_after", "error_after", "malformed", "plugin_after"])
def test_does_not_know_whether_a_code_was_made_when_the_answer_was_lost(shop: WooShop, kind: str) -> None:
    shop.fault("POST", "/coupons", kind)

    answer = shop.adapter().create_code(spec())

    assert answer.outcome is Outcome.UNKNOWN
    assert answer.value is None
    found = shop.adapter().find_code("LOY-7KQ2M9XA").value
    assert found is not None
    assert found.reference == "rr-1"


def test_finds_one_code_after_a_time_out_that_the_shop_did_not_notice(shop: WooShop) -> None:
    shop.fault("POST", "/coupons", "timeout_after", seconds=2.0)

    answer = shop.adapter(timeout=1.0).create_code(spec())

    assert answer.outcome is Outcome.UNKNOWN
    assert shop.adapter().create_code(spec()).refusal is Refusal.DUPLICATE_CODE
    assert len(shop.same_name("LOY-7KQ2M9XA")) == 1


@pytest.mark.parametrize("kind", ["drop", "error", "busy"])
def test_does_not_know_either_when_nothing_was_made(shop: WooShop, kind: str) -> None:
    shop.fault("POST", "/coupons", kind)

    assert shop.adapter().create_code(spec()).outcome is Outcome.UNKNOWN
    assert shop.adapter().find_code("LOY-7KQ2M9XA").value is None


def test_does_not_know_when_it_cannot_look_at_what_it_made(shop: WooShop) -> None:
    shop.fault("GET", "/coupons", "error")

    answer = shop.adapter().create_code(spec())

    assert answer.outcome is Outcome.UNKNOWN
    assert answer.reason.startswith("The shop made the code LOY-7KQ2M9XA and then could not be asked:")


def test_waits_when_the_host_asks_for_it(shop: WooShop) -> None:
    shop.fault("POST", "/coupons", "throttle")
    shop.fault("GET", "/coupons", "busy")

    making, finding = shop.adapter().create_code(spec()), shop.adapter().find_code("LOY-7KQ2M9XA")

    assert (making.outcome, making.retry_after) == (Outcome.THROTTLED, 7.0)
    assert (finding.outcome, finding.retry_after) == (Outcome.THROTTLED, 600.0)


def test_repeats_what_the_shop_said_when_it_refused(shop: WooShop) -> None:
    shop.fault("POST", "/coupons", "refuse")

    answer = shop.adapter().create_code(spec())

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert answer.reason == "The shop refused: So nicht."


def test_asks_within_one_deadline_however_many_questions_there_are(shop: WooShop) -> None:
    shop.fault("GET", "/coupons", "slow", times=9, seconds=0.7)

    answer = shop.adapter(timeout=1.0).find_code("LOY-NONE")

    assert answer.outcome in {Outcome.UNKNOWN, Outcome.NOT_SENT}


def test_shows_no_key_in_what_it_says(shop: WooShop) -> None:
    shop.fault("GET", "/coupons", "firewall")

    answer = shop.adapter().find_code("LOY-7KQ2M9XA")

    assert answer.reason == client.BLOCKED
    pair = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    assert not any(each in f"{answer.reason} {answer.observed}" for each in (KEY, SECRET, pair))
