"""A few segments, as a merchant would keep them."""

from datetime import datetime

from loyalty.common.actors import SYSTEM
from loyalty.segments import keeping
from loyalty.segments.models import Segment

SEGMENTS = {
    "Regulars who stopped buying": {"state": ["member"], "orders_min": ["2"], "no_order_days": ["60"]},
    "Points to spend, nothing redeemed lately": {
        "state": ["member"],
        "balance_min": ["300"],
        "spent_max": ["0"],
        "points_days": ["90"],
    },
    "New this month": {"state": ["member", "candidate"], "created_days": ["30"]},
}


def load(*, now: datetime) -> None:
    """Nobody is in a segment by that: who fits is asked whenever it is looked at."""
    there = set(Segment.objects.values_list("name", flat=True))
    for name, parameters in SEGMENTS.items():
        if name in there:
            continue
        keeping.save(segment_id=None, name=name, parameters=parameters, actor=SYSTEM, now=now)
