"""Whose turn it is, and what became of it. A lane is claimed, a message taken from it, sent by somebody, recorded.

Each is a transaction of its own with no network in it, in the order lane, endpoint, message. Whoever dies with a message
in hand leaves it due again when its claim ends: it may arrive twice, never not at all.
"""

import random
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from loyalty.common import queue
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.webhooks import endpoints
from loyalty.webhooks.models import (
    DeliveryState,
    EndpointState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookLane,
)
from loyalty.webhooks.posting import Posted

LEASE = timedelta(seconds=60)  # longer than a message may take
# After each failure, at least: three days and a bit together.
PAUSES = [timedelta(minutes=minutes) for minutes in (0.5, 2, 10, 30, 120, 300, 600, 840, 1_080, 1_440)]
JITTER = 0.2  # of a pause, at most, on top of it: what failed together comes back one by one
PAUSED_AFTER = timedelta(days=3)  # without one message taken
FIRST_HOLD, LONGEST_HOLD = timedelta(seconds=5), timedelta(minutes=10)
CLAIMING = 7_204_113  # the advisory lock under which lanes are counted and claimed
GIVEN_UP = "It was given up after {attempts} attempts. The last: {reason}"


class ResendRefused(DomainError):
    """This message is not sent again now."""

    code = "resend_refused"


def claim(*, now: datetime) -> WebhookLane | None:
    """A lane in which something is due, ours for a while; none when there is none, or enough are being worked on."""
    # The first of each lane, which its index tells; asked whether there is any, a database without statistics reads all.
    due = (
        WebhookDelivery.objects.filter(
            endpoint=OuterRef("endpoint"), lane=OuterRef("number"), state=DeliveryState.WAITING, due_at__lte=now
        )
        .order_by("due_at", "pk")
        .values("pk")[:1]
    )
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIMING])
        if WebhookLane.objects.filter(claimed_until__gt=now).count() >= settings.WEBHOOKS_AT_ONCE:
            return None
        free = Q(claimed_until__isnull=True) | Q(claimed_until__lte=now)
        open_now = Q(endpoint__held_until__isnull=True) | Q(endpoint__held_until__lte=now)
        lane = (
            WebhookLane.objects.select_for_update(skip_locked=True, of=("self",))
            .alias(first_due=Subquery(due))
            .filter(free, open_now, first_due__isnull=False, endpoint__state=EndpointState.ACTIVE)
            .order_by(F("worked_at").asc(nulls_first=True), "pk")
            .first()
        )
        if lane is None:
            return None
        # One that failed last time is tried by one message, not by all its lanes at once.
        WebhookEndpoint.objects.filter(pk=lane.endpoint_id, failures__gt=0).update(held_until=now + LEASE)
        lane.claim, lane.claimed_until, lane.worked_at = uuid.uuid4(), now + LEASE, now
        lane.save()
        return lane


def release(*, lane: WebhookLane) -> None:
    """Let others have the lane, if it is still ours."""
    WebhookLane.objects.filter(pk=lane.pk, claim=lane.claim).update(claim=None, claimed_until=None)


@transaction.atomic
def take(*, lane: WebhookLane, now: datetime) -> WebhookDelivery | None:
    """The message of our lane that is due longest, ours for a while. None: there is none, or the lane is not ours."""
    ours = WebhookLane.objects.select_for_update().filter(pk=lane.pk, claim=lane.claim).first()
    if ours is None:
        return None
    delivery = (
        WebhookDelivery.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("endpoint")
        .filter(endpoint=lane.endpoint_id, lane=lane.number, state=DeliveryState.WAITING, due_at__lte=now)
        .order_by("due_at", "pk")
        .first()
    )
    if delivery is None or delivery.endpoint.state != EndpointState.ACTIVE:
        return None
    ours.claimed_until = now + LEASE
    ours.save(update_fields=["claimed_until"])
    delivery.claim, delivery.due_at = uuid.uuid4(), now + LEASE
    delivery.attempts += 1
    delivery.save(update_fields=["claim", "due_at", "attempts"])
    return delivery


@transaction.atomic
def record(*, delivery: WebhookDelivery, posted: Posted, now: datetime) -> bool:
    """Write down what became of it, on the message and on its endpoint. Whether the lane may go on."""
    endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=delivery.endpoint_id)
    row = WebhookDelivery.objects.select_for_update().filter(pk=delivery.pk, claim=delivery.claim).first()
    WebhookAttempt.objects.create(
        delivery_id=delivery.pk,
        attempted_at=now,
        milliseconds=posted.milliseconds,
        status=posted.status,
        reason=posted.reason[:500],
        excerpt=posted.excerpt[:500],
    )
    if row is not None:
        _settle(row, posted, now)
    if posted.taken:
        _well(endpoint, now)
        return endpoint.state == EndpointState.ACTIVE
    return _unwell(endpoint, posted, now)


@transaction.atomic
def resend(*, delivery_id: int, actor: Actor, now: datetime) -> WebhookDelivery:
    """Send one again, under the id it had. One that waits is sent at once. Raises ResendRefused, EndpointRefused."""
    found = WebhookDelivery.objects.filter(pk=delivery_id).first()
    if found is None:
        raise ResendRefused("There is no such message, or it is so old that it was forgotten.")
    endpoint = _resendable(found.endpoint_id)
    rows = WebhookDelivery.objects.filter(pk=delivery_id, claim__isnull=True)
    _reopen(rows, endpoint, now=now)
    _log_resend(endpoint, actor=actor, now=now, delivery=delivery_id)
    return WebhookDelivery.objects.get(pk=delivery_id)


@transaction.atomic
def resend_range(
    *, endpoint_id: int, since: datetime, until: datetime, failed_only: bool, actor: Actor, now: datetime
) -> int:
    """Send again what happened from `since` until before `until`; gives back how many. Raises as `resend`."""
    if until <= since:
        raise ResendRefused("The time ends before it begins. Choose a later end.")
    endpoint = _resendable(endpoint_id)
    states = [DeliveryState.FAILED] if failed_only else [DeliveryState.FAILED, DeliveryState.DELIVERED]
    rows = WebhookDelivery.objects.filter(
        endpoint=endpoint, occurred_at__gte=since, occurred_at__lt=until, state__in=states
    )
    count = _reopen(rows, endpoint, now=now)
    _log_resend(endpoint, actor=actor, now=now, since=since.isoformat(), until=until.isoformat(), count=count)
    return count


def forget(*, now: datetime, limit: int = 2_000) -> int:
    """Forget a batch of messages that ended long ago, and give up what waited as long; gives back how many ended or went."""
    old = now - timedelta(days=settings.WEBHOOKS_KEPT_DAYS)
    stuck = WebhookDelivery.objects.filter(state=DeliveryState.WAITING, created_at__lt=old, due_at__lt=now)
    stuck = stuck.exclude(endpoint__state=EndpointState.ACTIVE)
    ended = WebhookDelivery.objects.filter(pk__in=stuck.values("pk")[:limit]).update(
        state=DeliveryState.FAILED,
        due_at=None,
        claim=None,
        closed_at=now,
        reason=f"Its endpoint was not active for {settings.WEBHOOKS_KEPT_DAYS} days.",
    )
    closed = WebhookDelivery.objects.filter(closed_at__lt=old).order_by("closed_at")
    keys = list(closed.values_list("pk", flat=True)[:limit])
    with transaction.atomic():
        WebhookAttempt.objects.filter(delivery__in=keys).delete()
        WebhookDelivery.objects.filter(pk__in=keys).delete()
    return ended + len(keys)


def _settle(row: WebhookDelivery, posted: Posted, now: datetime) -> None:
    row.claim, row.status, row.reason = None, posted.status, posted.reason[:500]
    if posted.taken:
        row.state, row.due_at, row.closed_at = DeliveryState.DELIVERED, None, now
    elif row.attempts > len(PAUSES) and not posted.gone:
        row.state, row.due_at, row.closed_at = DeliveryState.FAILED, None, now
        row.reason = GIVEN_UP.format(attempts=row.attempts, reason=posted.reason)[:500]
    else:
        pause = PAUSES[min(row.attempts, len(PAUSES)) - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311
        row.due_at = now + max(pause, timedelta(seconds=posted.retry_after or 0))
    row.save()


def _well(endpoint: WebhookEndpoint, now: datetime) -> None:
    if endpoint.failures or endpoint.failing_since or endpoint.held_until:
        was_down = endpoint.failures > 0
        endpoint.failures, endpoint.failing_since, endpoint.held_until = 0, None, None
        endpoint.save(update_fields=["failures", "failing_since", "held_until"])
        if was_down:
            endpoints.hurry(endpoint_id=endpoint.pk, now=now)


def _unwell(endpoint: WebhookEndpoint, posted: Posted, now: datetime) -> bool:
    endpoint.failing_since = endpoint.failing_since or now
    if posted.overwhelmed:
        endpoint.failures += 1
        hold = min(FIRST_HOLD * 2 ** min(endpoint.failures - 1, 10), LONGEST_HOLD)
        asked = timedelta(seconds=min(posted.retry_after or 0, 3_600))
        endpoint.held_until = now + max(hold * random.uniform(1, 1 + JITTER), asked)  # noqa: S311
    endpoint.save(update_fields=["failures", "failing_since", "held_until"])
    if endpoint.state != EndpointState.ACTIVE:
        return False
    if posted.gone:
        endpoints.pause(endpoint=endpoint, reason=posted.reason, now=now)
    elif now - endpoint.failing_since >= PAUSED_AFTER:
        reason = f"For {PAUSED_AFTER.days} days it took no message. The last: {posted.reason}"
        endpoints.pause(endpoint=endpoint, reason=reason, now=now)
    else:
        return not posted.overwhelmed
    return False


def _resendable(endpoint_id: int) -> WebhookEndpoint:
    endpoint = endpoints.locked(endpoint_id)
    if endpoint.state != EndpointState.ACTIVE:
        raise ResendRefused(f"The endpoint {endpoint} is not active. Switch it on first: what waits is sent then.")
    return endpoint


def _reopen(rows: QuerySet[WebhookDelivery], endpoint: WebhookEndpoint, *, now: datetime) -> int:
    endpoint.held_until = None
    endpoint.save(update_fields=["held_until"])
    queue.enqueue(endpoints.SEND)
    return int(rows.update(state=DeliveryState.WAITING, attempts=0, due_at=now, closed_at=None, reason=""))


def _log_resend(endpoint: WebhookEndpoint, *, actor: Actor, now: datetime, **data: Any) -> None:
    log.record(
        kind="webhook_endpoint.resent",
        subject_type="webhook_endpoint",
        subject_id=endpoint.pk,
        actor=actor,
        now=now,
        **data,
    )
