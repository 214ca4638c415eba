"""Points credited together, what debits took from them, and what came back."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from loyalty.customers.models import Customer
from loyalty.points.models.transactions import PointsTransaction


class PointsLot(models.Model):
    """Points with one expiry. `remaining` is written by the ledger alone and explained by the rows below.

    remaining = points - allocations + returns and releases into it - charges of open holds
                - what releases moved elsewhere.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="points_lots", db_index=False)
    transaction = models.ForeignKey(PointsTransaction, on_delete=models.PROTECT, related_name="lots")
    origin = models.ForeignKey(  # the expired lot this one stands in for, after a return or a release
        "self", null=True, on_delete=models.PROTECT, related_name="successors"
    )
    points = models.PositiveIntegerField()
    remaining = models.PositiveIntegerField()
    open = models.BooleanField(default=True)  # something remains; it stands in indexes instead of `remaining`
    available_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)  # exclusive: the first instant at which it is gone
    idle_days = models.PositiveIntegerField(null=True)  # its end moves: so many days after the customer's last activity
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "points lot"
        constraints = [
            models.CheckConstraint(condition=Q(points__gt=0), name="lot_points_positive"),
            models.CheckConstraint(
                condition=Q(remaining__gte=0) & Q(remaining__lte=F("points")), name="lot_remaining_in_range"
            ),
            models.CheckConstraint(
                condition=Q(open=True, remaining__gt=0) | Q(open=False, remaining=0), name="lot_open_when_some_remains"
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("available_at")),
                name="lot_expires_after_available",
            ),
            models.CheckConstraint(
                condition=Q(idle_days__isnull=True) | Q(expires_at__isnull=False), name="lot_idle_has_end"
            ),
        ]
        indexes = [
            models.Index(
                fields=["customer", "expires_at", "created_at", "id"],
                name="lot_open_in_spending_order",
                condition=Q(open=True),
            ),
            models.Index(fields=["expires_at"], name="lot_open_expiring", condition=Q(open=True)),
            models.Index(fields=["customer", "id"], name="lot_customer"),
        ]
        triggers = [
            pgtrigger.Protect(name="lot_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="lot_facts_fixed",
                fields=[
                    "customer",
                    "transaction",
                    "origin",
                    "points",
                    "available_at",
                    "created_at",
                ],
            ),
            pgtrigger.Trigger(
                name="lot_end_explained",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.Q(old__idle_days__df=pgtrigger.F("new__idle_days"))
                | pgtrigger.Q(old__expires_at__df=pgtrigger.F("new__expires_at"), old__idle_days__isnull=True),
                func="""
                    IF NOT EXISTS (
                        SELECT 1 FROM points_pointslotchange c
                        WHERE c.lot_id = OLD.id AND c.expires_before IS NOT DISTINCT FROM OLD.expires_at
                          AND c.expires_after IS NOT DISTINCT FROM NEW.expires_at
                          AND c.idle_days_before IS NOT DISTINCT FROM OLD.idle_days
                          AND c.idle_days_after IS NOT DISTINCT FROM NEW.idle_days
                    ) THEN
                        RAISE EXCEPTION 'The end of lot % moves only with a row that says why.', OLD.id;
                    END IF;
                    RETURN NEW;
                    """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.remaining} of {self.points} points"


class PointsLotChange(models.Model):
    """Staff applied a changed expiry policy to a lot that existed: its end before and after. Insert-only.

    Of a lot that follows, or followed, the customer's activity also the days of it.
    """

    lot = models.ForeignKey(PointsLot, on_delete=models.PROTECT, related_name="changes")
    expires_before = models.DateTimeField(null=True)
    expires_after = models.DateTimeField(null=True)
    idle_days_before = models.PositiveIntegerField(null=True)
    idle_days_after = models.PositiveIntegerField(null=True)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "change of a lot's end"
        triggers = [
            pgtrigger.Protect(name="lot_change_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"Lot {self.lot_id}: {self.expires_before} to {self.expires_after}"


class PointsAllocation(models.Model):
    """How much of a lot paid for a debit."""

    transaction = models.ForeignKey(PointsTransaction, on_delete=models.PROTECT, related_name="allocations")
    lot = models.ForeignKey(PointsLot, on_delete=models.PROTECT, related_name="allocations")
    points = models.PositiveIntegerField()

    class Meta:
        verbose_name = "allocation"
        constraints = [
            models.CheckConstraint(condition=Q(points__gt=0), name="allocation_positive"),
            models.UniqueConstraint(fields=["transaction", "lot"], name="allocation_once_per_lot"),
        ]
        triggers = [
            pgtrigger.Protect(name="allocation_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.points} points of lot {self.lot_id}"


class PointsReturn(models.Model):
    """How much of an allocation a reversal gave back, and into which lot: its own, or one that stands in for it."""

    transaction = models.ForeignKey(PointsTransaction, on_delete=models.PROTECT, related_name="returns")
    allocation = models.ForeignKey(PointsAllocation, on_delete=models.PROTECT, related_name="returns")
    lot = models.ForeignKey(PointsLot, on_delete=models.PROTECT, related_name="returns")
    points = models.PositiveIntegerField()

    class Meta:
        verbose_name = "return"
        constraints = [
            models.CheckConstraint(condition=Q(points__gt=0), name="return_positive"),
            models.UniqueConstraint(fields=["transaction", "allocation"], name="return_once_per_allocation"),
        ]
        triggers = [
            pgtrigger.Protect(name="return_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.points} points to lot {self.lot_id}"
