"""Vendure 3.6 and newer, over its Admin API with an API key.

A code is a promotion with a coupon code. Vendure does not refuse a second promotion of the same code, so making one
looks before and after, and removes what it made too much. It keeps no count of uses: a use is a placed order that
carries the promotion. An order's refund does not touch the order's time stamp, so a poll sees it with the order's next
change, unless the shop runs our webhook plugin, which touches it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from platforms import walking
from platforms.adapter import (
    Access,
    Answer,
    Capabilities,
    CodePage,
    CodeSpec,
    CredentialField,
    OrderPage,
    Outcome,
    PlatformCode,
    Refusal,
    ShopInfo,
    ShopOrder,
    WebhookMessage,
)
from platforms.vendure import client, cursors, diagnosis, fields, promotions, queries, reading, webhook

PAGE_SIZE = 100


class VendureAdapter:
    """One Vendure shop."""

    key: ClassVar[str] = "vendure"
    label: ClassVar[str] = "Vendure"
    capabilities: ClassVar[Capabilities] = Capabilities(
        extends=True,
        refuses_duplicates=False,
        returns_use_on_cancel=True,
        registers_webhooks=False,
        steps_to_disable=(
            "Sign in to the dashboard of {shop} and open Marketing, then Promotions.",
            "Search for the coupon code {code} and open its promotion. Several may carry it: look at each.",
            "Switch Enabled off and save.",
        ),
    )
    code_page: ClassVar[str] = ""
    credential_fields: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            name="api_key",
            label="API key",
            help_text="Made in Vendure under Settings. Its role needs the permissions CreatePromotion, ReadPromotion, "
            "UpdatePromotion, DeletePromotion and ReadOrder.",
        ),
        CredentialField(
            name="channel_token",
            label="Channel token",
            help_text="Only for a shop with several channels. Empty means the default channel.",
            secret=False,
            required=False,
        ),
    )

    def __init__(self, access: Access) -> None:
        self._access = access

    def create_code(self, spec: CodeSpec) -> Answer[PlatformCode]:
        """Look, make, look again. A code that came to be meanwhile is DUPLICATE_CODE, and ours is removed again."""
        conversation = client.Conversation(self._access)
        before = _search(conversation, spec.code)
        if before.value is None:
            return client.relay(before)
        shop, found = before.value
        if found:
            return client.rejected(before, Refusal.DUPLICATE_CODE, f"The shop has the code {spec.code} already.")
        try:
            wanted = promotions.input_for(spec, shop=shop)
        except promotions.CannotMake as error:
            return client.rejected(before, error.refusal, str(error))
        made = conversation.ask(queries.CREATE_CODE, input=wanted)
        if made.value is None:
            return client.relay(made)
        refused = client.refused_result(made, "createPromotion", expected="Promotion")
        if refused is not None:
            return refused
        return _settle(conversation, spec, made_id=str(made.value["createPromotion"].get("id")))

    def find_code(self, code: str) -> Answer[PlatformCode | None]:
        """The living code before a dead one, ours before another's."""
        return _find(client.Conversation(self._access), code)

    def list_codes(self, cursor: str) -> Answer[CodePage]:
        """Every promotion with a coupon code, by when it was made, which never changes; one of several may be a double.

        Pages go on by time as those of orders do: one that is removed meanwhile pushes no other out of sight.
        """
        try:
            position = cursors.Cursor.parse(cursor)
        except walking.NotACursor:
            reason = "The place we had reached in the shop's codes is unreadable. Begin anew."
            return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=reason)
        wanted = {"couponCode": {"isNull": False, "notEq": ""}} | position.within("createdAt")
        answer = client.Conversation(self._access).ask(
            queries.LIST_CODES, filter=wanted, sort=position.sort_by("createdAt"), take=PAGE_SIZE, skip=position.skip
        )
        if answer.value is None:
            return client.relay(answer)
        try:
            found = reading.promotion_page(answer.value, now=datetime.now(UTC))
        except fields.Unreadable as error:
            return _unreadable(answer, error)
        last = found[-1].created_at if found else None
        following = position.following(full=len(found) >= PAGE_SIZE, last=last, page_size=PAGE_SIZE)
        listed = tuple(promotion.code for promotion in found)
        return _ok(answer, CodePage(codes=listed, cursor=str(following), more=not following.caught_up))

    def disable_code(self, code: str, remote_id: str) -> Answer[PlatformCode | None]:
        """Disable the promotion, every double of it that we made, and read the code back."""
        return _change(self._access, code, remote_id, queries.DISABLE_CODE)

    def extend_code(self, code: str, remote_id: str, expires_at: datetime) -> Answer[PlatformCode | None]:
        """Move the end of the promotion, and of every double of it that we made, and read the code back."""
        return _change(self._access, code, remote_id, queries.EXTEND_CODE, endsAt=expires_at.isoformat())

    def read_order(self, external_id: str) -> Answer[ShopOrder | None]:
        """One order, whole. A cart and a draft are no orders yet."""
        answer = client.Conversation(self._access).ask(queries.READ_ORDER, id=external_id)
        if answer.refusal is Refusal.NOT_FOUND and answer.observed.status == 200:
            return _ok(answer, None)
        if answer.value is None:
            return client.relay(answer)
        entry = answer.value.get("order")
        if entry is None:
            return _ok(answer, None)
        try:
            return _ok(answer, reading.order(entry, precision=reading.shop(answer.value).precision))
        except fields.Unreadable as error:
            return _unreadable(answer, error)

    def orders_since(self, cursor: str) -> Answer[OrderPage]:
        """Placed orders by their last change. See `walking` for what a cursor holds and why pages overlap."""
        try:
            position = cursors.Cursor.parse(cursor)
        except walking.NotACursor:
            reason = "The place we had reached in the shop's orders is unreadable. Clear it to read from the beginning."
            return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=reason)
        answer = client.Conversation(self._access).ask(
            queries.ORDERS_SINCE,
            filter=_wanted(position),
            sort=position.sort_by("updatedAt"),
            take=PAGE_SIZE,
            skip=position.skip,
        )
        if answer.value is None:
            return client.relay(answer)
        try:
            entries = reading.order_entries(answer.value)
            orders, unread = reading.orders(entries, precision=reading.shop(answer.value).precision)
            last = reading.updated_at(entries[-1]) if entries else None
        except fields.Unreadable as error:
            return _unreadable(answer, error)
        following = position.following(full=len(entries) >= PAGE_SIZE, last=last, page_size=PAGE_SIZE)
        page = OrderPage(
            orders=tuple(orders), unread=tuple(unread), cursor=str(following), more=not following.caught_up
        )
        return _ok(answer, page)

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> WebhookMessage:
        """A webhook of our plugin for Vendure. It only says which order changed. Raises WebhookRejected."""
        return webhook.parse(headers=headers, body=body, secrets=self._access.webhook_secrets, now=now)

    def test_connection(self) -> Answer[ShopInfo]:
        """Ask who the shop is and try every permission we need, without changing anything."""
        return diagnosis.examine(self._access)

    def ensure_webhooks(self, url: str) -> Answer[None]:
        """Vendure registers no webhooks by API."""
        reason = f"Vendure cannot register webhooks by itself. Set up its webhook plugin to post to {url}."
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.UNSUPPORTED, reason=reason)


def _wanted(position: cursors.Cursor) -> dict[str, Any]:
    """The filter for placed orders from a cursor on: no carts, no drafts, no sellers' parts of an order."""
    wanted: dict[str, Any] = {"active": {"eq": False}, "state": {"notEq": "Draft"}, "type": {"notEq": "Seller"}}
    return wanted | position.within("updatedAt")


Found = tuple[reading.Shop, list[reading.Promotion]]


def _search(conversation: client.Conversation, code: str) -> Answer[Found]:
    """The shop, and all its promotions with this code in any case, oldest first."""
    answer = conversation.ask(queries.FIND_CODE, code=code, take=promotions.MOST_MATCHES)
    if answer.value is None:
        return client.relay(answer)
    try:
        if reading.total(answer.value, "promotions") > promotions.MOST_MATCHES:
            reason = f"More than {promotions.MOST_MATCHES} codes of the shop contain {code!r}. Look up a longer code."
            return client.rejected(answer, Refusal.INVALID, reason)
        found = reading.promotions(answer.value, code=code, now=datetime.now(UTC))
        return _ok(answer, (reading.shop(answer.value), found))
    except fields.Unreadable as error:
        return _unreadable(answer, error)


def _change(access: Access, code: str, remote_id: str, document: str, **values: str) -> Answer[PlatformCode | None]:
    """Change each promotion of that code which is enabled and meant, and read the code back."""
    conversation = client.Conversation(access)
    before = _search(conversation, code)
    if before.value is None:
        return client.relay(before)
    for promotion in before.value[1]:
        meant = not remote_id or promotion.code.remote_id == remote_id or promotion.is_ours
        if not (meant and promotion.enabled):
            continue
        answer = conversation.ask(document, id=promotion.code.remote_id, **values)
        if answer.refusal is Refusal.NOT_FOUND:
            continue
        if answer.value is None:
            return client.relay(answer)
        refused = client.refused_result(answer, "updatePromotion", expected="Promotion")
        if refused is not None:
            return refused
    return _find(conversation, code)


def _find(conversation: client.Conversation, code: str) -> Answer[PlatformCode | None]:
    answer = _search(conversation, code)
    if answer.value is None:
        return client.relay(answer)
    best = sorted(answer.value[1], key=lambda entry: (not entry.code.alive, not entry.is_ours, entry.age))
    return _ok(answer, best[0].code if best else None)


def _settle(conversation: client.Conversation, spec: CodeSpec, *, made_id: str) -> Answer[PlatformCode]:
    """After making a code: keep one of ours, remove the doubles, and compare what the shop stored."""
    after = _search(conversation, spec.code)
    if after.value is None:
        return client.unknown(after, f"The shop made the code {spec.code} and then could not be asked: {after.reason}")
    verdict = promotions.judge(spec, made_id=made_id, found=after.value[1])
    for remote_id in verdict.surplus:
        gone = conversation.ask(queries.DELETE_CODE, id=remote_id)
        if not gone.ok and gone.refusal is not Refusal.NOT_FOUND:
            return client.unknown(gone, f"A surplus promotion {remote_id} could not be removed: {gone.reason}")
    if verdict.kept is not None:
        return _ok(after, verdict.kept)
    if verdict.refusal is None:
        return client.unknown(after, verdict.reason)
    return client.rejected(after, verdict.refusal, verdict.reason)


def _ok(answer: Answer[Any], value: Any) -> Answer[Any]:
    return Answer(outcome=Outcome.OK, value=value, observed=answer.observed)


def _unreadable(answer: Answer[Any], error: fields.Unreadable) -> Answer[Any]:
    return client.unknown(answer, f"The shop's answer could not be understood: {error}. Check the address and version.")
