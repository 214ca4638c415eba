"""The rows of payouts: decided with the reward, moved by what is known of them, and points back once when one fails.

No call is made here; `rewards.cashback` asks the provider, and everything it hears, every callback and every word of
staff comes through `record`.
"""

import secrets
import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_noop

from loyalty.common import money
from loyalty.common.actors import SYSTEM, Actor
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.events.models import Event
from loyalty.points import ledger
from loyalty.points.errors import NotReversible
from platforms.adapter import Observed, Outcome
from platforms.models import PayoutAccount
from platforms.payouts import registry
from platforms.payouts.provider import PayoutReport, PayoutStatus
from rewards import issuing, lifecycle, limits
from rewards.claim import Claim
from rewards.issuing import Failure
from rewards.limits import RewardNotAvailable
from rewards.models import (
    FINAL,
    FulfillmentStatus,
    Payout,
    PayoutEvidence,
    PayoutEvidenceKind,
    PayoutState,
    RedeemedReward,
    Reward,
)
from rewards.types.base import RewardIncomplete

IN_REVIEW = "REVIEW"  # in the place of the provider's code, while a person has to look
LOOK = "Somebody has to look"
FAILED = "payout_failed"  # the failure code of a reward whose payout was taken on, and failed
SOONEST = timedelta(seconds=5)  # between two questions about one payout, ever more rarely, up to
RAREST_IN_DOUBT, RAREST_ON_ITS_WAY = timedelta(minutes=15), timedelta(hours=6)
STATE_OF: dict[PayoutStatus, PayoutState] = {
    PayoutStatus.ACCEPTED: PayoutState.PENDING,
    PayoutStatus.PENDING: PayoutState.PENDING,
    PayoutStatus.PAID: PayoutState.PAID,
    PayoutStatus.FAILED: PayoutState.FAILED,
}
USUAL_CODES: dict[int, str] = {
    PayoutStatus.ACCEPTED: "INIT",
    PayoutStatus.PAID: "SUCCESS",
    PayoutStatus.FAILED: "FAILURE",
    PayoutStatus.PENDING: "PENDING",
}


class PayoutRefused(DomainError):
    """What staff say of this payout does not fit it."""

    code = "payout_refused"


def word(status: int, code: str, message: str) -> str:
    """What a provider said, as the grid shows it: `0: INIT: INIT`, `1: SUCCESS`, `2: code: message`."""
    if status == PayoutStatus.PAID:
        return f"{status}: {USUAL_CODES[status]}"
    code = code or USUAL_CODES[status]
    return f"{status}: {code}: {message or code}"


def begin(*, redeemed: RedeemedReward, reward: Reward, now: datetime, lease: timedelta | None = None) -> Claim | None:
    """Commit to the payout of a cashback that was just saved, in the caller's transaction and under the day's limit.

    With a lease the caller is the one who sends it, until the lease runs out. What staff pay by hand is the customer's
    at once. Raises RewardNotAvailable, RewardIncomplete.
    """
    account, amount = reward.payout_account, redeemed.amount
    if account is None or amount is None:
        raise RewardIncomplete(f"“{reward.name}” needs a payout account and an amount. Complete it in the catalogue.")
    if account.currency != redeemed.currency:
        raise RewardIncomplete(
            f"“{reward.name}” pays {redeemed.currency}, and {account.name} pays {account.currency}. Change one of them."
        )
    provider = registry.provider_class(account.provider)
    if not money.fits(amount, redeemed.currency):
        raise RewardIncomplete(f"{amount} {redeemed.currency} has more decimals than the currency: change the amount.")
    require_receiver(account, email=redeemed.customer_email, phone=redeemed.customer_phone)
    calls = provider.capabilities.calls_out
    token = uuid.uuid4() if calls and lease is not None else None
    payout = Payout.objects.create(
        redeemed_reward=redeemed,
        account=account,
        reference=f"CB{redeemed.pk}X{secrets.token_hex(8).upper()}",
        amount=amount,
        currency=redeemed.currency,
        created_at=now,
        next_attempt_at=now + (lease or timedelta()) if calls else None,
        claim=token,
        claimed_until=now + lease if token is not None and lease is not None else None,
    )
    redeemed.cashback_status = _word_of(payout)
    redeemed.save(update_fields=["cashback_status"])
    limits.require_daily_limit(reward_id=reward.pk, now=now)
    if not calls:
        issuing.record_issued(redeemed=redeemed, now=now)
    return Claim(redeemed.pk, token) if token is not None else None


def require_receiver(account: PayoutAccount, *, email: str, phone: str) -> None:
    """Refuse money that could be sent to no one: its provider needs what is not known. Raises RewardNotAvailable."""
    capabilities = registry.provider_class(account.provider).capabilities
    if capabilities.needs_email and not (email or (capabilities.takes_phone and phone)):
        raise RewardNotAvailable(
            gettext_noop("This money is sent to an e-mail address or a phone number, and none is known. Add one first.")
            if capabilities.takes_phone
            else gettext_noop("This money is sent to an e-mail address, and none is known. Add one first."),
            code="receiver_missing",
        )


@transaction.atomic
def record(
    *,
    redeemed_reward_id: int,
    report: PayoutReport,
    kind: PayoutEvidenceKind,
    now: datetime,
    actor: Actor = SYSTEM,
    observed: Observed | None = None,
) -> Payout:
    """Believe what is said of a payout, if it is news: the one way in for answers, callbacks and staff, in any order.

    What is settled stays settled; a word against it is an event for people. A failure gives the points back, once.
    """
    redeemed, payout = locked(redeemed_reward_id=redeemed_reward_id, now=now)
    said = word(report.status, report.code[:40], report.message[:120])
    note(payout, kind=kind, outcome=Outcome.OK, said=said, now=now, observed=observed)
    state = STATE_OF[report.status]
    if not is_ours(payout, report):
        _alarm("payout.foreign", redeemed, payout, said=said, now=now)
    elif payout.state in FINAL:
        if state in FINAL and state != payout.state:
            _alarm("payout.contradicted", redeemed, payout, said=said, now=now)
    elif not _is_older(payout, report):
        _believe(redeemed, payout, report, state, actor=actor, now=now)
    return payout


def _believe(
    redeemed: RedeemedReward, payout: Payout, report: PayoutReport, state: PayoutState, *, actor: Actor, now: datetime
) -> None:
    before = payout.state
    lifecycle.move_payout(payout, state)
    payout.provider_status = report.status
    payout.provider_code, payout.provider_message = report.code[:40], report.message[:120]
    payout.remote_id = report.remote_id[:120] or payout.remote_id
    payout.reported_at = report.updated_at or payout.reported_at
    payout.unknown_since, payout.last_reason = None, ""
    payout.claim = payout.claimed_until = None
    payout.settled_at = max(now, payout.created_at) if state in FINAL else None
    payout.next_attempt_at = None if state in FINAL else now + pause(payout, now=now)
    payout.save()
    if state == PayoutState.FAILED:
        reason = f"{payout.account.name} did not pay: {report.message or report.code or 'it gave no reason'}."
        _give_back(redeemed, payout, Failure(FAILED, reason), actor=actor, now=now)
        return
    lifecycle.move(redeemed, now=now, cashback_status=_word_of(payout))
    if redeemed.fulfillment_status == FulfillmentStatus.PENDING:
        issuing.record_issued(redeemed=redeemed, now=now)
    if state != before:
        _log("payout.paid" if state == PayoutState.PAID else "payout.sent", redeemed, payout, actor=actor, now=now)


def fail(*, claim: Claim, failure: Failure, now: datetime) -> None:
    """The provider does not take it, or never got it: nothing was paid, and nothing will be. If our claim stands."""
    with transaction.atomic():
        redeemed, payout = locked(redeemed_reward_id=claim.redeemed_reward_id, now=now)
        if payout.claim != claim.token or payout.state in FINAL:
            return
        lifecycle.move_payout(payout, PayoutState.FAILED)
        payout.provider_status = PayoutStatus.FAILED
        payout.provider_code, payout.provider_message = failure.code[:40], failure.reason[:120]
        payout.settled_at, payout.next_attempt_at = max(now, payout.created_at), None
        payout.claim = payout.claimed_until = payout.unknown_since = None
        payout.save()
        _give_back(redeemed, payout, failure, actor=SYSTEM, now=now)


def hand_over(*, claim: Claim, reason: str, now: datetime) -> None:
    """Leave it to a person whether it was paid, if our claim stands. It is still asked about, and never sent again."""
    with transaction.atomic():
        redeemed, payout = locked(redeemed_reward_id=claim.redeemed_reward_id, now=now)
        if payout.claim != claim.token or payout.state not in (PayoutState.UNKNOWN, PayoutState.PENDING):
            return
        lifecycle.move_payout(payout, PayoutState.REVIEW)
        payout.provider_status = PayoutStatus.PENDING
        payout.provider_code, payout.provider_message, payout.last_reason = IN_REVIEW, LOOK, reason[:500]
        payout.claim = payout.claimed_until = payout.unknown_since = None
        payout.next_attempt_at = now + pause(payout, now=now)
        payout.save()
        lifecycle.move(redeemed, now=now, cashback_status=_word_of(payout))
        _log("payout.in_review", redeemed, payout, actor=SYSTEM, now=now)


def _give_back(redeemed: RedeemedReward, payout: Payout, failure: Failure, *, actor: Actor, now: datetime) -> None:
    """The reward fails, and its points are the customer's again: held ones are released, spent ones go back."""
    _log("payout.failed", redeemed, payout, actor=actor, now=now)
    if redeemed.debit_id is not None and _can_go_back(redeemed.debit_id, now=now):
        ledger.reverse(
            transaction_id=redeemed.debit_id,
            cause=Cause(CauseType.REDEEMED_REWARD, redeemed.pk),
            actor=actor,
            now=now,
        )
    issuing.record_failed(redeemed=redeemed, failure=failure, now=now, cashback_status=_word_of(payout))


def _can_go_back(transaction_id: int, *, now: datetime) -> bool:
    """Not when staff have returned them by hand already."""
    try:
        return bool(ledger.plan_reversal(transaction_id=transaction_id, now=now))
    except NotReversible:
        return False


def cancel_refusal(*, redeemed: RedeemedReward, now: datetime) -> str:
    """Why a cashback cannot be canceled; empty when nothing of its money has been sent, and for all other rewards."""
    payout = Payout.objects.select_related("account").filter(redeemed_reward=redeemed).first()
    return "" if payout is None else cancel_refusal_of(payout, name=redeemed.name, now=now)


def cancel_refusal_of(payout: Payout, *, name: str, now: datetime) -> str:
    """The same of a payout at hand, as it was read; `name` is its reward's."""
    state = payout.state
    if state == PayoutState.INIT and (payout.claimed_until is None or payout.claimed_until <= now):
        return ""
    sent = "money that was sent cannot be called back here."
    sentences = {
        PayoutState.INIT: "is being sent this moment: try again in a minute.",
        PayoutState.UNKNOWN: f"may have been sent already, and {payout.account.name} is being asked: it settles by itself.",
        PayoutState.PENDING: f"is on its way through {payout.account.name}: {sent}",
        PayoutState.REVIEW: "may have been paid already. Find out, and mark it paid or refused.",
    }
    return f"“{name}” {sentences.get(PayoutState(state), f'was paid out already: {sent}')}"


def withdraw(*, redeemed: RedeemedReward, now: datetime) -> None:
    """The reward is canceled before anything was sent. The caller has locked it; other rewards have no payout.

    Raises PayoutRefused.
    """
    payout = Payout.objects.select_for_update().filter(redeemed_reward=redeemed).first()
    if payout is None:
        return
    if refusal := cancel_refusal(redeemed=redeemed, now=now):  # it may have been sent since the plan was made
        raise PayoutRefused(refusal)
    lifecycle.move_payout(payout, PayoutState.CANCELLED)
    payout.settled_at, payout.next_attempt_at = max(now, payout.created_at), None
    payout.claim = payout.claimed_until = None
    payout.save()


def locked(*, redeemed_reward_id: int, now: datetime) -> tuple[RedeemedReward, Payout]:
    """Account, redeemed reward, payout: the order everyone keeps."""
    redeemed = issuing.locked(redeemed_reward_id=redeemed_reward_id, now=now)
    rows = Payout.objects.select_for_update(of=("self",)).select_related("account")
    return redeemed, rows.get(redeemed_reward=redeemed)


def note(
    payout: Payout,
    *,
    kind: PayoutEvidenceKind,
    outcome: Outcome,
    now: datetime,
    said: str = "",
    reason: str = "",
    observed: Observed | None = None,
) -> None:
    """Keep an answer as it was given."""
    seen = observed or Observed()
    PayoutEvidence.objects.create(
        payout=payout,
        kind=kind,
        outcome=outcome,
        said=said,
        reason=reason[:500],
        observed_at=now,
        status=seen.status,
        request_id=seen.request_id[:120],
        excerpt=seen.excerpt[:500],
    )


def pause(payout: Payout, *, now: datetime) -> timedelta:
    """How long to wait before asking again: the longer it has lasted, the longer."""
    if payout.state == PayoutState.UNKNOWN:
        return max(SOONEST, min((now - (payout.unknown_since or now)) / 2, RAREST_IN_DOUBT))
    return max(SOONEST, min((now - payout.created_at) / 4, RAREST_ON_ITS_WAY))


def is_ours(payout: Payout, report: PayoutReport) -> bool:
    """Whether a payout of our reference is the one we sent: the very same money."""
    same_amount = report.amount is None or report.amount == payout.amount
    return report.reference == payout.reference and same_amount and report.currency in ("", payout.currency)


def _is_older(payout: Payout, report: PayoutReport) -> bool:
    return payout.reported_at is not None and report.updated_at is not None and report.updated_at < payout.reported_at


def _word_of(payout: Payout) -> str:
    return word(payout.provider_status, payout.provider_code, payout.provider_message)


def _alarm(kind: str, redeemed: RedeemedReward, payout: Payout, *, said: str, now: datetime) -> None:
    """An event for people, once for the same word."""
    told = Event.objects.filter(
        kind=kind, subject_type="redeemed_reward", subject_id=redeemed.pk, data__said=said
    ).exists()
    if not told:
        _log(kind, redeemed, payout, actor=SYSTEM, now=now, said=said)


def _log(kind: str, redeemed: RedeemedReward, payout: Payout, *, actor: Actor, now: datetime, **data: object) -> None:
    log.record(
        kind=kind,
        subject_type="redeemed_reward",
        subject_id=redeemed.pk,
        customer_id=redeemed.customer_id,
        actor=actor,
        now=now,
        payout=payout.reference,
        **data,
    )
