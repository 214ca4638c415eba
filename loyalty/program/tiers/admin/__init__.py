from loyalty.program.tiers.admin.changes import TierEntryAdmin, VipTierChangeAdmin
from loyalty.program.tiers.admin.rules import TierRulesAdmin
from loyalty.program.tiers.admin.tiers import TierAdmin

__all__ = ["TierAdmin", "TierEntryAdmin", "TierRulesAdmin", "VipTierChangeAdmin"]
