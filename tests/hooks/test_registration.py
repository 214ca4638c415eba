"""Registration of our webhook addresses: looked after each day, and said when a shop does not take one."""

import pytest

from loyalty.common import queue
from loyalty.events.models import Event
from loyalty.hooks import registration
from platforms import credentials
from platforms.models import Platform
from platforms.shopify import webhook
from tests.factories.people import ConnectionFactory
from tests.factories.points import NOW
from tests.fakes.shopify.server import running_shopify
from tests.fakes.shopify.shop import CLIENT_ID, CLIENT_SECRET

pytestmark = pytest.mark.django_db


@pytest.fixture
def fake():
    with running_shopify() as running:
        yield running


@pytest.fixture
def shop(fake):
    sealed = credentials.seal({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET})
    return ConnectionFactory(platform=Platform.SHOPIFY, base_url=fake.url, credentials=sealed)


def test_brings_back_what_the_shop_dropped(fake, shop, settings):
    settings.PUBLIC_URL = "https://desk.example"

    registration.register(connection_id=shop.pk, now=NOW)
    fake.shop.subscriptions.pop()
    registration.register(connection_id=shop.pk, now=NOW)

    assert len(fake.shop.subscriptions) == len(webhook.TOPICS)
    assert {one["uri"] for one in fake.shop.subscriptions} == {f"https://desk.example/hooks/{shop.webhook_key}/"}
    assert not Event.objects.exists()


def test_writes_down_that_a_shop_does_not_take_our_address(fake, shop):
    fake.fault("Webhooks", "403")

    registration.register(connection_id=shop.pk, now=NOW)

    event = Event.objects.get()
    assert (event.kind, event.subject_id) == (registration.FAILED, shop.pk)
    assert event.data["reason"].startswith("Shopify does not let this app into the shop.")


def test_rings_for_shops_in_use_that_take_an_address(shop, monkeypatch):
    ConnectionFactory(platform=Platform.VENDURE)
    ConnectionFactory(platform=Platform.SHOPIFY, enabled=False)
    rung = []
    monkeypatch.setattr(queue, "enqueue", lambda name, **values: rung.append((name, values)))

    registration.ring()

    assert rung == [("hooks.register", {"connection_id": shop.pk})]


@pytest.mark.parametrize("topic", sorted(webhook.PRIVACY_TOPICS))
def test_door_answers_privacy_webhooks_by_their_signature(client, fake, shop, topic):
    headers, body = fake.shop.delivery(topic)
    path = f"/hooks/{shop.webhook_key}/"

    good = client.post(path, body, content_type="application/json", headers=headers)
    bad = client.post(path, body + b" ", content_type="application/json", headers=headers)

    assert (good.status_code, bad.status_code) == (200, 401)
