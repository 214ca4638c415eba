"""Many codes under one promotion of BigCommerce, whose texts the shop chooses."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from loyalty.common.codes import ALPHABET
from platforms.adapter import Answer, CodeSpec, DiscountKind, Outcome, PlatformCode, Refusal
from platforms.bigcommerce import parents, promotions
from tests.fakes.bigcommerce import PRODUCT, BigCommerceShop, running_store
from tests.platforms.test_bigcommerce import NEXT_YEAR, spec

NAME = "Loyalty Desk cb-12-3"
KINDS = sorted(frozenset(DiscountKind) - {DiscountKind.GIFT_CARD})
Told = Answer[tuple[Answer[PlatformCode], ...]]


@pytest.fixture
def shop() -> Iterator[BigCommerceShop]:
    with running_store() as running:
        yield running


def several(count: int = 3, kind: DiscountKind = DiscountKind.PERCENTAGE, **changes: Any) -> list[CodeSpec]:
    """So many codes of one batch, as a caller numbers them before the shop invents its own."""
    first = spec(kind, **({"reference": "cb-12-3", "in_bulk": True} | changes))
    return [replace(first, code=f"SUMMER-7KQ2M9X{number:03}") for number in range(count)]


def codes_of(told: Told) -> list[PlatformCode]:
    assert told.ok, told.reason
    assert told.value is not None
    return [made(each) for each in told.value]


def made(answer: Answer[PlatformCode]) -> PlatformCode:
    assert answer.ok, answer.reason
    assert answer.value is not None
    return answer.value


def bulk_of(shop: BigCommerceShop) -> list[PlatformCode]:
    answer = shop.adapter().find_bulk("cb-12-3")
    assert answer.ok, answer.reason
    assert answer.value is not None
    return list(answer.value)


def outcomes(told: Told) -> list[Outcome]:
    assert told.value is not None, told.reason
    return [each.outcome for each in told.value]


def only_promotion(shop: BigCommerceShop) -> dict[str, Any]:
    (promotion,) = shop.store.promotions.values()
    return promotion


def test_makes_them_under_one_promotion_in_four_calls(shop: BigCommerceShop):
    wanted = several(250, minimum_order=Decimal("9.50"), expires_at=NEXT_YEAR)

    found = codes_of(shop.adapter().create_bulk(wanted))

    promotion = only_promotion(shop)
    path = f"/v3/promotions/{promotion['id']}"
    assert shop.asked() == ["/v3/promotions", "/v3/promotions", f"{path}/codegen", f"{path}/codes"]
    assert (promotion["name"], promotion["coupon_type"], promotion.get("max_uses")) == (NAME, "BULK", None)
    kept = {code["code"]: code for code in shop.store.codes.values()}
    assert sorted(code.code for code in found) == sorted(kept)
    assert {(code["max_uses"], code["max_uses_per_customer"]) for code in kept.values()} == {(1, 1)}
    assert found == [
        PlatformCode(
            code=code.code, remote_id=f"promotion:{promotion['id']}:{kept[code.code]['id']}", alive=True,
            reference="cb-12-3", uses=0, percent=Decimal(10), minimum_order=Decimal("9.5"), expires_at=NEXT_YEAR,
        )
        for code in found
    ]  # fmt: skip


def test_has_texts_with_our_prefix_and_length_out_of_our_letters(shop: BigCommerceShop):
    found = codes_of(shop.adapter().create_bulk(several(100)))

    assert all(re.fullmatch(rf"SUMMER-[{ALPHABET}]{{10}}", code.code) for code in found)
    assert not {code.code for code in found} & {each.code for each in several(100)}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("7KQ2M9XWPB", "[A-Z0-9]{10}"),
        ("TWO-PARTS-7KQ2M9", "TWO-PARTS-[A-Z0-9]{6}"),
        ("V-" + "7" * 16, "V-[A-Z0-9]{16}"),
    ],
)
def test_takes_the_prefix_for_what_comes_before_the_last_hyphen(shop: BigCommerceShop, text: str, form: str):
    (code,) = codes_of(shop.adapter().create_bulk([replace(several(1)[0], code=text)]))

    assert re.fullmatch(form, code.code)


@pytest.mark.parametrize("kind", KINDS)
def test_makes_each_kind_it_names_good_for_one_order_each(shop: BigCommerceShop, kind: DiscountKind):
    found = codes_of(shop.adapter().create_bulk(several(kind=kind)))

    shop.buy("jo@example.com", code=found[0].code)

    assert kind in shop.adapter().capabilities.bulk_discounts.kinds
    assert [shop.would_take(code.code) for code in found] == [False, True, True]
    assert {(code.percent, code.amount, code.product_reference) for code in found} == {
        (
            Decimal(10) if kind is DiscountKind.PERCENTAGE else None,
            Decimal(5) if kind is DiscountKind.FIXED_AMOUNT else None,
            str(PRODUCT) if kind is DiscountKind.FREE_PRODUCT else "",
        )
    }


def test_lets_all_of_them_begin_on_a_day_to_come(shop: BigCommerceShop):
    found = codes_of(shop.adapter().create_bulk(several(starts_at=NEXT_YEAR)))

    assert datetime.fromisoformat(only_promotion(shop)["start_date"]) == NEXT_YEAR
    assert [(code.alive, shop.would_take(code.code)) for code in found] == [(True, False)] * 3


@pytest.mark.parametrize(
    ("specs", "refusal", "said"),
    [
        (lambda: several(251), Refusal.INVALID, "at most 250 codes"),
        (lambda: several(kind=DiscountKind.GIFT_CARD), Refusal.UNSUPPORTED, "gift certificate by itself"),
        (lambda: several(collections=("21",)), Refusal.INVALID, "made in bulk to categories"),
        (lambda: several(percent=Decimal(101)), Refusal.INVALID, "at most 100"),
        (lambda: several(currency="EUR"), Refusal.INVALID, "default currency is USD"),
        (lambda: several(reference="cb 12"), Refusal.INVALID, "reference"),
        (lambda: several(customer_email="jo@example.com"), Refusal.INVALID, "for anybody"),
        (lambda: [replace(each, in_bulk=False) for each in several()], Refusal.INVALID, "for anybody"),
        (lambda: [*several(2), replace(several(3)[2], percent=Decimal(11))], Refusal.INVALID, "share all its terms"),
        (lambda: [*several(2), replace(several(3)[2], reference="cb-12-4")], Refusal.INVALID, "share all its terms"),
        (lambda: [*several(2), replace(several(1)[0], code="WINTER-7KQ2M9XWPB")], Refusal.INVALID, "one prefix"),
        (lambda: [*several(2), replace(several(1)[0], code="SUMMER-7KQ2M9")], Refusal.INVALID, "one prefix"),
        (lambda: [replace(several(1)[0], code="SUMMER-7KQ2M")], Refusal.INVALID, "6 to 16"),
        (lambda: [replace(several(1)[0], code="summer-7KQ2M9XWPB")], Refusal.INVALID, "Correct the prefix"),
        (lambda: [replace(several(1)[0], code="S" * 21 + "-7KQ2M9XWPB")], Refusal.INVALID, "Correct the prefix"),
    ],
)  # fmt: skip
def test_says_before_asking_what_cannot_be_one_batch(
    shop: BigCommerceShop, specs: Callable[[], list[CodeSpec]], refusal: Refusal, said: str
):
    answer = shop.adapter().create_bulk(specs())

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, refusal)
    assert said in answer.reason
    assert shop.requests == []


def test_takes_the_first_title_where_languages_differ(shop: BigCommerceShop):
    first, second = several(2)

    codes_of(shop.adapter().create_bulk([replace(first, title="Ten off"), replace(second, title="Zehn weniger")]))

    assert only_promotion(shop)["display_name"] == "Ten off"


def test_asks_nobody_for_no_codes(shop: BigCommerceShop):
    answer = shop.adapter().create_bulk([])

    assert (answer.outcome, answer.value, shop.requests) == (Outcome.OK, (), [])


def test_makes_more_under_the_same_promotion(shop: BigCommerceShop):
    first = codes_of(shop.adapter().create_bulk(several()))
    shop.buy("jo@example.com", code=first[0].code)

    second = codes_of(shop.adapter().create_bulk(several(2)))

    assert len(shop.store.promotions) == 1
    assert [(code.alive, code.uses) for code in second] == [(True, 0)] * 2
    assert [code.code for code in bulk_of(shop)] == [code.code for code in (*first, *second)]


def test_finds_its_own_among_more_codes_than_fill_a_page(shop: BigCommerceShop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(promotions, "MOST_CODES", 4)
    shop.adapter().create_bulk(several(11))

    second = codes_of(shop.adapter().create_bulk(several(3)))

    assert all(code.remote_id for code in second)
    assert len(bulk_of(shop)) == 14


def test_finds_its_promotion_among_more_of_a_like_name_than_fill_a_page(
    shop: BigCommerceShop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(promotions, "MOST_LISTED", 2)
    shop.store.names_alike = True
    for number in range(5):
        shop.adapter().create_bulk(several(1, reference=f"cb-12-3{number}"))
    found = codes_of(shop.adapter().create_bulk(several()))

    assert bulk_of(shop) == found
    assert codes_of(shop.adapter().create_bulk(several(1))) == bulk_of(shop)[3:]


@pytest.mark.parametrize(
    ("change", "refusal", "said"),
    [
        ({"status": "DISABLED"}, Refusal.INVALID, "does not run in the shop now"),
        ({"status": "INVALID"}, Refusal.INVALID, "does not run in the shop now"),
        ({"end_date": "2026-02-01T00:00:00+00:00"}, Refusal.INVALID, "has another expiry than this reward"),
        ({"max_uses": 5}, Refusal.INVALID, "has another limit of uses than this reward"),
        ({"coupon_type": "SINGLE"}, Refusal.OTHER, "for a single code"),
    ],
)
def test_makes_no_more_under_a_promotion_that_somebody_changed(
    shop: BigCommerceShop, change: dict[str, Any], refusal: Refusal, said: str
):
    codes_of(shop.adapter().create_bulk(several()))
    only_promotion(shop).update(change)
    before = dict(only_promotion(shop))

    answer = shop.adapter().create_bulk(several())

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, refusal)
    assert f"“{NAME}”" in answer.reason
    assert said in answer.reason
    assert (only_promotion(shop), len(shop.store.codes)) == (before, 3)


def test_makes_no_more_when_somebody_switched_off_one_of_two_of_that_name(shop: BigCommerceShop):
    shop.fault("late", "POST", "/v3/promotions")
    shop.adapter().create_bulk(several())
    codes_of(shop.adapter().create_bulk(several()))
    shop.catch_up()
    first, _ = shop.store.promotions.values()
    first["status"] = "DISABLED"

    answer = shop.adapter().create_bulk(several())

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert len(shop.store.codes) == 3


def test_finds_none_where_there_is_none(shop: BigCommerceShop):
    answer = shop.adapter().find_bulk("cb-12-3")

    assert (answer.outcome, answer.value, shop.asked()) == (Outcome.OK, (), ["/v3/promotions"])


def test_finds_each_as_it_is_now_and_none_that_is_gone(shop: BigCommerceShop):
    used, gone, fresh = codes_of(shop.adapter().create_bulk(several()))
    shop.buy("jo@example.com", code=used.code)
    shop.adapter().disable_code(gone.code, gone.remote_id)

    found = bulk_of(shop)

    assert found == [replace(used, alive=False, uses=None), fresh]
    assert found == [shop.adapter().find_code(code.code).value for code in (used, fresh)]


def test_finds_those_of_that_reference_alone(shop: BigCommerceShop):
    ours = codes_of(shop.adapter().create_bulk(several()))
    shop.adapter().create_bulk(several(reference="cb-12-31"))
    alone = shop.adapter().create_code(spec(DiscountKind.FREE_PRODUCT, reference="cb-12-3", code="LOY-ALONE"))

    assert alone.refusal is Refusal.OTHER
    assert bulk_of(shop) == ours


def test_sends_nothing_to_a_shop_that_is_switched_off(shop: BigCommerceShop):
    adapter = shop.adapter(base_url="http://127.0.0.1:9/stores/abcde")

    answers: list[Answer[Any]] = [adapter.create_bulk(several()), adapter.find_bulk("cb-12-3")]

    assert [answer.outcome for answer in answers] == [Outcome.NOT_SENT] * 2


def test_knows_a_promotion_of_many_codes_by_its_type_alone():
    assert [parents.is_bulk({"coupon_type": each}) for each in ("BULK", "SINGLE", None)] == [True, False, False]
