"""What a payout provider's callback does: it is told to the payout it names, in whatever order callbacks come."""

from dataclasses import dataclass, replace
from datetime import datetime

from loyalty.hooks.models import InboundWebhook
from platforms.adapter import Observed, WebhookRejected
from platforms.models import PayoutAccount
from platforms.payouts import registry
from platforms.payouts.provider import PayoutMessage, Provider
from rewards import cashback, payouts
from rewards.models import Payout, PayoutEvidenceKind


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of a callback, in a sentence. With `wait` it has to be brought again, after so many seconds."""

    result: str
    wait: float | None = None


def hear(*, webhook: InboundWebhook, now: datetime) -> Heard:
    """Let a stored callback take effect. Raises DomainError when it never can."""
    account = PayoutAccount.objects.get(pk=webhook.payout_account_id or 0)
    provider = registry.provider_for(account)
    message = _read(webhook, provider)
    rows = Payout.objects.select_related("account", "redeemed_reward")
    payout = rows.filter(account=account, reference=message.reference).first()
    if payout is None:
        return Heard("It names no payout of ours: nothing to do.")
    report, observed = message.report, Observed()
    if report is None:
        order = cashback.order_of(payout)
        answer = provider.query(replace(order, remote_id=order.remote_id or message.remote_id))
        if answer.value is None:
            reason = answer.reason or "The provider did not tell the payout."
            return Heard(reason) if answer.ok else Heard(reason, answer.retry_after or 0.0)
        report, observed = answer.value, answer.observed
    after = payouts.record(
        redeemed_reward_id=payout.redeemed_reward_id,
        report=report,
        kind=PayoutEvidenceKind.CALLBACK,
        observed=observed,
        now=now,
    )
    return Heard(f"Payout {payout.reference}: {after.get_state_display().lower()}.")


def _read(webhook: InboundWebhook, provider: Provider) -> PayoutMessage:
    """What the callback says. It was verified when it came; one that cannot be read again is only a hint."""
    try:
        return provider.parse_webhook(headers=webhook.headers, body=bytes(webhook.body), now=webhook.received_at)
    except WebhookRejected:
        if not webhook.subject_id:
            raise
    return PayoutMessage(
        event_id=webhook.event_id,
        topic=webhook.topic,
        occurred_at=webhook.received_at,
        reference=webhook.subject_id,
    )
