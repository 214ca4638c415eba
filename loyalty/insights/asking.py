"""Instants as staff ask for them: a day means its end, a time means that very moment."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from loyalty.common import clock
from loyalty.common.errors import DomainError

EARLIEST, LATEST = 1900, 2200


class UnclearInstant(DomainError):
    """What was written is no instant that could be asked about."""

    code = "unclear_instant"


def past_instant(text: str, *, zone: ZoneInfo, now: datetime) -> datetime:
    """The instant somebody wrote, not later than now. Today's date alone means now. Raises UnclearInstant."""
    written = text.strip()
    try:
        day = date.fromisoformat(written)
    except ValueError:
        instant = _moment(written, zone)
    else:
        _require_sane(day.year, written)
        end = clock.midnight(day + timedelta(days=1), zone)
        instant = now if day == now.astimezone(zone).date() else end - timedelta(microseconds=1)
    if instant > now:
        raise UnclearInstant(f"“{written[:40]}” lies in the future: what will be is not written down yet.")
    return instant


def _moment(written: str, zone: ZoneInfo) -> datetime:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError as error:
        raise UnclearInstant(
            f"“{written[:40]}” is not a date. Write a date such as 2026-03-01, with a time such as 2026-03-01 14:30 "
            "if it matters."
        ) from error
    _require_sane(moment.year, written)
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    return aware.astimezone(UTC)


def _require_sane(year: int, written: str) -> None:
    if not EARLIEST <= year <= LATEST:
        raise UnclearInstant(f"“{written[:40]}” lies outside the years {EARLIEST} to {LATEST}.")
