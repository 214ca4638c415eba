"""The sandbox adapter: its sentences for misconfigurations, what it refuses to believe, and its webhooks."""

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from platforms.adapter import (
    Access,
    AppliedCode,
    CodeSpec,
    DiscountKind,
    OrderStatus,
    Outcome,
    Refusal,
    WebhookRejected,
)
from platforms.sandbox.adapter import SandboxAdapter
from tests.fakes.misbehaving import misbehaving_server, reply
from tests.fakes.sandbox import SandboxShop, running_sandbox_shop

CURRENT, PREVIOUS = "current-secret-0123456789", "previous-secret-987654321"
BODY = (
    b'{"event_id":"event_1","topic":"order.updated","change":"completed","occurred_at":"2026-09-21T13:33:20.000000Z",'
    b'"order":{"id":"order_1","number":"1001","status":"completed","sequence":3,"email":"jo@example.com",'
    b'"currency":"USD","total":"21.10","codes":[{"id":"code_1","code":"ABC-1","discount":"1.80"}],"refunds":[],'
    b'"placed_at":"2026-09-21T13:33:19.000000Z","updated_at":"2026-09-21T13:33:20.000000Z"}}'
)
SIGNED_AT = 1_790_000_000
# Computed apart from this code, with openssl, over "1790000000." and the body above.
BY_CURRENT = "v1=abb599022f80d0d025b46d7e9ce012e2e2ec58fa4a3a413be8caa2f4956b789f"
BY_PREVIOUS = "v1=dc3a61a2905ec784607f5adfbd3d345d44a078f943cbcba12eedb943160243d3"
NOW = datetime.fromtimestamp(SIGNED_AT + 60, UTC)
STORED: dict[str, Any] = {
    "id": "code_1",
    "code": "ABC-1",
    "reference": "rr-1",
    "percent": "10",
    "amount": None,
    "minimum_order": None,
    "expires_at": None,
    "uses": 0,
    "alive": True,
}
SPEC = CodeSpec(
    code="ABC-1",
    kind=DiscountKind.PERCENTAGE,
    title="10% off",
    reference="rr-1",
    currency="USD",
    percent=Decimal("10.00"),
)


def adapter_at(url: str, **changes: Any) -> SandboxAdapter:
    access: dict[str, Any] = {
        "base_url": url,
        "credentials": {"token": "a-token"},
        "webhook_secrets": (CURRENT, PREVIOUS),
        "currency": "USD",
        "allow_private_addresses": True,
        "timeout": 3,
    }
    return SandboxAdapter(Access(**(access | changes)))


def receive(
    body: bytes = BODY, *, signature: str = BY_CURRENT, timestamp: str = str(SIGNED_AT), now: datetime = NOW
) -> Any:
    headers = {"x-sandbox-signature": signature, "x-sandbox-timestamp": timestamp}
    return adapter_at("http://127.0.0.1:1").parse_webhook(headers=headers, body=body, now=now)


def signed(body: bytes, *, timestamp: str = str(SIGNED_AT)) -> str:
    return "v1=" + hmac.new(CURRENT.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "405 Method Not Allowed"])
def test_says_that_it_is_no_sandbox_shop(status: str) -> None:
    with misbehaving_server(reply(status, b"<html>Welcome</html>")) as server:
        answer = adapter_at(server.url).test_connection()

    assert answer.outcome is not Outcome.OK
    assert answer.reason == (
        "Something answers at this address, but it is not a sandbox shop. Enter the shop's own address."
    )


def test_says_that_another_program_answers_json() -> None:
    with misbehaving_server(reply("200 OK", b'{"name": "Other", "currency": "USD"}')) as server:
        answer = adapter_at(server.url).test_connection()

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.NOT_FOUND)
    assert "not a sandbox shop" in answer.reason


def test_says_that_the_token_is_wrong(shop: SandboxShop) -> None:
    answer = shop.adapter(credentials={"token": "wrong"}).test_connection()

    assert (answer.refusal, answer.reason) == (
        Refusal.UNAUTHORIZED,
        "The shop refused our token. Enter it again.",
    )


def test_says_that_the_currency_is_another(shop: SandboxShop) -> None:
    answer = shop.adapter(currency="EUR").test_connection()

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert answer.reason == ("Juniper Lane sells in USD, but this connection is set to EUR. Change the connection.")


def test_takes_no_other_servers_404_for_proof() -> None:
    with misbehaving_server(reply("404 Not Found", b"<html>nothing here</html>")) as server:
        adapter = adapter_at(server.url)
        answers = [adapter.disable_code("ABC-1", "code_1"), adapter.read_order("1"), adapter.find_code("ABC-1")]

    assert [answer.outcome for answer in answers] == [Outcome.REJECTED] * 3


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"percent": "11"}, "percentage"),
        ({"percent": None, "amount": "10.00"}, "percentage"),
        ({"minimum_order": "5.00"}, "minimum order"),
        ({"expires_at": "2030-01-01T00:00:00Z"}, "expiry"),
        ({"reference": "rr-2"}, "reference"),
        ({"code": "ABC-2"}, "code"),
    ],
)
def test_withdraws_a_code_that_was_stored_otherwise(change: dict[str, Any], word: str) -> None:
    stored = json.dumps(STORED | change).encode()
    dead = json.dumps(STORED | change | {"alive": False}).encode()
    with misbehaving_server(reply("201 Created", stored)) as server:
        unproved = adapter_at(server.url).create_code(SPEC)
    with misbehaving_server(reply("200 OK", dead)) as server:
        withdrawn = adapter_at(server.url).create_code(SPEC)

    assert unproved.outcome is Outcome.UNKNOWN
    assert "could not be disabled" in unproved.reason
    assert (withdrawn.outcome, withdrawn.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert withdrawn.reason == f"The shop stored another {word} than we asked for, so the code was disabled there."
    assert [request.split(b" ")[1] for request in server.requests] == [b"/api/codes", b"/api/codes/code_1/disable"]


def test_does_not_call_a_living_code_disabled() -> None:
    with misbehaving_server(reply("200 OK", json.dumps(STORED).encode())) as server:
        answer = adapter_at(server.url).disable_code("ABC-1", "code_1")

    assert (answer.outcome, answer.value) == (Outcome.UNKNOWN, None)


@pytest.mark.parametrize(
    "data",
    [[], {}, {"codes": 1}, {"codes": [{}]}, {"codes": [STORED | {"alive": "yes"}]}, {"codes": [None]}, "text", 7],
)
def test_does_not_guess_at_strange_json(data: Any) -> None:
    with misbehaving_server(reply("200 OK", json.dumps(data).encode())) as server:
        answer = adapter_at(server.url).find_code("ABC-1")

    assert (answer.outcome, answer.value) == (Outcome.UNKNOWN, None)


def test_quotes_ids_into_one_step_of_the_path() -> None:
    with misbehaving_server(reply("404 Not Found", b'{"error": {"code": "not_found", "message": ""}}')) as server:
        adapter_at(server.url).read_order("../codes?x=1")

    assert server.requests[0].split(b" ")[1] == b"/api/orders/..%2Fcodes%3Fx%3D1"


@pytest.mark.parametrize("signature", [BY_CURRENT, BY_PREVIOUS, f"{BY_PREVIOUS}, v1=00", f"v2=1,{BY_CURRENT}"])
def test_takes_a_webhook_signed_with_either_secret(signature: str) -> None:
    message = receive(signature=signature)

    assert (message.event_id, message.topic, message.order_external_id) == ("event_1", "order.updated", "order_1")
    assert message.occurred_at == datetime(2026, 9, 21, 13, 33, 20, tzinfo=UTC)
    assert message.order is not None
    assert (message.order.status, message.order.total) == (OrderStatus.COMPLETED, Decimal("21.10"))
    assert message.order.codes == (AppliedCode(code="ABC-1", remote_id="code_1", discount=Decimal("1.80")),)


def test_reads_the_body_as_it_came() -> None:
    """The signature covers the bytes, so the same JSON written otherwise does not pass."""
    with pytest.raises(WebhookRejected) as caught:
        receive(json.dumps(json.loads(BODY)).encode())

    assert caught.value.code == "bad_signature"


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": ""},
        {"timestamp": ""},
        {"signature": "v1="},
        {"signature": BY_CURRENT.removeprefix("v1=")},
        {"signature": BY_CURRENT[:-1] + "e"},
        {"signature": "v1=žluť"},
        {"timestamp": str(SIGNED_AT + 1)},
        {"body": BODY.replace(b"21.10", b"21.11")},
        {"body": b""},
    ],
)
def test_refuses_a_webhook_that_is_not_signed_by_the_shop(changes: dict[str, Any]) -> None:
    with pytest.raises(WebhookRejected) as caught:
        receive(**changes)

    assert caught.value.code == "bad_signature"
    assert caught.value.sentence.endswith(".")


def test_refuses_every_webhook_while_no_secret_is_known() -> None:
    adapter = adapter_at("http://127.0.0.1:1", webhook_secrets=("",))
    by_nothing = "v1=" + hmac.new(b"", str(SIGNED_AT).encode() + b"." + BODY, hashlib.sha256).hexdigest()

    with pytest.raises(WebhookRejected):
        adapter.parse_webhook(
            headers={"x-sandbox-signature": by_nothing, "x-sandbox-timestamp": str(SIGNED_AT)}, body=BODY, now=NOW
        )


@pytest.mark.parametrize(("seconds", "fresh"), [(300, True), (301, False), (-300, True), (-301, False)])
def test_refuses_a_webhook_more_than_five_minutes_off(seconds: int, fresh: bool) -> None:
    now = datetime.fromtimestamp(SIGNED_AT, UTC) + timedelta(seconds=seconds)
    if fresh:
        assert receive(now=now).event_id == "event_1"
        return

    with pytest.raises(WebhookRejected) as caught:
        receive(now=now)
    assert caught.value.code == "too_old"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("event_id"),
        lambda data: data.update(event_id=""),
        lambda data: data.update(topic="shop.closed"),
        lambda data: data.update(order=None),
        lambda data: data["order"].update(status="eaten"),
        lambda data: data["order"].update(total="-1.00"),
        lambda data: data["order"].update(total=21.1),
        lambda data: data["order"].update(id=""),
        lambda data: data["order"].update(updated_at="yesterday"),
        lambda data: data["order"].update(updated_at="2026-09-21T13:33:20"),
        lambda data: data["order"].update(codes={"code": "A"}),
        lambda data: data["order"].update(codes=[{"code": "", "id": "", "discount": "1"}]),
        lambda data: data["order"].update(number="1\x00"),
        lambda data: data["order"].update(number="1\ud800"),
        lambda data: data.update(event_id="event\ud800"),
    ],
)
def test_refuses_a_signed_webhook_it_cannot_read(change: Callable[[dict[str, Any]], Any]) -> None:
    data = json.loads(BODY)
    change(data)
    body = json.dumps(data).encode()

    with pytest.raises(WebhookRejected) as caught:
        receive(body, signature=signed(body))

    assert caught.value.code == "malformed"
    assert caught.value.sentence.startswith("The webhook cannot be read: ")


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b"\xff", b"[" * 100_000, b"null"])
def test_refuses_a_signed_body_that_is_no_message(body: bytes) -> None:
    with pytest.raises(WebhookRejected) as caught:
        receive(body, signature=signed(body))

    assert caught.value.code == "malformed"


def test_refuses_a_signed_timestamp_that_is_no_number() -> None:
    with pytest.raises(WebhookRejected) as caught:
        receive(timestamp="soon", signature=signed(BODY, timestamp="soon"))

    assert caught.value.code == "malformed"


def test_reads_an_order_in_a_currency_without_cents(tmp_path: Any) -> None:
    with running_sandbox_shop(tmp_path, currency="JPY") as shop:
        order_id = shop.checkout(product="mug")["id"]
        order = shop.adapter().read_order(order_id).value

    assert order is not None
    assert (order.total, order.currency) == (Decimal(2290), "JPY")
