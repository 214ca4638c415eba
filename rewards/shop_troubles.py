"""What is wrong now with a shop, as its calls and its rewards show it, or with a payout account, as its calls do.

Reads only, in bounded queries over indexes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from platforms import breaker
from platforms.models import IncidentKind, PayoutAccount, PayoutHealth, ShopHealth, StoreConnection
from rewards.models import FulfillmentStatus, RedeemedReward

MOST_COUNTED = 10_000
RATE_OVER = timedelta(hours=1)  # redeemed or granted within it
FEWEST_DECIDED = 10  # below so many a rate says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that is wrong. `numbers` are what the sentence counts, for the event."""

    kind: IncidentKind
    sentence: str
    since: datetime
    numbers: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many of the rewards of the last hour failed. `decided` counts those that were issued as well."""

    failed: int
    decided: int

    @property
    def percent(self) -> int:
        return round(100 * self.failed / self.decided) if self.decided else 0


def of(*, connection: StoreConnection, now: datetime) -> list[Trouble]:
    """What is wrong with a shop in use, most basic first; nothing of one that is switched off."""
    if not connection.enabled:
        return []
    health = ShopHealth.objects.filter(pk=connection.pk).first()
    found = [*_of_calls(connection, health, now=now), _waiting(connection, now=now), _failing(connection, now=now)]
    return [trouble for trouble in found if trouble is not None]


def of_account(*, account: PayoutAccount, now: datetime) -> list[Trouble]:
    """What is wrong with a payout account in use; nothing of one that is switched off."""
    if not account.enabled:
        return []
    return list(_of_calls(account, PayoutHealth.objects.filter(pk=account.pk).first(), now=now))


def _of_calls(connection: breaker.Line, health: breaker.Health | None, *, now: datetime) -> Iterable[Trouble]:
    if health is None:
        return
    sentence = breaker.trouble(connection=connection, health=health, now=now)
    if health.opened_at is not None:
        since = health.failing_since or health.opened_at
        yield Trouble(kind=IncidentKind.UNREACHABLE, sentence=sentence, since=since)
    elif breaker.is_refused(health) and health.refused_since is not None:
        yield Trouble(kind=IncidentKind.REFUSED, sentence=sentence, since=health.refused_since)


def pending(*, connection_id: int) -> QuerySet[RedeemedReward]:
    """Rewards that wait for the shop, longest first, hidden redemptions that are being checked included."""
    rows = RedeemedReward.objects.filter(connection_id=connection_id, fulfillment_status=FulfillmentStatus.PENDING)
    return rows.order_by("redeemed_at", "pk")


def failed(*, connection_id: int, since: datetime) -> QuerySet[RedeemedReward]:
    """Rewards from then on that failed, newest first."""
    rows = RedeemedReward.objects.filter(
        connection_id=connection_id, fulfillment_status=FulfillmentStatus.FAILED, redeemed_at__gte=since
    )
    return rows.order_by("-redeemed_at", "-pk")


def rate(*, connection_id: int, now: datetime) -> Rate:
    """Of the last hour, both counted no further than `MOST_COUNTED`."""
    since = now - RATE_OVER
    lost = failed(connection_id=connection_id, since=since).order_by()[:MOST_COUNTED].count()
    if not lost:
        return Rate(failed=0, decided=0)
    shown = RedeemedReward.objects.filter(connection_id=connection_id, on_profile=True, redeemed_at__gte=since)
    made = shown.filter(fulfillment_status__in=[FulfillmentStatus.ISSUED, FulfillmentStatus.CANCELLED])
    return Rate(failed=lost, decided=lost + made.order_by()[:MOST_COUNTED].count())


def _waiting(connection: StoreConnection, *, now: datetime) -> Trouble | None:
    longest = pending(connection_id=connection.pk).values_list("redeemed_at", flat=True).first()
    minutes = settings.ALERT_PENDING_MINUTES
    if longest is None or now - longest < timedelta(minutes=minutes):
        return None
    waited = int((now - longest).total_seconds() // 60)
    since = longest.astimezone(UTC)
    return Trouble(
        kind=IncidentKind.WAITING,
        sentence=f"A reward of the shop “{connection.name}” has waited for {waited} minutes, since {since:%-d %b %H:%M} UTC.",
        since=longest,
        numbers={"minutes": waited},
    )


def _failing(connection: StoreConnection, *, now: datetime) -> Trouble | None:
    hour = rate(connection_id=connection.pk, now=now)
    if hour.decided < FEWEST_DECIDED or hour.percent < settings.ALERT_FAILED_PERCENT:
        return None
    return Trouble(
        kind=IncidentKind.FAILING,
        sentence=f"{hour.failed} of {hour.decided} rewards of the shop “{connection.name}” failed in the last hour.",
        since=now - RATE_OVER,
        numbers={"failed": hour.failed, "decided": hour.decided},
    )
