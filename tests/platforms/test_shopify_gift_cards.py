"""Gift cards in a Shopify shop: money under a code that the shop shows once."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from platforms.adapter import CodeSpec, DiscountKind, Outcome, Refusal
from tests.fakes.shopify.server import Shopify, running_shopify
from tests.fakes.shopify.shop import CheckoutRefused

CODE = "23456789ABCDEFGH"
# The shop is in Warsaw: this is the end of the 17th of May there.
EXPIRES_AT = datetime(2031, 5, 17, 22, tzinfo=UTC)


@pytest.fixture
def fake() -> Iterator[Shopify]:
    with running_shopify() as running:
        yield running


def spec(**changes: Any) -> CodeSpec:
    values: dict[str, Any] = {
        "code": CODE,
        "kind": DiscountKind.GIFT_CARD,
        "title": "A gift card (rr-1)",
        "reference": "rr-1",
        "currency": "USD",
        "amount": Decimal("25.00"),
    }
    return CodeSpec(**(values | changes))


def test_are_found_by_their_code_and_known_by_our_note(fake: Shopify) -> None:
    made = fake.adapter().create_code(spec(expires_at=EXPIRES_AT))

    found = fake.adapter().find_code(CODE.lower()).value

    assert made.ok, made.reason
    assert found is not None
    assert (found.reference, found.amount, found.uses, found.alive) == ("rr-1", Decimal(25), 0, True)
    assert found.expires_at == EXPIRES_AT
    assert found.remote_id.startswith("gift_cards/")


def test_end_with_the_last_day_in_the_shops_zone(fake: Shopify) -> None:
    fake.adapter().create_code(spec(expires_at=EXPIRES_AT))
    fake.adapter().create_code(spec(code=CODE[::-1], expires_at=EXPIRES_AT + timedelta(seconds=1)))

    assert [card.ends_on for card in fake.shop.cards.values()] == [date(2031, 5, 17), date(2031, 5, 18)]


def test_show_that_something_was_spent(fake: Shopify) -> None:
    fake.adapter().create_code(spec())
    fake.shop.checkout("jo@example.com", code=CODE)

    found = fake.adapter().find_code(CODE).value

    assert found is not None
    assert (found.uses, found.amount) == (1, Decimal(25))


def test_are_switched_off_for_good(fake: Shopify) -> None:
    made = fake.adapter().create_code(spec(expires_at=EXPIRES_AT)).value
    assert made is not None

    first = fake.adapter().disable_code(CODE, made.remote_id)
    again = fake.adapter().disable_code(CODE, "")
    extended = fake.adapter().extend_code(CODE, made.remote_id, EXPIRES_AT + timedelta(days=9))

    for answer in (first, again, extended):
        assert answer.value is not None
        assert not answer.value.alive
    with pytest.raises(CheckoutRefused):
        fake.shop.checkout("jo@example.com", code=CODE)


@pytest.mark.parametrize("by_number", [True, False])
def test_live_longer(fake: Shopify, by_number: bool) -> None:
    made = fake.adapter().create_code(spec(expires_at=EXPIRES_AT)).value
    assert made is not None
    later = EXPIRES_AT + timedelta(days=9)

    answer = fake.adapter().extend_code(CODE, made.remote_id if by_number else "", later)

    assert answer.value is not None
    assert (answer.value.alive, answer.value.expires_at) == (True, later)


def test_are_not_made_twice(fake: Shopify) -> None:
    fake.adapter().create_code(spec())

    answer = fake.adapter().create_code(spec(reference="rr-2"))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.DUPLICATE_CODE)
    assert len(fake.shop.cards) == 1


def test_made_without_an_answer_are_found_by_looking(fake: Shopify) -> None:
    fake.fault("CreateGiftCard", "drop_after")

    made = fake.adapter().create_code(spec())
    found = fake.adapter().find_code(CODE).value

    assert made.outcome is Outcome.UNKNOWN
    assert found is not None
    assert found.reference == "rr-1"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"code": "GIFT-23456789ABCDEF"}, "Take the prefix out of the reward."),
        ({"code": "23456789"}, "sixteen to twenty of them"),
        ({"amount": Decimal("1.005")}, "payable in USD"),
        ({"currency": "EUR"}, "The reward is in EUR, but the shop's connection in USD."),
    ],
)
def test_say_why_they_cannot_be_made(fake: Shopify, changes: dict[str, Any], sentence: str) -> None:
    answer = fake.adapter().create_code(spec(**changes))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert sentence in answer.reason
    assert not fake.shop.cards


def test_need_a_scope_of_their_own_and_no_discount_does(fake: Shopify) -> None:
    fake.shop.scopes.discard("write_gift_cards")

    made = fake.adapter().create_code(spec())
    looked = fake.adapter().find_code(CODE)
    other = fake.adapter().find_code("LOY-1")

    for answer in (made, looked):
        assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.UNAUTHORIZED)
        assert answer.reason.startswith("The app may not work with gift cards: it lacks write_gift_cards.")
    assert (other.outcome, other.value) == (Outcome.OK, None)


def test_whose_note_alone_holds_the_code_are_not_taken_for_it(fake: Shopify) -> None:
    fake.shop.create_card(
        {"code": "ZZZZ23456789ABCD", "initialAmount": {"amount": "5", "currencyCode": "USD"}, "note": CODE}
    )

    answer = fake.adapter().find_code(CODE)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
