"""Platform key → adapter. The only file that names an adapter."""

from urllib.parse import quote

from django.conf import settings

from platforms import credentials, pace
from platforms.adapter import Access, Adapter
from platforms.bigcommerce.adapter import BigCommerceAdapter
from platforms.guarded import GuardedAdapter
from platforms.medusa.adapter import MedusaAdapter
from platforms.models import Platform, StoreConnection
from platforms.own_codes import OwnCodesAdapter
from platforms.sandbox.adapter import SandboxAdapter
from platforms.shopify.adapter import ShopifyAdapter
from platforms.vendure.adapter import VendureAdapter
from platforms.woocommerce.adapter import WooCommerceAdapter

ADAPTERS: dict[str, type[Adapter]] = {
    Platform.SANDBOX: SandboxAdapter,
    Platform.VENDURE: VendureAdapter,
    Platform.BIGCOMMERCE: BigCommerceAdapter,
    Platform.WOOCOMMERCE: WooCommerceAdapter,
    Platform.SHOPIFY: ShopifyAdapter,
    Platform.MEDUSA: MedusaAdapter,
}

WEBHOOK_SECRET_FIELDS = ("webhook_secret", "previous_webhook_secret")


def adapter_class(platform: str) -> type[Adapter]:
    return ADAPTERS[platform]


def adapter_for(connection: StoreConnection | None, *, timeout: float = 20.0) -> Adapter:
    """The adapter that talks to this shop, through its breaker; none means codes that no shop knows.

    Raises CredentialsUnreadable.
    """
    if connection is None:
        return OwnCodesAdapter(Access(base_url="", credentials={}, webhook_secrets=(), currency=""))
    opened = credentials.unseal(connection.credentials)
    its_pace = pace.of(str(connection.pk), rate=connection.calls_per_second, url=settings.REDIS_URL)
    secrets = tuple(opened[name] for name in WEBHOOK_SECRET_FIELDS if opened.get(name))
    adapter = ADAPTERS[connection.platform](
        Access(
            base_url=connection.base_url,
            credentials={name: value for name, value in opened.items() if name not in WEBHOOK_SECRET_FIELDS},
            webhook_secrets=secrets,
            currency=connection.currency,
            allow_private_addresses=settings.ALLOW_PRIVATE_SHOP_ADDRESSES,
            timeout=timeout,
            pace=its_pace,
        )
    )
    return GuardedAdapter(adapter, connection, pace=its_pace)


def code_url(connection: StoreConnection | None, *, remote_id: str) -> str:
    """Where staff see the code in that shop; empty where no such page is known."""
    if connection is None or not remote_id:
        return ""
    path = ADAPTERS[connection.platform].code_page
    return connection.base_url.rstrip("/") + path.replace("{remote_id}", quote(remote_id, safe="/")) if path else ""


def calls_out(connection: StoreConnection | None) -> bool:
    """Whether generating a code there means asking somebody over the network."""
    return connection is not None and ADAPTERS[connection.platform].capabilities.calls_out
