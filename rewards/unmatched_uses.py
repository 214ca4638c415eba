"""Uses of a shared code that belong to nobody we know of: listed for a person, who says whose they were, or nobody's."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.events.models import Event
from loyalty.points import locking
from rewards import holders, usage
from rewards.holders import OrderUse
from rewards.models import RewardCode

SETTLED = "code.use_settled"
MOST_SHOWN = 200


class UseRefused(DomainError):
    """This use cannot be settled so."""

    code = "use_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmatchedUse:
    """One order that carried a shared code. `customer_id` is who bought, when that is known: they have no such reward."""

    order_id: str
    used_at: datetime
    customer_id: int | None


def waiting(*, code: RewardCode) -> list[UnmatchedUse]:
    """The uses nobody has settled yet, oldest first, at most 200."""
    found = Event.objects.filter(subject_type="reward_code", subject_id=code.pk)
    settled = found.filter(kind=SETTLED).values_list("data__order_id", flat=True)
    rows = found.filter(kind=usage.UNMATCHED).exclude(data__order_id__in=list(settled)).order_by("id")
    return [_read(row) for row in rows[:MOST_SHOWN]]


@transaction.atomic
def settle(*, code_id: int, order_id: str, customer_id: int | None, actor: Actor, now: datetime) -> None:
    """Say whose use it was: their reward with that code is marked used on the order. Without a customer: nobody's.

    Raises UseRefused when they have none that is unused, or it was settled before.
    """
    code = RewardCode.objects.select_for_update(no_key=True).get(pk=code_id)
    use = next((each for each in waiting(code=code) if each.order_id == order_id), None)
    if use is None:
        raise UseRefused(f"Order {order_id} does not wait any more: it was settled before.")
    if customer_id is not None:
        _mark(code, use, customer_id=customer_id, actor=actor, now=now)
    log.record(
        kind=SETTLED,
        subject_type="reward_code",
        subject_id=code.pk,
        customer_id=customer_id,
        actor=actor,
        now=now,
        order_id=order_id,
    )


def _mark(code: RewardCode, use: UnmatchedUse, *, customer_id: int, actor: Actor, now: datetime) -> None:
    locking.lock(customer_id=customer_id, now=now)
    told = OrderUse(
        connection_id=code.connection_id or 0,
        order_id=use.order_id,
        code=code.code,
        used_at=use.used_at,
        customer_id=customer_id,
    )
    if holders.of_use(code=code, use=told, now=now) is None:
        raise UseRefused(f"This customer has no reward with the code {code.code} that order {use.order_id} could use.")
    verdict = usage.record_order_use(use=told, actor=actor, now=now)
    if verdict not in (usage.OrderVerdict.USED, usage.OrderVerdict.KNOWN):
        raise UseRefused(
            f"This customer's reward with the code {code.code} was used, canceled or is still being made: it cannot be "
            f"marked used on order {use.order_id}."
        )


def _read(row: Event) -> UnmatchedUse:
    return UnmatchedUse(
        order_id=row.data["order_id"], used_at=datetime.fromisoformat(row.data["used_at"]), customer_id=row.customer_id
    )
