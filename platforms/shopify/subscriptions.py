"""Our webhook subscriptions in a shop. Shopify deletes one after eight failed deliveries, so they are looked after."""

from platforms.adapter import Answer, Outcome
from platforms.shopify import client, queries, values, webhook
from platforms.shopify.client import Conversation
from platforms.shopify.values import Unreadable


def ensure(conversation: Conversation, url: str) -> Answer[None]:
    """Subscribe our address to every topic it is not subscribed to yet. Twice, or beside itself, is harmless."""
    before = _subscribed(conversation, url)
    if before.value is None:
        return client.relay(before)
    for topic in webhook.TOPICS.values():
        if topic in before.value:
            continue
        asked = conversation.ask(queries.SUBSCRIBE, topic=topic, webhook={"uri": url, "format": "JSON"})
        made = client.told(asked, "webhookSubscriptionCreate")
        if made.ok:
            continue
        # Shopify refuses a second subscription: somebody else may have made it just now.
        after = _subscribed(conversation, url)
        if after.value is None or topic not in after.value:
            return client.relay(made, reason=f"The shop did not subscribe us to {topic}. {made.reason}")
    return Answer(outcome=Outcome.OK, observed=before.observed)


def _subscribed(conversation: Conversation, url: str) -> Answer[set[str]]:
    """The topics our address is subscribed to."""
    answer = conversation.ask(queries.WEBHOOKS, uri=url)
    if answer.value is None:
        return client.relay(answer)
    try:
        entries = values.nodes(answer.value, "webhookSubscriptions")
        return client.done(answer, {values.text(entry, "topic") for entry in entries if entry.get("uri") == url})
    except Unreadable as error:
        return client.unreadable(answer, error)
