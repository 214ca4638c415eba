"""Our webhook subscriptions in a shop. Shopify deletes one after eight failed deliveries, so they are looked after."""

from platforms import redaction
from platforms.adapter import Answer, Outcome, Refusal
from platforms.shopify import client, queries, values, webhook
from platforms.shopify.client import Conversation
from platforms.shopify.values import Unreadable


def ensure(conversation: Conversation, url: str) -> Answer[None]:
    """Subscribe our address to every topic it is not subscribed to yet. Twice is harmless."""
    answer = conversation.ask(queries.WEBHOOKS, uri=url)
    if answer.value is None:
        return client.relay(answer)
    try:
        there = {
            values.text(entry, "topic")
            for entry in values.nodes(answer.value, "webhookSubscriptions")
            if entry.get("uri") == url
        }
    except Unreadable as error:
        return client.unknown(answer, f"The shop's webhooks could not be understood: {error}.")
    for topic in webhook.TOPICS.values():
        if topic in there:
            continue
        made = conversation.ask(queries.SUBSCRIBE, topic=topic, webhook={"uri": url, "format": "JSON"})
        if made.value is None:
            return client.relay(made)
        refusal = client.refused(made, "webhookSubscriptionCreate")
        if refusal is not None and not (refusal.outcome is Outcome.REJECTED and "already" in refusal.reason):
            words = redaction.said(refusal.reason, secrets=())
            reason = f"The shop did not subscribe us to {topic}. {words}"
            return client.rejected(made, refusal.refusal or Refusal.INVALID, reason)
    return Answer(outcome=Outcome.OK, observed=answer.observed)
