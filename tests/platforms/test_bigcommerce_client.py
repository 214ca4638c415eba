"""How BigCommerce is asked: what cannot be sent at all, what each answer means, and how long to wait."""

import importlib
import pkgutil
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from platforms import bigcommerce, http
from platforms.adapter import Answer, CodeSpec, DiscountKind, Outcome, PlatformCode, Refusal
from platforms.bigcommerce import client
from tests.fakes.bigcommerce import BigCommerceShop, running_store
from tests.fakes.pacing import Told

SPEC = CodeSpec(
    code="LOY-7KQ2M9XA",
    kind=DiscountKind.PERCENTAGE,
    title="10% off",
    reference="rr-1",
    currency="USD",
    percent=Decimal(10),
)


@pytest.fixture
def shop() -> Iterator[BigCommerceShop]:
    with running_store() as running:
        yield running


def conversation(shop: BigCommerceShop) -> client.Conversation:
    return client.Conversation(shop.adapter()._access)


@pytest.mark.parametrize(
    "path",
    [
        "/v2/coupons", "/v2/coupons/", "/v2/coupons//", "/v2/coupons/0", "/v2/coupons/7", "/v2/coupons/ ",
        "/v2/coupons/%20", "/v2/coupons/../coupons", "/v2/coupons?id:in=1", "/v2/coupons#7", "/v2/coupons/\n",
        "/v2/gift_certificates", "/v2/gift_certificates/", "/v2/gift_certificates/9", "/v2/orders", "/v2/orders/1",
        "/v3/promotions", "/v3/promotions/", "/v3/promotions/0", "/v3/promotions/codes", "/v3/promotions/7/codes",
        "/v3/promotions/7/codes/", "/v3/promotions/7/../../v2/coupons", "/v3/promotions/7\n", "/v3/promotions/٣",
        "/v3/hooks", "/v3/hooks/", "", "/",
    ],
)  # fmt: skip
def test_cannot_send_a_delete_that_names_no_single_thing(shop: BigCommerceShop, path: str):
    with pytest.raises(client.NotOneThing):
        conversation(shop).ask("DELETE", path)

    assert shop.requests == []


@pytest.mark.parametrize(
    "path", ["/v3/promotions", "/v3/promotions/7", "/v3/promotions/7/codes", "/v3/promotions/codes"]
)
def test_cannot_send_a_delete_with_parameters(shop: BigCommerceShop, path: str):
    with pytest.raises(client.NotOneThing):
        conversation(shop).ask("DELETE", path, params={"id:in": "1,2"})

    assert shop.requests == []


@pytest.mark.parametrize("method", ["delete", "Delete", "DELETE ", "PATCH", "PURGE", ""])
def test_cannot_send_another_method(shop: BigCommerceShop, method: str):
    with pytest.raises(client.NotOneThing):
        conversation(shop).ask(method, "/v2/coupons")

    assert shop.requests == []


def test_has_no_other_way_to_the_network():
    names = [found.name for found in pkgutil.iter_modules(bigcommerce.__path__) if found.name != "client"]
    modules = [importlib.import_module(f"platforms.bigcommerce.{name}") for name in names]

    assert len(modules) > 10
    assert not [module.__name__ for module in modules if http in vars(module).values()]
    assert not [module.__name__ for module in modules if http.call in vars(module).values()]


def test_makes_the_store_fail_the_test_that_deletes_everything():
    with pytest.raises(AssertionError, match="deleted everything"), running_store() as shop:
        http.call(
            shop.adapter()._access, "DELETE", "/v2/coupons", headers={"x-auth-token": "bigcommerce-token-for-tests"}
        )


@pytest.mark.parametrize("ending", ["", "/", "/v2", "/v3/"])
def test_takes_the_api_path_as_the_vendor_shows_it(shop: BigCommerceShop, ending: str):
    assert shop.adapter(base_url=shop.url + ending).find_code("ANY").ok


@pytest.mark.parametrize(
    "address",
    ["https://garden.mybigcommerce.com", "https://api.bigcommerce.com", "https://api.bigcommerce.com/stores/",
     "https://api.bigcommerce.com/stores/ab/../cd", "https://api.bigcommerce.com/stores/ab?x=1", ""],
)  # fmt: skip
def test_sends_the_token_to_no_other_address(shop: BigCommerceShop, address: str):
    answer = shop.adapter(base_url=address).find_code("ANY")

    assert (answer.outcome, answer.reason) == (Outcome.NOT_SENT, client.ADDRESS)


def test_waits_as_long_as_the_shop_says(shop: BigCommerceShop):
    shop.reset_ms = 7_250
    shop.fault("throttled", "POST", "/v2/coupons")

    answer = shop.adapter().create_code(SPEC)

    assert (answer.outcome, answer.retry_after) == (Outcome.THROTTLED, 7.25)
    assert shop.store.coupons == {}


def test_waits_longer_when_the_platform_itself_is_overloaded(shop: BigCommerceShop):
    shop.fault("overloaded", "POST", "/v2/coupons")

    answer = shop.adapter().create_code(SPEC)

    assert (answer.outcome, answer.retry_after) == (Outcome.THROTTLED, 60.0)
    assert "overloaded" in answer.reason


def test_stops_asking_when_the_quota_is_used_up(shop: BigCommerceShop):
    shop.quota = 2

    answer = shop.adapter().find_code("NO-SUCH-CODE")

    assert (answer.outcome, answer.retry_after) == (Outcome.THROTTLED, 15.0)
    assert len(shop.requests) == 2


def test_still_tells_of_a_code_made_with_the_last_request_of_the_quota(shop: BigCommerceShop):
    shop.quota = 1

    assert shop.adapter().create_code(SPEC).ok


@pytest.mark.parametrize(
    ("fault", "outcome", "refusal", "said"),
    [
        ("locked", Outcome.THROTTLED, None, "locked by another change"),
        ("plan_limit", Outcome.REJECTED, Refusal.OTHER, "plan allows no more"),
        ("refuse", Outcome.REJECTED, Refusal.INVALID, "The shop refused: Something is wrong"),
        ("down", Outcome.UNKNOWN, None, "status 503"),
        ("error", Outcome.UNKNOWN, None, "status 500"),
        ("malformed", Outcome.UNKNOWN, None, "not JSON"),
        ("drop", Outcome.UNKNOWN, None, "connection broke"),
    ],
)
def test_says_what_each_answer_means(
    shop: BigCommerceShop, fault: str, outcome: Outcome, refusal: Refusal | None, said: str
):
    shop.fault(fault, "POST", "/v2/coupons")

    answer = shop.adapter().create_code(SPEC)

    assert (answer.outcome, answer.refusal) == (outcome, refusal)
    assert said in answer.reason


@pytest.mark.parametrize("fault", ["error_after", "timeout_after", "drop_after", "malformed"])
def test_never_guesses_what_became_of_a_code_that_the_shop_did_make(shop: BigCommerceShop, fault: str):
    shop.fault(fault, "POST", "/v2/coupons")

    answer: Answer[PlatformCode] = shop.adapter(timeout=0.8).create_code(SPEC)
    found = shop.adapter().find_code(SPEC.code)
    again = shop.adapter().create_code(SPEC)

    assert (answer.outcome, again.refusal) == (Outcome.UNKNOWN, Refusal.DUPLICATE_CODE)
    assert found.value is not None
    assert (found.value.reference, found.value.percent) == ("rr-1", Decimal(10))
    assert len(shop.store.coupons) == 1


def test_takes_no_longer_than_its_time_for_all_questions_together(shop: BigCommerceShop):
    shop.fault("slow", "GET", "/", times=10)
    began = time.monotonic()

    answer = shop.adapter(timeout=0.7).find_code("NO-SUCH-CODE")

    assert not answer.ok
    assert time.monotonic() - began < 1.5
    assert len(shop.requests) == 3


def test_keeps_the_token_out_of_what_it_tells(shop: BigCommerceShop):
    answer = shop.adapter(credentials=shop.credentials(access_token="wrong-token-1234")).find_code("ANY")

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.UNAUTHORIZED)
    assert "for the store abcde" in answer.reason
    assert "wrong-token" not in repr(answer)


def test_spreads_the_second_half_of_the_quota_over_the_time_it_is_for(shop: BigCommerceShop):
    told = Told()
    paced = client.Conversation(replace(shop.adapter()._access, pace=told))
    shop.reset_ms = 10_000
    for left in (100, 40, 0):
        shop.quota = left
        paced.ask("GET", "/v2/store")

    assert (told.paces, told.rests) == ([(3.9, 10.0)], [10.0])
