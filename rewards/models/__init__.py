from rewards.models.cancellation import (
    Cancellation,
    CancellationReason,
    CancellationState,
    CodeEvidence,
    EvidenceKind,
)
from rewards.models.code import RewardCode
from rewards.models.delivery import Delivery, DeliveryChange, DeliveryStep
from rewards.models.issuing import IssueAttempt, IssueWork
from rewards.models.redeemed_reward import (
    DeliveryStatus,
    FulfillmentStatus,
    Origin,
    RedeemedReward,
    UsageStatus,
)
from rewards.models.reward import ExchangeType, PointsProduct, Reward, RewardStock, RewardText, RewardType

__all__ = [
    "Cancellation",
    "CancellationReason",
    "CancellationState",
    "CodeEvidence",
    "Delivery",
    "DeliveryChange",
    "DeliveryStatus",
    "DeliveryStep",
    "EvidenceKind",
    "ExchangeType",
    "FulfillmentStatus",
    "IssueAttempt",
    "IssueWork",
    "Origin",
    "PointsProduct",
    "RedeemedReward",
    "Reward",
    "RewardCode",
    "RewardStock",
    "RewardText",
    "RewardType",
    "UsageStatus",
]
