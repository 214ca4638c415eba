"""Earning rules as staff set them, what each of them gave to whom, and what customers did elsewhere."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q

from loyalty.customers.models import Customer
from loyalty.merchant.models import MOST_DAYS
from loyalty.points.models import PointsTransaction
from rewards.models import RedeemedReward, Reward

NAME_OF_ACTIVITY = r"^[A-Za-z0-9][A-Za-z0-9._:-]*$"


class RuleKind(models.TextChoices):
    """What customers earn for. The first four are judged on orders."""

    PER_AMOUNT = "per_amount", "Points for money spent"
    PER_ORDER = "per_order", "Something for each order"
    MULTIPLIER = "multiplier", "More points for some products"
    FIRST_ORDER = "first_order", "First order"
    SIGN_UP = "sign_up", "Becoming a member"
    BIRTHDAY = "birthday", "Birthday"
    ANNIVERSARY = "anniversary", "Anniversary of joining"
    NEWSLETTER = "newsletter", "Newsletter"
    ACTIVITY = "activity", "Activity told by another system"


OF_ORDERS = (RuleKind.PER_AMOUNT, RuleKind.PER_ORDER, RuleKind.MULTIPLIER, RuleKind.FIRST_ORDER)
OF_DAYS = (RuleKind.BIRTHDAY, RuleKind.ANNIVERSARY)
ONCE_EVER = (RuleKind.FIRST_ORDER, RuleKind.SIGN_UP, RuleKind.NEWSLETTER)


class Rounding(models.TextChoices):
    WHOLE = "whole", "Only whole amounts count"
    DOWN = "down", "Down to whole points"
    NEAREST = "nearest", "To the nearest point, halves up"
    UP = "up", "Up to whole points"


class CapPeriod(models.TextChoices):
    DAY = "day", "Day"
    WEEK = "week", "Week"
    MONTH = "month", "Month"
    YEAR = "year", "Year"


def references(verbose_name: str, help_text: str = "") -> ArrayField:
    """Products or categories, as shops name them."""
    return ArrayField(
        models.CharField(max_length=120), verbose_name=verbose_name, default=list, blank=True, help_text=help_text
    )


class EarningRule(models.Model):
    """One way to earn. It counts for what happens while it is switched on; what it gave stays as it was given."""

    name = models.CharField(max_length=80, help_text="Customers read it.")
    kind = models.CharField(max_length=12, choices=RuleKind)
    enabled = models.BooleanField("switched on", default=False, db_default=False)
    enabled_at = models.DateTimeField(
        null=True, editable=False
    )  # since when without a break; what was before earns nothing

    points = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    per_amount = models.DecimalField(
        "for each",
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="Money: 1 for “2 points for each 1”.",
    )
    rounding = models.CharField(max_length=10, choices=Rounding, default=Rounding.WHOLE)
    factor = models.DecimalField(
        "times", max_digits=5, decimal_places=2, null=True, blank=True, help_text="2 doubles what the items earn."
    )
    reward = models.ForeignKey(
        Reward, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="Instead of points."
    )

    excludes_tax = models.BooleanField("tax earns nothing", default=False, db_default=False)
    excludes_shipping = models.BooleanField("shipping earns nothing", default=False, db_default=False)
    excluded_products = references("products that earn nothing", "As the shop names them, with commas between.")
    excluded_categories = references("categories that earn nothing")
    products = references("products")
    categories = references("categories")
    minimum = models.DecimalField(
        "least amount",
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="Of what may earn of the order.",
    )
    currency = models.CharField(
        max_length=3, blank=True, help_text="Three letters. Empty: orders in any currency count."
    )
    token = models.CharField(
        max_length=80,
        blank=True,
        validators=[RegexValidator(NAME_OF_ACTIVITY, "Letters, digits and . _ : - only, such as review_written.")],
        help_text="The name under which the other system tells of it.",
    )
    action_text = models.CharField("label of the link", max_length=60, blank=True)
    action_url = models.URLField("link", blank=True)

    starts_at = models.DateTimeField("from", null=True, blank=True)
    ends_at = models.DateTimeField("until", null=True, blank=True, help_text="Exclusive.")
    tier_ids = ArrayField(models.BigIntegerField(), verbose_name="tiers", default=list, blank=True)
    most_times = models.PositiveIntegerField("at most", null=True, blank=True, validators=[MinValueValidator(1)])
    period = models.CharField("in each", max_length=5, choices=CapPeriod, blank=True)
    most_times_ever = models.PositiveIntegerField(
        "at most, ever", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    most_points = models.PositiveIntegerField(
        "at most so many points",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="To one customer in each day, week, month or year: the last time gives the rest.",
    )
    most_points_ever = models.PositiveIntegerField(
        "at most so many points, ever", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    priority = models.PositiveSmallIntegerField(default=100, help_text="Lower numbers are judged first.")
    is_last = models.BooleanField(
        "stops the rules after it",
        default=False,
        help_text="When it applies, rules of higher numbers and the programme's own rate give nothing.",
    )
    delay_days = models.PositiveIntegerField(
        "days until it can be used",
        null=True,
        blank=True,
        help_text="Empty: as the programme says. What is refunded before then vanishes.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "earning rule"
        permissions = [("backfill_earningrule", "Can give a rule for the past")]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="multiplier", points__isnull=True, reward__isnull=True, factor__gt=1)
                | (~Q(kind="multiplier") & Q(factor__isnull=True, points__gt=0, reward__isnull=True))
                | (
                    ~Q(kind__in=["multiplier", "per_amount"])
                    & Q(factor__isnull=True, points__isnull=True, reward__isnull=False)
                ),
                name="rule_gives_one_thing",
            ),
            models.CheckConstraint(
                condition=Q(kind="per_amount", per_amount__gt=0) | (~Q(kind="per_amount") & Q(per_amount__isnull=True)),
                name="rule_per_amount_fits_kind",
            ),
            models.CheckConstraint(
                condition=~Q(kind="multiplier") | ~Q(products=[], categories=[]), name="rule_multiplies_something"
            ),
            models.CheckConstraint(
                condition=Q(kind="activity") & ~Q(token="") | (~Q(kind="activity") & Q(token="")),
                name="rule_token_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
                name="rule_window_in_order",
            ),
            models.CheckConstraint(
                condition=Q(most_times__isnull=True, most_points__isnull=True, period="")
                | (~Q(period="") & (Q(most_times__isnull=False) | Q(most_points__isnull=False))),
                name="rule_cap_has_period",
            ),
            models.CheckConstraint(
                condition=(Q(most_times__isnull=True) | Q(most_times__gt=0))
                & (Q(most_points__isnull=True) | Q(most_points__gt=0))
                & (Q(most_points_ever__isnull=True) | Q(most_points_ever__gt=0)),
                name="rule_caps_positive",
            ),
            models.CheckConstraint(
                condition=Q(reward__isnull=True) | Q(most_points__isnull=True, most_points_ever__isnull=True),
                name="rule_of_reward_caps_no_points",
            ),
            models.CheckConstraint(
                condition=Q(most_times_ever__isnull=True) | Q(most_times_ever__gt=0), name="rule_cap_ever_positive"
            ),
            models.CheckConstraint(condition=Q(enabled=False) | Q(enabled_at__isnull=False), name="rule_enabled_since"),
            models.CheckConstraint(
                condition=Q(currency="") | Q(currency__regex="^[A-Z]{3}$"), name="rule_currency_code"
            ),
            models.CheckConstraint(
                condition=Q(delay_days__isnull=True) | Q(delay_days__lte=MOST_DAYS), name="rule_delay_has_a_limit"
            ),
        ]
        indexes = [models.Index(fields=["kind", "priority", "id"], name="rule_enabled", condition=Q(enabled=True))]

    def __str__(self) -> str:
        return self.name


class ActivityState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DONE = "done", "Evaluated"


class Activity(models.Model):
    """Something a customer did elsewhere, as another system told it. Evaluated by a worker, once."""

    token = models.CharField(max_length=80)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="activities", db_index=False)
    distinct_id = models.CharField(max_length=120, null=True)  # noqa: DJ001 (null: the teller gave none)
    created_on_origin_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=10, choices=ActivityState, default=ActivityState.WAITING)
    outcome = models.CharField(max_length=40, blank=True)  # a code: what came of it
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True)  # a worker's next turn
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    evaluated_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "activity"
        verbose_name_plural = "activities"
        constraints = [
            models.UniqueConstraint(fields=["token", "distinct_id"], name="activity_told_once"),
            models.CheckConstraint(condition=~Q(distinct_id=""), name="activity_distinct_id_absent_not_empty"),
            models.CheckConstraint(
                condition=Q(state="waiting", due_at__isnull=False, evaluated_at__isnull=True)
                | (Q(state="done", due_at__isnull=True, evaluated_at__isnull=False) & ~Q(outcome="")),
                name="activity_state_fits",
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "id"], name="activity_customer"),
            models.Index(fields=["due_at"], name="activity_due", condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return self.token


class AwardState(models.TextChoices):
    GIVEN = "given", "Given"
    WAITING = "waiting", "Waits"  # a reward with days until it can be used
    REFUSED = "refused", "Could not be given"  # a person may look: `outcome` says why
    UNDONE = "undone", "Taken back"  # the order came to nothing
    STANDS = "stands", "Stands after a refund"  # a reward that was used already: a person has to look


class EarningAward(models.Model):
    """What one rule gave one customer for one thing, at the terms of then: no later rule says what is taken back.

    Points stand in the ledger as `transaction`; partial refunds are clawbacks of it, and leave this row alone.
    """

    key = models.CharField(max_length=120, unique=True)  # the rule and the thing: given once, whoever asks how often
    rule = models.ForeignKey(EarningRule, null=True, on_delete=models.PROTECT, related_name="awards", db_index=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="earning_awards", db_index=False)
    order = models.ForeignKey("program.Order", null=True, on_delete=models.PROTECT, related_name="awards")
    activity = models.ForeignKey(Activity, null=True, on_delete=models.PROTECT, related_name="awards")
    points = models.PositiveIntegerField(default=0)
    reward = models.ForeignKey(Reward, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    terms = models.JSONField(default=dict)  # of the rule as of then, and what it was applied to; no personal data
    state = models.CharField(max_length=10, choices=AwardState)
    outcome = models.CharField(max_length=40, blank=True)
    transaction = models.OneToOneField(
        PointsTransaction, null=True, on_delete=models.PROTECT, related_name="earning_award"
    )
    redeemed_reward = models.OneToOneField(
        RedeemedReward, null=True, on_delete=models.PROTECT, related_name="earning_award"
    )
    earned_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)  # undone, or found to stand

    class Meta:
        verbose_name = "earned"
        verbose_name_plural = "what was earned"
        constraints = [
            models.CheckConstraint(
                condition=Q(points__gt=0, reward__isnull=True) | Q(points=0, reward__isnull=False),
                name="award_is_points_or_reward",
            ),
            models.CheckConstraint(
                condition=~Q(state="given")
                | Q(transaction__isnull=False, reward__isnull=True)
                | Q(redeemed_reward__isnull=False, reward__isnull=False),
                name="award_given_names_what",
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", due_at__isnull=False, reward__isnull=False)
                | (~Q(state="waiting") & Q(due_at__isnull=True)),
                name="award_waits_for_a_time",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["undone", "stands"], closed_at__isnull=False)
                | (~Q(state__in=["undone", "stands"]) & Q(closed_at__isnull=True)),
                name="award_closed_when_undone",
            ),
        ]
        indexes = [
            models.Index(fields=["rule", "customer", "earned_at"], name="award_of_rule"),
            models.Index(fields=["customer", "id"], name="award_customer"),
            models.Index(fields=["due_at"], name="award_due", condition=Q(state="waiting")),
            models.Index(fields=["state", "id"], name="award_to_look_at", condition=Q(state__in=["refused", "stands"])),
        ]

    def __str__(self) -> str:
        return f"{self.points} points" if self.points else str(self.reward)
