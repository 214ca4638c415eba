"""What stands between one customer and rewards: what cannot be redeemed and why, what waits, what failed lately.

In words for staff, with what they can do about it. Reads only, in a constant number of queries.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Q

from platforms import breaker
from rewards import catalogue, queries
from rewards.advice import advice
from rewards.catalogue import CustomerDisabled, Offer
from rewards.models import (
    FINAL,
    Cancellation,
    CancellationState,
    CodeExtension,
    FulfillmentStatus,
    IssueWork,
    Origin,
    Payout,
    RedeemedReward,
    Reward,
)
from rewards.models.extension import OPEN

LATELY = timedelta(days=30)
MOST_ROWS = 20  # of each kind
ASKED_AGAIN = "Nothing: the shop is asked again by itself. Its page says what was answered so far."
PAID_BY_PROVIDER = "Nothing: the provider is asked by itself."
PAID_BY_STAFF = "Pay it, and say on its page that it is paid, or why it cannot be."
REMEDIES: dict[str, str] = {  # by what stands in the way
    "insufficient_points": "It opens by itself once the points are there. Adjust the balance, or grant it without points.",
    "points_owed": "Collect or waive what is owed, on this page.",
    "limit_reached": "Cancel one that was not used, or raise the limit per customer in the catalogue.",
    "period_limit_reached": "It opens by itself when the period is over, or when the limit is raised in the catalogue.",
    "reward_sold_out": "Raise the total in the catalogue, or cancel one that was not used.",
    "daily_limit_reached": "It opens by itself tomorrow. Or raise its limit of money a day in the catalogue.",
    "liability_limit_reached": "It opens by itself as others use theirs. Or raise its limit of value in the catalogue.",
    "receiver_missing": "Add an e-mail address, on this page.",
    "pool_empty": "Import codes into its pool, or have some made.",
    "reward_not_started": "It opens by itself on its first day.",
    "reward_ended": "Move its last day in the catalogue.",
    "not_in_audience": "Add the customer to those it is for, in the catalogue.",
}
NOT_OFFERED = "It is kept for others: this customer is not among those it is for, and does not see it."
EXCLUDED = (
    "The customer is excluded from the programme: nothing can be redeemed or granted. Edit the state to change that."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One reward that cannot be redeemed now."""

    reward_id: int
    name: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One reward that somebody, or something, is at."""

    redeemed_reward_id: int
    name: str
    what: str
    next_at: datetime | None
    remedy: str
    connection_id: int | None = None
    account_id: int | None = None  # the payout account that is asked
    shop_trouble: str = ""  # what keeps its whole shop, or payout account


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """One reward that came to nothing."""

    redeemed_reward_id: int
    name: str
    failed_at: datetime
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All of it. `excluded` says why nothing at all can be had; then no single reward is named."""

    excluded: str
    refused: list[Refused]
    possible: int  # rewards that can be redeemed now
    waiting: list[Waiting]
    failed: list[Failed]


def of(*, customer_id: int, now: datetime) -> Picture:
    """What stands in one customer's way, now. Raises UnknownCustomer."""
    try:
        offers = catalogue.offers(customer_id=customer_id, now=now)
        excluded = ""
    except CustomerDisabled:
        offers, excluded = [], EXCLUDED
    return Picture(
        excluded=excluded,
        refused=[] if excluded else _refused(offers, now=now),
        possible=sum(offer.available for offer in offers),
        waiting=_with_trouble(_waiting(customer_id), now=now),
        failed=_failed(customer_id, now=now),
    )


def _refused(offers: list[Offer], *, now: datetime) -> list[Refused]:
    """Those the customer sees and cannot have, and those that are for others; what asks for the same stands together."""
    names_for_staff = dict(
        Reward.objects.filter(pk__in=[offer.reward_id for offer in offers]).values_list("pk", "name")
    )
    seen = [
        Refused(
            reward_id=offer.reward_id,
            name=names_for_staff[offer.reward_id],
            reason=_reason(offer),
            remedy=REMEDIES.get(offer.reason_code, "Look at its settings in the catalogue."),
        )
        for offer in offers
        if not offer.available
    ]
    hidden = catalogue.on_offer(now=now).exclude(pk__in=[offer.points_product_id for offer in offers])
    names = hidden.order_by("reward__name", "pk").values_list("reward_id", "reward__name")
    for_others = [
        Refused(reward_id=pk, name=name, reason=NOT_OFFERED, remedy=REMEDIES["not_in_audience"])
        for pk, name in names[:MOST_ROWS]
    ]
    return sorted(seen, key=lambda each: each.remedy) + for_others


def _reason(offer: Offer) -> str:
    """The customer's sentence; where that counts points, with the price beside it."""
    if offer.reason_code != "insufficient_points":
        return offer.reason
    least = "at least " if offer.steps is not None else ""
    return f"{offer.missing_points} more points are needed: it costs {least}{offer.cost_in_points}."


def _waiting(customer_id: int) -> list[Waiting]:
    mine = {"redeemed_reward__customer_id": customer_id}
    works = IssueWork.objects.filter(**mine).select_related("redeemed_reward").order_by("due_at", "pk")
    found = [
        Waiting(
            redeemed_reward_id=work.pk,
            name=work.redeemed_reward.name,
            what="Being generated in the shop."
            if work.redeemed_reward.on_profile
            else "Being checked: the shop did not say whether it made the code. The points are set aside.",
            next_at=work.due_at,
            remedy=ASKED_AGAIN,
            connection_id=work.redeemed_reward.connection_id,
        )
        for work in works[:MOST_ROWS]
    ]
    under_way = Cancellation.objects.filter(**mine, state=CancellationState.CANCELLING)
    found += [
        Waiting(
            redeemed_reward_id=row.redeemed_reward_id,
            name=row.redeemed_reward.name,
            what=f"Being canceled: the shop has not proved its code dead. {row.last_reason}".strip(),
            next_at=row.due_at,
            remedy="The shop is asked again by itself. Cancel by force if it cannot be reached any more.",
            connection_id=row.redeemed_reward.connection_id,
        )
        for row in under_way.select_related("redeemed_reward").order_by("due_at", "pk")[:MOST_ROWS]
    ]
    unpaid = Payout.objects.filter(**mine).exclude(state__in=FINAL).select_related("redeemed_reward")
    found += [
        Waiting(
            redeemed_reward_id=row.redeemed_reward_id,
            name=row.redeemed_reward.name,
            what="The money is on its way: what the provider said last stands on its page.",
            next_at=row.next_attempt_at,
            remedy=PAID_BY_PROVIDER if row.next_attempt_at is not None else PAID_BY_STAFF,
            account_id=row.account_id if row.next_attempt_at is not None else None,
        )
        for row in unpaid.order_by("next_attempt_at", "pk")[:MOST_ROWS]
    ]
    longer = CodeExtension.objects.filter(**mine, state__in=OPEN)
    found += [
        Waiting(
            redeemed_reward_id=row.redeemed_reward_id,
            name=row.redeemed_reward.name,
            what=f"Being extended: the shop has not answered yet. {row.last_reason}".strip(),
            next_at=row.due_at,
            remedy=ASKED_AGAIN,
            connection_id=row.redeemed_reward.connection_id,
        )
        for row in longer.select_related("redeemed_reward").order_by("due_at", "pk")[:MOST_ROWS]
    ]
    return found


def _with_trouble(waiting: list[Waiting], *, now: datetime) -> list[Waiting]:
    """Beside each what is wrong with its shop, unless the shop said as much already."""
    shops = {each.connection_id for each in waiting if each.connection_id is not None}
    said = breaker.sentences(connection_ids=shops, now=now) if shops else {}
    accounts = {each.account_id for each in waiting if each.account_id is not None}
    unpaid = breaker.account_sentences(account_ids=accounts, now=now) if accounts else {}
    return [
        replace(each, shop_trouble=said.get(each.connection_id or 0, "") or unpaid.get(each.account_id or 0, ""))
        for each in waiting
    ]


def _failed(customer_id: int, *, now: datetime) -> list[Failed]:
    """Redemptions that came to nothing, and grants that failed and were not given anew; newest first."""
    rows = RedeemedReward.objects.filter(
        Q(on_profile=False) | Q(reissues__isnull=True),
        customer_id=customer_id,
        fulfillment_status=FulfillmentStatus.FAILED,
        redeemed_at__gt=now - LATELY,
    )
    return [
        Failed(
            redeemed_reward_id=row.pk,
            name=row.name,
            failed_at=row.updated_at,
            reason=row.failure_reason or "No reason was recorded.",
            remedy=_remedy(row),
        )
        for row in queries.with_status(rows, now).order_by("-redeemed_at", "-id")[:MOST_ROWS]
    ]


def _remedy(row: RedeemedReward) -> str:
    if not row.on_profile:
        then = "Then the customer can redeem it again: no points were spent."
    elif row.cashback_status and row.origin == Origin.REDEMPTION:
        then = "Then the customer can redeem it again: the points went back."
    else:
        then = "Then reissue it."
    return f"{advice(row)} {then}".strip()
