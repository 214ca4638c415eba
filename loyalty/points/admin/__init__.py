from loyalty.points.admin.ceilings import AdjustmentCeilingAdmin
from loyalty.points.admin.requests import AdjustmentRequestAdmin
from loyalty.points.admin.shortfalls import PointsShortfallAdmin
from loyalty.points.admin.transactions import PointsTransactionAdmin

__all__ = ["AdjustmentCeilingAdmin", "AdjustmentRequestAdmin", "PointsShortfallAdmin", "PointsTransactionAdmin"]
