"""The Vendure adapter without a shop: what it asks, what it refuses, and what it makes of odd answers."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from platforms.adapter import (
    CodeSpec,
    DiscountKind,
    Outcome,
    PlatformCode,
    Refusal,
)
from tests.fakes import vendure as fake

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
SPEC = CodeSpec(
    code="LOY-1",
    kind=DiscountKind.PERCENTAGE,
    title="10% off",
    reference="rr-1",
    currency="EUR",
    percent=Decimal(10),
)


def test_prefers_the_living_code_when_the_text_exists_twice():
    dead = fake.promotion(id="7", enabled=False)
    alive = fake.promotion(id="12", couponCode="loy-1", description="")
    with fake.scripted_shop(fake.promotions(dead, alive)) as shop:
        answer = fake.adapter_for(shop.url).find_code("Loy-1")

    assert answer.value == PlatformCode(code="loy-1", remote_id="12", alive=True, reference="", percent=Decimal(10))


def test_moves_the_end_of_every_promotion_of_ours_and_reads_the_code_back():
    double = fake.promotion(id="8", createdAt="2026-11-21T20:00:01.000Z")
    theirs = fake.promotion(id="9", description="", enabled=True)
    moved = fake.data(updatePromotion={"__typename": "Promotion", "id": "7"})
    later = fake.promotion(endsAt="2031-05-17T21:59:59.000Z")
    with fake.scripted_shop(
        fake.promotions(fake.promotion(), double, theirs), moved, moved, fake.promotions(later)
    ) as shop:
        answer = fake.adapter_for(shop.url).extend_code("LOY-1", "7", datetime(2031, 5, 17, 21, 59, 59, tzinfo=UTC))

    assert shop.asked == ["FindCode", "ExtendCode", "ExtendCode", "FindCode"]
    asked = [request["variables"] for request in shop.requests[1:3]]
    assert [variables["id"] for variables in asked] == ["7", "8"]
    assert {variables["endsAt"] for variables in asked} == {"2031-05-17T21:59:59+00:00"}
    assert answer.value is not None
    assert answer.value.expires_at == datetime(2031, 5, 17, 21, 59, 59, tzinfo=UTC)


def test_gives_no_more_time_to_what_is_switched_off():
    off = fake.promotion(enabled=False)
    with fake.scripted_shop(fake.promotions(off), fake.promotions(off)) as shop:
        answer = fake.adapter_for(shop.url).extend_code("LOY-1", "7", NOW)

    assert shop.asked == ["FindCode", "FindCode"]
    assert answer.value is not None
    assert answer.value.alive is False


def test_calls_an_expired_code_dead():
    with fake.scripted_shop(fake.promotions(fake.promotion(endsAt="2020-01-01T00:00:00.000Z"))) as shop:
        answer = fake.adapter_for(shop.url).find_code("LOY-1")

    assert answer.value is not None
    assert answer.value.alive is False


def test_proves_no_absence_from_a_listing_that_is_too_long():
    with fake.scripted_shop(fake.data(promotions={"totalItems": 101, "items": []})) as shop:
        answer = fake.adapter_for(shop.url).find_code("A")

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)


def test_sends_the_key_the_channel_and_a_single_use_promotion():
    made = fake.data(createPromotion={"__typename": "Promotion", "id": "7"})
    credentials = {"api_key": " lookup:very-secret-key\n", "channel_token": "channel-1"}
    spec = replace(
        SPEC,
        kind=DiscountKind.FIXED_AMOUNT,
        percent=None,
        amount=Decimal("4.50"),
        minimum_order=Decimal(15),
        expires_at=NOW,
    )
    with fake.scripted_shop(fake.promotions(), made, fake.promotions()) as shop:
        fake.adapter_for(shop.url, credentials=credentials).create_code(spec)

    assert shop.asked == ["FindCode", "CreateCode", "FindCode"]
    assert set(shop.paths) == {"/admin-api"}
    assert shop.headers[0]["vendure-api-key"] == "lookup:very-secret-key"
    assert shop.headers[0]["vendure-token"] == "channel-1"
    assert shop.requests[1]["variables"]["input"] == {
        "enabled": True,
        "couponCode": "LOY-1",
        "usageLimit": 1,
        "perCustomerUsageLimit": 1,
        "startsAt": None,
        "endsAt": "2026-11-21T20:00:00+00:00",
        "translations": [
            {"languageCode": "en", "name": "10% off", "description": "Made by Loyalty Desk, reference rr-1"}
        ],
        "conditions": [
            {
                "code": "minimum_order_amount",
                "arguments": [{"name": "amount", "value": "1500"}, {"name": "taxInclusive", "value": "true"}],
            }
        ],
        "actions": [{"code": "order_fixed_discount", "arguments": [{"name": "discount", "value": "450"}]}],
    }


def test_makes_nothing_when_the_shop_has_the_code_already():
    with fake.scripted_shop(fake.promotions(fake.promotion(couponCode="loy-1", enabled=False))) as shop:
        answer = fake.adapter_for(shop.url).create_code(SPEC)

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.DUPLICATE_CODE)
    assert shop.asked == ["FindCode"]


def test_does_not_call_a_code_made_that_it_cannot_find_again():
    made = fake.data(createPromotion={"__typename": "Promotion", "id": "7"})
    with fake.scripted_shop(fake.promotions(), made, fake.promotions()) as shop:
        answer = fake.adapter_for(shop.url).create_code(SPEC)

    assert answer.outcome is Outcome.UNKNOWN


def test_does_not_call_a_code_made_when_the_second_look_fails():
    made = fake.data(createPromotion={"__typename": "Promotion", "id": "7"})
    with fake.scripted_shop(fake.promotions(), made, errors_inside()) as shop:
        answer = fake.adapter_for(shop.url).create_code(SPEC)

    assert answer.outcome is Outcome.UNKNOWN


def errors_inside() -> fake.Reply:
    return fake.errors("INTERNAL_SERVER_ERROR", "database is locked")


@pytest.mark.parametrize(
    ("stored", "wrong"),
    [
        ({"actions": [{"code": "free_shipping", "args": []}]}, "percentage"),
        ({"endsAt": "2026-12-01T00:00:00.000Z"}, "expiry"),
        ({"usageLimit": None}, "limit of uses"),
        ({"enabled": False}, "state"),
        ({"description": ""}, "reference"),
    ],
)
def test_removes_a_code_that_the_shop_stored_otherwise_than_asked(stored: dict[str, Any], wrong: str):
    made = fake.data(createPromotion={"__typename": "Promotion", "id": "7"})
    gone = fake.data(deletePromotion={"result": "DELETED", "message": None})
    with fake.scripted_shop(fake.promotions(), made, fake.promotions(fake.promotion(**stored)), gone) as shop:
        answer = fake.adapter_for(shop.url).create_code(SPEC)

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.OTHER)
    assert f"stored another {wrong} than" in answer.reason
    assert shop.asked[-1] == "DeleteCode"
    assert shop.requests[-1]["variables"] == {"id": "7"}


def test_keeps_the_older_of_two_of_ours_and_removes_the_other():
    made = fake.data(createPromotion={"__typename": "Promotion", "id": "10"})
    gone = fake.data(deletePromotion={"result": "DELETED", "message": None})
    both = fake.promotions(fake.promotion(id="10"), fake.promotion(id="9"))
    with fake.scripted_shop(fake.promotions(), made, both, gone) as shop:
        answer = fake.adapter_for(shop.url).create_code(SPEC)

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.DUPLICATE_CODE)
    assert [request["variables"] for request in shop.requests[3:]] == [{"id": "10"}]


def test_finds_the_older_one_when_another_maker_has_removed_ours_meanwhile():
    made = fake.data(createPromotion={"__typename": "Promotion", "id": "10"})
    with fake.scripted_shop(fake.promotions(), made, fake.promotions(fake.promotion(id="9"))) as shop:
        answer = fake.adapter_for(shop.url).create_code(SPEC)

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.DUPLICATE_CODE)
    assert shop.asked == ["FindCode", "CreateCode", "FindCode"]


def test_gives_way_to_a_promotion_that_is_not_ours():
    made = fake.data(createPromotion={"__typename": "Promotion", "id": "7"})
    gone = fake.data(deletePromotion={"result": "DELETED", "message": None})
    both = fake.promotions(fake.promotion(), fake.promotion(id="8", description="By hand"))
    with fake.scripted_shop(fake.promotions(), made, both, gone) as shop:
        answer = fake.adapter_for(shop.url).create_code(SPEC)

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.DUPLICATE_CODE)
    assert [request["variables"] for request in shop.requests[3:]] == [{"id": "7"}]


@pytest.mark.parametrize(
    "changes",
    [
        {"percent": None},
        {"percent": Decimal(0)},
        {"percent": Decimal("100.01")},
        {"kind": DiscountKind.FIXED_AMOUNT, "percent": None},
        {"kind": DiscountKind.FIXED_AMOUNT, "percent": None, "amount": Decimal("0.005")},
        {"kind": DiscountKind.FIXED_AMOUNT, "percent": None, "amount": Decimal(5), "currency": "USD"},
        {"minimum_order": Decimal(5), "currency": "USD"},
    ],
)
def test_refuses_a_code_that_the_shop_could_not_keep_exactly(changes: dict[str, Any]):
    with fake.scripted_shop(fake.promotions()) as shop:
        answer = fake.adapter_for(shop.url).create_code(replace(SPEC, **changes))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert shop.asked == ["FindCode"]


@pytest.mark.parametrize(
    ("reply", "outcome", "refusal", "said"),
    [
        (fake.errors("FORBIDDEN"), Outcome.REJECTED, Refusal.UNAUTHORIZED, "The shop refused the API key."),
        (fake.errors("USER_INPUT_ERROR", "Bad"), Outcome.REJECTED, Refusal.INVALID, "The shop refused: Bad"),
        (fake.errors("CHANNEL_NOT_FOUND"), Outcome.REJECTED, Refusal.INVALID, "The shop has no channel with this"),
        (
            fake.errors("GRAPHQL_VALIDATION_FAILED", "Cannot query", status=400),
            Outcome.REJECTED,
            Refusal.INVALID,
            "The shop does not understand our questions",
        ),
        (fake.errors("INTERNAL_SERVER_ERROR", "boom"), Outcome.UNKNOWN, None, "The shop failed inside: boom"),
        (fake.Reply({"errors": ["odd"]}), Outcome.UNKNOWN, None, "The shop failed inside"),
        (fake.Reply({}, status=404), Outcome.REJECTED, Refusal.NOT_FOUND, "This address answers, but not as a Vendure"),
        (fake.Reply({"hello": 1}), Outcome.UNKNOWN, None, "This address answers, but not as a Vendure"),
        (fake.Reply(b"<html>"), Outcome.UNKNOWN, None, "The shop"),
        (fake.Reply({}, status=500), Outcome.UNKNOWN, None, "The shop"),
        (fake.Reply(hang_up=True), Outcome.UNKNOWN, None, "The shop"),
        (
            fake.Reply({}, status=429, headers=(("retry-after", "7"),)),
            Outcome.THROTTLED,
            None,
            "The shop",
        ),
    ],
)
def test_reads_each_shape_of_an_error(reply: fake.Reply, outcome: Outcome, refusal: Refusal | None, said: str):
    with fake.scripted_shop(reply) as shop:
        answer = fake.adapter_for(shop.url).find_code("LOY-1")

    assert (answer.outcome, answer.refusal) == (outcome, refusal)
    assert answer.reason.startswith(said)
    assert "very-secret-key" not in answer.reason + answer.observed.excerpt


def test_passes_on_how_long_the_shop_wants_us_to_wait():
    with fake.scripted_shop(fake.Reply({}, status=429, headers=(("retry-after", "7"),))) as shop:
        answer = fake.adapter_for(shop.url).create_code(SPEC)

    assert (answer.outcome, answer.retry_after) == (Outcome.THROTTLED, 7.0)


def test_reads_an_error_in_the_place_of_the_result():
    refused = fake.data(createPromotion={"__typename": "MissingConditionsError", "message": "Needs a condition"})
    with fake.scripted_shop(fake.promotions(), refused) as shop:
        answer = fake.adapter_for(shop.url).create_code(SPEC)

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert answer.reason == "The shop refused: Needs a condition"


def test_does_not_know_whether_a_code_was_made_when_the_connection_breaks():
    with fake.scripted_shop(fake.promotions(), fake.Reply(hang_up=True)) as shop:
        answer = fake.adapter_for(shop.url).create_code(SPEC)

    assert answer.outcome is Outcome.UNKNOWN
    assert shop.asked == ["FindCode", "CreateCode"]


def test_says_that_nothing_listens_at_the_address():
    answer = fake.adapter_for("http://127.0.0.1:9").test_connection()

    assert answer.outcome is Outcome.NOT_SENT
    assert "127.0.0.1" in answer.reason


def test_asks_for_the_key_before_it_asks_the_shop():
    answer = fake.adapter_for(credentials={"api_key": " "}).test_connection()

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.UNAUTHORIZED)
    assert answer.reason.startswith("The API key is missing.")


def test_says_that_another_kind_of_server_answers():
    with fake.scripted_shop(fake.Reply(b"<html>Welcome</html>")) as shop:
        answer = fake.adapter_for(shop.url).test_connection()

    assert answer.reason.startswith("This address answers, but not as a Vendure shop does")


def test_spends_no_more_than_its_time_on_all_calls_together():
    started = time.monotonic()
    with fake.scripted_shop(replace(fake.promotions(), delay=1.5), fake.Reply({}, delay=5)) as shop:
        answer = fake.adapter_for(shop.url, timeout=2.0).create_code(SPEC)
        took = time.monotonic() - started

    assert answer.outcome is Outcome.UNKNOWN
    assert shop.asked == ["FindCode", "CreateCode"]
    assert took < 3.0
