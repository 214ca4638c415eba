"""Rewards at every step of a fault: granting, issuing by a worker, canceling, canceling in bulk, paying. For `prove_faults`."""

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from loyalty.common.actors import SYSTEM
from loyalty.common.crashing import Scenario
from loyalty.common.racing import Scores
from loyalty.jobs import lifecycle
from loyalty.jobs.models import Job, JobOutcome, JobState, Step, Verdict
from loyalty.points.models import HoldState, PointsHold, PointsTransaction, TransactionKind
from loyalty.points.proving import STAFF, balance, credit, new_customer
from platforms.trial import Scene
from rewards import bulk, bulk_codes, cancellation, granting, mass_granting, payout_faults, proving, redemption
from rewards.models import (
    Cancellation,
    CancellationState,
    FulfillmentStatus,
    IssueLane,
    IssueWork,
    Origin,
    RedeemedReward,
    UsageStatus,
)

PRICE, GIVEN = proving.PRICE, 250
IN_BULK = 3
OTHERS_WAIT = timedelta(minutes=1)  # longer than a performance, and shorter than a leap of those who mend

ONE_DEBIT = "A redemption is paid for once, or not at all"
ONE_REFUND = "A canceled reward is refunded once"
ONE_CODE = "One code at most lives for a reward, and none for nobody"
TRUE_STATE = "Every reward is in a true state"
NOT_LOST = "What was asked for comes to pass"
NO_ORPHAN = "No points are set aside for nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose reward, and which; `key` is the caller's name for getting it."""

    customer_id: int
    redeemed_id: int = 0
    reward_id: int = 0
    key: str = ""


def member() -> int:
    """A customer with points."""
    customer_id = new_customer()
    credit(customer_id=customer_id, points=GIVEN)
    return customer_id


def redeemed(scene: Scene) -> Subject:
    """A reward that was redeemed, its code alive in the shop."""
    customer_id = member()
    row = redemption.redeem(
        customer_id=customer_id,
        points_product_id=proving.new_product(connection=scene.connection()).pk,
        actor=STAFF,
        now=scene.now(),
    )
    return Subject(customer_id=customer_id, redeemed_id=row.pk, reward_id=row.reward_id)


def judge_redemption(scene: Scene, *, key: str, customer_id: int, scores: Scores) -> None:
    """A redemption that was asked for until there was an answer: issued and paid for, or failed and not."""
    row = RedeemedReward.objects.filter(idempotency_key=key).first()
    if row is None:
        scores.check(NOT_LOST, holds=False, otherwise="nothing is known of the redemption")
        return
    issued = row.fulfillment_status == FulfillmentStatus.ISSUED
    scores.check(
        NOT_LOST,
        holds=issued or row.fulfillment_status == FulfillmentStatus.FAILED,
        otherwise=f"the redemption is {row.fulfillment_status}",
    )
    debits = PointsTransaction.objects.filter(customer_id=customer_id, kind=TransactionKind.REDEMPTION)
    rewards = RedeemedReward.objects.filter(customer_id=customer_id, on_profile=True)
    scores.equal(ONE_DEBIT, (debits.count(), rewards.count()), (int(issued), int(issued)))
    scores.equal(ONE_DEBIT, balance(customer_id), GIVEN - PRICE * issued)
    scores.equal(ONE_CODE, scene.shop.codes(enabled=True)[row.reference], int(issued))


def _grant(scene: Scene) -> Subject:
    product = proving.new_product(connection=scene.connection())
    customer_id = new_customer()
    return Subject(customer_id=customer_id, reward_id=product.reward_id, key=f"fault:{customer_id}")


def _do_grant(scene: Scene, subject: Subject) -> RedeemedReward:
    return granting.grant(
        customer_id=subject.customer_id,
        reward_id=subject.reward_id,
        actor=STAFF,
        now=scene.now(),
        idempotency_key=subject.key,
    )


def _granted(scene: Scene) -> Subject:
    subject = _grant(scene)
    return Subject(**(asdict(subject) | {"redeemed_id": _do_grant(scene, subject).pk}))


def _judge_grant(scene: Scene, subject: Subject, scores: Scores) -> None:
    rows = list(RedeemedReward.objects.filter(customer_id=subject.customer_id))
    scores.equal(NOT_LOST, [row.fulfillment_status for row in rows], [FulfillmentStatus.ISSUED])
    for row in rows:
        scores.equal(ONE_CODE, scene.shop.codes(enabled=True)[row.reference], 1)


def _issue(scene: Scene, subject: Subject) -> None:
    scene.task("rewards.issue", redeemed_reward_id=subject.redeemed_id)


def _granted_alone(scene: Scene) -> Subject:
    _nothing_else_is_due(scene)
    return _granted(scene)


def _nothing_else_is_due(scene: Scene) -> None:
    """Nobody has a lane, and no other reward is due: what earlier performances left is for those who mend.

    Or this one would do a part of theirs, another part each time, and its steps could not be told from theirs.
    """
    IssueLane.objects.update(claim=None, free_at=scene.now())
    IssueWork.objects.update(due_at=scene.now() + OTHERS_WAIT)


def _campaign_alone(scene: Scene) -> dict[str, Any]:
    """Some get a reward by a campaign whose codes share a discount, and nothing else is due at the shop."""
    _nothing_else_is_due(scene)
    customers = [new_customer() for _ in range(IN_BULK)]
    mark = bulk_codes.reference(campaign_id=customers[0], batch=1)
    given = mass_granting.grant(
        reward_id=proving.new_product(connection=scene.connection()).reward_id,
        customer_ids=customers,
        actor=STAFF,
        now=scene.now(),
        turn=1,
        bulk_reference=mark,
    )
    return {"mark": mark, "rows": [given.granted[pk].pk for pk in customers]}


def _judge_campaign(scene: Scene, subject: dict[str, Any], scores: Scores) -> None:
    rows = list(RedeemedReward.objects.filter(pk__in=subject["rows"]).select_related("code"))
    scores.equal(NOT_LOST, [row.fulfillment_status for row in rows], [FulfillmentStatus.ISSUED] * IN_BULK)
    scores.equal(ONE_CODE, len({row.code_id for row in rows}), IN_BULK)
    scores.equal(ONE_CODE, scene.shop.codes(enabled=True)[subject["mark"]], IN_BULK)


def _issue_waiting(scene: Scene, subject: object) -> None:
    scene.task("rewards.issue_waiting", connection_id=scene.connection().pk)


def _cancel(scene: Scene, subject: Subject) -> Cancellation:
    return cancellation.cancel(redeemed_reward_id=subject.redeemed_id, actor=STAFF, now=scene.now())


def _judge_cancel(scene: Scene, subject: Subject, scores: Scores) -> None:
    row = RedeemedReward.objects.get(pk=subject.redeemed_id)
    ended = list(Cancellation.objects.filter(redeemed_reward=row).values_list("state", flat=True))
    scores.equal(NOT_LOST, (row.fulfillment_status, ended), (FulfillmentStatus.CANCELLED, [CancellationState.PROVED]))
    refunds = PointsTransaction.objects.filter(reverses=row.debit_id, kind=TransactionKind.REVERSAL)
    scores.equal(ONE_REFUND, (refunds.count(), balance(subject.customer_id)), (1, GIVEN))
    scores.equal(ONE_CODE, scene.shop.codes(enabled=True)[row.reference], 0)


def _bulk(scene: Scene) -> dict[str, Any]:
    """A job that cancels some rewards, checked and applied, before a worker comes."""
    bulk.Apply.batch_size = 2
    rows = [redeemed(scene) for _ in range(IN_BULK)]
    job = bulk.begin(act=bulk.BulkAct.CANCEL, ids=[row.redeemed_id for row in rows], actor=SYSTEM, now=scene.now())
    scene.task(bulk.TASK, job_id=job.pk)
    lifecycle.begin(job_id=job.pk, step=Step.APPLY, actor=SYSTEM, now=scene.now())
    return {"job": job.pk, "rows": rows}


def _judge_bulk(scene: Scene, subject: dict[str, Any], scores: Scores) -> None:
    job = Job.objects.get(pk=subject["job"])
    scores.equal(NOT_LOST, (job.step, job.state, job.rows_done), (Step.APPLY, JobState.DONE, IN_BULK))
    outcomes = JobOutcome.objects.filter(job=job, step=Step.APPLY).values_list("verdict", flat=True)
    scores.equal("A row of a job is done once", list(outcomes), [Verdict.OK] * IN_BULK)
    for row in subject["rows"]:
        _judge_cancel(scene, row, scores)


FAULTS: dict[str, Scenario[Scene]] = {
    "staff grant a reward": Scenario(prepare=_grant, act=_do_grant, again=_do_grant, judge=_judge_grant),
    "a worker issues a grant": Scenario(prepare=_granted, act=_issue, judge=_judge_grant),
    "a worker issues what waits for a shop": Scenario(prepare=_granted_alone, act=_issue_waiting, judge=_judge_grant),
    "a worker issues a campaign whose codes share a discount": Scenario(
        prepare=_campaign_alone, act=_issue_waiting, judge=_judge_campaign
    ),
    "staff cancel a reward": Scenario(prepare=redeemed, act=_cancel, again=_cancel, judge=_judge_cancel),
    "a worker cancels in bulk": Scenario(
        prepare=_bulk, act=lambda scene, subject: scene.task(bulk.TASK, job_id=subject["job"]), judge=_judge_bulk
    ),
    **payout_faults.FAULTS,
}


def waiting(scene: Scene) -> dict[str, int]:
    """What is under way, by its name."""
    return {
        "rewards to be generated": IssueWork.objects.count(),
        "pending rewards": RedeemedReward.objects.filter(fulfillment_status=FulfillmentStatus.PENDING).count(),
        "cancellations": Cancellation.objects.filter(state=CancellationState.CANCELLING).count(),
        **payout_faults.waiting(),
    }


def closing(scene: Scene, scores: Scores) -> None:
    """What holds of all rewards when nothing is under way: the shop and we say the same of every one."""
    payout_faults.closing(scene, scores)
    alive, dead = scene.shop.codes(enabled=True), scene.shop.codes(enabled=False)
    rows = list(RedeemedReward.objects.filter(connection=scene.connection()).select_related("code"))
    held = Counter(_mark(row) for row in rows if row.fulfillment_status == FulfillmentStatus.ISSUED)
    for reference in sorted(alive.keys() | dead.keys()):
        scores.check(
            ONE_CODE,
            holds=alive[reference] <= held[reference],
            otherwise=f"{alive[reference]} codes live for {reference}, and customers have {held[reference]}",
        )
    for row in rows:
        said = f"{row.reference} is {_words(row)}"
        scores.check(TRUE_STATE, holds=_is_true(row, alive=alive[_mark(row)]), otherwise=said)
    owners = RedeemedReward.objects.filter(fulfillment_status=FulfillmentStatus.PENDING).values("hold_id")
    orphans = PointsHold.objects.filter(state=HoldState.OPEN).exclude(pk__in=owners)
    scores.equal(NO_ORPHAN, list(orphans.values_list("pk", flat=True)), [])


def _mark(row: RedeemedReward) -> str:
    """What the shop keeps with its code: its own reference, or that of the discount it shares."""
    return (row.code.bulk_reference if row.code is not None else "") or row.reference


def _is_true(row: RedeemedReward, *, alive: int) -> bool:
    """Issued means a code, and a debit where points were asked; anything else means none that is kept."""
    issued = row.fulfillment_status == FulfillmentStatus.ISSUED
    if issued and row.usage_status == UsageStatus.UNUSED and not alive:
        return False
    paid = row.debit_id is not None
    if row.origin != Origin.REDEMPTION:
        return not paid
    ended = row.fulfillment_status == FulfillmentStatus.CANCELLED
    return paid == (issued or ended)


def _words(row: RedeemedReward) -> str:
    return f"{row.fulfillment_status} and {row.usage_status}, {'paid for' if row.debit_id else 'not paid for'}"
