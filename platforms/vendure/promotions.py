"""Which promotion stands for a code of ours, and whether the one the shop made is the one we asked for. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from platforms.adapter import DISCOUNTS, CodeSpec, DiscountKind, PlatformCode, Refusal
from platforms.vendure import money, reading

MOST_MATCHES = 100
CLOCK_STEP = timedelta(seconds=1)  # what a database may cut off an expiry


class CannotMake(ValueError):
    """The code cannot be made in this shop; `refusal` says which kind of no it is, the text why."""

    def __init__(self, refusal: Refusal, sentence: str) -> None:
        super().__init__(sentence)
        self.refusal = refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to do after making a code: which one to keep, if any, and which to delete.

    Nothing kept and no refusal means that nobody can say: the new code was not found again.
    """

    kept: PlatformCode | None = None
    surplus: tuple[str, ...] = ()
    refusal: Refusal | None = None
    reason: str = ""


def input_for(spec: CodeSpec, *, shop: reading.Shop) -> dict[str, Any]:
    """Vendure's input for a single-use promotion. Raises CannotMake."""
    conditions = []
    if spec.minimum_order:
        amount = str(_shop_amount(spec.minimum_order, what="minimum order", spec=spec, shop=shop))
        inclusive = "true" if shop.prices_include_tax else "false"
        conditions = [_operation(reading.MINIMUM_ORDER, amount=amount, taxInclusive=inclusive)]
    return {
        "enabled": True,
        "couponCode": spec.code,
        "usageLimit": 1,
        "perCustomerUsageLimit": 1,
        "startsAt": spec.starts_at.isoformat() if spec.starts_at else None,
        "endsAt": spec.expires_at.isoformat() if spec.expires_at else None,
        "translations": [
            {"languageCode": shop.language, "name": spec.title, "description": reading.describe(spec.reference)}
        ],
        "conditions": conditions,
        "actions": [_action(spec, shop=shop)],
    }


def _action(spec: CodeSpec, *, shop: reading.Shop) -> dict[str, Any]:
    if spec.kind not in DISCOUNTS:
        what = spec.kind.value.replace("_", " ")
        raise CannotMake(Refusal.UNSUPPORTED, f"Vendure has no codes for a {what}. Give the reward another type.")
    if spec.kind is DiscountKind.FREE_DELIVERY:
        return _operation(reading.FREE_DELIVERY)
    if spec.kind is DiscountKind.PERCENTAGE:
        if spec.percent is None or not 0 < spec.percent <= 100:
            raise CannotMake(Refusal.INVALID, "The percentage must be above 0 and at most 100. Correct the reward.")
        return _operation(reading.PERCENTAGE, discount=f"{spec.percent.normalize():f}")
    if spec.amount is None or spec.amount <= 0:
        raise CannotMake(Refusal.INVALID, "The amount of the discount must be above 0. Correct the reward.")
    return _operation(
        reading.FIXED_AMOUNT, discount=str(_shop_amount(spec.amount, what="discount", spec=spec, shop=shop))
    )


def _operation(code: str, **arguments: str) -> dict[str, Any]:
    return {"code": code, "arguments": [{"name": name, "value": value} for name, value in arguments.items()]}


def _shop_amount(amount: Decimal, *, what: str, spec: CodeSpec, shop: reading.Shop) -> int:
    if spec.currency != shop.currency:
        raise CannotMake(
            Refusal.INVALID,
            f"The {what} is in {spec.currency}, but the shop's channel {shop.channel} sells in {shop.currency}. "
            "Correct the currency of the reward or of the connection.",
        )
    try:
        return money.to_shop(amount, currency=spec.currency, precision=shop.precision)
    except money.AmountNotExact as error:
        raise CannotMake(
            Refusal.INVALID, f"The {what} cannot be kept by the shop: {error} Correct the reward."
        ) from error


def judge(spec: CodeSpec, *, made_id: str, found: list[reading.Promotion]) -> Verdict:
    """Decide among all promotions that carry the code after we made ours; `found` is sorted, oldest first.

    Two of ours: the older stays, whoever made it, so that two makers agree. Another's: ours goes.
    """
    if not found:
        return Verdict(reason=f"The shop said that it made the code {spec.code}, but does not list it.")
    same = [entry for entry in found if entry.code.reference == spec.reference or entry.code.remote_id == made_id]
    made = next((entry for entry in same if entry.code.remote_id == made_id), None)
    if len(same) < len(found):
        reason = f"Somebody else made the code {spec.code} in the shop at the same time."
        return Verdict(surplus=(made_id,), refusal=Refusal.DUPLICATE_CODE, reason=reason)
    surplus = tuple(entry.code.remote_id for entry in same[1:])
    if made is None or same[0] is not made:
        reason = f"The shop had the code {spec.code} already."
        return Verdict(surplus=surplus, refusal=Refusal.DUPLICATE_CODE, reason=reason)
    wrong = _differences(spec, made)
    if wrong:
        reason = f"The shop stored another {' and '.join(wrong)} than we asked for; the code was removed again."
        return Verdict(surplus=(made_id, *surplus), refusal=Refusal.OTHER, reason=reason)
    return Verdict(kept=made.code, surplus=surplus)


def _differences(spec: CodeSpec, made: reading.Promotion) -> list[str]:
    stored = made.code
    percent = spec.percent if spec.kind is DiscountKind.PERCENTAGE else None
    amount = spec.amount if spec.kind is DiscountKind.FIXED_AMOUNT else None
    pairs = {
        "reference": stored.reference == spec.reference,
        "percentage": stored.percent == percent,
        "amount": stored.amount == amount,
        "minimum order": stored.minimum_order == (spec.minimum_order or None),
        "limit of uses": made.usage_limit == 1,
        "state": made.enabled,
        "expiry": (stored.expires_at is None and spec.expires_at is None)
        or (
            stored.expires_at is not None
            and spec.expires_at is not None
            and abs(stored.expires_at - spec.expires_at) <= CLOCK_STEP
        ),
    }
    return [name for name, agrees in pairs.items() if not agrees]
