"""A connection to a running sandbox shop."""

from platforms import credentials
from platforms.models import PayoutAccount, StoreConnection
from tests.factories.people import ConnectionFactory, PayoutAccountFactory
from tests.fakes.sandbox import SandboxShop


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
