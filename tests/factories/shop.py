"""A connection to a running sandbox shop."""

from platforms import credentials
from platforms.models import PayoutAccount, StoreConnection
from tests.factories.people import ConnectionFactory, PayoutAccountFactory
from tests.fakes import paypal
from tests.fakes.sandbox import SandboxShop
from tests.fakes.shopify.server import Shopify
from tests.fakes.shopify.shop import CLIENT_ID, CLIENT_SECRET


def connect(shop: SandboxShop, **fields: object) -> StoreConnection:
    """The merchant's access to that shop."""
    return ConnectionFactory(
        base_url=shop.url,
        currency=shop.currency,
        credentials=credentials.seal({"token": shop.token, "webhook_secret": shop.webhook_secret}),
        **fields,
    )


def pay_through(shop: SandboxShop, **fields: object) -> PayoutAccount:
    """The merchant's payout account at that shop."""
    secret = {"token": shop.token, "webhook_secret": shop.webhook_secret}
    values = {"provider": "sandbox", "base_url": shop.url, "currency": shop.currency} | fields
    return PayoutAccountFactory(credentials=credentials.seal(secret), **values)


def give_credit_in(fake: Shopify, **fields: object) -> PayoutAccount:
    """The merchant's payout account of store credit in that Shopify shop, which is connected for it."""
    connection = ConnectionFactory(
        platform="shopify",
        base_url=fake.url,
        currency=fake.shop.currency,
        credentials=credentials.seal({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}),
    )
    return PayoutAccountFactory(
        provider="shopify_credit", shop=connection, currency=fake.shop.currency, name="Credit in Lilies", **fields
    )


def pay_by(fake: paypal.PayPal, **fields: object) -> PayoutAccount:
    """The merchant's payout account at PayPal."""
    secret = {"client_id": paypal.CLIENT_ID, "client_secret": paypal.CLIENT_SECRET}
    values = {"provider": "paypal", "base_url": fake.url, "name": "PayPal of tests"} | fields
    return PayoutAccountFactory(credentials=credentials.seal(secret), **values)
