"""Why a ledger row exists: a type and an id, without a foreign key, so that any layer above can be a cause."""

from dataclasses import dataclass
from enum import StrEnum


class CauseType(StrEnum):
    REDEEMED_REWARD = "redeemed_reward"
    ORDER = "order"
    ADJUSTMENT = "adjustment"
    LOT = "lot"
    SHORTFALL = "shortfall"
    TRANSFER = "transfer"
    TRANSACTION = "transaction"
    API = "api"
    IMPORT = "import"
    ACTIVITY = "activity"
    EARNING_RULE = "earning_rule"
    VIP_TIER = "vip_tier"


@dataclass(frozen=True, slots=True)
class Cause:
    type: CauseType
    id: int

    def __str__(self) -> str:
        return f"{self.type}:{self.id}"
