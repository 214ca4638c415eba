"""Give a reward more time, an expired one too: where no shop has to be told."""

from datetime import datetime

from django.db import transaction

from loyalty.common import clock
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant import queries as merchant
from platforms import registry as platforms
from rewards import issuing, lifecycle, usage
from rewards.models import FulfillmentStatus, RedeemedReward, UsageStatus

MOST_DAYS = 3_650


class ExtensionRefused(DomainError):
    """This reward cannot live longer."""

    code = "extension_refused"


@transaction.atomic
def extend(*, redeemed_reward_id: int, days: int, actor: Actor, now: datetime) -> RedeemedReward:
    """Let it live to the end of the day that lies `days` after today. The same end again changes nothing.

    Raises ExtensionRefused.
    """
    redeemed = issuing.locked(redeemed_reward_id=redeemed_reward_id, now=now)
    if sentence := refusal(redeemed=redeemed):
        raise ExtensionRefused(sentence)
    if not 1 <= days <= MOST_DAYS:
        raise ExtensionRefused(f"{days} days are not possible: choose from 1 to {MOST_DAYS}.")
    before, until = redeemed.expires_at, clock.end_of_day(now, days, merchant.programme().zone)
    if before == until:
        return redeemed
    if before is not None and until < before:
        raise ExtensionRefused(f"“{redeemed.name}” lives longer than that already: it is extended, never cut short.")
    lifecycle.move(redeemed, now=now, expires_at=until)
    log.record(
        kind="reward.extended",
        subject_type="redeemed_reward",
        subject_id=redeemed.pk,
        customer_id=redeemed.customer_id,
        actor=actor,
        now=now,
        before=before.isoformat() if before is not None else None,
        until=until.isoformat(),
    )
    return redeemed


def refusal(*, redeemed: RedeemedReward) -> str:
    """Why it cannot be extended; empty when it can."""
    name = f"“{redeemed.name}”"
    if redeemed.fulfillment_status != FulfillmentStatus.ISSUED:
        state = redeemed.get_fulfillment_status_display().lower()
        return f"{name} is {state}: only an issued reward is extended."
    if redeemed.usage_status == UsageStatus.USED:
        return f"{name} was used: there is nothing to extend."
    if redeemed.expires_at is None:
        return f"{name} never expires: there is nothing to extend."
    if redeemed.connection is not None and platforms.calls_out(redeemed.connection):
        return f"{redeemed.connection.name} keeps the last day of its codes: grant another reward instead of {name}."
    if usage.open_cancellation(redeemed_reward_id=redeemed.pk) is not None:
        return f"{name} is being canceled: it is not extended."
    return ""
