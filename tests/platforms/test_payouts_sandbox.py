"""Payouts through the sandbox, and those by hand: what the contract of all providers does not say."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from platforms.adapter import Access, Outcome, Refusal, WebhookRejected
from platforms.payouts.by_hand import ByHand
from platforms.payouts.provider import PayoutOrder, PayoutStatus, Receiver
from platforms.payouts.sandbox import SandboxPayouts
from platforms.sandbox.shop import webhooks
from tests.fakes.sandbox import ShopRefused, running_sandbox_shop

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
NUMBERS = iter(range(1, 1000))


@pytest.fixture(scope="module")
def shop_process(tmp_path_factory):
    with running_sandbox_shop(tmp_path_factory.mktemp("paying-shop")) as shop:
        yield shop


@pytest.fixture
def shop(shop_process):
    yield shop_process
    shop_process.clear_faults()


def provider(shop, *, timeout=5.0, token=None, currency="USD"):
    return SandboxPayouts(
        Access(
            base_url=shop.url,
            credentials={"token": token or shop.token},
            webhook_secrets=(shop.webhook_secret,),
            currency=currency,
            allow_private_addresses=True,
            timeout=timeout,
        )
    )


def order(reference=None, **fields):
    values = {
        "reference": reference or f"CB{next(NUMBERS)}XTEST",
        "amount": Decimal("5.00"),
        "currency": "USD",
        "title": "$5 cashback",
        "receiver": Receiver(email="anna@example.com"),
        "decided_at": NOW,
        "number": 1,
    }
    return PayoutOrder(**(values | fields))


def test_a_payout_is_paid_and_found_by_its_reference(shop):
    wanted = order()

    sent = provider(shop).submit(wanted)

    assert sent.ok
    assert (sent.value.reference, sent.value.status, sent.value.amount) == (wanted.reference, 1, Decimal("5.00"))
    asked = provider(shop).query(wanted)
    assert asked.value == sent.value
    assert sent.value.updated_at is not None


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [("accept", PayoutStatus.ACCEPTED, "INIT"), ("pending", PayoutStatus.PENDING, "P02"), ("fail", 2, "R07")],
)
def test_what_the_provider_says_is_told_as_it_says_it(shop, outcome, status, code):
    shop.fault("payout_outcome", outcome)

    sent = provider(shop).submit(order())

    assert (sent.value.status, sent.value.code) == (status, code)


def test_another_currency_is_refused_in_words(shop):
    answer = provider(shop).submit(order(currency="EUR"))

    assert answer.outcome is Outcome.REJECTED
    assert "This shop pays in USD." in answer.reason


def test_a_wrong_token_says_what_to_do(shop):
    answer = provider(shop, token="wrong-token-entirely").test_connection()

    assert answer.refusal is Refusal.UNAUTHORIZED
    assert answer.reason == "The provider refused our token. Enter it again."


def signed(shop, body, *, at=NOW):
    timestamp = str(int(at.timestamp()))
    signature = webhooks.sign(shop.webhook_secret, timestamp=timestamp, body=body)
    return {"x-sandbox-timestamp": timestamp, "x-sandbox-signature": signature}


def body(**changes):
    payout = {
        "id": "payout_1",
        "reference": "CB1X",
        "status": 2,
        "code": "R1",
        "message": "No account",
        "amount": "5.00",
        "currency": "USD",
        "updated_at": "2026-11-26T11:59:00Z",
    }
    data = {
        "event_id": "event_1",
        "topic": "payout.updated",
        "occurred_at": "2026-11-26T11:59:00Z",
        "payout": payout | changes.pop("payout", {}),
    }
    return json.dumps(data | changes).encode()


def test_a_genuine_callback_is_read(shop):
    told = body()

    message = provider(shop).parse_webhook(headers=signed(shop, told), body=told, now=NOW)

    assert (message.event_id, message.reference) == ("event_1", "CB1X")
    assert (message.report.status, message.report.code, message.report.message) == (2, "R1", "No account")


def test_an_address_in_a_message_is_not_kept(shop):
    told = body(payout={"message": "anna@example.com has no wallet"})

    message = provider(shop).parse_webhook(headers=signed(shop, told), body=told, now=NOW)

    assert message.report.message == "[hidden] has no wallet"


@pytest.mark.parametrize(
    "told",
    [
        body(topic="order.updated"),
        body(event_id=""),
        body(payout={"status": 9}),
        body(payout={"status": "1"}),
        body(payout={"amount": "much"}),
        body(payout={"reference": None}),
        b"[]",
        b"not json",
    ],
)
def test_a_strange_callback_is_malformed(shop, told):
    with pytest.raises(WebhookRejected) as refused:
        provider(shop).parse_webhook(headers=signed(shop, told), body=told, now=NOW)

    assert refused.value.code == "malformed"


def test_an_unsigned_callback_is_not_believed(shop):
    with pytest.raises(WebhookRejected) as refused:
        provider(shop).parse_webhook(headers={}, body=body(), now=NOW)

    assert refused.value.code == "bad_signature"


def test_what_is_settled_in_the_sandbox_stays_so(shop):
    wanted = order()
    provider(shop).submit(wanted)

    with pytest.raises(ShopRefused, match="stays so"):
        shop.settle_payout(wanted.reference, "failed")


def test_the_sandboxs_staff_decide_what_waits(shop):
    wanted = order()
    shop.fault("payout_outcome", "accept")
    provider(shop).submit(wanted)
    browser = shop.shopper()
    browser.post("/admin/login", token=shop.token)

    page = browser.get("/admin/payouts")
    assert wanted.reference in page.text
    assert "Taken on" in page.text
    browser.post(f"/admin/payouts/{shop.payouts(wanted.reference)[0]['id']}/paid")

    assert shop.payouts(wanted.reference)[0]["status"] == 1
    assert "At payouts" in browser.get("/admin/faults").text


def test_by_hand_calls_nobody():
    by_hand = ByHand(Access(base_url="", credentials={}, webhook_secrets=(), currency="EUR"))

    assert by_hand.submit(order()).outcome is Outcome.REJECTED
    assert by_hand.query(order()).outcome is Outcome.REJECTED
    assert by_hand.test_connection().value.currency == "EUR"
    with pytest.raises(WebhookRejected):
        by_hand.parse_webhook(headers={}, body=b"", now=NOW)
