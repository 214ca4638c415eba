"""Several codes in one call to WooCommerce: each is told apart, and each is as sound as one that is made alone."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from platforms.adapter import Answer, CodeSpec, DiscountKind, Outcome, PlatformCode, Refusal
from platforms.woocommerce import batch, client
from tests.fakes.woocommerce import WooShop, running_woocommerce

LATER = datetime(2031, 5, 17, 21, 59, 59, tzinfo=UTC)


@pytest.fixture
def shop() -> Iterator[WooShop]:
    with running_woocommerce() as running:
        yield running


def specs(count: int, **changes: object) -> list[CodeSpec]:
    plain = CodeSpec(
        code="LOY", kind=DiscountKind.PERCENTAGE, title="10% off", reference="rr", currency="USD", percent=Decimal(10)
    )
    return [replace(plain, code=f"LOY-{n}", reference=f"rr-{n}", **changes) for n in range(count)]


def made(shop: WooShop, wanted: list[CodeSpec]) -> tuple[Answer[PlatformCode], ...]:
    answer = shop.adapter().create_codes(wanted)
    assert answer.value is not None, answer.reason
    return answer.value


def test_makes_as_many_as_it_says_in_one_call(shop: WooShop) -> None:
    wanted = specs(shop.adapter().capabilities.bulk, expires_at=LATER)

    told = made(shop, wanted)

    assert [each.value and (each.value.code, each.value.expires_at) for each in told] == [
        (spec.code.lower(), LATER) for spec in wanted
    ]
    assert [asked for asked in shop.asked if not asked.startswith("GET")] == ["POST /coupons/batch"]
    for each in told:
        assert each.value is not None
        assert f'"{each.value.code}"' in each.observed.excerpt
        assert each.observed.excerpt.count('"code"') == 1  # no word of the others


def test_takes_no_more_than_that(shop: WooShop) -> None:
    answer = shop.adapter().create_codes(specs(batch.MOST + 1))

    assert (answer.outcome, shop.asked) == (Outcome.REJECTED, [])


def test_tells_of_each_what_became_of_it(shop: WooShop) -> None:
    shop.foreign_coupon("loy-1")
    wanted = specs(5)
    wanted[2] = replace(wanted[2], kind=DiscountKind.GIFT_CARD)
    wanted[3] = replace(wanted[3], collections=("77",))

    told = made(shop, wanted)

    refusals = [None, Refusal.DUPLICATE_CODE, Refusal.UNSUPPORTED, Refusal.INVALID, None]
    assert [each.refusal for each in told] == refusals
    assert [each.ok for each in told] == [refusal is None for refusal in refusals]
    assert told[3].reason.startswith("The shop has no product category 77.")


def test_makes_one_of_a_name_although_staff_made_another_meanwhile(shop: WooShop) -> None:
    wanted = specs(3)
    shop.between_look_and_write = lambda: (
        shop.foreign_coupon("loy-1", amount=Decimal(3)) if shop.arriving["code"] == "loy-1" else None
    )

    told = made(shop, wanted)

    assert [each.refusal for each in told] == [None, Refusal.DUPLICATE_CODE, None]
    assert [each.amount for each in shop.same_name("loy-1")] == [3]


def test_gives_nobody_what_the_shop_dropped_a_part_of(shop: WooShop) -> None:
    shop.dropped = {"usage_limit"}

    told = made(shop, specs(2))

    assert [(each.outcome, each.refusal) for each in told] == [(Outcome.REJECTED, Refusal.INVALID)] * 2
    assert all(each.expires_at is not None and each.expires_at < datetime.now(UTC) for each in shop.coupons)


@pytest.mark.parametrize("kind", ["drop_after", "error_after", "malformed", "drop", "error"])
def test_does_not_know_of_any_when_the_answer_was_lost(shop: WooShop, kind: str) -> None:
    shop.fault("POST", "/coupons/batch", kind)

    answer = shop.adapter().create_codes(specs(2))

    assert (answer.outcome, answer.value) == (Outcome.UNKNOWN, None)


def test_looks_for_each_by_its_name_where_too_many_are_made_at_the_same_time(
    shop: WooShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MOST_PAGES", 1)
    for number in range(100):
        shop.foreign_coupon(f"spring-{number}")
    shop.between_look_and_write = lambda: (
        shop.foreign_coupon("loy-1", amount=Decimal(3)) if shop.arriving["code"] == "loy-1" else None
    )

    told = made(shop, specs(3))

    assert [each.refusal for each in told] == [None, Refusal.DUPLICATE_CODE, None]
    assert [each.amount for each in shop.same_name("loy-1")] == [3]


def test_does_not_know_of_those_it_could_not_look_at(shop: WooShop) -> None:
    shop.foreign_coupon("loy-1")
    shop.fault("GET", "/coupons", "error")

    told = made(shop, specs(2))

    assert [each.outcome for each in told] == [Outcome.UNKNOWN, Outcome.REJECTED]


def test_asks_nothing_more_when_it_may_not_write(shop: WooShop) -> None:
    shop.keys["ck_good"] = ("cs_good", "read", True)

    answer = shop.adapter().create_codes(specs(2))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.UNAUTHORIZED)
    assert answer.reason.startswith(client.READ_ONLY)


def test_sends_nothing_while_the_shop_does_not_say_what_it_has(shop: WooShop) -> None:
    shop.fault("GET", "/products/categories", "throttle")

    answer = shop.adapter().create_codes(specs(2, collections=("5",)))

    assert (answer.outcome, answer.retry_after, shop.coupons) == (Outcome.THROTTLED, 7.0, [])


def test_asks_once_about_a_category_of_all(shop: WooShop) -> None:
    made(shop, specs(20, collections=("5",)))

    assert shop.asked.count("GET /products/categories") == 1


def test_has_nothing_to_send_when_all_are_refused(shop: WooShop) -> None:
    told = made(shop, specs(2, starts_at=datetime.now(UTC) + timedelta(days=3)))

    assert [each.refusal for each in told] == [Refusal.UNSUPPORTED] * 2
    assert shop.asked == []
