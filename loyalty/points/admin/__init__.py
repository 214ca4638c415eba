from loyalty.points.admin.transactions import PointsTransactionAdmin

__all__ = ["PointsTransactionAdmin"]
