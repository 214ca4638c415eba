from loyalty.program.admin import orders, referrals

__all__ = ["orders", "referrals"]
