"""What has to hold after a cell of the matrix, whatever went wrong in it."""

from collections import Counter

from loyalty.common import codes
from loyalty.events.models import Event
from loyalty.points import audit
from loyalty.points.models import HoldState, PointsTransaction, TransactionKind
from loyalty.program.models import Order
from platforms.adapter import PlatformCode
from rewards.models import FulfillmentStatus, Origin, RedeemedReward, UsageStatus
from tests.matrix.stage import PRICE, Cell, Stage


def judge(stage: Stage) -> Cell:
    """What holds when nothing is under way: every reward in a true state, one code, one debit, one refund, one effect."""
    cell = stage.cell
    stage.settle()
    stage.expect("what is still under way is", stage.next_due(), None)
    made = [code for code in stage.codes() if code.remote_id not in stage.before]
    living = Counter(_whose(code) for code in made if code.alive)
    for row in RedeemedReward.objects.filter(pk__in=stage.rows).select_related("code"):
        bulk = row.code is not None and row.code.bulk_reference
        _judge_one(stage, row, living=living[row.code.canonical if bulk else row.reference])
    rows = RedeemedReward.objects.filter(connection=stage.connection).select_related("code")
    known = {row.reference for row in rows} | {row.code.canonical for row in rows if row.code is not None}
    ours = [code for code in made if code.alive and code.reference.startswith(("rr-", "cb-"))]
    cell.double += [f"{code.code} works in the shop for nobody" for code in ours if _whose(code) not in known]
    for order in Order.objects.filter(connection=stage.connection):
        earned = PointsTransaction.objects.filter(
            kind=TransactionKind.EARNING, cause_type="order", cause_id=order.pk
        ).count()
        if earned > 1:
            cell.double.append(f"order {order.number} earned {earned} times")
    if found := list(audit.differences()):
        cell.lost.append(f"the ledger: {'; '.join(map(str, found))}")
    return cell


def _whose(code: PlatformCode) -> str:
    """What names the reward that has it: its own reference, or the text where many share one."""
    return codes.canonical(code.code) if code.reference.startswith("cb-") else code.reference


def _judge_one(stage: Stage, row: RedeemedReward, *, living: int) -> None:
    cell, what = stage.cell, f"{row.reference} ({row.fulfillment_status}, {row.usage_status})"
    issued = row.fulfillment_status == FulfillmentStatus.ISSUED
    most = int(issued and row.usage_status == UsageStatus.UNUSED and row.code_id is not None)
    if living > most and stage.shop.harness.refuses(stage.code(row)):
        living = 0  # not every shop's list tells that a code was used up: the checkout knows
    cell.rewards += issued
    cell.codes += living
    _compare(cell, living, most, f"codes that work for {what}", may_lack=row.pk in stage.gone)
    if row.fulfillment_status == FulfillmentStatus.PENDING:
        cell.lost.append(f"{what} is in the making for ever")
    if row.hold is not None and row.hold.state == HoldState.OPEN:
        cell.lost.append(f"points are set aside for {what} for ever")
    _judge_points(stage, row, what)
    told = Event.objects.filter(kind="reward.used", subject_type="redeemed_reward", subject_id=row.pk)
    orders = [event.data.get("order_id") for event in told]
    _compare(cell, len(orders), len(set(orders)), f"words that an order used {what}")


def _judge_points(stage: Stage, row: RedeemedReward, what: str) -> None:
    """One debit for what was redeemed and made, and one refund when it was canceled with its points."""
    redeemed = row.origin == Origin.REDEMPTION
    made = row.fulfillment_status in {FulfillmentStatus.ISSUED, FulfillmentStatus.CANCELLED}
    paid = int(redeemed and made)
    debits = PointsTransaction.objects.filter(
        kind=TransactionKind.REDEMPTION, customer_id=row.customer_id if redeemed else 0
    )
    refunds = PointsTransaction.objects.filter(kind=TransactionKind.REVERSAL, reverses__in=debits).count()
    back = row.fulfillment_status == FulfillmentStatus.CANCELLED and row.pk not in stage.kept_points
    _compare(stage.cell, debits.count(), paid, f"debits for {what}")
    _compare(stage.cell, refunds, paid * back, f"refunds for {what}")
    stage.cell.refunds += refunds
    stage.cell.points += PRICE * (paid - refunds)


def _compare(cell: Cell, seen: int, wanted: int, what: str, *, may_lack: bool = False) -> None:
    if seen > wanted:
        cell.double.append(f"{seen} {what}, and not {wanted}")
    if seen < wanted and not may_lack:
        cell.lost.append(f"{seen} {what}, and not {wanted}")
