"""The contract every payout provider keeps, each against a provider that is spoken to over HTTP."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import pytest

from platforms.adapter import Answer, Outcome, Refusal, WebhookRejected
from platforms.payouts import registry
from platforms.payouts.provider import PayoutCapabilities, PayoutOrder, PayoutReport, PayoutStatus, Receiver
from tests.fakes.payout_contract import (
    EMAIL,
    PayoutHarness,
    paypal_harness,
    paytm_harness,
    sandbox_harness,
    shopify_harness,
)

HARNESSES: dict[str, Callable[[Path], AbstractContextManager[PayoutHarness]]] = {
    "sandbox": sandbox_harness,
    "paypal": paypal_harness,
    "paytm": paytm_harness,
    "shopify_credit": shopify_harness,
}
# What each says it can do, beside the defaults. A change of any of these changes how money is handled.
CAPABLE: dict[str, dict[str, Any]] = {
    "by_hand": {
        "calls_out": False, "needs_address": False, "webhooks": False, "needs_email": False, "proves_absence": False,
    },
    "sandbox": {},
    "paypal": {
        "webhook_secret": False, "proves_absence": False, "remembers_for": timedelta(days=30),
        "sends_again_for": timedelta(days=29),
    },
    "paytm": {
        "takes_phone": True, "webhook_secret": False, "proves_absence": False, "sends_again_for": timedelta(days=1),
        "currencies": frozenset({"INR"}),
    },
    "shopify_credit": {
        "needs_address": False, "uses_shop": "shopify", "webhooks": False, "needs_email": False,
        "refuses_duplicates": False, "proves_absence": False,
    },
}  # fmt: skip
DESCRIBED = {"addresses", "webhook_help", "where_to_look"}
# What a provider cannot do at all. A test that would be skipped for anything else fails.
LACKING: dict[str, set[str]] = {
    "sandbox": {"hold"},
    "paypal": set(),
    "paytm": set(),
    "shopify_credit": {"settle", "hold", "callbacks", "timeout_before_accepting"},
}
LOST = ("timeout_after_accepting", "server_error_after_accepting", "garbage_after_accepting", "drop_after_accepting")


@pytest.fixture(scope="module", params=sorted(HARNESSES))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PayoutHarness]:
    with HARNESSES[request.param](tmp_path_factory.mktemp(request.param)) as harness:
        yield harness


@pytest.fixture
def payer(running: PayoutHarness) -> Iterator[PayoutHarness]:
    running.clear()
    yield running
    running.clear()


def skip(payer: PayoutHarness, what: str) -> NoReturn:
    assert what in LACKING[payer.kind.key], f"{payer.kind.label} must have {what}"
    pytest.skip(f"{payer.kind.label} has no {what}")


def need(payer: PayoutHarness, what: str) -> None:
    if what in LACKING[payer.kind.key]:
        skip(payer, what)


def asked(payer: PayoutHarness, order: PayoutOrder) -> Answer[PayoutReport | None]:
    """What became of it, as the domain finds out while it is not known."""
    provider = payer.provider()
    return provider.submit(order) if payer.kind.capabilities.sends_again_for else provider.query(order)


def test_every_provider_is_held_to_the_contract() -> None:
    assert set(CAPABLE) == set(registry.PROVIDERS)
    assert set(HARNESSES) == {key for key, kind in registry.PROVIDERS.items() if kind.capabilities.calls_out}


@pytest.mark.parametrize("key", sorted(CAPABLE))
def test_can_do_what_the_table_says(key: str) -> None:
    said = asdict(registry.PROVIDERS[key].capabilities)
    plain = asdict(PayoutCapabilities())

    differing = {name: value for name, value in said.items() if value != plain[name] and name not in DESCRIBED}

    if key == "paypal":
        assert len(differing.pop("currencies")) == 23
    assert differing == CAPABLE[key]


@pytest.mark.parametrize("key", sorted(HARNESSES))
def test_who_cannot_prove_absence_tells_staff_where_to_look(key: str) -> None:
    able = registry.PROVIDERS[key].capabilities

    told = able.where_to_look.format(reference="CB1", money="$5.00", time="1 Mar 2026, 14:02")

    assert able.proves_absence or ("$5.00" in told and told.endswith("."))


def test_tells_whose_account_it_is(payer: PayoutHarness) -> None:
    answer = payer.provider().test_connection()

    assert answer.ok, answer.reason
    assert answer.value is not None
    assert (bool(answer.value.name), answer.value.currency) == (True, payer.currency)


def test_a_payment_is_made_once_and_found(payer: PayoutHarness) -> None:
    order = payer.order()

    sent = payer.provider().submit(order)
    assert sent.value is not None, sent.reason
    if "settle" not in LACKING[payer.kind.key]:
        payer.settle(order, PayoutStatus.PAID)
    found = payer.provider().query(replace(order, remote_id=sent.value.remote_id)).value

    assert payer.payments(order) == [Decimal("5.00")]
    assert found is not None
    assert (found.reference, found.status) == (order.reference, PayoutStatus.PAID)
    assert (found.amount, found.currency) == (Decimal("5.00"), payer.currency)


def test_what_the_provider_has_is_told_not_what_we_think(payer: PayoutHarness) -> None:
    order = payer.order()
    sent = payer.provider().submit(order).value
    assert sent is not None

    found = payer.provider().query(replace(order, remote_id=sent.remote_id, amount=Decimal("6.00"))).value

    assert found is not None
    assert found.amount == Decimal("5.00")


@pytest.mark.parametrize("status", [PayoutStatus.FAILED, PayoutStatus.PENDING])
def test_what_became_of_it_is_told_with_a_code_and_a_message(payer: PayoutHarness, status: PayoutStatus) -> None:
    need(payer, "settle" if status is PayoutStatus.FAILED else "hold")
    if payer.kind.key == "sandbox":
        payer.shop.fault("payout_outcome", "accept")  # type: ignore[attr-defined]
    order = payer.order()
    sent = payer.provider().submit(order).value
    assert sent is not None

    payer.settle(order, status)
    found = payer.provider().query(replace(order, remote_id=sent.remote_id)).value

    assert found is not None
    assert found.status is status
    assert found.code
    assert found.message


@pytest.mark.parametrize(
    ("fault", "outcome", "was_made"),
    [
        ("refuse", Outcome.REJECTED, False),
        ("throttle", Outcome.THROTTLED, False),
        ("server_error", Outcome.UNKNOWN, False),
        ("server_error_after_accepting", Outcome.UNKNOWN, True),
        ("garbage", Outcome.UNKNOWN, False),
        ("garbage_after_accepting", Outcome.UNKNOWN, True),
        ("drop", Outcome.UNKNOWN, False),
        ("drop_after_accepting", Outcome.UNKNOWN, True),
        ("timeout_before_accepting", Outcome.UNKNOWN, False),
        ("timeout_after_accepting", Outcome.UNKNOWN, True),
        ("slow", Outcome.OK, True),
    ],
)
def test_every_fault_has_its_outcome_and_says_who(
    payer: PayoutHarness, fault: str, outcome: Outcome, was_made: bool
) -> None:
    need(payer, fault)
    order = payer.order()
    payer.provider().submit(payer.order())  # whatever token it needs is there
    payer.fault(fault, seconds=0.2 if fault == "slow" else 1.2)

    answer = payer.provider(timeout=0.8).submit(order)

    assert answer.outcome is outcome, answer.reason
    assert (answer.value is not None) == (outcome is Outcome.OK)
    assert bool(payer.payments(order)) == was_made
    assert outcome is Outcome.OK or (answer.reason.startswith(payer.who) or fault == "refuse")


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_is_found_out_by_asking_and_pays_once(payer: PayoutHarness, fault: str) -> None:
    order = payer.order()
    payer.provider().submit(payer.order())
    payer.fault(fault, seconds=1.2)
    assert payer.provider(timeout=0.8).submit(order).outcome is Outcome.UNKNOWN

    found = asked(payer, order)

    assert found.value is not None, found.reason
    assert found.value.reference == order.reference
    assert payer.payments(order) == [Decimal("5.00")]


def test_what_never_arrived_is_absent_unproved_or_sent_by_asking(payer: PayoutHarness) -> None:
    order = payer.order()
    payer.fault("drop")
    assert payer.provider().submit(order).outcome is Outcome.UNKNOWN

    found = asked(payer, order)

    able = payer.kind.capabilities
    assert found.ok
    assert (found.value is not None) == (able.sends_again_for is not None)
    assert len(payer.payments(order)) == (1 if able.sends_again_for else 0)
    assert able.proves_absence or able.sends_again_for or found.reason.endswith(".")


def test_the_same_reference_twice_is_one_payment_where_it_says_so(payer: PayoutHarness) -> None:
    order = payer.order()
    payer.provider().submit(order)

    again = payer.provider().submit(order)

    if payer.kind.capabilities.refuses_duplicates:
        assert payer.payments(order) == [Decimal("5.00")]
        assert again.value is not None or again.refusal is Refusal.DUPLICATE_CODE
    else:
        assert len(payer.payments(order)) == 2  # which is why the domain never sends it again


def test_a_refusal_pays_nothing_and_says_why(payer: PayoutHarness) -> None:
    order = payer.order()
    payer.fault("refuse")

    answer = payer.provider().submit(order)

    assert answer.outcome is Outcome.REJECTED
    assert answer.reason
    assert payer.payments(order) == []


def test_nobody_there_is_not_sent(payer: PayoutHarness) -> None:
    answer = payer.nowhere().submit(payer.order())

    assert answer.outcome is Outcome.NOT_SENT
    assert "could not be asked" in answer.reason


def test_wrong_credentials_pay_nothing_and_say_what_to_enter(payer: PayoutHarness) -> None:
    order = payer.order()
    stranger = payer.provider(credentials=payer.wrong_credentials())

    tested, sent = stranger.test_connection(), stranger.submit(order)

    assert (tested.outcome, tested.refusal) == (Outcome.REJECTED, Refusal.UNAUTHORIZED)
    assert "again" in tested.reason
    assert sent.outcome is Outcome.REJECTED
    assert payer.payments(order) == []


def test_neither_receiver_nor_secret_stands_in_an_answer(payer: PayoutHarness) -> None:
    order = payer.order()

    answers = [payer.provider().submit(order), payer.provider().query(order), payer.provider().test_connection()]

    told = repr(answers) + repr(order)
    assert EMAIL not in told
    assert order.receiver.email not in told
    assert not any(secret in told for name, secret in payer.credentials().items() if name in {"token", "client_secret"})


def test_a_callback_is_read_or_only_makes_us_ask(payer: PayoutHarness) -> None:
    need(payer, "callbacks")
    order = payer.order()
    payer.provider().submit(order)
    payer.settle(order, PayoutStatus.PAID)
    body, headers = payer.callback(order)

    message = payer.provider().parse_webhook(headers=headers, body=body, now=datetime.now(UTC))

    assert message.reference == order.reference
    assert message.event_id
    if message.report is not None:
        assert message.report.status is PayoutStatus.PAID


def test_a_forged_callback_says_nothing_that_is_believed(payer: PayoutHarness) -> None:
    need(payer, "callbacks")
    order = payer.order()
    payer.provider().submit(order)
    body, headers = payer.callback(order)
    forged = body.replace(b"5.00", b"5.01")
    assert forged != body

    def read() -> PayoutReport | None:
        return payer.provider().parse_webhook(headers=headers, body=forged, now=datetime.now(UTC)).report

    if payer.kind.key == "paypal":  # whose callbacks are hints
        assert read() is None
        return
    with pytest.raises(WebhookRejected) as refused:
        read()
    assert refused.value.code == "bad_signature"


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"{}", b'{"id": 1}', b"\xff\xfe", b"[" * 100_000])
def test_a_strange_callback_is_refused(payer: PayoutHarness, body: bytes) -> None:
    with pytest.raises(WebhookRejected):
        payer.provider().parse_webhook(headers={}, body=body, now=datetime.now(UTC))


def test_without_anybody_to_pay_nothing_is_sent(payer: PayoutHarness) -> None:
    if payer.kind.key == "sandbox":
        pytest.skip("the sandbox pays anybody")
    order = payer.order(receiver=Receiver())

    answer = payer.provider().submit(order)

    assert answer.outcome is Outcome.REJECTED
    assert answer.reason.endswith(".")
