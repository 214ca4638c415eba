"""Judge customers anew: soon after their points or orders changed, and everybody at each midnight of the programme.

What is to be judged is a mark on the customer's standing, written in the transaction that moves our place in the events;
so a worker that dies loses nothing. A batch is locked, measured by one statement, judged, and written by a handful.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import CauseType
from loyalty.common.clock import Stopwatch
from loyalty.events import reading
from loyalty.merchant import queries as merchant
from loyalty.points.models import PointsTransaction
from loyalty.program.tiers import changing, judging, ladder, mass_entries, windows
from loyalty.program.tiers.judging import Judged
from loyalty.program.tiers.models import TierRules, TierStanding

READER = "tiers"
EARNED = "points.earned"
CHANGES = frozenset(
    {
        "customer.enrolled", "customer.state_changed", "order.placed", "order.completed", "order.cancelled",
        "order.changed", EARNED, "points.adjusted", "points.clawed_back", "points.credit_cancelled",
        "points.returned", "customer.absorbed", "customer.unmerged", "customer.parted",
    }
)  # fmt: skip
BATCH = 5_000
MARKED_AT_ONCE = 20_000
PATIENCE = 45.0  # seconds of one sweep


def sweep(*, now: datetime) -> None:
    """Everything there is to do: read what happened, begin the day, judge, give what new tiers give."""
    if not ladder.rules().enabled:
        return
    watch = Stopwatch(now)
    while notice(now=now) and watch.elapsed < PATIENCE:
        pass
    while watch.elapsed < PATIENCE and begin_day(now=now):
        pass
    while watch.elapsed < PATIENCE and judge_some(now=now):
        pass
    while watch.elapsed < PATIENCE and mass_entries.give_some(now=now):
        pass


@transaction.atomic
def notice(*, now: datetime) -> bool:
    """Mark the customers something happened to; whether there may be more.

    What a tier itself gave is nothing that happened: whoever staff moved up would fall back by their own entry points.
    """
    events, more = reading.take(reader=READER, kinds=CHANGES)
    earned = [event.subject_id for event in events if event.kind == EARNED]
    ours = set(
        PointsTransaction.objects.filter(pk__in=earned, cause_type=CauseType.VIP_TIER).values_list("pk", flat=True)
    )
    happened = [event for event in events if event.kind != EARNED or event.subject_id not in ours]
    mark(customer_ids={event.customer_id for event in happened if event.customer_id is not None}, now=now)
    return more


def mark(*, customer_ids: set[int], now: datetime) -> None:
    """These customers are to be judged. A mark that stands already stays."""
    if customer_ids:
        _mark("person.id = ANY(%s::bigint[])", [sorted(customer_ids)], quiet=False, now=now)


@transaction.atomic
def begin_day(*, now: datetime) -> bool:
    """Mark the next of all customers, once after each midnight and after a change of the rules; whether there are more.

    Windows moved, grace and holds ended. The place is kept on the rules, in the transaction of the marks, so whoever
    comes after a worker that was killed goes on where it was. A change of the rules begins anew.
    """
    today = now.astimezone(merchant.programme().zone).date()
    if not _is_to_be_begun(ladder.rules(), today):
        return False
    rules = TierRules.objects.select_for_update().get(pk=1)
    if not _is_to_be_begun(rules, today):
        return False
    if rules.marked_up_to is None:
        rules.marked_on, rules.marked_up_to = today, 0
    rules.marked_up_to = _mark_next(rules.marked_up_to, quiet=rules.mark_quietly, now=now)
    if rules.marked_up_to is None:
        rules.mark_quietly = False
    rules.save(update_fields=["marked_on", "marked_up_to", "mark_quietly"])
    return rules.marked_up_to is not None


def _is_to_be_begun(rules: TierRules, today: date) -> bool:
    """Or to be gone on with."""
    return rules.enabled and (rules.marked_up_to is not None or rules.marked_on is None or rules.marked_on < today)


def _mark_next(after: int, *, quiet: bool, now: datetime) -> int | None:
    """Mark the next customers by id, and give the last of them; None when there are no more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(id) FROM (SELECT id FROM customers_customer WHERE id > %s ORDER BY id LIMIT %s) AS piece",
            [after, MARKED_AT_ONCE],
        )
        last: int | None = cursor.fetchone()[0]
    if last is not None:
        _mark("person.id > %s AND person.id <= %s", [after, last], quiet=quiet, now=now)
    return last


def _mark(which: str, parameters: list[Any], *, quiet: bool, now: datetime) -> None:
    """`which` is ours, never typed in."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO program_tierstanding AS standing
                (customer_id, tier_id, changes, value, value_before, held_as, quiet, due_at)
            SELECT person.id, person.tier_id, 0, 0, 0, '', %s, %s FROM customers_customer person
            WHERE {which} ORDER BY person.id
            ON CONFLICT (customer_id) DO UPDATE SET
                due_at = coalesce(standing.due_at, excluded.due_at), quiet = standing.quiet OR excluded.quiet""",  # noqa: S608
            [quiet, now, *parameters],
        )


def judge_some(*, now: datetime, limit: int = BATCH) -> int:
    """Judge the next customers who are marked and in nobody's hands; gives back how many."""
    with transaction.atomic():
        marked = TierStanding.objects.filter(due_at__isnull=False).order_by("customer_id")
        rows = list(marked.select_for_update(of=("self",), skip_locked=True).values_list(*judging.FIGURES)[:limit])
        if rows:
            _judge(rows, now=now)
    return len(rows)


def _judge(rows: Sequence[tuple], *, now: datetime) -> None:
    rules, programme = ladder.rules(), merchant.programme()
    judged = judging.judge(rows=rows, steps=ladder.load(), rules=rules, programme=programme, now=now)
    _keep(judged, now=now)
    changing.write(
        moves=[each.move for each in judged if each.move is not None],
        rules=rules,
        zone=programme.zone,
        window=windows.at(rules=rules, zone=programme.zone, now=now).now,
        actor=SYSTEM,
        now=now,
    )


def _keep(judged: Sequence[Judged], *, now: datetime) -> None:
    """Write the standings, and take their marks away: what happened since they were read has marked them anew."""
    columns = list(
        zip(
            *(
                (
                    each.customer_id, each.place.tier_id, each.move is not None, each.measured.value,
                    each.measured.before, each.place.grace_until, each.place.held_as, each.place.held_tier_id,
                    each.place.held_until,
                )
                for each in judged
            ),
            strict=True,
        )
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE program_tierstanding AS standing SET
                tier_id = new.tier_id, changes = standing.changes + new.moved::int,
                since = CASE WHEN new.moved THEN %s ELSE standing.since END,
                value = new.value, value_before = new.value_before, measured_at = %s, grace_until = new.grace_until,
                held_as = new.held_as, held_tier_id = new.held_tier_id, held_until = new.held_until,
                due_at = NULL, quiet = false
            FROM unnest(%s::bigint[], %s::bigint[], %s::boolean[], %s::numeric[], %s::numeric[], %s::timestamptz[],
                        %s::text[], %s::bigint[], %s::timestamptz[])
                AS new (customer_id, tier_id, moved, value, value_before, grace_until, held_as, held_tier_id, held_until)
            WHERE standing.customer_id = new.customer_id""",
            [now, now, *(list(column) for column in columns)],
        )
