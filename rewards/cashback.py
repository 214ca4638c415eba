"""Send money through a payout provider: claim, call, record.

The reference was decided and committed with the reward. Before a payment is sent its row says UNKNOWN, and only an
answer changes that: refused, not sent, or taken on. Whoever finds UNKNOWN asks about the reference, and sends nothing,
unless the provider proves that it has none. No call is made while a transaction or a lock is open.
"""

import time
import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from loyalty.common import queue
from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from platforms.adapter import Answer, Outcome, Refusal
from platforms.payouts import registry
from platforms.payouts.provider import PayoutOrder, PayoutReport, Provider, Receiver
from rewards import issuing, lifecycle, payouts
from rewards.claim import Claim
from rewards.issuing import Failure, Verdict
from rewards.models import FINAL, FulfillmentStatus, Origin, Payout, PayoutEvidenceKind, PayoutState, RedeemedReward

AT_ONCE = 0.0
MOST_ATTEMPTS = 12  # of a granted cashback while the provider cannot be reached: about a day
CALL_TIMEOUT = 8.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0


def take(*, redeemed_reward_id: int, now: datetime) -> Claim | None:
    """Claim the next call about one payout; none when it is settled, not due yet, or somebody else's turn."""
    with transaction.atomic():
        payout = (
            Payout.objects.select_for_update(skip_locked=True)
            .filter(redeemed_reward_id=redeemed_reward_id, next_attempt_at__lte=now)
            .filter(Q(claim__isnull=True) | Q(claimed_until__lte=now))
            .exclude(state__in=FINAL)
            .first()
        )
        if payout is None:
            return None
        payout.claim, payout.claimed_until = uuid.uuid4(), now + issuing.lease()
        payout.next_attempt_at = payout.claimed_until
        payout.save(update_fields=["claim", "claimed_until", "next_attempt_at"])
        return Claim(redeemed_reward_id, payout.claim)


def sweep(*, now: datetime, limit: int = 500) -> int:
    """Ring for every payout that is due; gives back how many. One that rings several times is taken once."""
    due = Payout.objects.filter(next_attempt_at__lte=now).order_by("next_attempt_at", "pk")
    waiting = list(due.values_list("redeemed_reward_id", flat=True)[:limit])
    for redeemed_reward_id in waiting:
        queue.enqueue("rewards.pay", redeemed_reward_id=redeemed_reward_id)
    return len(waiting)


def work(*, claim: Claim, now: datetime, patience: float) -> Verdict:
    """Send the payment, or ask about it, until the reward is decided or `patience` is over. Not inside a transaction."""
    watch, pause = Stopwatch(now), FIRST_PAUSE
    while True:
        verdict = _round(claim, watch, patience=patience)
        if isinstance(verdict, Verdict):
            return verdict
        wait = max(verdict, pause)
        if watch.elapsed + wait >= patience:
            return _put_off(claim, now=watch.now)
        time.sleep(wait)
        pause = min(pause * 2, LONGEST_PAUSE)


def _round(claim: Claim, watch: Stopwatch, *, patience: float) -> Verdict | float:
    """One question to the provider and what follows. A number: ask again, and not before so many seconds."""
    payout = Payout.objects.select_related("account", "redeemed_reward").get(
        redeemed_reward_id=claim.redeemed_reward_id
    )
    if payout.claim != claim.token:
        return _verdict(claim)
    try:
        timeout = min(CALL_TIMEOUT, max(patience - watch.elapsed, 1.0))
        provider = registry.provider_for(payout.account, timeout=timeout)
    except DomainError as refusal:  # its credentials cannot be read
        if payout.state == PayoutState.INIT and payout.redeemed_reward.origin == Origin.REDEMPTION:
            return _fail(claim, Failure(refusal.code, refusal.sentence), watch)
        return _put_off(claim, now=watch.now, reason=refusal.sentence)
    if payout.state == PayoutState.INIT:
        return _submit(claim, payout, provider, watch, patience=patience)
    return _ask(claim, payout, provider, watch)


def _submit(claim: Claim, payout: Payout, provider: Provider, watch: Stopwatch, *, patience: float) -> Verdict | float:
    if payout.attempts >= MOST_ATTEMPTS:
        reason = f"{payout.account.name} did not take it in {MOST_ATTEMPTS} tries. {payout.last_reason}".strip()
        return _fail(claim, Failure("gave_up", reason), watch)
    if not _mark_sent(claim, now=watch.now):
        return _verdict(claim)  # our claim is over: whoever took it over, or canceled, must be able to rely on that
    answer = provider.submit(order_of(payout))
    if answer.value is not None:
        _record(claim, answer.value, answer, PayoutEvidenceKind.SUBMITTED, watch)
        return _verdict_or_later(claim, watch)
    _note(payout, PayoutEvidenceKind.SUBMITTED, answer, watch)
    if answer.outcome is Outcome.REJECTED and answer.refusal is not Refusal.DUPLICATE_CODE:
        return _fail(claim, Failure(str(answer.refusal or "rejected"), answer.reason), watch)
    if answer.outcome in (Outcome.NOT_SENT, Outcome.THROTTLED):
        return _nothing_sent(claim, payout, answer, watch, patience=patience)
    return AT_ONCE  # it has our reference already, or nobody knows: ask about it


def order_of(payout: Payout) -> PayoutOrder:
    """What is sent, from the row and the contacts of then alone."""
    redeemed = payout.redeemed_reward
    return PayoutOrder(
        reference=payout.reference,
        amount=payout.amount,
        currency=payout.currency,
        title=redeemed.name,
        receiver=Receiver(
            email=redeemed.customer_email,
            phone=redeemed.customer_phone,
            name=f"{redeemed.customer_first_name} {redeemed.customer_last_name}".strip(),
        ),
    )


def _mark_sent(claim: Claim, *, now: datetime) -> bool:
    """Commit that it may have been sent from now on. Not if our claim is over, or it was canceled."""
    with transaction.atomic():
        rows = Payout.objects.select_for_update().filter(redeemed_reward_id=claim.redeemed_reward_id)
        payout = rows.filter(claim=claim.token, state=PayoutState.INIT).first()
        if payout is None:
            return False
        lifecycle.move_payout(payout, PayoutState.UNKNOWN)
        payout.unknown_since = now
        payout.attempts += 1
        payout.save(update_fields=["state", "unknown_since", "attempts"])
        return True


def _nothing_sent(
    claim: Claim, payout: Payout, answer: Answer[PayoutReport], watch: Stopwatch, *, patience: float
) -> Verdict | float:
    """Nothing reached the provider, or it wants us to wait. A grant is sent later; a redemption waits a moment or ends."""
    if payout.redeemed_reward.origin == Origin.REDEMPTION:
        if not answer.retry_after or watch.elapsed + answer.retry_after >= patience:
            return _fail(claim, Failure(str(answer.outcome), answer.reason), watch)
        _back_to_init(claim, reason=answer.reason, due_at=None)
        return answer.retry_after
    wait = timedelta(seconds=answer.retry_after) if answer.retry_after else issuing.backoff(payout.attempts + 1)
    _back_to_init(claim, reason=answer.reason, due_at=watch.now + wait)
    return Verdict.WAITING


def _back_to_init(claim: Claim, *, reason: str, due_at: datetime | None) -> None:
    """It is known that the provider has nothing. With a time, our claim ends and it is sent then."""
    with transaction.atomic():
        rows = Payout.objects.select_for_update().filter(redeemed_reward_id=claim.redeemed_reward_id)
        payout = rows.filter(claim=claim.token, state=PayoutState.UNKNOWN).first()
        if payout is None:
            return
        lifecycle.move_payout(payout, PayoutState.INIT)
        payout.unknown_since, payout.last_reason = None, reason[:500]
        if due_at is not None:
            payout.claim, payout.claimed_until, payout.next_attempt_at = None, None, due_at
        payout.save()


def _ask(claim: Claim, payout: Payout, provider: Provider, watch: Stopwatch) -> Verdict | float:
    """Ask by our reference. Known: it is recorded. Absent for long enough: it never was sent. Else: ask again."""
    answer = provider.query(payout.reference)
    if answer.value is not None:
        _record(claim, answer.value, answer, PayoutEvidenceKind.ASKED, watch)
        return _verdict_or_later(claim, watch)
    _note(payout, PayoutEvidenceKind.ASKED, answer, watch)
    if not answer.ok:
        return _not_told(claim, payout, answer, watch)
    if payout.state == PayoutState.PENDING:
        return _put_off(claim, now=watch.now, reason=f"{payout.account.name} does not show it any more. Ask there.")
    if not _is_proved_absent(payout, provider, now=watch.now):
        return AT_ONCE
    if payout.redeemed_reward.fulfillment_status == FulfillmentStatus.PENDING and _is_redemption(payout):
        reason = f"{payout.account.name} did not answer in time, and has no such payout: nothing was sent."
        return _fail(claim, Failure("not_made", reason), watch)
    reason = f"{payout.account.name} has no such payout: it is sent again, under the same reference."
    _back_to_init(claim, reason=reason, due_at=watch.now + issuing.backoff(payout.attempts))
    return Verdict.WAITING


def _not_told(claim: Claim, payout: Payout, answer: Answer[PayoutReport | None], watch: Stopwatch) -> Verdict | float:
    if payout.state == PayoutState.PENDING:
        return _put_off(claim, now=watch.now, reason=answer.reason)
    Payout.objects.filter(pk=payout.pk, claim=claim.token).update(last_reason=answer.reason[:500])
    return answer.retry_after or AT_ONCE


def _is_proved_absent(payout: Payout, provider: Provider, *, now: datetime) -> bool:
    """Whether "no such payout" is proof: the provider keeps references that long, and nothing is under way to it."""
    since, memory = payout.unknown_since, provider.capabilities.remembers_for
    if since is None or not provider.capabilities.proves_absence or (memory is not None and now - since >= memory):
        return False
    return issuing.absence_counts(since, now=now)


def _is_redemption(payout: Payout) -> bool:
    return payout.redeemed_reward.origin == Origin.REDEMPTION


def _record(
    claim: Claim,
    report: PayoutReport,
    answer: Answer[PayoutReport] | Answer[PayoutReport | None],
    kind: PayoutEvidenceKind,
    watch: Stopwatch,
) -> None:
    payouts.record(
        redeemed_reward_id=claim.redeemed_reward_id,
        report=report,
        kind=kind,
        observed=answer.observed,
        now=watch.now,
    )


def _note(
    payout: Payout,
    kind: PayoutEvidenceKind,
    answer: Answer[PayoutReport] | Answer[PayoutReport | None],
    watch: Stopwatch,
) -> None:
    reason = "It has no such payout." if answer.ok else answer.reason
    payouts.note(payout, kind=kind, outcome=answer.outcome, reason=reason, observed=answer.observed, now=watch.now)


def _fail(claim: Claim, failure: Failure, watch: Stopwatch) -> Verdict:
    payouts.fail(claim=claim, failure=failure, now=watch.now)
    return _verdict(claim)


def _verdict_or_later(claim: Claim, watch: Stopwatch) -> Verdict:
    """What was heard has decided the reward; a payout that is not ours leaves it open, for people to look."""
    verdict = _verdict(claim)
    return _put_off(claim, now=watch.now) if verdict is Verdict.WAITING else verdict


def _put_off(claim: Claim, *, now: datetime, reason: str = "") -> Verdict:
    """Leave it to a later turn, if it is still ours."""
    with transaction.atomic():
        rows = Payout.objects.select_for_update().filter(redeemed_reward_id=claim.redeemed_reward_id)
        payout = rows.filter(claim=claim.token).first()
        if payout is not None:
            payout.claim = payout.claimed_until = None
            payout.next_attempt_at = now + payouts.pause(payout, now=now)
            payout.last_reason = reason[:500] or payout.last_reason
            payout.save()
    return _verdict(claim)


def _verdict(claim: Claim) -> Verdict:
    status = RedeemedReward.objects.values_list("fulfillment_status", flat=True).get(pk=claim.redeemed_reward_id)
    match status:
        case FulfillmentStatus.PENDING:
            return Verdict.WAITING
        case FulfillmentStatus.FAILED:
            return Verdict.FAILED
        case _:
            return Verdict.ISSUED
