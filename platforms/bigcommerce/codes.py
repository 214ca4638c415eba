"""What the three kinds of BigCommerce codes have in common: coupons, promotions' codes and gift certificates. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from loyalty.common import money
from platforms.adapter import CodeSpec, DiscountKind, PlatformCode, Refusal

CLOCK_STEP = timedelta(seconds=1)  # what the shop cuts off an expiry
ALPHABET = re.compile(r"[A-Za-z0-9_ -]{1,50}", re.ASCII)
LONGEST_NAME = 100

_NAME = re.compile(r"Loyalty Desk (\S+)")


class CannotMake(ValueError):
    """The code cannot be made in this shop; `refusal` says which kind of no it is, the text why."""

    def __init__(self, sentence: str, refusal: Refusal = Refusal.INVALID) -> None:
        super().__init__(sentence)
        self.refusal = refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A code as the shop keeps it, and what is needed to change it there."""

    code: PlatformCode
    raw: Mapping[str, Any]  # of a promotion's code: the promotion
    enabled: bool
    limited_to_one_use: bool
    shared: bool = False  # its promotion is, or may be, that of other codes too: to change it would change them

    @property
    def is_ours(self) -> bool:
        return bool(self.code.reference)

    @property
    def kind(self) -> str:
        return self.code.remote_id.partition(":")[0]

    @property
    def rank(self) -> tuple[bool, bool]:
        """Sorts the living before the dead, and ours before another's."""
        return not self.code.alive, not self.is_ours


def name_of(reference: str) -> str:
    """The name of what stands for this reference in the shop: BigCommerce takes each name once.

    It is a second key beside the code: the shop itself refuses a second coupon for one reward.
    """
    return f"Loyalty Desk {reference}"


def reference_in(name: Any) -> str:
    """Our reference in the name of a coupon or promotion; empty when it is not ours."""
    found = _NAME.fullmatch(name) if isinstance(name, str) and len(name) <= LONGEST_NAME else None
    return found[1] if found else ""


def check(spec: CodeSpec, *, currency: str) -> None:
    """What no kind of code can do here. Raises CannotMake."""
    if ALPHABET.fullmatch(spec.code) is None:
        raise CannotMake(
            "BigCommerce takes codes of at most 50 letters, digits, spaces, hyphens and underscores. Correct the prefix."
        )
    if len(name_of(spec.reference)) > LONGEST_NAME or reference_in(name_of(spec.reference)) != spec.reference:
        raise CannotMake("The reward's reference is too long, or has a space, and cannot be kept by BigCommerce.")
    if spec.currency != currency:
        raise CannotMake(
            f"The reward is in {spec.currency}, but the store's default currency is {currency}, and BigCommerce's codes "
            "work in that one alone. Correct the currency of the reward or of the connection."
        )
    if spec.kind is DiscountKind.PERCENTAGE and (spec.percent is None or not 0 < spec.percent <= 100):
        raise CannotMake("The percentage must be above 0 and at most 100. Correct the reward.")
    if spec.kind in {DiscountKind.FIXED_AMOUNT, DiscountKind.GIFT_CARD} and (spec.amount is None or spec.amount <= 0):
        raise CannotMake("The amount must be above 0. Correct the reward.")
    for what, value in (("amount", spec.amount), ("minimum order", spec.minimum_order)):
        if value is not None and not money.fits(value, spec.currency):
            raise CannotMake(f"The {what} has more decimals than {spec.currency}. Correct the reward.")


def category_ids(spec: CodeSpec) -> list[int]:
    """The categories a code is limited to, sorted; none means all. Raises CannotMake."""
    if not all(re.fullmatch(r"[1-9]\d{0,8}", each, re.ASCII) for each in spec.collections):
        raise CannotMake(
            "BigCommerce knows its categories by their numbers. Enter each as the number in the address of its page in "
            "the control panel, under Products, Categories."
        )
    return sorted(int(each) for each in spec.collections)


def differences(spec: CodeSpec, kept: Kept) -> list[str]:
    """What the shop stored otherwise than we asked, in words."""
    stored = kept.code
    pairs = {
        "code": stored.code.casefold() == spec.code.casefold(),
        "reference": stored.reference == spec.reference,
        "percentage": stored.percent == (spec.percent if spec.kind is DiscountKind.PERCENTAGE else None),
        "amount": stored.amount == (spec.amount if spec.kind in _WITH_AMOUNT else None),
        "product": stored.product_reference == spec.product_reference,
        "minimum order": (stored.minimum_order or None) == (spec.minimum_order or None),
        "choice of categories": set(stored.collections) == set(spec.collections),
        "limit of uses": kept.limited_to_one_use or spec.kind is DiscountKind.GIFT_CARD,
        "state": kept.enabled,
        "expiry": (stored.expires_at is None and spec.expires_at is None)
        or (
            stored.expires_at is not None
            and spec.expires_at is not None
            and abs(stored.expires_at - spec.expires_at) <= CLOCK_STEP
        ),
    }
    return [name for name, agrees in pairs.items() if not agrees]


_WITH_AMOUNT = frozenset({DiscountKind.FIXED_AMOUNT, DiscountKind.GIFT_CARD})
