"""Points taken back after a refund, and what could not be collected."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from loyalty.customers.models import Customer
from loyalty.points.models.transactions import PointsTransaction


class ShortfallState(models.TextChoices):
    OPEN = "open", "Open"
    COLLECTED = "collected", "Collected"
    WAIVED = "waived", "Waived"


class PointsClawback(models.Model):
    """One refund's effect on one earning. Insert-only.

    `due` is cumulative: what all refunds so far make the earning owe, rounded down in the customer's favour, so each
    row of an earning has a higher one. This refund took `taken` points from lots and left `short` points uncollected; due = taken + short over all of them.
    """

    earning = models.ForeignKey(PointsTransaction, on_delete=models.PROTECT, related_name="clawbacks")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="points_clawbacks")
    refunded = models.DecimalField(max_digits=16, decimal_places=4)  # of `total`, all refunds so far
    total = models.DecimalField(max_digits=16, decimal_places=4)  # in any currency: some have three or four decimals
    due = models.PositiveIntegerField()
    taken = models.PositiveIntegerField()
    short = models.PositiveIntegerField()
    transaction = models.OneToOneField(
        PointsTransaction, null=True, on_delete=models.PROTECT, related_name="clawback"
    )  # none when nothing could be taken
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "clawback"
        constraints = [
            models.CheckConstraint(
                condition=Q(total__gt=0) & Q(refunded__gt=0) & Q(refunded__lte=F("total")),
                name="clawback_share_in_range",
            ),
            models.CheckConstraint(
                condition=Q(taken__gt=0, transaction__isnull=False) | Q(taken=0, transaction__isnull=True),
                name="clawback_taken_has_transaction",
            ),
            models.UniqueConstraint(fields=["earning", "due"], name="clawback_once_per_refund"),
        ]
        triggers = [
            pgtrigger.Protect(name="clawback_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.taken} of {self.taken + self.short} points"


class PointsShortfall(models.Model):
    """What a clawback could not collect. `left` = points - what was collected since, until it is waived."""

    clawback = models.OneToOneField(PointsClawback, on_delete=models.PROTECT, related_name="shortfall")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="points_shortfalls", db_index=False)
    points = models.PositiveIntegerField()
    left = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=ShortfallState, default=ShortfallState.OPEN)
    actor_kind = models.CharField(max_length=20, blank=True)  # who waived it
    actor_id = models.BigIntegerField(null=True)
    internal_note = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "shortfall"
        permissions = [("waive_shortfall", "Can waive and collect shortfalls")]
        constraints = [
            models.CheckConstraint(condition=Q(points__gt=0) & Q(left__lte=F("points")), name="shortfall_in_range"),
            models.CheckConstraint(
                condition=Q(state="open", left__gt=0, closed_at__isnull=True)
                | Q(state="collected", left=0, closed_at__isnull=False)
                | Q(state="waived", left__gt=0, closed_at__isnull=False),
                name="shortfall_state_fits",
            ),
        ]
        indexes = [models.Index(fields=["customer", "id"], name="shortfall_customer")]

    def __str__(self) -> str:
        return f"{self.left} of {self.points} points, {self.get_state_display().lower()}"


class PointsShortfallPayment(models.Model):
    """A debit that collected a part of a shortfall. Insert-only."""

    shortfall = models.ForeignKey(PointsShortfall, on_delete=models.PROTECT, related_name="payments")
    transaction = models.ForeignKey(PointsTransaction, on_delete=models.PROTECT, related_name="shortfall_payments")
    points = models.PositiveIntegerField()

    class Meta:
        verbose_name = "collected part of a shortfall"
        constraints = [
            models.CheckConstraint(condition=Q(points__gt=0), name="shortfall_payment_positive"),
            models.UniqueConstraint(fields=["shortfall", "transaction"], name="shortfall_payment_once"),
        ]
        triggers = [
            pgtrigger.Protect(name="shortfall_payment_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.points} points"
