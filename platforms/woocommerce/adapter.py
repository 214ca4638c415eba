"""WooCommerce 7.9 and newer, over its REST API v3 with a consumer key. Behaviour verified by hand on 7.9.0.

A code is a coupon for one order. The shop writes codes in lower case, refuses a second one of the same name unless two
requests come at once, and drops fields it does not take without a word: so each coupon is read back. It counts a use
from an unpaid order on, and gives it back when the order is cancelled, fails or is binned, but not when it is refunded.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from platforms.adapter import (
    Access,
    Answer,
    Capabilities,
    CodePage,
    CodeSpec,
    CredentialField,
    DiscountKind,
    OrderPage,
    PlatformCode,
    ShopInfo,
    ShopOrder,
    WebhookMessage,
)
from platforms.woocommerce import batch, categories, codes, diagnosis, polling, subscriptions, webhook
from platforms.woocommerce.client import Conversation


class WooCommerceAdapter:
    """One WooCommerce shop."""

    key: ClassVar[str] = "woocommerce"
    label: ClassVar[str] = "WooCommerce"
    capabilities: ClassVar[Capabilities] = Capabilities(
        kinds=frozenset(DiscountKind) - {DiscountKind.GIFT_CARD},
        collections=frozenset({DiscountKind.PERCENTAGE}),
        binds_customer=True,
        extends=True,
        returns_use_on_cancel=True,
        registers_webhooks=True,
        sorts_products=True,
        bulk=batch.MOST,
        steps_to_disable=(
            "Sign in to WordPress at {shop} (its address with /wp-admin) and open Marketing, then Coupons.",
            "Search for {code} and open it. Several may carry that name: look at each.",
            "Set the coupon expiry date to a day that has passed and press Update. Do not move it to the bin.",
        ),
    )
    code_page: ClassVar[str] = "/wp-admin/post.php?post={remote_id}&action=edit"
    credential_fields: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            name="consumer_key",
            label="Consumer key",
            help_text="Starts with ck_. Made in WooCommerce, Settings, Advanced, REST API, for an administrator or a "
            "shop manager, with the permissions Read/Write.",
        ),
        CredentialField(
            name="consumer_secret",
            label="Consumer secret",
            help_text="Starts with cs_. WooCommerce shows it once, when the key is made.",
        ),
    )

    def __init__(self, access: Access) -> None:
        self._access = access

    def create_code(self, spec: CodeSpec) -> Answer[PlatformCode]:
        """Make, look again. A code that came to be meanwhile is DUPLICATE_CODE, and ours is removed again."""
        return codes.create(self._conversation(), spec, currency=self._access.currency)

    def create_codes(self, specs: Sequence[CodeSpec]) -> Answer[tuple[Answer[PlatformCode], ...]]:
        """Make several in one call, each as `create_code` would."""
        return batch.create(self._conversation(), specs, currency=self._access.currency)

    def find_code(self, code: str) -> Answer[PlatformCode | None]:
        """The living code before a dead one, ours before another's; the reason says when there are several."""
        return codes.find(self._conversation(), code)

    def disable_code(self, code: str, remote_id: str) -> Answer[PlatformCode | None]:
        """Let the coupon end in the past: it stays findable, and its name stays taken."""
        return codes.disable(self._conversation(), code, remote_id)

    def extend_code(self, code: str, remote_id: str, expires_at: datetime) -> Answer[PlatformCode | None]:
        """Move its last day, unless we disabled it."""
        return codes.extend(self._conversation(), code, remote_id, expires_at)

    def list_codes(self, cursor: str) -> Answer[CodePage]:
        """All coupons in use, page by page. Drafts and the bin are no codes: no checkout takes them."""
        return codes.listed(self._conversation(), cursor)

    def read_order(self, external_id: str) -> Answer[ShopOrder | None]:
        """One order, whole. A cart at the checkout is no order yet."""
        return polling.read_one(self._conversation(), external_id)

    def orders_since(self, cursor: str) -> Answer[OrderPage]:
        """Orders by their last change, those that were binned included."""
        return polling.since(self._conversation(), cursor)

    def categories_of(self, products: Sequence[str]) -> Answer[Mapping[str, tuple[str, ...] | None]]:
        """By number and by slug."""
        return categories.of(self._conversation(), products)

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> WebhookMessage:
        """A webhook, or the ping of a new one. Raises WebhookRejected."""
        return webhook.parse(headers=headers, body=body, secrets=self._access.webhook_secrets, now=now)

    def test_connection(self) -> Answer[ShopInfo]:
        """Ask who the shop is and try every permission we need, without changing anything."""
        return diagnosis.examine(self._access)

    def ensure_webhooks(self, url: str) -> Answer[None]:
        """Make our webhooks, or switch them on again, with the present secret."""
        secret = next(iter(self._access.webhook_secrets), "")
        return subscriptions.ensure(self._conversation(), url, secret=secret)

    def _conversation(self) -> Conversation:
        return Conversation(self._access)
