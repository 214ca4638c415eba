"""Send money through a payout provider: claim, call, record.

The reference was decided and committed with the reward. Before a payment is sent its row says UNKNOWN, and only an
answer changes that: refused, not sent, or taken on. Whoever finds UNKNOWN asks about the reference, and sends nothing,
unless the provider proves that it has none, or promises that the same reference sent again is one payment. Where nobody
can say what became of it, a person has to look. No call is made while a transaction or a lock is open.
"""

import time
import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.urls import reverse

from loyalty.common import queue
from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from loyalty.customers.models import CustomerIdentity
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
# A person has to look when the provider has found nothing, or refuses to tell, for so long; or cannot be asked at all.
LOOK_AFTER, LOOK_UNREACHABLE_AFTER = timedelta(minutes=10), timedelta(days=1)
NOT_FOUND = "It has no such payout."


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
            return _put_off(claim, now=watch.now, wait=verdict)
        time.sleep(wait)
        pause = min(pause * 2, LONGEST_PAUSE)


def _round(claim: Claim, watch: Stopwatch, *, patience: float) -> Verdict | float:
    """One question to the provider and what follows. A number: ask again, and not before so many seconds."""
    payout = Payout.objects.select_related("account__shop", "redeemed_reward").get(
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
        return _verdict_or_later(claim, payout, watch)
    if not answer.held_back:
        _note(payout, PayoutEvidenceKind.SUBMITTED, answer, watch)
    if answer.outcome is Outcome.REJECTED and answer.refusal is not Refusal.DUPLICATE_CODE:
        return _fail(claim, Failure(str(answer.refusal or "rejected"), answer.reason), watch)
    if answer.outcome in (Outcome.NOT_SENT, Outcome.THROTTLED):
        return _nothing_sent(claim, payout, answer, watch, patience=patience)
    return AT_ONCE  # it has our reference already, or nobody knows: ask about it


def order_of(payout: Payout) -> PayoutOrder:
    """What is sent, or asked about: from the row and the contacts of then."""
    redeemed, account = payout.redeemed_reward, payout.account
    path = reverse("hooks:payout_webhook", args=(account.webhook_key,))
    return PayoutOrder(
        reference=payout.reference,
        amount=payout.amount,
        currency=payout.currency,
        title=redeemed.name,
        receiver=Receiver(
            email=redeemed.customer_email,
            phone=redeemed.customer_phone,
            name=f"{redeemed.customer_first_name} {redeemed.customer_last_name}".strip(),
            external_id=_known_in_shop_as(redeemed.customer_id, account.shop_id),
        ),
        decided_at=payout.created_at,
        number=redeemed.pk,
        remote_id=payout.remote_id,
        callback_url=f"{settings.PUBLIC_URL}{path}",
    )


def _known_in_shop_as(customer_id: int, shop_id: int | None) -> str:
    known = CustomerIdentity.objects.filter(customer_id=customer_id, connection_id=shop_id)
    return known.order_by("pk").values_list("external_id", flat=True).first() or "" if shop_id else ""


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
        _back_to_init(claim, reason=answer.reason, due_at=None, uncounted=answer.held_back)
        return answer.retry_after
    wait = timedelta(seconds=answer.retry_after) if answer.retry_after else issuing.backoff(payout.attempts + 1)
    _back_to_init(claim, reason=answer.reason, due_at=watch.now + wait, uncounted=answer.held_back)
    return Verdict.WAITING


def _back_to_init(claim: Claim, *, reason: str, due_at: datetime | None, uncounted: bool = False) -> None:
    """It is known that the provider has nothing. With a time, our claim ends and it is sent then.

    What was held back here, as the provider does not answer anybody, is none of the tries after which we give up.
    """
    with transaction.atomic():
        rows = Payout.objects.select_for_update().filter(redeemed_reward_id=claim.redeemed_reward_id)
        payout = rows.filter(claim=claim.token, state=PayoutState.UNKNOWN).first()
        if payout is None:
            return
        lifecycle.move_payout(payout, PayoutState.INIT)
        payout.unknown_since, payout.last_reason = None, reason[:500]
        payout.attempts -= uncounted
        if due_at is not None:
            payout.claim, payout.claimed_until, payout.next_attempt_at = None, None, due_at
        payout.save()


def _ask(claim: Claim, payout: Payout, provider: Provider, watch: Stopwatch) -> Verdict | float:
    """Ask about it. Known: it is recorded. Absent for long enough: it never was sent. Else: ask again."""
    by_sending = _is_asked_by_sending(payout, provider, now=watch.now)
    if by_sending and not _mark_sent_again(claim):
        return _verdict(claim)
    order = order_of(payout)
    answer: Answer[PayoutReport | None] = provider.submit(order) if by_sending else provider.query(order)
    kind = PayoutEvidenceKind.SUBMITTED if by_sending else PayoutEvidenceKind.ASKED
    if answer.value is not None:
        _record(claim, answer.value, answer, kind, watch)
        return _verdict_or_later(claim, payout, watch)
    if answer.held_back:
        if by_sending:  # nothing was sent
            rows = Payout.objects.filter(redeemed_reward_id=claim.redeemed_reward_id, claim=claim.token)
            rows.update(attempts=F("attempts") - 1)
    else:
        _note(payout, kind, answer, watch)
    if not answer.ok:
        return _not_told(claim, payout, answer, watch)
    if not _is_proved_absent(payout, provider, now=watch.now):
        gone = f"{payout.account.name} does not show it any more. Ask there."
        return _not_known(claim, payout, answer.reason or (NOT_FOUND if payout.unknown_since else gone), watch)
    if payout.redeemed_reward.fulfillment_status == FulfillmentStatus.PENDING and _is_redemption(payout):
        reason = f"{payout.account.name} did not answer in time, and has no such payout: nothing was sent."
        return _fail(claim, Failure("not_made", reason), watch)
    reason = f"{payout.account.name} has no such payout: it is sent again, under the same reference."
    _back_to_init(claim, reason=reason, due_at=watch.now + issuing.backoff(payout.attempts))
    return Verdict.WAITING


def _is_asked_by_sending(payout: Payout, provider: Provider, *, now: datetime) -> bool:
    """Whether the same reference is surely still one payment, and sending it again is how this provider is asked."""
    span = provider.capabilities.sends_again_for
    return span is not None and payout.unknown_since is not None and now - payout.unknown_since < span


def _mark_sent_again(claim: Claim) -> bool:
    """Commit that it is sent once more. Not if our claim is over, or it is known or in review meanwhile."""
    rows = Payout.objects.filter(redeemed_reward_id=claim.redeemed_reward_id, claim=claim.token)
    return bool(rows.filter(state=PayoutState.UNKNOWN).update(attempts=F("attempts") + 1))


def _not_told(claim: Claim, payout: Payout, answer: Answer[PayoutReport | None], watch: Stopwatch) -> Verdict | float:
    """The provider gave no answer, or refused the question, which says nothing of the payment."""
    since = payout.unknown_since
    if since is None:
        return _put_off(claim, now=watch.now, reason=answer.reason, wait=answer.retry_after or 0.0)
    limit = LOOK_AFTER if answer.outcome is Outcome.REJECTED else LOOK_UNREACHABLE_AFTER
    if watch.now - since >= limit:
        return _hand_over(claim, answer.reason, watch)
    Payout.objects.filter(pk=payout.pk, claim=claim.token).update(last_reason=answer.reason[:500])
    return answer.retry_after or AT_ONCE


def _not_known(claim: Claim, payout: Payout, reason: str, watch: Stopwatch) -> Verdict | float:
    """Nothing is found, and that proves nothing: asked again for a while, and then somebody has to look."""
    if payout.state == PayoutState.REVIEW:
        return _put_off(claim, now=watch.now, reason=reason)
    if watch.now - (payout.unknown_since or payout.created_at) >= LOOK_AFTER:
        return _hand_over(claim, reason, watch)
    if payout.state == PayoutState.PENDING:
        return _put_off(claim, now=watch.now, reason=reason)
    Payout.objects.filter(pk=payout.pk, claim=claim.token).update(last_reason=reason[:500])
    return AT_ONCE


def _hand_over(claim: Claim, reason: str, watch: Stopwatch) -> Verdict:
    payouts.hand_over(claim=claim, reason=reason, now=watch.now)
    return _verdict(claim)


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
    reason = answer.reason or (NOT_FOUND if answer.ok else "")
    payouts.note(payout, kind=kind, outcome=answer.outcome, reason=reason, observed=answer.observed, now=watch.now)


def _fail(claim: Claim, failure: Failure, watch: Stopwatch) -> Verdict:
    payouts.fail(claim=claim, failure=failure, now=watch.now)
    return _verdict(claim)


def _verdict_or_later(claim: Claim, payout: Payout, watch: Stopwatch) -> Verdict:
    """What was heard has decided the reward; a payout that is not ours leaves it open, for people to look."""
    verdict = _verdict(claim)
    if verdict is not Verdict.WAITING:
        return verdict
    if payout.unknown_since is not None and watch.now - payout.unknown_since >= LOOK_AFTER:
        return _hand_over(claim, f"{payout.account.name} has something else under our reference.", watch)
    return _put_off(claim, now=watch.now)


def _put_off(claim: Claim, *, now: datetime, reason: str = "", wait: float = 0.0) -> Verdict:
    """Leave it to a later turn, if it is still ours, and not before `wait` seconds that the provider asked for."""
    with transaction.atomic():
        rows = Payout.objects.select_for_update().filter(redeemed_reward_id=claim.redeemed_reward_id)
        payout = rows.filter(claim=claim.token).first()
        if payout is not None:
            payout.claim = payout.claimed_until = None
            payout.next_attempt_at = now + max(payouts.pause(payout, now=now), timedelta(seconds=wait))
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
