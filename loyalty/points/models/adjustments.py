"""Changes of the balance by staff or an integrator."""

import pgtrigger
from django.db import models
from django.db.models import Q

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
