"""BigCommerce's codes: coupons, promotions and gift certificates, made, found, switched off and let live longer."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from platforms.adapter import Answer, CodeSpec, DiscountKind, Outcome, PlatformCode, Refusal
from tests.fakes.bigcommerce import PRODUCT, BigCommerceShop, running_store

NEXT_YEAR = (datetime.now(UTC) + timedelta(days=365)).replace(microsecond=0)


@pytest.fixture
def shop() -> Iterator[BigCommerceShop]:
    with running_store() as running:
        yield running


def spec(kind: DiscountKind = DiscountKind.PERCENTAGE, **changes: Any) -> CodeSpec:
    values: dict[str, Any] = {
        "code": "LOY-7KQ2M9XA",
        "kind": kind,
        "title": "A reward (rr-1)",
        "reference": "rr-1",
        "currency": "USD",
        "percent": Decimal(10) if kind is DiscountKind.PERCENTAGE else None,
        "amount": Decimal("5.00") if kind in {DiscountKind.FIXED_AMOUNT, DiscountKind.GIFT_CARD} else None,
        "product_reference": str(PRODUCT) if kind is DiscountKind.FREE_PRODUCT else "",
    }
    return CodeSpec(**(values | changes))


def made(answer: Answer[PlatformCode | None]) -> PlatformCode:
    assert answer.ok, answer.reason
    assert answer.value is not None
    return answer.value


def test_makes_a_single_use_coupon_in_one_call(shop: BigCommerceShop):
    wanted = spec(minimum_order=Decimal("20.50"), expires_at=NEXT_YEAR, collections=("21", "7"))

    code = made(shop.adapter().create_code(wanted))

    (coupon,) = shop.store.coupons.values()
    assert shop.asked() == ["/v2/coupons"]
    assert {name: coupon[name] for name in ("name", "type", "amount", "max_uses", "max_uses_per_customer")} == {
        "name": "Loyalty Desk rr-1", "type": "percentage_discount", "amount": "10.0000", "max_uses": 1,
        "max_uses_per_customer": 1,
    }  # fmt: skip
    assert (coupon["min_purchase"], coupon["applies_to"]) == ("20.5000", {"entity": "categories", "ids": [7, 21]})
    assert code == PlatformCode(
        code="LOY-7KQ2M9XA", remote_id=f"coupon:{coupon['id']}", alive=True, reference="rr-1", uses=0,
        percent=Decimal(10), minimum_order=Decimal("20.5"), collections=("21", "7"), expires_at=NEXT_YEAR,
    )  # fmt: skip


def test_states_the_cost_of_delivery_on_a_code_for_free_delivery(shop: BigCommerceShop):
    code = made(shop.adapter().create_code(spec(DiscountKind.FREE_DELIVERY)))

    (coupon,) = shop.store.coupons.values()
    assert (coupon["type"], coupon["amount"]) == ("free_shipping", "4.0000")
    assert (code.percent, code.amount) == (None, None)


@pytest.mark.parametrize(
    ("setting", "kind", "said"),
    [
        ("delivery_cost", DiscountKind.FREE_DELIVERY, "Enter the cost of delivery"),
        ("sender_email", DiscountKind.GIFT_CARD, "Enter the sender of gift certificates"),
    ],
)
def test_makes_nothing_that_lacks_a_setting(shop: BigCommerceShop, setting: str, kind: DiscountKind, said: str):
    answer = shop.adapter(credentials=shop.credentials(**{setting: ""})).create_code(spec(kind))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert said in answer.reason
    assert shop.requests == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"code": "LÖY-1"}, "letters, digits"),
        ({"code": "A" * 51}, "at most 50"),
        ({"currency": "EUR"}, "default currency is USD"),
        ({"percent": Decimal(101)}, "at most 100"),
        ({"percent": Decimal(0)}, "above 0"),
        ({"kind": DiscountKind.FIXED_AMOUNT, "amount": Decimal(0)}, "above 0"),
        ({"kind": DiscountKind.FIXED_AMOUNT, "amount": Decimal("1.005")}, "more decimals than USD"),
        ({"collections": ("shoes",)}, "categories by their numbers"),
        ({"reference": "r" * 100}, "reference"),
        ({"kind": DiscountKind.FREE_PRODUCT, "product_reference": "mug"}, "products by their numbers"),
        ({"kind": DiscountKind.GIFT_CARD, "amount": Decimal(5), "code": "A" * 21}, "20 characters"),
        ({"kind": DiscountKind.GIFT_CARD, "amount": Decimal(5), "minimum_order": Decimal(5)}, "minimum order"),
        ({"kind": DiscountKind.GIFT_CARD, "amount": Decimal(5), "starts_at": NEXT_YEAR}, "first day"),
        ({"starts_at": NEXT_YEAR, "collections": ("21",)}, "to categories"),
    ],
)
def test_says_before_asking_what_the_shop_has_no_words_for(shop: BigCommerceShop, changes: dict[str, Any], said: str):
    answer = shop.adapter().create_code(spec(**changes))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert said in answer.reason
    assert shop.requests == []


def test_gives_a_product_away_by_a_promotion_of_its_own(shop: BigCommerceShop):
    wanted = spec(DiscountKind.FREE_PRODUCT, product_reference="variant:31", expires_at=NEXT_YEAR)

    code = made(shop.adapter().create_code(wanted))

    (promotion,), (kept,) = shop.store.promotions.values(), shop.store.codes.values()
    assert promotion["rules"][0]["action"] == {"gift_item": {"variant_id": 31, "quantity": 1}}
    assert (promotion["max_uses"], kept["max_uses"], promotion["redemption_type"]) == (1, 1, "COUPON")
    assert code.remote_id == f"promotion:{promotion['id']}:{kept['id']}"
    assert (code.product_reference, code.expires_at) == ("variant:31", NEXT_YEAR)
    assert made(shop.adapter().find_code(wanted.code)) == code


@pytest.mark.parametrize("kind", [DiscountKind.PERCENTAGE, DiscountKind.FIXED_AMOUNT, DiscountKind.FREE_DELIVERY])
def test_keeps_a_first_day_to_come_which_a_coupon_cannot(shop: BigCommerceShop, kind: DiscountKind):
    wanted = spec(kind, starts_at=NEXT_YEAR, minimum_order=Decimal(9))

    code = made(shop.adapter().create_code(wanted))

    (promotion,) = shop.store.promotions.values()
    assert datetime.fromisoformat(promotion["start_date"]) == NEXT_YEAR
    assert (code.alive, code.percent, code.amount, code.minimum_order) == (True, wanted.percent, wanted.amount, 9)
    assert not shop.would_take(wanted.code)
    assert shop.store.coupons == {}


def test_takes_away_what_an_earlier_try_left_of_a_promotion(shop: BigCommerceShop):
    shop.fault("error", "POST", "/v3/promotions/")
    first = shop.adapter().create_code(spec(DiscountKind.FREE_PRODUCT))

    second = shop.adapter().create_code(spec(DiscountKind.FREE_PRODUCT))

    assert (first.outcome, second.outcome) == (Outcome.UNKNOWN, Outcome.OK)
    assert len(shop.store.promotions) == len(shop.store.codes) == 1


def test_makes_no_second_promotion_for_one_reward(shop: BigCommerceShop):
    shop.adapter().create_code(spec(DiscountKind.FREE_PRODUCT))

    same = shop.adapter().create_code(spec(DiscountKind.FREE_PRODUCT))
    other = shop.adapter().create_code(spec(DiscountKind.FREE_PRODUCT, code="LOY-OTHER"))

    assert (same.refusal, other.refusal) == (Refusal.DUPLICATE_CODE, Refusal.OTHER)
    assert "has its code already" in other.reason
    assert len(shop.store.promotions) == len(shop.store.codes) == 1


def test_makes_a_gift_certificate_for_the_customer(shop: BigCommerceShop):
    code = made(shop.adapter().create_code(spec(DiscountKind.GIFT_CARD, customer_email="jo@example.com")))

    (card,) = shop.store.certificates.values()
    assert (card["to_email"], card["from_email"]) == ("jo@example.com", "rewards@garden.example")
    assert (card["balance"], card["currency_code"], card["status"]) == ("5.0000", "USD", "active")
    assert (code.remote_id, code.amount, code.uses) == (f"certificate:{card['id']}", Decimal(5), 0)


def test_calls_a_gift_card_used_once_something_was_spent(shop: BigCommerceShop):
    shop.adapter().create_code(spec(DiscountKind.GIFT_CARD, amount=Decimal(100)))
    shop.buy("jo@example.com", code="LOY-7KQ2M9XA")

    code = made(shop.adapter().find_code("LOY-7KQ2M9XA"))

    assert (code.alive, code.uses, code.amount) == (True, 1, Decimal(100))


@pytest.mark.parametrize("status", [400, 409, 422])
@pytest.mark.parametrize("kind", list(DiscountKind))
def test_sees_a_code_of_somebody_else_whatever_the_shop_refuses_with(
    shop: BigCommerceShop, kind: DiscountKind, status: int
):
    shop.store.duplicate_status = status
    made(shop.adapter().create_code(spec(DiscountKind.FIXED_AMOUNT, reference="theirs")))

    answer = shop.adapter().create_code(spec(kind))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.DUPLICATE_CODE)
    assert len(shop.store.coupons) == 1
    assert shop.store.certificates == shop.store.codes == shop.store.promotions == {}


def test_does_not_make_a_second_coupon_for_one_reward(shop: BigCommerceShop):
    made(shop.adapter().create_code(spec()))

    answer = shop.adapter().create_code(spec(code="LOY-OTHER"))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.OTHER)
    assert "“Loyalty Desk rr-1” under another code" in answer.reason
    assert len(shop.store.coupons) == 1


def test_hands_on_what_the_shop_says_about_a_refusal(shop: BigCommerceShop):
    shop.fault("refuse", "POST", "/v2/coupons")

    answer = shop.adapter().create_code(spec())

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert answer.reason == "The shop refused: Something is wrong"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"amount": "50.0000"}, "percentage"),
        ({"expires": ""}, "expiry"),
        ({"max_uses": 0}, "limit of uses"),
        ({"applies_to": {"entity": "categories", "ids": [3]}}, "choice of categories"),
        ({"min_purchase": "1.0000"}, "minimum order"),
    ],
)
def test_switches_off_at_once_what_the_shop_stored_otherwise(shop: BigCommerceShop, change: dict[str, Any], what: str):
    shop.store.changes.append(lambda coupon: coupon.update(change))

    answer = shop.adapter().create_code(spec(expires_at=NEXT_YEAR))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert f"another {what} than we asked for" in answer.reason
    assert [coupon["enabled"] for coupon in shop.store.coupons.values()] == [False]


def test_does_not_know_what_became_of_a_wrong_code_it_could_not_switch_off(shop: BigCommerceShop):
    shop.store.changes.append(lambda coupon: coupon.update(amount="50.0000"))
    shop.fault("error", "PUT", "/v2/coupons")

    assert shop.adapter().create_code(spec()).outcome is Outcome.UNKNOWN


def test_proves_an_absence_in_all_three_places(shop: BigCommerceShop):
    answer = shop.adapter().find_code("LOY-7KQ2M9XA")

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert shop.asked() == ["/v2/coupons", "/v3/promotions", "/v2/gift_certificates"]


@pytest.mark.parametrize("place", ["/v2/coupons", "/v3/promotions", "/v2/gift_certificates"])
def test_proves_nothing_when_one_of_the_places_cannot_be_seen(shop: BigCommerceShop, place: str):
    shop.fault("error", "GET", place)

    assert shop.adapter().find_code("LOY-7KQ2M9XA").outcome is Outcome.UNKNOWN


def test_looks_no_further_than_ours(shop: BigCommerceShop):
    shop.adapter().create_code(spec())
    shop.requests.clear()

    shop.adapter().find_code("LOY-7KQ2M9XA")

    assert shop.asked() == ["/v2/coupons"]


def test_prefers_ours_where_the_shop_has_two_of_one_text_in_different_places(shop: BigCommerceShop):
    theirs = made(shop.adapter().create_code(spec(code="SPRING", reference="theirs")))
    ours = made(shop.adapter().create_code(spec(DiscountKind.GIFT_CARD)))
    shop.store.coupons[int(theirs.remote_id.split(":")[1])] |= {"name": "Spring sale", "code": ours.code}

    code = made(shop.adapter().find_code(ours.code))

    assert (code.remote_id, code.reference) == (ours.remote_id, "rr-1")


def test_does_not_take_the_shadow_of_a_promotion_for_a_coupon(shop: BigCommerceShop):
    wanted = spec(DiscountKind.FREE_PRODUCT)
    shop.adapter().create_code(wanted)

    code = made(shop.adapter().find_code(wanted.code))

    assert code.remote_id.startswith("promotion:")


@pytest.mark.parametrize("exact", [True, False])
def test_finds_a_code_whether_or_not_the_shop_minds_its_case(shop: BigCommerceShop, exact: bool):
    shop.store.exact_case = exact
    shop.adapter().create_code(spec())

    assert made(shop.adapter().find_code("loy-7kq2m9xa")).code == "LOY-7KQ2M9XA"


def test_finds_a_mixed_case_code_that_somebody_made(shop: BigCommerceShop):
    shop.store.exact_case = True
    made(shop.adapter().create_code(spec(code="Spring-1")))

    assert made(shop.adapter().find_code("Spring-1")).reference == "rr-1"


def test_keeps_everything_else_of_a_coupon_it_switches_off(shop: BigCommerceShop):
    code = made(shop.adapter().create_code(spec(minimum_order=Decimal(9), expires_at=NEXT_YEAR, collections=("7",))))
    (coupon,) = shop.store.coupons.values()
    before = dict(coupon)

    answer = shop.adapter().disable_code(code.code, code.remote_id)

    assert answer.value is not None
    assert answer.value.alive is False
    assert coupon == before | {"enabled": False}


def test_keeps_what_is_left_on_a_gift_card_it_switches_off(shop: BigCommerceShop):
    shop.adapter().create_code(spec(DiscountKind.GIFT_CARD, amount=Decimal(100), expires_at=NEXT_YEAR))
    shop.buy("jo@example.com", code="LOY-7KQ2M9XA")
    (card,) = shop.store.certificates.values()
    before = dict(card)

    code = made(shop.adapter().disable_code("LOY-7KQ2M9XA", ""))

    assert card == before | {"status": "disabled"}
    assert (card["balance"], code.alive, code.uses) == ("78.0000", False, 1)


@pytest.mark.parametrize("kind", list(DiscountKind))
def test_switches_off_what_was_used_and_does_not_call_it_unused(shop: BigCommerceShop, kind: DiscountKind):
    made(shop.adapter().create_code(spec(kind)))
    shop.buy("jo@example.com", code="LOY-7KQ2M9XA")

    code = made(shop.adapter().disable_code("LOY-7KQ2M9XA", ""))

    assert (code.alive, code.uses) == (False, 1 if kind is DiscountKind.GIFT_CARD else None)


@pytest.mark.parametrize("kind", list(DiscountKind))
def test_calls_a_code_dead_once_a_checkout_took_it_but_not_used_before_an_order_says_so(
    shop: BigCommerceShop, kind: DiscountKind
):
    made(shop.adapter().create_code(spec(kind)))
    shop.buy("jo@example.com", code="LOY-7KQ2M9XA", status_id=7)

    code = made(shop.adapter().find_code("LOY-7KQ2M9XA"))

    assert (code.alive, code.uses) == (False, 1 if kind is DiscountKind.GIFT_CARD else None)


@pytest.mark.parametrize("kind", list(DiscountKind))
def test_changes_nothing_when_it_switches_off_a_second_time(shop: BigCommerceShop, kind: DiscountKind):
    code = made(shop.adapter().create_code(spec(kind)))
    first = shop.adapter().disable_code(code.code, code.remote_id)
    shop.requests.clear()

    second = shop.adapter().disable_code(code.code, code.remote_id)

    assert second.value == first.value
    assert shop.asked("PUT") == shop.asked("DELETE") == []


def test_leaves_another_ones_code_of_that_text_alone(shop: BigCommerceShop):
    theirs = made(shop.adapter().create_code(spec()))
    shop.store.coupons[int(theirs.remote_id.split(":")[1])]["name"] = "Spring sale"

    answer = shop.adapter().disable_code(theirs.code, "coupon:1")

    assert answer.value is not None
    assert (answer.value.alive, answer.value.reference) == (True, "")


def merchants_promotion(shop: BigCommerceShop) -> int:
    """A promotion that the merchant made, with two codes, one of which we were given for a pool."""
    body = {"redemption_type": "COUPON", "name": "Spring", "rules": [{"action": {"shipping": {"zone_ids": "*"}}}]}
    promotion_id = shop.call("POST", "/v3/promotions", body)["data"]["id"]
    for code in ("POOL-1", "POOL-2"):
        shop.call("POST", f"/v3/promotions/{promotion_id}/codes", {"code": code})
    assert isinstance(promotion_id, int)
    return promotion_id


def test_takes_one_code_out_of_the_merchants_promotion_and_leaves_the_others(shop: BigCommerceShop):
    promotion_id = merchants_promotion(shop)

    answer = shop.adapter().disable_code("POOL-1", "")

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert [code["code"] for code in shop.store.codes.values()] == ["POOL-2"]
    assert shop.store.promotions[promotion_id]["status"] == "ENABLED"


def test_does_not_move_the_last_day_of_the_merchants_other_codes(shop: BigCommerceShop):
    promotion_id = merchants_promotion(shop)

    answer = shop.adapter().extend_code("POOL-1", "", NEXT_YEAR)

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.UNSUPPORTED)
    assert shop.store.promotions[promotion_id]["end_date"] is None


@pytest.mark.parametrize("kind", list(DiscountKind))
def test_lets_an_expired_code_of_each_kind_live_again(shop: BigCommerceShop, kind: DiscountKind):
    code = made(shop.adapter().create_code(spec(kind, expires_at=datetime.now(UTC) - timedelta(hours=1))))
    assert not shop.would_take(code.code)

    longer = made(shop.adapter().extend_code(code.code, code.remote_id, NEXT_YEAR))

    assert (longer.alive, longer.expires_at) == (True, NEXT_YEAR)
    assert shop.would_take(code.code)
    assert made(shop.adapter().find_code(code.code)) == longer


@pytest.mark.parametrize("kind", list(DiscountKind))
def test_brings_no_disabled_code_back_with_more_time(shop: BigCommerceShop, kind: DiscountKind):
    code = made(shop.adapter().create_code(spec(kind)))
    shop.adapter().disable_code(code.code, code.remote_id)

    answer = shop.adapter().extend_code(code.code, code.remote_id, NEXT_YEAR)

    assert answer.value is not None
    assert (answer.value.alive, answer.value.expires_at) == (False, None)
    assert not shop.would_take(code.code)
