from loyalty.customers.admin.erasure import ErasureRequestAdmin
from loyalty.customers.admin.page import CustomerAdmin

__all__ = ["CustomerAdmin", "ErasureRequestAdmin"]
