"""Plan, preview, apply: an act states every effect before it, and refuses when the state has moved since."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from loyalty.common.errors import DomainError


class PlanOutdated(DomainError):
    """The state has moved since the plan was shown."""

    code = "plan_outdated"


def fingerprint(facts: Mapping[str, Any]) -> str:
    """A short digest of the facts a plan was made from; equal facts, equal digest."""
    text = json.dumps(facts, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def require_current(*, shown: str, current: str, subject: str) -> None:
    """Refuse to apply a plan that no longer describes what would happen. Raises PlanOutdated."""
    if shown != current:
        raise PlanOutdated(f"{subject} has changed since you looked. Look at the new preview and confirm again.")
