"""Reading segments: who is in one now, and how many, within a time that a page can wait."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from psycopg.errors import QueryCanceled

from loyalty.customers.models import Customer
from loyalty.merchant import queries as merchant
from loyalty.segments import criteria
from loyalty.segments.criteria import CriteriaRefused
from loyalty.segments.form import Named
from loyalty.segments.models import Segment

LONGEST_COUNT = 3.0  # seconds that one segment may take
LONGEST_COUNTS = 6.0  # seconds that all of a page may take together; the rest is estimated


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A segment as it is now. `count` is None, and `trouble` says why, where its criteria cannot be read any more.

    `exact` is false where counting took too long: then `count` is what the database expects.
    """

    words: str = ""
    count: int | None = None
    exact: bool = False
    trouble: str = ""


def customers(*, segment: Segment, now: datetime) -> QuerySet[Customer]:
    """Who is in it as of now. Raises CriteriaRefused where it cannot be read any more: a tier, a shop is gone."""
    programme = merchant.programme()
    return criteria.of(criteria.read(segment.criteria, programme=programme), programme=programme, now=now)


def told(*, segments: Iterable[Segment], now: datetime, patience: float = LONGEST_COUNTS) -> dict[int, Told]:
    """Segment id → what it means and how many are in it; one count for each, as long as patience (seconds) lasts."""
    programme, named, until = merchant.programme(), Named(), time.monotonic() + patience
    found: dict[int, Told] = {}
    for segment in segments:
        try:
            meant = criteria.read(segment.criteria, programme=programme, named=named)
        except CriteriaRefused as refusal:
            found[segment.pk] = Told(trouble=refusal.sentence)
            continue
        rows = criteria.of(meant, programme=programme, now=now)
        count, exact = counted(rows, seconds=min(LONGEST_COUNT, until - time.monotonic()))
        found[segment.pk] = Told(words=meant.words, count=count, exact=exact)
    return found


def counted(rows: QuerySet[Customer], *, seconds: float) -> tuple[int, bool]:
    """How many there are, and whether that was counted; expected by the database where counting takes longer."""
    if seconds > 0:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SHOW statement_timeout")
                before = cursor.fetchone()[0]
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(int(seconds * 1_000) or 1)])
                count = rows.order_by().count()
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])
                return count, True
        except OperationalError as error:
            if not isinstance(error.__cause__, QueryCanceled):
                raise
    plans = json.loads(rows.order_by().values("pk").explain(format="json"))
    return int(plans[0]["Plan"]["Plan Rows"]), False
