"""Scenarios 1 to 7 and 13 once more, for a campaign whose codes share a discount of the shop."""

from rewards import issuing
from rewards.issuing import lanes
from rewards.models import CancellationState, RedeemedReward
from tests.matrix.levers import Fault
from tests.matrix.making import at_once, foreign, found
from tests.matrix.stage import Stage
from tests.matrix.table import Parts

PARTS = Parts()
MANY = 6


def struck(stage: Stage, fault: Fault) -> list[RedeemedReward]:
    """A campaign whose one call met this."""
    stage.shop.fault_many(fault)
    rows = stage.campaign(MANY)
    stage.settle()
    stage.expect(f"although {fault}, its rewards are", {stage.status(row) for row in rows}, {"issued"})
    return rows


@PARTS.of(1, "many, too late")
def _(stage: Stage) -> None:
    struck(stage, Fault.TIMED_OUT)


@PARTS.of(2, "many, 504 after")
def _(stage: Stage) -> None:
    struck(stage, Fault.GATEWAY_AFTER)
    struck(stage, Fault.CUT_OFF)


@PARTS.of(2, "many, 502 before")
def _(stage: Stage) -> None:
    struck(stage, Fault.GATEWAY_BEFORE)
    struck(stage, Fault.DROPPED)


@PARTS.of(4, "many, one of them foreign")
def _(stage: Stage) -> None:
    rows = stage.campaign(MANY)
    name = stage.code(rows[2])
    before = stage.shop.adapter().create_code(foreign(name)).value
    stage.settle()
    stage.expect("a campaign with a name that was taken is", {stage.status(row) for row in rows}, {"issued"})
    after = stage.shop.adapter().find_code(name).value
    stage.expect("the foreign code is still", after and after.remote_id, before and before.remote_id)


@PARTS.of(5, "many, two workers at once")
def _(stage: Stage) -> None:
    rows = stage.campaign(MANY)
    connection_id, now = stage.connection.pk, stage.now()

    def work() -> None:
        issuing.work_for(connection_id=connection_id, now=now, patience=5.0)

    with stage.lanes(2):
        at_once(work, work)
    stage.settle()
    stage.expect("a campaign two workers made is", {stage.status(row) for row in rows}, {"issued"})


@PARTS.of(5, "many, one takes over from another")
def _(stage: Stage) -> None:
    """The first is still about to ask when its claims run out."""
    rows = stage.campaign(MANY)
    connection_id = stage.connection.pk

    def second() -> None:
        stage.leap(61)
        lane = lanes.take(connection_id=connection_id, now=stage.now())
        assert lane is not None
        lanes.leave(lane, now=stage.now(), rest=0.0)
        issuing.work_for(connection_id=connection_id, now=stage.now(), patience=2.0)

    with stage.right_before("create_bulk", second):
        issuing.work_for(connection_id=connection_id, now=stage.now(), patience=2.0)
    stage.settle()
    stage.expect("a campaign that was taken over is", {stage.status(row) for row in rows}, {"issued"})


@PARTS.of(6, "many, asked to wait")
def _(stage: Stage) -> None:
    struck(stage, Fault.THROTTLED)


@PARTS.of(7, "one of many, unused")
def _(stage: Stage) -> None:
    first, *others = made(stage)
    stage.expect("a cancellation of one ends", stage.cancel(first).state, CancellationState.PROVED)
    stage.expect("canceled twice it ends", stage.cancel(first).state, CancellationState.PROVED)
    stage.expect("the others are", {stage.status(row) for row in others}, {"issued"})


@PARTS.of(7, "one of many, used")
def _(stage: Stage) -> None:
    first, *_ = made(stage)
    stage.shop.buy(email=first.customer_email, code=stage.code(first))
    stage.expect("a cancellation of a used one ends", stage.cancel(first).state, CancellationState.USED_MEANWHILE)
    stage.expect("it is", stage.status(first), "used")


@PARTS.of(7, "one of many, a count that lags")
def _(stage: Stage) -> None:
    first, *_ = made(stage)
    with stage.shop.count_late():
        stage.shop.buy(email=first.customer_email, code=stage.code(first))
        stage.begin_canceling(first)
        stage.work()
    stage.settle()
    stage.expect("one whose use came to light late is", stage.status(first), "used")


@PARTS.of(7, "one of many, at a checkout")
def _(stage: Stage) -> None:
    first, *_ = made(stage)
    code = stage.code(first)
    with stage.right_before("disable_code", lambda: stage.shop.buy(email=first.customer_email, code=code)):
        stage.cancel(first)
    stage.expect("one that was used while it was canceled is", stage.status(first), "used")


@PARTS.of(13, "one of many, deleted by hand")
def _(stage: Stage) -> None:
    first, second, *_ = made(stage)
    for row in (first, second):
        stage.shop.remove_one(stage.code(row))
        stage.gone.add(row.pk)
    stage.expect("a cancellation of a deleted one ends", stage.cancel(second).state, CancellationState.PROVED)
    (finding,) = found(stage, first)
    stage.expect("a deleted one is found as", (finding.kind, finding.repair), ("ghost", "reissue"))


def made(stage: Stage) -> list[RedeemedReward]:
    rows = stage.campaign(MANY)
    stage.settle()
    stage.expect("a campaign without a fault is", {stage.status(row) for row in rows}, {"issued"})
    return rows
