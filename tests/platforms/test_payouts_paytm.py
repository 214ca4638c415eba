"""Paytm's disbursals, over HTTP with a fake: the four statuses, the checksum, and what Paytm alone wants."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from platforms.adapter import Outcome, Refusal, WebhookRejected
from platforms.payouts.paytm import checksum, provider
from platforms.payouts.provider import PayoutStatus, Receiver
from rewards import payouts
from tests.fakes import paytm as fakes
from tests.fakes.payout_contract import paytm_harness

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def paytm(tmp_path):
    with paytm_harness(tmp_path) as harness:
        yield harness


def shown(paytm, code="", message=""):
    """How the grid shows a payout after Paytm said this of it."""
    order = paytm.order()
    report = paytm.provider().submit(order).value
    if code:
        paytm.fake.settle(order.reference, code, message)
        report = paytm.provider().query(order).value
    return payouts.word(report.status, report.code, report.message)


def test_the_grid_shows_the_four_statuses_as_people_know_them(paytm):
    assert shown(paytm) == "0: INIT: INIT"
    assert shown(paytm, "DE_001", "Successful disbursal") == "1: SUCCESS"
    assert shown(paytm, "DE_051", "Beneficiary has no wallet") == "2: DE_051: Beneficiary has no wallet"
    assert shown(paytm, "DE_101", "Your request is in process") == "3: DE_101: Your request is in process"


@pytest.mark.parametrize(
    ("word", "status"),
    [("ACCEPTED", 0), ("SUCCESS", 1), ("FAILURE", 2), ("CANCELLED", 2), ("PENDING", 3), ("QUEUED", 3)],
)
def test_each_word_of_paytms_is_one_of_the_four(word, status):
    assert provider.STATUSES[word] == PayoutStatus(status)


def test_a_callback_is_read_by_its_checksum_and_the_same_one_is_the_same_event(paytm):
    order = paytm.order()
    paytm.provider().submit(order)
    paytm.fake.settle(order.reference, "DE_051", "anna@example.com has no wallet")
    body, headers = paytm.fake.callback(order.reference)

    message = paytm.provider().parse_webhook(headers=headers, body=body, now=NOW)
    again = paytm.provider().parse_webhook(headers=headers, body=body, now=NOW)

    assert message == again
    assert (message.topic, message.report.status, message.report.code) == ("disbursal.failure", 2, "DE_051")
    assert message.report.message == "[hidden] has no wallet"
    assert (message.report.amount, message.report.currency) == (Decimal("5.00"), "INR")


def told(**changes):
    result = {"orderId": "CB1X", "paytmOrderId": "1", "amount": "5.00"} | changes.pop("result", {})
    return json.dumps({"status": "SUCCESS", "statusCode": "DE_001", "statusMessage": "", "result": result} | changes)


@pytest.mark.parametrize(
    "body",
    [
        told(status="WON"), told(status=1), told(result={"orderId": None}), told(result={"orderId": "X" * 60}),
        told(result={"amount": "much"}), told(result={"amount": "1e999999999"}), told(result={"amount": True}),
        json.dumps({"result": []}), "[]", "not json",
    ],
)  # fmt: skip
def test_a_strange_callback_is_malformed_however_well_it_is_signed(paytm, body):
    raw = body.encode()

    with pytest.raises(WebhookRejected) as refused:
        paytm.provider().parse_webhook(headers={"x-checksum": fakes.checksum(raw)}, body=raw, now=NOW)

    assert refused.value.code == "malformed"


@pytest.mark.parametrize(
    "sealed",
    ["", "x", "====", fakes.checksum(b"other"), fakes.checksum(b"body", key="0123456789abcdef"), "A" * 108, "Ünsinn"],
)
def test_what_the_key_did_not_sign_is_not_believed(paytm, sealed):
    with pytest.raises(WebhookRejected) as refused:
        paytm.provider().parse_webhook(headers={"x-checksum": sealed}, body=b"body", now=NOW)

    assert refused.value.code == "bad_signature"


def test_the_checksum_is_the_one_that_the_fake_makes():
    sealed = checksum.sign(b'{"orderId":"CB1X"}', key=fakes.KEY, salt="Ab1x")

    assert sealed == fakes.checksum(b'{"orderId":"CB1X"}')
    assert len(sealed) == 108
    assert checksum.fits(b'{"orderId":"CB1X"}', sealed, key=fakes.KEY)
    assert checksum.sign(b"body", key=fakes.KEY) != checksum.sign(b"body", key=fakes.KEY)


@pytest.mark.parametrize(("key", "usable"), [("k" * 16, True), ("k" * 32, True), ("k" * 15, False), ("ü" * 16, False)])
def test_a_key_has_a_length(key, usable):
    assert checksum.is_key(key) is usable


@pytest.mark.parametrize(
    ("phone", "email", "receiver"),
    [
        ("+91 98765 43210", "anna@example.com", "9876543210"),
        ("09876543210", "", "9876543210"),
        ("+48 123 456 789", "anna@example.com", "anna@example.com"),
        ("", "anna@example.com", "anna@example.com"),
    ],
)
def test_people_are_found_by_their_number_in_india_or_their_address(paytm, phone, email, receiver):
    order = paytm.order(receiver=Receiver(phone=phone, email=email))

    assert paytm.provider().submit(order).ok
    assert paytm.fake.orders[order.reference].receiver == receiver


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"currency": "USD"}, provider.ONLY_RUPEES),
        ({"amount": Decimal("0.50")}, "Paytm pays from 1 to 200000 rupees at a time."),
        ({"amount": Decimal("200001")}, "Paytm pays from 1 to 200000 rupees at a time."),
        ({"receiver": Receiver(phone="+48 123 456 789")}, provider.NO_RECEIVER),
    ],
)
def test_what_paytm_cannot_pay_is_not_sent(paytm, changes, reason):
    answer = paytm.provider().submit(paytm.order(**changes))

    assert answer.outcome is Outcome.REJECTED
    assert answer.reason.startswith(reason)
    assert paytm.fake.asked == []


def test_a_refusal_of_an_order_it_has_already_is_that_order(paytm):
    order = paytm.order()
    paytm.provider().submit(order)
    paytm.fake.settle(order.reference, "DE_001", "Done")

    again = paytm.provider().submit(order)

    assert (again.value.status, again.value.remote_id) == (PayoutStatus.PAID, "202600000000")
    assert paytm.fake.taken_on == [order.reference]


def test_a_refusal_that_cannot_be_told_from_a_duplicate_stays_unknown(paytm):
    order = paytm.order()
    paytm.provider().submit(order)
    paytm.fake.fault("server_error", at="ask")

    again = paytm.provider().submit(order)

    assert again.outcome is Outcome.UNKNOWN
    assert "Whether it has the order from before could not be found out." in again.reason


def test_an_order_it_does_not_show_proves_nothing(paytm):
    order = paytm.order()
    paytm.provider().submit(order)
    paytm.fake.hides = True

    answer = paytm.provider().query(order)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert answer.reason == "Paytm says: DE_030: Order does not exist"
    assert not paytm.kind.capabilities.proves_absence


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"credentials": {"mid": fakes.MID}}, provider.NO_CREDENTIALS),
        ({"credentials": {"mid": "m", "merchant_key": "short", "subwallet_guid": "g"}}, provider.NO_KEY),
        ({"credentials": {"mid": "m", "merchant_key": "k" * 16, "subwallet_guid": "g"}}, provider.WRONG_KEY),
        ({"allow_private_addresses": False}, provider.NOT_PAYTM),
        ({"currency": "USD"}, provider.ONLY_RUPEES),
    ],
)
def test_each_misconfiguration_has_its_sentence(paytm, changes, reason):
    answer = paytm.provider(**changes).test_connection()

    assert answer.outcome is Outcome.REJECTED
    assert answer.reason == reason


def test_a_bakery_is_not_paytm(paytm):
    base = paytm.url

    answer = paytm.provider(base_url=f"{base}/bakery").test_connection()

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.NOT_FOUND)
    assert answer.reason == "Paytm knows no such thing, or nothing is at this address."
