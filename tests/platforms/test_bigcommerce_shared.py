"""Codes that share a promotion of BigCommerce: what is done to one leaves the others as they were."""

from collections.abc import Iterator
from typing import Any

import pytest

from platforms.adapter import CodeSpec, DiscountKind, Outcome, PlatformCode, Refusal
from tests.fakes.bigcommerce import PRODUCT, BigCommerceShop, running_store
from tests.platforms.test_bigcommerce import NEXT_YEAR

BODY = {
    "redemption_type": "COUPON",
    "coupon_type": "BULK",
    "name": "Loyalty Desk cb-12-3",
    "rules": [{"action": {"cart_value": {"discount": {"percentage_amount": "10"}}}}],
}


@pytest.fixture
def shop() -> Iterator[BigCommerceShop]:
    with running_store() as running:
        yield running


def three(shop: BigCommerceShop, **changes: Any) -> tuple[int, list[str]]:
    """A promotion of ours with three codes for one use each: its id, and their texts."""
    promotion_id = shop.call("POST", "/v3/promotions", BODY | changes)["data"]["id"]
    made = shop.call(
        "POST", f"/v3/promotions/{promotion_id}/codegen", {"batch_size": 3, "prefix": "LOY", "delimiter": "-"}
    )
    assert isinstance(promotion_id, int)
    return promotion_id, [entry["code"] for entry in made["data"]["codes"]]


def found(shop: BigCommerceShop, text: str) -> PlatformCode:
    code = shop.adapter().find_code(text).value
    assert code is not None
    return code


def test_takes_one_code_out_and_lets_the_others_work(shop: BigCommerceShop):
    promotion_id, (gone, *others) = three(shop)
    before = dict(shop.store.promotions[promotion_id])

    answer = shop.adapter().disable_code(gone, found(shop, gone).remote_id)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert [shop.would_take(text) for text in (gone, *others)] == [False, True, True]
    assert shop.store.promotions[promotion_id] == before


def test_takes_it_out_by_its_text_alone(shop: BigCommerceShop):
    _, (gone, *others) = three(shop)

    answer = shop.adapter().disable_code(gone.lower(), "")

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert [shop.would_take(text) for text in (gone, *others)] == [False, True, True]


def test_touches_nothing_when_it_is_told_twice(shop: BigCommerceShop):
    promotion_id, (gone, *others) = three(shop)
    remote_id = found(shop, gone).remote_id
    shop.adapter().disable_code(gone, remote_id)
    shop.requests.clear()

    again = shop.adapter().disable_code(gone, remote_id)

    assert (again.outcome, again.value) == (Outcome.OK, None)
    assert (shop.asked("PUT"), shop.asked("DELETE")) == ([], [])
    assert [shop.would_take(text) for text in others] == [True, True]
    assert shop.store.promotions[promotion_id]["status"] == "ENABLED"


@pytest.mark.parametrize("lost", ["drop_after", "error_after", "drop", "late"])
def test_takes_that_one_alone_when_an_answer_was_lost(shop: BigCommerceShop, lost: str):
    promotion_id, (gone, *others) = three(shop)
    remote_id = found(shop, gone).remote_id
    shop.fault(lost, "DELETE", "/v3/promotions/")

    first = shop.adapter().disable_code(gone, remote_id)
    second = shop.adapter().disable_code(gone, remote_id)
    shop.catch_up()

    assert (first.outcome, second.outcome, second.value) == (Outcome.UNKNOWN, Outcome.OK, None)
    assert [shop.would_take(text) for text in (gone, *others)] == [False, True, True]
    assert shop.store.promotions[promotion_id]["status"] == "ENABLED"


def test_takes_a_used_one_out_and_its_order_keeps_it(shop: BigCommerceShop):
    _, (used, *others) = three(shop)
    order_id = shop.buy("jo@example.com", code=used)

    answer = shop.adapter().disable_code(used, "")

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    order = shop.adapter().read_order(order_id).value
    assert order is not None
    assert [applied.code for applied in order.codes] == [used]
    assert [shop.would_take(text) for text in others] == [True, True]


def test_leaves_nothing_behind_when_all_are_taken_out_one_by_one(shop: BigCommerceShop):
    promotion_id, texts = three(shop)

    outcomes = [shop.adapter().disable_code(text, "").outcome for text in texts]

    assert outcomes == [Outcome.OK] * 3
    assert shop.store.codes == {}
    assert shop.store.promotions[promotion_id]["status"] == "ENABLED"  # more may be made under it


def test_takes_one_out_while_all_are_switched_off_for_they_may_come_back(shop: BigCommerceShop):
    promotion_id, (gone, *others) = three(shop)
    shop.call("PUT", f"/v3/promotions/{promotion_id}", {"status": "DISABLED"})

    shop.adapter().disable_code(gone, found(shop, gone).remote_id)
    shop.call("PUT", f"/v3/promotions/{promotion_id}", {"status": "ENABLED"})

    assert [shop.would_take(text) for text in (gone, *others)] == [False, True, True]


def test_takes_out_the_code_alone_where_the_shop_does_not_say_whether_there_are_others(shop: BigCommerceShop):
    promotion_id, (gone, *others) = three(shop)
    del shop.store.promotions[promotion_id]["coupon_type"]

    shop.adapter().disable_code(gone, "")

    assert [shop.would_take(text) for text in (gone, *others)] == [False, True, True]


def test_does_not_move_the_last_day_of_all_for_one(shop: BigCommerceShop):
    promotion_id, (text, *_) = three(shop)

    answer = shop.adapter().extend_code(text, found(shop, text).remote_id, NEXT_YEAR)

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.UNSUPPORTED)
    assert "its last day is theirs too" in answer.reason
    assert shop.store.promotions[promotion_id]["end_date"] is None


def test_has_no_time_to_give_to_one_that_is_gone(shop: BigCommerceShop):
    promotion_id, (gone, *_) = three(shop)
    remote_id = found(shop, gone).remote_id
    shop.adapter().disable_code(gone, remote_id)

    answer = shop.adapter().extend_code(gone, remote_id, NEXT_YEAR)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert shop.store.promotions[promotion_id]["end_date"] is None


def test_judges_the_uses_of_each_by_itself(shop: BigCommerceShop):
    _, (used, *others) = three(shop)
    shop.buy("jo@example.com", code=used)

    seen = [found(shop, text) for text in (used, *others)]

    assert [(code.alive, code.uses) for code in seen] == [(False, None), (True, 0), (True, 0)]
    assert {code.reference for code in seen} == {"cb-12-3"}


def test_lists_each_with_its_own_uses(shop: BigCommerceShop):
    _, texts = three(shop)
    shop.buy("jo@example.com", code=texts[0])

    page = shop.adapter().list_codes("promotion 0 1").value

    assert page is not None
    assert list(page.codes) == [found(shop, text) for text in texts]
    assert [code.uses for code in page.codes] == [None, 0, 0]


def test_calls_all_dead_once_the_shop_limits_them_together(shop: BigCommerceShop):
    _, (used, *others) = three(shop, max_uses=1)
    shop.buy("jo@example.com", code=used)

    assert [found(shop, text).alive for text in others] == [False, False]


@pytest.mark.parametrize("empty", [True, False])
def test_clears_none_away_when_a_single_code_has_its_name(shop: BigCommerceShop, empty: bool):
    promotion_id, texts = three(shop, name="Loyalty Desk rr-1")
    if empty:
        shop.store.codes.clear()
    wanted = CodeSpec(
        code="LOY-ALONE", kind=DiscountKind.FREE_PRODUCT, title="A mug", reference="rr-1", currency="USD",
        product_reference=str(PRODUCT),
    )  # fmt: skip

    answer = shop.adapter().create_code(wanted)

    assert promotion_id in shop.store.promotions
    assert shop.asked("DELETE") == []
    assert answer.outcome is (Outcome.OK if empty else Outcome.REJECTED)
    assert [shop.would_take(text) for text in texts] == [not empty] * 3
