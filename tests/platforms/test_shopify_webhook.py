"""Webhooks of a Shopify shop: whose they are, what they are about, and that they stay registered."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from platforms.adapter import Outcome, Refusal, WebhookMessage, WebhookRejected
from platforms.privacy import PrivacyAsk, PrivacyKind
from platforms.shopify import webhook
from tests.fakes.shopify.server import running_shopify
from tests.fakes.shopify.shop import CLIENT_SECRET, Shop

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SHOP = Shop()
HOOK = "https://desk.example/hooks/1/"


def parse(headers: dict[str, str], body: bytes, *secrets: str) -> WebhookMessage:
    return webhook.parse(headers=headers, body=body, secrets=secrets or (CLIENT_SECRET,), shop="127.0.0.1", now=NOW)


def test_says_which_order_changed() -> None:
    headers, body = SHOP.delivery("orders/paid", 450789469)

    message = parse(headers, body)

    assert (message.topic, message.order_external_id, message.order) == ("orders/paid", "450789469", None)
    assert message.event_id == headers["x-shopify-webhook-id"]


def test_takes_the_order_from_the_text_that_lost_no_digits() -> None:
    headers, body = SHOP.delivery("orders/updated", 9007199254740993)
    rounded = body.replace(b'"id": 9007199254740993', b'"id": 9007199254740992')
    headers |= {"x-shopify-hmac-sha256": signed(rounded)}

    assert parse(headers, rounded).order_external_id == "9007199254740993"


def signed(body: bytes, secret: str = CLIENT_SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def test_of_a_refund_names_its_order() -> None:
    headers, body = SHOP.delivery("refunds/create", 77)

    assert parse(headers, body).order_external_id == "77"


@pytest.mark.parametrize("topic", [*sorted(webhook.PRIVACY_TOPICS), "app/uninstalled"])
def test_about_privacy_or_the_app_is_taken_and_names_no_order(topic: str) -> None:
    message = parse(*SHOP.delivery(topic))

    assert (message.topic, message.order_external_id) == (topic, "")
    assert (message.privacy is not None) is (topic in webhook.PRIVACY_TOPICS)


def test_about_privacy_says_whom_it_is_about_as_far_as_it_can_be_read() -> None:
    person = {"id": 191167, "email": "jo@example.com", "phone": "555-625-1199"}
    shown = parse(*SHOP.delivery("customers/data_request", customer=person, orders_requested=[299938, "x", -1]))
    erased = parse(*SHOP.delivery("customers/redact", customer=person, orders_to_redact=[299938]))
    odd = parse(*SHOP.delivery("customers/redact", customer=["?"], orders_to_redact={"a": 1}))

    assert shown.privacy == PrivacyAsk(
        kind=PrivacyKind.DATA_REQUEST,
        customer_external_id="191167",
        customer_email="jo@example.com",
        orders=("299938",),
    )
    assert erased.privacy is not None
    assert (erased.privacy.kind, erased.privacy.orders) == (PrivacyKind.ERASE_CUSTOMER, ("299938",))
    assert odd.privacy == PrivacyAsk(kind=PrivacyKind.ERASE_CUSTOMER)
    assert "jo@example.com" not in repr(shown.privacy)


def test_matches_the_published_form_of_the_signature() -> None:
    body = (
        b'{"id":1001,"admin_graphql_api_id":"gid://shopify/Order/1001","financial_status":"paid",'
        b'"discount_codes":[{"code":"LOY-7KQ2M9XA","amount":"5.00","type":"fixed_amount"}]}'
    )
    headers, _ = SHOP.delivery("orders/paid", 1001)
    headers |= {"x-shopify-hmac-sha256": "3FKjq7muZU8uFk8GeeSmDdi3M/Gh8GxnVlvdbp+gwV0="}

    assert parse(headers, body, "shpss_test_secret").order_external_id == "1001"


def test_is_taken_with_the_previous_secret_while_it_is_rotated() -> None:
    with running_shopify() as fake:
        headers, body = fake.shop.delivery("orders/paid", 5, secret="the-old-one")
        both = {"client_id": "a", "client_secret": "the-new-one", "previous_client_secret": "the-old-one"}

        message = fake.adapter(credentials=both).parse_webhook(headers=headers, body=body, now=NOW)

        with pytest.raises(WebhookRejected) as refused:
            fake.adapter().parse_webhook(headers=headers, body=body, now=NOW)
    assert message.order_external_id == "5"
    assert refused.value.code == "bad_signature"


def test_of_an_app_with_a_pasted_token_is_checked_with_the_webhook_secret() -> None:
    with running_shopify() as fake:
        headers, body = fake.shop.delivery("orders/paid", 5, secret="hook")
        adapter = fake.adapter(credentials={"token": "t"}, webhook_secrets=("hook",))

        assert adapter.parse_webhook(headers=headers, body=body, now=NOW).order_external_id == "5"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"x-shopify-hmac-sha256": ""}, "bad_signature"),
        ({"x-shopify-hmac-sha256": "x" * 44}, "bad_signature"),
        ({"x-shopify-hmac-sha256": "é"}, "bad_signature"),
        ({"x-shopify-shop-domain": "another.myshopify.com"}, "malformed"),
        ({"x-shopify-shop-domain": ""}, "malformed"),
        ({"x-shopify-webhook-id": ""}, "malformed"),
        ({"x-shopify-topic": ""}, "malformed"),
    ],
)
def test_is_refused_with_a_header_changed(change: dict[str, str], code: str) -> None:
    headers, body = SHOP.delivery("orders/paid", 1)

    with pytest.raises(WebhookRejected) as refused:
        parse(headers | change, body)

    assert refused.value.code == code


def test_is_refused_with_one_byte_changed() -> None:
    headers, body = SHOP.delivery("orders/paid", 1)

    with pytest.raises(WebhookRejected) as refused:
        parse(headers, body.replace(b"1", b"2", 1))

    assert refused.value.code == "bad_signature"


@pytest.mark.parametrize("body", [b"not json", b"[1]", b"{}", b'{"admin_graphql_api_id": "gid://shopify/Customer/1"}'])
def test_is_refused_when_it_names_no_order(body: bytes) -> None:
    headers, _ = SHOP.delivery("orders/paid", 1)
    headers |= {"x-shopify-hmac-sha256": signed(body)}

    with pytest.raises(WebhookRejected) as refused:
        parse(headers, body)

    assert refused.value.code == "malformed"


def test_is_refused_by_a_connection_without_a_secret() -> None:
    headers, body = SHOP.delivery("orders/paid", 1)

    with pytest.raises(WebhookRejected, match="Enter the client secret"):
        parse(headers, body, "")


def test_is_registered_for_each_topic_once() -> None:
    with running_shopify() as fake:
        first = fake.adapter().ensure_webhooks(HOOK)
        second = fake.adapter().ensure_webhooks(HOOK)

        assert (first.outcome, second.outcome) == (Outcome.OK, Outcome.OK)
        assert sorted(one["topic"] for one in fake.shop.subscriptions) == sorted(webhook.TOPICS.values())


def test_that_shopify_deleted_is_registered_again_and_the_rest_left_alone() -> None:
    with running_shopify() as fake:
        fake.adapter().ensure_webhooks(HOOK)
        fake.shop.subscriptions = [one for one in fake.shop.subscriptions if one["topic"] != "ORDERS_PAID"]
        fake.asked.clear()

        assert fake.adapter().ensure_webhooks(HOOK).ok

        assert fake.asked == ["Webhooks", "Subscribe"]
        assert {"topic": "ORDERS_PAID", "uri": HOOK} in fake.shop.subscriptions


def test_is_not_registered_by_an_app_that_may_not_read_orders() -> None:
    with running_shopify() as fake:
        fake.fault("Subscribe", "403")

        answer = fake.adapter().ensure_webhooks(HOOK)

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.UNAUTHORIZED)
