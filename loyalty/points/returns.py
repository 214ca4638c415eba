"""Where returned points go: back to their own lot, or, when it expired meanwhile, by the programme's policy. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from loyalty.common import clock
from loyalty.merchant.models import ReturnPolicy


class Way(StrEnum):
    SAME_LOT = "same_lot"  # with its original expiry
    FRESH_LOT = "fresh_lot"  # its lot expired meanwhile: a lot that stands in for it
    EXPIRES_AT_ONCE = "expires_at_once"  # its lot expired meanwhile, and the policy is strict


@dataclass(frozen=True, slots=True)
class Policy:
    """What the programme promises for lots that expired meanwhile."""

    mode: ReturnPolicy
    grace_days: int
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Taken:
    """Points that were taken from a lot and may come back. `source_id` names the allocation or the hold's charge."""

    source_id: int
    lot_id: int
    points: int
    lot_expires_at: datetime | None
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class ReturnLine:
    """What becomes of one part of the returned points."""

    source_id: int
    lot_id: int
    points: int
    way: Way
    expires_at: datetime | None  # of the points once they are back


def split(taken: Sequence[Taken], *, points: int) -> tuple[list[Taken], list[Taken]]:
    """What was taken, in spending order: the first `points` of it, and the rest. Raises ValueError for too few."""
    first: list[Taken] = []
    rest: list[Taken] = []
    missing = points
    for part in taken:
        share = min(part.points, missing)
        missing -= share
        if share:
            first.append(replace(part, points=share))
        if part.points > share:
            rest.append(replace(part, points=part.points - share))
    if missing:
        raise ValueError(f"{missing} points more than were taken.")
    return first, rest


def plan(taken: Sequence[Taken], *, points: int, policy: Policy, now: datetime) -> list[ReturnLine]:
    """Return `points` of what was taken, the last of the given sequence first: those expire last, so least is lost.

    `taken` is in spending order and holds only what has not come back yet. Raises ValueError when it holds too few.
    """
    lines: list[ReturnLine] = []
    missing = points
    for part in reversed(taken):
        if missing == 0:
            break
        share = min(part.points, missing)
        missing -= share
        lines.append(_line(part, share, policy=policy, now=now))
    if missing:
        raise ValueError(f"{missing} points more than were taken.")
    return lines


def _line(part: Taken, points: int, *, policy: Policy, now: datetime) -> ReturnLine:
    expiry = part.lot_expires_at
    if expiry is None or expiry > now:
        return ReturnLine(part.source_id, part.lot_id, points, Way.SAME_LOT, expiry)
    if policy.mode == ReturnPolicy.STRICT:
        return ReturnLine(part.source_id, part.lot_id, points, Way.EXPIRES_AT_ONCE, expiry)
    if policy.mode == ReturnPolicy.ORIGINAL:
        left = max(expiry - part.taken_at, timedelta(seconds=1))
        return ReturnLine(part.source_id, part.lot_id, points, Way.FRESH_LOT, now + left)
    grace = clock.end_of_day(now, policy.grace_days, policy.zone)
    return ReturnLine(part.source_id, part.lot_id, points, Way.FRESH_LOT, grace)
