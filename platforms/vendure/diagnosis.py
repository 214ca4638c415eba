"""What is wrong with a connection, one sentence for each misconfiguration."""

from platforms.adapter import Access, Answer, Outcome, Refusal, ShopInfo
from platforms.vendure import client, fields, queries, reading

NOBODY = "0"  # no promotion has this id: the probes below change nothing
EMPTY_PROMOTION = {"enabled": False, "translations": [], "conditions": [], "actions": []}  # refused as incomplete

READS = (("ReadPromotion", queries.MAY_READ_PROMOTIONS), ("ReadOrder", queries.MAY_READ_ORDERS))


def examine(access: Access) -> Answer[ShopInfo]:
    """Ask the shop who it is and try each permission we need."""
    if not access.credentials.get("api_key", "").strip():
        reason = "The API key is missing. Make one in Vendure under Settings and enter it here."
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.UNAUTHORIZED, reason=reason)
    conversation = client.Conversation(access)
    answer = conversation.ask(queries.SHOP)
    if answer.value is None:
        vague = answer.outcome is Outcome.UNKNOWN and answer.observed.status == 200
        return client.relay(answer, reason=client.NOT_VENDURE if vague else "")
    try:
        shop = reading.shop(answer.value)
    except fields.Unreadable as error:
        return client.unknown(answer, f"{client.NOT_VENDURE} ({error})")
    wrong = _wrong_channel(access, answer, shop) or _missing_permission(conversation)
    if wrong is not None:
        return wrong
    detail = f"Vendure, prices {'with' if shop.prices_include_tax else 'without'} tax"
    info = ShopInfo(name=shop.channel, currency=shop.currency, detail=detail)
    return Answer(outcome=Outcome.OK, value=info, observed=answer.observed)


def _wrong_channel(access: Access, answer: Answer[object], shop: reading.Shop) -> Answer[ShopInfo] | None:
    # A shop with a single channel ignores a wrong token silently.
    token = access.credentials.get("channel_token", "").strip()
    if token and token != shop.channel_token:
        return client.rejected(answer, Refusal.INVALID, client.NO_SUCH_CHANNEL)
    if access.currency and access.currency != shop.currency:
        reason = (
            f"The connection is set to {access.currency}, but the shop's channel {shop.channel} sells in "
            f"{shop.currency}. Correct the currency of the connection, or enter the token of another channel."
        )
        return client.rejected(answer, Refusal.INVALID, reason)
    return None


def _missing_permission(conversation: client.Conversation) -> Answer[ShopInfo] | None:
    tries = [(name, conversation.ask(document)) for name, document in READS]
    tries += [
        ("CreatePromotion", conversation.ask(queries.CREATE_CODE, input=EMPTY_PROMOTION)),
        ("UpdatePromotion", conversation.ask(queries.DISABLE_CODE, id=NOBODY)),
        ("DeletePromotion", conversation.ask(queries.DELETE_CODE, id=NOBODY)),
    ]
    for _name, answer in tries:
        if answer.outcome in {Outcome.NOT_SENT, Outcome.THROTTLED} or answer.observed.status in {None, 502, 503, 504}:
            return client.relay(answer)
    missing = [(name, answer) for name, answer in tries if answer.refusal is Refusal.UNAUTHORIZED]
    if not missing:
        return None
    names = ", ".join(name for name, _answer in missing)
    reason = f"The API key works, but its role lacks {names}. Add this to the role in Vendure under Settings, Roles."
    return client.rejected(missing[0][1], Refusal.UNAUTHORIZED, reason)
