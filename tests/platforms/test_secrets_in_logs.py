"""What is logged of each shop, however much is logged: never a secret, a token, an address, or what a webhook says."""

import logging
from collections.abc import Callable, Iterator

import pytest
from django.test import Client

from platforms import credentials
from platforms.adapter import Adapter, WebhookRejected
from tests.factories.people import ConnectionFactory
from tests.factories.points import NOW
from tests.fakes.contract import Harness
from tests.platforms.test_contract import HARNESSES

BUYER = "very.private@example.com"
BODY = b'{"email": "very.private@example.com", "note": "leave it with the neighbour"}'
HIDDEN = (BUYER, "leave it with the neighbour")


@pytest.fixture(scope="module", params=sorted(HARNESSES.keys() - {"own_codes"}))  # behind those there is nobody to ask
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with HARNESSES[request.param](tmp_path_factory.mktemp(request.param)) as harness:
        yield harness


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Everything that every logger says, down to the last detail, as it would be written."""
    caplog.set_level(logging.DEBUG)
    formatter = logging.Formatter("%(name)s %(message)s")
    return lambda: "\n".join(formatter.format(record) for record in caplog.records)


def secrets_of(adapter: Adapter) -> set[str]:
    """The secrets of its form, and those of its webhooks."""
    access = adapter._access  # type: ignore[attr-defined]
    names = {field.name for field in adapter.credential_fields if field.secret}
    return {value for name, value in access.credentials.items() if name in names and value} | set(
        access.webhook_secrets
    )


def ask_everything(shop: Harness, adapter: Adapter) -> None:
    spec = shop.spec(customer_email=BUYER if adapter.capabilities.binds_customer else None)
    made = adapter.create_code(spec)
    assert made.ok, made.reason
    assert made.value is not None
    assert adapter.find_code(spec.code).ok
    order_id = shop.buy(email=BUYER, code=spec.code)
    assert adapter.read_order(order_id).ok
    assert adapter.orders_since("").ok
    assert adapter.list_codes("").ok
    adapter.disable_code(spec.code, made.value.remote_id)
    adapter.test_connection()
    if adapter.capabilities.registers_webhooks:
        adapter.ensure_webhooks("https://desk.example/hooks/a-key/")


def test_of_calls_that_succeed(shop: Harness, logged: Callable[[], str]) -> None:
    adapter = shop.adapter()

    ask_everything(shop, adapter)

    text = logged()
    assert "platforms.http" in text  # something is logged at all
    assert secrets_of(adapter)
    assert {hidden for hidden in secrets_of(adapter) | {BUYER} if hidden in text} == set()


def test_of_calls_that_the_shop_refuses(shop: Harness, logged: Callable[[], str]) -> None:
    adapter = shop.adapter(credentials=shop.wrong_credentials())

    answers = [adapter.test_connection(), adapter.create_code(shop.spec()), adapter.find_code("ANY-CODE")]

    assert not any(answer.ok for answer in answers)
    told = logged() + "".join(answer.reason + answer.observed.excerpt for answer in answers)
    assert {secret for secret in secrets_of(adapter) if len(secret) > 3 and secret in told} == set()


@pytest.mark.django_db
def test_of_webhooks_at_the_door(shop: Harness, logged: Callable[[], str]) -> None:
    adapter = shop.adapter()
    access = adapter._access  # type: ignore[attr-defined]
    secret = "a secret of webhooks"
    sealed = credentials.seal({**access.credentials, "webhook_secret": secret})
    connection = ConnectionFactory(platform=adapter.key, base_url=access.base_url, credentials=sealed)

    answer = Client().post(f"/hooks/{connection.webhook_key}/", BODY, content_type="application/json")
    with pytest.raises(WebhookRejected) as refusal:
        adapter.parse_webhook(headers={}, body=BODY, now=NOW)

    assert answer.status_code == (401 if adapter.capabilities.webhooks else 400)
    text = logged() + str(refusal.value)
    assert {hidden for hidden in {*secrets_of(adapter), secret, *HIDDEN} if hidden in text} == set()
