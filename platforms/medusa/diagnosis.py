"""What is wrong with a connection, one sentence for each misconfiguration. Nothing in the shop is changed."""

from typing import Any

from platforms.adapter import Access, Answer, Outcome, Refusal, ShopInfo
from platforms.http import HttpAnswer
from platforms.medusa import client, fields
from platforms.medusa.client import Conversation
from platforms.medusa.fields import Unreadable

NO_KEY = "The API key is missing. Make one in Medusa under Settings, Secret API Keys, and enter it here."
PUBLISHABLE = (
    "This is a publishable key, which is for storefronts: it starts with pk_. Make a secret one in Medusa under "
    "Settings, Secret API Keys; it starts with sk_."
)
READS = ("/admin/promotions", "/admin/campaigns", "/admin/orders", "/admin/payments")
# The shop looks at the key's rights and at each field it knows before it misses the rest; a name alone is no promotion.
INCOMPLETE = {"code": "loyalty-desk-probe", "limit": 1, "metadata": {}, "is_tax_inclusive": False}


def examine(access: Access) -> Answer[ShopInfo]:
    """Ask the shop who it is and try each right we need."""
    problem = _unusable_key(access)
    if problem:
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.UNAUTHORIZED, reason=problem)
    conversation = Conversation(access)
    params = {"fields": "id,name,*supported_currencies"}
    answer = conversation.ask("GET", "/admin/stores", params=params)
    if not answer.ok:
        # Another website may answer anything; a page that is no JSON is no Medusa's.
        foreign = answer.outcome is Outcome.UNKNOWN and answer.status == 200
        return answer.failure(reason=client.NOT_MEDUSA) if foreign else client.failure(answer)
    try:
        info = _shop(answer, access)
    except Unreadable as error:
        return answer.unusable(f"{error}. {client.NOT_MEDUSA}")
    if info.value is None:
        return info
    return _missing_right(conversation) or info


def _unusable_key(access: Access) -> str:
    key = access.credentials.get("api_key", "").strip()
    if not key:
        return NO_KEY
    return PUBLISHABLE if key.startswith("pk_") else ""


def _shop(answer: HttpAnswer, access: Access) -> Answer[ShopInfo]:
    stores = fields.objects(answer.data, "stores")
    if not stores:
        raise Unreadable("it has no store")
    name = fields.text(stores[0], "name")
    taken = {
        fields.text(entry, "currency_code", longest=10).upper(): entry.get("is_default") is True
        for entry in fields.objects(stores[0], "supported_currencies")
    }
    if access.currency and access.currency not in taken:
        reason = (
            f"{name} sells in {', '.join(sorted(taken)) or 'no currency'}, but this connection is set to "
            f"{access.currency}. Change the connection's currency, or add it in Medusa under Settings, Store."
        )
        return client.rejected(answer, Refusal.INVALID, reason)
    first = next((code for code, is_default in taken.items() if is_default), "")
    currency = access.currency or first
    return answer.success(ShopInfo(name=name, currency=currency, detail="Medusa. Orders come by polling."))


def _missing_right(conversation: Conversation) -> Answer[Any] | None:
    for path in READS:
        answer = conversation.ask("GET", path, params={"fields": "id", "limit": "1"})
        if not answer.ok:
            return client.failure(answer)
    answer = conversation.ask("POST", "/admin/promotions", body=INCOMPLETE)
    if answer.ok:
        return answer.unusable("it took a promotion that gives nothing")
    failed = client.failure(answer)
    expected = client.error_type(answer) == "invalid_data" and not failed.reason.startswith(client.TOO_OLD)
    return None if expected else failed
