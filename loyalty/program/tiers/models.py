"""VIP tiers: what they ask for and give, where each customer stands, and every change of it."""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from loyalty.customers.models import Customer, Tier
from rewards.models import Reward

MOST_DAYS = 3_650
MOST_GRACE_DAYS = 366
MOST_PERKS = 20
MOST_ENTRY_POINTS = 1_000_000


class TierBasis(models.TextChoices):
    POINTS_EARNED = "points_earned", "Points earned"
    AMOUNT_SPENT = "amount_spent", "Amount spent"


class TierPeriod(models.TextChoices):
    LIFETIME = "lifetime", "All time"
    CALENDAR_YEAR = "calendar_year", "Calendar year"
    ROLLING = "rolling", "The last days"


class HeldAs(models.TextChoices):
    """What a change by hand means while it is held."""

    FLOOR = "floor", "Not below"
    CEILING = "ceiling", "Not above"


class TierCause(models.TextChoices):
    REACHED = "reached", "Reached"
    LOST = "lost", "No longer reached"
    STAFF = "staff", "By staff"
    IMPORT = "import", "Imported"


class EntryState(models.TextChoices):
    DUE = "due", "Due"
    GIVEN = "given", "Given"
    REFUSED = "refused", "Refused"


class TierRules(models.Model):
    """How customers come into tiers. One row: the programme's."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    enabled = models.BooleanField("tiers are on", default=False)
    basis = models.CharField(max_length=15, choices=TierBasis, default=TierBasis.POINTS_EARNED)
    period = models.CharField(max_length=15, choices=TierPeriod, default=TierPeriod.CALENDAR_YEAR)
    rolling_days = models.PositiveIntegerField(
        default=365, validators=[MinValueValidator(1), MaxValueValidator(MOST_DAYS)]
    )
    kept_next_year = models.BooleanField("a tier lasts until the end of the next year", default=True)
    starts_on = models.DateField("counts from", null=True, blank=True)
    grace_days = models.PositiveSmallIntegerField(default=0, validators=[MaxValueValidator(MOST_GRACE_DAYS)])
    # The day, in the programme's zone, for which everybody was last marked to be judged. None: it is to be done now.
    marked_on = models.DateField(null=True, editable=False)
    # While that goes on: the last customer who is marked. None: all are.
    marked_up_to = models.BigIntegerField(null=True, editable=False)
    mark_quietly = models.BooleanField(default=False, editable=False)  # whoever moves by that gets no entry reward
    changed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "VIP rules"
        verbose_name_plural = "VIP rules"
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="tier_rules_are_one_row"),
            models.CheckConstraint(
                condition=Q(rolling_days__gte=1, rolling_days__lte=MOST_DAYS), name="tier_rolling_days_in_range"
            ),
            models.CheckConstraint(condition=Q(grace_days__lte=MOST_GRACE_DAYS), name="tier_grace_days_in_range"),
        ]

    def __str__(self) -> str:
        return "Rules of the VIP tiers"


class TierTerms(models.Model):
    """What a tier asks for and gives. The tier of the highest milestone a customer reaches is theirs."""

    tier = models.OneToOneField(Tier, primary_key=True, on_delete=models.CASCADE, related_name="terms")
    milestone = models.DecimalField(max_digits=14, decimal_places=2)  # points, or money in the programme's currency
    entry_points = models.PositiveIntegerField(default=0)
    perks = ArrayField(models.CharField(max_length=200), default=list, blank=True, size=MOST_PERKS)
    image_url = models.URLField(max_length=500, blank=True)
    active = models.BooleanField(default=True)  # off: nobody enters it, and those in it are judged anew

    class Meta:
        verbose_name = "terms of a tier"
        verbose_name_plural = "terms of tiers"
        constraints = [
            models.UniqueConstraint(fields=["milestone"], condition=Q(active=True), name="tier_milestone_once"),
            models.CheckConstraint(condition=Q(milestone__gte=0), name="tier_milestone_not_negative"),
            models.CheckConstraint(condition=Q(entry_points__lte=MOST_ENTRY_POINTS), name="tier_entry_points_in_range"),
        ]

    def __str__(self) -> str:
        return f"Terms of tier {self.tier_id}"


class TierEntryReward(models.Model):
    """A reward that whoever rises into the tier is given."""

    tier = models.ForeignKey(Tier, on_delete=models.CASCADE, related_name="entry_rewards", db_index=False)
    reward = models.ForeignKey(Reward, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = "entry reward"
        constraints = [models.UniqueConstraint(fields=["tier", "reward"], name="tier_entry_reward_once")]

    def __str__(self) -> str:
        return f"Reward {self.reward_id} of tier {self.tier_id}"


class TierStanding(models.Model):
    """Where a customer stands: the row that whoever judges or moves them locks. `Customer.tier` repeats `tier`."""

    customer = models.OneToOneField(Customer, primary_key=True, on_delete=models.PROTECT, related_name="tier_standing")
    tier = models.ForeignKey(Tier, null=True, on_delete=models.PROTECT, related_name="standings")
    since = models.DateTimeField(null=True)
    changes = models.PositiveIntegerField(default=0)  # how many there were: the number of the last one
    value = models.DecimalField(max_digits=14, decimal_places=2, default=0)  # as last measured
    value_before = models.DecimalField(
        max_digits=14, decimal_places=2, default=0
    )  # of the year before, where it counts
    measured_at = models.DateTimeField(null=True)
    grace_until = models.DateTimeField(null=True)  # the tier is no longer reached, and lost then
    held_as = models.CharField(max_length=10, choices=HeldAs, blank=True)
    held_tier = models.ForeignKey(Tier, null=True, on_delete=models.PROTECT, related_name="+")
    held_until = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)  # something changed: to be judged
    quiet = models.BooleanField(default=False)  # the next judgement gives no entry reward

    class Meta:
        verbose_name = "standing in the tiers"
        verbose_name_plural = "standings in the tiers"
        permissions = [("move_customer", "Can move customers between tiers")]
        constraints = [
            models.CheckConstraint(
                condition=Q(held_as="", held_until__isnull=True, held_tier__isnull=True)
                | Q(held_as="ceiling", held_until__isnull=False)
                | Q(held_as="floor", held_until__isnull=False, held_tier__isnull=False),
                name="tier_standing_hold_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(grace_until__isnull=True) | Q(tier__isnull=False), name="tier_standing_grace_has_tier"
            ),
            models.CheckConstraint(
                condition=Q(value__gte=0, value_before__gte=0), name="tier_standing_value_not_negative"
            ),
        ]
        indexes = [
            models.Index(fields=["customer"], name="tier_standing_due", condition=Q(due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"Standing of customer {self.customer_id}"


class VipTierChange(models.Model):
    """One move of one customer, and why. Insert-only; `number` counts the customer's moves from 1."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="tier_changes", db_index=False)
    number = models.PositiveIntegerField()
    previous_tier = models.ForeignKey(Tier, null=True, on_delete=models.PROTECT, related_name="+")
    current_tier = models.ForeignKey(Tier, null=True, on_delete=models.PROTECT, related_name="+")
    upward = models.BooleanField()
    cause = models.CharField(max_length=10, choices=TierCause)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    # The evidence: what was measured, over which time, and the milestone that was reached or no longer is.
    basis = models.CharField(max_length=15, choices=TierBasis)
    measured = models.DecimalField(max_digits=14, decimal_places=2, null=True)
    threshold = models.DecimalField(max_digits=14, decimal_places=2, null=True)
    window_from = models.DateTimeField(null=True)  # null: from the beginning
    window_until = models.DateTimeField(null=True)
    held_until = models.DateTimeField(null=True)
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name = "VIP tier change"
        verbose_name_plural = "VIP tier changes"
        constraints = [
            models.UniqueConstraint(fields=["customer", "number"], name="tier_change_numbered"),
            models.CheckConstraint(
                condition=~Q(previous_tier=F("current_tier"))
                & (Q(previous_tier__isnull=False) | Q(current_tier__isnull=False)),
                name="tier_change_changes_something",
            ),
        ]
        indexes = [models.Index(fields=["customer", "id"], name="tier_change_customer")]
        triggers = [
            pgtrigger.Protect(name="tier_change_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"Change {self.number} of customer {self.customer_id}"


class VipTierChangeNote(models.Model):
    """Why staff moved somebody, in their words. Kept apart, so that a person's data in it can be erased."""

    change = models.OneToOneField(VipTierChange, primary_key=True, on_delete=models.PROTECT, related_name="note")
    internal_note = models.CharField(max_length=1000)  # the customer never reads it

    class Meta:
        verbose_name = "note on a tier change"

    def __str__(self) -> str:
        return self.internal_note


class TierEntry(models.Model):
    """What a customer is given for rising into a tier: once for each customer, tier and period of the rules."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="tier_entries", db_index=False)
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, related_name="entries")
    period = models.CharField(max_length=20)  # "lifetime", "2026", or "2026-03-01" where a rolling one began
    change = models.OneToOneField(VipTierChange, on_delete=models.PROTECT, related_name="entry")
    points = models.PositiveIntegerField()
    reward_ids = ArrayField(models.BigIntegerField(), default=list)  # as the tier gave them then
    state = models.CharField(max_length=10, choices=EntryState, default=EntryState.DUE)
    refusal = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "entry into a tier"
        verbose_name_plural = "entries into tiers"
        permissions = [("give_tierentry", "Can give refused entry rewards again")]
        constraints = [
            models.UniqueConstraint(fields=["customer", "tier", "period"], name="tier_entry_once_per_period"),
            models.CheckConstraint(
                condition=Q(state="due", settled_at__isnull=True, refusal="")
                | Q(state="given", settled_at__isnull=False, refusal="")
                | (Q(state="refused", settled_at__isnull=False) & ~Q(refusal="")),
                name="tier_entry_state_fits",
            ),
        ]
        indexes = [models.Index(fields=["id"], name="tier_entry_due", condition=Q(state="due"))]

    def __str__(self) -> str:
        return f"Entry of customer {self.customer_id} into tier {self.tier_id}"
