"""PayPal Payouts, over HTTP with a fake: what the contract of all providers does not say."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from platforms.adapter import Outcome, Refusal
from platforms.payouts.paypal import client, reports
from platforms.payouts.paypal.provider import PayPalPayouts
from platforms.payouts.provider import PayoutStatus
from tests.fakes.paying import ASK, PAY, TOKEN
from tests.fakes.payout_contract import PayPalHarness, paypal_harness
from tests.fakes.paypal import CLIENT_ID


@pytest.fixture
def paypal(tmp_path):
    with paypal_harness(tmp_path) as harness:
        yield harness


def settled(paypal: PayPalHarness, state: str, **more):
    """What PayPal says of a payout whose item is in this state."""
    order = paypal.order()
    sent = paypal.provider().submit(order).value
    paypal.fake.settle(order.reference, state, **more)
    return paypal.provider().query(replace(order, remote_id=sent.remote_id))


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("SUCCESS", 1), ("PENDING", 3), ("ONHOLD", 3), ("UNCLAIMED", 3), ("FAILED", 2), ("DENIED", 2),
        ("BLOCKED", 2), ("CANCELED", 2), ("RETURNED", 2), ("REFUNDED", 2), ("REVERSED", 2),
    ],
)  # fmt: skip
def test_each_state_of_an_item_is_one_of_the_four(paypal, state, status):
    told = settled(paypal, state).value

    assert (told.status, told.code) == (PayoutStatus(status), state)
    assert told.message or status == 1


def test_a_state_nobody_has_heard_of_is_not_guessed(paypal):
    answer = settled(paypal, "TELEPORTED")

    assert answer.outcome is Outcome.UNKNOWN
    assert answer.reason == (
        "PayPal's answer could not be understood: the status TELEPORTED is unknown. Check that the address is right."
    )


def test_why_it_failed_is_told_without_the_receiver(paypal):
    told = settled(paypal, "FAILED", error=("RECEIVER_ACCOUNT_LOCKED", "anna@example.com cannot receive money")).value

    assert (told.code, told.message) == ("RECEIVER_ACCOUNT_LOCKED", "[hidden] cannot receive money")


def test_what_is_just_taken_on_reads_as_init(paypal):
    sent = paypal.provider().submit(paypal.order()).value

    assert (sent.status, sent.code, sent.remote_id) == (PayoutStatus.ACCEPTED, "", "BATCH1")


@pytest.mark.parametrize(("batch", "status"), [("PENDING", 0), ("PROCESSING", 3), ("DENIED", 2), ("CANCELED", 2)])
def test_a_batch_that_shows_no_item_yet_speaks_for_it(paypal, batch, status):
    order = paypal.order()
    sent = paypal.provider().submit(order).value
    (made,) = paypal.fake.of(order.reference)
    made.shows_item, made.state = False, batch

    told = paypal.provider().query(replace(order, remote_id=sent.remote_id)).value

    assert told.status == status


def test_an_item_that_waits_in_a_denied_batch_has_failed(paypal):
    order = paypal.order()
    sent = paypal.provider().submit(order).value
    (made,) = paypal.fake.of(order.reference)
    made.state = "DENIED"

    told = paypal.provider().query(replace(order, remote_id=sent.remote_id)).value

    assert (told.status, told.code, told.message) == (PayoutStatus.FAILED, "DENIED", "PayPal denied it")


def test_somebody_elses_batch_is_not_ours(paypal):
    paypal.provider().submit(paypal.order())
    order = paypal.order(remote_id="BATCH1")

    answer = paypal.provider().query(order)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert answer.reason == "PayPal's payout BATCH1 is not this one."


def test_a_batch_that_paypal_does_not_know_is_not_found(paypal):
    answer = paypal.provider().query(paypal.order(remote_id="../../v1/customer"))

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert answer.reason.startswith("PayPal knows no such payout.")


def test_a_duplicate_without_its_number_stays_unknown(paypal):
    order = paypal.order()
    paypal.provider().submit(order)
    paypal.fake.names_duplicates = False

    again = paypal.provider().submit(order)

    assert again.outcome is Outcome.UNKNOWN
    assert again.reason == "PayPal has this payout already, and does not say under which number."
    assert len(paypal.payments(order)) == 1


def test_a_duplicate_that_cannot_be_looked_up_stays_unknown(paypal):
    order = paypal.order()
    paypal.provider().submit(order)
    paypal.fake.fault("server_error", at=ASK)

    again = paypal.provider().submit(order)

    assert again.outcome is Outcome.UNKNOWN
    assert "PayPal failed with status 500." in again.reason


@pytest.mark.parametrize(
    "href",
    ["https://evil.example/v1/payments/payouts/B1?x=1", "/v1/payments/payouts/B1", "http://h/v1/payments/payouts/B1#f"],
)
def test_of_a_link_only_the_number_is_taken(href):
    said = {"details": [{"field": "SENDER_BATCH_ID", "issue": "… already exists", "link": [{"href": href}]}]}

    assert reports.batch_of_duplicate(said) == "B1"


@pytest.mark.parametrize(
    "said",
    [{}, [], None, {"details": "x"}, {"details": [None]}, {"details": [{"field": "ITEMS", "issue": "already exists"}]}],
)
def test_no_other_refusal_is_taken_for_a_duplicate(said):
    assert reports.batch_of_duplicate(said) is None


def test_one_token_serves_many_calls_and_a_refused_one_is_renewed(paypal):
    paypal.provider().submit(paypal.order())
    paypal.provider().submit(paypal.order())
    paypal.fake.tokens.clear()

    answer = paypal.provider().submit(paypal.order())

    assert answer.ok
    assert paypal.fake.asked == [TOKEN, PAY, PAY, PAY, TOKEN, PAY]


@pytest.mark.parametrize("fault", ["server_error", "garbage", "drop", "timeout"])
def test_without_a_token_nothing_is_sent(paypal, fault):
    order = paypal.order()
    paypal.fake.fault(fault, at=TOKEN, seconds=1.0)

    answer = paypal.provider(timeout=0.5).submit(order)

    assert answer.outcome is Outcome.NOT_SENT
    assert answer.reason.startswith("PayPal was asked for an access token and gave none, so nothing was sent.")
    assert paypal.payments(order) == []


def test_too_little_money_is_said_as_it_is(paypal):
    paypal.fake.balance_is_empty = True

    answer = paypal.provider().submit(paypal.order())

    assert answer.outcome is Outcome.REJECTED
    assert answer.reason.startswith("There is too little money in the PayPal balance.")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"currency": "KRW"}, "PayPal pays nobody in KRW."),
        ({"currency": "HUF", "amount": Decimal("5.50")}, "PayPal pays HUF without decimals."),
    ],
)
def test_what_paypal_cannot_pay_is_not_sent(paypal, changes, reason):
    answer = paypal.provider().submit(paypal.order(**changes))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert answer.reason.startswith(reason)
    assert paypal.fake.asked == []


@pytest.mark.parametrize(
    ("currency", "amount", "written"),
    [("USD", "5.00", "5.00"), ("HUF", "500.00", "500"), ("JPY", "500", "500"), ("TWD", "7.00", "7")],
)
def test_amounts_are_written_as_paypal_wants_them(paypal, currency, amount, written):
    order = paypal.order(currency=currency, amount=Decimal(amount))

    assert paypal.provider().submit(order).ok
    assert paypal.fake.of(order.reference)[0].item["amount"] == {"value": written, "currency": currency}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"credentials": {"client_id": CLIENT_ID, "client_secret": ""}}, client.NO_CREDENTIALS),
        ({"credentials": {"client_id": CLIENT_ID, "client_secret": "another"}}, client.WRONG_CLIENT),
        ({"allow_private_addresses": False}, client.NOT_PAYPAL),
        ({"currency": "KRW"}, "PayPal pays nobody in KRW."),
    ],
)
def test_each_misconfiguration_has_its_sentence(paypal, changes, reason):
    answer = paypal.provider(**changes).test_connection()

    assert answer.outcome is Outcome.REJECTED
    assert answer.reason.startswith(reason)


def test_an_app_without_payouts_is_told_where_to_switch_them_on(paypal):
    paypal.fake.scopes = "openid"

    answer = paypal.provider().test_connection()

    assert (answer.refusal, answer.reason) == (Refusal.UNAUTHORIZED, client.NOT_ALLOWED)


def test_credentials_go_to_paypal_alone():
    at = {"https://api-m.paypal.com", "https://api-m.sandbox.paypal.com"}

    assert {address for address, _ in PayPalPayouts.capabilities.addresses} == at


def test_a_batchs_event_names_our_reference_too(paypal):
    header = {"payout_batch_id": "BATCH7", "sender_batch_header": {"sender_batch_id": "CB7X"}}
    event = {"id": "WH-7", "event_type": "PAYMENT.PAYOUTSBATCH.DENIED", "resource": {"batch_header": header}}

    message = paypal.provider().parse_webhook(headers={}, body=json.dumps(event).encode(), now=datetime.now(UTC))

    assert (message.reference, message.remote_id, message.report) == ("CB7X", "BATCH7", None)


def test_a_batch_that_holds_our_reference_twice_is_not_believed():
    data = {"batch_header": {"payout_batch_id": "B", "batch_status": "SUCCESS"}}
    item = {"transaction_status": "SUCCESS", "payout_item": {"sender_item_id": "CB1"}}

    with pytest.raises(reports.Unreadable, match="holds our reference twice"):
        reports.of_batch(data | {"items": [item, item]}, reference="CB1")
