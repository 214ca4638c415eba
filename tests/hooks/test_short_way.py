"""The short way of a webhook: it ends at the same door with the same answers, and lets through nothing else."""

import json
from io import BytesIO
from uuid import uuid4

import pytest
from django.test import Client

from loyalty import wsgi
from loyalty.hooks import short_way
from loyalty.hooks.models import InboundWebhook
from platforms import credentials
from tests.factories.people import ConnectionFactory, PayoutAccountFactory
from tests.hooks.test_webhook_door import SECRET, order_body, signed

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop():
    return ConnectionFactory(credentials=credentials.seal({"token": "t", "webhook_secret": SECRET}))


def environ(path, body=b"", headers=None, **changes):
    told = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()}
    plain = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "HTTP_HOST": "testserver",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
    }
    return plain | told | changes


def ask(given) -> tuple[int, dict]:
    said = []
    body = b"".join(wsgi.application(given, lambda status, headers: said.append(status)))
    return int(said[0].split()[0]), json.loads(body)


def test_keeps_a_webhook_as_django_would(shop):
    body = order_body()

    answer = ask(environ(f"/hooks/{shop.webhook_key}/", body, signed(body)))

    assert answer == (200, {"received": True})
    stored = InboundWebhook.objects.get()
    assert (bytes(stored.body), stored.event_id, stored.subject_id) == (body, "event-1", "1001")
    assert stored.headers["content-type"] == "application/json"
    assert stored.headers["x-sandbox-signature"].startswith("v1=")


@pytest.mark.parametrize("case", ["unsigned", "unknown key", "no key", "no number", "too large", "payouts of a shop"])
def test_refuses_in_the_words_of_django(shop, case):
    body, path, changes = order_body(), f"/hooks/{shop.webhook_key}/", {}
    if case == "unknown key":
        path = f"/hooks/{uuid4()}/"
    if case == "no key":
        path = "/hooks/abc"
    if case == "no number":
        changes = {"CONTENT_LENGTH": "-5"}
    if case == "too large":
        changes = {"CONTENT_LENGTH": "5000000"}
    if case == "payouts of a shop":
        path = f"/hooks/payouts/{shop.webhook_key}/"

    short = ask(environ(path, body, **changes))
    usual = Client().post(path, body, content_type="application/json", **changes)

    assert short_way.takes(environ(path, body, **changes))
    assert short == (usual.status_code, usual.json())
    assert short[0] >= 400
    assert not InboundWebhook.objects.exists()


def test_leads_to_payout_accounts_as_well():
    account = PayoutAccountFactory(
        provider="sandbox", base_url="http://127.0.0.1:9", credentials=credentials.seal({"webhook_secret": SECRET})
    )
    body = json.dumps({"event_id": "e"}).encode()

    assert (
        ask(environ(f"/hooks/payouts/{account.webhook_key}", body, signed(body)))[0] == 400
    )  # signed, and no callback
    assert ask(environ(f"/hooks/payouts/{account.webhook_key}", body))[0] == 401


def test_a_body_that_breaks_off_is_refused(shop):
    body = order_body()

    answer = ask(environ(f"/hooks/{shop.webhook_key}/", body, signed(body), CONTENT_LENGTH=str(len(body) + 1)))

    assert answer == (400, {"error": {"code": "malformed"}})


@pytest.mark.parametrize(
    "changes",
    [
        {"REQUEST_METHOD": "GET"},
        {"PATH_INFO": "/admin/"},
        {"PATH_INFO": "/hooks/"},
        {"PATH_INFO": "/hooks/a/b/c"},
        {"HTTP_HOST": "elsewhere.example"},
    ],
)
def test_whatever_is_no_plain_delivery_takes_the_usual_way(changes, settings):
    settings.ALLOWED_HOSTS = ["testserver"]

    assert short_way.takes(environ("/hooks/a-key/"))
    assert not short_way.takes(environ("/hooks/a-key/") | changes)


def test_what_came_without_tls_takes_the_usual_way_which_leads_to_it(settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

    assert not short_way.takes(environ("/hooks/a-key/"))
    assert not short_way.takes(environ("/hooks/a-key/", HTTP_X_FORWARDED_PROTO="http"))
    assert short_way.takes(environ("/hooks/a-key/", HTTP_X_FORWARDED_PROTO="https"))
