"""What is wrong with a connection, one sentence for each misconfiguration. Nothing is changed in the shop."""

from typing import Any

from platforms.adapter import Access, Answer, Outcome, Refusal, ShopInfo
from platforms.bigcommerce import categories, certificates, client, coupons, fields, options, orders
from platforms.http import HttpAnswer

NOT_SIGNED_IN = (
    "The access token is missing. Make an API account in BigCommerce under Settings, Store-level API accounts, and "
    "enter its access token here."
)
NOBODY = 999_999_999  # an order that no store has: asking for its parts shows whether we may
# What we try, the scope it needs, and what BigCommerce calls that on the page of an API account.
INFORMATION = "Information & settings: read-only (store_v2_information_read_only)"
MARKETING = "Marketing: modify (store_v2_marketing)"
ORDERS = "Orders: read-only (store_v2_orders_read_only)"
PRODUCTS = "Products: read-only (store_v2_products_read_only)"
TRANSACTIONS = "Order transactions: read-only (store_v2_transactions_read_only)"


def examine(access: Access) -> Answer[ShopInfo]:
    """Ask the store who it is and try each scope we need."""
    try:
        chosen = options.read(access.credentials)
    except options.BadOption as error:
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=str(error))
    if not client.store_hash(access.base_url):
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=client.ADDRESS)
    if not access.credentials.get("access_token", "").strip():
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.UNAUTHORIZED, reason=NOT_SIGNED_IN)
    conversation = client.Conversation(access)
    answer = conversation.ask("GET", "/v2/store")
    wrong = _unreachable(answer) or _missing(conversation, answer)
    return wrong or _told(conversation, access, chosen, answer)


def _told(
    conversation: client.Conversation, access: Access, chosen: options.Options, answer: HttpAnswer
) -> Answer[ShopInfo]:
    try:
        store = fields.inside(answer.data)
        name, currency = fields.text(store, "name"), fields.text(store, "currency", longest=3)
    except fields.Unreadable:
        return client.rejected(answer, Refusal.NOT_FOUND, client.NOT_BIGCOMMERCE)
    if access.currency and currency != access.currency:
        reason = (
            f"The connection is set to {access.currency}, but the store's default currency is {currency}, and "
            "BigCommerce's codes work in that one alone. Correct the currency of the connection."
        )
        return client.rejected(answer, Refusal.INVALID, reason)
    return answer.success(ShopInfo(name=name, currency=currency, detail=_detail(conversation, access, chosen)))


def _missing(conversation: client.Conversation, store: HttpAnswer) -> Answer[Any] | None:
    """The scopes the token lacks, or why it cannot be told; None when it has them all."""
    # An empty coupon and an empty certificate are refused as incomplete by whoever may make one.
    tries = [
        (INFORMATION, store),
        (MARKETING, conversation.ask("GET", coupons.PATH, params={"limit": "1"})),
        (MARKETING, conversation.ask("POST", coupons.PATH, body={})),
        (MARKETING, conversation.ask("GET", certificates.PATH, params={"limit": "1"})),
        (ORDERS, conversation.ask("GET", orders.PATH, params={"limit": "1"})),
        (ORDERS, conversation.ask("GET", orders.REFUNDS, params={"limit": "1"})),
        (TRANSACTIONS, conversation.ask("GET", f"/v3/orders/{NOBODY}/transactions")),
    ]
    for _scope, answer in tries:
        if answer.outcome in {Outcome.NOT_SENT, Outcome.THROTTLED, Outcome.UNKNOWN}:
            return answer.failure()
    lacking = list(dict.fromkeys(scope for scope, answer in tries if answer.status == 403))
    if not lacking:
        return None
    reason = (
        f"The access token works, but its API account lacks: {'; '.join(lacking)}. An API account of BigCommerce cannot "
        "be changed: make a new one under Settings, Store-level API accounts, with all of them, and enter its token here."
    )
    return client.rejected(store, Refusal.UNAUTHORIZED, reason)


def _unreachable(answer: HttpAnswer) -> Answer[Any] | None:
    """Why the store cannot be asked at all; None when it can, or when only a scope is missing."""
    if answer.ok or answer.status == 403:
        return None
    elsewhere = answer.outcome is Outcome.REJECTED and answer.status not in {401, 403, 507}
    garbled = answer.outcome is Outcome.UNKNOWN and answer.status == 200
    if elsewhere or garbled:
        return client.rejected(answer, Refusal.NOT_FOUND, client.NOT_BIGCOMMERCE)
    if answer.status == 503:
        return answer.failure(reason="The store is down for maintenance or suspended. Look at it in BigCommerce.")
    return answer.failure()


def _detail(conversation: client.Conversation, access: Access, chosen: options.Options) -> str:
    """Which store it is, and what will not work until another setting is made."""
    lacking = []
    if chosen.delivery_cost is None:
        lacking.append("no free delivery until its cost is entered")
    if not chosen.sender_email:
        lacking.append("no gift cards until their sender is entered")
    if not access.credentials.get("client_secret", "").strip():
        lacking.append("signatures of webhooks are not checked without the client secret")
    if conversation.ask("GET", categories.PATH, params={"limit": "1"}).status == 403:
        lacking.append(f"no rules for categories without {PRODUCTS}, which takes a new API account")
    return "; ".join([f"BigCommerce store {client.store_hash(access.base_url)}", *lacking])
