"""What is done with one reward, done with many as a job: each row checked first, then done, with its own outcome."""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum

from django.db import transaction
from django.db.models import Q

from loyalty.common.actors import Actor, ActorKind
from loyalty.common.errors import DomainError
from loyalty.jobs import lifecycle, work
from loyalty.jobs import queries as job_queries
from loyalty.jobs.models import Job, JobRow, Step, Verdict
from loyalty.jobs.work import Outcome
from loyalty.points import locking
from rewards import cancellation, delivery, probing, reissue, retrying, usage
from rewards.models import FulfillmentStatus, RedeemedReward

MOST_ROWS = 100_000
TASK = "rewards.work_on_bulk"


class BulkAct(StrEnum):
    USED = "used"
    UNUSED = "unused"
    CANCEL = "cancel"
    DELIVERED = "delivered"
    CANCEL_DELIVERY = "cancel_delivery"
    REISSUE = "reissue"
    CHECK_AGAIN = "check_again"
    RETRY = "retry"


TITLES = {
    BulkAct.USED: "Mark rewards used",
    BulkAct.UNUSED: "Mark rewards unused",
    BulkAct.CANCEL: "Cancel rewards",
    BulkAct.DELIVERED: "Mark parcels delivered",
    BulkAct.CANCEL_DELIVERY: "Cancel deliveries",
    BulkAct.REISSUE: "Reissue rewards",
    BulkAct.CHECK_AGAIN: "Check canceled codes again",
    BulkAct.RETRY: "Try again now",
}
SUMMARIES = {
    BulkAct.USED: "Each reward is marked used; gifts are thereby ordered.",
    BulkAct.UNUSED: "Each reward is marked unused again.",
    BulkAct.CANCEL: "Each reward is canceled: its code is killed at the shop by a worker, and then its points go back.",
    BulkAct.DELIVERED: "Each parcel has arrived.",
    BulkAct.CANCEL_DELIVERY: "No parcel is sent. The rewards and their points stay as they are.",
    BulkAct.REISSUE: "Each customer gets a new reward in place of the one that failed, without spending points.",
    BulkAct.CHECK_AGAIN: "A worker asks the shop about each code. What it says stands on the reward's page.",
    BulkAct.RETRY: "A worker asks the shop, or the payout provider, at once about each that waits for it.",
}
DONE = {
    BulkAct.USED: "Marked used.",
    BulkAct.UNUSED: "Marked unused.",
    BulkAct.CANCEL: "Canceled, or being canceled until the shop has proved its code dead.",
    BulkAct.DELIVERED: "Marked delivered.",
    BulkAct.CANCEL_DELIVERY: "Its delivery is canceled.",
    BulkAct.REISSUE: "Reissued as reward {new}.",
    BulkAct.CHECK_AGAIN: "The shop is being asked.",
    BulkAct.RETRY: "Being tried again.",
}
PERMISSIONS = {
    BulkAct.USED: "rewards.mark_used",
    BulkAct.UNUSED: "rewards.mark_unused",
    BulkAct.CANCEL: "rewards.cancel_redeemedreward",
    BulkAct.DELIVERED: "rewards.deliver_redeemedreward",
    BulkAct.CANCEL_DELIVERY: "rewards.deliver_redeemedreward",
    BulkAct.REISSUE: "rewards.reissue_redeemedreward",
    BulkAct.CHECK_AGAIN: "rewards.cancel_redeemedreward",
    BulkAct.RETRY: "rewards.reissue_redeemedreward",
}
MOVES: dict[BulkAct, Callable[..., RedeemedReward]] = {  # those that move a status and ask nobody
    BulkAct.USED: usage.mark_used,
    BulkAct.UNUSED: usage.mark_unused,
    BulkAct.DELIVERED: delivery.deliver,
    BulkAct.CANCEL_DELIVERY: delivery.cancel_delivery,
}
FINAL = {  # why undoing is refused
    BulkAct.CANCEL: "A canceled reward stays canceled. Grant it anew if the customer is to have it.",
    BulkAct.DELIVERED: "A parcel that has arrived has arrived.",
    BulkAct.CANCEL_DELIVERY: "Order the gift anew on its page if it is to be sent after all.",
    BulkAct.REISSUE: "A reissued reward is the customer's. Cancel the new one if it is not to count.",
    BulkAct.CHECK_AGAIN: "Asking the shop changed nothing that could be taken back.",
    BulkAct.RETRY: "What was made is the customer's. Cancel it if it is not to count.",
}
OF_ATTEMPTS = {BulkAct.RETRY}  # what may be done to a redemption that is not on a profile, as it is still being made
OPPOSITE = {BulkAct.USED: BulkAct.UNUSED, BulkAct.UNUSED: BulkAct.USED}


class Irreversible(DomainError):
    """What the job did to a row cannot be taken back by it."""

    code = "irreversible"


class UnknownReward(DomainError):
    """No customer has a redeemed reward of this number."""

    code = "unknown_reward"


class _RolledBack(Exception):
    """The end of a rehearsal."""


def begin(*, act: BulkAct, ids: Sequence[int], actor: Actor, now: datetime) -> Job:
    """Keep the rows and check them; nothing is changed before a person applies the job.

    Raises NoRows, TooManyRows.
    """
    return lifecycle.create(
        kind=f"rewards.{act}",
        task=TASK,
        title=TITLES[act],
        summary=SUMMARIES[act],
        plan={"act": act, "permission": PERMISSIONS[act], "columns": [["id", "Redeemed reward"]]},
        rows=((number, {"id": pk}) for number, pk in enumerate(ids, start=1)),
        most_rows=MOST_ROWS,
        actor=actor,
        now=now,
    )


def work_on(*, job_id: int, now: datetime, patience: float) -> None:
    """Do batches of the job's present step, when nobody else is at it. Not inside a transaction."""
    claim = work.take(job_id=job_id, now=now)
    if claim is not None:
        steps: dict[Step, work.Handler] = {Step.CHECK: Check(), Step.APPLY: Apply(), Step.UNDO: Undo()}
        work.work(claim=claim, handlers=steps, now=now, patience=patience)


class Check:
    """Rehearses each row: what is refused, is refused with the sentence of the deed itself."""

    batch_size: int = 200

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[Outcome]:
        return [_judged(row, lambda pk: _rehearse(job, pk, now=now)) for row in rows]


class Apply:
    batch_size: int = 100

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[Outcome]:
        act, actor = BulkAct(job.plan["act"]), _actor(job)
        refused = _refused_before(job, rows, Step.CHECK)
        left = [row for row in rows if row.number not in refused]
        ordered = _locked_in_order(left, now=now)
        return [_judged(row, lambda pk: _do(act, pk, actor=actor, now=now)) for row in ordered]


class Undo:
    batch_size: int = 100

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[Outcome]:
        act, actor = BulkAct(job.plan["act"]), _actor(job)
        opposite = OPPOSITE.get(act)
        done = job_queries.outcomes(job=job, step=Step.APPLY, numbers=[row.number for row in rows])
        left = [row for row in rows if row.number in done and done[row.number].verdict == Verdict.OK]
        ordered = _locked_in_order(left, now=now)

        def back(pk: int) -> tuple[Verdict, str]:
            if opposite is None:
                raise Irreversible(FINAL[act])
            return _do(opposite, pk, actor=actor, now=now)

        return [_judged(row, back) for row in ordered]


def _judged(row: JobRow, deed: Callable[[int], tuple[Verdict, str]]) -> Outcome:
    """One row's outcome: its refusal undoes what it began, and nothing else."""
    pk = int(row.data["id"])
    try:
        with transaction.atomic():
            verdict, text = deed(pk)
    except DomainError as refusal:
        return Outcome(
            number=row.number, verdict=Verdict.REFUSED, code=refusal.code, text=refusal.sentence, subject_id=pk
        )
    return Outcome(number=row.number, verdict=verdict, text=text, subject_id=pk)


def _rehearse(job: Job, pk: int, *, now: datetime) -> tuple[Verdict, str]:
    act = BulkAct(job.plan["act"])
    if not RedeemedReward.objects.filter(pk=pk).filter(Q() if act in OF_ATTEMPTS else Q(on_profile=True)).exists():
        raise UnknownReward(f"No customer has a redeemed reward {pk}. Check the number.")
    if act == BulkAct.CANCEL:
        plan = cancellation.plan(redeemed_reward_id=pk, now=now, return_points=True)
        if plan.refusal:
            raise cancellation.CancellationRefused(plan.refusal)
        return Verdict.OK, " ".join(effect.sentence for effect in plan.effects)
    if act == BulkAct.REISSUE:
        if RedeemedReward.objects.filter(reissue_of_id=pk).exists():
            return Verdict.UNCHANGED, "It was reissued before."
        anew = reissue.plan(redeemed_reward_id=pk, now=now)
        if anew.refusal:
            raise reissue.ReissueRefused(anew.refusal)
        return Verdict.OK, " ".join(anew.effects)
    found: tuple[Verdict, str] = (Verdict.OK, "")
    try:
        with transaction.atomic():
            found = _do(act, pk, actor=_actor(job), now=now)
            raise _RolledBack  # noqa: TRY301 (what was rehearsed is undone)
    except _RolledBack:
        return found[0], "" if found[0] == Verdict.OK else found[1]


def _do(act: BulkAct, pk: int, *, actor: Actor, now: datetime) -> tuple[Verdict, str]:
    if act in MOVES:
        return _move(act, pk, actor=actor, now=now)
    if act == BulkAct.REISSUE:
        before = RedeemedReward.objects.filter(reissue_of_id=pk).exists()
        new = reissue.reissue(redeemed_reward_id=pk, actor=actor, now=now)
        return (Verdict.UNCHANGED, "It was reissued before.") if before else (Verdict.OK, DONE[act].format(new=new.pk))
    if act == BulkAct.CHECK_AGAIN:
        probing.ask(redeemed_reward_id=pk, now=now)
        return Verdict.OK, DONE[act]
    if act == BulkAct.RETRY:
        retrying.retry(redeemed_reward_id=pk, actor=actor, now=now)
        return Verdict.OK, DONE[act]
    if RedeemedReward.objects.filter(pk=pk, fulfillment_status=FulfillmentStatus.CANCELLED).exists():
        return Verdict.UNCHANGED, "It was canceled before."
    cancellation.begin(redeemed_reward_id=pk, actor=actor, now=now)
    return Verdict.OK, DONE[act]


def _move(act: BulkAct, pk: int, *, actor: Actor, now: datetime) -> tuple[Verdict, str]:
    before = RedeemedReward.objects.values_list("usage_status", "delivery_status").get(pk=pk)
    after = MOVES[act](redeemed_reward_id=pk, actor=actor, now=now)
    if before == (after.usage_status, after.delivery_status):
        return Verdict.UNCHANGED, "It was so already."
    return Verdict.OK, DONE[act]


def _refused_before(job: Job, rows: Sequence[JobRow], step: Step) -> set[int]:
    """The rows that stay as they are: they were refused, or would change nothing."""
    found = job_queries.outcomes(job=job, step=step, numbers=[row.number for row in rows])
    return {number for number, outcome in found.items() if outcome.verdict != Verdict.OK}


def _locked_in_order(rows: Sequence[JobRow], *, now: datetime) -> list[JobRow]:
    """Lock the accounts of a batch; gives back its rows by reward. So batches, and who redeems, never wait in a circle.

    Accounts in the order of their ids, before anything is written. Each row then locks what belongs to its reward, its
    stock last, and keeps it until the batch is through: hence one reward after the other, in the order of their ids.
    """
    ids = [int(row.data["id"]) for row in rows]
    found = RedeemedReward.objects.filter(pk__in=ids)
    for customer_id in found.order_by("customer_id").values_list("customer_id", flat=True).distinct():
        locking.lock(customer_id=customer_id, now=now)
    reward_of = dict(found.values_list("pk", "reward_id"))
    return sorted(rows, key=lambda row: (reward_of.get(int(row.data["id"]), 0), row.number))


def _actor(job: Job) -> Actor:
    return Actor(ActorKind(job.actor_kind), job.actor_id)
