"""Import tiers from a table: who stands where from now on, without entry points and rewards."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from django.db import transaction

from loyalty.common.actors import SYSTEM
from loyalty.common.errors import DomainError
from loyalty.customers import queries
from loyalty.customers.models import Tier
from loyalty.program.tiers import moving
from loyalty.program.tiers.models import TierCause
from loyalty.program.tiers.moving import Wish

COLUMNS = ("email", "tier")
BATCH = 200
MOST_ROWS = 1_000_000
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Outcome(StrEnum):
    MOVED_UP = "moved up"
    MOVED_DOWN = "moved down"
    UNCHANGED = "stand there already"
    REFUSED = "refused"


class UnreadableTable(DomainError):
    """The file is no table of tiers."""

    code = "unreadable_table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line: whom it names and the tier, as written. `until` empty: as the import says."""

    line: int
    email: str
    tier: str
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    line: int
    reason: str


@dataclass(slots=True)
class Report:
    """How many rows came to what, and the reason of each that was refused."""

    counts: Counter[Outcome]
    refused: list[Refused]


def rows(lines: Iterable[str]) -> Iterator[Row]:
    """The rows of a CSV with the columns email, tier and, if wanted, until. Raises UnreadableTable."""
    reader = csv.DictReader(lines, restval="")
    names = [str(name).strip().lower().lstrip("\ufeff") for name in reader.fieldnames or ()]
    if not set(COLUMNS) <= set(names):
        raise UnreadableTable(f"The first line names no columns {' and '.join(COLUMNS)}. Add it: email,tier")
    reader.fieldnames = names
    try:
        for row in reader:
            cells = {name: str(row.get(name) or "").strip() for name in (*COLUMNS, "until")}
            yield Row(line=reader.line_num, **cells)
            if reader.line_num > MOST_ROWS:
                raise UnreadableTable(f"The file has more than {MOST_ROWS:,} lines. Split it.")
    except (csv.Error, UnicodeDecodeError) as error:
        raise UnreadableTable(f"Line {reader.line_num + 1} cannot be read: {error}. Save the table as CSV.") from error


def take(*, table: Iterable[Row], until: date | None, reason: str, dry_run: bool, now: datetime) -> Report:
    """Move everybody as the table says; what stands already is left. Again, it changes nothing.

    In pieces of some hundred rows, each a transaction of its own: an import that breaks off goes on when it is run again.
    A dry run does the same and takes it back.
    """
    report = Report(counts=Counter(), refused=[])
    tiers = {tier.name.casefold(): tier for tier in Tier.objects.filter(terms__active=True)}
    piece: list[Row] = []
    for row in table:
        piece.append(row)
        if len(piece) == BATCH:
            _take(piece, tiers=tiers, until=until, reason=reason, dry_run=dry_run, now=now, report=report)
            piece = []
    _take(piece, tiers=tiers, until=until, reason=reason, dry_run=dry_run, now=now, report=report)
    return report


@transaction.atomic
def _take(
    piece: Sequence[Row],
    *,
    tiers: Mapping[str, Tier],
    until: date | None,
    reason: str,
    dry_run: bool,
    now: datetime,
    report: Report,
) -> None:
    found = [(queries.by_email(row.email), row) for row in piece]
    # By customer, as everybody locks them.
    for customer, row in sorted(found, key=lambda pair: (pair[0].pk if pair[0] else 0, pair[1].line)):
        try:
            if customer is None:
                raise moving.MoveRefused("No customer has this address. Correct it, or add the customer first.")
            tier = _tier(row.tier, tiers=tiers)
            wish = Wish(tier_id=tier.pk if tier else None, reason=reason, until=_day(row.until, until), gives=False)
            report.counts[_move(customer.pk, wish=wish, now=now)] += 1
        except DomainError as refusal:
            report.counts[Outcome.REFUSED] += 1
            report.refused.append(Refused(line=row.line, reason=refusal.sentence))
    if dry_run:
        transaction.set_rollback(True)


def _move(customer_id: int, *, wish: Wish, now: datetime) -> Outcome:
    with transaction.atomic():
        try:
            written = moving.move(customer_id=customer_id, wish=wish, actor=SYSTEM, now=now, cause=TierCause.IMPORT)
        except moving.StandsThere:
            return Outcome.UNCHANGED
    if written is None:
        return Outcome.UNCHANGED
    return Outcome.MOVED_UP if written.upward else Outcome.MOVED_DOWN


def _tier(name: str, *, tiers: Mapping[str, Tier]) -> Tier | None:
    """The tier of that name; none for an empty one. Raises MoveRefused."""
    if not name:
        return None
    tier = tiers.get(name.casefold())
    if tier is None:
        known = ", ".join(f"“{tier.name}”" for tier in tiers.values()) or "none yet"
        raise moving.MoveRefused(f"There is no tier “{name[:60]}”. Write one of these, or leave it empty: {known}.")
    return tier


def _day(text: str, until: date | None) -> date | None:
    if not text:
        return until
    try:
        if DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise moving.MoveRefused(f"“{text[:20]}” is no day. Write one such as 2026-12-31.")
