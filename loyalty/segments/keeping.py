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
CHANGING = ("name", "criteria", "actor_kind", "actor_id", "updated_at")


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
    if segment_id is None and Segment.objects.count() >= MOST_SEGMENTS:
        raise SegmentRefused(f"There are {MOST_SEGMENTS} segments already. Remove one that nobody needs.")
    segment = Segment(
        pk=segment_id,
        name=name,
        criteria=dict(meant.kept),
        actor_kind=actor.kind,
        actor_id=actor.id,
        created_at=now,
        updated_at=now,
    )
    try:
        with transaction.atomic():
            _write(segment, is_new=segment_id is None)
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


def _write(segment: Segment, *, is_new: bool) -> None:
    """A new row, or the one there is; one that was removed meanwhile does not come back. Raises SegmentRefused."""
    if is_new:
        segment.save(force_insert=True)
        return
    kept = {name: getattr(segment, name) for name in CHANGING}
    if not Segment.objects.filter(pk=segment.pk).update(**kept):
        raise SegmentRefused(f"There is no segment {segment.pk} any more. Somebody removed it: save it as a new one.")
    segment.refresh_from_db(fields=["created_at"])
