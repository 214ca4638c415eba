"""What staff say of payouts they send by hand, or had to look up: paid, or refused with a reason."""

from datetime import datetime

from django.db import transaction

from loyalty.common.actors import Actor
from platforms.payouts import registry
from platforms.payouts.provider import PayoutReport, PayoutStatus
from rewards import payouts
from rewards.models import FINAL, Payout, PayoutEvidenceKind, PayoutState
from rewards.payouts import PayoutRefused


@transaction.atomic
def mark_paid(*, redeemed_reward_id: int, actor: Actor, now: datetime, remote_id: str = "") -> Payout:
    """Staff have paid it, or found it paid; `remote_id` is what it is called there. Twice is harmless.

    Raises PayoutRefused.
    """
    _, payout = payouts.locked(redeemed_reward_id=redeemed_reward_id, now=now)
    if payout.state == PayoutState.PAID:
        return payout
    _require_theirs(payout)
    report = PayoutReport(reference=payout.reference, status=PayoutStatus.PAID, remote_id=remote_id.strip())
    return payouts.record(
        redeemed_reward_id=redeemed_reward_id, report=report, kind=PayoutEvidenceKind.BY_STAFF, actor=actor, now=now
    )


@transaction.atomic
def mark_refused(*, redeemed_reward_id: int, actor: Actor, now: datetime, reason: str, code: str = "") -> Payout:
    """It was not paid and will not be: the reward fails and the points go back. Twice is harmless.

    Raises PayoutRefused.
    """
    _, payout = payouts.locked(redeemed_reward_id=redeemed_reward_id, now=now)
    if payout.state == PayoutState.FAILED:
        return payout
    _require_theirs(payout)
    if not reason.strip():
        raise PayoutRefused("Say why it cannot be paid: the reason is what people read later.")
    report = PayoutReport(
        reference=payout.reference,
        status=PayoutStatus.FAILED,
        code=code.strip() or "BY_HAND",
        message=reason.strip().rstrip("."),
    )
    return payouts.record(
        redeemed_reward_id=redeemed_reward_id, report=report, kind=PayoutEvidenceKind.BY_STAFF, actor=actor, now=now
    )


def where_to_look(payout: Payout, *, money: str, time: str) -> str:
    """What a person does to find out whether it was paid: a sentence; empty where there is nobody to look at."""
    sentence = registry.provider_class(payout.account.provider).capabilities.where_to_look
    return sentence.format(reference=payout.reference, money=money, time=time)


def refusal(payout: Payout) -> str:
    """Why staff cannot say what came of it; empty when they can."""
    account = payout.account
    if payout.state in FINAL:
        return f"This payout is settled already: it is {payout.get_state_display().lower()}."
    if payout.state != PayoutState.REVIEW and registry.provider_class(account.provider).capabilities.calls_out:
        return (
            f"{account.name} pays this by itself, and says by itself what came of it: only payouts by hand, and those "
            "in review, are marked."
        )
    return ""


def _require_theirs(payout: Payout) -> None:
    if sentence := refusal(payout):
        raise PayoutRefused(sentence)
