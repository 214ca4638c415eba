"""Our side of a comparison: codes with whoever has them, read some at a time."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from loyalty.events import log
from platforms.models import StoreConnection
from rewards import usage
from rewards.models import (
    FINDING_OPEN,
    Cancellation,
    CancellationState,
    CodeExtension,
    FulfillmentStatus,
    ReconciliationFinding,
    ReconciliationRun,
    RedeemedReward,
    RewardCode,
    UsageStatus,
)
from rewards.models.extension import OPEN as EXTENDING
from rewards.reconciliation.comparing import Holder, Ours

CODE = ("pk", "canonical", "is_shared", "pool_id", "bulk_reference")
REWARD = (
    "pk",
    "code_id",
    "type",
    "fulfillment_status",
    "usage_status",
    "used_order_id",
    "starts_at",
    "expires_at",
    "percent",
    "amount",
    "product_reference",
    "minimum_order",
    "collections",
)
MOST_HOLDERS = 1_000  # of a shared code: enough to tell that somebody counts on it


def of(*, connection_id: int, canonicals: Sequence[str]) -> list[Ours]:
    """These codes as we have them at this moment, those that are known here, in the order of their canonical form."""
    rows = RewardCode.objects.filter(connection_id=connection_id, canonical__in=canonicals).order_by("canonical")
    return _with_holders(list(rows.values(*CODE)))


def now_of(*, connection_id: int, canonical: str, reference: str = "") -> Ours:
    """One code as we have it at this moment, known here or not; `reference` is what the shop keeps with it."""
    found = of(connection_id=connection_id, canonicals=[canonical])
    return found[0] if found else Ours(canonical=canonical, awaited=_is_awaited(connection_id, reference))


def _is_awaited(connection_id: int, reference: str) -> bool:
    of_discount = RewardCode.objects.filter(connection_id=connection_id, bulk_reference=reference)
    waiting = of_discount.exclude(bulk_reference="").filter(
        redeemed_rewards__fulfillment_status=FulfillmentStatus.PENDING
    )
    return waiting.exists()


def moved(*, run: ReconciliationRun, after: int, limit: int) -> list[tuple[int, str]]:
    """Codes whose rewards changed since the run before, and those that still differ: id and canonical form, by id."""
    changed = RedeemedReward.objects.filter(
        connection_id=run.connection_id, updated_at__gte=run.since, updated_at__lt=run.began_at, code__isnull=False
    )
    differing = ReconciliationFinding.objects.filter(
        connection_id=run.connection_id, state__in=FINDING_OPEN, code__isnull=False
    )
    ids = (
        changed.filter(code_id__gt=after).values("code_id").union(differing.filter(code_id__gt=after).values("code_id"))
    )
    wanted = sorted(row["code_id"] for row in ids.order_by("code_id")[:limit])
    return list(RewardCode.objects.filter(pk__in=wanted).order_by("pk").values_list("pk", "canonical"))


def connection_of(run: ReconciliationRun) -> StoreConnection:
    """The shop, fresh from the database: credentials may have changed since."""
    return StoreConnection.objects.get(pk=run.connection_id)


def _with_holders(rows: Sequence[dict[str, Any]]) -> list[Ours]:
    holders: dict[int, list[Holder]] = defaultdict(list)
    own = [row["pk"] for row in rows if not row["is_shared"]]
    found = list(RedeemedReward.objects.filter(code_id__in=own).order_by("pk").values(*REWARD))
    for row in rows:
        if row["is_shared"]:
            found += _counting_on(RedeemedReward.objects.filter(code_id=row["pk"]))
    ids = [reward["pk"] for reward in found]
    ended = _cancellations(ids)
    changing = set(
        CodeExtension.objects.filter(redeemed_reward_id__in=ids, state__in=EXTENDING).values_list(
            "redeemed_reward_id", flat=True
        )
    )
    used_late = log.subjects_of(kind=usage.USED_AFTER_END, subject_type="redeemed_reward", ids=list(ended))
    in_bulk = {row["pk"]: row["bulk_reference"] for row in rows}
    for reward in found:
        reference = in_bulk[reward["code_id"]] or RedeemedReward(pk=reward["pk"]).reference
        holder = _holder(reward, ended.get(reward["pk"]), reference=reference, changing=changing, used_late=used_late)
        holders[reward["code_id"]].append(holder)
    return [
        Ours(
            canonical=row["canonical"],
            code_id=row["pk"],
            is_shared=row["is_shared"],
            from_pool=row["pool_id"] is not None,
            holders=tuple(holders[row["pk"]]),
        )
        for row in rows
    ]


def _counting_on(rows: QuerySet[RedeemedReward]) -> list[dict[str, Any]]:
    """Of those with a shared code, some that have not used it."""
    unused = rows.filter(fulfillment_status="issued", usage_status=UsageStatus.UNUSED)
    return list(unused.order_by("-pk").values(*REWARD)[:MOST_HOLDERS])


def _cancellations(ids: Sequence[int]) -> dict[int, Cancellation]:
    """The latest cancellation of each; one that ended in a use leaves the reward as it was."""
    rows = Cancellation.objects.filter(redeemed_reward_id__in=ids).exclude(state=CancellationState.USED_MEANWHILE)
    return {row.redeemed_reward_id: row for row in rows.order_by("pk")}


def _holder(
    reward: dict[str, Any], ended: Cancellation | None, *, reference: str, changing: set[int], used_late: set[int]
) -> Holder:
    return Holder(
        redeemed_reward_id=reward["pk"],
        reference=reference,
        fulfillment=reward["fulfillment_status"],
        usage=reward["usage_status"],
        used_order_id=reward["used_order_id"],
        starts_at=reward["starts_at"],
        expires_at=reward["expires_at"],
        percent=reward["percent"],
        amount=reward["amount"],
        product_reference=reward["product_reference"],
        minimum_order=reward["minimum_order"],
        collections=frozenset(reference for reference, _ in reward["collections"]),
        travels=reward["type"] == "gift",
        changing=reward["pk"] in changing or (ended is not None and ended.state == CancellationState.CANCELLING),
        keeps_working=ended is not None and ended.state == CancellationState.SHARED,
        used_knowingly=ended is not None and ended.after_use,
        used_after_end=reward["pk"] in used_late,
    )
