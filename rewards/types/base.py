"""What a reward type says of itself: what it needs, how it is issued, whether its use is tracked."""

from typing import ClassVar

from loyalty.common import codes
from loyalty.common.errors import DomainError
from platforms.adapter import CodeSpec, DiscountKind
from rewards.models import RedeemedReward, RewardType, UsageStatus


class RewardIncomplete(DomainError):
    """The reward lacks something its type needs."""

    code = "reward_incomplete"


class TypeOfReward:
    """One type. Subclasses set the class variables; `spec` says what to ask the shop for."""

    type: ClassVar[RewardType]
    has_code: ClassVar[bool] = True  # the customer gets a code
    needs_shop: ClassVar[bool] = True  # only a shop can honour it
    is_delivered: ClassVar[bool] = False  # a parcel goes to the customer
    usage: ClassVar[UsageStatus] = UsageStatus.UNUSED  # UNTRACKED where nobody can know
    code_is_money: ClassVar[bool] = False
    kind: ClassVar[DiscountKind | None] = None

    def new_code(self, prefix: str) -> str:
        """A fresh code for one redeemed reward of this type."""
        return codes.generate(prefix=prefix, money=self.code_is_money)

    def spec(self, redeemed: RedeemedReward, code: str) -> CodeSpec:
        """What to ask the shop for, from the copies on the redeemed reward alone."""
        if self.kind is None:
            raise RewardIncomplete(f"A reward of type {self.type.label!r} is not generated in a shop.")
        return CodeSpec(
            code=code,
            kind=self.kind,
            title=f"{redeemed.name} ({redeemed.reference})",
            reference=redeemed.reference,
            currency=redeemed.currency,
            percent=redeemed.percent,
            amount=redeemed.amount,
            minimum_order=redeemed.minimum_order,
            expires_at=redeemed.expires_at,
            customer_email=redeemed.customer_email or None,
        )
