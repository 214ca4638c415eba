"""Payout accounts: secrets go in and never come out, and the provider is asked for real."""

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from loyalty.events.models import Event
from platforms import credentials
from platforms.models import PayoutAccount
from tests.factories.people import ConnectionFactory, PayoutAccountFactory
from tests.factories.shop import give_credit_in, pay_through
from tests.fakes.sandbox import running_sandbox_shop
from tests.fakes.shopify.server import running_shopify

pytestmark = pytest.mark.django_db
LIST = "/admin/platforms/payoutaccount/"
ADD = f"{LIST}add/?provider=sandbox"
ACCOUNT = {"name": "Money", "base_url": "http://127.0.0.1:9/", "currency": "eur", "enabled": "on"}


@pytest.fixture
def manager(signed_in):
    return signed_in("manager")


def page(account):
    return reverse("admin:platforms_payoutaccount_change", args=(account.pk,))


def test_asks_who_pays_first(manager):
    shown = manager.get(f"{LIST}add/").content.decode()

    assert "Who sends the money?" in shown
    assert "?provider=by_hand" in shown
    assert "?provider=sandbox" in shown


def test_adds_an_account_with_sealed_credentials(manager):
    answer = manager.post(ADD, {**ACCOUNT, "credential_token": "t0p-secret", "credential_webhook_secret": "hook"})

    assert answer.status_code == 302
    account = PayoutAccount.objects.get()
    assert (account.provider, account.base_url, account.currency) == ("sandbox", "http://127.0.0.1:9", "EUR")
    assert credentials.unseal(account.credentials) == {"token": "t0p-secret", "webhook_secret": "hook"}
    assert "t0p-secret" not in account.credentials
    assert "t0p-secret" not in manager.get(page(account)).content.decode()
    kinds = list(Event.objects.order_by("id").values_list("kind", flat=True))
    assert kinds == ["payouts.account_added", "payouts.credentials_changed"]


def test_a_provider_with_an_address_needs_one(manager):
    answer = manager.post(ADD, {**ACCOUNT, "base_url": "", "credential_token": "t"})

    assert answer.status_code == 200
    assert "base_url" in answer.context["adminform"].form.errors


def test_by_hand_asks_for_nothing_but_a_name_and_a_currency(manager):
    shown = manager.get(f"{LIST}add/?provider=by_hand")
    assert list(shown.context["adminform"].form.fields) == ["name", "currency", "enabled"]

    manager.post(f"{LIST}add/?provider=by_hand", {"name": "Bank", "currency": "EUR", "enabled": "on"})

    account = PayoutAccount.objects.get()
    assert (account.provider, account.credentials, account.base_url) == ("by_hand", "", "")
    assert "Test connection" not in manager.get(page(account)).content.decode()


def test_an_empty_secret_keeps_what_is_there(manager):
    account = PayoutAccountFactory(
        provider="sandbox", base_url="http://127.0.0.1:9", credentials=credentials.seal({"token": "kept"})
    )

    manager.post(page(account), {**ACCOUNT, "name": "New name", "currency": "USD", "credential_token": ""})

    account.refresh_from_db()
    assert (account.name, credentials.unseal(account.credentials)) == ("New name", {"token": "kept"})


def test_says_what_the_provider_says(manager, tmp_path):
    with running_sandbox_shop(tmp_path) as shop:
        account = pay_through(shop)
        answer = manager.post(f"{LIST}{account.pk}/test/", follow=True)
        assert "Connected to Juniper Lane, which pays in USD." in answer.content.decode()

        PayoutAccount.objects.filter(pk=account.pk).update(credentials=credentials.seal({"token": "wrong"}))
        answer = manager.post(f"{LIST}{account.pk}/test/", follow=True)
        assert "The provider refused our token. Enter it again." in answer.content.decode()

        PayoutAccount.objects.filter(pk=account.pk).update(currency="EUR")
        account.refresh_from_db()
        account.credentials = credentials.seal({"token": shop.token})
        account.save()
        answer = manager.post(f"{LIST}{account.pk}/test/", follow=True)
        assert "pays in USD, but this account is set to EUR" in answer.content.decode()


def add(manager, provider, **fields):
    form = {"name": "Money", "currency": "USD", "enabled": "on"} | fields
    return manager.post(f"{LIST}add/?provider={provider}", form)


def shown_fields(manager, provider):
    answer = manager.get(f"{LIST}add/?provider={provider}")
    return list(answer.context["adminform"].form.fields)


def test_paypal_asks_for_one_of_its_addresses_and_an_app(manager):
    assert shown_fields(manager, "paypal") == [
        "name", "base_url", "currency", "enabled", "credential_client_id", "credential_client_secret",
    ]  # fmt: skip
    secret = {"credential_client_id": "id-of-app", "credential_client_secret": "s3cret-of-app"}

    refused = add(manager, "paypal", base_url="https://paypal.example.com", **secret)
    assert "base_url" in refused.context["adminform"].form.errors
    refused = add(manager, "paypal", base_url="https://api-m.paypal.com", **secret | {"currency": "KRW"})
    assert "Nobody can be paid in KRW here" in refused.content.decode()
    assert add(manager, "paypal", base_url="https://api-m.sandbox.paypal.com", **secret).status_code == 302

    account = PayoutAccount.objects.get()
    assert (account.base_url, account.shop) == ("https://api-m.sandbox.paypal.com", None)
    assert credentials.unseal(account.credentials)["client_secret"] == "s3cret-of-app"
    page_of_it = manager.get(page(account)).content.decode()
    assert "A callback is not believed" in page_of_it
    assert f"/hooks/payouts/{account.webhook_key}/" in page_of_it


def test_store_credit_asks_for_a_connected_shop_of_shopify_and_uses_its_credentials(manager):
    bakery = ConnectionFactory(platform="sandbox", name="Bakery")
    assert shown_fields(manager, "shopify_credit") == ["name", "shop", "currency", "enabled", "credential_days"]
    assert "None is connected yet" in manager.get(f"{LIST}add/?provider=shopify_credit").content.decode()
    with running_shopify() as fake:
        lilies = give_credit_in(fake).shop
        PayoutAccount.objects.all().delete()

        refused = add(manager, "shopify_credit", shop=bakery.pk)
        assert "shop" in refused.context["adminform"].form.errors
        refused = add(manager, "shopify_credit", shop=lilies.pk, currency="EUR")
        assert f"{lilies.name} sells in USD" in refused.content.decode()
        assert add(manager, "shopify_credit", shop=lilies.pk, credential_days="365").status_code == 302

        account = PayoutAccount.objects.get()
        answer = manager.post(f"{LIST}{account.pk}/test/", follow=True)
        assert "Connected to Lilies, which pays in USD." in answer.content.decode()
        assert lilies.name in manager.get(LIST).content.decode()


def test_an_account_names_a_shop_when_and_only_when_its_provider_pays_through_one():
    with pytest.raises(IntegrityError), transaction.atomic():
        PayoutAccountFactory(provider="shopify_credit")
    with pytest.raises(IntegrityError), transaction.atomic():
        PayoutAccountFactory(provider="by_hand", shop=ConnectionFactory(platform="shopify"))


def test_paytm_asks_for_a_merchant_and_its_sub_wallet_in_rupees(manager):
    assert shown_fields(manager, "paytm")[4:] == [
        "credential_mid", "credential_merchant_key", "credential_subwallet_guid",
    ]  # fmt: skip

    refused = add(manager, "paytm", base_url="https://dashboard.paytm.com", credential_mid="m")

    errors = refused.context["adminform"].form.errors
    assert {"currency", "credential_merchant_key", "credential_subwallet_guid"} <= set(errors)


@pytest.mark.parametrize("role", ["viewer", "support", "fulfilment"])
def test_others_look_and_change_nothing(signed_in, role):
    account = PayoutAccountFactory(provider="sandbox", base_url="http://127.0.0.1:9")
    browser = signed_in(role)

    assert browser.get(page(account)).status_code == 200
    assert browser.post(page(account), ACCOUNT).status_code == 403
    assert browser.post(f"{LIST}{account.pk}/test/").status_code == 403
    assert browser.get(f"{LIST}add/").status_code == 403
