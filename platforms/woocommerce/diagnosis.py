"""What is wrong with a connection, one sentence for each misconfiguration. Nothing in the shop is changed."""

from typing import Any

from platforms.adapter import Access, Answer, Outcome, Refusal, ShopInfo
from platforms.http import HttpAnswer
from platforms.woocommerce import client, delivery, fields, site, subscriptions
from platforms.woocommerce.client import Conversation
from platforms.woocommerce.fields import Unreadable

MADE = "in WooCommerce, Settings, Advanced, REST API"
NO_KEY = f"The consumer key or its secret is missing. Make a key {MADE}, with the permissions Read/Write."
SWAPPED = "The consumer key starts with ck_ and its secret with cs_: they were swapped. Enter each in its own field."
NO_CODE = "woocommerce_rest_empty_coupon_code"  # how the shop refuses a coupon without a name, after all permissions
READS = ("/coupons", "/orders")
NO_PRODUCTS = (
    "The key may not read products, so rules for categories give nothing for this shop. Make it for an administrator or "
    "a shop manager, or let such rules name products."
)


def examine(access: Access) -> Answer[ShopInfo]:
    """Ask the site who it is, and try each permission we need."""
    problem = _unusable_key(access)
    if problem:
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.UNAUTHORIZED, reason=problem)
    conversation = Conversation(access)
    found = site.ask(conversation)
    if found.value is None:
        return client.relay(found)
    if not found.value.has_shop:
        return _without_shop(found)
    name = found.value.name
    currency = _currency(conversation, access, name=name)
    wrong = client.relay(currency) if currency.value is None else _missing_right(conversation)
    detail = _detail(conversation) if wrong is None else wrong
    if currency.value is None or detail.value is None:
        return client.relay(detail)
    info = ShopInfo(name=name, currency=currency.value, detail=detail.value)
    return Answer(outcome=Outcome.OK, value=info, observed=currency.observed)


def _without_shop(found: Answer[site.Site]) -> Answer[ShopInfo]:
    reason = client.NOT_WOOCOMMERCE
    return Answer(outcome=Outcome.REJECTED, refusal=Refusal.NOT_FOUND, reason=reason, observed=found.observed)


def _currency(conversation: Conversation, access: Access, *, name: str) -> Answer[str]:
    answer = conversation.ask("GET", "/data/currencies/current")
    if not answer.ok:
        return client.failure(answer)
    try:
        currency = fields.named(answer.data, "code", longest=10)
    except Unreadable as error:
        return answer.unusable(str(error))
    if access.currency and access.currency != currency:
        ours = access.currency
        reason = f"{name} sells in {currency}, but this connection is set to {ours}. Change the connection's currency."
        return client.rejected(answer, Refusal.INVALID, reason)
    return answer.success(currency)


def _unusable_key(access: Access) -> str:
    key = access.credentials.get("consumer_key", "").strip()
    secret = access.credentials.get("consumer_secret", "").strip()
    if not (key and secret):
        return NO_KEY
    return SWAPPED if key.startswith("cs_") and secret.startswith("ck_") else ""


def _missing_right(conversation: Conversation) -> Answer[Any] | None:
    for path in READS:
        answer = conversation.ask("GET", path, params={"per_page": "1"})
        if not answer.ok:
            return client.failure(answer)
    # A coupon without a name is refused, but not before the key's permissions and the user's rights are looked at.
    answer = conversation.ask("POST", "/coupons", body={"code": ""})
    if client.error_code(answer) == NO_CODE:
        return None
    if answer.ok:
        return answer.unusable("it took a coupon without a name")
    return _no_writing(answer)


def _no_writing(answer: HttpAnswer) -> Answer[Any]:
    if client.error_code(answer) == "woocommerce_rest_authentication_error":
        # The same key and secret have just been good enough to read.
        return client.rejected(answer, Refusal.UNAUTHORIZED, client.READ_ONLY)
    return client.failure(answer, writing=True)


def _detail(conversation: Conversation) -> Answer[str]:
    """What works, but not all of it. What a slow shop does not say in time is left out; a right that lacks is not."""
    sentences = ["WooCommerce."]
    free_delivery = delivery.refusal(conversation)
    hooks = subscriptions.known(conversation)
    for answer in (free_delivery, hooks):
        if answer is not None and answer.refusal is Refusal.UNAUTHORIZED:
            return client.relay(answer)
    if free_delivery is not None and free_delivery.refusal is Refusal.UNSUPPORTED:
        sentences.append(free_delivery.reason)
    if conversation.ask("GET", "/products", params={"per_page": "1", "_fields": "id"}).status in {401, 403}:
        sentences.append(NO_PRODUCTS)
    asleep = subscriptions.asleep(hooks.value or [])
    if asleep:
        sentences.append(
            f"The shop switched off {asleep} of its webhooks to us; orders still come by polling. Register them again."
        )
    return Answer(outcome=Outcome.OK, value=" ".join(sentences))
