"""What canceling a reward would do: every effect, stated before anyone clicks. Reads only."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from loyalty.common import plans
from loyalty.merchant.models import Programme
from loyalty.points import ledger
from loyalty.points.errors import NotReversible
from loyalty.points.returns import ReturnLine, Way
from rewards import issuing, payouts
from rewards.models import (
    Cancellation,
    CancellationState,
    DeliveryStatus,
    FulfillmentStatus,
    IssueWork,
    RedeemedReward,
    UsageStatus,
)

ALIVE = [FulfillmentStatus.PENDING, FulfillmentStatus.ISSUED]
PARCEL_EFFECTS: dict[str, str] = {
    DeliveryStatus.ORDERED: "Its delivery is canceled: no parcel goes out.",
    DeliveryStatus.SHIPPED: "The parcel is on its way, and is not called back.",
    DeliveryStatus.DELIVERED: "The parcel has arrived, and stays with the customer.",
    DeliveryStatus.CANCELLED: "No parcel comes: its delivery was canceled before.",
}


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that canceling would do. `kind` is one of: use, code, payout, points, limit, delivery, customer."""

    kind: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationPlan:
    """Every effect of canceling, stated before. `refusal` says why it cannot be done; then there are no effects."""

    redeemed_reward_id: int
    name: str
    code: str
    effects: tuple[Effect, ...]
    points_returned: int
    lines: tuple[ReturnLine, ...]
    after_use: bool  # it was used, and what it gave stays with the customer
    fingerprint: str
    refusal: str = ""


def plan(
    *, redeemed_reward_id: int, now: datetime, return_points: bool = True, after_use: bool = False
) -> CancellationPlan:
    """What canceling would do, now; with `after_use` also where the reward was used. Reads only."""
    redeemed = readable(RedeemedReward.objects.all()).get(pk=redeemed_reward_id)
    return plan_of(redeemed, now=now, return_points=return_points, after_use=after_use)


def readable(rows: QuerySet[RedeemedReward]) -> QuerySet[Any]:
    """Rows with all of their own that a plan looks at, in one query: for `plan_of`."""
    under_way = Cancellation.objects.filter(redeemed_reward=OuterRef("pk"), state=CancellationState.CANCELLING)
    others = RedeemedReward.objects.filter(code=OuterRef("code"), fulfillment_status__in=ALIVE)
    return rows.select_related("code", "connection", "payout__account").annotate(
        is_being_cancelled=Exists(under_way), others_hold_its_code=Exists(others.exclude(pk=OuterRef("pk")))
    )


def plan_of(
    redeemed: Any,
    *,
    now: datetime,
    return_points: bool = True,
    after_use: bool = False,
    programme: Programme | None = None,
) -> CancellationPlan:
    """The plan for one of the `readable` rows, as it was read: two queries more where its points would come back.

    `programme` is for callers who have it. Reads only.
    """
    refusal = _refusal(redeemed, now=now, after_use=after_use)
    lines = return_lines(redeemed, now=now, programme=programme) if return_points and not refusal else []
    consumed = was_consumed(redeemed)
    effects = () if refusal else _effects(redeemed, lines, return_points=return_points, now=now)
    return CancellationPlan(
        redeemed_reward_id=redeemed.pk,
        name=redeemed.name,
        code=redeemed.code.code if redeemed.code is not None else "",
        effects=effects,
        points_returned=sum(line.points for line in lines),
        lines=tuple(lines),
        after_use=consumed,
        refusal=refusal,
        fingerprint=plans.fingerprint(
            {
                "id": redeemed.pk,
                "axes": [redeemed.fulfillment_status, redeemed.usage_status, redeemed.delivery_status],
                "code": redeemed.code_id,
                "lines": [[line.lot_id, line.points, line.way, _day(line.expires_at)] for line in lines],
                "return_points": return_points,
                "refusal": refusal,
            }
        ),
    )


def was_consumed(redeemed: RedeemedReward) -> bool:
    """Whether the customer had something of it: used, and no gift whose parcel never went or came back."""
    spared = redeemed.is_gift and redeemed.delivery_status == DeliveryStatus.CANCELLED
    return redeemed.usage_status == UsageStatus.USED and not spared


def others_hold_the_code(redeemed: RedeemedReward) -> bool:
    """Whether others have the same code, or are about to get it: it must not die with this one."""
    if redeemed.code_id is None:
        return False
    if redeemed.code is not None and redeemed.code.is_shared:
        return True
    others = RedeemedReward.objects.filter(code_id=redeemed.code_id, fulfillment_status__in=ALIVE)
    return others.exclude(pk=redeemed.pk).exists()


def _refusal(redeemed: Any, *, now: datetime, after_use: bool) -> str:
    name = f"“{redeemed.name}”"
    match redeemed.fulfillment_status:
        case FulfillmentStatus.CANCELLED:
            return f"{name} is canceled already."
        case FulfillmentStatus.FAILED:
            return f"{name} failed and was never the customer's: there is nothing to cancel."
        case FulfillmentStatus.PENDING:
            return _pending_refusal(redeemed, now=now) or _payout_refusal(redeemed, now=now)
    return _issued_refusal(redeemed, after_use=after_use) or _payout_refusal(redeemed, now=now)


def _payout_refusal(redeemed: RedeemedReward, *, now: datetime) -> str:
    payout = getattr(redeemed, "payout", None)
    return "" if payout is None else payouts.cancel_refusal_of(payout, name=redeemed.name, now=now)


def _issued_refusal(redeemed: Any, *, after_use: bool) -> str:
    if redeemed.is_being_cancelled:
        return f"“{redeemed.name}” is being canceled already."
    return _use_refusal(redeemed, after_use=after_use)


def _use_refusal(redeemed: RedeemedReward, *, after_use: bool) -> str:
    if was_consumed(redeemed) and not after_use:
        return f"“{redeemed.name}” was used: mark it unused first if that was a mistake."
    if after_use and not was_consumed(redeemed):
        return f"“{redeemed.name}” was not used: cancel it the usual way."
    spent = redeemed.remaining is not None and redeemed.remaining != redeemed.amount
    if spent and not after_use:
        return f"A part of “{redeemed.name}” was spent already: what remains stays with the customer."
    return ""


def _pending_refusal(redeemed: Any, *, now: datetime) -> str:
    if not redeemed.on_profile:
        return f"“{redeemed.name}” is being checked with the shop: it settles by itself within minutes."
    work = IssueWork.objects.filter(pk=redeemed.pk).first()
    if work is not None and work.claimed_until is not None and work.claimed_until > now:
        return f"“{redeemed.name}” is being generated this moment: try again in a minute."
    if (
        work is not None
        and work.in_doubt_since is not None
        and not issuing.absence_counts(work.in_doubt_since, now=now)
    ):
        return f"The shop has not said whether it made “{redeemed.name}”: try again in a minute."
    if redeemed.is_being_cancelled:
        return f"“{redeemed.name}” is being canceled already."
    return ""


def _effects(redeemed: Any, lines: list[ReturnLine], *, return_points: bool, now: datetime) -> tuple[Effect, ...]:
    effects = []
    if was_consumed(redeemed):
        effects.append(Effect("use", _consumed_sentence(redeemed)))
    elif redeemed.expires_at is not None and redeemed.expires_at <= now:
        effects.append(Effect("use", f"Its time was over on {_day(redeemed.expires_at)}, and it was never used."))
    if redeemed.code is not None and (redeemed.code.is_shared or redeemed.others_hold_its_code):
        sentence = (
            f"The code {redeemed.code.code} keeps working, for this customer too: it is one code for many, and nothing "
            "is disabled in the shop."
            if redeemed.code.is_shared
            else f"The code {redeemed.code.code} keeps working: other customers have the same one."
        )
        effects.append(Effect("code", sentence))
    elif redeemed.code is not None:
        where = f" in {redeemed.connection.name}" if redeemed.connection is not None else ""
        effects.append(Effect("code", f"The code {redeemed.code.code} stops working{where}, and that is checked."))
    if redeemed.cashback_status:
        effects.append(Effect("payout", "No money is paid out. If staff pay it by hand: make sure that nobody has."))
    if redeemed.cost_in_points and not return_points:
        effects.append(Effect("points", f"The {redeemed.cost_in_points} points are not returned."))
    effects.extend(Effect("points", _line_sentence(line)) for line in lines)
    effects.append(Effect("limit", "Its place in every limit becomes free again."))
    if redeemed.is_gift and redeemed.delivery_status:
        effects.append(Effect("delivery", PARCEL_EFFECTS[redeemed.delivery_status]))
    effects.append(Effect("customer", "The customer no longer sees it."))
    return tuple(effects)


def _consumed_sentence(redeemed: RedeemedReward) -> str:
    """What the customer has had of it, which no cancellation takes back."""
    if redeemed.is_gift:
        return f"The gift was ordered on {_day(redeemed.used_at)}."
    order = f" on order {redeemed.used_order_id}" if redeemed.used_order_id else ""
    return f"The discount was given{order} on {_day(redeemed.used_at)}: the customer keeps it."


def _line_sentence(line: ReturnLine) -> str:
    points = f"{line.points} points go back"
    if line.way is Way.FRESH_LOT:
        return f"{points}; their lot has expired meanwhile, so they now live until {_day(line.expires_at)}."
    if line.way is Way.EXPIRES_AT_ONCE:
        return f"{points} and expire at once, as their lot did on {_day(line.expires_at)}."
    if line.expires_at is None:
        return f"{points} to the lot they came from; they never expire."
    return f"{points} to the lot they came from; they expire on {_day(line.expires_at)}."


def _day(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant - timedelta(microseconds=1):%Y-%m-%d}"


def return_lines(redeemed: RedeemedReward, *, now: datetime, programme: Programme | None = None) -> list[ReturnLine]:
    if redeemed.debit_id is None:
        return []
    try:
        return ledger.plan_reversal(transaction_id=redeemed.debit_id, now=now, programme=programme)
    except NotReversible:
        return []
