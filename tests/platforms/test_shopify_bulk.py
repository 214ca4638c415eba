"""Codes made together under one discount of a Shopify shop, over HTTP with the fake that adds them after its answer."""

import math
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from platforms.adapter import Answer, CodeSpec, DiscountKind, Outcome, PlatformCode, Refusal
from platforms.shopify import bulk
from tests.fakes.shopify import checks, goods
from tests.fakes.shopify.redeeming import problem
from tests.fakes.shopify.server import Shopify, running_shopify
from tests.fakes.shopify.shop import PASTED

EXPIRES_AT = datetime(2031, 5, 17, 21, 59, 59, tzinfo=UTC)
Answers = tuple[Answer[PlatformCode], ...]


@pytest.fixture
def fake() -> Iterator[Shopify]:
    with running_shopify() as running:
        running.bulk.looks = 0
        yield running


def specs(count: int = 3, kind: DiscountKind = DiscountKind.PERCENTAGE, **changes: Any) -> list[CodeSpec]:
    values: dict[str, Any] = {
        "kind": kind,
        "title": "10% off (cb-12-3)",
        "reference": "cb-12-3",
        "currency": "USD",
        "percent": Decimal(10) if kind is DiscountKind.PERCENTAGE else None,
        "in_bulk": True,
    }
    return [CodeSpec(**({"code": f"LOY-{secrets.token_hex(5).upper()}"} | values | changes)) for _ in range(count)]


def told(answer: Answer[Answers]) -> Answers:
    assert answer.ok, answer.reason
    assert answer.value is not None
    return answer.value


def made(fake: Shopify, wanted: list[CodeSpec]) -> list[PlatformCode]:
    """All of them, each made."""
    found = [one.value for one in told(fake.adapter().create_bulk(wanted))]
    assert None not in found
    return [one for one in found if one is not None]


def taken_by_another(fake: Shopify, code: str) -> None:
    given = {
        "code": code, "title": "Summer", "startsAt": "2026-01-01T00:00:00Z", "context": {"all": "ALL"},
        "customerGets": {"items": {"all": True}, "value": {"percentage": 0.5}},
    }  # fmt: skip
    assert fake.shop.create("DiscountCodeBasic", given)[1] == []


def outcomes(answers: Answers) -> list[Outcome | Refusal]:
    return [one.refusal or one.outcome for one in answers]


def test_are_codes_of_one_discount_that_share_all_but_their_text(fake: Shopify) -> None:
    wanted = specs(5, minimum_order=Decimal("20.00"), expires_at=EXPIRES_AT)

    found = made(fake, wanted)

    [discount] = fake.shop.discounts.values()
    assert [one.code for one in discount.codes] == [one.code for one in found] == [one.code for one in wanted]
    assert {replace(one, code="") for one in found} == {
        PlatformCode(
            code="", remote_id=f"discounts/{discount.number}", alive=True, reference="cb-12-3", uses=0,
            percent=Decimal(10), minimum_order=Decimal("20.00"), expires_at=EXPIRES_AT,
        )
    }  # fmt: skip
    assert found == [fake.adapter().find_code(one.code).value for one in wanted]


def test_bear_the_title_of_the_first(fake: Shopify) -> None:
    first, second = specs(2)

    made(fake, [first, replace(second, title="10 % Rabatt (cb-12-3)")])

    assert [one.given["title"] for one in fake.shop.discounts.values()] == [first.title]


def test_cost_few_questions_of_few_points_however_many_they_are(fake: Shopify) -> None:
    fake.bulk.looks = 1

    made(fake, specs(250))

    assert fake.asked == ["token", "CreateBasic", "AddToMany", "BulkProgress", "BulkProgress"]
    assert fake.costs["BulkProgress"] == 1
    assert sum(fake.costs.values()) < 200


@pytest.mark.parametrize("version", ["2026-07", "2026-10"])
def test_work_with_each_version_of_the_api(fake: Shopify, version: str) -> None:
    adapter = fake.adapter(credentials={"token": PASTED, "version": version})
    wanted = specs()
    taken_by_another(fake, wanted[2].code)

    answers = told(adapter.create_bulk(wanted))
    asked: list[Answer[Any]] = [
        adapter.find_code(wanted[0].code),
        adapter.find_bulk("cb-12-3"),
        adapter.list_codes(""),
        adapter.disable_code(wanted[0].code, ""),
    ]

    assert outcomes(answers) == [Outcome.OK, Outcome.OK, Refusal.DUPLICATE_CODE]
    assert [one.outcome for one in asked] == [Outcome.OK] * 4


@pytest.mark.parametrize("kind", [DiscountKind.FREE_DELIVERY, DiscountKind.FREE_PRODUCT])
def test_of_other_kinds_are_made_and_found_alike(fake: Shopify, kind: DiscountKind) -> None:
    wanted = specs(3, kind, product_reference=goods.MUG if kind is DiscountKind.FREE_PRODUCT else "")

    found = made(fake, wanted)

    assert found == [fake.adapter().find_code(one.code).value for one in wanted]
    worth = goods.SHIPPING if kind is DiscountKind.FREE_DELIVERY else goods.PRICES[goods.MUG]
    assert [fake.shop.checkout("jo@example.com", code=one.code).discount for one in found] == [worth] * 3


@pytest.mark.parametrize("place", [0, 1, 2])
def test_refuse_a_name_that_another_has_for_that_code_alone(fake: Shopify, place: int) -> None:
    wanted = specs()
    taken_by_another(fake, wanted[place].code.lower())

    answers = told(fake.adapter().create_bulk(wanted))

    assert [number for number, one in enumerate(answers) if one.refusal is Refusal.DUPLICATE_CODE] == [place]
    assert sum(one.ok for one in answers) == 2
    theirs = fake.adapter().find_code(wanted[place].code).value
    assert theirs is not None
    assert (theirs.reference, theirs.percent, theirs.alive) == ("", Decimal(50), True)


def test_of_which_all_names_are_taken_make_no_discount(fake: Shopify) -> None:
    wanted = specs()
    for one in wanted:
        taken_by_another(fake, one.code)

    answers = told(fake.adapter().create_bulk(wanted))

    assert outcomes(answers) == [Refusal.DUPLICATE_CODE] * 3
    assert len(fake.shop.discounts) == 3


def test_are_told_one_by_one_over_several_pages_when_some_could_not_be_made(fake: Shopify) -> None:
    wanted = specs(250)
    wanted[120] = replace(wanted[120], code="X" * 300)
    taken_by_another(fake, wanted[249].code)

    answers = told(fake.adapter().create_bulk(wanted))

    failed = {number: one for number, one in enumerate(answers) if not one.ok}
    assert {number: one.refusal for number, one in failed.items()} == {
        120: Refusal.INVALID,
        249: Refusal.DUPLICATE_CODE,
    }
    assert failed[120].reason == "The shop refused: Code is too long"
    assert fake.asked.count("BulkResults") == 3
    assert max(fake.costs.values()) <= checks.MOST_COST


def test_whose_results_do_not_come_are_unknown_but_for_the_first(fake: Shopify) -> None:
    wanted = specs()
    taken_by_another(fake, wanted[2].code)
    fake.fault("BulkResults", "502")

    answers = told(fake.adapter().create_bulk(wanted))

    assert outcomes(answers) == [Outcome.OK, Outcome.UNKNOWN, Outcome.UNKNOWN]


@pytest.mark.parametrize("kind", ["504_after", "drop_after", "malformed_after", "internal_after"])
def test_added_without_an_answer_are_found_by_looking(fake: Shopify, kind: str) -> None:
    fake.fault("AddToMany", kind)
    wanted = specs()

    answers = told(fake.adapter().create_bulk(wanted))
    found = [fake.adapter().find_code(one.code).value for one in wanted]

    assert outcomes(answers) == [Outcome.OK, Outcome.UNKNOWN, Outcome.UNKNOWN]
    assert [one.reference for one in found if one is not None] == ["cb-12-3"] * 3


@pytest.mark.parametrize("kind", ["502", "500", "drop"])
def test_not_added_are_unknown_until_they_are_made_under_another_discount(fake: Shopify, kind: str) -> None:
    fake.fault("AddToMany", kind)
    wanted = specs()

    answers = told(fake.adapter().create_bulk(wanted))
    absent = [fake.adapter().find_code(one.code) for one in wanted[1:]]
    made(fake, wanted[1:])

    assert outcomes(answers) == [Outcome.OK, Outcome.UNKNOWN, Outcome.UNKNOWN]
    assert [(one.outcome, one.value) for one in absent] == [(Outcome.OK, None)] * 2
    assert [len(one.codes) for one in fake.shop.discounts.values()] == [1, 2]
    assert {one.code for one in fake.adapter().find_bulk("cb-12-3").value or ()} == {one.code for one in wanted}


def test_that_are_never_added_are_unknown_when_time_is_up(fake: Shopify) -> None:
    fake.bulk.seconds = math.inf
    began = time.monotonic()

    answers = told(fake.adapter(timeout=1.5).create_bulk(specs()))

    assert outcomes(answers) == [Outcome.OK, Outcome.UNKNOWN, Outcome.UNKNOWN]
    assert answers[1].reason == bulk.UNTOLD
    assert time.monotonic() - began < 1.6
    assert fake.asked.count("BulkProgress") == 2


def test_that_are_added_after_a_while_are_waited_for(fake: Shopify) -> None:
    fake.bulk.seconds = 0.6

    made(fake, specs())


def test_are_looked_for_again_after_a_look_without_an_answer(fake: Shopify) -> None:
    fake.fault("BulkProgress", "502")
    fake.fault("BulkProgress", "429")

    made(fake, specs())

    assert fake.asked.count("BulkProgress") == 3


@pytest.mark.parametrize(("kind", "looks"), [("502", bulk.FAILURES_IN_A_ROW), ("403", 1)])
def test_are_not_looked_for_forever_where_no_answer_comes(fake: Shopify, kind: str, looks: int) -> None:
    fake.fault("BulkProgress", kind, times=99)

    answers = told(fake.adapter().create_bulk(specs()))

    assert outcomes(answers) == [Outcome.OK, Outcome.UNKNOWN, Outcome.UNKNOWN]
    assert fake.asked.count("BulkProgress") == looks


def test_wait_for_the_bucket_to_fill_with_nothing_added(fake: Shopify) -> None:
    fake.fault("AddToMany", "throttled")

    answers = told(fake.adapter().create_bulk(specs()))

    assert outcomes(answers) == [Outcome.OK, Outcome.THROTTLED, Outcome.THROTTLED]
    assert answers[1].retry_after is not None
    assert [len(one.codes) for one in fake.shop.discounts.values()] == [1]


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("throttled", Outcome.THROTTLED), ("drop_after", Outcome.UNKNOWN), ("403", Outcome.REJECTED)],
)
def test_share_the_fate_of_the_first(fake: Shopify, kind: str, outcome: Outcome) -> None:
    fake.fault("CreateBasic", kind)

    answer = fake.adapter().create_bulk(specs())

    assert (answer.outcome, answer.value) == (outcome, None)
    assert "AddToMany" not in fake.asked


def test_refused_together_are_refused_for_those_that_are_named(fake: Shopify) -> None:
    fake.bulk.refusals = [problem(["codes", "1", "code"], "TAKEN", "Code is taken")]

    answers = told(fake.adapter().create_bulk(specs(4)))

    assert outcomes(answers) == [Outcome.OK, Outcome.UNKNOWN, Refusal.DUPLICATE_CODE, Outcome.UNKNOWN]


@pytest.mark.parametrize(
    ("code", "expected"),
    [("EXCEEDED_MAX", Refusal.INVALID), ("TAKEN", Refusal.INVALID), ("INTERNAL_ERROR", Outcome.UNKNOWN)],
)
def test_refused_together_are_none_of_them_taken(fake: Shopify, code: str, expected: Any) -> None:
    fake.bulk.refusals = [problem(["codes"], code, "No")]

    answers = told(fake.adapter().create_bulk(specs()))

    assert outcomes(answers) == [Outcome.OK, expected, expected]


@pytest.mark.parametrize(
    ("wanted", "refusal", "sentence"),
    [
        (specs(251), Refusal.INVALID, "and these are 251"),
        (specs(2, DiscountKind.GIFT_CARD, amount=Decimal(5)), Refusal.UNSUPPORTED, "no gift cards under one"),
        ([*specs(2), *specs(1, customer_email="jo@example.com")], Refusal.INVALID, "bound to no customer"),
        ([*specs(2), *specs(1, in_bulk=False)], Refusal.INVALID, "bound to no customer"),
        ([*specs(2), *specs(1, percent=Decimal(11))], Refusal.INVALID, "these have different ones"),
        ([*specs(2), *specs(1, reference="cb-12-4")], Refusal.INVALID, "these have different ones"),
        (specs(2, code="LOY-ONE"), Refusal.INVALID, "among these twice"),
    ],
)
def test_say_why_they_cannot_be_made_together(
    fake: Shopify, wanted: list[CodeSpec], refusal: Refusal, sentence: str
) -> None:
    answer = fake.adapter().create_bulk(wanted)

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, refusal)
    assert sentence in answer.reason
    assert fake.asked == []


def test_stored_otherwise_are_switched_off_before_any_is_added(fake: Shopify) -> None:
    fake.shop.currency = "EUR"

    answer = fake.adapter(currency="USD").create_bulk(specs(3, DiscountKind.FIXED_AMOUNT, amount=Decimal("5.00")))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.OTHER)
    assert [(one.status, len(one.codes)) for one in fake.shop.discounts.values()] == [("EXPIRED", 1)]


def test_that_the_shop_did_not_mark_as_many_are_switched_off(fake: Shopify, monkeypatch: pytest.MonkeyPatch) -> None:
    create = fake.shop.create
    monkeypatch.setattr(fake.shop, "create", lambda kind, given: create(kind, given | {"tags": given["tags"][:2]}))

    answer = fake.adapter().create_bulk(specs())

    assert answer.reason == "The shop stored another set of tags than we asked for, so the code was switched off there."
    assert [(one.status, len(one.codes)) for one in fake.shop.discounts.values()] == [("EXPIRED", 1)]


def test_of_none_are_none(fake: Shopify) -> None:
    assert told(fake.adapter().create_bulk([])) == ()


def test_are_found_by_their_reference_alone(fake: Shopify) -> None:
    ours = [*made(fake, specs()), *made(fake, specs(30))]
    made(fake, specs(2, reference="cb-12-33"))
    assert fake.adapter().create_code(specs(1, in_bulk=False)[0]).ok
    fake.shop.checkout("jo@example.com", code=ours[0].code)

    found = fake.adapter().find_bulk("cb-12-3").value
    none = fake.adapter().find_bulk("cb-9-9")

    assert found == (replace(ours[0], uses=1), *ours[1:])
    assert (none.outcome, none.value) == (Outcome.OK, ())
