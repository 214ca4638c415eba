"""What an act would do, as the wire has it: the same plan that staff see before they confirm."""

from collections.abc import Sequence
from typing import Any

from loyalty.api.documentation import PlanSerializer
from rewards.rehearsal import Rehearsal


def plan(
    effects: Sequence[tuple[str, str]], *, refusal: str, points_returned: int = 0, fingerprint: str | None = None
) -> Any:
    """Effects are pairs of a kind and a sentence."""
    told = [{"kind": kind, "sentence": sentence} for kind, sentence in effects]
    facts = {
        "effects": told,
        "refusal": refusal or None,
        "points_returned": points_returned,
        "fingerprint": fingerprint,
    }
    return PlanSerializer(facts).data


def rehearsed(found: Rehearsal) -> Any:
    """The plan of an act that was tried and rolled back."""
    return plan([("status", sentence) for sentence in found.effects], refusal=found.refusal)
