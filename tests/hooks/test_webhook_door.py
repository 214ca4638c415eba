"""The door shops knock at."""

import hashlib
import hmac
import io
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import psycopg
import pytest
import redis
from django.conf import settings
from django.db import connection as database
from django.test import Client, RequestFactory
from django.utils import timezone

from loyalty.hooks import inbox, views
from loyalty.hooks.inbox import Letter
from loyalty.hooks.models import InboundWebhook, InboxState
from platforms import credentials
from platforms.adapter import WebhookMessage
from platforms.bigcommerce import webhook
from tests.factories.people import ConnectionFactory
from tests.factories.shop import connect
from tests.fakes.sandbox import running_sandbox_shop

pytestmark = pytest.mark.django_db

SECRET = "a webhook secret"


@pytest.fixture
def shop():
    """A connection whose shop signs with SECRET."""
    return ConnectionFactory(credentials=credentials.seal({"token": "t", "webhook_secret": SECRET}))


def order_body(event_id="event-1", **order):
    told = {
        "id": "1001",
        "number": "#1001",
        "status": "completed",
        "total": "20.00",
        "currency": "USD",
        "placed_at": "2026-11-21T10:00:00Z",
        "updated_at": "2026-11-21T10:00:00Z",
        "email": "jo@example.com",
        "codes": [],
        "refunds": [],
    } | order
    data = {"event_id": event_id, "topic": "order.updated", "occurred_at": "2026-11-21T10:00:00Z", "order": told}
    return json.dumps(data).encode()


def signed(body, *, secret=SECRET, at=None):
    timestamp = str(int((at or datetime.now(UTC)).timestamp()))
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Sandbox-Timestamp": timestamp, "X-Sandbox-Signature": f"v1={digest}"}


def knock(shop, body=None, *, slash="/", headers=None, client=None, **options):
    body = order_body() if body is None else body
    headers = signed(body) if headers is None else headers
    path = f"/hooks/{shop.webhook_key}{slash}"
    client = client or Client(enforce_csrf_checks=True)
    return client.post(path, body, content_type="application/json", headers=headers, **options)


def code_of(answer):
    assert answer.json().keys() == {"error"}
    assert answer.json()["error"].keys() == {"code"}
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize("slash", ["/", ""])
def test_stores_a_genuine_webhook_raw_and_answers_at_once(shop, slash):
    body = order_body()

    answer = knock(shop, body, slash=slash)

    assert (answer.status_code, answer.json()) == (200, {"received": True})
    stored = InboundWebhook.objects.get()
    assert bytes(stored.body) == body
    assert (stored.connection, stored.event_id, stored.topic) == (shop, "event-1", "order.updated")
    assert stored.subject_id == "1001"
    assert (stored.state, stored.due_at, stored.attempts) == (InboxState.RECEIVED, stored.received_at, 0)
    assert stored.headers["x-sandbox-signature"].startswith("v1=")


def test_rings_for_a_worker_after_commit(shop, django_capture_on_commit_callbacks):
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.delete("celery")

    with django_capture_on_commit_callbacks(execute=True) as rung:
        knock(shop)

    assert len(rung) == 1
    message = json.loads(broker.lpop("celery"))
    assert message["headers"]["task"] == "hooks.drain"


def test_a_repeated_event_is_thanked_for_and_changes_nothing(shop, django_capture_on_commit_callbacks):
    knock(shop)

    with django_capture_on_commit_callbacks() as rung:
        answer = knock(shop, order_body(total="99.00"))

    assert answer.status_code == 200
    assert rung == []
    assert json.loads(bytes(InboundWebhook.objects.get().body))["order"]["total"] == "20.00"


def test_a_repeated_event_that_was_worked_off_is_not_worked_off_again(shop):
    knock(shop)
    InboundWebhook.objects.update(state=InboxState.PROCESSED, due_at=None)

    knock(shop)

    assert InboundWebhook.objects.get().state == InboxState.PROCESSED


def test_the_same_event_id_of_another_shop_is_another_event(shop):
    other = ConnectionFactory(credentials=shop.credentials)

    knock(shop)
    knock(other)

    assert InboundWebhook.objects.count() == 2


def test_an_order_with_a_code_we_do_not_know_is_stored_like_any_other(shop):
    body = order_body(codes=[{"code": "NOT-OURS", "id": "7", "discount": "1.00"}])

    assert knock(shop, body).status_code == 200
    assert InboundWebhook.objects.get().state == InboxState.RECEIVED


def test_a_wrong_signature_is_refused(shop):
    assert code_of(knock(shop, headers=signed(order_body(), secret="another"))) == (401, "bad_signature")
    assert code_of(knock(shop, headers={})) == (401, "bad_signature")
    assert code_of(knock(shop, headers=signed(order_body(total="1.00")))) == (401, "bad_signature")
    assert not InboundWebhook.objects.exists()


def test_the_previous_secret_is_taken_while_it_is_being_rotated(shop):
    shop.credentials = credentials.seal({"webhook_secret": "new", "previous_webhook_secret": SECRET})
    shop.save()

    assert knock(shop).status_code == 200


def test_a_shop_without_a_secret_believes_nobody(shop):
    shop.credentials = ""
    shop.save()

    assert code_of(knock(shop, headers=signed(order_body(), secret=""))) == (401, "bad_signature")


@pytest.mark.parametrize("minutes", [-6, 6])
def test_one_signed_too_long_ago_or_ahead_is_refused(shop, minutes):
    at = timezone.now() + timedelta(minutes=minutes)

    assert code_of(knock(shop, headers=signed(order_body(), at=at))) == (401, "too_old")
    assert not InboundWebhook.objects.exists()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\x00", b'{"event_id": 1}', b"[" * 50_000])
def test_one_that_cannot_be_read_is_refused(shop, body):
    assert code_of(knock(shop, body)) == (400, "malformed")
    assert not InboundWebhook.objects.exists()


def test_an_unknown_key_is_always_answered_with_the_same_words(shop):
    body = order_body()
    answers = [
        Client().post(f"/hooks/{key}/", content, content_type="application/json", headers=headers)
        for key in (uuid.uuid4(), "abc", "1" * 500)
        for content, headers in ((body, signed(body)), (body, {}), (b"", {}), (b"{", {}))
    ]

    assert {(answer.status_code, answer.content) for answer in answers} == {(404, b'{"error": {"code": "not_found"}}')}


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options"])
def test_only_posting_is_taken(shop, method):
    answer = getattr(Client(), method)(f"/hooks/{shop.webhook_key}/")

    assert answer.status_code == 405
    assert answer["Allow"] == "POST"


class Unread(io.BytesIO):
    """A body that must not be read."""

    def read(self, *_):
        raise AssertionError("the body was read")


def test_five_megabytes_are_refused_without_being_read(shop, django_assert_num_queries):
    request = RequestFactory().generic("POST", "/hooks/x/", CONTENT_LENGTH="5000000", **{"wsgi.input": Unread()})
    with django_assert_num_queries(0):
        answer = views.Webhook.as_view()(request, webhook_key=str(shop.webhook_key))
    assert answer.status_code == 413

    body = order_body(number="x" * 5_000_000)
    assert code_of(knock(shop, body)) == (413, "body_too_large")
    assert not InboundWebhook.objects.exists()


def test_a_length_that_is_none_is_harmless(shop):
    for length in ("-5", "abc", "1.0", "١"):
        assert code_of(knock(shop, CONTENT_LENGTH=length)) == (400, "malformed"), length
    assert code_of(knock(shop, CONTENT_LENGTH="9" * 5000)) == (413, "body_too_large")


def test_unreadable_credentials_ask_the_shop_to_try_again(shop):
    shop.credentials = "sealed with a key that is gone"
    shop.save()

    assert code_of(knock(shop)) == (503, "unavailable")


def test_keeps_no_secret_headers(shop):
    knock(shop, headers=signed(order_body()) | {"Authorization": "Bearer x", "Cookie": "session=1"})

    assert not {"authorization", "cookie"} & InboundWebhook.objects.get().headers.keys()


def test_keeps_no_header_that_its_platform_calls_a_secret():
    headers = {
        webhook.OWN_HEADER: webhook.own_header(SECRET, store="abc123"),
        "webhook-id": "msg_1",
    }
    store_of = ConnectionFactory(
        platform="bigcommerce",
        base_url="https://api.bigcommerce.com/stores/abc123",
        credentials=credentials.seal({"access_token": "t", "webhook_secret": SECRET}),
    )
    told = {"scope": "store/order/updated", "data": {"type": "order", "id": 250}, "hash": "h", "created_at": 1561479335}

    answer = knock(store_of, json.dumps(told | {"producer": "stores/abc123"}).encode(), headers=headers)

    assert answer.status_code == 200
    kept = InboundWebhook.objects.get()
    assert (kept.headers["webhook-id"], kept.subject_id) == ("msg_1", "250")
    assert webhook.OWN_HEADER not in kept.headers


def test_keeps_it_in_one_statement(shop, django_assert_num_queries):
    with django_assert_num_queries(2) as queries:  # whose address it is, and the row
        knock(shop)

    assert queries[1]["sql"].strip().startswith("INSERT")


@pytest.mark.django_db(transaction=True)
def test_a_session_that_the_database_ended_meanwhile_costs_nobody_a_webhook(shop):
    assert knock(shop).status_code == 200
    database.ensure_connection()
    pid = database.connection.info.backend_pid
    with psycopg.connect(
        **database.connection.info.get_parameters(), password=database.connection.info.password
    ) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])

    assert knock(shop, order_body("event-2")).status_code == 200
    assert InboundWebhook.objects.count() == 2


def test_credentials_that_are_changed_count_from_the_next_delivery_on(shop):
    assert knock(shop).status_code == 200

    shop.credentials = credentials.seal({"webhook_secret": "another"})
    shop.save()

    assert code_of(knock(shop, order_body("event-2"))) == (401, "bad_signature")


def store(shop, **changes):
    told = {"event_id": "e", "topic": "order.updated", "occurred_at": timezone.now()} | changes
    letter = Letter(connection_id=shop.pk, message=WebhookMessage(**told), headers={}, body=b"x")
    return inbox.store([letter], now=timezone.now())


def test_long_event_ids_are_told_apart_and_long_topics_cut(shop):
    first, second = "e" * 500 + "1", "e" * 500 + "2"

    assert store(shop, event_id=first, topic="t" * 500)
    assert store(shop, event_id=second)
    assert store(shop, event_id=first) == []
    assert store(shop, event_id="nul\x00", topic="a\x00b")
    assert InboundWebhook.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_eight_deliveries_at_once_are_one_event(shop):
    start, statuses = Barrier(8), []

    def deliver():
        start.wait()
        statuses.append(knock(shop).status_code)
        database.close()

    threads = [Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 8
    assert InboundWebhook.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_real_sandbox_shop_is_understood(live_server, tmp_path):
    with running_sandbox_shop(tmp_path) as sandbox:
        connection = connect(sandbox)
        sandbox.set_webhook(f"{live_server.url}/hooks/{connection.webhook_key}/")
        order = sandbox.checkout("jo@example.com")

        deadline = time.monotonic() + 10
        while not InboundWebhook.objects.exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    stored = InboundWebhook.objects.filter(connection=connection).first()
    assert stored is not None
    assert json.loads(bytes(stored.body))["order"]["id"] == order["id"]
