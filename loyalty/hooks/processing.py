"""Work off the inbox, and poll behind it: both bring orders through the same handler."""

from datetime import datetime, timedelta

from django.db import transaction

from loyalty.common import actors, queue
from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from loyalty.hooks.models import InboundWebhook, InboxState
from loyalty.program import orders
from platforms import registry
from platforms.adapter import Adapter, ShopOrder
from platforms.models import StoreConnection
from rewards.usage import OrderVerdict

MOST_ATTEMPTS = 8
LEASE = timedelta(seconds=60)
MOST_PAGES = 20


def sweep(*, now: datetime, limit: int = 200) -> int:
    """Ring for every webhook that waits; gives back how many."""
    with transaction.atomic():
        ids = list(
            InboundWebhook.objects.select_for_update(skip_locked=True)
            .filter(state=InboxState.RECEIVED, due_at__lte=now)
            .order_by("due_at", "pk")
            .values_list("pk", flat=True)[:limit]
        )
        InboundWebhook.objects.filter(pk__in=ids).update(due_at=now + timedelta(seconds=15))
    for webhook_id in ids:
        queue.enqueue("hooks.process", webhook_id=webhook_id)
    return len(ids)


def ring_for_polls() -> None:
    """Ring for a poll of every shop in use, each on its own: a slow shop holds up no other."""
    for connection_id in StoreConnection.objects.filter(enabled=True).order_by("pk").values_list("pk", flat=True):
        queue.enqueue("hooks.poll", connection_id=connection_id)


def process(*, webhook_id: int, now: datetime) -> None:
    """Let one stored webhook take effect. Twice, or beside itself, is harmless."""
    watch = Stopwatch(now)
    webhook = _take(webhook_id, now=now)
    if webhook is None:
        return
    connection = StoreConnection.objects.get(pk=webhook.connection_id)
    try:
        again = _effect(webhook, connection, watch)
    except DomainError as refusal:
        _close(webhook, InboxState.FAILED, refusal.sentence, now=watch.now)
        return
    if again:
        _later(webhook, again, now=watch.now)


def poll(*, connection_id: int, now: datetime) -> int:
    """Ask a shop for its orders since last time; gives back how many it told. Nothing is missed: the cursor moves last."""
    watch = Stopwatch(now)
    connection = StoreConnection.objects.get(pk=connection_id)
    try:
        adapter = registry.adapter_for(connection)
    except DomainError as refusal:
        _note_poll(connection, refusal.sentence, now=watch.now)
        return 0
    seen = 0
    for _ in range(MOST_PAGES):
        answer = adapter.orders_since(connection.orders_cursor)
        if answer.value is None:
            _note_poll(connection, answer.reason, now=watch.now)
            return seen
        verdicts = [_record(adapter, connection, order, watch) for order in answer.value.orders]
        seen += len(verdicts)
        if any(OrderVerdict.NOT_YET in found for found in verdicts):
            break  # a reward on one of them is still being generated: the same page again next time
        StoreConnection.objects.filter(pk=connection.pk).update(orders_cursor=answer.value.cursor)
        connection.orders_cursor = answer.value.cursor
        if not answer.value.more:
            break
    _note_poll(connection, "", now=watch.now)
    return seen


def _take(webhook_id: int, *, now: datetime) -> InboundWebhook | None:
    with transaction.atomic():
        webhook = (
            InboundWebhook.objects.select_for_update(skip_locked=True)
            .filter(pk=webhook_id, state=InboxState.RECEIVED)
            .first()
        )
        if webhook is not None:
            webhook.attempts += 1
            webhook.due_at = now + LEASE
            webhook.save(update_fields=["attempts", "due_at"])
        return webhook


def _effect(webhook: InboundWebhook, connection: StoreConnection, watch: Stopwatch) -> str:
    """What the webhook does; gives back why it has to be brought again, or nothing."""
    adapter = registry.adapter_for(connection)
    message = adapter.parse_webhook(headers=webhook.headers, body=bytes(webhook.body), now=webhook.received_at)
    order = message.order
    if order is None and message.order_external_id:
        answer = adapter.read_order(message.order_external_id)
        if not answer.ok:
            return answer.reason or "The shop did not tell the order."
        order = answer.value
    if order is None:
        _close(webhook, InboxState.PROCESSED, "It names no order: nothing to do.", now=watch.now)
        return ""
    verdicts = _record(adapter, connection, order, watch)
    if OrderVerdict.NOT_YET in verdicts:
        return "A reward on this order is still being generated."
    summary = ", ".join(verdicts) or "no code"
    _close(webhook, InboxState.PROCESSED, f"Order {order.number}: {order.status}, {summary}.", now=watch.now)
    return ""


def _record(adapter: Adapter, connection: StoreConnection, order: ShopOrder, watch: Stopwatch) -> list[OrderVerdict]:
    return orders.record(
        connection_id=connection.pk,
        order=order,
        returns_use_on_cancel=adapter.capabilities.returns_use_on_cancel,
        actor=actors.shop(connection.pk),
        now=watch.now,
    )


def _close(webhook: InboundWebhook, state: InboxState, result: str, *, now: datetime) -> None:
    InboundWebhook.objects.filter(pk=webhook.pk).update(state=state, processed_at=now, due_at=None, result=result[:300])


def _later(webhook: InboundWebhook, reason: str, *, now: datetime) -> None:
    if webhook.attempts >= MOST_ATTEMPTS:
        _close(webhook, InboxState.FAILED, f"Given up after {webhook.attempts} tries: {reason}", now=now)
        return
    pause = timedelta(seconds=min(5 * 2**webhook.attempts, 3600))
    InboundWebhook.objects.filter(pk=webhook.pk).update(due_at=now + pause, result=reason[:300])


def _note_poll(connection: StoreConnection, error: str, *, now: datetime) -> None:
    StoreConnection.objects.filter(pk=connection.pk).update(polled_at=now, poll_error=error[:300])
