"""What points buy: a reward for its price, or so much value for so many steps of points. Never rounded."""

from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from loyalty.common.errors import DomainError
from rewards.models import ExchangeType, PointsProduct


class PriceChanged(DomainError):
    """The reward costs something else than the caller means to spend."""

    code = "price_changed"

    def __init__(self, *, expected: int, price: int) -> None:
        super().__init__(
            _("This reward costs %(price)s points, not %(expected)s. Nothing was spent: look again and confirm.")
            % {"price": price, "expected": expected}
        )


class ValueChanged(DomainError):
    """The points buy another value than the caller saw."""

    code = "value_changed"

    def __init__(self, *, points: int, expected: Decimal, value: Decimal) -> None:
        super().__init__(
            _("%(points)s points buy %(value)s by now, not %(expected)s. Nothing was spent: look again and confirm.")
            % {"points": points, "value": f"{value:f}", "expected": f"{expected:f}"}
        )


class PointsNotAccepted(DomainError):
    """So many points cannot be spent on this reward: too few, too many, or between two steps."""

    code = "points_not_accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A variable cost: `step` points buy `value`, from `least` points to `most` (none: no end)."""

    step: int
    value: int
    least: int
    most: int | None

    def worth(self, points: int) -> Decimal:
        return Decimal(points // self.step * self.value)

    def accepts(self, points: int) -> bool:
        within = self.least <= points and (self.most is None or points <= self.most)
        return within and points % self.step == 0

    def most_with(self, balance: int) -> int:
        """The most points somebody with this balance can spend; `least` when that is not enough."""
        most = balance if self.most is None else min(balance, self.most)
        return max(most - most % self.step, self.least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What is spent and, for a variable cost, the value it buys."""

    points: int
    value: Decimal | None = None


def steps_of(product: PointsProduct) -> Steps | None:
    """The steps of a variable cost; none for a fixed one."""
    step, value, least = (
        product.variable_points_step,
        product.variable_points_step_reward_value,
        product.variable_points_min,
    )
    if product.exchange_type != ExchangeType.VARIABLE or step is None or value is None or least is None:
        return None
    return Steps(step=step, value=value, least=least, most=product.variable_points_max)


def least_points(product: PointsProduct) -> int:
    """The price, or the fewest points a variable one takes."""
    steps = steps_of(product)
    return steps.least if steps is not None else product.points_price or 0


def price(
    *, product: PointsProduct, points_to_spend: int | None = None, expected_value: Decimal | None = None
) -> Price:
    """What is spent and what that buys. For a fixed price `points_to_spend` is none, or just that price.

    With `expected_value` another value is refused. Raises PriceChanged, ValueChanged, PointsNotAccepted.
    """
    steps = steps_of(product)
    if steps is None:
        fixed = least_points(product)
        if points_to_spend not in (None, fixed):
            raise PriceChanged(expected=points_to_spend or 0, price=fixed)
        return Price(points=fixed)
    if points_to_spend is None:
        raise PointsNotAccepted(
            _("Say how many points to spend on this reward: %(accepted)s.") % {"accepted": accepted(steps)}
        )
    if not steps.accepts(points_to_spend):
        raise PointsNotAccepted(
            _("%(points)s points cannot be spent on this reward: spend %(accepted)s. Nothing was spent.")
            % {"points": points_to_spend, "accepted": accepted(steps)}
        )
    value = steps.worth(points_to_spend)
    if expected_value is not None and expected_value != value:
        raise ValueChanged(points=points_to_spend, expected=expected_value, value=value)
    return Price(points=points_to_spend, value=value)


def accepted(steps: Steps) -> str:
    """Which points are accepted, as a part of a sentence."""
    figures = {"step": steps.step, "least": steps.least, "most": steps.most}
    if steps.most is None:
        return _("a multiple of %(step)s, from %(least)s on") % figures
    return _("a multiple of %(step)s, from %(least)s to %(most)s") % figures
