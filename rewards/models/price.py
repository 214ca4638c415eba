"""What a reward costs in points."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import NullIf
from django.db.models.lookups import Exact

from rewards.models.reward import Reward


class ExchangeType(models.TextChoices):
    FIXED = "fixed", "Fixed"
    VARIABLE = "variable", "Variable"


_NO_STEPS = Q(
    variable_points_step__isnull=True,
    variable_points_step_reward_value__isnull=True,
    variable_points_min__isnull=True,
    variable_points_max__isnull=True,
)


class PointsProduct(models.Model):
    """A reward's price tag: so many points, or steps of points that each buy a step of value.

    A reward without one can only be granted.
    """

    reward = models.OneToOneField(Reward, on_delete=models.CASCADE, related_name="points_product")
    exchange_type = models.CharField(max_length=10, choices=ExchangeType, default=ExchangeType.FIXED)
    points_price = models.PositiveIntegerField("points", null=True, blank=True)
    variable_points_step = models.PositiveIntegerField(
        "points per step", null=True, blank=True, help_text="Customers spend whole steps: 100, 200, 300 …"
    )
    variable_points_step_reward_value = models.PositiveIntegerField(
        "value per step", null=True, blank=True, help_text="What each step buys, in whole units of the currency."
    )
    variable_points_min = models.PositiveIntegerField("at least", null=True, blank=True)
    variable_points_max = models.PositiveIntegerField("at most", null=True, blank=True, help_text="Empty: no limit.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "price in points"
        constraints = [
            models.CheckConstraint(
                condition=Q(points_price__isnull=True) | Q(points_price__gt=0), name="points_product_price_positive"
            ),
            models.CheckConstraint(
                condition=Q(exchange_type="fixed", points_price__isnull=False) & _NO_STEPS
                | Q(
                    exchange_type="variable",
                    points_price__isnull=True,
                    variable_points_step__isnull=False,
                    variable_points_step_reward_value__isnull=False,
                    variable_points_min__isnull=False,
                ),
                name="points_product_fixed_or_variable",
            ),
            models.CheckConstraint(
                condition=Q(variable_points_step__isnull=True)
                | Q(variable_points_step__gt=0, variable_points_step_reward_value__gt=0, variable_points_min__gt=0),
                name="points_product_steps_positive",
            ),
            models.CheckConstraint(
                condition=Q(variable_points_max__isnull=True) | Q(variable_points_max__gte=F("variable_points_min")),
                name="points_product_bounds_in_order",
            ),
            models.CheckConstraint(
                condition=(
                    Q(variable_points_step__isnull=True)
                    | Q(Exact(F("variable_points_min") % NullIf(F("variable_points_step"), 0), 0))
                )
                & (
                    Q(variable_points_max__isnull=True)
                    | Q(Exact(F("variable_points_max") % NullIf(F("variable_points_step"), 0), 0))
                ),
                name="points_product_bounds_are_steps",
            ),
        ]

    def __str__(self) -> str:
        if self.points_price is not None:
            return f"{self.points_price} points"
        return f"from {self.variable_points_min} points, in steps of {self.variable_points_step}"
