"""Our webhooks at the shop: made where they are missing, switched on again, and given our secret."""

from collections.abc import Mapping
from typing import Any

from platforms.adapter import Answer, Outcome, Refusal
from platforms.woocommerce import client, fields
from platforms.woocommerce.client import Conversation
from platforms.woocommerce.fields import Unreadable

NAME = "Loyalty Desk"
# Thrown away and taken back, an order gives its codes back and takes them again; neither is an update.
TOPICS = ("order.created", "order.updated", "order.deleted", "order.restored")
MOST_PAGES = 10
UNSIGNED = (
    "Enter a webhook secret in the connection's settings first: the shop signs with it, and we trust nothing else."
)

Hooks = list[Mapping[str, Any]]


def ensure(conversation: Conversation, url: str, *, secret: str) -> Answer[None]:
    """One living hook for each topic that posts to `url` and signs with `secret`. Calling it twice is harmless."""
    if not secret:
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=UNSIGNED)
    answer = known(conversation)
    if answer.value is None:
        return client.relay(answer)
    done: Answer[None] = Answer(outcome=Outcome.OK)
    for topic in TOPICS:
        ours = [hook for hook in answer.value if hook.get("delivery_url") == url and hook.get("topic") == topic]
        done = _put(conversation, ours[0] if ours else None, topic=topic, url=url, secret=secret)
        if not done.ok:
            return done
    return done


def known(conversation: Conversation) -> Answer[Hooks]:
    """All hooks of the shop."""
    found: Hooks = []
    for page in range(1, MOST_PAGES + 1):
        answer = conversation.ask("GET", "/webhooks", params={"per_page": "100", "page": str(page)})
        if not answer.ok:
            return client.failure(answer)
        try:
            entries = fields.entries(answer.data, "webhooks")
        except Unreadable as error:
            return answer.unusable(str(error))
        found += entries
        if len(entries) < 100:
            break
    return Answer(outcome=Outcome.OK, value=found)


def asleep(hooks: Hooks) -> int:
    """How many of ours the shop no longer serves: it switches a hook off after repeated failures, and says nothing."""
    return sum(1 for hook in hooks if str(hook.get("name")).startswith(NAME) and hook.get("status") != "active")


def _put(
    conversation: Conversation, hook: Mapping[str, Any] | None, *, topic: str, url: str, secret: str
) -> Answer[None]:
    body = {"name": f"{NAME}: {topic}", "status": "active", "secret": secret}
    try:
        if hook is None:
            answer = conversation.ask("POST", "/webhooks", body={**body, "topic": topic, "delivery_url": url})
        else:
            answer = conversation.ask("PUT", f"/webhooks/{fields.identity(hook)}", body=body)
        if not answer.ok:
            return client.failure(answer, writing=True)
        stored = fields.mapping({"hook": answer.data}, "hook")
    except Unreadable as error:
        return Answer(outcome=Outcome.UNKNOWN, reason=f"The shop's webhooks could not be understood: {error}.")
    if (stored.get("status"), stored.get("topic"), stored.get("delivery_url")) != ("active", topic, url):
        reason = (
            f"The shop keeps the webhook for {topic} otherwise than asked. Look at it in WooCommerce, Settings, "
            "Advanced, Webhooks: it must be active and post to our address."
        )
        return client.rejected(answer, Refusal.INVALID, reason)
    return Answer(outcome=Outcome.OK, observed=answer.observed)
