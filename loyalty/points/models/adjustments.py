"""Changes of the balance by staff or an integrator, and requests for those that need a second person."""

import pgtrigger
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import F, Q

from loyalty.customers.models import Customer
from loyalty.points.models.transactions import PointsTransaction


class AdjustmentReason(models.TextChoices):
    GOODWILL = "goodwill", "Goodwill"
    CORRECTION = "correction", "Correction of a mistake"
    MISSING_PURCHASE = "missing_purchase", "Purchase without points"
    PROMOTION = "promotion", "Promotion"
    OTHER = "other", "Other"


class PointsAdjustment(models.Model):
    """One adjustment, written once, together with the transaction it makes."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="points_adjustments")
    transaction = models.OneToOneField(PointsTransaction, on_delete=models.PROTECT, related_name="adjustment")
    points = models.IntegerField("points adjustment")
    reason = models.CharField(max_length=20, choices=AdjustmentReason, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "points adjustment"
        constraints = [
            models.CheckConstraint(condition=~Q(points=0), name="adjustment_changes_something"),
        ]
        triggers = [
            pgtrigger.Protect(name="adjustment_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.points:+d} points"


class AdjustmentCeiling(models.Model):
    """How many points, up or down, a role may adjust at once without a second person. No row: no ceiling."""

    role = models.OneToOneField(Group, primary_key=True, on_delete=models.CASCADE, related_name="adjustment_ceiling")
    points = models.PositiveIntegerField()

    class Meta:
        verbose_name = "adjustment ceiling"

    def __str__(self) -> str:
        return f"{self.role}: {self.points} points"


class RequestState(models.TextChoices):
    WAITING = "waiting", "Waiting for a second person"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"


class AdjustmentRequest(models.Model):
    """An adjustment above its author's ceiling. It can change while it waits; approving writes the adjustment once."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="adjustment_requests")
    points = models.IntegerField("points adjustment")
    reason = models.CharField(max_length=20, choices=AdjustmentReason, blank=True)
    internal_note = models.CharField(max_length=1000, blank=True)
    description = models.CharField("customer note", max_length=500, blank=True)
    expires_at = models.DateTimeField(null=True)  # of the points that are added
    state = models.CharField(max_length=10, choices=RequestState, default=RequestState.WAITING)
    requested_by = models.BigIntegerField()  # user id: the record stays when the account goes
    decided_by = models.BigIntegerField(null=True)
    decision_note = models.CharField(max_length=1000, blank=True)
    adjustment = models.OneToOneField(PointsAdjustment, null=True, on_delete=models.PROTECT, related_name="request")
    idempotency_key = models.CharField(max_length=120, null=True, unique=True)  # noqa: DJ001 (null: no key given)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "adjustment request"
        permissions = [("approve_adjustment", "Can approve adjustments of others")]
        constraints = [
            models.CheckConstraint(condition=~Q(points=0), name="request_changes_something"),
            models.CheckConstraint(
                condition=Q(state="waiting", decided_at__isnull=True)
                | (~Q(state="waiting") & Q(decided_at__isnull=False)),
                name="request_decided_has_time",
            ),
            models.CheckConstraint(
                condition=Q(state="approved", adjustment__isnull=False)
                | (~Q(state="approved") & Q(adjustment__isnull=True)),
                name="request_approved_has_adjustment",
            ),
            models.CheckConstraint(
                condition=~Q(state="approved") | ~Q(decided_by=F("requested_by")), name="request_approved_by_another"
            ),
        ]
        indexes = [
            models.Index(fields=["created_at", "id"], name="request_waiting", condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"{self.points:+d} points, {self.get_state_display().lower()}"
