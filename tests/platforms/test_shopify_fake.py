"""The fake of Shopify holds us to Shopify's schema: what it would not understand or answer fails the test."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from platforms.shopify import queries
from tests.fakes.shopify.server import Shopify, running_shopify
from tests.fakes.shopify.shop import PASTED

GOOD = {
    "code": "A", "title": "A", "startsAt": "2026-01-01T00:00:00Z", "context": {"all": "ALL"},
    "customerGets": {"items": {"all": True}, "value": {"percentage": 0.1}},
}  # fmt: skip
COSTLY = """
query A {
  orders(first: 250) {
    nodes { customer { id } totalPriceSet { shopMoney { amount } } totalDiscountsSet { shopMoney { amount } } }
  }
}
"""


@pytest.fixture
def fake() -> Iterator[Shopify]:
    with running_shopify() as running:
        yield running
        running.broken.clear()


def ask(fake: Shopify, query: str, **variables: Any) -> Any:
    request = Request(
        f"{fake.url}/admin/api/2026-10/graphql.json",
        data=json.dumps({"query": query, "variables": variables}).encode(),
        headers={"x-shopify-access-token": PASTED},
    )
    with urlopen(request, timeout=5) as answer:
        return json.load(answer)


def create(fake: Shopify, **changes: Any) -> list[str | None]:
    """The codes of what Shopify has against the discount."""
    told = ask(fake, queries.CREATE_BASIC, discount=GOOD | changes)
    assert fake.broken == []
    return [error["code"] for error in told["data"]["discountCodeBasicCreate"]["userErrors"]]


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query A { shop { colour } }", {}),
        ("query A { shop }", {}),
        ("query A { orders(first: 1, kolor: 2) { nodes { id } } }", {}),
        ("query A($id: ID) { order(id: $id) { id } }", {"id": "1"}),
        ("query A { shop { name } }", {"surplus": 1}),
        (queries.CREATE_BASIC, {"discount": GOOD | {"colour": "red"}}),
        (queries.CREATE_BASIC, {"discount": GOOD | {"context": {"all": "ALL", "customers": {"add": []}}}}),
        (queries.CREATE_BASIC, {"discount": GOOD | {"usageLimit": "1"}}),
        (queries.CREATE_BASIC, {}),
        (COSTLY, {}),
    ],
)  # fmt: skip
def test_fails_the_test_that_asks_what_shopify_would_not_understand(
    fake: Shopify, query: str, variables: dict[str, Any]
) -> None:
    ask(fake, query, **variables)

    assert fake.broken


def test_fails_the_test_in_which_it_answers_what_shopify_never_would(fake: Shopify) -> None:
    fake.shop.currency = "NOT-A-CURRENCY"

    ask(fake, queries.WHO)

    assert fake.broken


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"code": None}, "BLANK"),
        ({"context": None}, "BLANK"),
        ({"customerGets": {"items": {"all": True}, "value": {"percentage": 10}}}, "VALUE_OUTSIDE_RANGE"),
        ({"startsAt": "yesterday"}, "INVALID"),
        ({"endsAt": "2025-01-01T00:00:00Z"}, "END_DATE_BEFORE_START_DATE"),
        ({"tags": ["a"] * 6}, "TOO_MANY_TAGS"),
        ({"context": {"customers": {"add": ["gid://shopify/Customer/9"]}}}, "INVALID"),
        (
            {"minimumRequirement": {"subtotal": {"greaterThanOrEqualToSubtotal": "5"},
                                    "quantity": {"greaterThanOrEqualToQuantity": "2"}}},
            "MINIMUM_SUBTOTAL_AND_QUANTITY_RANGE_BOTH_PRESENT",
        ),
        ({"minimumRequirement": {"subtotal": {"greaterThanOrEqualToSubtotal": "much"}}}, "INVALID"),
    ],
)  # fmt: skip
def test_refuses_what_the_schema_lets_pass(fake: Shopify, changes: dict[str, Any], code: str) -> None:
    assert code in create(fake, **changes)
    assert not fake.shop.discounts


def test_refuses_a_code_that_was_switched_off_long_ago_in_any_case(fake: Shopify) -> None:
    assert create(fake) == []
    fake.shop.deactivate(next(iter(fake.shop.discounts)))

    assert create(fake, code="a") == ["TAKEN"]


def test_denies_what_the_scopes_of_the_app_do_not_hold(fake: Shopify) -> None:
    fake.shop.scopes = {"read_discounts"}

    told = ask(fake, queries.CREATE_BASIC, discount=GOOD)

    assert told["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert not fake.shop.discounts


def test_throttles_what_the_bucket_does_not_hold_and_does_nothing(fake: Shopify) -> None:
    fake.available = 3.0

    told = ask(fake, queries.CREATE_BASIC, discount=GOOD)

    assert told["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert told["extensions"]["cost"]["requestedQueryCost"] > 3
    assert not fake.shop.discounts
