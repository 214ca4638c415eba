"""Testing a connection to WooCommerce: each thing that can be wrong has a sentence of its own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from platforms.adapter import Outcome, Refusal
from platforms.woocommerce import client, delivery, diagnosis, site
from tests.fakes.contract import nowhere
from tests.fakes.misbehaving import misbehaving_server
from tests.fakes.woocommerce import WooShop, running_woocommerce


@pytest.fixture
def shop() -> Iterator[WooShop]:
    with running_woocommerce() as running:
        yield running


def test_says_which_shop_it_is_and_changes_nothing(shop: WooShop) -> None:
    answer = shop.adapter().test_connection()

    assert answer.value is not None, answer.reason
    assert (answer.value.name, answer.value.currency, answer.value.detail) == ("Woo & Wool", "USD", "WooCommerce.")
    assert (shop.coupons, shop.hooks) == ([], [])


def switched(**fields: Any) -> Callable[[WooShop], None]:
    def change(shop: WooShop) -> None:
        for name, value in fields.items():
            setattr(shop, name, value)

    return change


@pytest.mark.parametrize(
    ("change", "refusal", "reason"),
    [
        (switched(has_permalinks=False), Refusal.INVALID, site.PERMALINKS_OFF),
        (switched(has_woocommerce=False), Refusal.NOT_FOUND, client.NOT_WOOCOMMERCE),
        (switched(keys={"ck_good": ("cs_other", "read_write", True)}), Refusal.UNAUTHORIZED, client.KEY_REFUSED),
        (switched(keys={"ck_other": ("cs_good", "read_write", True)}), Refusal.UNAUTHORIZED, client.WRONG_KEY),
        (switched(keys={"ck_good": ("cs_good", "read", True)}), Refusal.UNAUTHORIZED, client.READ_ONLY),
        (switched(keys={"ck_good": ("cs_good", "write", True)}), Refusal.UNAUTHORIZED, client.KEY_REFUSED),
        (switched(keys={"ck_good": ("cs_good", "read_write", False)}), Refusal.UNAUTHORIZED, client.NO_RIGHTS),
        (
            switched(currency="EUR"),
            Refusal.INVALID,
            "Woo & Wool sells in EUR, but this connection is set to USD. Change the connection's currency.",
        ),
    ],
)
def test_says_what_is_wrong(shop: WooShop, change: Callable[[WooShop], None], refusal: Refusal, reason: str) -> None:
    change(shop)

    answer = shop.adapter(currency="USD").test_connection()

    assert (answer.outcome, answer.refusal, answer.reason) == (Outcome.REJECTED, refusal, reason)


def test_says_that_a_firewall_stands_before_the_shop(shop: WooShop) -> None:
    shop.fault("GET", "/wp-json/", "firewall")
    at_the_door = shop.adapter().test_connection()
    shop.fault("GET", "/coupons", "firewall")
    behind_it = shop.adapter().test_connection()

    assert (at_the_door.refusal, at_the_door.reason) == (Refusal.UNAUTHORIZED, client.BLOCKED)
    assert (behind_it.refusal, behind_it.reason) == (Refusal.UNAUTHORIZED, client.BLOCKED)


@pytest.mark.parametrize(
    ("credentials", "reason"),
    [
        ({}, diagnosis.NO_KEY),
        ({"consumer_key": "ck_good", "consumer_secret": " "}, diagnosis.NO_KEY),
        ({"consumer_key": "cs_good", "consumer_secret": "ck_good"}, diagnosis.SWAPPED),
    ],
)
def test_looks_at_the_key_before_it_asks_the_shop(shop: WooShop, credentials: dict[str, str], reason: str) -> None:
    answer = shop.adapter(credentials=credentials).test_connection()

    assert (answer.refusal, answer.reason, shop.asked) == (Refusal.UNAUTHORIZED, reason, [])


def test_says_that_something_else_answers(shop: WooShop) -> None:
    answer = shop.adapter(base_url=f"{shop.base_url}/blog").test_connection()

    assert (answer.refusal, answer.reason) == (Refusal.NOT_FOUND, client.NOTHING_THERE)


def test_works_below_a_folder_s_api_address_too(shop: WooShop) -> None:
    assert shop.adapter(base_url=f"{shop.base_url}/wp-json/").test_connection().ok


def test_sends_nothing_at_all_over_plain_http() -> None:
    with misbehaving_server(b"") as server:
        adapter = WooShop().adapter(base_url=server.url)

        answers = [adapter.test_connection(), adapter.find_code("ANY"), adapter.orders_since("")]

        assert [(each.outcome, each.reason) for each in answers] == [(Outcome.NOT_SENT, client.PLAIN_HTTP)] * 3
        assert server.requests == []


def test_would_be_refused_over_plain_http_with_the_right_key_too() -> None:
    """The fake does as the shop does; that is why nothing is sent there."""
    with running_woocommerce(tls=False) as shop:
        allowed = shop.access()
        answer = client.http.call(
            allowed, "GET", "/wp-json/wc/v3/coupons", headers={"authorization": "Basic Y2tfZ29vZDpjc19nb29k"}
        )

    assert (answer.status, client.error_code(answer)) == (401, "woocommerce_rest_cannot_view")


def test_says_that_nobody_answers() -> None:
    adapter = WooShop().adapter(base_url=nowhere().base_url.replace("http:", "https:"))

    answer = adapter.test_connection()

    assert answer.outcome is Outcome.NOT_SENT
    assert "nothing answers there" in answer.reason


def test_trusts_no_certificate_that_nobody_vouches_for(shop: WooShop, monkeypatch: pytest.MonkeyPatch) -> None:
    from platforms import wire

    monkeypatch.delenv("SSL_CERT_FILE")
    wire.tls.cache_clear()

    answer = shop.adapter().test_connection()

    assert answer.outcome is Outcome.NOT_SENT
    assert shop.asked == []
    monkeypatch.undo()


def test_says_that_free_delivery_would_do_nothing(shop: WooShop) -> None:
    shop.offers_free_delivery = False

    answer = shop.adapter().test_connection()

    assert answer.value is not None
    assert answer.value.detail == f"WooCommerce. {delivery.NOT_OFFERED}"


@pytest.mark.parametrize("kind", ["error", "drop", "throttle"])
def test_says_no_more_than_it_knows_when_the_shop_fails_halfway(shop: WooShop, kind: str) -> None:
    shop.fault("POST", "/coupons", kind)

    answer = shop.adapter().test_connection()

    assert answer.outcome in {Outcome.UNKNOWN, Outcome.THROTTLED}
    assert answer.reason


@pytest.mark.parametrize("path", ["/shipping/zones", "/webhooks"])
def test_is_content_without_what_a_slow_shop_did_not_say_in_time(shop: WooShop, path: str) -> None:
    shop.fault("GET", path, "error")

    answer = shop.adapter().test_connection()

    assert answer.value is not None
    assert answer.value.detail == "WooCommerce."
