"""Read the events in an order in which none is missed and none comes twice.

An event has its id before its transaction commits, so a lower id can appear after a higher one was read. Here they come
by the id of their transaction, and only of transactions below the oldest one that is still under way: nothing can appear
among those any more (`horizon`). A transaction that writes and stays open for long holds up every reader until it ends.
"""

import time
from collections.abc import Collection

from django.db import models, transaction
from django.db.models import Func, Max, Q, QuerySet
from django.db.models.functions import Cast

from loyalty.events import horizon
from loyalty.events.models import Event, EventReader

BATCH = 1_000
_SNAPSHOT = Func(function="pg_current_snapshot", output_field=models.TextField())
# The first id that nobody had yet, as the statement that asks sees it.
NEXT_TO_COME = Cast(
    Cast(Func(_SNAPSHOT, function="pg_snapshot_xmax", output_field=models.TextField()), models.TextField()),
    models.BigIntegerField(),
)


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


def _after(place: EventReader, foreign: int | None) -> QuerySet[Event]:
    rows = _settled() if foreign is None else Event.objects.filter(pk__lte=_last_foreign(foreign))
    return rows.filter(
        Q(transaction_id__gt=place.transaction_id) | Q(pk__gt=place.event_id),
        transaction_id__gte=place.transaction_id,
        pk__gt=place.floor_id,
    ).order_by("transaction_id", "pk")


# After a dump was loaded into another server, the transactions of its events lie in that server's future. What the
# reader had not read of them comes first; then it begins at that server's own beginning, with ids above theirs.


def _foreign(place: EventReader) -> int | None:
    """The highest transaction id there is, when no transaction of this server has had it and we know it not yet."""
    highest = Event.objects.filter(transaction_id__gte=NEXT_TO_COME).order_by("-transaction_id").first()
    return highest.transaction_id if highest and highest.transaction_id != place.foreign_until else None


def _last_foreign(foreign: int) -> int:
    rows = Event.objects.filter(transaction_id__gte=NEXT_TO_COME, transaction_id__lte=foreign)
    return int(rows.aggregate(last=Max("pk"))["last"])


def _come_home(place: EventReader, foreign: int) -> None:
    place.floor_id, place.foreign_until = _last_foreign(foreign), foreign
    place.transaction_id = place.event_id = 0
