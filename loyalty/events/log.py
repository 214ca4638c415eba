"""The one writer of events."""

from datetime import datetime
from typing import Any

from loyalty.common.actors import Actor
from loyalty.events.models import Event


def record(
    *,
    kind: str,
    subject_type: str,
    subject_id: int,
    actor: Actor,
    now: datetime,
    customer_id: int | None = None,
    **data: Any,
) -> Event:
    """Write down one fact, in the caller's transaction. `data` holds ids, numbers and words of ours: no personal data."""
    return Event.objects.create(
        kind=kind,
        occurred_at=now,
        actor_kind=actor.kind,
        actor_id=actor.id,
        subject_type=subject_type,
        subject_id=subject_id,
        customer_id=customer_id,
        data=data,
    )


def exists(*, kind: str, subject_type: str, subject_id: int, **data: Any) -> bool:
    """Whether such a fact was written down before, with these data."""
    return Event.objects.filter(
        kind=kind, subject_type=subject_type, subject_id=subject_id, data__contains=data
    ).exists()
