"""Medusa 2.12 and newer, over its Admin API with a secret key; tried against 2.21.

A code is a promotion for one order; its days stand in a campaign of its own. Medusa takes a code letter by letter: case
matters. It answers a checkout that types a dead code, or one for somebody else, with success and no discount, and a code
for free delivery works only once the delivery is chosen: a storefront has to look at the cart's promotions. A cart that
was ready when its code was switched off, or ran out, still redeems it, uncounted; so a canceled code is looked at once
more after a while, by the orders, before the points go back. A cancelled order does not give its code back.

Medusa has no webhooks of its own: orders are polled.
"""

from collections.abc import Mapping
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
    Outcome,
    PlatformCode,
    Refusal,
    ShopInfo,
    ShopOrder,
    WebhookMessage,
    WebhookRejected,
)
from platforms.medusa import codes, diagnosis, polling
from platforms.medusa.client import Conversation

NO_WEBHOOKS = "Medusa has no webhooks of its own. There is nothing to set up: its orders are polled."


class MedusaAdapter:
    """One Medusa shop."""

    key: ClassVar[str] = "medusa"
    label: ClassVar[str] = "Medusa"
    capabilities: ClassVar[Capabilities] = Capabilities(
        kinds=frozenset(DiscountKind) - {DiscountKind.GIFT_CARD},
        collections=frozenset({DiscountKind.PERCENTAGE, DiscountKind.FIXED_AMOUNT}),
        binds_customer=True,
        extends=True,
        settles=15 * 60.0,  # a checkout that was ready before may still be paid
        webhooks=False,
        steps_to_disable=(
            "Sign in to Medusa's dashboard of {shop} (its address with /app) and open Promotions.",
            "Search for {code} and open the promotion that is written exactly so.",
            "Open the menu, Edit, set Status to Inactive and save. Do not delete it: a checkout under way would fail.",
        ),
    )
    code_page: ClassVar[str] = "/app/promotions/{remote_id}"
    credential_fields: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            name="api_key",
            label="Secret API key",
            help_text="Starts with sk_. Made in Medusa under Settings, Secret API Keys, by a user who may change "
            "promotions and campaigns and read orders and payments. Medusa shows it once.",
        ),
    )

    def __init__(self, access: Access) -> None:
        self._access = access

    def create_code(self, spec: CodeSpec) -> Answer[PlatformCode]:
        """Make a promotion, with a campaign where it has days. A code that is taken is refused as DUPLICATE_CODE."""
        return codes.create(self._conversation(), spec, currency=self._access.currency)

    def find_code(self, code: str) -> Answer[PlatformCode | None]:
        """As it is written, before one that differs in case."""
        return codes.find(self._conversation(), code)

    def list_codes(self, cursor: str) -> Answer[CodePage]:
        """Every promotion that a shopper types, by when it was made. Automatic ones are no codes."""
        return codes.listed(self._conversation(), cursor)

    def disable_code(self, code: str, remote_id: str) -> Answer[PlatformCode | None]:
        """Make the promotion inactive, and read the code back."""
        return codes.disable(self._conversation(), code, remote_id)

    def extend_code(self, code: str, remote_id: str, expires_at: datetime) -> Answer[PlatformCode | None]:
        """Move the end of the campaign. One that is the shop's own, and may hold other codes, is refused."""
        return codes.extend(self._conversation(), code, remote_id, expires_at)

    def read_order(self, external_id: str) -> Answer[ShopOrder | None]:
        """One order, whole. A cart is no order yet."""
        return polling.read_one(self._conversation(), external_id)

    def orders_since(self, cursor: str) -> Answer[OrderPage]:
        """Orders by their last change, and by that of their payments."""
        return polling.since(self._conversation(), cursor)

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> WebhookMessage:
        """Raises WebhookRejected: no webhook of Medusa's exists."""
        raise WebhookRejected(NO_WEBHOOKS, code="malformed")

    def test_connection(self) -> Answer[ShopInfo]:
        """Ask who the shop is and try every right we need, without changing anything."""
        return diagnosis.examine(self._access)

    def ensure_webhooks(self, url: str) -> Answer[None]:
        """There is nothing to register."""
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.UNSUPPORTED, reason=NO_WEBHOOKS)

    def _conversation(self) -> Conversation:
        return Conversation(self._access)
