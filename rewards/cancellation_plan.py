"""What canceling a reward would do: every effect, stated before anyone clicks. Reads only."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from loyalty.common import plans
from loyalty.points import ledger
from loyalty.points.errors import NotReversible
from loyalty.points.returns import ReturnLine, Way
from rewards import issuing, usage
from rewards.models import FulfillmentStatus, IssueWork, RedeemedReward, UsageStatus


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that canceling would do. `kind` is one of: code, points, limit, delivery, customer."""

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
    fingerprint: str
    refusal: str = ""


def plan(*, redeemed_reward_id: int, now: datetime, return_points: bool = True) -> CancellationPlan:
    """What canceling would do, now. Reads only."""
    redeemed = RedeemedReward.objects.select_related("code", "connection").get(pk=redeemed_reward_id)
    refusal = _refusal(redeemed, now=now)
    lines = return_lines(redeemed, now=now) if return_points and not refusal else []
    effects = () if refusal else _effects(redeemed, lines, return_points=return_points)
    return CancellationPlan(
        redeemed_reward_id=redeemed.pk,
        name=redeemed.name,
        code=redeemed.code.code if redeemed.code is not None else "",
        effects=effects,
        points_returned=sum(line.points for line in lines),
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


def _refusal(redeemed: RedeemedReward, *, now: datetime) -> str:
    name = f"“{redeemed.name}”"
    match redeemed.fulfillment_status:
        case FulfillmentStatus.CANCELLED:
            return f"{name} is canceled already."
        case FulfillmentStatus.FAILED:
            return f"{name} failed and was never the customer's: there is nothing to cancel."
        case FulfillmentStatus.PENDING:
            return _pending_refusal(redeemed, now=now)
    return _issued_refusal(redeemed)


def _issued_refusal(redeemed: RedeemedReward) -> str:
    name = f"“{redeemed.name}”"
    if usage.open_cancellation(redeemed_reward_id=redeemed.pk) is not None:
        return f"{name} is being canceled already."
    if redeemed.usage_status == UsageStatus.USED:
        return f"{name} was used: mark it unused first if that was a mistake."
    spent = redeemed.remaining is not None and redeemed.remaining != redeemed.amount
    return f"A part of {name} was spent already: what remains stays with the customer." if spent else ""


def _pending_refusal(redeemed: RedeemedReward, *, now: datetime) -> str:
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
    if usage.open_cancellation(redeemed_reward_id=redeemed.pk) is not None:
        return f"“{redeemed.name}” is being canceled already."
    return ""


def _effects(redeemed: RedeemedReward, lines: list[ReturnLine], *, return_points: bool) -> tuple[Effect, ...]:
    effects = []
    if redeemed.code is not None:
        where = f" in {redeemed.connection.name}" if redeemed.connection is not None else ""
        effects.append(Effect("code", f"The code {redeemed.code.code} stops working{where}, and that is checked."))
    if redeemed.cost_in_points and not return_points:
        effects.append(Effect("points", f"The {redeemed.cost_in_points} points are not returned."))
    effects.extend(Effect("points", _line_sentence(line)) for line in lines)
    effects.append(Effect("limit", "Its place in every limit becomes free again."))
    if redeemed.delivery_status:
        effects.append(Effect("delivery", "Its delivery is not changed."))
    effects.append(Effect("customer", "The customer no longer sees it."))
    return tuple(effects)


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


def return_lines(redeemed: RedeemedReward, *, now: datetime) -> list[ReturnLine]:
    if redeemed.debit_id is None:
        return []
    try:
        return ledger.plan_reversal(transaction_id=redeemed.debit_id, now=now)
    except NotReversible:
        return []
