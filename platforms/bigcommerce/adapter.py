"""BigCommerce, over its REST API with the token of a store-level API account.

A code is a V2 coupon; for a free product, or with a first day to come, a V3 promotion; as money a V2 gift certificate.
BigCommerce counts a use when a checkout succeeds, so an order that is not paid yet holds its code as well, and a count
above zero does not say that anybody bought: then `uses` is unknown, and the orders have to tell. It cannot bind a code
to one customer, and keeps no word on whether a cancelled order gives its use back: we take it that it does not.
A code whose text is ours is made by itself. Codes in bulk stand under one promotion, up to 250 a call, and their texts
are BigCommerce's own choice.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from platforms.adapter import (
    Access,
    Answer,
    BulkDiscounts,
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
)
from platforms.bigcommerce import (
    batches,
    bulk,
    categories,
    changing,
    client,
    codes,
    cursors,
    diagnosis,
    fields,
    finding,
    hooks,
    listing,
    making,
    options,
    orders,
    webhook,
)

PAGE_SIZE = 20  # each order costs a question of its own about its coupons, out of 150 in half a minute

_CURSOR_LOST = "The place we had reached in the shop's orders is unreadable. Clear it to read from the beginning."


class BigCommerceAdapter:
    """One BigCommerce store."""

    key: ClassVar[str] = "bigcommerce"
    label: ClassVar[str] = "BigCommerce"
    capabilities: ClassVar[Capabilities] = Capabilities(
        kinds=frozenset(DiscountKind),
        collections=frozenset({DiscountKind.PERCENTAGE, DiscountKind.FIXED_AMOUNT}),
        extends=True,
        registers_webhooks=True,
        sorts_products=True,
        secret_headers=frozenset({webhook.OWN_HEADER}),
        bulk_discounts=BulkDiscounts(most=batches.MOST, kinds=batches.KINDS, invents_codes=True),
        steps_to_disable=(
            "Sign in to the control panel of {shop} and open Marketing.",
            "Open Promotions, Coupon promotions; for a gift card, Gift certificates.",
            "Search for {code}.",
            "Switch it off, or set the gift certificate to Disabled, and save.",
        ),
    )
    code_page: ClassVar[str] = ""  # the address of the connection is the API's; the control panel has another
    credential_fields: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            name="access_token",
            label="Access token",
            help_text="Of an API account made in BigCommerce under Settings, Store-level API accounts, with Marketing: "
            "modify; Orders, Order transactions, Products, Information & settings: read-only. The shop's address above is the "
            "API path shown with it, such as https://api.bigcommerce.com/stores/abc123.",
        ),
        CredentialField(
            name="client_secret",
            label="Client secret",
            help_text="Of the same API account. BigCommerce signs its webhooks with it.",
            required=False,
        ),
        CredentialField(
            name="delivery_cost",
            label="Cost of delivery",
            help_text="What delivery usually costs, such as 5.00: BigCommerce wants an amount on each code for free "
            "delivery. Needed for rewards of free delivery.",
            secret=False,
            required=False,
        ),
        CredentialField(
            name="sender_email",
            label="Sender of gift certificates",
            help_text="An e-mail address that stands on gift certificates; no e-mail is sent. Needed for gift cards.",
            secret=False,
            required=False,
        ),
        CredentialField(
            name="completed_statuses",
            label="Completed order statuses",
            help_text="Numbers of the statuses from which a reward counts as used, with commas. Empty means "
            "2, 3, 8, 9, 10, 11: paid, shipped or picked up.",
            secret=False,
            required=False,
        ),
    )

    def __init__(self, access: Access) -> None:
        self._access = access

    def create_code(self, spec: CodeSpec) -> Answer[PlatformCode]:
        """Make it, compare what the shop stored, and after a refusal look whether the code was there before."""
        conversation = client.Conversation(self._access)
        try:
            chosen = options.read(self._access.credentials)
            currency = self._access.currency
            return making.make(conversation, spec, currency=currency, options=chosen, now=datetime.now(UTC))
        except codes.CannotMake as error:
            return Answer(outcome=Outcome.REJECTED, refusal=error.refusal, reason=str(error))
        except options.BadOption as error:
            return _invalid(str(error))

    def create_bulk(self, specs: Sequence[CodeSpec]) -> Answer[tuple[Answer[PlatformCode], ...]]:
        """Let the shop make so many codes under the promotion of their reference, with texts behind their prefix."""
        conversation = client.Conversation(self._access)
        try:
            return bulk.create(conversation, specs, currency=self._access.currency, now=datetime.now(UTC))
        except codes.CannotMake as error:
            return Answer(outcome=Outcome.REJECTED, refusal=error.refusal, reason=str(error))

    def find_bulk(self, reference: str) -> Answer[tuple[PlatformCode, ...]]:
        """All codes for one use each that the shop has under promotions of this reference, living and dead."""
        return bulk.find(client.Conversation(self._access), reference, now=datetime.now(UTC))

    def find_code(self, code: str) -> Answer[PlatformCode | None]:
        """Among coupons, promotions and gift certificates."""
        conversation = client.Conversation(self._access)
        return finding.best(finding.find_all(conversation, code, now=datetime.now(UTC)))

    def list_codes(self, cursor: str) -> Answer[CodePage]:
        """All codes of the store, page by page; the empty cursor means from the beginning."""
        return listing.page(client.Conversation(self._access), cursor, now=datetime.now(UTC))

    def disable_code(self, code: str, remote_id: str) -> Answer[PlatformCode | None]:
        """Ours is kept and switched off. A code whose promotion has others is taken out of it, and they live on."""
        return changing.disable(client.Conversation(self._access), code, remote_id, now=datetime.now(UTC))

    def extend_code(self, code: str, remote_id: str, expires_at: datetime) -> Answer[PlatformCode | None]:
        """Move the last day; refused for a code that shares it with others of its promotion."""
        conversation = client.Conversation(self._access)
        return changing.extend(conversation, code, remote_id, expires_at, now=datetime.now(UTC))

    def read_order(self, external_id: str) -> Answer[ShopOrder | None]:
        """One order, whole. A checkout that was left is no order yet."""
        if re.fullmatch(r"[1-9]\d{0,17}", external_id, re.ASCII) is None:
            return Answer(outcome=Outcome.OK, value=None)  # the shop numbers its orders
        try:
            completed = options.read(self._access.credentials).completed
        except options.BadOption as error:
            return _invalid(str(error))
        return orders.one(client.Conversation(self._access), external_id, completed=completed)

    def orders_since(self, cursor: str) -> Answer[OrderPage]:
        """Orders by their last change. See `cursors` for what a cursor holds and why pages overlap."""
        try:
            position = cursors.parse(cursor)
            completed = options.read(self._access.credentials).completed
        except cursors.NotACursor:
            return _invalid(_CURSOR_LOST)
        except options.BadOption as error:
            return _invalid(str(error))
        conversation = client.Conversation(self._access)
        answer = conversation.ask("GET", orders.PATH, params=position.params | {"limit": str(PAGE_SIZE)})
        if not answer.ok:
            return answer.failure()
        try:
            entries = fields.entries(answer.data)
            told = orders.tell(conversation, entries, completed=completed)
            if told.value is None:
                return client.relay(told)
            last = entries[told.value.read - 1] if told.value.read else None
            following = position.following(
                full=len(entries) >= PAGE_SIZE or told.value.read < len(entries),
                last=orders.changed_at(last) if last is not None else None,
                last_id=fields.identity(last) if last is not None else 0,
            )
        except fields.Unreadable as error:
            return answer.unusable(str(error))
        page = OrderPage(
            orders=told.value.orders,
            unread=told.value.unread,
            cursor=str(following),
            more=not following.caught_up,
        )
        return client.ok(answer, page)

    def categories_of(self, products: Sequence[str]) -> Answer[Mapping[str, tuple[str, ...] | None]]:
        """By number."""
        return categories.of(client.Conversation(self._access), products)

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> WebhookMessage:
        """Verified by our own header or by BigCommerce's signature. It only says which order changed."""
        return webhook.parse(
            headers=headers,
            body=body,
            store=client.store_hash(self._access.base_url),
            secrets=self._access.webhook_secrets,
            client_secret=self._access.credentials.get("client_secret", "").strip(),
            now=now,
        )

    def test_connection(self) -> Answer[ShopInfo]:
        """Ask the store who it is and try every scope we need, without changing anything."""
        return diagnosis.examine(self._access)

    def ensure_webhooks(self, url: str) -> Answer[None]:
        """One webhook for each sort of news about orders, active and with our header."""
        return hooks.ensure(self._access, url)


def _invalid(reason: str) -> Answer[Any]:
    return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=reason)
