"""One of many codes under a discount in Shopify: what is done to it is done to no other."""

import math
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from platforms.adapter import CodeSpec, DiscountKind, Outcome, PlatformCode
from tests.fakes.shopify.discounts import Discount
from tests.fakes.shopify.server import Shopify, running_shopify
from tests.fakes.shopify.shop import CheckoutRefused

EXPIRES_AT = datetime(2031, 5, 17, 21, 59, 59, tzinfo=UTC)
PLACES = pytest.mark.parametrize("place", [0, 1, 2])


@pytest.fixture
def fake() -> Iterator[Shopify]:
    with running_shopify() as running:
        running.bulk.looks = 0
        yield running


@pytest.fixture
def three(fake: Shopify) -> list[PlatformCode]:
    """Three codes under one discount of ours."""
    wanted = [
        CodeSpec(
            code=f"LOY-{secrets.token_hex(5).upper()}", kind=DiscountKind.PERCENTAGE, title="A reward",
            reference="cb-12-3", currency="USD", percent=Decimal(10), expires_at=EXPIRES_AT, in_bulk=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    answer = fake.adapter().create_bulk(wanted)
    found = [one.value for one in answer.value or ()]
    assert len(found) == 3
    assert None not in found
    return [one for one in found if one is not None]


@pytest.fixture
def parent(fake: Shopify, three: list[PlatformCode]) -> Discount:
    [found] = fake.shop.discounts.values()
    return found


def works(fake: Shopify, code: PlatformCode) -> bool:
    """Whether the checkout takes it, which uses it up."""
    try:
        fake.shop.checkout(f"{secrets.token_hex(4)}@example.com", code=code.code)
    except CheckoutRefused:
        return False
    return True


def without(three: list[PlatformCode], place: int) -> list[PlatformCode]:
    return three[:place] + three[place + 1 :]


@PLACES
def test_is_canceled_twice_and_the_others_work(fake: Shopify, three: list[PlatformCode], place: int) -> None:
    gone = three[place]

    answers = [fake.adapter().disable_code(gone.code, gone.remote_id) for _ in range(2)]

    assert [(one.outcome, one.value) for one in answers] == [(Outcome.OK, None)] * 2
    assert not works(fake, gone)
    assert all(works(fake, one) for one in without(three, place))


@PLACES
@pytest.mark.parametrize("kind", ["504_after", "drop_after", "malformed_after", "internal_after", "502", "drop"])
def test_is_canceled_again_after_a_lost_answer_and_the_others_work(
    fake: Shopify, three: list[PlatformCode], place: int, kind: str
) -> None:
    gone = three[place]
    fake.fault("RemoveFromMany", kind)

    answers = [fake.adapter().disable_code(gone.code, gone.remote_id) for _ in range(3)]

    assert answers[0].outcome is Outcome.UNKNOWN
    assert [(one.outcome, one.value) for one in answers[1:]] == [(Outcome.OK, None)] * 2
    assert not works(fake, gone)
    assert all(works(fake, one) for one in without(three, place))


def test_that_was_never_there_is_canceled_by_the_id_of_the_others_which_work(
    fake: Shopify, three: list[PlatformCode], parent: Discount
) -> None:
    answer = fake.adapter().disable_code("LOY-NEVER-ADDED", three[0].remote_id)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert (parent.status, len(parent.codes)) == ("ACTIVE", 3)
    assert all(works(fake, one) for one in three)


def test_that_is_gone_is_canceled_when_one_other_is_left_which_works(fake: Shopify, three: list[PlatformCode]) -> None:
    for gone in (*three[:2], *three[:2]):
        assert fake.adapter().disable_code(gone.code, gone.remote_id).ok

    assert works(fake, three[2])


def test_that_is_the_last_takes_the_discount_with_it(
    fake: Shopify, three: list[PlatformCode], parent: Discount
) -> None:
    answers = [fake.adapter().disable_code(one.code, one.remote_id) for one in (*three, three[2])]

    assert [one.value.alive if one.value else None for one in answers] == [None, None, False, False]
    assert (parent.status, "loyalty-desk-off" in parent.tags) == ("EXPIRED", True)
    assert not works(fake, three[2])


@PLACES
def test_that_was_used_is_switched_off_and_the_others_work(
    fake: Shopify, three: list[PlatformCode], place: int
) -> None:
    assert works(fake, three[place])

    answer = fake.adapter().disable_code(three[place].code, three[place].remote_id)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert all(works(fake, one) for one in without(three, place))


def test_is_counted_alone_also_when_it_is_the_last(fake: Shopify, three: list[PlatformCode]) -> None:
    adapter = fake.adapter()
    assert works(fake, three[0])

    before = [adapter.find_code(one.code).value for one in three]
    for gone in three[:2]:
        assert adapter.disable_code(gone.code, gone.remote_id).ok
    last = adapter.find_code(three[2].code).value
    listed = adapter.list_codes("").value
    within = adapter.list_codes(listed.cursor).value if listed else None

    assert [one.uses for one in before if one is not None] == [1, 0, 0]
    assert last == three[2]
    assert within is not None
    assert within.codes == (last,)


def test_is_taken_out_alone_while_the_shop_does_not_know_yet_how_many_there_are(
    fake: Shopify, three: list[PlatformCode], parent: Discount
) -> None:
    parent.told_count = 1

    answer = fake.adapter().disable_code(three[0].code, three[0].remote_id)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert all(works(fake, one) for one in three[1:])


@pytest.mark.parametrize("told", [1, 3])
def test_is_found_where_the_search_among_the_codes_does_not_show_it(
    fake: Shopify, three: list[PlatformCode], parent: Discount, told: int
) -> None:
    parent.searches_codes, parent.told_count = False, told

    assert [fake.adapter().find_code(one.code).value for one in three] == three
    assert fake.asked.count("FindAmongAll") == 3


@pytest.mark.parametrize("left", [3, 1])
def test_is_not_prolonged(fake: Shopify, three: list[PlatformCode], parent: Discount, left: int) -> None:
    for gone in three[: 3 - left]:
        assert fake.adapter().disable_code(gone.code, gone.remote_id).ok
    last = three[2]

    answer = fake.adapter().extend_code(last.code, last.remote_id, datetime(2033, 1, 1, tzinfo=UTC))

    assert answer.value == last
    assert parent.ends_at == EXPIRES_AT


def test_that_is_taken_out_late_is_waited_for(fake: Shopify, three: list[PlatformCode]) -> None:
    fake.bulk.removes_late = 0.4

    answer = fake.adapter().disable_code(three[1].code, three[1].remote_id)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert fake.asked.count("JobDone") == 2


def test_that_is_never_taken_out_is_shown_alive(fake: Shopify, three: list[PlatformCode]) -> None:
    fake.bulk.removes_late = math.inf

    answer = fake.adapter().disable_code(three[1].code, three[1].remote_id)

    assert answer.value == three[1]
    assert fake.asked.count("JobDone") == 3


def test_is_known_by_the_mark_of_its_discount(fake: Shopify, three: list[PlatformCode], parent: Discount) -> None:
    """Without it the last one would be taken for a discount of its own, and its count for all of them."""
    assert sorted(parent.tags) == ["loyalty-desk", "loyalty-desk-many", "loyalty-desk-ref-cb-12-3"]


def test_works_once_and_for_one_shopper(fake: Shopify, three: list[PlatformCode]) -> None:
    order: Any = fake.shop.checkout("jo@example.com", code=three[0].code)

    assert order.discount == Decimal("2.40")
    assert not works(fake, three[0])
    assert fake.shop.checkout("jo@example.com", code=three[1].code).discount == Decimal("2.40")
