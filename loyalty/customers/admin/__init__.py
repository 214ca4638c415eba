from loyalty.customers.admin.page import CustomerAdmin

__all__ = ["CustomerAdmin"]
