from loyalty.points.models.account import PointsAccount
from loyalty.points.models.adjustments import AdjustmentReason, PointsAdjustment
from loyalty.points.models.holds import HoldState, PointsHold, PointsHoldCharge, PointsHoldRelease
from loyalty.points.models.lots import PointsAllocation, PointsLot, PointsReturn
from loyalty.points.models.transactions import PointsTransaction, PointsTransactionNote, TransactionKind

__all__ = [
    "AdjustmentReason",
    "HoldState",
    "PointsAccount",
    "PointsAdjustment",
    "PointsAllocation",
    "PointsHold",
    "PointsHoldCharge",
    "PointsHoldRelease",
    "PointsLot",
    "PointsReturn",
    "PointsTransaction",
    "PointsTransactionNote",
    "TransactionKind",
]
