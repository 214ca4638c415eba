"""The one writer of events."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from loyalty.common import copying
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


class Fact(NamedTuple):
    """One of many facts of a kind."""

    subject_id: int
    customer_id: int
    occurred_at: datetime
    data: dict[str, Any]


def record_many(*, kind: str, subject_type: str, actor: Actor, facts: Sequence[Fact]) -> None:
    """As `record`, for the facts of a batch, in the given order."""
    if facts:
        copying.stream(
            "events_event",
            ("kind", "subject_type", "actor_kind", "actor_id", "subject_id", "customer_id", "occurred_at", "data"),
            (
                (kind, subject_type, str(actor.kind), actor.id, *fact[:3], json.dumps(fact.data, ensure_ascii=False))
                for fact in facts
            ),
        )


def exists(*, kind: str, subject_type: str, subject_id: int, **data: Any) -> bool:
    """Whether such a fact was written down before, with these data."""
    return Event.objects.filter(
        kind=kind, subject_type=subject_type, subject_id=subject_id, data__contains=data
    ).exists()


def subjects_of(*, kind: str, subject_type: str, ids: Sequence[int]) -> set[int]:
    """Those of the ids about which such a fact was written down."""
    found = Event.objects.filter(kind=kind, subject_type=subject_type, subject_id__in=ids)
    return set(found.values_list("subject_id", flat=True))
