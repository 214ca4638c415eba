"""Credit what many customers earn at once: as `earning.earn`, called for each in the given order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from loyalty.common.actors import Actor
from loyalty.common.among import Among
from loyalty.common.causes import Cause
from loyalty.events import log
from loyalty.merchant.models import Programme
from loyalty.points import bulk, bulk_rows, earning, shortfalls
from loyalty.points.models import PointsAccount, PointsTransaction, TransactionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Earned:
    """One earning: the arguments of `earning.earn`."""

    customer_id: int
    points: int
    cause: Cause
    earned_at: datetime
    idempotency_key: str
    description: str = ""
    pending_days: int | None = None


@transaction.atomic
def earn_many(
    *,
    batch: Sequence[Earned],
    accounts: dict[int, PointsAccount],
    programme: Programme,
    actor: Actor,
    now: datetime,
    is_news: bool = True,
) -> dict[str, int]:
    """Credit those whose key is new; gives back the transaction of each key, new or not. Keys come once in a batch.

    `accounts` are those that the caller locked by `bulk_rows.lock`. Without `is_news`, as for imports, no event tells of
    the points. All or nothing: raises InvalidPoints.
    """
    rows = PointsTransaction.objects.filter(Among("idempotency_key", [each.idempotency_key for each in batch]))
    before = {str(key): pk for key, pk in rows.values_list("idempotency_key", "pk")}
    fresh = [each for each in batch if each.idempotency_key not in before]
    credited = bulk.credit_many(
        batch=[_credit(each, programme=programme, actor=actor) for each in fresh], now=now, accounts=accounts
    )
    bulk_rows.insert_notes((credited[each.idempotency_key], "", each.description) for each in fresh)
    if is_news:
        facts = [
            log.Fact(credited[each.idempotency_key], each.customer_id, now, {"points": each.points}) for each in fresh
        ]
        log.record_many(kind="points.earned", subject_type="points_transaction", actor=actor, facts=facts)
    _collect([accounts[pk] for pk in sorted({each.customer_id for each in fresh})], actor=actor, now=now)
    return before | credited


def _credit(earned: Earned, *, programme: Programme, actor: Actor) -> bulk.Credit:
    lot = earning.new_lot(
        programme=programme, points=earned.points, earned_at=earned.earned_at, pending_days=earned.pending_days
    )
    return bulk.Credit(
        customer_id=earned.customer_id,
        points=earned.points,
        kind=TransactionKind.EARNING,
        cause=earned.cause,
        actor=actor,
        idempotency_key=earned.idempotency_key,
        available_at=lot.available_at,
        expires_at=lot.expires_at,
        idle_days=lot.idle_days,
        effective_at=earned.earned_at,
    )


def _collect(credited: Iterable[PointsAccount], *, actor: Actor, now: datetime) -> None:
    """What customers owe from refunds, as after a single earning."""
    owing = [account.customer_id for account in credited if account.owed]
    if owing and shortfalls.collects():
        for customer_id in owing:
            shortfalls.collect(customer_id=customer_id, actor=actor, now=now)
