"""The store that tests speak to: its generator of codes is as strict as BigCommerce's, or stricter."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.bigcommerce import BigCommerceShop, running_store
from tests.fakes.bigcommerce_store import Refused

RULES = [{"action": {"shipping": {"zone_ids": "*", "free_shipping": True}}}]


@pytest.fixture
def shop() -> Iterator[BigCommerceShop]:
    with running_store() as running:
        yield running


def promotion(shop: BigCommerceShop, **changes: Any) -> str:
    body = {"redemption_type": "COUPON", "coupon_type": "BULK", "name": "Spring", "rules": RULES}
    return f"/v3/promotions/{shop.call('POST', '/v3/promotions', body | changes)['data']['id']}"


def refused(shop: BigCommerceShop, method: str, path: str, body: Any) -> int:
    with pytest.raises(Refused) as refusal:
        shop.call(method, path, body)
    return refusal.value.status


def test_tells_the_texts_of_the_codes_it_made_up_and_no_ids(shop: BigCommerceShop):
    path = promotion(shop)
    order = {"batch_size": 250, "prefix": "LOY", "suffix": "X", "delimiter": "_", "code_length": 6,
             "exclude_characters": ["0", "O"]}  # fmt: skip

    told = shop.call("POST", f"{path}/codegen", order)["data"]

    texts = [entry["code"] for entry in told["codes"]]
    assert (told["batch_size"], told["max_uses"], told["max_uses_per_customer"]) == (250, 1, 1)
    assert [entry.keys() for entry in told["codes"]] == [{"code"}] * 250
    assert len(set(texts)) == 250
    assert {(text[:4], len(text), text[-2:]) for text in texts} == {("LOY_", 12, "_X")}
    assert not {"0", "O"} & {sign for text in texts for sign in text[4:-2]}


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({}, 422), ({"batch_size": 0}, 422), ({"batch_size": 251}, 422), ({"batch_size": "3"}, 422),
        ({"batch_size": 3, "code_length": 5}, 422), ({"batch_size": 3, "code_length": 17}, 422),
        ({"batch_size": 3, "prefix": "loy"}, 422), ({"batch_size": 3, "prefix": "L" * 21}, 422),
        ({"batch_size": 3, "delimiter": "."}, 422), ({"batch_size": 3, "exclude_characters": ["AB"]}, 422),
        ({"batch_size": 3, "prefix": "L" * 20, "suffix": "R" * 20, "code_length": 11}, 422),
        ({"batch_size": 3, "max_uses": -1}, 422), ({"batch_size": 3, "colour": "red"}, 400),
    ],
)  # fmt: skip
def test_makes_no_codes_out_of_an_order_that_breaks_its_rules(shop: BigCommerceShop, order: Any, status: int):
    path = promotion(shop)

    assert refused(shop, "POST", f"{path}/codegen", order) == status
    assert shop.store.codes == {}


def test_generates_for_a_promotion_of_many_codes_alone(shop: BigCommerceShop):
    path = promotion(shop, coupon_type="SINGLE")

    assert refused(shop, "POST", f"{path}/codegen", {"batch_size": 3}) == 405


def test_takes_a_promotion_for_one_of_a_single_code_and_never_changes_that(shop: BigCommerceShop):
    body = {"redemption_type": "COUPON", "name": "Spring", "rules": RULES}
    kept = shop.call("POST", "/v3/promotions", body)["data"]

    assert kept["coupon_type"] == "SINGLE"
    assert refused(shop, "PUT", f"/v3/promotions/{kept['id']}", {"coupon_type": "BULK"}) == 422


def test_takes_no_chosen_code_among_those_it_made_up(shop: BigCommerceShop):
    path = promotion(shop)

    assert refused(shop, "POST", f"{path}/codes", {"code": "LOY-1"}) == 422


def test_takes_each_code_at_the_checkout_once_and_counts_it_there_and_in_all(shop: BigCommerceShop):
    path = promotion(shop)
    made = shop.call("POST", f"{path}/codegen", {"batch_size": 2})["data"]["codes"]

    for entry in made:
        shop.buy("jo@example.com", code=entry["code"])

    assert [shop.would_take(entry["code"]) for entry in made] == [False, False]
    assert [code["current_uses"] for code in shop.store.codes.values()] == [1, 1]
    assert [each["current_uses"] for each in shop.store.promotions.values()] == [2]
