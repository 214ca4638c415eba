"""Webhooks at every step of a fault: at the door, and while a worker lets one take effect. For `prove_faults`."""

from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from django.conf import settings
from django.test import Client

from loyalty.common.crashing import Scenario
from loyalty.common.racing import Scores
from loyalty.customers.models import Customer
from loyalty.hooks.models import InboundWebhook, InboxState
from loyalty.points.models import PointsTransaction, TransactionKind
from loyalty.program.models import Order
from platforms.trial import Scene
from rewards import faults as rewards
from rewards.models import RedeemedReward, UsageStatus

ONCE = "A webhook is kept once, and takes effect once"


def _order(scene: Scene) -> dict[str, Any]:
    """A customer buys with the code of a reward; nobody was told yet."""
    subject = rewards.redeemed(scene)
    email = f"fault{subject.customer_id}@example.com"
    Customer.objects.filter(pk=subject.customer_id).update(email=email)
    row = RedeemedReward.objects.select_related("code").get(pk=subject.redeemed_id)
    code = row.code.code if row.code is not None else ""
    order = scene.shop.buy(email=email, code=code)
    return {
        "order": order, "event": str(uuid4()), "redeemed": row.pk, "customer": subject.customer_id, "webhook": 0,
    }  # fmt: skip


def _told(scene: Scene) -> dict[str, Any]:
    """The webhook about it was kept, and waits for a worker."""
    subject = _order(scene)
    _tell(scene, subject)
    return subject | {"webhook": InboundWebhook.objects.get(event_id=subject["event"]).pk}


def _tell(scene: Scene, subject: dict[str, Any]) -> None:
    """The shop brings it; it brings it again until it is told that it was kept."""
    body, headers = scene.shop.tell(subject["order"], event=subject["event"], now=scene.now())
    client = Client(headers={"host": urlsplit(settings.PUBLIC_URL).netloc} | headers)
    path = f"/hooks/{scene.connection().webhook_key}/"
    answer = client.post(path, body, content_type="application/json", secure=True)
    if answer.status_code != 200:
        raise AssertionError(f"the door answered {answer.status_code}: {answer.content[:200]!r}")


def _judge(scene: Scene, subject: dict[str, Any], scores: Scores) -> None:
    kept = InboundWebhook.objects.filter(event_id=subject["event"]).values_list("state", flat=True)
    scores.equal(ONCE, list(kept), [InboxState.PROCESSED])
    row = RedeemedReward.objects.get(pk=subject["redeemed"])
    scores.equal(ONCE, (row.usage_status, row.used_order_id), (UsageStatus.USED, subject["order"]["id"]))
    orders = Order.objects.filter(external_id=subject["order"]["id"]).values_list("pk", flat=True)
    earned = PointsTransaction.objects.filter(
        kind=TransactionKind.EARNING, cause_type="order", cause_id__in=list(orders)
    )
    scores.equal(ONCE, (len(orders), earned.count()), (1, 1))


FAULTS: dict[str, Scenario[Scene]] = {
    "a webhook comes in": Scenario(prepare=_order, act=_tell, again=_tell, judge=_judge),
    "a worker processes a webhook": Scenario(
        prepare=_told,
        act=lambda scene, subject: scene.task("hooks.process", webhook_id=subject["webhook"]),
        judge=_judge,
    ),
}


def waiting(scene: Scene) -> dict[str, int]:
    """What is under way, by its name."""
    return {"webhooks": InboundWebhook.objects.filter(state=InboxState.RECEIVED).count()}
