"""Shopify, over its Admin GraphQL API.

A discount's end, minimum and customer hold for all its codes. So a code is a discount of its own, unless it is asked for
together with others that differ in nothing: those are codes of one discount (`bulk`). A free product is the price of one
variant off that variant's line: a code of 100 % would make every piece in the cart free.
Cancelling an order does not give a code's use back. Gift cards are seen by their balance only: Shopify tells nobody in
which order one was spent. Orders older than 60 days are seen by apps with the scope read_all_orders alone.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar
from urllib.parse import urlsplit

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
)
from platforms.shopify import (
    bulk,
    client,
    codes,
    cursors,
    diagnosis,
    gift_cards,
    lines,
    listing,
    orders,
    queries,
    sentences,
    subscriptions,
    values,
    webhook,
)
from platforms.shopify.client import Conversation
from platforms.shopify.values import Unreadable

PAGE_SIZE = 5  # a question may cost 1,000 points at most, and an order with its lines and refunds costs some 190
UNREADABLE = "The place we had reached in the shop's orders is unreadable. Clear it to read from the beginning."


class ShopifyAdapter:
    """One Shopify shop."""

    key: ClassVar[str] = "shopify"
    label: ClassVar[str] = "Shopify"
    capabilities: ClassVar[Capabilities] = Capabilities(
        kinds=frozenset(DiscountKind),
        collections=bulk.CAPABILITY.collections,
        bulk_discounts=bulk.CAPABILITY,
        combinations=True,
        binds_customer=True,
        extends=True,
        registers_webhooks=True,
        privacy_topics=webhook.PRIVACY_TOPICS,
        settles=15 * 60.0,  # the counter of uses and the search of orders both run behind
        steps_to_disable=(
            "Sign in to the admin of {shop} and open Discounts.",
            "Search for {code} and open it.",
            "Choose Deactivate, at the top under More actions.",
        ),
    )
    code_page: ClassVar[str] = "/admin/{remote_id}"
    credential_fields: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            name="client_id",
            label="Client ID",
            help_text="Of an app made in Shopify's Dev Dashboard by the organisation that owns the shop, and installed "
            f"there with the scopes {', '.join(sentences.SCOPES)}, and {sentences.GIFT_CARD_SCOPE} for gift cards.",
            secret=False,
            required=False,
        ),
        CredentialField(
            name="client_secret",
            label="Client secret",
            help_text="Of the same app. Shopify also signs its webhooks with it.",
            required=False,
        ),
        CredentialField(
            name="previous_client_secret",
            label="Previous client secret",
            help_text="After a rotation, for the hour in which Shopify may still sign with the old one.",
            required=False,
        ),
        CredentialField(
            name="token",
            label="Access token",
            help_text="Instead of the two above, for an app that was made in the shop's admin (shpat_…). Enter its API "
            "secret key as the webhook secret.",
            required=False,
        ),
        CredentialField(
            name="version",
            label="API version",
            help_text=f"Empty means {sentences.VERSIONS[0]}. {sentences.VERSIONS[1]} works as well.",
            secret=False,
            required=False,
        ),
        CredentialField(
            name="test_orders",
            label="Count test orders",
            help_text="Write yes on a shop for trying things out. Else a code used on a test order stays unused.",
            secret=False,
            required=False,
        ),
    )

    def __init__(self, access: Access) -> None:
        self._access = access

    def create_code(self, spec: CodeSpec) -> Answer[PlatformCode]:
        conversation = Conversation(self._access)
        if spec.kind is DiscountKind.GIFT_CARD:
            return gift_cards.create(self._access, conversation, spec)
        return codes.create(self._access, conversation, spec)

    def create_bulk(self, specs: Sequence[CodeSpec]) -> Answer[tuple[Answer[PlatformCode], ...]]:
        """Codes of one new discount, with the texts of the specs. Codes of a lost answer are found by their texts."""
        return bulk.create(self._access, Conversation(self._access), specs)

    def find_bulk(self, reference: str) -> Answer[tuple[PlatformCode, ...]]:
        """All codes under our discounts for many with this reference, as `find_code` would show each."""
        return bulk.find(self._access, Conversation(self._access), reference)

    def find_code(self, code: str) -> Answer[PlatformCode | None]:
        """A discount code, or else a gift card."""
        conversation = Conversation(self._access)
        answer = codes.find(self._access, conversation, code)
        return gift_cards.find(conversation, code) if _absent(answer) and gift_cards.may_be(code) else answer

    def disable_code(self, code: str, remote_id: str) -> Answer[PlatformCode | None]:
        conversation = Conversation(self._access)
        if remote_id.startswith(gift_cards.PREFIX):
            return gift_cards.disable(conversation, code, remote_id)
        answer = codes.disable(self._access, conversation, code, remote_id)
        maybe = _absent(answer) and not remote_id and gift_cards.may_be(code)
        return gift_cards.disable(conversation, code, remote_id) if maybe else answer

    def extend_code(self, code: str, remote_id: str, expires_at: datetime) -> Answer[PlatformCode | None]:
        conversation = Conversation(self._access)
        if remote_id.startswith(gift_cards.PREFIX):
            return gift_cards.extend(conversation, code, remote_id, expires_at)
        answer = codes.extend(self._access, conversation, code, remote_id, expires_at)
        maybe = _absent(answer) and not remote_id and gift_cards.may_be(code)
        return gift_cards.extend(conversation, code, remote_id, expires_at) if maybe else answer

    def list_codes(self, cursor: str) -> Answer[CodePage]:
        """All discount codes by their numbers, which never change. Gift cards are not listed: no code is shown twice."""
        return listing.page(self._access, Conversation(self._access), cursor)

    def read_order(self, external_id: str) -> Answer[ShopOrder | None]:
        """One order, whole."""
        global_id = values.global_id("Order", external_id)
        if not global_id:
            return Answer(outcome=Outcome.OK)
        conversation = Conversation(self._access)
        answer = conversation.ask(
            queries.READ_ORDER, id=global_id, refunds=orders.REFUNDS_OF_ONE, lines=orders.LINES_OF_ONE
        )
        if answer.value is None:
            return client.relay(answer)
        entry = answer.value.get("order")
        if entry is None:
            return client.done(answer, None)
        try:
            more = lines.more(conversation, global_id, after=lines.beginning(entry))
            if more.value is None:
                return client.relay(more)
            found = orders.order(
                entry,
                count_tests=codes.counts_tests(self._access),
                most_refunds=orders.REFUNDS_OF_ONE,
                more_lines=more.value.entries,
            )
        except Unreadable as error:
            return client.unknown(answer, f"The shop's order could not be understood: {error}.")
        return client.done(answer, found)

    def orders_since(self, cursor: str) -> Answer[OrderPage]:
        """Orders by their last change. See `cursors` for what a cursor holds and why pages overlap."""
        try:
            position = cursors.parse(cursor)
        except cursors.NotACursor:
            return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=UNREADABLE)
        answer = Conversation(self._access).ask(
            queries.ORDERS_SINCE,
            first=PAGE_SIZE,
            after=position.after or None,
            query=position.query,
            refunds=orders.REFUNDS_IN_A_PAGE,
            lines=orders.LINES_IN_A_PAGE,
        )
        if answer.value is None:
            return client.relay(answer)
        try:
            page = values.mapping(answer.value, "orders")
            entries, info = values.objects(page, "nodes"), values.mapping(page, "pageInfo")
            told, unread = orders.orders(entries, count_tests=codes.counts_tests(self._access))
            last = values.instant(entries[-1], "updatedAt") if entries else None
            more = values.flag(info, "hasNextPage") and bool(entries)
            following = position.following(last=last, more=more, end=str(info.get("endCursor") or ""))
        except Unreadable as error:
            return client.unknown(answer, f"The shop's orders could not be understood: {error}.")
        except cursors.TooLong:
            return client.unknown(answer, "The shop's own mark of a place in its orders cannot be kept.")
        return client.done(
            answer, OrderPage(orders=tuple(told), unread=tuple(unread), cursor=str(following), more=more)
        )

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> WebhookMessage:
        """A webhook signed with the client secret, the one before it, or the webhook secret. Raises WebhookRejected."""
        given = self._access.credentials
        own = (given.get("client_secret", "").strip(), given.get("previous_client_secret", "").strip())
        shop = urlsplit(self._access.base_url).hostname or ""
        secrets = (*own, *self._access.webhook_secrets)
        return webhook.parse(headers=headers, body=body, secrets=secrets, shop=shop, now=now)

    def test_connection(self) -> Answer[ShopInfo]:
        """Ask who the shop is, and which scopes the app was granted."""
        return diagnosis.examine(self._access)

    def ensure_webhooks(self, url: str) -> Answer[None]:
        """Subscribe to what is missing; what is there already is left as it is."""
        return subscriptions.ensure(Conversation(self._access), url)


def _absent(answer: Answer[PlatformCode | None]) -> bool:
    return answer.ok and answer.value is None
