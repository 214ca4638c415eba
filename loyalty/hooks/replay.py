"""Bringing a webhook again that was given up: by a person, who has looked at why."""

from datetime import datetime

from django.db import transaction

from loyalty.common import queue
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.hooks import inbox
from loyalty.hooks.models import InboundWebhook, InboxState

AGAIN = "webhook.tried_again"


class NotToBeTriedAgain(DomainError):
    """This webhook has not failed, or nothing is left of it that could take effect."""

    code = "webhook_not_to_be_tried_again"


def refusal(webhook: InboundWebhook) -> str:
    """Why it is not brought again; empty when it can be."""
    if webhook.state == InboxState.RECEIVED:
        return "It is waiting already: it is tried by itself."
    if webhook.state == InboxState.PROCESSED:
        return (
            "It took effect already. An order that changed since then is told anew by the shop, and by the next poll."
        )
    if webhook.body_emptied_at is not None and not webhook.subject_id:
        return "Its body was emptied because it is old, and it names no order: there is nothing to try."
    return ""


@transaction.atomic
def try_again(*, webhook_id: int, actor: Actor, now: datetime) -> InboundWebhook:
    """Let it wait for a worker again, with as many tries as at first. The attempts so far stay counted.

    The order is judged by what the shop says of it now, so that bringing it twice, or late, changes nothing.
    Raises NotToBeTriedAgain.
    """
    webhook = InboundWebhook.objects.select_for_update(of=("self",)).get(pk=webhook_id)
    reason = refusal(webhook)
    if reason:
        raise NotToBeTriedAgain(reason)
    log.record(
        kind=AGAIN,
        subject_type=inbox.SUBJECT,
        subject_id=webhook.pk,
        actor=actor,
        now=now,
        attempts=webhook.attempts,
        reason=webhook.result,
    )
    webhook.state, webhook.due_at, webhook.processed_at = InboxState.RECEIVED, now, None
    webhook.attempts_before = webhook.attempts
    webhook.save(update_fields=["state", "due_at", "processed_at", "attempts_before"])
    queue.enqueue("hooks.process", webhook_id=webhook.pk)
    return webhook
