"""Save a segment, and remove one. Nobody is moved by that: who is in it is asked anew each time."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.segments import criteria
from loyalty.segments.models import Segment

LONGEST_NAME = 80
MOST_SEGMENTS = 200


class SegmentRefused(DomainError):
    """The segment cannot be saved like that. The sentence says why."""

    code = "segment_refused"


@transaction.atomic
def save(
    *,
    segment_id: int | None,
    name: str,
    parameters: Mapping[str, Sequence[str]],
    actor: Actor,
    now: datetime,
) -> Segment:
    """Add a segment, or change one. Raises SegmentRefused, CriteriaRefused."""
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise SegmentRefused(f"A segment has a name of up to {LONGEST_NAME} characters. Say who they are.")
    meant = criteria.read(parameters, programme=merchant.programme())
    if segment_id is None:
        if Segment.objects.count() >= MOST_SEGMENTS:
            raise SegmentRefused(f"There are {MOST_SEGMENTS} segments already. Remove one that nobody needs.")
        segment = Segment(created_at=now)
    else:
        found = Segment.objects.select_for_update().filter(pk=segment_id).first()
        if found is None:
            raise SegmentRefused(
                f"There is no segment {segment_id} any more. Somebody removed it: save it as a new one."
            )
        segment = found
    segment.name, segment.criteria, segment.updated_at = name, dict(meant.kept), now
    segment.actor_kind, segment.actor_id = actor.kind, actor.id
    try:
        with transaction.atomic():
            segment.save()
    except IntegrityError as error:
        if "segment_name_unique" not in str(error):
            raise
        raise SegmentRefused(
            f"There is a segment “{name}” already. Choose another name, or change that one."
        ) from error
    kind = "segment.added" if segment_id is None else "segment.changed"
    log.record(kind=kind, subject_type="segment", subject_id=segment.pk, actor=actor, now=now)
    return segment


@transaction.atomic
def remove(*, segment_id: int, actor: Actor, now: datetime) -> None:
    """It is gone; customers, and campaigns that were planned for it, stay as they are. Twice does nothing more."""
    gone, _ = Segment.objects.filter(pk=segment_id).delete()
    if gone:
        log.record(kind="segment.removed", subject_type="segment", subject_id=segment_id, actor=actor, now=now)
