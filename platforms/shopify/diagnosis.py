"""What is wrong with a connection: ask the shop who it is, and what it lets the app do."""

from platforms import redaction
from platforms.adapter import Access, Answer, Outcome, Refusal, ShopInfo
from platforms.shopify import client, queries, sentences, values
from platforms.shopify.client import Conversation
from platforms.shopify.values import Unreadable


def examine(access: Access) -> Answer[ShopInfo]:
    """One question, which changes nothing."""
    answer = Conversation(access).ask(queries.WHO)
    if answer.value is None:
        vague = answer.outcome is Outcome.UNKNOWN and answer.observed.status == 200
        return client.relay(answer, reason=sentences.NOT_SHOPIFY if vague else "")
    try:
        shop = values.mapping(answer.value, "shop")
        name, currency = values.text(shop, "name"), values.text(shop, "currencyCode", longest=3)
        domain = values.text(shop, "myshopifyDomain")
        installation = values.mapping(answer.value, "currentAppInstallation")
        granted = {values.text(scope, "handle") for scope in values.objects(installation, "accessScopes")}
        hooks = values.nodes(answer.value, "webhookSubscriptions")
    except Unreadable as error:
        return client.unknown(answer, f"{sentences.NOT_SHOPIFY} ({error})")
    missing = [scope for scope in sentences.SCOPES if not _has(granted, scope)]
    if missing:
        return client.rejected(answer, Refusal.UNAUTHORIZED, sentences.missing_scopes(missing))
    if access.currency and currency != access.currency:
        reason = sentences.other_currency(shop=redaction.said(name, secrets=()), theirs=currency, ours=access.currency)
        return client.rejected(answer, Refusal.INVALID, reason)
    notes = [f"Shopify, {domain}."]
    if not _has(granted, sentences.GIFT_CARD_SCOPE):
        notes.append(f"Gift cards cannot be given: the app lacks {sentences.GIFT_CARD_SCOPE}.")
    if "read_all_orders" not in granted:
        notes.append("Orders of the last 60 days are seen; older ones need the scope read_all_orders.")
    if not hooks:
        notes.append("No webhook is registered, so orders arrive by polling only. Register ours below.")
    return client.done(answer, ShopInfo(name=name, currency=currency, detail=" ".join(notes)))


def _has(granted: set[str], scope: str) -> bool:
    """A scope to write includes the one to read."""
    return scope in granted or scope.replace("read_", "write_", 1) in granted
