"""Whom a campaign for a segment is for: its customers at the moment it is planned, written down once."""

from datetime import datetime

from loyalty.common.errors import DomainError
from loyalty.merchant import queries as merchant
from loyalty.segments import criteria
from loyalty.segments.models import Segment
from rewards.campaigns import audiences
from rewards.campaigns.audiences import Audience


class UnknownSegment(DomainError):
    """There is no such segment."""

    code = "unknown_segment"


def of(*, segment_id: int, now: datetime) -> Audience:
    """All who are in it as of now; whoever fits later is not among them. Excluded customers are named, and left out then.

    Raises UnknownSegment, CriteriaRefused, NobodyMeant.
    """
    segment = Segment.objects.filter(pk=segment_id).first()
    if segment is None:
        raise UnknownSegment(f"There is no segment {segment_id}. Check the id, or choose among those there are.")
    programme = merchant.programme()
    meant = criteria.read(segment.criteria, programme=programme)
    day = now.astimezone(programme.zone)
    return audiences.of_segment(
        customers=criteria.of(meant, programme=programme, now=now),
        text=f"Segment “{segment}” as it was on {day:%Y-%m-%d at %H:%M}: {meant.words}",
    )
