from rewards.models.campaign import AudienceKind, Campaign, CampaignReward
from rewards.models.cancellation import (
    Cancellation,
    CancellationReason,
    CancellationState,
    CodeEvidence,
    EvidenceKind,
)
from rewards.models.code import BULK_REFERENCE, RewardCode
from rewards.models.delivery import Delivery, DeliveryChange, DeliveryStep
from rewards.models.extension import CodeExtension, ExtensionState
from rewards.models.issuing import IssueAttempt, IssueLane, IssueWork
from rewards.models.payout import FINAL, Payout, PayoutEvidence, PayoutEvidenceKind, PayoutState
from rewards.models.pool import CodePool, PoolCandidate
from rewards.models.price import ExchangeType, PointsProduct
from rewards.models.reconciliation import (
    FINDING_OPEN,
    FindingDetail,
    FindingKind,
    FindingState,
    ListedCode,
    ReconciliationFinding,
    ReconciliationRun,
    Repair,
    RunPhase,
    RunScope,
    RunState,
)
from rewards.models.redeemed_reward import (
    DeliveryStatus,
    FulfillmentStatus,
    Origin,
    RedeemedReward,
    UsageStatus,
)
from rewards.models.reward import (
    Combination,
    Period,
    Reward,
    RewardAudience,
    RewardCategory,
    RewardStock,
    RewardText,
    RewardTier,
)
from rewards.models.reward_type import RewardKind, RewardType, reward_types
from rewards.models.value_code import ValueCodeUse

__all__ = [
    "BULK_REFERENCE",
    "FINAL",
    "FINDING_OPEN",
    "AudienceKind",
    "Campaign",
    "CampaignReward",
    "Cancellation",
    "CancellationReason",
    "CancellationState",
    "CodeEvidence",
    "CodeExtension",
    "CodePool",
    "Combination",
    "Delivery",
    "DeliveryChange",
    "DeliveryStatus",
    "DeliveryStep",
    "EvidenceKind",
    "ExchangeType",
    "ExtensionState",
    "FindingDetail",
    "FindingKind",
    "FindingState",
    "FulfillmentStatus",
    "IssueAttempt",
    "IssueLane",
    "IssueWork",
    "ListedCode",
    "Origin",
    "Payout",
    "PayoutEvidence",
    "PayoutEvidenceKind",
    "PayoutState",
    "Period",
    "PointsProduct",
    "PoolCandidate",
    "ReconciliationFinding",
    "ReconciliationRun",
    "RedeemedReward",
    "Repair",
    "Reward",
    "RewardAudience",
    "RewardCategory",
    "RewardCode",
    "RewardKind",
    "RewardStock",
    "RewardText",
    "RewardTier",
    "RewardType",
    "RunPhase",
    "RunScope",
    "RunState",
    "UsageStatus",
    "ValueCodeUse",
    "reward_types",
]
