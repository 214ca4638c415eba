from loyalty.program.admin.activities import ActivityAdmin
from loyalty.program.admin.earned import EarningAwardAdmin
from loyalty.program.admin.earning_rules import EarningRuleAdmin
from loyalty.program.admin.orders import OrderAdmin
from loyalty.program.admin.referrals import ReferralAdmin, ReferralSettingsAdmin
from loyalty.program.tiers import admin as tiers

__all__ = [
    "ActivityAdmin",
    "EarningAwardAdmin",
    "EarningRuleAdmin",
    "OrderAdmin",
    "ReferralAdmin",
    "ReferralSettingsAdmin",
    "tiers",
]
