"""What a reward type says of itself: what it needs, how it is issued, whether its use is tracked."""

from typing import ClassVar

from loyalty.common import codes
from loyalty.common.errors import DomainError
from platforms.adapter import CodeSpec, CombinesWith, DiscountKind
from rewards.models import RedeemedReward, Reward, RewardKind, RewardType, UsageStatus


class RewardIncomplete(DomainError):
    """The reward lacks something its type needs."""

    code = "reward_incomplete"


class TypeOfReward:
    """One type. Subclasses set the class variables; `spec` says what to ask the shop for.

    A further type is a line in `RewardType` and a module beside this one: the registry finds it, no migration is made.
    """

    type: ClassVar[RewardType]
    kind: ClassVar[RewardKind] = RewardKind.VIRTUAL
    has_code: ClassVar[bool] = True  # the customer gets a code
    needs_shop: ClassVar[bool] = True  # the code is one a shop makes, and honours at its checkout
    is_delivered: ClassVar[bool] = False  # a parcel goes to the customer
    pays_out: ClassVar[bool] = False  # money goes to the customer, through the reward's payout account
    shows_qr: ClassVar[bool] = False  # the code is shown at a door, not typed
    part_redeemable: ClassVar[bool] = False  # spent bit by bit, with what remains kept
    usage: ClassVar[UsageStatus] = UsageStatus.UNUSED  # UNTRACKED where nobody can know
    untracked_because: ClassVar[str] = ""  # a sentence for staff
    code_is_money: ClassVar[bool] = False
    is_personal: ClassVar[bool] = True  # the code is bound to its customer where the shop can
    makes: ClassVar[DiscountKind | None] = None
    needs: ClassVar[frozenset[str]] = frozenset()  # columns of the reward that must be filled, see `rewards.offering`
    takes: ClassVar[frozenset[str]] = frozenset()  # those that may be filled besides

    def carries_code(self, reward: Reward) -> bool:
        """Whether this reward comes with a code."""
        return self.has_code

    def discount(self, row: Reward | RedeemedReward) -> DiscountKind | None:
        """What a shop is asked to make for it; none when no shop is asked."""
        return self.makes

    def new_code(self, prefix: str) -> str:
        """A fresh code for one redeemed reward of this type."""
        return codes.generate(prefix=prefix, money=self.code_is_money)

    def spec(self, redeemed: RedeemedReward, code: str) -> CodeSpec:
        """What to ask the shop for, from the copies on the redeemed reward alone, and its code where that shares a discount."""
        kind = self.discount(redeemed)
        if kind is None:
            raise RewardIncomplete(f"A reward of type {self.type.label!r} is not generated in a shop.")
        bulk = redeemed.code.bulk_reference if redeemed.code is not None else ""
        reference = bulk or redeemed.reference
        return CodeSpec(
            code=code,
            kind=kind,
            title=f"{redeemed.name} ({reference})",
            reference=reference,
            currency=redeemed.currency,
            percent=redeemed.percent,
            amount=redeemed.amount,
            product_reference=redeemed.product_reference,
            minimum_order=redeemed.minimum_order,
            collections=tuple(reference for reference, _ in redeemed.collections),
            combines_with=frozenset(CombinesWith(each) for each in redeemed.combines_with),
            starts_at=redeemed.starts_at,
            expires_at=redeemed.expires_at,
            customer_email=(redeemed.customer_email or None) if self.is_personal and not bulk else None,
            in_bulk=bool(bulk),
        )
