"""Whether our record of a code and the shop's agree, and what is safe to do when they do not. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from loyalty.common import plans
from platforms.adapter import Capabilities, PlatformCode
from rewards.models import BULK_REFERENCE, FindingDetail, FindingKind, FulfillmentStatus, Repair, UsageStatus

DAY = timedelta(days=1)  # some shops keep the last day of a code, not its instant
OUR_MARK = re.compile(rf"rr-[0-9]+|{BULK_REFERENCE}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The redeemed reward that has a code."""

    redeemed_reward_id: int
    reference: str  # that the shop keeps with it: its own, or that of the discount it shares
    fulfillment: str
    usage: str
    used_order_id: str = ""
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    percent: Decimal | None = None
    amount: Decimal | None = None
    product_reference: str = ""
    minimum_order: Decimal | None = None
    collections: frozenset[str] = frozenset()
    travels: bool = False  # the code is printed on something that goes to the customer
    changing: bool = False  # a cancellation or a longer life is under way: the shop is being asked already
    keeps_working: bool = False  # canceled, and the code was left alive on purpose
    used_knowingly: bool = False  # canceled after it was used
    used_after_end: bool = False  # an order used it after it was canceled, whether or not the shop counts that


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """A code as we have it. Without a code id: we do not know it at all."""

    canonical: str
    code_id: int | None = None
    is_shared: bool = False
    from_pool: bool = False
    awaited: bool = False  # not known, and rewards that share its discount wait to be told which codes the shop made up
    holders: tuple[Holder, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs, and what would put it right."""

    kind: FindingKind
    detail: FindingDetail
    repair: Repair = Repair.NONE


def judge(*, ours: Ours, theirs: PlatformCode | None, capabilities: Capabilities, now: datetime) -> Difference | None:
    """What differs between both sides; None when they agree, or when one of them is being changed at the moment."""
    if ours.is_shared or len(ours.holders) > 1:
        return _of_many(ours, theirs, now=now)
    if not ours.holders:
        return _of_nobody(ours, theirs)
    holder = ours.holders[0]
    if holder.changing or holder.fulfillment == FulfillmentStatus.PENDING:
        return None  # whoever changes or generates it looks for itself
    if holder.fulfillment == FulfillmentStatus.ISSUED:
        return _of_issued(holder, theirs, ours=ours, capabilities=capabilities, now=now)
    if holder.fulfillment == FulfillmentStatus.CANCELLED:
        return _of_canceled(holder, theirs, ours=ours)
    return _of_failed(holder, theirs, ours=ours)


def is_marked(theirs: PlatformCode) -> bool:
    """Whether the shop keeps a reference with the code that only we write."""
    return OUR_MARK.fullmatch(theirs.reference) is not None


def differing_fields(holder: Holder, theirs: PlatformCode, *, ours: Ours, capabilities: Capabilities) -> list[str]:
    """What of its worth and its end the shop has otherwise. A value that the shop does not tell is no difference."""
    worth = (theirs.percent, theirs.amount)
    wrong = {
        "value": worth not in ((None, None), (holder.percent, holder.amount)),
        "product": theirs.product_reference not in ("", holder.product_reference),
    }
    if not ours.from_pool:  # the merchant made those in the shop, with days and minimum of their own
        wrong |= {
            "minimum order": capabilities.minimum_order
            and (theirs.minimum_order or None) != (holder.minimum_order or None),
            "collections": bool(capabilities.collections) and frozenset(theirs.collections) != holder.collections,
            "end": capabilities.expiry and _ends_otherwise(holder.expires_at, theirs.expires_at),
        }
    return [name for name, differs in wrong.items() if differs]


def digest(difference: Difference, *, ours: Ours, theirs: PlatformCode | None) -> str:
    """A short digest of what differs: the same once more has the same, whatever else of the code has changed since."""
    facts: dict[str, Any] = {"code": ours.canonical, "kind": difference.kind, "detail": difference.detail}
    if theirs is not None:
        facts |= {"alive": theirs.alive, "uses": theirs.uses, "worth": [theirs.percent, theirs.amount]}
        facts |= {"rest": [theirs.product_reference, theirs.minimum_order, theirs.collections, theirs.expires_at]}
    facts["ours"] = [
        [each.redeemed_reward_id, each.fulfillment, each.usage, each.percent, each.amount, each.expires_at]
        for each in ours.holders
    ]
    return plans.fingerprint(facts)


def evidence_of(theirs: PlatformCode | None) -> dict[str, Any] | None:
    """The shop's side, fit to be kept and read back by `code_from`."""
    if theirs is None:
        return None
    return {
        "code": theirs.code,
        "remote_id": theirs.remote_id,
        "alive": theirs.alive,
        "reference": theirs.reference,
        "uses": theirs.uses,
        "taken": theirs.taken,
        "percent": _text(theirs.percent),
        "amount": _text(theirs.amount),
        "product_reference": theirs.product_reference,
        "minimum_order": _text(theirs.minimum_order),
        "collections": list(theirs.collections),
        "expires_at": _text(theirs.expires_at),
    }


def code_from(told: Mapping[str, Any] | None) -> PlatformCode | None:
    """The reverse of `evidence_of`."""
    if told is None:
        return None
    ends = told["expires_at"]
    return PlatformCode(
        code=told["code"],
        remote_id=told["remote_id"],
        alive=told["alive"],
        reference=told["reference"],
        uses=told["uses"],
        taken=told.get("taken", False),  # which releases before this one did not keep
        percent=_decimal(told["percent"]),
        amount=_decimal(told["amount"]),
        product_reference=told["product_reference"],
        minimum_order=_decimal(told["minimum_order"]),
        collections=tuple(told["collections"]),
        expires_at=datetime.fromisoformat(ends) if ends else None,
    )


def our_evidence(ours: Ours) -> dict[str, Any]:
    """Our side, fit to be kept."""
    holder = ours.holders[0] if len(ours.holders) == 1 else None
    found: dict[str, Any] = {"known": ours.code_id is not None, "rewards": len(ours.holders)}
    found |= {"shared": ours.is_shared, "pool": ours.from_pool}
    if holder is None:
        return found
    return found | {
        "reference": holder.reference,
        "fulfillment": holder.fulfillment,
        "usage": holder.usage,
        "used_order_id": holder.used_order_id,
        "percent": _text(holder.percent),
        "amount": _text(holder.amount),
        "product_reference": holder.product_reference,
        "minimum_order": _text(holder.minimum_order),
        "collections": sorted(holder.collections),
        "expires_at": _text(holder.expires_at),
    }


def _of_many(ours: Ours, theirs: PlatformCode | None, *, now: datetime) -> Difference | None:
    """One code for many: only that it is gone while somebody counts on it; a person has to look."""
    counting = [
        each
        for each in ours.holders
        if (each.fulfillment, each.usage) == (FulfillmentStatus.ISSUED, UsageStatus.UNUSED)
        and not _is_over(each, now=now)
        and not _has_not_begun(each, now=now)
    ]
    if not counting or (theirs is not None and theirs.alive):
        return None
    return Difference(FindingKind.GHOST, FindingDetail.ABSENT if theirs is None else FindingDetail.DEAD)


def _of_nobody(ours: Ours, theirs: PlatformCode | None) -> Difference | None:
    """Codes that wait in a pool may be in the shop or not; anything else with our mark that works is too much."""
    if theirs is None or not theirs.alive or not is_marked(theirs) or ours.from_pool or ours.awaited:
        return None
    detail = FindingDetail.UNKNOWN_HERE if ours.code_id is None else FindingDetail.NO_REWARD
    return Difference(FindingKind.ORPHAN, detail, Repair.DISABLE)


def _of_failed(holder: Holder, theirs: PlatformCode | None, *, ours: Ours) -> Difference | None:
    """It came to nothing here, and the shop made it even so, later than it was asked about."""
    if theirs is None or not theirs.alive or ours.from_pool or theirs.reference != holder.reference:
        return None
    return Difference(FindingKind.ORPHAN, FindingDetail.NO_REWARD, Repair.DISABLE)


def _of_canceled(holder: Holder, theirs: PlatformCode | None, *, ours: Ours) -> Difference | None:
    if theirs is None or holder.keeps_working or not _is_the_same(holder, theirs, ours=ours):
        return None
    if theirs.alive:
        return Difference(FindingKind.ZOMBIE, FindingDetail.CANCELED, Repair.KILL_AND_PROVE)
    used = bool(theirs.uses) or holder.used_after_end
    if used and holder.usage == UsageStatus.UNUSED and not holder.used_knowingly:
        return Difference(FindingKind.USE_DRIFT, FindingDetail.USED_AFTER_CANCEL)
    return None


def _of_issued(
    holder: Holder, theirs: PlatformCode | None, *, ours: Ours, capabilities: Capabilities, now: datetime
) -> Difference | None:
    if theirs is None or not _is_the_same(holder, theirs, ours=ours):
        detail = FindingDetail.ABSENT if theirs is None else FindingDetail.FOREIGN
        return _ghost(holder, detail, now=now)
    if theirs.uses and holder.usage == UsageStatus.UNUSED:
        return Difference(FindingKind.USE_DRIFT, FindingDetail.USED_THERE)
    if holder.usage == UsageStatus.USED:
        lives_on = theirs.uses == 0 and theirs.alive
        return Difference(FindingKind.USE_DRIFT, FindingDetail.USED_HERE) if lives_on else None
    if not theirs.alive and not theirs.uses and not theirs.taken and not _has_not_begun(holder, now=now):
        return _ghost(holder, FindingDetail.DEAD, now=now)  # what an unpaid order has taken is told of when it is paid
    ended = _is_over(holder, now=now) and not theirs.alive
    if not ended and differing_fields(holder, theirs, ours=ours, capabilities=capabilities):
        return Difference(FindingKind.VALUE_DRIFT, FindingDetail.VALUE, _repair_of_drift(holder, theirs, now=now))
    return None


def _repair_of_drift(holder: Holder, theirs: PlatformCode, *, now: datetime) -> Repair:
    """What is over here ends in the shop, too; what counts is given anew as it was promised.

    A person has to look at what may be half spent, what is printed in a parcel, and what an order may have taken.
    """
    if holder.usage != UsageStatus.UNUSED or not theirs.alive or theirs.uses or theirs.taken:
        return Repair.NONE
    if _is_over(holder, now=now):
        return Repair.DISABLE if is_marked(theirs) and theirs.reference == holder.reference else Repair.NONE
    return Repair.NONE if holder.travels else Repair.REISSUE


def _ghost(holder: Holder, detail: FindingDetail, *, now: datetime) -> Difference | None:
    """What was used or is over is missed by nobody.

    A person has to look where a code may be half spent, is printed in a parcel, or where its name is another's by now.
    """
    if holder.usage == UsageStatus.USED or _is_over(holder, now=now):
        return None
    known = detail != FindingDetail.FOREIGN and not holder.travels
    replaceable = known and holder.usage == UsageStatus.UNUSED
    return Difference(FindingKind.GHOST, detail, Repair.REISSUE if replaceable else Repair.NONE)


def _is_the_same(holder: Holder, theirs: PlatformCode, *, ours: Ours) -> bool:
    """Whether the shop's code is the one we asked for. Where the shop keeps no reference its name must do."""
    return ours.from_pool or theirs.reference in ("", holder.reference)


def _is_over(holder: Holder, *, now: datetime) -> bool:
    return holder.expires_at is not None and holder.expires_at <= now


def _has_not_begun(holder: Holder, *, now: datetime) -> bool:
    return holder.starts_at is not None and now < holder.starts_at


def _ends_otherwise(ours: datetime | None, theirs: datetime | None) -> bool:
    if ours is None or theirs is None:
        return ours is not theirs
    return abs(ours - theirs) > DAY


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
