"""Scenarios 1 to 6 and 13 to 16: a code is made, and what it was made for is paid."""

import threading
from collections.abc import Callable
from decimal import Decimal

from django.db import connection

from platforms.adapter import CodeSpec, DiscountKind, Outcome
from rewards import issuing
from rewards.models import Payout, PayoutState, ReconciliationFinding, RedeemedReward
from rewards.reconciliation import repairs, runs, steps
from rewards.types import registry as types
from tests.fakes.misbehaving import unused_port
from tests.matrix.levers import Fault
from tests.matrix.stage import STAFF, Stage
from tests.matrix.table import Parts

PARTS = Parts()


def lost_answer(stage: Stage, fault: Fault) -> None:
    """A redemption whose code was made, and a grant: both are issued, each with the one code."""
    for ask in (stage.redeem, stage.grant):
        stage.shop.fault(fault)
        row = ask()
        stage.settle()
        stage.expect(f"although {fault}, the reward is", stage.status(row), "issued")
        (made,) = [code for code in stage.codes() if code.reference == row.reference]
        stage.expect("its number in the shop is", RedeemedReward.objects.get(pk=row.pk).code.remote_id, made.remote_id)


@PARTS.of(1, "too late")
def _(stage: Stage) -> None:
    lost_answer(stage, Fault.TIMED_OUT)


@PARTS.of(2, "504 after")
def _(stage: Stage) -> None:
    lost_answer(stage, Fault.GATEWAY_AFTER)
    lost_answer(stage, Fault.CUT_OFF)


@PARTS.of(2, "502 before")
def _(stage: Stage) -> None:
    """A grant is asked for again; a redemption fails, for the customer was told so."""
    stage.shop.fault(Fault.GATEWAY_BEFORE)
    granted = stage.grant()
    stage.settle()
    stage.expect("a grant behind a broken gateway is", stage.status(granted), "issued")
    stage.shop.fault(Fault.GATEWAY_BEFORE)
    redeemed = stage.redeem()
    stage.settle()
    stage.expect("a redemption behind a broken gateway is", stage.status(redeemed), "failed")


@PARTS.of(2, "connection refused")
def _(stage: Stage) -> None:
    address = stage.connection.base_url
    nowhere = stage.shop.base_url.replace(stage.shop.base_url.split("/")[2], f"127.0.0.1:{unused_port()}")
    stage.move_shop(nowhere)
    redeemed, granted = stage.redeem(), stage.grant()
    stage.work()
    stage.expect("a redemption at a shop that is off is", stage.status(redeemed), "failed")
    stage.move_shop(address)
    stage.settle()
    stage.expect("a grant at a shop that was off is", stage.status(granted), "issued")


@PARTS.of(3, "present later")
def _(stage: Stage) -> None:
    """The request hung inside the shop: it is carried out after somebody looked."""
    for ask in (stage.redeem, stage.grant):
        stage.shop.fault(Fault.DROPPED)
        row = ask()
        stage.leap(5.1)
        stage.work()  # a grant is sent, a redemption looked up: absent
        stage.leap(5.1)
        stage.work()
        stage.expect("a code in doubt is", stage.status(row), "pending")
        stage.shop.adapter().create_code(types.type_of(row.type).spec(row, stage.code(row)))
        stage.settle()
        stage.expect("a code that came late is", stage.status(row), "issued")


@PARTS.of(4, "a foreign code")
def _(stage: Stage) -> None:
    row = stage.grant()
    name = stage.code(row)
    before = stage.shop.adapter().create_code(foreign(name)).value
    stage.settle()
    stage.expect("a reward whose name was taken is", stage.status(row), "issued")
    stage.expect("its name is another", stage.code(row) != name, True)
    after = stage.shop.adapter().find_code(name).value
    stage.expect("the foreign code is", (after and after.percent, after and after.alive), (Decimal(20), True))
    stage.expect("it has the number", after and after.remote_id, before and before.remote_id)
    stage.cancel(row)
    after = stage.shop.adapter().find_code(name).value
    stage.expect("after canceling ours the foreign code is alive:", after is not None and after.alive, True)


@PARTS.of(5, "two at once")
def _(stage: Stage) -> None:
    row = stage.grant()
    now = stage.now()

    def work() -> None:
        if claim := issuing.take(redeemed_reward_id=row.pk, now=now):
            issuing.work(claim=claim, now=now, patience=5.0)

    at_once(work, work)
    stage.settle()
    stage.expect("a reward two workers made is", stage.status(row), "issued")


@PARTS.of(5, "one takes over from another")
def _(stage: Stage) -> None:
    """The first is still about to ask when its claim runs out."""
    row = stage.grant()
    claim = issuing.take(redeemed_reward_id=row.pk, now=stage.now())
    assert claim is not None

    def second() -> None:
        stage.leap(61)
        taken = issuing.take(redeemed_reward_id=row.pk, now=stage.now())
        assert taken is not None
        issuing.work(claim=taken, now=stage.now(), patience=0.1)

    with stage.right_before("create_code", second):
        issuing.work(claim=claim, now=stage.now(), patience=0.1)
    stage.settle()
    stage.expect("a reward that was taken over is", stage.status(row), "issued")


@PARTS.of(6, "asked to wait")
def _(stage: Stage) -> None:
    stage.shop.fault(Fault.THROTTLED)
    row = stage.grant()
    stage.work()
    stage.expect("a throttled grant is", stage.status(row), "pending")
    asked = len(stage.attempts(row))
    stage.work()
    stage.expect("before its time the shop was asked so often", len(stage.attempts(row)), asked)
    stage.settle()
    stage.expect("a grant that waited is", stage.status(row), "issued")
    stage.shop.fault(Fault.THROTTLED)
    redeemed = stage.redeem()
    stage.settle()
    stage.expect("a redemption that may not wait is", stage.status(redeemed), "failed")


@PARTS.of(6, "a token that ends")
def _(stage: Stage) -> None:
    stage.issued()
    stage.shop.forget_token()
    stage.issued()


@PARTS.of(13, "deleted by hand")
def _(stage: Stage) -> None:
    gone, canceled = stage.issued(), stage.issued()
    for row in (gone, canceled):
        stage.shop.remove(stage.code(row))
        stage.gone.add(row.pk)
    stage.expect("a cancellation of a deleted code ends", stage.cancel(canceled).state, "proved")
    (finding,) = found(stage, gone)
    stage.expect("a deleted code is found as", (finding.kind, finding.repair), ("ghost", "reissue"))
    repairs.repair(finding_id=finding.pk, actor=STAFF, now=stage.now())
    repairs.repair(finding_id=finding.pk, actor=STAFF, now=stage.now())
    stage.settle()
    again = list(gone.reissues.all())
    stage.expect("it was given anew so often", len(again), 1)
    stage.rows += [row.pk for row in again]
    stage.kept_points.add(gone.pk)


@PARTS.of(13, "changed by hand")
def _(stage: Stage) -> None:
    row = stage.issued()
    stage.shop.change_value(stage.code(row))
    stage.expect("a changed code is found as", [one.kind for one in found(stage, row)], ["value_drift"])
    stage.expect("a cancellation of a changed code ends", stage.cancel(row).state, "proved")


def found(stage: Stage, row: RedeemedReward) -> list[ReconciliationFinding]:
    """What a reconciliation of the whole shop says of one reward."""
    stage.leap(60)  # what was made when the run began is left to the next
    run = runs.begin(connection_id=stage.connection.pk, actor=STAFF, now=stage.now())
    claim = runs.take(run_id=run.pk, now=stage.now())
    assert claim is not None
    stage.expect("a reconciliation ends", steps.work(claim=claim, now=stage.now(), patience=30.0), steps.Verdict.DONE)
    return list(ReconciliationFinding.objects.filter(run=run, redeemed_reward=row))


@PARTS.of(14, "every version of the schema")
def _(stage: Stage) -> None:
    from tests.matrix import schemas

    schemas.check(stage)


@PARTS.of(15, "deleting everything")
def _(stage: Stage) -> None:
    """No id, or an empty one, in any of the acts that end a code; the fake fails who deletes everything."""
    kept = stage.issued()
    for remote_id in ("", "0", "coupon-", "/", "?"):
        answer = stage.shop.adapter().disable_code("NO-SUCH-CODE", remote_id)
        stage.expect("disabling a code that is not there is", answer.outcome in {Outcome.OK, Outcome.REJECTED}, True)
    stage.cancel(stage.issued())
    stage.expect("another's code is", stage.status(kept), "issued")


@PARTS.of(16, "a payment")
def _(stage: Stage) -> None:
    for unharmed in (False, True):
        row = stage.pay(lose_answer=not unharmed)
        stage.settle()
        payout = Payout.objects.get(redeemed_reward=row)
        stage.expect("the payment is", payout.state, PayoutState.PAID)
        stage.expect("it was sent so often", payout.attempts, 1)
        stage.expect("the provider has so many of it", stage.shop.payments(payout.reference), 1)


def foreign(name: str) -> CodeSpec:
    """A code that somebody else makes."""
    return CodeSpec(
        code=name, kind=DiscountKind.PERCENTAGE, title="Twenty off", reference="shop-own", currency="USD",
        percent=Decimal(20),
    )  # fmt: skip


def at_once(*acts: Callable[[], object]) -> None:
    """In threads of their own, from the same moment on."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        try:
            start.wait(10)
            act()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,), daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
