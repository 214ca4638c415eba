"""Our webhook addresses in the shops. A shop may drop one that failed too often, so they are looked after each day."""

import logging
from datetime import datetime

from django.conf import settings
from django.urls import reverse

from loyalty.common import actors, queue
from loyalty.common.errors import DomainError
from loyalty.events import log
from platforms import registry
from platforms.models import StoreConnection

logger = logging.getLogger(__name__)

FAILED = "shop.webhooks_not_registered"


def ring() -> None:
    """Ring for each shop in use that takes our address, each on its own: a slow shop holds up no other."""
    for connection in StoreConnection.objects.filter(enabled=True).order_by("pk"):
        if registry.adapter_class(connection.platform).capabilities.registers_webhooks:
            queue.enqueue("hooks.register", connection_id=connection.pk)


def register(*, connection_id: int, now: datetime) -> None:
    """Let the shop send its webhooks to us; what is registered already is left as it is.

    A shop that does not take our address is written down as an event. Orders arrive by polling meanwhile.
    """
    connection = StoreConnection.objects.get(pk=connection_id)
    url = f"{settings.PUBLIC_URL}{reverse('hooks:webhook', args=(connection.webhook_key,))}"
    try:
        answer = registry.adapter_for(connection).ensure_webhooks(url)
    except DomainError as refusal:
        reason = refusal.sentence
    else:
        reason = "" if answer.ok else answer.reason or "The shop did not answer."
    if reason:
        logger.warning("Webhooks of shop %s could not be registered: %s", connection.pk, reason)
        log.record(
            kind=FAILED,
            subject_type="store_connection",
            subject_id=connection.pk,
            actor=actors.SYSTEM,
            now=now,
            reason=reason[:300],
        )
