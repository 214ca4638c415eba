"""Testing a connection to BigCommerce: a sentence for each misconfiguration. And all codes of a store, page by page."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from platforms.adapter import Access, CodeSpec, DiscountKind, Outcome, PlatformCode, Refusal
from platforms.bigcommerce import listing
from platforms.bigcommerce.adapter import BigCommerceAdapter
from tests.fakes.bigcommerce import BigCommerceShop, running_store
from tests.fakes.misbehaving import misbehaving_server, reply


@pytest.fixture
def shop() -> Iterator[BigCommerceShop]:
    with running_store() as running:
        yield running


def test_says_which_store_it_is_and_changes_nothing(shop: BigCommerceShop):
    answer = shop.adapter().test_connection()

    assert answer.ok, answer.reason
    assert answer.value is not None
    assert (answer.value.name, answer.value.currency) == ("Garden of Loyalty", "USD")
    assert answer.value.detail == "BigCommerce store abcde"
    assert shop.store.coupons == shop.store.certificates == shop.store.promotions == {}


def test_says_what_will_not_work_until_more_is_entered(shop: BigCommerceShop):
    credentials = {"access_token": shop.credentials()["access_token"]}

    value = shop.adapter(credentials=credentials).test_connection().value

    assert value is not None
    assert value.detail == (
        "BigCommerce store abcde; no free delivery until its cost is entered; no gift cards until their sender is "
        "entered; signatures of webhooks are not checked without the client secret"
    )


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ({"info"}, ["Information & settings: read-only (store_v2_information_read_only)"]),
        ({"marketing:modify"}, ["Marketing: modify (store_v2_marketing)"]),
        ({"marketing", "marketing:modify"}, ["Marketing: modify (store_v2_marketing)"]),
        ({"orders"}, ["Orders: read-only (store_v2_orders_read_only)"]),
        ({"transactions"}, ["Order transactions: read-only (store_v2_transactions_read_only)"]),
        ({"orders", "transactions"}, ["Orders: read-only (store_v2_orders_read_only)",
                                      "Order transactions: read-only (store_v2_transactions_read_only)"]),
    ],
)  # fmt: skip
def test_names_the_scopes_that_are_missing(shop: BigCommerceShop, missing: set[str], named: list[str]):
    shop.store.scopes -= missing

    answer = shop.adapter().test_connection()

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.UNAUTHORIZED)
    assert f"its API account lacks: {'; '.join(named)}. An API account" in answer.reason


@pytest.mark.parametrize(
    ("changes", "credentials", "refusal", "said"),
    [
        ({"base_url": "https://garden.mybigcommerce.com"}, {}, Refusal.INVALID, "must be the API path"),
        ({}, {"access_token": " "}, Refusal.UNAUTHORIZED, "access token is missing"),
        ({}, {"access_token": "wrong"}, Refusal.UNAUTHORIZED, "belongs to this store and still exists"),
        ({"currency": "EUR"}, {}, Refusal.INVALID, "set to EUR, but the store's default currency is USD"),
        ({}, {"delivery_cost": "free"}, Refusal.INVALID, "cost of delivery is not an amount"),
        ({}, {"delivery_cost": "0.00"}, Refusal.INVALID, "above 0"),
        ({}, {"sender_email": "rewards"}, Refusal.INVALID, "not an e-mail address"),
        ({}, {"completed_statuses": "paid"}, Refusal.INVALID, "completed order statuses"),
    ],
)
def test_has_a_sentence_for_each_misconfiguration(
    shop: BigCommerceShop, changes: dict[str, Any], credentials: dict[str, str], refusal: Refusal, said: str
):
    answer = shop.adapter(**changes, credentials=shop.credentials(**credentials)).test_connection()

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, refusal)
    assert said in answer.reason
    assert answer.reason.endswith(".")


def test_knows_a_store_hash_that_does_not_exist(shop: BigCommerceShop):
    answer = shop.adapter(base_url=shop.url.replace("abcde", "zzzzz")).test_connection()

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.NOT_FOUND)
    assert "not as BigCommerce's API does" in answer.reason


@pytest.mark.parametrize(
    "answered",
    [
        reply("200 OK", b"<html>A shop</html>", "Content-Type: text/html"),
        reply("404 Not Found", b"<html>"),
        reply("405 Method Not Allowed"),
    ],
)
def test_knows_when_something_else_stands_at_the_address(answered: bytes):
    with misbehaving_server(answered) as server:
        answer = BigCommerceAdapter(access(f"{server.url}/stores/abcde")).test_connection()

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.NOT_FOUND)
    assert "not as BigCommerce's API does" in answer.reason


def access(base_url: str) -> Access:
    return Access(
        base_url=base_url,
        credentials={"access_token": "any-token"},
        webhook_secrets=(),
        currency="USD",
        allow_private_addresses=True,
    )


@pytest.mark.parametrize(
    ("fault", "outcome", "said"),
    [
        ("down", Outcome.UNKNOWN, "down for maintenance or suspended"),
        ("throttled", Outcome.THROTTLED, "quota"),
        ("overloaded", Outcome.THROTTLED, "overloaded"),
        ("plan_limit", Outcome.REJECTED, "plan"),
        ("drop", Outcome.UNKNOWN, "connection broke"),
    ],
)
def test_does_not_call_a_passing_trouble_a_misconfiguration(
    shop: BigCommerceShop, fault: str, outcome: Outcome, said: str
):
    shop.fault(fault, "GET", "/v2/store")

    answer = shop.adapter().test_connection()

    assert answer.outcome is outcome
    assert said in answer.reason


def test_does_not_say_that_all_is_well_when_a_scope_could_not_be_tried(shop: BigCommerceShop):
    shop.fault("error", "GET", "/v2/orders")

    assert shop.adapter().test_connection().outcome is Outcome.UNKNOWN


SPEC = CodeSpec(
    code="LOY-1", kind=DiscountKind.PERCENTAGE, title="A reward", reference="rr-1", currency="USD", percent=Decimal(10)
)


def listed(shop: BigCommerceShop, cursor: str = "") -> list[PlatformCode]:
    found: list[PlatformCode] = []
    for _ in range(200):
        answer = shop.adapter().list_codes(cursor)
        assert answer.ok, answer.reason
        assert answer.value is not None
        found += answer.value.codes
        cursor = answer.value.cursor
        if not answer.value.more:
            return found
    raise AssertionError("it does not come to an end")


def fill(shop: BigCommerceShop, *, promotions: int = 0) -> list[str]:
    for number in range(3):
        made = {"code": f"C-{number}", "reference": f"rr-c{number}"}
        assert shop.adapter().create_code(replace(SPEC, **made)).ok
        card = {"code": f"G-{number}", "reference": f"rr-g{number}", "kind": DiscountKind.GIFT_CARD}
        assert shop.adapter().create_code(replace(SPEC, **card, amount=Decimal(5), percent=None)).ok
    for number in range(promotions):
        promotion(shop, f"P-{number}")
    return [f"C-{number}" for number in range(3)] + [f"G-{number}" for number in range(3)]


def promotion(shop: BigCommerceShop, *codes: str) -> int:
    body = {"redemption_type": "COUPON", "name": codes[0], "rules": [{"action": {"shipping": {"zone_ids": "*"}}}]}
    identity = shop.call("POST", "/v3/promotions", body)["data"]["id"]
    for code in codes:
        shop.call("POST", f"/v3/promotions/{identity}/codes", {"code": code})
    assert isinstance(identity, int)
    return identity


def test_lists_nothing_of_an_empty_store(shop: BigCommerceShop):
    assert listed(shop) == []


def test_lists_each_code_of_each_sort_once(shop: BigCommerceShop):
    names = fill(shop, promotions=27)

    found = [code.code for code in listed(shop)]

    assert sorted(found) == sorted([*names, *(f"P-{number}" for number in range(27))])


def test_shows_in_the_list_what_it_shows_alone(shop: BigCommerceShop):
    fill(shop, promotions=2)

    found = listed(shop)

    assert [shop.adapter().find_code(code.code).value for code in found] == found


def test_goes_through_a_promotion_with_more_codes_than_fill_a_page(
    shop: BigCommerceShop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(listing, "PAGE_SIZE", 4)
    names = fill(shop)
    many = [f"BULK-{number}" for number in range(11)]
    promotion(shop, *many)
    promotion(shop, "LAST")

    found = [code.code for code in listed(shop)]

    assert sorted(found) == sorted([*names, *many, "LAST"])


def test_misses_no_code_when_others_are_deleted_while_it_reads(shop: BigCommerceShop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listing, "PAGE_SIZE", 2)
    fill(shop, promotions=35)
    staying = {f"P-{number}" for number in range(35) if f"P-{number}" not in gone()} | {"C-2", "G-0", "G-1", "G-2"}
    cursor, seen = "", set()
    for _ in range(200):
        page = shop.adapter().list_codes(cursor).value
        assert page is not None
        seen |= {code.code for code in page.codes}
        if "C-0" in seen and len(shop.store.coupons) > 1:
            del shop.store.coupons[min(shop.store.coupons)]
        if "P-29" in seen:
            for identity in [each["id"] for each in shop.store.promotions.values() if each["name"] in gone()]:
                shop.call("DELETE", f"/v3/promotions/{identity}")
        cursor = page.cursor
        if not page.more:
            break

    assert staying <= seen


def gone() -> set[str]:
    return {f"P-{number}" for number in range(2, 15)}  # more than a page of them


def test_goes_on_when_the_promotion_it_was_in_is_deleted(shop: BigCommerceShop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listing, "PAGE_SIZE", 2)
    identity = promotion(shop, "A-1", "A-2", "A-3")
    promotion(shop, "LAST")
    cursor = ""
    while not cursor.startswith("codes "):
        page = shop.adapter().list_codes(cursor).value
        assert page is not None
        cursor = page.cursor
    shop.call("DELETE", f"/v3/promotions/{identity}")

    assert [code.code for code in listed(shop, cursor)] == ["LAST"]


@pytest.mark.parametrize("cursor", ["x", "coupon", "coupon -1", "promotion 1", "codes 1 1", "certificate 1 1"])
def test_says_when_the_place_in_the_list_is_unreadable(shop: BigCommerceShop, cursor: str):
    answer = shop.adapter().list_codes(cursor)

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert shop.requests == []


@pytest.mark.parametrize("place", ["/v2/coupons", "/v3/promotions", "/v3/promotions/", "/v2/gift_certificates"])
def test_leaves_nothing_out_of_the_list_that_it_could_not_see(shop: BigCommerceShop, place: str):
    fill(shop, promotions=1)
    shop.fault("error", "GET", place)

    outcomes, cursor = [], ""
    for _ in range(6):
        answer = shop.adapter().list_codes(cursor)
        outcomes.append(answer.outcome)
        cursor = answer.value.cursor if answer.value is not None else cursor

    assert outcomes.count(Outcome.UNKNOWN) == 1


@pytest.mark.parametrize("path", ["/v3/promotions", "/v3/promotions/"])
def test_takes_an_empty_answer_for_no_list_of_promotions_or_their_codes(shop: BigCommerceShop, path: str):
    fill(shop, promotions=1)
    shop.fault("empty", "GET", path)

    assert shop.adapter().find_code("P-0").outcome is Outcome.UNKNOWN
    shop.fault("empty", "GET", path)
    assert shop.adapter().list_codes("promotion 0 1").outcome is Outcome.UNKNOWN
