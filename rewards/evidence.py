"""What a shop answered about a code, written down as it was said; and whether it spoke of ours at all."""

from dataclasses import replace
from datetime import datetime

from platforms.adapter import Answer, PlatformCode
from rewards.models import CodeEvidence, EvidenceKind, RedeemedReward, RewardCode

NOT_OURS = "The shop has a code of this name that is not ours: it was left alone."


def only_ours(
    *, redeemed: RedeemedReward, code: RewardCode, answer: Answer[PlatformCode | None]
) -> Answer[PlatformCode | None]:
    """The answer, with nothing in the place of somebody else's code of the same name: the shop does not have ours then.

    Ours is the one with our reference, or with the shop's own id that it told us when it was made; of a pool's codes the
    name is enough, as the merchant had them in the shop before.
    """
    found = answer.value
    if found is None or code.pool_id is not None or found.reference == (code.bulk_reference or redeemed.reference):
        return answer
    if code.remote_id and found.remote_id == code.remote_id:
        return answer
    return replace(answer, value=None, observed=replace(answer.observed, excerpt=NOT_OURS))


def keep(
    *,
    code: RewardCode,
    cancellation_id: int | None,
    kind: EvidenceKind,
    answer: Answer[PlatformCode | None],
    now: datetime,
) -> None:
    """A row of evidence. A code the shop does not have is as dead as one that it has disabled."""
    alive = answer.value.alive if answer.value is not None else False
    CodeEvidence.objects.create(
        code=code,
        cancellation_id=cancellation_id,
        kind=kind,
        alive=alive if answer.ok else None,
        observed_at=now,
        status=answer.observed.status,
        request_id=answer.observed.request_id[:120],
        excerpt=(answer.observed.excerpt or answer.reason)[:500],
    )


def seconds_dead(*, cancellation_id: int, now: datetime) -> float:
    """How long ago the shop first showed the code dead after it was told to disable it; 0 when it has not."""
    dead = CodeEvidence.objects.filter(cancellation_id=cancellation_id, kind=EvidenceKind.DISABLED, alive=False)
    first = dead.order_by("id").values_list("observed_at", flat=True).first()
    return (now - first).total_seconds() if first is not None else 0.0
