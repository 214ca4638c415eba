"""How a shop does, in figures that say what they count: from its calls, its rewards and its attempts.

Every query walks an index and ends after so many rows; what was left out by that is said beside the figure.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from platforms.adapter import Outcome
from platforms.models import ShopHealth, ShopIncident, StoreConnection
from rewards import shop_troubles
from rewards.models import IssueAttempt, RedeemedReward
from rewards.shop_troubles import Trouble

DAY, WEEK = timedelta(days=1), timedelta(days=7)
WINDOWS = (DAY, WEEK)
MOST_REWARDS, MOST_ATTEMPTS, MOST_FAILED = 5_000, 10_000, 5_000  # the newest so many of the last seven days
MOST_INCIDENTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Seconds from redeeming or granting to the code, of the rewards of one window; none without any."""

    rewards: int
    median: float | None
    slow: float | None  # 95 of 100 took no longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How often something was counted in each window, shortest window first."""

    what: str
    counts: tuple[int, ...]
    hidden: int = 0  # of the longest window: redemptions that stand in no grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits for the shop now. Counts end at `shop_troubles.MOST_COUNTED`."""

    shown: int  # in the grid
    checked: int  # redemptions whose outcome is not known, which customers do not see
    oldest_id: int | None
    oldest_at: datetime | None
    capped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All of it, at one instant. `capped` names what was counted among the newest rows only."""

    connection: StoreConnection
    health: ShopHealth | None
    troubles: list[Trouble]
    speeds: tuple[Speed, ...]
    attempts: list[Share]
    failures: list[Share]
    waiting: Waiting
    incidents: list[ShopIncident]
    capped: frozenset[str]


def of(*, connection: StoreConnection, now: datetime) -> Figures:
    """The figures of one shop, in a number of queries that does not depend on how much there is."""
    made = _issued(connection, now=now)
    attempts = _attempts(connection, now=now)
    failed = _failed(connection, now=now)
    sizes = (("speeds", made, MOST_REWARDS), ("attempts", attempts, MOST_ATTEMPTS), ("failures", failed, MOST_FAILED))
    return Figures(
        connection=connection,
        health=ShopHealth.objects.filter(pk=connection.pk).first(),
        troubles=shop_troubles.of(connection=connection, now=now),
        speeds=tuple(_speed(made, since=now - window) for window in WINDOWS),
        attempts=_shares([(at, outcome) for at, outcome in attempts], order=list(Outcome), now=now),
        failures=_failure_shares(failed, now=now),
        waiting=_waiting(connection),
        incidents=list(connection.incidents.order_by("-began_at", "-pk")[:MOST_INCIDENTS]),
        capped=frozenset(name for name, rows, most in sizes if len(rows) == most),
    )


def percentile(ascending: Sequence[float], share: float) -> float | None:
    """The smallest value that so large a share of the values does not exceed; none of no values."""
    return ascending[max(math.ceil(share * len(ascending)), 1) - 1] if ascending else None


def _issued(connection: StoreConnection, *, now: datetime) -> list[tuple[datetime, datetime | None, int | None]]:
    rows = RedeemedReward.objects.filter(connection=connection, on_profile=True, redeemed_at__gte=now - WEEK)
    newest = rows.order_by("-redeemed_at", "-pk").values_list("redeemed_at", "issued_at", "code_id")
    return list(newest[:MOST_REWARDS])


def _speed(made: Iterable[tuple[datetime, datetime | None, int | None]], *, since: datetime) -> Speed:
    seconds = sorted(
        (issued_at - redeemed_at).total_seconds()
        for redeemed_at, issued_at, code_id in made
        if issued_at is not None and code_id is not None and redeemed_at >= since
    )
    return Speed(rewards=len(seconds), median=percentile(seconds, 0.5), slow=percentile(seconds, 0.95))


def _attempts(connection: StoreConnection, *, now: datetime) -> list[tuple[datetime, str]]:
    rows = IssueAttempt.objects.filter(connection=connection, started_at__gte=now - WEEK)
    return list(rows.order_by("-started_at", "-pk").values_list("started_at", "outcome")[:MOST_ATTEMPTS])


def _failed(connection: StoreConnection, *, now: datetime) -> list[tuple[datetime, str, bool]]:
    rows = shop_troubles.failed(connection_id=connection.pk, since=now - WEEK)
    return list(rows.values_list("redeemed_at", "failure_code", "on_profile")[:MOST_FAILED])


def _shares(counted: Sequence[tuple[datetime, str]], *, order: Sequence[str], now: datetime) -> list[Share]:
    """Each word that occurs, in the given order."""
    tallies = [Counter(word for at, word in counted if at >= now - window) for window in WINDOWS]
    return [Share(what=word, counts=tuple(tally[word] for tally in tallies)) for word in order if tallies[-1][word]]


def _failure_shares(failed: Sequence[tuple[datetime, str, bool]], *, now: datetime) -> list[Share]:
    """By why they failed, most frequent first."""
    hidden = Counter(code for _, code, shown in failed if not shown)
    order = [code for code, _ in Counter(code for _, code, _ in failed).most_common()]
    shares = _shares([(at, code) for at, code, _ in failed], order=order, now=now)
    return [Share(what=share.what, counts=share.counts, hidden=hidden[share.what]) for share in shares]


def _waiting(connection: StoreConnection) -> Waiting:
    most = shop_troubles.MOST_COUNTED
    rows = list(
        shop_troubles.pending(connection_id=connection.pk).values_list("pk", "redeemed_at", "on_profile")[: most + 1]
    )
    shown = sum(on_profile for _, _, on_profile in rows[:most])
    oldest = rows[0] if rows else None
    return Waiting(
        shown=shown,
        checked=len(rows[:most]) - shown,
        oldest_id=oldest[0] if oldest else None,
        oldest_at=oldest[1] if oldest else None,
        capped=len(rows) > most,
    )
