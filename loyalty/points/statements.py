"""The ledger's fast SQL: the statements of the paths that every redemption takes, and the one that settles time.

Of a debit, a hold and a capture the straightforward case is one call of a function in the database, which comes with a
migration. Whatever is special about a case, and every refusal, goes step by step: these statements lock, read and
write, and which lots pay is decided in Python between them. The two ways write the same rows, which the tests prove. A
lock is always a statement of its own: what the next one reads is then current, whoever had the lock before.

For the ledger's own modules only.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS

from loyalty.common.actors import Actor
from loyalty.common.causes import Cause, CauseType
from loyalty.common.prepared import Statement
from loyalty.points.allocation import Charge, SpendableLot
from loyalty.points.errors import UnknownHold
from loyalty.points.models import HoldState, PointsAccount, PointsHold, PointsTransaction, PointsTransactionNote

Row = TypeVar("Row", PointsTransaction, PointsHold)

LARGEST_ID = 2**63 - 1
FIRST_LOTS = 4  # hardly any debit needs more lots than that; one that does reads the rest

ACCOUNT_FIELDS = [field.attname for field in PointsAccount._meta.concrete_fields]  # noqa: SLF001 (documented)
HOLD_FIELDS = [field.attname for field in PointsHold._meta.concrete_fields]  # noqa: SLF001
TRANSACTION_FIELDS = [field.attname for field in PointsTransaction._meta.concrete_fields]  # noqa: SLF001

TYPES = {
    name: of_type
    for of_type, names in {
        "bool": "is_activity",
        "int8": "customer after limit hold change balance_after reverses cause_id actor_id points balance pending held",
        "int8[]": "customers lots shares",
        "text": "key kind cause_type actor_kind state description internal_note",
        "timestamptz": "now at effective_at recorded_at created_at expires_at settled_at next_edge_at last_activity_at",
    }.items()
    for name in names.split()
}


def _statement(name: str, sql: str) -> Statement:
    return Statement(name, sql, types=TYPES)


LOCK_ACCOUNT = _statement(
    "lock_account",
    f"""
    SELECT {", ".join(ACCOUNT_FIELDS)} FROM points_pointsaccount WHERE customer_id = %(customer)s FOR UPDATE
    """,  # noqa: S608 (names of our columns)
)

LOCK_DUE_ACCOUNTS = _statement(
    "lock_due_accounts",
    """
    SELECT customer_id FROM points_pointsaccount
    WHERE next_edge_at <= %(now)s AND customer_id > %(after)s
    ORDER BY customer_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    """,
)

DEBIT_AT_ONCE = _statement(
    "debit_at_once",
    """
    SELECT entry_id, sum_after FROM points_debit_v2(
        %(customer)s, %(points)s, %(kind)s, %(cause_type)s, %(cause_id)s, %(actor_kind)s, %(actor_id)s, %(key)s,
        %(now)s, %(is_activity)s, %(description)s, %(internal_note)s)
    """,
)

HOLD_AT_ONCE = _statement(
    "hold_at_once",
    """
    SELECT hold_id FROM points_hold_v2(
        %(customer)s, %(points)s, %(cause_type)s, %(cause_id)s, %(actor_kind)s, %(actor_id)s, %(key)s, %(now)s,
        %(expires_at)s, %(description)s)
    """,
)

CAPTURE_AT_ONCE = _statement(
    "capture_at_once",
    """
    SELECT entry_id, sum_after, customer, spent, cause, cause_number, told FROM points_capture_v1(
        %(hold)s, %(points)s, %(kind)s, %(actor_kind)s, %(actor_id)s, %(now)s, %(is_activity)s, %(description)s,
        %(internal_note)s)
    """,
)

# Always at least one row, so that one statement tells of the key and of the lots.
READ_FOR_DEBIT = _statement(
    "read_for_debit",
    """
    SELECT made.id, l.id, l.remaining, l.expires_at, l.created_at
    FROM (SELECT (SELECT id FROM points_pointstransaction WHERE idempotency_key = %(key)s) AS id) made
    LEFT JOIN LATERAL (
        SELECT id, remaining, expires_at, created_at FROM points_pointslot
        WHERE customer_id = %(customer)s AND open AND available_at <= %(at)s
        ORDER BY expires_at, created_at, id LIMIT %(limit)s) l ON true
    """,
)

CUSTOMER_OF_HOLD = _statement("customer_of_hold", "SELECT customer_id FROM points_pointshold WHERE id = %(hold)s")

READ_HOLD = _statement(
    "read_hold",
    f"""
    SELECT {", ".join(f"h.{name}" for name in HOLD_FIELDS)}, c.lot_id, c.points
    FROM points_pointshold h JOIN points_pointsholdcharge c ON c.hold_id = h.id
    WHERE h.id = %(hold)s ORDER BY c.id
    """,  # noqa: S608 (names of our columns)
)

# What the writing statements are made of. The arrays come through a subselect, so that one plan serves every length.
CHARGES = """charge AS (
    SELECT * FROM unnest((SELECT %(lots)s::bigint[]), (SELECT %(shares)s::bigint[])) WITH ORDINALITY
    AS c(lot_id, points, place))"""
ENTRY = """entry AS (
    INSERT INTO points_pointstransaction (
        customer_id, kind, points_change, balance_after, reverses_id, cause_type, cause_id, actor_kind, actor_id,
        idempotency_key, effective_at, recorded_at)
    VALUES (
        %(customer)s, %(kind)s, %(change)s, %(balance_after)s, %(reverses)s, %(cause_type)s, %(cause_id)s,
        %(actor_kind)s, %(actor_id)s, %(key)s, %(effective_at)s, %(recorded_at)s)
    RETURNING id)"""
ALLOCATIONS = """allocated AS (
    INSERT INTO points_pointsallocation (transaction_id, lot_id, points)
    SELECT entry.id, c.lot_id, c.points FROM entry, charge c ORDER BY c.place)"""
NOTE = """noted AS (
    INSERT INTO points_pointstransactionnote (transaction_id, description, internal_note)
    SELECT id, %(description)s, %(internal_note)s FROM entry)"""
LOTS = """charged AS (
    UPDATE points_pointslot l SET remaining = l.remaining - c.points, open = l.remaining > c.points
    FROM charge c WHERE l.id = c.lot_id)"""
FIGURES = """figures AS (
    UPDATE points_pointsaccount SET
        balance = %(balance)s, pending = %(pending)s, held = %(held)s, settled_at = %(settled_at)s,
        next_edge_at = %(next_edge_at)s, last_activity_at = %(last_activity_at)s
    WHERE customer_id = %(customer)s)"""
NEW_HOLD = """entry AS (
    INSERT INTO points_pointshold (
        customer_id, points, state, cause_type, cause_id, actor_kind, actor_id, created_at, expires_at,
        idempotency_key, description)
    VALUES (
        %(customer)s, %(points)s, %(state)s, %(cause_type)s, %(cause_id)s, %(actor_kind)s, %(actor_id)s,
        %(created_at)s, %(expires_at)s, %(key)s, %(description)s)
    RETURNING id)"""
HOLD_CHARGES = """kept AS (
    INSERT INTO points_pointsholdcharge (hold_id, lot_id, points)
    SELECT entry.id, c.lot_id, c.points FROM entry, charge c ORDER BY c.place)"""
CLOSE_HOLD = """closed AS (
    UPDATE points_pointshold h SET state = 'captured', transaction_id = entry.id, closed_at = %(recorded_at)s
    FROM entry WHERE h.id = %(hold)s)"""


def _one_statement(name: str, *parts: str) -> Statement:
    return _statement(name, f"WITH {', '.join(parts)} SELECT id FROM entry")  # noqa: S608 (the parts above)


WRITE_DEBIT = _one_statement("write_debit", CHARGES, ENTRY, LOTS, ALLOCATIONS, FIGURES)
WRITE_DEBIT_WITH_NOTE = _one_statement("write_debit_with_note", CHARGES, ENTRY, LOTS, ALLOCATIONS, NOTE, FIGURES)
WRITE_HOLD = _one_statement("write_hold", CHARGES, NEW_HOLD, LOTS, HOLD_CHARGES, FIGURES)
WRITE_CAPTURE = _one_statement("write_capture", CHARGES, ENTRY, ALLOCATIONS, FIGURES, CLOSE_HOLD)
WRITE_CAPTURE_WITH_NOTE = _one_statement(
    "write_capture_with_note", CHARGES, ENTRY, ALLOCATIONS, NOTE, FIGURES, CLOSE_HOLD
)

# The accounts are locked: what is read here is current. Ids are drawn in the order in which the sum after each runs.
SETTLE = _statement(
    "settle",
    """
    WITH account AS MATERIALIZED (
        SELECT customer_id, balance + pending + held AS total, settled_at AS before,
               GREATEST(settled_at, %(now)s) AS at
        FROM points_pointsaccount WHERE customer_id = ANY ((SELECT %(customers)s::bigint[])::bigint[])),
    lot AS MATERIALIZED (
        SELECT l.id, l.remaining, l.available_at, l.expires_at, l.created_at, a.*
        FROM account a LEFT JOIN points_pointslot l ON l.customer_id = a.customer_id AND l.open),
    due AS MATERIALIZED (
        SELECT nextval((SELECT pg_get_serial_sequence('points_pointstransaction', 'id')::regclass)) AS entry_id, d.*
        FROM (
            SELECT id AS lot_id, customer_id, remaining, expires_at, at, total - SUM(remaining) OVER (
                       PARTITION BY customer_id ORDER BY expires_at, created_at, id) AS total_after
            FROM lot WHERE expires_at <= at ORDER BY customer_id, expires_at, created_at, id) d),
    entry AS (
        INSERT INTO points_pointstransaction (
            id, customer_id, kind, points_change, balance_after, cause_type, cause_id, actor_kind, effective_at,
            recorded_at)
        SELECT entry_id, customer_id, 'expiry', -remaining, total_after, 'lot', lot_id, 'system', expires_at, at
        FROM due),
    allocated AS (
        INSERT INTO points_pointsallocation (transaction_id, lot_id, points)
        SELECT entry_id, lot_id, remaining FROM due),
    emptied AS (
        UPDATE points_pointslot l SET remaining = 0, open = false FROM due WHERE l.id = due.lot_id),
    event AS (
        INSERT INTO events_event (kind, occurred_at, actor_kind, subject_type, subject_id, customer_id, data)
        SELECT 'points.expired', MAX(at), 'system', 'customer', customer_id, customer_id, jsonb_build_object(
                   'points', SUM(remaining), 'lots', COUNT(*),
                   'first_transaction_id', MIN(entry_id), 'last_transaction_id', MAX(entry_id))
        FROM due GROUP BY customer_id),
    figure AS MATERIALIZED (
        SELECT customer_id, at,
               COALESCE(SUM(remaining) FILTER (WHERE available_at > before AND available_at <= at), 0)::int AS matured,
               COALESCE(SUM(remaining) FILTER (WHERE expires_at <= at), 0)::int AS expired,
               LEAST(MIN(available_at) FILTER (WHERE available_at > at),
                     MIN(expires_at) FILTER (WHERE expires_at > at)) AS next_edge_at
        FROM lot GROUP BY customer_id, at)
    UPDATE points_pointsaccount a SET
        balance = a.balance + f.matured - f.expired, pending = a.pending - f.matured, settled_at = f.at,
        next_edge_at = f.next_edge_at
    FROM figure f WHERE a.customer_id = f.customer_id
    RETURNING a.customer_id, a.balance, a.pending, a.settled_at, a.next_edge_at, f.expired
    """,
)


class Settled(NamedTuple):
    """The figures of an account after time was settled on it, and how many points expired just then."""

    customer_id: int
    balance: int
    pending: int
    settled_at: datetime
    next_edge_at: datetime | None
    expired: int


def lock_account(*, customer_id: int) -> PointsAccount | None:
    """Lock a customer's account until the transaction ends, and read it as it is then. None when there is none yet."""
    if not 0 <= customer_id <= LARGEST_ID:
        return None
    found = LOCK_ACCOUNT.run({"customer": customer_id})
    return PointsAccount.from_db(DEFAULT_DB_ALIAS, ACCOUNT_FIELDS, found[0]) if found else None


def debit_at_once(
    *,
    customer_id: int,
    points: int,
    kind: str,
    cause: Cause,
    actor: Actor,
    now: datetime,
    is_activity: bool,
    key: str | None,
    description: str,
    internal_note: str,
) -> PointsTransaction | None:
    """Lock the account and write a whole debit. None, and nothing written, where anything about it is special.

    Special are: no account, too few points, time that has to be settled first, lots whose ends move with this
    activity, and a key that was seen before.
    """
    if not 0 <= customer_id <= LARGEST_ID:
        return None
    values = _act(cause, actor) | {
        "customer": customer_id,
        "points": points,
        "kind": str(kind),
        "key": key,
        "now": now,
        "is_activity": is_activity,
        "description": description,
        "internal_note": internal_note,
    }
    for entry_id, sum_after in DEBIT_AT_ONCE.run(values):
        return _debited(
            entry_id, customer_id, kind, points, sum_after, cause=cause, actor=actor, key=key, now=now,
            description=description, internal_note=internal_note,
        )  # fmt: skip
    return None


def hold_at_once(
    *,
    customer_id: int,
    points: int,
    cause: Cause,
    actor: Actor,
    now: datetime,
    expires_at: datetime | None,
    key: str | None,
    description: str,
) -> PointsHold | None:
    """As `debit_at_once`, of points that are only set aside."""
    if not 0 <= customer_id <= LARGEST_ID:
        return None
    values = _act(cause, actor) | {
        "customer": customer_id,
        "points": points,
        "key": key,
        "now": now,
        "expires_at": expires_at,
        "description": description,
    }
    for (hold_id,) in HOLD_AT_ONCE.run(values):
        return PointsHold(
            pk=hold_id,
            customer_id=customer_id,
            points=points,
            cause_type=cause.type,
            cause_id=cause.id,
            actor_kind=actor.kind,
            actor_id=actor.id,
            created_at=now,
            expires_at=expires_at,
            idempotency_key=key,
            description=description,
        )
    return None


def capture_at_once(
    *,
    hold_id: int,
    points: int | None,
    kind: str,
    actor: Actor,
    now: datetime,
    is_activity: bool,
    description: str,
    internal_note: str,
) -> PointsTransaction | None:
    """As `debit_at_once`, of all the points that an open hold took out of the lots before; closes the hold.

    Special are a hold that is unknown or closed, and `points` that are not all of it, too.
    """
    if not 0 <= hold_id <= LARGEST_ID:
        return None
    values = {
        "hold": hold_id,
        "points": points,
        "kind": str(kind),
        "actor_kind": str(actor.kind),
        "actor_id": actor.id,
        "now": now,
        "is_activity": is_activity,
        "description": description,
        "internal_note": internal_note,
    }
    for entry_id, sum_after, customer_id, spent, cause_type, cause_id, told in CAPTURE_AT_ONCE.run(values):
        return _debited(
            entry_id, customer_id, kind, spent, sum_after, cause=Cause(CauseType(cause_type), cause_id), actor=actor,
            key=None, now=now, description=told, internal_note=internal_note,
        )  # fmt: skip
    return None


def lock_due_accounts(*, after: int, now: datetime, limit: int) -> list[int]:
    """Lock up to `limit` accounts with ids above `after` whose next edge has passed, in id order; gives their ids.

    Those that somebody else is writing are passed over, without waiting.
    """
    found = LOCK_DUE_ACCOUNTS.run({"after": after, "now": now, "limit": limit})
    return [customer_id for (customer_id,) in found]


def read_for_debit(
    *, account: PointsAccount, points: int, key: str | None = None
) -> tuple[int | None, list[SpendableLot]]:
    """Of a locked account: the transaction that an idempotency key stands for, and the lots that can pay now.

    The lots are the soonest ending ones, and at least as many as `points` need.
    """
    wanted = {"customer": account.customer_id, "at": account.settled_at, "key": key}
    found = READ_FOR_DEBIT.run(wanted | {"limit": FIRST_LOTS})
    if len(found) == FIRST_LOTS and sum(row[2] for row in found) < points:
        found = READ_FOR_DEBIT.run(wanted | {"limit": LARGEST_ID})
    return found[0][0], [SpendableLot(*row[1:]) for row in found if row[1] is not None]


def customer_of_hold(*, hold_id: int) -> int:
    """Whose hold it is: that never changes, so it may be read before the lock. Raises UnknownHold."""
    found = CUSTOMER_OF_HOLD.run({"hold": hold_id}) if 0 <= hold_id <= LARGEST_ID else []
    if not found:
        raise UnknownHold(hold_id)
    return int(found[0][0])


def read_hold(*, hold_id: int) -> tuple[PointsHold, list[Charge]]:
    """A hold of a locked account, and what it charged, in spending order."""
    found = READ_HOLD.run({"hold": hold_id})
    held = PointsHold.from_db(DEFAULT_DB_ALIAS, HOLD_FIELDS, found[0][:-2])
    return held, [Charge(lot_id, points) for *_, lot_id, points in found]


def write_debit(
    *,
    entry: PointsTransaction,
    account: PointsAccount,
    charges: Sequence[Charge],
    description: str = "",
    internal_note: str = "",
) -> PointsTransaction:
    """Insert a debit with its allocations and notes, take its points out of the lots, and write the account's figures.

    The lots' own checks refuse more than remains. Gives back the entry as it is stored.
    """
    values = _entry(entry) | _charges(charges) | _figures(account)
    if not (description or internal_note):
        return _stored(entry, WRITE_DEBIT.run(values))
    values |= {"description": description, "internal_note": internal_note}
    stored = _stored(entry, WRITE_DEBIT_WITH_NOTE.run(values))
    return _with_note(stored, description, internal_note)


def write_capture(
    *,
    held: PointsHold,
    entry: PointsTransaction,
    account: PointsAccount,
    charges: Sequence[Charge],
    description: str = "",
    internal_note: str = "",
) -> PointsTransaction:
    """As `write_debit`, of points that an open hold took out of the lots before; closes the hold."""
    values = _entry(entry) | _charges(charges) | _figures(account) | {"hold": held.pk}
    if not (description or internal_note):
        return _stored(entry, WRITE_CAPTURE.run(values))
    values |= {"description": description, "internal_note": internal_note}
    stored = _stored(entry, WRITE_CAPTURE_WITH_NOTE.run(values))
    return _with_note(stored, description, internal_note)


def write_hold(*, held: PointsHold, account: PointsAccount, charges: Sequence[Charge]) -> PointsHold:
    """Insert an open hold with its charges, take its points out of the lots, and write the account's figures."""
    new = {
        "points": held.points,
        "state": str(HoldState.OPEN),
        "cause_type": str(held.cause_type),
        "cause_id": held.cause_id,
        "actor_kind": str(held.actor_kind),
        "actor_id": held.actor_id,
        "created_at": held.created_at,
        "expires_at": held.expires_at,
        "key": held.idempotency_key,
        "description": held.description,
    }
    return _stored(held, WRITE_HOLD.run(new | _charges(charges) | _figures(account)))


def settle(*, customer_ids: Sequence[int], now: datetime) -> list[Settled]:
    """Bring locked accounts up to `now`, or to when they were settled last if that is later.

    Pending lots that are due become active; each lot past its end gets a ledger entry of its own, effective at its
    end, in the order of the ends; each customer who lost points so gets one event "points.expired".
    """
    return [Settled(*row) for row in SETTLE.run({"customers": list(customer_ids), "now": now})]


def _act(cause: Cause, actor: Actor) -> dict[str, Any]:
    return {
        "cause_type": str(cause.type),
        "cause_id": cause.id,
        "actor_kind": str(actor.kind),
        "actor_id": actor.id,
    }


def _debited(
    entry_id: int,
    customer_id: int,
    kind: str,
    points: int,
    sum_after: int,
    *,
    cause: Cause,
    actor: Actor,
    key: str | None,
    now: datetime,
    description: str,
    internal_note: str,
) -> PointsTransaction:
    entry = PointsTransaction.from_db(
        DEFAULT_DB_ALIAS,
        TRANSACTION_FIELDS,
        [
            entry_id,
            customer_id,
            kind,
            -points,
            sum_after,
            None,
            cause.type,
            cause.id,
            actor.kind,
            actor.id,
            key,
            now,
            now,
        ],
    )
    return _with_note(entry, description, internal_note) if description or internal_note else entry


def _charges(charges: Sequence[Charge]) -> dict[str, Any]:
    return {
        "lots": [charge.lot_id for charge in charges],
        "shares": [charge.points for charge in charges],
    }


def _figures(account: PointsAccount) -> dict[str, Any]:
    return {
        "customer": account.customer_id,
        "balance": account.balance,
        "pending": account.pending,
        "held": account.held,
        "settled_at": account.settled_at,
        "next_edge_at": account.next_edge_at,
        "last_activity_at": account.last_activity_at,
    }


def _entry(entry: PointsTransaction) -> dict[str, Any]:
    return {
        "kind": str(entry.kind),
        "change": entry.points_change,
        "balance_after": entry.balance_after,
        "reverses": entry.reverses_id,
        "cause_type": str(entry.cause_type),
        "cause_id": entry.cause_id,
        "actor_kind": str(entry.actor_kind),
        "actor_id": entry.actor_id,
        "key": entry.idempotency_key,
        "effective_at": entry.effective_at,
        "recorded_at": entry.recorded_at,
    }


def _stored(row: Row, answer: list[tuple[Any, ...]]) -> Row:
    """The row, which now knows its id and where it is stored."""
    row.pk = answer[0][0]
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS  # noqa: SLF001 (the documented state of an instance)
    return row


def _with_note(entry: PointsTransaction, description: str, internal_note: str) -> PointsTransaction:
    """The entry with its note at hand, as one that was just saved has it."""
    PointsTransactionNote.from_db(
        DEFAULT_DB_ALIAS, ["transaction_id", "description", "internal_note"], [entry.pk, description, internal_note]
    ).transaction = entry
    return entry
