"""The contract of adapters that put many codes under one discount, each against its real shop over HTTP."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from platforms import registry
from platforms.adapter import BulkDiscounts, CodeSpec, DiscountKind, Outcome, PlatformCode, Refusal
from tests.fakes.contract import Harness
from tests.platforms.test_contract import HARNESSES, all_codes

ABLE = sorted(key for key, adapter in registry.ADAPTERS.items() if adapter.capabilities.bulk_discounts is not None)
EXPIRES_AT = datetime(2031, 5, 17, 21, 59, 59, tzinfo=UTC)


@pytest.fixture(scope="module", params=ABLE)
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with HARNESSES[request.param](tmp_path_factory.mktemp(request.param)) as harness:
        yield harness


def adapter_of(shop: Harness) -> Any:
    """A BulkDiscountAdapter."""
    return shop.adapter()


def able(shop: Harness) -> BulkDiscounts:
    found = shop.adapter().capabilities.bulk_discounts
    assert found is not None
    return found


def specs(
    shop: Harness, count: int = 3, kind: DiscountKind = DiscountKind.PERCENTAGE, **changes: Any
) -> list[CodeSpec]:
    """Codes nobody has yet, under a reference of their own."""
    shared = {"reference": f"cb-{secrets.randbelow(10**9)}-1", "in_bulk": True, **changes}
    return [shop.spec(kind, **shared) for _ in range(count)]


def made(shop: Harness, wanted: list[CodeSpec]) -> list[PlatformCode]:
    """All of them, each made."""
    answer = adapter_of(shop).create_bulk(wanted)
    assert answer.ok, answer.reason
    assert [one.outcome for one in answer.value] == [Outcome.OK] * len(wanted), [one.reason for one in answer.value]
    return [one.value for one in answer.value]


def found(shop: Harness, code: str) -> PlatformCode:
    answer = shop.adapter().find_code(code)
    assert answer.value is not None, answer.reason
    return answer.value


def buy(shop: Harness, code: PlatformCode) -> str:
    return shop.buy(email=f"{secrets.token_hex(4)}@example.com", code=code.code)


def require_usable(shop: Harness, *codes: PlatformCode) -> None:
    for code in codes:
        order = shop.adapter().read_order(buy(shop, code)).value
        assert order is not None
        assert [one.code.upper() for one in order.codes] == [code.code.upper()]


def test_has_its_methods_where_it_says_so() -> None:
    for key, adapter in registry.ADAPTERS.items():
        has = {hasattr(adapter, name) for name in ("create_bulk", "find_bulk")}
        assert has == {key in ABLE}, key


def test_says_what_it_can_make_of_single_codes(shop: Harness) -> None:
    single, many = shop.adapter().capabilities, able(shop)

    assert many.most > 1
    assert many.kinds
    assert many.kinds <= single.kinds
    assert many.collections <= many.kinds & single.collections


def test_makes_many_codes_in_one_call_each_good_once_and_counted_alone(shop: Harness) -> None:
    wanted = specs(shop, 30)

    codes = made(shop, wanted)

    assert len({one.code.upper() for one in codes}) == 30
    assert {(one.alive, one.reference, one.percent, one.uses or 0) for one in codes} == {
        (True, wanted[0].reference, Decimal(10), 0)
    }
    used, fresh = codes[:15], codes[15:]
    for code in used:
        buy(shop, code)
        assert shop.refuses(code.code)
    assert 0 not in [found(shop, one.code).uses for one in used]  # unknown where the shop does not say who paid
    assert [found(shop, one.code) for one in fresh] == fresh
    require_usable(shop, *fresh)


def test_gives_each_the_text_that_was_asked_for_unless_it_says_otherwise(shop: Harness) -> None:
    wanted = specs(shop)

    codes = made(shop, wanted)

    if able(shop).invents_codes:
        assert not {one.code.upper() for one in codes} & {one.code for one in wanted}
        prefixes = {one.code.upper().rpartition("-")[0] for one in codes}
        assert prefixes == {one.code.rpartition("-")[0] for one in wanted}
    else:
        assert [one.code.upper() for one in codes] == [one.code for one in wanted]


def test_shows_with_each_code_no_word_of_the_others(shop: Harness) -> None:
    told = adapter_of(shop).create_bulk(specs(shop, 5)).value

    for place, one in enumerate(told):
        others = [other.value.code for other in (*told[:place], *told[place + 1 :])]
        assert not any(text in one.observed.excerpt for text in others)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_refuses_a_name_that_another_has_for_that_code_alone(shop: Harness, place: int) -> None:
    if able(shop).invents_codes:
        return  # nobody has its names before
    wanted = specs(shop)
    theirs = shop.spec(code=wanted[place].code, percent=Decimal(25))
    assert shop.adapter().create_code(theirs).ok
    before = found(shop, theirs.code)

    answer = adapter_of(shop).create_bulk(wanted)

    expected: list[Refusal | None] = [None] * 3
    expected[place] = Refusal.DUPLICATE_CODE
    assert [one.refusal for one in answer.value] == expected
    assert found(shop, theirs.code) == before
    require_usable(shop, *(one.value for one in answer.value if one.ok))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_kills_one_and_harms_no_other_however_often(shop: Harness, place: int) -> None:
    codes = made(shop, specs(shop))
    gone, others = codes[place], codes[:place] + codes[place + 1 :]

    answers = [shop.adapter().disable_code(gone.code, remote_id) for remote_id in (gone.remote_id, gone.remote_id, "")]

    assert [one.outcome for one in answers] == [Outcome.OK] * 3
    assert not any(one.value.alive for one in answers if one.value is not None)
    assert shop.refuses(gone.code)
    now = shop.adapter().find_code(gone.code)
    assert now.ok
    assert now.value is None or not now.value.alive
    require_usable(shop, *others)


def test_kills_all_of_them_one_after_another(shop: Harness) -> None:
    codes = made(shop, specs(shop))

    for place, code in enumerate(codes):
        assert shop.adapter().disable_code(code.code, code.remote_id).ok
        assert [found(shop, other.code).alive for other in codes[place + 1 :]] == [True] * (2 - place)

    assert all(shop.refuses(code.code) for code in codes)


def test_harms_nobody_for_a_code_that_was_never_there(shop: Harness) -> None:
    codes = made(shop, specs(shop))

    shared = codes[0].remote_id if codes[0].remote_id == codes[1].remote_id else ""

    answer = shop.adapter().disable_code("NEVER-MADE", shared)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    require_usable(shop, *codes[1:])


def test_kills_a_used_one_and_leaves_the_others(shop: Harness) -> None:
    codes = made(shop, specs(shop))
    order_id = buy(shop, codes[0])

    answer = shop.adapter().disable_code(codes[0].code, codes[0].remote_id)

    assert answer.ok, answer.reason
    order = shop.adapter().read_order(order_id).value
    assert order is not None
    assert [one.code.upper() for one in order.codes] == [codes[0].code.upper()]
    shop.cancel(order_id)
    assert shop.refuses(codes[0].code)  # where cancelling gives the use back, too
    require_usable(shop, *codes[1:])


def test_lists_each_once_with_its_own_uses(shop: Harness) -> None:
    codes = made(shop, specs(shop, 30))
    buy(shop, codes[7])
    names = {one.code for one in codes}

    listed = [one for one in all_codes(shop.adapter()) if one.code in names]

    assert {one.code: one for one in listed} == {one.code: found(shop, one.code) for one in codes}
    assert len(listed) == 30
    assert [one.code for one in listed if one.uses != 0] == [codes[7].code]


def test_lists_the_last_one_that_is_left_as_it_shows_it_alone(shop: Harness) -> None:
    codes = made(shop, specs(shop))
    buy(shop, codes[0])
    for code in codes[:2]:
        assert shop.adapter().disable_code(code.code, code.remote_id).ok

    listed = [one for one in all_codes(shop.adapter()) if one.code == codes[2].code]

    assert listed == [found(shop, codes[2].code)] == [codes[2]]


def test_keeps_minimum_order_and_expiry(shop: Harness) -> None:
    wanted = specs(shop, minimum_order=Decimal("9999.00"), expires_at=EXPIRES_AT)

    codes = made(shop, wanted)

    assert {(one.minimum_order, one.expires_at) for one in codes} == {(Decimal("9999.00"), EXPIRES_AT)}
    assert [found(shop, one.code) for one in codes] == codes
    assert all(shop.refuses(one.code) for one in codes)


def test_brings_no_code_under_the_minimum_and_each_above_it(shop: Harness) -> None:
    require_usable(shop, *made(shop, specs(shop, minimum_order=Decimal("10.00"))))


@pytest.mark.parametrize("kind", list(DiscountKind))
def test_makes_the_kinds_it_says_and_refuses_the_others_whole(shop: Harness, kind: DiscountKind) -> None:
    wanted = specs(shop, 3, kind)

    if kind not in able(shop).kinds:
        answer = adapter_of(shop).create_bulk(wanted)
        assert (answer.outcome, answer.refusal, answer.value) == (Outcome.REJECTED, Refusal.UNSUPPORTED, None)
        assert answer.reason.endswith(".")
        return
    codes = made(shop, wanted)

    shared = (wanted[0].percent, wanted[0].amount, wanted[0].product_reference)
    assert {(one.percent, one.amount, one.product_reference) for one in codes} == {shared}
    for code in codes:
        buy(shop, code)
        assert shop.refuses(code.code)


@pytest.mark.parametrize("kind", list(DiscountKind))
def test_limits_them_to_collections_for_the_kinds_it_says(shop: Harness, kind: DiscountKind) -> None:
    wanted = specs(shop, 2, kind, collections=(shop.collection,))

    if kind not in able(shop).collections:
        assert adapter_of(shop).create_bulk(wanted).outcome is Outcome.REJECTED
        return
    codes, other = made(shop, wanted), made(shop, specs(shop, 2, kind, collections=(shop.other,)))

    assert {one.collections for one in codes} == {(shop.collection,)}
    require_usable(shop, *codes)
    assert all(shop.refuses(one.code) for one in other)


def test_refuses_what_cannot_be_codes_of_one_discount_whole(shop: Harness) -> None:
    wanted = specs(shop)
    unfit = {
        "more than it says": specs(shop, able(shop).most + 1),
        "of two values": [*wanted, replace(wanted[0], code="T-OTHER1", percent=Decimal(11))],
        "of two references": [*wanted, replace(wanted[0], code="T-OTHER2", reference="cb-1-1")],
        "for one customer": [replace(one, customer_email="jo@example.com") for one in wanted],
        "not to be many": [replace(one, in_bulk=False) for one in wanted],
    }

    answers = {why: adapter_of(shop).create_bulk(those) for why, those in unfit.items()}

    assert {(one.outcome, one.refusal, one.value) for one in answers.values()} == {
        (Outcome.REJECTED, Refusal.INVALID, None)
    }
    assert all(one.reason.endswith(".") for one in answers.values())
    assert adapter_of(shop).find_bulk(wanted[0].reference).value == ()


def test_makes_more_under_the_same_reference_and_tells_exactly_those_there_are(shop: Harness) -> None:
    first = specs(shop)
    codes = made(shop, first)

    codes += made(shop, specs(shop, reference=first[0].reference))
    made(shop, specs(shop, reference=first[0].reference + "1"))
    assert shop.adapter().disable_code(codes[1].code, codes[1].remote_id).ok

    told = adapter_of(shop).find_bulk(first[0].reference).value
    kept = [one for one in codes if one is not codes[1]]
    assert len({one.code.upper() for one in codes}) == 6
    assert sorted((one for one in told if one.alive), key=lambda one: one.code) == sorted(
        kept, key=lambda one: one.code
    )
    require_usable(shop, *kept)


def test_tells_none_under_a_reference_nobody_used(shop: Harness) -> None:
    answer = adapter_of(shop).find_bulk("cb-0-0")

    assert (answer.outcome, answer.value) == (Outcome.OK, ())


def test_says_why_it_was_not_let_in_or_did_not_get_there(shop: Harness) -> None:
    wanted = specs(shop)
    denied: Any = shop.adapter(credentials=shop.wrong_credentials())
    away: Any = shop.switched_off()

    refused = [denied.create_bulk(wanted), denied.find_bulk("cb-0-0")]
    unsent = [away.create_bulk(wanted), away.find_bulk("cb-0-0")]

    assert [(one.outcome, one.refusal) for one in refused] == [(Outcome.REJECTED, Refusal.UNAUTHORIZED)] * 2
    assert [one.outcome for one in unsent] == [Outcome.NOT_SENT] * 2
