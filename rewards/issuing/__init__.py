"""Generate a reward in the shop: claim, call, record.

The code was decided and committed before. A call is made with no transaction and no lock open; its result is recorded
in a transaction that checks that our claim still stands. After a call whose result is unknown the code is looked up
before anything is sent again.
"""

from rewards.issuing.batches import work_for
from rewards.issuing.claims import (
    LONGEST_BACKOFF,
    MOST_ATTEMPTS,
    RAREST,
    SOONEST,
    Verdict,
    absence_counts,
    backoff,
    lease,
    ring,
    sweep,
    take,
)
from rewards.issuing.deciding import Failure, is_ours
from rewards.issuing.recording import locked, record_failed, record_issued
from rewards.issuing.single import work

__all__ = [
    "LONGEST_BACKOFF",
    "MOST_ATTEMPTS",
    "RAREST",
    "SOONEST",
    "Failure",
    "Verdict",
    "absence_counts",
    "backoff",
    "is_ours",
    "lease",
    "locked",
    "record_failed",
    "record_issued",
    "ring",
    "sweep",
    "take",
    "work",
    "work_for",
]
