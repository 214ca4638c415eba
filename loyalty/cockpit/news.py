"""What happened to a customer of late: points that came or went, presents, parcels under way."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.db.models.functions import Coalesce, Greatest

from loyalty.cockpit import reasons
from loyalty.cockpit.access import Visit
from loyalty.points import queries as points
from rewards import queries
from rewards.models import DeliveryStatus, Origin, RedeemedReward
from rewards.queries import Status

DAYS = 30
MOST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One thing that happened: points with a reason, or a reward (its id and name) that was given or sent."""

    at: datetime
    points: int = 0
    reason: str = ""
    reward_id: int | None = None
    name: str = ""
    sent: bool = False


def latest(visit: Visit) -> list[News]:
    """The newest of the last thirty days, newest first. Two queries."""
    since = visit.now - timedelta(days=DAYS)
    return sorted([*_points(visit, since), *_rewards(visit, since)], key=lambda news: news.at, reverse=True)[:MOST]


def _points(visit: Visit, since: datetime) -> list[News]:
    changes = reasons.changes(customer_id=visit.customer.pk).filter(effective_at__gte=since)[:MOST]
    return [
        News(
            at=row.effective_at,
            points=row.points_change,
            reason=points.describe(transaction=row),
            name=reasons.reward_of(row),
        )
        for row in changes
    ]


def _rewards(visit: Visit, since: datetime) -> list[News]:
    """Presents, and parcels that were sent. What was paid with points is told by the points already."""
    sent_at = F("delivery__shipped_at")
    given = Q(status=Status.ISSUED) & ~Q(origin=Origin.REDEMPTION)
    sent = Q(delivery_status=DeliveryStatus.SHIPPED)
    mine = (
        queries.for_customer_page(customer_id=visit.customer.pk, now=visit.now)
        .filter(given | sent)
        .alias(news_at=Greatest(F("redeemed_at"), Coalesce(sent_at, F("redeemed_at"))))
        .filter(news_at__gte=since)
        .order_by("-news_at", "-pk")[:MOST]
    )
    return [_of_reward(row) for row in mine]


def _of_reward(row: RedeemedReward) -> News:
    sent = row.delivery_status == DeliveryStatus.SHIPPED
    at = (row.delivery.shipped_at if sent else None) or row.redeemed_at
    return News(at=at, reward_id=row.pk, name=row.name, sent=sent)
