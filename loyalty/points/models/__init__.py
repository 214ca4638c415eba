from loyalty.points.models.account import PointsAccount
from loyalty.points.models.adjustments import (
    AdjustmentCeiling,
    AdjustmentReason,
    AdjustmentRequest,
    PointsAdjustment,
    RequestState,
)
from loyalty.points.models.clawbacks import PointsClawback, PointsShortfall, PointsShortfallPayment, ShortfallState
from loyalty.points.models.holds import HoldState, PointsHold, PointsHoldCharge, PointsHoldRelease
from loyalty.points.models.lots import PointsAllocation, PointsLot, PointsLotChange, PointsReturn
from loyalty.points.models.seals import LedgerSeal, SealStream
from loyalty.points.models.transactions import PointsTransaction, PointsTransactionNote, TransactionKind
from loyalty.points.models.transfers import PointsTransfer

__all__ = [
    "AdjustmentCeiling",
    "AdjustmentReason",
    "AdjustmentRequest",
    "HoldState",
    "LedgerSeal",
    "PointsAccount",
    "PointsAdjustment",
    "PointsAllocation",
    "PointsClawback",
    "PointsHold",
    "PointsHoldCharge",
    "PointsHoldRelease",
    "PointsLot",
    "PointsLotChange",
    "PointsReturn",
    "PointsShortfall",
    "PointsShortfallPayment",
    "PointsTransaction",
    "PointsTransactionNote",
    "PointsTransfer",
    "RequestState",
    "SealStream",
    "ShortfallState",
    "TransactionKind",
]
