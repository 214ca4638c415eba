"""A circuit breaker for each shop and payout account: one that does not answer is left alone for a while, and everybody is told so at once.

The state is a row in PostgreSQL, so all processes share it. After `MOST_FAILURES` calls in a row without an answer it
opens: calls are answered here, and nothing is sent. When the pause is over exactly one call is let through, won by an
update that only one can make; an answer closes the breaker, and silence lengthens the pause. Nothing is locked, and no
transaction is open, while a shop is asked. Refused credentials are an answer: they are kept apart, and open nothing.

A process believes for a second what it read, so that neither a busy shop nor a silent one costs a query a call.
"""

import logging
import random
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DatabaseError
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from platforms.adapter import Answer, Outcome, Refusal
from platforms.models import PayoutAccount, PayoutHealth, ShopHealth, StoreConnection

Line = StoreConnection | PayoutAccount  # who is asked
Health = ShopHealth | PayoutHealth

logger = logging.getLogger(__name__)

MOST_FAILURES = 5  # calls in a row without an answer
MOST_REFUSALS = 3  # calls in a row that did not accept our credentials: one alone may be about a single right
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=5)  # each pause doubles
PROBE_LEASE = timedelta(seconds=60)  # longer than any call: whoever died with the probe holds it up so long
WHILE_PROBED = 4.0  # seconds after which a call may ask again that came while the probe was under way
SCATTER = 4.0  # seconds over which the others come back, so that a shop is not hit by all at once
BELIEVED = 1.0  # seconds
WRITTEN_EVERY = timedelta(seconds=10)  # a success that changes nothing
MOST_PAUSES = 20  # counted; the longest one is reached long before
CALM = timedelta(minutes=10)  # a shop that fails again sooner after it came back is left alone for longer


@dataclass(frozen=True, slots=True)
class Pass:
    """Leave to ask the shop. `probe_until` is set for the one call that tries whether it answers again."""

    health: Health | None
    probe_until: datetime | None = None


def admit(*, connection: Line, now: datetime) -> Pass | Answer[Any]:
    """Leave to ask the shop, or the answer in its place: not sent, with the sentence and when to come again."""
    health = _health(connection)
    if health is None or health.ask_at is None:
        return Pass(health)
    if now < health.ask_at:
        return _denial(connection, health, wait=(health.ask_at - now).total_seconds(), now=now)
    if health.probe_until is not None and now < health.probe_until:
        return _denial(connection, health, wait=WHILE_PROBED, now=now)
    until = now + PROBE_LEASE
    free = Q(probe_until__isnull=True) | Q(probe_until__lte=now)
    if _rows(connection).filter(free, ask_at__lte=now).update(probe_until=until):
        _known.pop(_name(connection), None)
        return Pass(health, probe_until=until)
    latest = _health(connection, anew=True)
    if latest is None or latest.ask_at is None:
        return Pass(latest)  # somebody got an answer since we looked
    wait = max((latest.ask_at - now).total_seconds(), WHILE_PROBED)
    return _denial(connection, latest, wait=wait, now=now)


def unguarded(*, connection: Line) -> Pass:
    """Leave in any case: for a person who asks whether the shop answers."""
    return Pass(_health(connection, anew=True))


def note(*, connection: Line, leave: Pass, answer: Answer[Any], now: datetime) -> None:
    """Write down what became of a call that was let through."""
    match answer.outcome:
        case Outcome.NOT_SENT | Outcome.UNKNOWN:
            _silent(connection, leave, answer, now=now)
        case Outcome.THROTTLED:
            _throttled(connection, leave, answer, now=now)
        case Outcome.REJECTED if answer.refusal is Refusal.UNAUTHORIZED:
            _refused(connection, leave, answer, now=now)
        case Outcome.REJECTED if answer.observed.status is None:
            _nobody_was_asked(connection, leave)
        case Outcome.REJECTED:
            _answered(connection, leave, now=now)
        case Outcome.OK:
            _answered(connection, leave, now=now, ok_at=now)


def note_webhooks(*, connection: Line, answer: Answer[Any], now: datetime) -> None:
    """Write down whether the shop has our webhook address."""
    problem = "" if answer.ok else answer.reason or "The shop did not answer."
    _write(connection, webhooks_checked_at=now, webhooks_problem=problem[:300])


def ask_soon(*, connection: Line, now: datetime) -> None:
    """Let the next call through: the address or the credentials were changed."""
    _rows(connection).filter(ask_at__gt=now).update(ask_at=now, pauses=1)
    _known.pop(_name(connection), None)


def sentence(*, connection_id: int | None, now: datetime) -> str:
    """What keeps the shop's rewards waiting, for staff; empty when nothing is known to."""
    health = ShopHealth.objects.select_related("connection").filter(pk=connection_id).first()
    return "" if health is None else trouble(connection=health.connection, health=health, now=now)


def sentences(*, connection_ids: set[int], now: datetime) -> dict[int, str]:
    """The same for many shops in one query; those in good health are left out."""
    rows = ShopHealth.objects.select_related("connection").filter(pk__in=connection_ids)
    said = {row.pk: trouble(connection=row.connection, health=row, now=now) for row in rows}
    return {pk: text for pk, text in said.items() if text}


def holding(*, connection_id: int | None, now: datetime) -> str:
    """Why a call would not be sent at this moment, for staff; empty when it would be."""
    shut = ShopHealth.objects.select_related("connection").filter(pk=connection_id, ask_at__gt=now).first()
    return "" if shut is None else _unanswered(shut.connection, shut, now=now)


def account_sentences(*, account_ids: set[int], now: datetime) -> dict[int, str]:
    """The same of payout accounts."""
    rows = PayoutHealth.objects.select_related("account").filter(pk__in=account_ids)
    said = {row.pk: trouble(connection=row.account, health=row, now=now) for row in rows}
    return {pk: text for pk, text in said.items() if text}


def trouble(*, connection: Line, health: Health, now: datetime) -> str:
    """The same from a row that was read."""
    if health.opened_at is not None:
        return _unanswered(connection, health, now=now)
    if is_refused(health) and health.refused_since is not None:
        where = "Shops" if isinstance(connection, StoreConnection) else "Payout accounts"
        return (
            f"{_who(connection)} has refused our credentials since {_clock(health.refused_since, now=now)} UTC. "
            f"Enter them again under {where} and test the connection."
        )
    return ""


def is_refused(health: Health) -> bool:
    """Whether the shop refuses our credentials for everything, as far as anybody knows."""
    return health.refusals >= MOST_REFUSALS


def _unanswered(connection: Line, health: Health, *, now: datetime) -> str:
    since = health.failing_since or health.opened_at or now
    said = f"{_who(connection)} has not answered since {_clock(since, now=now)} UTC."
    if health.ask_at is None or health.ask_at <= now:
        return f"{said} The desk is about to ask it again."
    return f"{said} The desk asks again at {_clock(health.ask_at, now=now)}."


def _denial(connection: Line, health: Health, *, wait: float, now: datetime) -> Answer[Any]:
    return Answer(
        outcome=Outcome.NOT_SENT,
        reason=_unanswered(connection, health, now=now),
        retry_after=wait + random.uniform(0.5, SCATTER),  # noqa: S311 (not a secret)
    )


def _answered(connection: Line, leave: Pass, *, now: datetime, ok_at: datetime | None = None) -> None:
    """It answers. Written when it changes something, else now and then, so that a busy shop's row is not a hot one."""
    name, health = _name(connection), leave.health
    if health is None or _is_calm(health):
        before = health.ok_at if health is not None else None
        if ok_at is None or _lately(before, now=now) or (name, before) in _written.items():
            return
        _written[name] = before
    changes: dict[str, Any] = _CALM | ({"ok_at": ok_at} if ok_at is not None else {})
    try:
        _write(connection, **changes, refusals=0, refused_since=None, closed_at=_closed(now))
    except DatabaseError:
        _written.pop(name, None)  # nobody wrote it, so the next success does
        raise
    if health is not None and health.opened_at is not None:
        logger.info("%s answers again.", _who(connection))


def _refused(connection: Line, leave: Pass, answer: Answer[Any], *, now: datetime) -> None:
    _write(
        connection,
        **_CALM,
        closed_at=_closed(now),
        refusals=F("refusals") + 1,
        refused_at=now,
        refused_since=Coalesce(F("refused_since"), Value(now)),
        refusal=answer.reason[:300],
    )


def _throttled(connection: Line, leave: Pass, answer: Answer[Any], *, now: datetime) -> None:
    """Neither an answer nor silence: an open breaker stays open, and waits as long as it was asked to."""
    if leave.probe_until is not None:
        wait = max(timedelta(seconds=answer.retry_after or 0), FIRST_PAUSE)
        _end_probe(connection, leave, throttled_at=now, ask_at=now + wait)
    elif leave.health is None or not _lately(leave.health.throttled_at, now=now):
        _write(connection, throttled_at=now)


def _silent(connection: Line, leave: Pass, answer: Answer[Any], *, now: datetime) -> None:
    said: dict[str, Any] = {"failures": F("failures") + 1, "failed_at": now, "failure": answer.reason[:300]}
    if leave.probe_until is not None and leave.health is not None:
        pauses = min(leave.health.pauses + 1, MOST_PAUSES)
        _end_probe(connection, leave, **said, pauses=pauses, ask_at=now + pause(pauses))
        return
    _write(connection, **said, failing_since=Coalesce(F("failing_since"), Value(now)))
    _open(connection, answer, now=now)


def _open(connection: Line, answer: Answer[Any], *, now: datetime) -> None:
    due = _rows(connection).filter(failures__gte=MOST_FAILURES, opened_at__isnull=True)
    health = due.first()
    if health is None:
        return
    again = health.closed_at is not None and now - health.closed_at < CALM
    pauses = min(health.pauses + 1, MOST_PAUSES) if again else 1
    if due.update(opened_at=now, ask_at=now + pause(pauses), pauses=pauses):
        _known.pop(_name(connection), None)
        logger.warning("%s is left alone for a while: %s", _who(connection), answer.reason)


def pause(pauses: int) -> timedelta:
    """How long the shop is left alone for the so many-th time in a row: 10, 20, 40 seconds … five minutes."""
    return min(FIRST_PAUSE * (1 << max(pauses - 1, 0)), LONGEST_PAUSE)


def _nobody_was_asked(connection: Line, leave: Pass) -> None:
    """Our own code refused before it sent anything: the next call may be the probe."""
    if leave.probe_until is not None:
        _end_probe(connection, leave)


def _end_probe(connection: Line, leave: Pass, **changes: Any) -> None:
    """Only the holder's word counts: another may have taken the probe over, or the breaker may be closed by now."""
    _rows(connection).filter(probe_until=leave.probe_until).update(probe_until=None, **changes)
    _known.pop(_name(connection), None)


def _write(connection: Line, **changes: Any) -> None:
    """One statement, which also counts; the row comes into being with the first thing there is to write."""
    rows = _rows(connection)
    if not rows.update(**changes):
        if isinstance(connection, StoreConnection):
            ShopHealth.objects.bulk_create([ShopHealth(connection=connection)], ignore_conflicts=True)
        else:
            PayoutHealth.objects.bulk_create([PayoutHealth(account=connection)], ignore_conflicts=True)
        rows.update(**changes)
    _known.pop(_name(connection), None)


_known: dict[tuple[type, int], tuple[float, Health | None]] = {}  # when it was read, on the monotonic clock, and what
_written: dict[tuple[type, int], datetime | None] = {}  # the last success after which a thread here wrote the next one
_looking = threading.Lock()


def _health(connection: Line, *, anew: bool = False) -> Health | None:
    """The row as this process knows it."""
    name, moment = _name(connection), time.monotonic()
    known = None if anew else _known.get(name)
    if known is not None:
        read_at, health = known
        if moment - read_at <= BELIEVED:
            return health
        _known[name] = moment, health  # many threads may ask one shop: one of them looks, for all
        return _looked(connection)
    with _looking:  # nothing is known to go on with: the others wait for the one that looks
        known = None if anew else _known.get(name)
        return known[1] if known is not None else _looked(connection)


def _looked(connection: Line) -> Health | None:
    health = _rows(connection).first()
    _known[_name(connection)] = time.monotonic(), health
    return health


def _rows(connection: Line) -> QuerySet[Any]:
    """Its row, if it has one yet."""
    if isinstance(connection, StoreConnection):
        return ShopHealth.objects.filter(pk=connection.pk)
    return PayoutHealth.objects.filter(pk=connection.pk)


def _name(connection: Line) -> tuple[type, int]:
    return type(connection), connection.pk


def _who(connection: Line) -> str:
    kind = "shop" if isinstance(connection, StoreConnection) else "payout account"
    return f"The {kind} “{connection.name}”"


def _closed(now: datetime) -> Case:
    return Case(When(opened_at__isnull=False, then=Value(now)), default=F("closed_at"))


_CALM: dict[str, Any] = {
    "failures": 0, "failing_since": None, "opened_at": None, "ask_at": None, "probe_until": None,
}  # fmt: skip


def _is_calm(health: Health) -> bool:
    return not (health.failures or health.refusals or health.opened_at is not None)


def _lately(at: datetime | None, *, now: datetime) -> bool:
    return at is not None and now - WRITTEN_EVERY < at <= now


def _clock(at: datetime, *, now: datetime) -> str:
    """The time of day in UTC, as in 14:02; with the day when it is another than today."""
    here = at.astimezone(UTC)
    day = "" if here.date() == now.astimezone(UTC).date() else f"{here.day} {here:%b} "
    return f"{day}{here:%H:%M}"
