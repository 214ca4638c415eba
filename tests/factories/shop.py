"""A connection to a running sandbox shop."""

from platforms import credentials
from platforms.models import StoreConnection
from tests.factories.people import ConnectionFactory
from tests.fakes.sandbox import SandboxShop


def connect(shop: SandboxShop, **fields: object) -> StoreConnection:
    """The merchant's access to that shop."""
    return ConnectionFactory(
        base_url=shop.url,
        currency=shop.currency,
        credentials=credentials.seal({"token": shop.token, "webhook_secret": shop.webhook_secret}),
        **fields,
    )
