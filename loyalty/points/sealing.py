"""Seals over the ledger: a chain of hashes that names what was touched, even when somebody switched the triggers off.

Each batch of rows is hashed together with the seal before it, so a row that is altered, removed or slipped in is found.

Three streams run in one chain: transactions (with the allocations, lots, returns and adjustments written in the same
database transaction), charges of holds, and releases of holds (with the lots opened to stand in). What is hashed are
ids, numbers, kinds and instants: never a word about a person, so that erasing one breaks no seal. Of a lot, what
remains, its end and its days without activity may change and are proved by the audit instead: hashed are the days it
was opened with.

The hash of a row is the SHA-256 of the JSON list of its table's name and its columns, in the order of the queries
below, without spaces, instants in microseconds since 1970. Anybody can recompute it with other tools.

*The safe horizon.* A row gets its id before its transaction commits, so a lower id may appear after a higher one.
Whoever has taken an id keeps a lock on the table's sequence until the end of the transaction, visible in `pg_locks`.
So: look at the newest id, then at who holds that lock, and wait a little until all of those are gone. Then every id
up to it is decided, committed or given up. When somebody stays, the first id that is missing may be theirs: the seal
ends before it, and the next run goes on.
"""

import hashlib
import json
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from loyalty.common import clock
from loyalty.points.models import LedgerSeal, SealStream

USUAL_SIZE = 10_000  # rows of a stream in one seal
MOST_SEALS = 30  # in one run
PATIENCE = timedelta(seconds=5)
LOOK_AGAIN = 0.05  # seconds
LOCK_KEY = 0x5EA1  # one sealer at a time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LEAF = struct.Struct(">cq16s")


@dataclass(frozen=True, slots=True)
class _Table:
    """Rows of one table in a seal: all of them between two ids of the stream, in the order of their own id."""

    letter: bytes
    noun: str
    sql: str


# Of the days without activity, those the lot was opened with: a policy that is applied later changes them, by a row
# that says so.
LOT = (
    "l.id, l.customer_id, l.transaction_id, l.origin_id, l.points, l.available_at, "
    "CASE WHEN EXISTS (SELECT 1 FROM points_pointslotchange c WHERE c.lot_id = l.id) "
    "THEN (SELECT c.idle_days_before FROM points_pointslotchange c WHERE c.lot_id = l.id ORDER BY c.id LIMIT 1) "
    "ELSE l.idle_days END, l.created_at"
)

TABLES: dict[SealStream, tuple[_Table, ...]] = {
    SealStream.TRANSACTION: (
        _Table(
            b"t",
            "transaction",
            "SELECT id, customer_id, kind, points_change, balance_after, reverses_id, cause_type, cause_id, "
            "actor_kind, actor_id, effective_at, recorded_at FROM points_pointstransaction "
            "WHERE id BETWEEN %s AND %s ORDER BY id",
        ),
        _Table(
            b"a",
            "allocation",
            "SELECT id, transaction_id, lot_id, points FROM points_pointsallocation "
            "WHERE transaction_id BETWEEN %s AND %s ORDER BY id",
        ),
        _Table(
            b"l",
            "lot",
            f"SELECT {LOT} FROM points_pointslot l "  # noqa: S608 (names of our columns)
            "LEFT JOIN points_pointslot o ON o.id = l.origin_id "
            "WHERE l.transaction_id BETWEEN %s AND %s AND o.transaction_id IS DISTINCT FROM l.transaction_id "
            "ORDER BY l.id",
        ),
        _Table(
            b"r",
            "return",
            "SELECT id, transaction_id, allocation_id, lot_id, points FROM points_pointsreturn "
            "WHERE transaction_id BETWEEN %s AND %s ORDER BY id",
        ),
        _Table(
            b"j",
            "adjustment",
            "SELECT id, customer_id, transaction_id, points, created_at FROM points_pointsadjustment "
            "WHERE transaction_id BETWEEN %s AND %s ORDER BY id",
        ),
    ),
    SealStream.CHARGE: (
        _Table(
            b"c",
            "charge of a hold",
            "SELECT id, hold_id, lot_id, points FROM points_pointsholdcharge WHERE id BETWEEN %s AND %s ORDER BY id",
        ),
    ),
    SealStream.RELEASE: (
        _Table(
            b"e",
            "release of a hold",
            "SELECT id, charge_id, lot_id, points FROM points_pointsholdrelease WHERE id BETWEEN %s AND %s ORDER BY id",
        ),
        _Table(
            b"s",
            "lot",
            f"SELECT {LOT} FROM points_pointsholdrelease r "  # noqa: S608 (names of our columns)
            "JOIN points_pointsholdcharge c ON c.id = r.charge_id JOIN points_pointslot l ON l.id = r.lot_id "
            "WHERE r.id BETWEEN %s AND %s AND r.lot_id <> c.lot_id ORDER BY l.id",
        ),
    ),
}
STREAM_TABLES = {
    SealStream.TRANSACTION: "points_pointstransaction",
    SealStream.CHARGE: "points_pointsholdcharge",
    SealStream.RELEASE: "points_pointsholdrelease",
}


@dataclass(slots=True)
class Sealed:
    """What one run has done. `waiting` has the streams of which somebody's open transaction kept the end open."""

    seals: int = 0
    rows: int = 0
    waiting: list[SealStream] = field(default_factory=list)
    complete: bool = True  # whether nothing that could be sealed was left for the next run


@dataclass(frozen=True, slots=True)
class Break:
    """A row, or a seal, that is not as it was when it was sealed."""

    what: str  # "transaction 12"
    how: str  # "was altered"
    seal_id: int

    def __str__(self) -> str:
        return f"{self.what[:1].upper()}{self.what[1:]} {self.how} (seal {self.seal_id})."


@dataclass(slots=True)
class Verdict:
    """What was read so far while verifying. Complete when the iterator has ended.

    Who cuts off the last seals, or makes all of them anew, leaves a chain that fits: a digest kept elsewhere tells.
    """

    expected: str = ""  # such a digest
    seen: bool = False
    seals: int = 0
    rows: int = 0
    head: str = ""  # the digest of the last seal
    through: dict[str, int] = field(default_factory=dict)


def seal(*, now: datetime, size: int = USUAL_SIZE, most: int = MOST_SEALS, patience: timedelta = PATIENCE) -> Sealed:
    """Seal what is decided and not sealed yet, a bounded number of batches; each commits on its own.

    Safe to repeat, beside itself, and after a kill. Not to be called in a transaction that has written points.
    """
    done = Sealed()
    for stream in SealStream:
        horizon, kept_back = _horizon(stream, now=now, patience=patience)
        if kept_back:
            done.waiting.append(stream)
        while done.seals < most and (made := _seal_one(stream, horizon=horizon, size=size, now=now)) is not None:
            done.seals += 1
            done.rows += made.rows
        if _open_ids(stream, after=_sealed_through(stream), upto=horizon, size=1):
            done.complete = False
    return done


def verify(verdict: Verdict) -> Iterator[Break]:
    """Recompute every seal from the rows, oldest first, and name what differs. Fills `verdict` on the way."""
    through: dict[str, int] = dict.fromkeys(SealStream.values, 0)
    before: LedgerSeal | None = None
    for seal_id in LedgerSeal.objects.order_by("id").values_list("id", flat=True).iterator():
        current = LedgerSeal.objects.get(pk=seal_id)
        yield from _chain_breaks(current, before=before, through=through[current.stream])
        yield from _row_breaks(current)
        through[current.stream] = current.last_id
        before = current
        verdict.seals += 1
        verdict.rows += current.rows
        verdict.seen = verdict.seen or current.digest == verdict.expected
    verdict.head = before.digest if before is not None else ""
    verdict.through = through


@transaction.atomic
def _seal_one(stream: SealStream, *, horizon: int, size: int, now: datetime) -> LedgerSeal | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])
    after = _sealed_through(stream)
    ids = _open_ids(stream, after=after, upto=horizon, size=size)
    if not ids:
        return None
    previous = LedgerSeal.objects.order_by("-id").defer("leaves").first()
    leaves = b"".join(_leaves(stream, first_id=after + 1, last_id=ids[-1]))
    made = LedgerSeal(
        stream=stream,
        first_id=after + 1,
        last_id=ids[-1],
        rows=len(leaves) // LEAF.size,
        leaves=leaves,
        previous_id=previous.pk if previous is not None else None,  # the id alone: two rows that know each other linger
        sealed_at=now,
    )
    made.digest = _digest(made, previous=previous.digest if previous is not None else "")
    made.save(force_insert=True)
    return made


def _sealed_through(stream: SealStream) -> int:
    return int(LedgerSeal.objects.filter(stream=stream).aggregate(last=Max("last_id", default=0))["last"])


def _open_ids(stream: SealStream, *, after: int, upto: int, size: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {STREAM_TABLES[stream]} WHERE id > %s AND id <= %s ORDER BY id LIMIT %s",  # noqa: S608
            [after, upto, size],
        )
        return [int(row[0]) for row in cursor.fetchall()]


def _horizon(stream: SealStream, *, now: datetime, patience: timedelta) -> tuple[int, bool]:
    """The id up to which nothing can appear any more, and whether somebody's open transaction kept it back."""
    newest = _one(f"SELECT COALESCE(MAX(id), 0) FROM {STREAM_TABLES[stream]}")  # noqa: S608
    holders = _holders(stream)
    watch = clock.Stopwatch(now)
    while holders and watch.elapsed < patience.total_seconds():
        time.sleep(LOOK_AGAIN)
        holders &= _holders(stream)
    if not holders:
        return newest, False
    before_gap = _one(
        f"SELECT before FROM (SELECT id, LAG(id, 1, %s) OVER (ORDER BY id) AS before "  # noqa: S608
        f"FROM {STREAM_TABLES[stream]} WHERE id > %s AND id <= %s) ids WHERE id <> before + 1 ORDER BY id LIMIT 1",
        [_sealed_through(stream), _sealed_through(stream), newest],
    )
    return (newest if before_gap is None else before_gap), before_gap is not None


def _holders(stream: SealStream) -> set[str]:
    """The open transactions, others' only, that have taken an id for this table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode <> 'AccessShareLock' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            "AND relation = pg_get_serial_sequence(%s, 'id')::regclass AND pid IS DISTINCT FROM pg_backend_pid()",
            [STREAM_TABLES[stream]],
        )
        return {str(row[0]) for row in cursor.fetchall()}


def _one(sql: str, parameters: list[int] | None = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        row = cursor.fetchone()
        return row[0] if row is not None else None


def _leaves(stream: SealStream, *, first_id: int, last_id: int) -> Iterator[bytes]:
    for table in TABLES[stream]:
        with connection.cursor() as cursor:
            cursor.execute(table.sql, [first_id, last_id])
            for row in cursor:
                yield LEAF.pack(table.letter, row[0], _row_hash(table.noun, row))


def _row_hash(noun: str, row: tuple[Any, ...]) -> bytes:
    facts = [(value - EPOCH) // MICROSECOND if isinstance(value, datetime) else value for value in row]
    return hashlib.sha256(json.dumps([noun, *facts], separators=(",", ":")).encode()).digest()[:16]


def _digest(row: LedgerSeal, *, previous: str) -> str:
    sealed_at = (row.sealed_at - EPOCH) // MICROSECOND
    head = [previous, row.stream, row.first_id, row.last_id, row.rows, sealed_at]
    return hashlib.sha256(json.dumps(head, separators=(",", ":")).encode() + bytes(row.leaves)).hexdigest()


def _chain_breaks(current: LedgerSeal, *, before: LedgerSeal | None, through: int) -> Iterator[Break]:
    """Whether the seal is the one that was made after the seal before it, and goes on where its stream ended."""
    if current.previous_id != (before.pk if before is not None else None) or current.first_id != through + 1:
        missing = f"seal {current.previous_id}" if current.previous_id is not None else "a seal"
        yield Break(missing, "is missing before this one", current.pk)
    elif current.digest != _digest(current, previous=before.digest if before is not None else ""):
        yield Break(f"seal {current.pk}", "was altered", current.pk)


def _row_breaks(current: LedgerSeal) -> Iterator[Break]:
    """The rows as they are now beside the leaves as they were, both in order: the first difference comes first."""
    stream = SealStream(current.stream)
    order = {table.letter: place for place, table in enumerate(TABLES[stream])}
    nouns = {table.letter: table.noun for table in TABLES[stream]}
    kept = _unpacked(bytes(current.leaves)[: len(current.leaves) // LEAF.size * LEAF.size])
    found = _unpacked(b"".join(_leaves(stream, first_id=current.first_id, last_id=current.last_id)))
    was, now = next(kept, None), next(found, None)
    while was is not None or now is not None:
        was_key = (order.get(was[0], -1), was[1]) if was is not None else (len(order), 0)
        now_key = (order[now[0]], now[1]) if now is not None else (len(order), 0)
        letter, row_id, _ = was if was is not None and was_key <= now_key else now  # type: ignore[misc]
        name = f"{nouns.get(letter, 'row')} {row_id}"
        if was_key < now_key:
            yield Break(name, "is missing", current.pk)
        elif now_key < was_key:
            yield Break(name, "was slipped in", current.pk)
        elif was != now:
            yield Break(name, "was altered", current.pk)
        was = next(kept, None) if was_key <= now_key else was
        now = next(found, None) if now_key <= was_key else now


def _unpacked(leaves: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    return LEAF.iter_unpack(leaves)
