"""Points moved from one customer to another."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from loyalty.customers.models import Customer
from loyalty.points.models.transactions import PointsTransaction


class PointsTransfer(models.Model):
    """Both sides of one move, written once, in one transaction with them."""

    sender = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="points_sent")
    receiver = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="points_received")
    points = models.PositiveIntegerField()
    debit = models.OneToOneField(PointsTransaction, on_delete=models.PROTECT, related_name="transfer_out")
    credit = models.OneToOneField(PointsTransaction, on_delete=models.PROTECT, related_name="transfer_in")
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "transfer"
        permissions = [("transfer_points", "Can move points between customers")]
        constraints = [
            models.CheckConstraint(condition=Q(points__gt=0), name="transfer_positive"),
            models.CheckConstraint(condition=~Q(sender=F("receiver")), name="transfer_between_two"),
        ]
        triggers = [
            pgtrigger.Protect(name="transfer_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.points} points from customer {self.sender_id} to {self.receiver_id}"
