"""Retention: what webhooks said about people is forgotten, that they came is not."""

from datetime import timedelta

import pytest

from loyalty.common import actors
from loyalty.hooks import inbox, replay, retention
from loyalty.hooks.inbox import Letter
from loyalty.hooks.models import InboundWebhook, InboxState
from platforms.adapter import WebhookMessage
from tests.factories.people import ConnectionFactory
from tests.factories.points import NOW

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def shop():
    return ConnectionFactory()


def kept(shop, event_id="e-1", *, now=NOW, **facts):
    message = WebhookMessage(event_id=event_id, topic="order.updated", occurred_at=now, order_external_id="7")
    letter = Letter(connection_id=shop.pk, message=message, headers={"x-name": "Anna"}, body=b"anna@example.com")
    pk = next(iter(inbox.store([letter], now=now)), None)
    if facts:
        InboundWebhook.objects.filter(pk=pk).update(**facts)
    return pk


def test_empties_what_is_old_and_done_with_and_keeps_the_row(shop, settings):
    settings.WEBHOOK_BODIES_KEPT_DAYS = 30
    done = kept(shop, state=InboxState.PROCESSED, due_at=None, result="Order #7: completed, used.")

    assert retention.forget(now=NOW + 30 * DAY) == 0
    assert retention.forget(now=NOW + 31 * DAY) == 1
    assert retention.forget(now=NOW + 31 * DAY) == 0

    row = InboundWebhook.objects.get(pk=done)
    assert (bytes(row.body), row.headers, row.body_emptied_at) == (b"", {}, NOW + 31 * DAY)
    assert (row.event_id, row.subject_id, row.result) == ("e-1", "7", "Order #7: completed, used.")


def test_a_late_repetition_is_still_known(shop):
    kept(shop, state=InboxState.PROCESSED, due_at=None)
    retention.forget(now=NOW + 400 * DAY)

    assert kept(shop, now=NOW + 401 * DAY) is None
    assert bytes(InboundWebhook.objects.get().body) == b""


def test_what_waits_keeps_its_own_and_what_failed_can_still_be_tried(shop):
    waiting = kept(shop)
    failed = kept(shop, "e-2", state=InboxState.FAILED, due_at=None)

    assert retention.forget(now=NOW + 400 * DAY) == 1

    assert bytes(InboundWebhook.objects.get(pk=waiting).body) == b"anna@example.com"
    again = replay.try_again(webhook_id=failed, actor=actors.staff(1), now=NOW + 400 * DAY)
    assert (again.state, again.subject_id, again.headers) == (InboxState.RECEIVED, "7", {})


def test_goes_in_batches_oldest_first(shop):
    ids = [kept(shop, f"e-{day}", now=NOW + day * DAY, state="processed", due_at=None) for day in range(3)]

    assert retention.forget(now=NOW + 400 * DAY, limit=2) == 2

    assert InboundWebhook.objects.get(body_emptied_at=None).pk == ids[2]
