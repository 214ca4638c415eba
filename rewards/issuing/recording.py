"""Write down what became of one reward, when our claim on it still stands. The order of locks is everyone's."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from loyalty.common import codes
from loyalty.common.actors import SYSTEM, Actor, ActorKind
from loyalty.events import log
from loyalty.points import ledger, locking
from loyalty.points.models import TransactionKind
from platforms.adapter import Answer, PlatformCode
from rewards import lifecycle, limits, parcels, pools
from rewards.claim import Claim, new_code
from rewards.issuing import claims
from rewards.issuing.asking import Exchange
from rewards.issuing.claims import Verdict
from rewards.issuing.deciding import Failure, Issue
from rewards.limits import RewardNotAvailable
from rewards.models import (
    CodeEvidence,
    DeliveryStatus,
    DeliveryStep,
    EvidenceKind,
    FulfillmentStatus,
    IssueAttempt,
    IssueWork,
    Origin,
    RedeemedReward,
    RewardCode,
)
from rewards.types.base import RewardIncomplete

NOT_MADE = Failure("not_made", "The shop did not answer in time, and it has no such code: nothing was made there.")


def locked(*, redeemed_reward_id: int, now: datetime) -> RedeemedReward:
    """Lock the customer's account, then the redeemed reward, and read it as it is now: the order everyone keeps."""
    customer_id = RedeemedReward.objects.values_list("customer_id", flat=True).get(pk=redeemed_reward_id)
    locking.lock(customer_id=customer_id, now=now)
    return RedeemedReward.objects.select_for_update(of=("self",)).select_related("code").get(pk=redeemed_reward_id)


def issue(claim: Claim, found: Issue, *, now: datetime) -> Verdict:
    """The code is in the shop: the customer has the reward, and the hold becomes the debit.

    A text of the shop's own that somebody else was given meanwhile leaves it in doubt: the shop is asked once more.
    """
    try:
        return _issue(claim, found, now=now)
    except IntegrityError as error:
        if "code_unique_in_connection" not in str(error):
            raise
    claims.doubt(claim, now=now)
    claims.put_off(claim, now=now)
    return Verdict.WAITING


def _issue(claim: Claim, found: Issue, *, now: datetime) -> Verdict:
    with transaction.atomic():
        redeemed = locked(redeemed_reward_id=claim.redeemed_reward_id, now=now)
        if not IssueWork.objects.filter(pk=redeemed.pk, claim=claim.token).delete()[0]:
            return claims.verdict_of(redeemed)
        if redeemed.code is not None and not redeemed.code.is_shared:  # a shared one was looked at when it was shared
            redeemed.code.remote_id = found.made.remote_id
            redeemed.code.code, redeemed.code.canonical = text_of(redeemed.code, found.made)
            redeemed.code.save(update_fields=["remote_id", "code", "canonical"])
            evidence(code_id=redeemed.code.pk, found=found, now=now).save()
        record_issued(redeemed=redeemed, now=now)
    return Verdict.ISSUED


def text_of(code: RewardCode, made: PlatformCode) -> tuple[str, str]:
    """As it is shown, and as it is compared: ours, unless the shop makes up those of its bulk discounts."""
    told = codes.canonical(made.code)
    return (made.code, told) if code.bulk_reference and told != code.canonical else (code.code, code.canonical)


def evidence(*, code_id: int, found: Issue, now: datetime) -> CodeEvidence:
    """What the shop showed, not saved yet."""
    observed = found.exchange.answer.observed
    return CodeEvidence(
        code_id=code_id,
        kind=EvidenceKind(found.kind),
        alive=found.made.alive,
        observed_at=now,
        status=observed.status,
        request_id=observed.request_id[:120],
        excerpt=observed.excerpt[:500],
    )


def record_issued(*, redeemed: RedeemedReward, now: datetime) -> None:
    """Pending → issued, and the hold becomes the debit. The caller has locked account and redeemed reward."""
    changes: dict[str, object] = {}
    if redeemed.hold_id is not None:
        changes["debit"] = ledger.capture(
            hold_id=redeemed.hold_id,
            kind=TransactionKind.REDEMPTION,
            actor=Actor(ActorKind(redeemed.actor_kind), redeemed.actor_id),
            now=now,
        )
    if redeemed.is_gift and redeemed.code_id is not None:  # the coupon is in the parcel: it travels before it is used
        changes["delivery_status"] = DeliveryStatus.ORDERED
        parcels.write(redeemed=redeemed, step=DeliveryStep.ORDERED, actor=SYSTEM, now=now, ordered_at=now)
    lifecycle.move(
        redeemed,
        now=now,
        fulfillment_status=FulfillmentStatus.ISSUED,
        issued_at=now,
        on_profile=True,
        **changes,
    )
    _log("reward.issued", redeemed, now)


def fail(claim: Claim, failure: Failure, *, now: datetime) -> Verdict:
    with transaction.atomic():
        redeemed = locked(redeemed_reward_id=claim.redeemed_reward_id, now=now)
        if not IssueWork.objects.filter(pk=redeemed.pk, claim=claim.token).delete()[0]:
            return claims.verdict_of(redeemed)
        record_failed(redeemed=redeemed, failure=failure, now=now, **pools.give_back(redeemed=redeemed))
    return Verdict.FAILED


def record_failed(*, redeemed: RedeemedReward, failure: Failure, now: datetime, **changes: Any) -> None:
    """It failed: its place is free again, and what is still held of its points too. The caller has locked both."""
    lifecycle.move(
        redeemed,
        now=now,
        fulfillment_status=FulfillmentStatus.FAILED,
        failure_code=failure.code[:40],
        failure_reason=failure.reason[:500],
        takes_place=False,
        **changes,
    )
    if redeemed.hold_id is not None and redeemed.debit_id is None:
        ledger.release(hold_id=redeemed.hold_id, now=now)
    _log("reward.failed", redeemed, now, code=failure.code)
    limits.free_piece(redeemed=redeemed)


def not_made(claim: Claim, redeemed: RedeemedReward, *, now: datetime) -> Verdict:
    """The shop has proved that it never made it: a redemption ends here, a grant is sent again later."""
    if redeemed.origin == Origin.REDEMPTION:
        return fail(claim, NOT_MADE, now=now)
    claims.trust(claim)
    claims.later(claim, now=now)
    return Verdict.WAITING


def replace_code(claim: Claim, redeemed: RedeemedReward, *, now: datetime) -> Verdict | None:
    """The shop has somebody else's code of that name: commit another one; none when we go on with it.

    Not for codes out of a pool: one that does not fit is followed by others of its kind, and a person must look.
    """
    if redeemed.code is not None and redeemed.code.pool_id is not None:
        return fail(claim, Failure("pool_code_unfit", _unfit(redeemed.code.code)), now=now)
    try:
        with transaction.atomic():
            row = RedeemedReward.objects.select_for_update(of=("self",)).select_related("reward").get(pk=redeemed.pk)
            if not IssueWork.objects.filter(pk=row.pk, claim=claim.token).update(in_doubt_since=None):
                return Verdict.WAITING
            row.code = new_code(reward=row.reward, now=now)
            row.expires_at = pools.earlier(row.expires_at, row.code.ends_at if row.code is not None else None)
            row.save(update_fields=["code", "expires_at"])
    except (RewardNotAvailable, RewardIncomplete) as refusal:
        return fail(claim, Failure(refusal.code, refusal.sentence), now=now)
    return None


def give_up(claim: Claim, *, now: datetime) -> Verdict:
    """The tries are used up: it failed, and the last answer says why."""
    last = IssueAttempt.objects.filter(redeemed_reward=claim.redeemed_reward_id).order_by("-id").first()
    said = f" Its last answer: {last.reason}" if last is not None and last.reason else ""
    reason = f"The shop did not make it in {claims.MOST_ATTEMPTS} tries.{said}"
    return fail(claim, Failure("gave_up", reason), now=now)


def attempts(redeemed_reward_id: int, exchanges: Iterable[Exchange]) -> list[IssueAttempt]:
    """One row for each call, not saved yet."""
    return [_attempt(redeemed_reward_id, exchange, exchange.answer) for exchange in exchanges]


def _attempt(redeemed_reward_id: int, exchange: Exchange, answer: Answer[Any]) -> IssueAttempt:
    return IssueAttempt(
        redeemed_reward_id=redeemed_reward_id,
        call=exchange.call,
        outcome=answer.outcome,
        reason=answer.reason[:500],
        started_at=exchange.started_at,
        finished_at=exchange.finished_at,
    )


def _unfit(code: str) -> str:
    return (
        f"The shop has the code {code} of the pool already, but it is used, switched off or of another value. "
        "Compare the pool of this reward with the codes in the shop."
    )


def _log(kind: str, redeemed: RedeemedReward, now: datetime, **data: object) -> None:
    log.record(
        kind=kind,
        subject_type="redeemed_reward",
        subject_id=redeemed.pk,
        customer_id=redeemed.customer_id,
        actor=SYSTEM,
        now=now,
        **data,
    )
