"""Discount codes in a Shopify shop, over HTTP with a fake that holds us to Shopify's own schema."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from platforms import registry, tokens
from platforms.adapter import Answer, CodeSpec, CombinesWith, DiscountKind, Outcome, Refusal
from platforms.models import StoreConnection
from tests.fakes.shopify import checks, goods
from tests.fakes.shopify.discounts import Discount
from tests.fakes.shopify.redeeming import RedeemCode
from tests.fakes.shopify.server import Shopify, running_shopify
from tests.fakes.shopify.shop import PASTED, CheckoutRefused

EXPIRES_AT = datetime(2031, 5, 17, 21, 59, 59, tzinfo=UTC)


@pytest.fixture
def fake() -> Iterator[Shopify]:
    with running_shopify() as running:
        yield running


def spec(kind: DiscountKind = DiscountKind.PERCENTAGE, **changes: Any) -> CodeSpec:
    values: dict[str, Any] = {
        "code": f"LOY-{secrets.token_hex(5).upper()}",
        "kind": kind,
        "title": "A reward (rr-1)",
        "reference": "rr-1",
        "currency": "USD",
        "percent": Decimal(10) if kind is DiscountKind.PERCENTAGE else None,
        "amount": Decimal("5.00") if kind is DiscountKind.FIXED_AMOUNT else None,
    }
    return CodeSpec(**(values | changes))


def codes_named(fake: Shopify, code: str) -> list[str]:
    return [one.status for one in fake.shop.discounts.values() if one.code == code]


def test_make_a_percentage_of_the_hundred_shopify_counts_as_one(fake: Shopify) -> None:
    wanted = spec(percent=Decimal("12.5"))

    made = fake.adapter().create_code(wanted).value

    assert made is not None
    assert made.percent == Decimal("12.5")
    assert fake.shop.checkout("jo@example.com", code=wanted.code).discount == Decimal("3.00")


@pytest.mark.parametrize("version", ["2026-07", "2026-10"])
def test_work_with_each_version_of_the_api(fake: Shopify, version: str) -> None:
    adapter = fake.adapter(credentials={"token": PASTED, "version": version})
    wanted = spec(expires_at=EXPIRES_AT, minimum_order=Decimal("20.00"))

    answers: list[Answer[Any]] = [
        adapter.create_code(wanted),
        adapter.find_code(wanted.code),
        adapter.extend_code(wanted.code, "", EXPIRES_AT + timedelta(days=1)),
        adapter.list_codes(""),
        adapter.orders_since(""),
        adapter.disable_code(wanted.code, ""),
        adapter.test_connection(),
    ]

    assert [one.outcome for one in answers] == [Outcome.OK] * 7


def test_are_bound_to_a_customer_the_shop_knows(fake: Shopify) -> None:
    fake.shop.customer("jo@example.com")
    wanted = spec(customer_email="Jo@Example.com")

    assert fake.adapter().create_code(wanted).ok

    with pytest.raises(CheckoutRefused):
        fake.shop.checkout("thief@example.com", code=wanted.code)
    assert fake.shop.checkout("jo@example.com", code=wanted.code).discount == Decimal("2.40")


def test_are_good_once_for_somebody_the_shop_does_not_know(fake: Shopify) -> None:
    wanted = spec(customer_email="new@example.com")

    assert fake.adapter().create_code(wanted).ok

    fake.shop.checkout("new@example.com", code=wanted.code)
    with pytest.raises(CheckoutRefused):
        fake.shop.checkout("new@example.com", code=wanted.code)


def test_say_what_they_are_combined_with(fake: Shopify) -> None:
    wanted = spec(combines_with=frozenset({CombinesWith.SHIPPING, CombinesWith.ORDER}))

    assert fake.adapter().create_code(wanted).ok

    made = fake.shop.by_code(wanted.code)
    assert made is not None
    assert made.given["combinesWith"] == {"orderDiscounts": True, "productDiscounts": False, "shippingDiscounts": True}


def test_refuse_an_order_below_their_minimum(fake: Shopify) -> None:
    wanted = spec(DiscountKind.FREE_DELIVERY, minimum_order=Decimal("24.01"))

    assert fake.adapter().create_code(wanted).ok

    with pytest.raises(CheckoutRefused):
        fake.shop.checkout("jo@example.com", code=wanted.code)
    assert fake.shop.checkout("jo@example.com", code=wanted.code, basket={goods.MUG: 2}).discount == goods.SHIPPING


@pytest.mark.parametrize("reference", [goods.MUG, f"gid://shopify/ProductVariant/{goods.MUG}", goods.MUG_PRODUCT])
def test_make_one_piece_of_a_product_free_and_not_all_of_them(fake: Shopify, reference: str) -> None:
    wanted = spec(DiscountKind.FREE_PRODUCT, product_reference=reference)

    made = fake.adapter().create_code(wanted)

    assert made.value is not None, made.reason
    assert made.value.product_reference == reference
    order = fake.shop.checkout("jo@example.com", code=wanted.code, basket={goods.MUG: 3})
    assert order.discount == goods.PRICES[goods.MUG]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": DiscountKind.FREE_PRODUCT, "product_reference": "mug"}, "'mug' is no product's number"),
        ({"kind": DiscountKind.FREE_PRODUCT, "product_reference": "99"}, "is unknown to the shop"),
        ({"kind": DiscountKind.FREE_PRODUCT, "product_reference": goods.TEE_PRODUCT}, "has several variants"),
        ({"collections": ("kitchen",)}, "'kitchen' is no collection's number"),
        ({"collections": ("999",)}, "The shop refused: The collection or product does not exist"),
        ({"currency": "EUR"}, "The reward is in EUR, but the shop's connection in USD"),
        ({"percent": Decimal(101)}, "at most 100"),
        ({"kind": DiscountKind.FIXED_AMOUNT, "percent": None, "amount": Decimal("1.005")}, "more decimals"),
        ({"kind": DiscountKind.FREE_DELIVERY, "percent": None, "collections": ("501",)}, "cannot limit free delivery"),
    ],
)
def test_say_why_they_cannot_be_made(fake: Shopify, changes: dict[str, Any], sentence: str) -> None:
    answer = fake.adapter().create_code(spec(**({"percent": Decimal(10)} | changes)))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert sentence in answer.reason
    assert not fake.shop.discounts


def test_of_another_are_left_alone(fake: Shopify) -> None:
    theirs = spec()
    fake.shop.create(
        "DiscountCodeBasic",
        {
            "code": theirs.code.lower(), "title": "Summer", "startsAt": "2026-01-01T00:00:00Z", "context": {"all": "ALL"},
            "customerGets": {"items": {"all": True}, "value": {"percentage": 0.5}},
        },
    )  # fmt: skip

    answer = fake.adapter().create_code(theirs)
    found = fake.adapter().find_code(theirs.code).value
    disabled = fake.adapter().disable_code(theirs.code, "77")

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.DUPLICATE_CODE)
    assert found is not None
    assert (found.reference, found.percent, found.alive) == ("", Decimal(50), True)
    assert disabled.value == found


@pytest.fixture
def pool(fake: Shopify) -> Discount:
    """A discount of the merchant's with three codes, of which we hand some out; the first was used."""
    given = {
        "code": "POOL-1", "title": "Pool", "startsAt": "2026-01-01T00:00:00Z", "context": {"all": "ALL"},
        "endsAt": "2031-01-01T00:00:00Z", "customerGets": {"items": {"all": True}, "value": {"percentage": 0.1}},
    }  # fmt: skip
    made, _ = fake.shop.create("DiscountCodeBasic", given)
    assert made is not None
    made.codes[0].uses = made.codes[0].counted = 1
    join(fake, made, "POOL-2", "POOL-22")
    return made


def join(fake: Shopify, discount: Discount, *more: str) -> None:
    """Put further codes under a discount, as the merchant does."""
    discount.codes += [RedeemCode(number=fake.shop.number(), code=code) for code in more]


def test_among_many_of_a_discount_are_counted_alone(fake: Shopify, pool: Discount) -> None:
    fresh, used = fake.adapter().find_code("pool-2").value, fake.adapter().find_code("POOL-1").value

    assert fresh is not None
    assert used is not None
    assert (fresh.code, fresh.uses, fresh.percent) == ("POOL-2", 0, Decimal(10))
    assert (used.code, used.uses) == ("POOL-1", 1)


def test_among_many_of_a_discount_die_alone(fake: Shopify, pool: Discount) -> None:
    remote_id = f"discounts/{pool.number}"

    first = fake.adapter().disable_code("POOL-2", remote_id)
    again = fake.adapter().disable_code("POOL-2", remote_id)

    assert [(one.outcome, one.value) for one in (first, again)] == [(Outcome.OK, None)] * 2
    assert (pool.status, [one.code for one in pool.codes]) == ("ACTIVE", ["POOL-1", "POOL-22"])


def test_among_many_of_a_discount_are_not_prolonged_with_all_the_others(fake: Shopify, pool: Discount) -> None:
    before = pool.ends_at

    answer = fake.adapter().extend_code("POOL-2", "", EXPIRES_AT)

    assert answer.value is not None
    assert answer.value.expires_at == before == pool.ends_at


def test_among_many_of_a_discount_are_all_listed(fake: Shopify, pool: Discount) -> None:
    join(fake, pool, *(f"POOL-{number}" for number in range(100, 160)))
    before, after = spec(), spec()
    fake.shop.discounts = {}
    fake.adapter().create_code(before)
    pool.number = fake.shop.number()
    fake.shop.discounts[pool.number] = pool
    fake.adapter().create_code(after)

    listed: list[str] = []
    cursor, more = "", True
    while more:
        page = fake.adapter().list_codes(cursor).value
        assert page is not None
        listed += [one.code for one in page.codes]
        cursor, more = page.cursor, page.more

    assert sorted(listed) == sorted([before.code, after.code, *(one.code for one in pool.codes)])


def test_stored_otherwise_are_switched_off_again(fake: Shopify) -> None:
    fake.shop.currency = "EUR"
    wanted = spec(DiscountKind.FIXED_AMOUNT)

    answer = fake.adapter(currency="USD").create_code(wanted)

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.OTHER)
    assert answer.reason == "The shop stored another currency than we asked for, so the code was switched off there."
    assert codes_named(fake, wanted.code) == ["EXPIRED"]


@pytest.mark.parametrize("kind", ["504_after", "drop_after", "malformed_after", "internal_after"])
def test_made_without_an_answer_are_found_by_looking(fake: Shopify, kind: str) -> None:
    fake.fault("CreateBasic", kind)
    wanted = spec()

    made = fake.adapter().create_code(wanted)
    found = fake.adapter().find_code(wanted.code).value
    again = fake.adapter().create_code(wanted)

    assert made.outcome is Outcome.UNKNOWN
    assert found is not None
    assert found.reference == "rr-1"
    assert again.refusal is Refusal.DUPLICATE_CODE
    assert codes_named(fake, wanted.code) == ["ACTIVE"]


def test_made_too_slowly_are_unknown(fake: Shopify) -> None:
    fake.fault("CreateBasic", "timeout_after", seconds=1.5)
    wanted = spec()

    made = fake.adapter(timeout=0.7).create_code(wanted)

    assert made.outcome is Outcome.UNKNOWN
    assert codes_named(fake, wanted.code) == ["ACTIVE"]


@pytest.mark.parametrize("kind", ["502", "500", "drop"])
def test_not_made_are_unknown_until_somebody_looks(fake: Shopify, kind: str) -> None:
    fake.fault("CreateBasic", kind)
    wanted = spec()

    made = fake.adapter().create_code(wanted)
    found = fake.adapter().find_code(wanted.code)

    assert made.outcome is Outcome.UNKNOWN
    assert (found.outcome, found.value) == (Outcome.OK, None)


def test_wait_for_as_long_as_the_bucket_takes_to_fill(fake: Shopify) -> None:
    fake.fault("CreateBasic", "throttled")
    fake.fault("FindCode", "429")
    wanted = spec()

    made = fake.adapter().create_code(wanted)
    found = fake.adapter().find_code(wanted.code)

    assert made.outcome is Outcome.THROTTLED
    assert made.retry_after == pytest.approx((fake.costs["CreateBasic"] - 5) / 10)
    assert (found.outcome, found.retry_after) == (Outcome.THROTTLED, 2.0)
    assert not fake.shop.discounts


def test_need_no_question_that_costs_more_than_shopify_answers(fake: Shopify) -> None:
    adapter = fake.adapter()

    for answer in (adapter.list_codes(""), adapter.orders_since(""), adapter.find_code("A"), adapter.read_order("1")):
        assert answer.ok, answer.reason

    assert 0 < max(fake.costs.values()) <= checks.MOST_COST


def test_renamed_by_the_merchant_are_switched_off_by_their_number(fake: Shopify) -> None:
    wanted = spec()
    made = fake.adapter().create_code(wanted).value
    assert made is not None
    fake.shop.discounts[int(made.remote_id.removeprefix("discounts/"))].codes[0].code = "RENAMED"

    answer = fake.adapter().disable_code(wanted.code, made.remote_id)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert codes_named(fake, "RENAMED") == ["EXPIRED"]


def test_used_already_are_switched_off_and_keep_their_count(fake: Shopify) -> None:
    wanted = spec()
    fake.adapter().create_code(wanted)
    fake.shop.checkout("jo@example.com", code=wanted.code)

    answer = fake.adapter().disable_code(wanted.code, "")

    assert answer.value is not None
    assert (answer.value.alive, answer.value.uses) == (False, 1)


def test_switched_off_half_way_are_finished_the_next_time(fake: Shopify) -> None:
    wanted = spec()
    fake.adapter().create_code(wanted)
    fake.fault("UpdateBasic", "502")

    first = fake.adapter().disable_code(wanted.code, "")
    second = fake.adapter().disable_code(wanted.code, "")
    extended = fake.adapter().extend_code(wanted.code, "", EXPIRES_AT)

    assert (first.outcome, second.outcome) == (Outcome.UNKNOWN, Outcome.OK)
    assert extended.value is not None
    assert extended.value.alive is False
    assert codes_named(fake, wanted.code) == ["EXPIRED"]


def test_count_a_use_that_only_the_search_knows(fake: Shopify) -> None:
    wanted = spec()
    fake.adapter().create_code(wanted)
    fake.shop.counts_late = True
    fake.shop.checkout("jo@example.com", code=wanted.code)

    found = fake.adapter().find_code(wanted.code).value

    assert found is not None
    assert found.uses == 1


def test_count_a_use_that_only_the_counter_knows(fake: Shopify) -> None:
    wanted = spec()
    fake.adapter().create_code(wanted)
    fake.shop.searches_late = True
    fake.shop.checkout("jo@example.com", code=wanted.code)

    found = fake.adapter().find_code(wanted.code).value

    assert found is not None
    assert found.uses == 1


def test_count_no_use_of_an_unpaid_a_canceled_or_a_test_order(fake: Shopify) -> None:
    unpaid, canceled, tried = spec(), spec(), spec()
    for one in (unpaid, canceled, tried):
        assert fake.adapter().create_code(one).ok
    fake.shop.checkout("jo@example.com", code=unpaid.code, pay=False)
    fake.shop.cancel(fake.shop.checkout("jo@example.com", code=canceled.code).number)
    fake.shop.checkout("jo@example.com", code=tried.code, test=True)

    listed = fake.adapter().list_codes("").value

    assert listed is not None
    assert [one.uses for one in listed.codes] == [0, 0, 0]
    trial = fake.adapter(credentials={"token": PASTED, "test_orders": "yes"})
    found = trial.find_code(tried.code).value
    assert found is not None
    assert found.uses == 1


def test_are_listed_page_by_page_whatever_is_made_meanwhile(fake: Shopify) -> None:
    wanted = [spec() for _ in range(17)]
    for one in wanted:
        assert fake.adapter().create_code(one).ok

    first = fake.adapter().list_codes("").value
    fake.adapter().create_code(spec())
    assert first is not None
    second = fake.adapter().list_codes(first.cursor).value

    assert second is not None
    assert (len(first.codes), first.more, second.more) == (15, True, False)
    assert {one.code for one in wanted} <= {one.code for one in first.codes + second.codes}
    assert fake.adapter().list_codes("no cursor").refusal is Refusal.INVALID


def test_need_one_token_for_many_questions(fake: Shopify) -> None:
    fake.adapter().find_code("A")
    fake.adapter().find_code("B")

    assert fake.asked == ["token", "FindCode", "FindCode"]


def test_need_a_new_token_when_the_old_one_was_revoked(fake: Shopify) -> None:
    fake.adapter().find_code("A")
    fake.shop.tokens.clear()

    answer = fake.adapter().find_code("B")

    assert answer.ok
    assert fake.asked == ["token", "FindCode", "token", "FindCode"]


def test_need_a_new_token_shortly_before_the_old_one_ends(fake: Shopify) -> None:
    fake.shop.token_seconds = int(tokens.EARLY_SECONDS)

    fake.adapter().find_code("A")
    fake.adapter().find_code("B")

    assert fake.asked == ["token", "FindCode", "token", "FindCode"]


def test_are_not_sent_when_no_token_came(fake: Shopify) -> None:
    fake.fault("token", "502")

    answer = fake.adapter().create_code(spec())

    assert answer.outcome is Outcome.NOT_SENT
    assert "gave none, so nothing else was asked" in answer.reason
    assert not fake.shop.discounts


@pytest.mark.parametrize("remote_id", ["discounts/1061", "gift_cards/77"])
def test_have_a_page_in_the_admin_of_the_shop(remote_id: str) -> None:
    shop = StoreConnection(platform="shopify", base_url="https://lilies.myshopify.com/")

    assert registry.code_url(shop, remote_id=remote_id) == f"https://lilies.myshopify.com/admin/{remote_id}"
