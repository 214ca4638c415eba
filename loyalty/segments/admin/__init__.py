from loyalty.segments.admin.page import SegmentAdmin

__all__ = ["SegmentAdmin"]
