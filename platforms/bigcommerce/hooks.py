"""Registering our address with the store, once for each sort of news, and waking what BigCommerce switched off.

BigCommerce switches a webhook off after 90 days without news and after two days of failures, so this is for calling
again; it changes nothing that is right already.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from platforms.adapter import Access, Answer, Outcome, Refusal
from platforms.bigcommerce import client, fields, webhook
from platforms.http import HttpAnswer

PATH = "/v3/hooks"
SCOPES = (
    "store/order/created",
    "store/order/updated",
    "store/order/statusUpdated",
    "store/order/archived",
    "store/order/refund/created",
)
_NO_KEY = (
    "BigCommerce's webhooks carry a header made from the webhook secret, and this shop has none here. Enter a webhook "
    "secret in the connection's settings, any long random text, and register again."
)
_NOT_PUBLIC = (
    "BigCommerce calls addresses that start with https:// on port 443 alone. Set the desk's public address to such a "
    "one and register again."
)


def ensure(access: Access, url: str) -> Answer[None]:
    """Each of `SCOPES` has one webhook that leads to `url`, is active and carries the present header."""
    secret = next((each for each in access.webhook_secrets if each), "")
    if not secret:
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=_NO_KEY)
    if not _reachable(url):
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=_NOT_PUBLIC)
    header = webhook.own_header(secret, store=client.store_hash(access.base_url))
    conversation = client.Conversation(access)
    answer = conversation.ask("GET", PATH, params={"destination": url, "limit": "250"})
    if not answer.ok:
        return answer.failure()
    try:
        known = {str(hook.get("scope")): hook for hook in fields.entries(answer.data) if hook.get("destination") == url}
        for scope in SCOPES:
            answer = _set_right(conversation, scope, url, known.get(scope), header) or answer
            if not answer.ok:
                return answer.failure()
    except fields.Unreadable as error:
        return answer.unusable(str(error))
    return client.ok(answer, None)


def _set_right(
    conversation: client.Conversation, scope: str, url: str, hook: Mapping[str, Any] | None, header: str
) -> HttpAnswer | None:
    """Register it, or mend it; None when nothing has to be done."""
    wanted: dict[str, Any] = {"is_active": True, "headers": {webhook.OWN_HEADER: header}}
    if hook is None:
        return conversation.ask("POST", PATH, body={"scope": scope, "destination": url, **wanted})
    if _is_right(hook, header):
        return None
    return conversation.ask("PUT", f"{PATH}/{fields.identity(hook)}", body=wanted)


def _is_right(hook: Mapping[str, Any], header: str) -> bool:
    carried = {str(name).lower(): value for name, value in fields.child(hook, "headers").items()}
    return hook.get("is_active") is True and carried.get(webhook.OWN_HEADER) == header


def _reachable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and parts.port in {None, 443}
    except ValueError:
        return False
