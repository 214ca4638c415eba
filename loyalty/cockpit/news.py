"""What happened to a customer of late: points that came or went, presents, parcels under way."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    BigIntegerField,
    BooleanField,
    Case,
    ExpressionWrapper,
    F,
    IntegerField,
    Q,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce

from loyalty.cockpit import reasons
from loyalty.cockpit.access import Visit
from loyalty.points import queries as points
from rewards import queries
from rewards.models import DeliveryStatus, Origin
from rewards.queries import Status

DAYS = 30
MOST = 3
COLUMNS = ("at", "points", "change_kind", "cause", "note_text", "called", "given_id", "is_sent")


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
    """The newest of the last thirty days, newest first. One query."""
    since = visit.now - timedelta(days=DAYS)
    found = _points(visit, since).union(_rewards(visit, since), all=True).order_by("-at")[:MOST]
    return [_news(dict(zip(COLUMNS, row, strict=True))) for row in found]


def _news(row: dict[str, Any]) -> News:
    if row["given_id"] is not None:
        return News(at=row["at"], reward_id=row["given_id"], name=row["called"], sent=row["is_sent"])
    reason = points.description(kind=row["change_kind"], cause_type=row["cause"], note=row["note_text"])
    return News(at=row["at"], points=row["points"], reason=reason, name=reasons.quoted(row["called"]))


def _points(visit: Visit, since: datetime) -> QuerySet[Any, Any]:
    changes = points.history(customer_id=visit.customer.pk).filter(effective_at__gte=since)
    columns = {
        "at": F("effective_at"),
        "points": F("points_change"),
        "change_kind": _text("kind"),
        "cause": _text("cause_type"),
        "note_text": _text("note__description"),
        "called": _text("redeemed_reward__name", "reverses__redeemed_reward__name"),
        "given_id": Value(None, output_field=BigIntegerField()),
        "is_sent": Value(value=False, output_field=BooleanField()),
    }
    return changes.annotate(**columns).order_by("-id").values_list(*COLUMNS)[:MOST]


def _rewards(visit: Visit, since: datetime) -> QuerySet[Any, Any]:
    """Presents, and parcels that were sent. What was paid with points is told by the points already."""
    sent = Q(delivery_status=DeliveryStatus.SHIPPED)
    given = Q(status=Status.ISSUED) & ~Q(origin=Origin.REDEMPTION)
    columns = {
        "at": Case(When(sent, then=Coalesce("delivery__shipped_at", "redeemed_at")), default=F("redeemed_at")),
        "points": Value(0, output_field=IntegerField()),
        "change_kind": _text(),
        "cause": _text(),
        "note_text": _text(),
        "called": _text("name"),
        "given_id": F("pk"),
        "is_sent": ExpressionWrapper(sent, BooleanField()),
    }
    mine = queries.for_customer_page(customer_id=visit.customer.pk, now=visit.now).filter(given | sent)
    told: QuerySet[Any, Any] = mine.annotate(**columns)
    return told.filter(at__gte=since).order_by("-at", "-pk").values_list(*COLUMNS)[:MOST]


def _text(*names: str) -> Coalesce:
    """The first of these that is there, else nothing: of one type, as both halves of the question need it."""
    return Coalesce(*(Cast(name, TextField()) for name in names), Value("", TextField()), Value("", TextField()))
