"""Points at every step of a fault: the expiry sweep, and an import that is checked, applied, undone. For `prove_faults`."""

from datetime import timedelta
from io import BytesIO
from typing import Any

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.common.crashing import Scenario
from loyalty.common.racing import Scores
from loyalty.events.models import Event
from loyalty.jobs import lifecycle
from loyalty.jobs.models import Job, JobOutcome, JobState, Step, Verdict
from loyalty.points import audit, import_changes, import_checks, import_undo, imports, ledger, queries
from loyalty.points.import_rows import By, Mode
from loyalty.points.models import HoldState, PointsAccount, PointsHold, PointsLot, PointsTransaction, TransactionKind
from loyalty.points.proving import AUDIT, new_customer
from platforms.trial import Scene

HOUR = timedelta(hours=1)
LIVING, DUE = 30, (20, 50)
ROWS, ADDED = 5, 10
IN_TIME = "A lot expires once, with an entry of its own, and is told once"
ONCE = "A row of an import takes effect once, and is undone once"


def _due(scene: Scene) -> int:
    """A customer with two lots past their end, and one that lives."""
    customer_id, then = new_customer(), scene.now() - 2 * HOUR
    for points, ends in ((LIVING, None), *((points, then + HOUR) for points in DUE)):
        ledger.credit(
            customer_id=customer_id,
            points=points,
            kind=TransactionKind.EARNING,
            cause=Cause(CauseType.IMPORT, 1),
            actor=SYSTEM,
            now=then,
            expires_at=ends,
        )
    return customer_id


def _judge_expiry(scene: Scene, customer_id: int, scores: Scores) -> None:
    entries = PointsTransaction.objects.filter(customer_id=customer_id, kind=TransactionKind.EXPIRY)
    taken = sorted(-points for points in entries.values_list("points_change", flat=True))
    told = Event.objects.filter(kind="points.expired", customer_id=customer_id).count()
    scores.equal(IN_TIME, (taken, told), (sorted(DUE), 1))
    scores.equal(IN_TIME, queries.balance(customer_id=customer_id, now=scene.now()).balance, LIVING)
    scores.equal(IN_TIME, PointsLot.objects.filter(customer_id=customer_id, open=True).count(), 1)


def _import(scene: Scene, *, step: Step) -> dict[str, Any]:
    """An import that a worker is to bring through a step; the steps before it are over."""
    for handler in (import_checks.Check, import_changes.Apply, import_undo.Undo):
        handler.batch_size = 2
    customers = [new_customer() for _ in range(ROWS)]
    table = "customer_id,points\n" + "".join(f"{customer_id},{ADDED}\n" for customer_id in customers)
    job = imports.begin(
        file=BytesIO(table.encode()), file_name="fault.csv", mode=Mode.ADD, by=By.ID, actor=SYSTEM, now=scene.now()
    )
    for later in (Step.APPLY, Step.UNDO):
        if job.step == step:
            break
        _work(scene, {"job": job.pk})
        job = lifecycle.begin(job_id=job.pk, step=later, actor=SYSTEM, now=scene.now())
    return {"job": job.pk, "customers": customers}


def _work(scene: Scene, subject: dict[str, Any]) -> None:
    scene.task(imports.TASK, job_id=subject["job"])


def _apply(scene: Scene, subject: dict[str, Any]) -> None:
    """A person who finds it checked applies it."""
    lifecycle.begin(job_id=subject["job"], step=Step.APPLY, actor=SYSTEM, now=scene.now())


def _judge_applied(scene: Scene, subject: dict[str, Any], scores: Scores) -> None:
    _judge_import(scene, subject, scores, step=Step.APPLY, entries=[ADDED])


def _judge_undone(scene: Scene, subject: dict[str, Any], scores: Scores) -> None:
    _judge_import(scene, subject, scores, step=Step.UNDO, entries=[ADDED, -ADDED])


def _judge_import(scene: Scene, subject: dict[str, Any], scores: Scores, *, step: Step, entries: list[int]) -> None:
    job = Job.objects.get(pk=subject["job"])
    scores.equal(ONCE, (job.step, job.state, job.rows_done), (step, JobState.DONE, ROWS))
    outcomes = JobOutcome.objects.filter(job=job, step=step).values_list("verdict", flat=True)
    scores.equal(ONCE, list(outcomes), [Verdict.OK] * ROWS)
    for customer_id in subject["customers"]:
        rows = PointsTransaction.objects.filter(customer_id=customer_id).order_by("pk")
        scores.equal(ONCE, list(rows.values_list("points_change", flat=True)), entries)
        scores.equal(ONCE, queries.balance(customer_id=customer_id, now=scene.now()).balance, sum(entries))


FAULTS: dict[str, Scenario[Scene]] = {
    "a worker writes what expired": Scenario(
        prepare=_due, act=lambda scene, _: scene.task("points.settle_due"), judge=_judge_expiry
    ),
    "a worker checks an import": Scenario(
        prepare=lambda scene: _import(scene, step=Step.CHECK), act=_work, again=_apply, judge=_judge_applied
    ),
    "a worker applies an import": Scenario(
        prepare=lambda scene: _import(scene, step=Step.APPLY), act=_work, judge=_judge_applied
    ),
    "a worker undoes an import": Scenario(
        prepare=lambda scene: _import(scene, step=Step.UNDO), act=_work, judge=_judge_undone
    ),
}


def waiting(scene: Scene) -> dict[str, int]:
    """What is under way, by its name."""
    return {
        "accounts to be settled": PointsAccount.objects.filter(next_edge_at__lte=scene.now()).count(),
        "holds": PointsHold.objects.filter(state=HoldState.OPEN).count(),
        "jobs": Job.objects.filter(state=JobState.OPEN).count(),
    }


def closing(scene: Scene, scores: Scores) -> None:
    """What holds of all points when nothing is under way."""
    found = list(audit.differences())
    scores.check(AUDIT, holds=not found, otherwise="; ".join(map(str, found)))
