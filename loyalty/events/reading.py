"""Read the events in an order in which none is missed and none comes twice.

An event has its id before its transaction commits, so a lower id can appear after a higher one was read. Here they come
by the id of their transaction, and only of transactions below the oldest one that is still under way: nothing can appear
among those any more (`horizon`). A transaction that writes and stays open for long holds up every reader until it ends.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass

from django.db import models, transaction
from django.db.models import Func, Max, Q, QuerySet
from django.db.models.functions import Cast, Greatest

from loyalty.events import horizon
from loyalty.events.models import Event, EventReader

BATCH = 1_000
_SNAPSHOT = Func(function="pg_current_snapshot", output_field=models.TextField())


def _number(identity: Func) -> Cast:
    return Cast(Cast(identity, models.TextField()), models.BigIntegerField())


# The first id that nobody had yet, as the statement that asks sees it; and the first that neither others nor we have had.
NEXT_TO_COME = _number(Func(_SNAPSHOT, function="pg_snapshot_xmax", output_field=models.TextField()))
_OWN = _number(Func(function="pg_current_xact_id_if_assigned", output_field=models.TextField()))
NOBODYS = Greatest(NEXT_TO_COME, _OWN + 1)


@transaction.atomic
def take(*, reader: str, kinds: Collection[str], limit: int = BATCH) -> tuple[list[Event], bool]:
    """The next events of these kinds, and whether there may be more; the reader's place moves past what was looked at.

    Belongs in the transaction that writes what follows from the events: both happen, or neither, and then the same
    events come again. Whoever reads under the same name meanwhile waits. A new reader begins with the first event there
    is, unless `begin_now` was called for it.
    """
    place = _locked(reader)
    found, more = after(place=place, limit=limit)
    place.save()
    return [event for event in found if event.kind in kinds], more


def after(*, place: EventReader, limit: int = BATCH) -> tuple[list[Event], bool]:
    """The next events of every kind after a place, and whether there may be more; the place moves, and is not saved.

    For who keeps the place elsewhere, as a cursor. A new `EventReader` stands before the first event there is.
    """
    foreign = _foreign(place)
    found = list(_after(place, foreign)[:limit])
    if found:
        place.transaction_id, place.event_id = found[-1].transaction_id, found[-1].pk
    elif foreign is not None:
        _come_home(place, foreign)
    return found, len(found) == limit or foreign is not None


def last() -> EventReader:
    """The place after all that can be read by now. Reads only, and is not saved."""
    place = EventReader()
    foreign = _foreign(place)
    if foreign is not None:
        _come_home(place, foreign)
    newest = _settled().order_by("-transaction_id", "-pk").first()
    if newest is not None:
        place.transaction_id, place.event_id = newest.transaction_id, newest.pk
    return place


@transaction.atomic
def begin_now(*, reader: str) -> None:
    """Let a reader pass over everything that was committed before this moment."""
    place = _locked(reader)
    last = _settled().order_by("-transaction_id", "-pk").first()
    if last is not None and last.transaction_id >= place.transaction_id:
        place.transaction_id, place.event_id = last.transaction_id, last.pk
        place.save()


def wait(*, seconds: float) -> None:
    """Wait, so long at most, until all that was committed can be read. For proofs that read at once what they wrote."""
    until = time.monotonic() + seconds
    while held_up() and time.monotonic() < until:
        time.sleep(0.05)


def held_up() -> bool:
    """Whether something that was committed cannot be read yet."""
    oldest = horizon.oldest_under_way()
    return Event.objects.filter(transaction_id__gte=oldest, transaction_id__lt=NEXT_TO_COME).exists()


def _locked(reader: str) -> EventReader:
    EventReader.objects.get_or_create(name=reader)
    return EventReader.objects.select_for_update().get(name=reader)


def _settled() -> QuerySet[Event]:
    return Event.objects.filter(transaction_id__lt=horizon.oldest_under_way())


@dataclass(frozen=True, slots=True)
class Foreign:
    """Events of another server: the highest id of their transactions, and the highest of their own."""

    until: int
    last: int


def _after(place: EventReader, foreign: Foreign | None) -> QuerySet[Event]:
    rows = _settled() if foreign is None else Event.objects.filter(pk__lte=foreign.last)
    return rows.filter(
        Q(transaction_id__gt=place.transaction_id) | Q(pk__gt=place.event_id),
        transaction_id__gte=place.transaction_id,
        pk__gt=place.floor_id,
    ).order_by("transaction_id", "pk")


# After a dump was loaded into another server, the transactions of its events lie in that server's future. What the
# reader had not read of them comes first; then it begins at that server's own beginning, with ids above theirs.


def _foreign(place: EventReader) -> Foreign | None:
    """Those whose transactions nobody of this server has had; none when there are none, or we know of them."""
    rows = Event.objects.filter(transaction_id__gte=NOBODYS)
    highest = rows.order_by("-transaction_id").first()
    if highest is None or highest.transaction_id == place.foreign_until:
        return None
    until = highest.transaction_id
    last = rows.filter(transaction_id__lte=until).aggregate(last=Max("pk"))["last"]
    return Foreign(until, max(last or 0, highest.pk))  # none where this server has come as far meanwhile


def _come_home(place: EventReader, foreign: Foreign) -> None:
    place.floor_id, place.foreign_until = foreign.last, foreign.until
    place.transaction_id = place.event_id = 0
