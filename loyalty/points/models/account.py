"""The one row of a customer that every writer locks first."""

from django.db import models
from django.db.models import Q

from loyalty.customers.models import Customer


class PointsAccount(models.Model):
    """Running figures as of `settled_at`, explained by lots, holds and transactions and proved by the audit.

    Read them through `queries.balance`, which corrects them when `next_edge_at` has passed.
    Always: balance + pending + held = the sum of the customer's transactions.
    """

    customer = models.OneToOneField(Customer, primary_key=True, on_delete=models.PROTECT, related_name="points_account")
    balance = models.PositiveIntegerField(default=0)  # can be spent now
    pending = models.PositiveIntegerField(default=0)  # in lots that are not available yet
    held = models.PositiveIntegerField(default=0)  # set aside by open holds
    owed = models.PositiveIntegerField(default=0)  # what open shortfalls still lack
    settled_at = models.DateTimeField()
    next_edge_at = models.DateTimeField(null=True)  # the next instant at which an open lot matures or expires
    last_activity_at = models.DateTimeField(null=True)  # when points were last earned, redeemed, adjusted or moved
    has_idle_lots = models.BooleanField(default=False)  # some lot's end moves with activity: see PointsLot.idle_days

    class Meta:
        verbose_name = "points account"
        constraints = [
            models.CheckConstraint(condition=Q(balance__gte=0), name="account_balance_not_negative"),
            models.CheckConstraint(condition=Q(pending__gte=0), name="account_pending_not_negative"),
            models.CheckConstraint(condition=Q(held__gte=0), name="account_held_not_negative"),
            models.CheckConstraint(condition=Q(owed__gte=0), name="account_owed_not_negative"),
        ]
        indexes = [
            models.Index(fields=["next_edge_at"], name="account_due", condition=Q(next_edge_at__isnull=False)),
            models.Index(fields=["customer"], name="account_owing", condition=Q(owed__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.balance} points of customer {self.customer_id}"

    @property
    def total(self) -> int:
        """The sum of the customer's transactions."""
        return self.balance + self.pending + self.held
