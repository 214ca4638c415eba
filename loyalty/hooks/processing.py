"""Work off the inbox, and poll behind it: both bring orders through the same handler."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from django.db import transaction
from django.db.models import F, QuerySet

from loyalty.common import actors, commits, queue
from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.hooks import categories, inbox, payouts, privacy
from loyalty.hooks.models import InboundWebhook, InboxState
from loyalty.program import orders
from platforms import registry
from platforms.adapter import Adapter, ShopOrder, WebhookRejected
from platforms.credentials import CredentialsUnreadable
from platforms.models import StoreConnection
from rewards.usage import OrderVerdict

MOST_ATTEMPTS = 30  # about a day with the pauses below: a reward may be in the making that long
LEASE = timedelta(seconds=60)
SKEW = timedelta(seconds=2)  # the door's clock may be ahead of the worker's; shorter than every pause
LONGEST_PAUSE = 3600.0
MOST_PAGES = 20
BATCH = 50  # webhooks that one task brings
CLAIM = 10  # of them that are claimed at once
PATIENCE = 20.0  # seconds it begins new ones for
NOT_YET = "A reward on this order is still being generated."
GAVE_UP = "webhook.failed"


@dataclass(frozen=True, slots=True)
class Again:
    """Why a webhook has to be brought again, and how many seconds from now at the earliest."""

    reason: str
    wait: float = 0.0


def sweep(*, now: datetime, limit: int = 1_000) -> int:
    """Ring for as many batches as it takes to bring every webhook that is due; gives back how many those are."""
    due = InboundWebhook.objects.filter(state=InboxState.RECEIVED, due_at__lte=now)
    found = len(due.order_by("due_at", "pk").values_list("pk", flat=True)[:limit])
    for _ in range(0, found, BATCH):
        queue.enqueue(inbox.BATCHES)
    return found


def ring_for_polls() -> None:
    """Ring for a poll of every shop in use, each on its own: a slow shop holds up no other."""
    for connection_id in StoreConnection.objects.filter(enabled=True).order_by("pk").values_list("pk", flat=True):
        queue.enqueue("hooks.poll", connection_id=connection_id)


def process(*, webhook_id: int, now: datetime) -> None:
    """Let one stored webhook take effect if it is due. Twice, or beside itself, is harmless."""
    for webhook in _take(InboundWebhook.objects.filter(pk=webhook_id), now=now):
        _work(webhook, Stopwatch(now))


def drain(*, now: datetime, limit: int = BATCH, patience: float = PATIENCE) -> int:
    """Let those that have been due longest take effect one after the other; gives back how many had their turn.

    It ends after so many, or so many seconds. Others may drain beside it: none is taken twice.
    """
    watch, done, ends = Stopwatch(now), 0, now + timedelta(seconds=patience)
    due = InboundWebhook.objects.order_by("due_at", "pk")
    with commits.unhurried():
        while done < limit and watch.now < ends:
            claimed = _take(due, now=watch.now, most=min(CLAIM, limit - done))
            if not claimed:
                break
            done += _work_off(claimed, watch, ends=ends)
    return done


def _work_off(claimed: list[InboundWebhook], watch: Stopwatch, *, ends: datetime) -> int:
    """One after the other, while there is time; what has not begun when that is over, or one breaks off, is given back."""
    begun = 0
    try:
        for webhook in claimed:
            if begun and watch.now >= ends:
                break
            begun += 1
            _work(webhook, watch)
    finally:
        for webhook in claimed[begun:]:
            _claimed(webhook).update(attempts=webhook.attempts - 1, due_at=watch.now)
    return begun


def _work(webhook: InboundWebhook, watch: Stopwatch) -> None:
    if webhook.tries > MOST_ATTEMPTS:
        reason = "the worker broke off each time. Its log says why"
        _close(webhook, InboxState.FAILED, f"Given up after {MOST_ATTEMPTS} tries: {reason}.", now=watch.now)
        return
    try:
        again = _effect(webhook, watch) if webhook.payout_account_id is None else _effect_on_payout(webhook, watch)
    except CredentialsUnreadable as error:
        again = Again(error.sentence)
    except DomainError as refusal:
        _close(webhook, InboxState.FAILED, refusal.sentence, now=watch.now)
        return
    if again is not None:
        _later(webhook, again, now=watch.now)


def poll(*, connection_id: int, now: datetime) -> int:
    """Ask a shop for its orders since last time; gives back how many it told. Nothing is missed: the cursor moves last.

    An order that cannot take effect, or be understood, goes through the inbox, so that it holds up no other.
    """
    watch = Stopwatch(now)
    connection = StoreConnection.objects.get(pk=connection_id)
    try:
        adapter = registry.adapter_for(connection)
    except DomainError as refusal:
        _note_poll(connection, refusal.sentence, now=watch.now)
        return 0
    seen, cursor = 0, connection.orders_cursor
    for _ in range(MOST_PAGES):
        answer = adapter.orders_since(cursor)
        if answer.value is None:
            _note_poll(connection, answer.reason, now=watch.now)
            return seen
        told = categories.put_in(answer.value.orders, adapter=adapter, connection=connection)
        for order in told.orders:
            reason = told.reason if categories.lacks_some(order) else ""
            _record_polled(adapter, connection, order, watch, reason=reason)
        for unread in answer.value.unread:
            reason = f"The shop's order could not be understood: {unread.reason}."
            inbox.store_polled(
                connection_id=connection.pk,
                order_id=unread.external_id,
                version=unread.reason,
                reason=reason,
                now=watch.now,
            )
        seen += len(answer.value.orders) + len(answer.value.unread)
        # Another poll, or staff who entered another address, may have moved the cursor: theirs counts.
        ours = StoreConnection.objects.filter(pk=connection.pk, orders_cursor=cursor)
        if not ours.update(orders_cursor=answer.value.cursor) or not answer.value.more:
            break
        cursor = answer.value.cursor
    _note_poll(connection, "", now=watch.now)
    return seen


@transaction.atomic
def _take(webhooks: QuerySet[InboundWebhook], *, now: datetime, most: int = 1) -> list[InboundWebhook]:
    """Claim the first that are due: until the lease ends, or its pause, it is nobody's turn however often it rings.

    Only those that were never tried are claimed together: one that kills its worker each time takes none with it.
    """
    due = webhooks.filter(state=InboxState.RECEIVED, due_at__lte=now + SKEW).select_related("connection")
    rows = list(due.select_for_update(of=("self",), skip_locked=True)[:most])
    claimed = list(takewhile(lambda row: row.tries == 0, rows)) or rows[:1]
    for webhook in claimed:
        webhook.attempts += 1
        webhook.due_at = now + LEASE
    taken = InboundWebhook.objects.filter(pk__in=[webhook.pk for webhook in claimed])
    taken.update(attempts=F("attempts") + 1, due_at=now + LEASE)
    return claimed


def _effect(webhook: InboundWebhook, watch: Stopwatch) -> Again | None:
    """What the webhook of a shop does; None when it is done with."""
    connection = webhook.connection
    if connection is None:
        raise LookupError(f"Webhook {webhook.pk} is of no shop.")
    adapter = registry.adapter_for(connection)
    if webhook.topic in adapter.capabilities.privacy_topics:
        _note_privacy(webhook, adapter, watch)
        return None
    order, order_id = _told(webhook, adapter)
    if order is None and order_id:
        answer = adapter.read_order(order_id)
        if not answer.ok:
            return Again(answer.reason or "The shop did not tell the order.", answer.retry_after or 0.0)
        order = answer.value
    if order is None:
        _close(webhook, InboxState.PROCESSED, "It names no order: nothing to do.", now=watch.now)
        return None
    told = categories.put_in([order], adapter=adapter, connection=connection)
    if told.reason and webhook.tries < categories.MOST_TRIES:
        return Again(told.reason, told.wait)
    verdicts = _record(adapter, connection, told.orders[0], watch)
    if OrderVerdict.NOT_YET in verdicts:
        return Again(NOT_YET)
    summary = ", ".join(verdicts) or "no code"
    _close(webhook, InboxState.PROCESSED, f"Order {order.number}: {order.status}, {summary}.", now=watch.now)
    return None


def _note_privacy(webhook: InboundWebhook, adapter: Adapter, watch: Stopwatch) -> None:
    """What somebody asks about their data becomes a request that staff see. Raises WebhookRejected."""
    message = adapter.parse_webhook(headers=webhook.headers, body=bytes(webhook.body), now=webhook.received_at)
    if message.privacy is None:
        _close(webhook, InboxState.PROCESSED, "It asks for nothing: nothing to do.", now=watch.now)
        return
    with transaction.atomic():
        if _close(webhook, InboxState.PROCESSED, privacy.NOTED, now=watch.now):
            privacy.receive(webhook=webhook, ask=message.privacy, now=watch.now)


def _effect_on_payout(webhook: InboundWebhook, watch: Stopwatch) -> Again | None:
    """The same of a payout provider's callback."""
    heard = payouts.hear(webhook=webhook, now=watch.now)
    if heard.wait is not None:
        return Again(heard.result, heard.wait)
    _close(webhook, InboxState.PROCESSED, heard.result, now=watch.now)
    return None


def _told(webhook: InboundWebhook, adapter: Adapter) -> tuple[ShopOrder | None, str]:
    """The order of a webhook, or the id to ask the shop about; neither when it names none. Raises WebhookRejected.

    It was verified when it came. What cannot be verified again, because its secret was changed or its body forgotten,
    is only a hint: then the shop is asked.
    """
    if webhook.topic == inbox.POLLED:
        return None, webhook.subject_id or bytes(webhook.body).decode()
    if webhook.subject_id == "":
        return None, ""
    try:
        message = adapter.parse_webhook(headers=webhook.headers, body=bytes(webhook.body), now=webhook.received_at)
    except WebhookRejected:
        if webhook.subject_id is None:
            raise
        return None, webhook.subject_id
    return message.order, message.order_external_id


def _record_polled(
    adapter: Adapter, connection: StoreConnection, order: ShopOrder, watch: Stopwatch, *, reason: str
) -> None:
    """Record it, or let it come back through the inbox: where there is a reason to wait, or one turns up."""
    try:
        if not reason and OrderVerdict.NOT_YET in _record(adapter, connection, order, watch):
            reason = NOT_YET
    except DomainError as refusal:
        reason = refusal.sentence
    if reason:
        inbox.store_polled(
            connection_id=connection.pk,
            order_id=order.external_id,
            version=order.updated_at.isoformat(),
            reason=reason,
            now=watch.now,
        )


def _record(adapter: Adapter, connection: StoreConnection, order: ShopOrder, watch: Stopwatch) -> list[OrderVerdict]:
    return orders.record(
        connection_id=connection.pk,
        order=order,
        returns_use_on_cancel=adapter.capabilities.returns_use_on_cancel,
        actor=actors.shop(connection.pk),
        now=watch.now,
    )


def _close(webhook: InboundWebhook, state: InboxState, result: str, *, now: datetime) -> bool:
    """Write down what became of it; False when the claim was lost meanwhile, and another says so."""
    ended = {"state": state, "processed_at": now, "due_at": None, "result": result[:300]}
    if state != InboxState.FAILED:
        return bool(_claimed(webhook).update(**ended))
    with transaction.atomic():
        if not _claimed(webhook).update(**ended):
            return False
        log.record(
            kind=GAVE_UP,
            subject_type=inbox.SUBJECT,
            subject_id=webhook.pk,
            actor=actors.SYSTEM,
            now=now,
            attempts=webhook.attempts,
            reason=result[:300],
        )
    return True


def _later(webhook: InboundWebhook, again: Again, *, now: datetime) -> None:
    if webhook.tries >= MOST_ATTEMPTS:
        _close(webhook, InboxState.FAILED, f"Given up after {webhook.tries} tries: {again.reason}", now=now)
        return
    pause = timedelta(seconds=min(max(5.0 * 2**webhook.tries, again.wait), LONGEST_PAUSE))
    _claimed(webhook).update(due_at=now + pause, result=again.reason[:300])


def _claimed(webhook: InboundWebhook) -> QuerySet[InboundWebhook]:
    """The row while the claim stands: each claim counts the attempts up, so nobody else's looks like ours."""
    return InboundWebhook.objects.filter(pk=webhook.pk, state=InboxState.RECEIVED, attempts=webhook.attempts)


def _note_poll(connection: StoreConnection, error: str, *, now: datetime) -> None:
    StoreConnection.objects.filter(pk=connection.pk).update(polled_at=now, poll_error=error[:300])
