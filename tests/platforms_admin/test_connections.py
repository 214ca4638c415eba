"""Connecting shops: secrets go in and never come out, and the shop is asked for real."""

import pytest
from django.urls import reverse

from loyalty.events.models import Event
from platforms import credentials, registry
from platforms.models import StoreConnection
from tests.factories.people import ConnectionFactory
from tests.factories.shop import connect
from tests.fakes.sandbox import TOKEN

pytestmark = pytest.mark.django_db
ADD = "/admin/platforms/storeconnection/add/?platform=sandbox"
SHOP = {"name": "Berlin", "base_url": "http://127.0.0.1:9/", "currency": "eur", "enabled": "on"}


@pytest.fixture
def manager(signed_in):
    return signed_in("manager")


def page(connection) -> str:
    return reverse("admin:platforms_storeconnection_change", args=(connection.pk,))


def opened(connection) -> dict[str, str]:
    connection.refresh_from_db()
    return credentials.unseal(connection.credentials)


def test_asks_which_platform_first(manager):
    shown = manager.get("/admin/platforms/storeconnection/add/").content.decode()

    assert "?platform=sandbox" in shown
    assert "?platform=vendure" in shown


def test_connects_a_shop_with_sealed_credentials(manager):
    answer = manager.post(ADD, {**SHOP, "credential_token": "t0p-secret", "credential_webhook_secret": "hook-secret"})

    assert answer.status_code == 302
    connection = StoreConnection.objects.get()
    assert (connection.platform, connection.base_url, connection.currency) == ("sandbox", "http://127.0.0.1:9", "EUR")
    assert opened(connection) == {"token": "t0p-secret", "webhook_secret": "hook-secret"}
    assert "t0p-secret" not in connection.credentials
    assert registry.adapter_for(connection)
    events = list(Event.objects.order_by("id").values_list("kind", "data"))
    assert [kind for kind, _ in events] == ["shop.connected", "shop.credentials_changed"]
    assert "secret" not in str(events).replace("webhook_secret", "")


@pytest.mark.parametrize("platform", ["sandbox", "vendure", "bigcommerce", "woocommerce", "shopify", "medusa"])
def test_asks_for_what_the_platform_needs(manager, platform):
    answer = manager.get(ADD.replace("sandbox", platform))

    asked = {name for name in answer.context["adminform"].form.fields if name.startswith("credential_")}
    needed = {f"credential_{field.name}" for field in registry.adapter_class(platform).credential_fields}
    assert needed <= asked
    assert ("credential_webhook_secret" in asked) is registry.adapter_class(platform).capabilities.webhooks


def test_refuses_a_shop_without_its_credentials(manager):
    answer = manager.post(ADD, SHOP)

    assert answer.context["adminform"].form.errors["credential_token"]
    assert not StoreConnection.objects.exists()


def test_keeps_what_is_left_empty_and_never_shows_it(manager):
    connection = connect_with(token="old-token", webhook_secret="old-hook")

    before = manager.get(page(connection)).content.decode()
    manager.post(page(connection), {**SHOP, "name": "Renamed", "credential_token": ""})
    after = manager.get(page(connection)).content.decode()

    assert opened(connection) == {"token": "old-token", "webhook_secret": "old-hook"}
    assert connection.name == "Renamed"
    for shown in (before, after):
        assert "old-token" not in shown
        assert "old-hook" not in shown
        assert connection.credentials not in shown
        assert "Leave empty to keep it." in shown


def connect_with(**values: str) -> StoreConnection:
    return ConnectionFactory(credentials=credentials.seal(values))


def test_never_repeats_a_secret_when_the_form_is_refused(manager):
    answer = manager.post(ADD, {**SHOP, "currency": "euro", "credential_token": "t0p-secret"})

    assert answer.status_code == 200
    assert "t0p-secret" not in answer.content.decode()


def test_replaces_a_credential_and_says_when(manager):
    connection = connect_with(token="old-token")

    manager.post(page(connection), {**SHOP, "credential_token": "new-token"})

    assert opened(connection) == {"token": "new-token"}
    assert "Set on " in manager.get(page(connection)).content.decode()


def test_keeps_the_previous_webhook_secret_while_it_is_rotated(manager):
    connection = connect_with(token="t", webhook_secret="one")

    manager.post(page(connection), {**SHOP, "credential_webhook_secret": "two"})
    assert opened(connection) == {"token": "t", "webhook_secret": "two", "previous_webhook_secret": "one"}

    manager.post(page(connection), {**SHOP, "credential_webhook_secret": "three"})
    assert opened(connection)["previous_webhook_secret"] == "two"


def test_forgets_both_webhook_secrets_when_told_to(manager):
    connection = connect_with(token="t", webhook_secret="two", previous_webhook_secret="one")

    manager.post(page(connection), {**SHOP, "forget_webhook_secret": "on"})

    assert opened(connection) == {"token": "t"}


def test_lets_credentials_be_entered_again_when_their_key_is_gone(manager):
    connection = ConnectionFactory(credentials="sealed-with-a-lost-key")

    assert manager.get(page(connection)).status_code == 200
    manager.post(page(connection), {**SHOP, "credential_token": "new-token"})

    assert opened(connection) == {"token": "new-token"}


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("http://shop.example.com", "must start with https://"),
        ("https://10.0.0.7/shop", "inside a private network"),
        ("https://localhost/", "inside a private network"),
        ("https://[::1]/", "inside a private network"),
        ("https://user:pass@shop.example.com", "without a password"),
        ("https://shop.example.com/?key=1", "a question mark"),
        ("shop", "Enter a valid URL"),
    ],
)
def test_refuses_an_address_that_is_not_safe(manager, settings, address, sentence):
    settings.ALLOW_PRIVATE_SHOP_ADDRESSES = False

    answer = manager.post(ADD, {**SHOP, "base_url": address, "credential_token": "t"})

    assert sentence in str(answer.context["adminform"].form.errors["base_url"])
    assert not StoreConnection.objects.exists()


def test_shows_the_address_for_webhooks(manager, settings):
    settings.PUBLIC_URL = "https://rewards.example.com"
    connection = ConnectionFactory()

    shown = manager.get(page(connection)).content.decode()

    assert f"https://rewards.example.com/hooks/{connection.webhook_key}/" in shown


def test_cannot_change_the_platform(manager):
    connection = connect_with(token="t")

    manager.post(page(connection), {**SHOP, "platform": "vendure"})

    connection.refresh_from_db()
    assert connection.platform == "sandbox"


class TestTheConnection:
    def test_says_who_answered(self, manager, shop_process):
        connection = connect(shop_process)

        answer = manager.post(f"/admin/platforms/storeconnection/{connection.pk}/test/", follow=True)

        assert "Connected to" in answer.content.decode()
        assert TOKEN not in answer.content.decode()

    def test_says_why_the_shop_refused(self, manager, shop_process):
        connection = connect(shop_process)
        connection.credentials = credentials.seal({"token": "wrong-token"})
        connection.save()

        answer = manager.post(f"/admin/platforms/storeconnection/{connection.pk}/test/", follow=True)

        (message,) = answer.context["messages"]
        assert message.level_tag == "error"
        assert "wrong-token" not in str(message)
        assert len(str(message)) > 20

    def test_says_when_nobody_answers(self, manager):
        connection = connect_with(token="t")

        answer = manager.post(f"/admin/platforms/storeconnection/{connection.pk}/test/", follow=True)

        (message,) = answer.context["messages"]
        assert message.level_tag == "error"

    def test_warns_of_another_currency(self, manager, shop_process):
        other = "JPY" if shop_process.currency != "JPY" else "USD"
        connection = connect(shop_process)
        connection.currency = other
        connection.save()

        answer = manager.post(f"/admin/platforms/storeconnection/{connection.pk}/test/", follow=True)

        (message,) = answer.context["messages"]
        assert message.level_tag == "error"
        assert other in str(message)
        assert shop_process.currency in str(message)

    def test_says_what_to_do_when_credentials_cannot_be_read(self, manager):
        connection = ConnectionFactory(credentials="sealed-with-a-lost-key")

        answer = manager.post(f"/admin/platforms/storeconnection/{connection.pk}/test/", follow=True)

        assert "enter the credentials again" in answer.content.decode()

    @pytest.mark.parametrize("role", ["viewer", "support", "fulfilment"])
    def test_is_for_managers(self, signed_in, role):
        connection = connect_with(token="t")

        assert signed_in(role).post(f"/admin/platforms/storeconnection/{connection.pk}/test/").status_code == 403

    def test_is_not_asked_by_a_link(self, manager):
        connection = connect_with(token="t")

        assert manager.get(f"/admin/platforms/storeconnection/{connection.pk}/test/").status_code == 403
