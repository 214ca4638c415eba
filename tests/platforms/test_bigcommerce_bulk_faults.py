"""Many codes of BigCommerce when answers are lost, two calls meet, or the shop makes something else."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from platforms import bodies, http
from platforms.adapter import Access, Outcome, Refusal
from platforms.bigcommerce.adapter import BigCommerceAdapter
from platforms.http import HttpAnswer
from platforms.redaction import is_plain
from tests.fakes.bigcommerce import BigCommerceShop, running_store
from tests.platforms.test_bigcommerce import NEXT_YEAR
from tests.platforms.test_bigcommerce_bulk import NAME, Told, bulk_of, codes_of, only_promotion, outcomes, several
from tests.platforms.test_strange_answers import ACCESS, STRANGE, places, put, texts


@pytest.fixture
def shop() -> Iterator[BigCommerceShop]:
    with running_store() as running:
        yield running


def test_uses_the_promotion_that_a_try_left_without_codes(shop: BigCommerceShop):
    shop.fault("error", "POST", "/v3/promotions/")
    first = shop.adapter().create_bulk(several())
    left = only_promotion(shop)["id"]

    second = shop.adapter().create_bulk(several())

    assert (first.outcome, first.value) == (Outcome.UNKNOWN, None)
    assert [code.remote_id.split(":")[1] for code in codes_of(second)] == [str(left)] * 3
    assert len(shop.store.promotions) == 1


@pytest.mark.parametrize(
    ("fault", "outcome", "there"),
    [
        ("drop_after", Outcome.UNKNOWN, 3), ("error_after", Outcome.UNKNOWN, 3), ("malformed", Outcome.UNKNOWN, 3),
        ("error", Outcome.UNKNOWN, 0), ("drop", Outcome.UNKNOWN, 0), ("down", Outcome.UNKNOWN, 0),
        ("throttled", Outcome.THROTTLED, 0), ("overloaded", Outcome.THROTTLED, 0), ("locked", Outcome.THROTTLED, 0),
        ("refuse", Outcome.REJECTED, 0), ("plan_limit", Outcome.REJECTED, 0),
    ],
)  # fmt: skip
def test_knows_of_all_or_of_none_when_the_generator_fails(
    shop: BigCommerceShop, fault: str, outcome: Outcome, there: int
):
    shop.fault(fault, "POST", "/v3/promotions/")

    answer = shop.adapter().create_bulk(several())

    assert (answer.outcome, answer.value) == (outcome, None)
    assert answer.reason
    assert (answer.retry_after is not None) is (outcome is Outcome.THROTTLED)
    assert len(bulk_of(shop)) == there
    assert only_promotion(shop)["status"] == "ENABLED"


def test_finds_codes_that_were_made_later_than_the_answer(shop: BigCommerceShop):
    shop.fault("late", "POST", "/v3/promotions/")
    answer = shop.adapter().create_bulk(several())
    before = bulk_of(shop)

    shop.catch_up()

    assert (answer.outcome, before) == (Outcome.UNKNOWN, [])
    assert [(code.alive, code.uses, code.reference) for code in bulk_of(shop)] == [(True, 0, "cb-12-3")] * 3


def test_does_not_know_when_it_could_not_look_for_the_promotion(shop: BigCommerceShop):
    shop.fault("error", "GET", "/v3/promotions")

    answer = shop.adapter().create_bulk(several())

    assert answer.outcome is Outcome.UNKNOWN
    assert shop.store.promotions == {}


@pytest.mark.parametrize("fault", ["error_after", "drop_after", "malformed", "late"])
def test_makes_its_codes_in_the_end_when_the_answer_about_the_promotion_was_lost(shop: BigCommerceShop, fault: str):
    shop.fault(fault, "POST", "/v3/promotions")
    first = shop.adapter().create_bulk(several())
    second = shop.adapter().create_bulk(several())

    shop.catch_up()  # a second promotion of that name, if the shop takes one

    assert first.outcome is Outcome.UNKNOWN
    assert bulk_of(shop) == codes_of(second)
    third = codes_of(shop.adapter().create_bulk(several(2)))
    assert bulk_of(shop) == [*codes_of(second), *third]  # the older promotion of two


@pytest.mark.parametrize("once", [True, False])
def test_ends_well_when_two_calls_meet(shop: BigCommerceShop, once: bool):
    shop.store.names_once = once
    shop.fault("slow", "GET", "/v3/promotions", times=2)  # both look before one has made the promotion
    told: list[Told] = []
    callers = [threading.Thread(target=lambda: told.append(shop.adapter().create_bulk(several()))) for _ in range(2)]

    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(20)

    texts = [code.code for each in told for code in codes_of(each)]
    assert len(shop.store.promotions) == (1 if once else 2)
    assert (len(texts), sorted(texts)) == (6, sorted(code.code for code in bulk_of(shop)))


@pytest.mark.parametrize("fault", ["error", "drop", "malformed", "throttled", "refuse"])
def test_believes_the_generator_when_the_list_cannot_be_seen(shop: BigCommerceShop, fault: str):
    shop.fault(fault, "GET", "/v3/promotions/")

    found = codes_of(shop.adapter().create_bulk(several(expires_at=NEXT_YEAR)))

    assert [(code.remote_id, code.alive, code.uses) for code in found] == [("", True, 0)] * 3
    assert {(code.reference, code.percent, code.expires_at) for code in found} == {("cb-12-3", Decimal(10), NEXT_YEAR)}
    assert [replace(code, remote_id="") for code in bulk_of(shop)] == found
    assert shop.adapter().disable_code(found[0].code, "").ok
    assert [shop.would_take(code.code) for code in found] == [False, True, True]


def test_does_not_know_what_became_of_a_code_that_the_shop_told_and_does_not_list(shop: BigCommerceShop):
    shop.store.hidden_codes = 1

    answer = shop.adapter().create_bulk(several())

    assert sorted(outcomes(answer)) == [Outcome.OK, Outcome.OK, Outcome.UNKNOWN]


def test_does_not_know_of_those_beyond_what_the_shop_made(shop: BigCommerceShop):
    shop.store.generates = 2

    answer = shop.adapter().create_bulk(several(4))

    assert outcomes(answer) == [Outcome.OK, Outcome.OK, Outcome.UNKNOWN, Outcome.UNKNOWN]
    assert answer.value is not None
    assert answer.value[3].reason == "The shop was asked for 4 codes, and made 2."


def test_gives_no_more_than_it_was_asked_for(shop: BigCommerceShop):
    shop.store.generates = 3

    answer = shop.adapter().create_bulk(several(2))

    assert codes_of(answer) == bulk_of(shop)[:2]
    assert len(bulk_of(shop)) == 3


@pytest.mark.parametrize("texts", [["SUMMER-7KQ2M9XWPB", "summer-7kq2m9xwpb"], ["SUMMER-7KQ2M9XÄÖÜ"], [""], ["S" * 51]])
def test_does_not_know_what_became_of_codes_that_cannot_be_ones(shop: BigCommerceShop, texts: list[str]):
    shop.store.tells.append(lambda told: told.update(codes=[{"code": text} for text in texts]))

    answer = shop.adapter().create_bulk(several(len(texts)))

    assert (answer.outcome, answer.value) == (Outcome.UNKNOWN, None)


def test_asks_the_list_about_the_limit_that_the_generator_does_not_tell(shop: BigCommerceShop):
    shop.store.tells.append(lambda told: told.pop("max_uses"))

    seen = shop.adapter().create_bulk(several())
    shop.fault("error", "GET", "/v3/promotions/")
    unseen = shop.adapter().create_bulk(several())

    assert len(codes_of(seen)) == 3
    assert (unseen.outcome, unseen.value) == (Outcome.UNKNOWN, None)


@pytest.mark.parametrize("listed", [True, False])
def test_believes_the_generator_that_codes_are_good_for_more_orders(shop: BigCommerceShop, listed: bool):
    shop.store.tells.append(lambda told: told.update(max_uses=0))
    if not listed:
        shop.fault("error", "GET", "/v3/promotions/")

    answer = shop.adapter().create_bulk(several())

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert only_promotion(shop)["status"] == "DISABLED"


def test_keeps_the_codes_of_others_out_of_the_evidence_of_one(shop: BigCommerceShop):
    answer = shop.adapter().create_bulk(several())

    texts = [code.code for code in codes_of(answer)]
    assert answer.value is not None
    for each, own in zip(answer.value, texts, strict=True):
        assert each.observed.status == 201
        assert [text for text in texts if text in each.observed.excerpt] == [own]
    assert not any(text in answer.observed.excerpt for text in texts)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"end_date": None}, "expiry"),
        ({"max_uses": 1}, "limit of uses"),
        ({"coupon_type": "SINGLE"}, "sort of codes"),
        ({"status": "DISABLED"}, "state"),
        ({"rules": [{"action": {"cart_value": {"discount": {"percentage_amount": "50"}}}}]}, "percentage"),
        ({"rules": [{"action": {"shipping": {"zone_ids": "*"}}}]}, "percentage and sort of discount"),
        ({"start_date": "2026-01-01T00:00:00+00:00"}, "first day"),
    ],
)
def test_makes_no_codes_under_other_terms_than_asked_for(shop: BigCommerceShop, change: dict[str, Any], what: str):
    shop.store.changes.append(lambda promotion: promotion.update(change))
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)

    answer = shop.adapter().create_bulk(several(expires_at=NEXT_YEAR, starts_at=tomorrow))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert f"another {what} than we asked for" in answer.reason
    assert (only_promotion(shop)["status"], shop.store.codes) == ("DISABLED", {})


def test_switches_off_at_once_codes_that_are_good_for_more_orders(shop: BigCommerceShop):
    shop.store.code_changes.append(lambda code: code.update(max_uses=0))

    answer = shop.adapter().create_bulk(several())

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert "nobody was given one. Their promotion was disabled there." in answer.reason
    assert only_promotion(shop)["status"] == "DISABLED"
    assert bulk_of(shop) == []  # nor is one given to anybody later


def test_switches_off_wrong_ones_under_a_promotion_that_had_none(shop: BigCommerceShop):
    shop.fault("error", "POST", "/v3/promotions/")
    shop.adapter().create_bulk(several())
    shop.store.code_changes.append(lambda code: code.update(max_uses=0))

    answer = shop.adapter().create_bulk(several())

    assert answer.outcome is Outcome.REJECTED
    assert only_promotion(shop)["status"] == "DISABLED"


def test_does_not_know_what_became_of_wrong_codes_it_could_not_switch_off(shop: BigCommerceShop):
    shop.store.code_changes.append(lambda code: code.update(max_uses=0))
    shop.fault("error", "PUT", "/v3/promotions/")

    assert shop.adapter().create_bulk(several()).outcome is Outcome.UNKNOWN
    assert bulk_of(shop) == []


def test_leaves_the_codes_of_others_alone_when_it_gets_wrong_ones(shop: BigCommerceShop):
    others = codes_of(shop.adapter().create_bulk(several()))
    shop.store.code_changes.append(lambda code: code.update(max_uses=7))

    answer = shop.adapter().create_bulk(several())

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert "Delete those without a use." in answer.reason
    assert [shop.would_take(code.code) for code in others] == [True] * 3
    assert bulk_of(shop) == others


def test_hands_on_what_the_shop_says_when_it_takes_no_such_promotion(shop: BigCommerceShop):
    shop.fault("refuse", "POST", "/v3/promotions")

    answer = shop.adapter().create_bulk(several())

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert answer.reason == "The shop refused: Something is wrong"
    assert shop.store.promotions == {}


@pytest.mark.parametrize("path", ["/v3/promotions", "/v3/promotions/"])
def test_proves_nothing_about_codes_that_it_could_not_see(shop: BigCommerceShop, path: str):
    shop.adapter().create_bulk(several())
    shop.fault("error", "GET", path)

    assert shop.adapter().find_bulk("cb-12-3").outcome is Outcome.UNKNOWN


def test_passes_over_a_promotion_that_was_deleted_while_it_looked(shop: BigCommerceShop):
    shop.adapter().create_bulk(several())
    shop.fault("gone", "GET", "/v3/promotions/")

    answer = shop.adapter().find_bulk("cb-12-3")

    assert (answer.outcome, answer.value) == (Outcome.OK, ())


def test_is_not_led_in_a_circle_by_a_list(shop: BigCommerceShop):
    shop.adapter().create_bulk(several())
    shop.store.endless_codes = True

    answer = shop.adapter(timeout=5.0).find_bulk("cb-12-3")

    assert answer.outcome is Outcome.UNKNOWN
    assert "goes round in a circle" in answer.reason


# What a shop says to each question, in its place something else.
GOOD: dict[str, Any] = {
    "GET /v3/promotions": {
        "data": [
            {
                "id": 9, "name": NAME, "coupon_type": "BULK", "status": "ENABLED", "end_date": None, "current_uses": 1,
                "start_date": "2026-11-27T10:00:00+00:00",
                "rules": [{"action": {"cart_value": {"discount": {"percentage_amount": "10"}}}, "apply_once": True}],
            }
        ]
    },
    "POST /v3/promotions/9/codegen": {
        "data": {"max_uses": 1, "max_uses_per_customer": 1, "batch_size": 1, "codes": [{"code": "SUMMER-7KQ2M9XWPB"}]}
    },
    "GET /v3/promotions/9/codes": {
        "data": [{"id": 10, "code": "SUMMER-7KQ2M9XWPB", "current_uses": 0, "max_uses": 1}],
        "meta": {"cursor_pagination": {"end_cursor": "c", "links": {}}},
    },
}  # fmt: skip


@pytest.mark.parametrize("question", GOOD)
@pytest.mark.parametrize("method", ["create_bulk", "find_bulk"])
def test_answers_whatever_stands_in_the_place_of_a_field(method: str, question: str, monkeypatch: pytest.MonkeyPatch):
    asked = {"create_bulk": several(1), "find_bulk": "cb-12-3"}[method]
    adapter: Any = BigCommerceAdapter(ACCESS)

    for path in places(GOOD[question]):
        for text in STRANGE:
            strange, readable = bodies.parse(text.encode())
            if not readable:
                continue
            told = GOOD | {question: put(GOOD[question], path, strange)}

            def call(_access: Access, verb: str, place: str, told: dict[str, Any] = told, **_: Any) -> HttpAnswer:
                known = f"{verb} {place}" in told
                outcome, status = (Outcome.OK, 200) if known else (Outcome.REJECTED, 404)
                return HttpAnswer(outcome=outcome, status=status, data=told.get(f"{verb} {place}"))

            monkeypatch.setattr(http, "call", call)
            answer = getattr(adapter, method)(asked)
            assert answer.ok or answer.value is None
            for name, found in texts(answer):
                assert is_plain(found, longest=1000), (path, text, name)
