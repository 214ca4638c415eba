"""The ledger itself: signed changes that are never altered and never deleted."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import Customer


class TransactionKind(models.TextChoices):
    EARNING = "earning", "Earned"
    REDEMPTION = "redemption", "Redeemed"
    ADJUSTMENT = "adjustment", "Adjusted"
    EXPIRY = "expiry", "Expired"
    REVERSAL = "reversal", "Returned"
    CLAWBACK = "clawback", "Taken back"  # an order was refunded
    TRANSFER = "transfer", "Moved"  # between two customers: one of each sign
    CANCELLATION = "cancellation", "Credit canceled"  # what was left of a wrong credit


class PointsTransaction(models.Model):
    """One signed, immutable change. `balance_after` is the running sum of the customer's transactions in id order."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="points_transactions", db_index=False)
    kind = models.CharField(max_length=12, choices=TransactionKind)
    points_change = models.IntegerField("points")
    balance_after = models.PositiveIntegerField("sum after")
    reverses = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="reversals", editable=False)
    cause_type = models.CharField(max_length=20)
    cause_id = models.BigIntegerField(null=True)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    idempotency_key = models.CharField(max_length=120, null=True, unique=True)  # noqa: DJ001 (null: no key given)
    effective_at = models.DateTimeField()  # when it counts from: the day of the order, for one that is imported
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name = "points transaction"
        permissions = [
            ("cancel_credit", "Can cancel credits that were a mistake"),
            ("reverse_transaction", "Can return points that were taken"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(points_change=0), name="transaction_changes_something"),
            models.CheckConstraint(condition=Q(balance_after__gte=0), name="transaction_sum_not_negative"),
            models.CheckConstraint(
                condition=(
                    Q(kind__in=["earning", "reversal"], points_change__gt=0)
                    | Q(kind__in=["redemption", "expiry", "clawback", "cancellation"], points_change__lt=0)
                    | Q(kind__in=["adjustment", "transfer"])
                ),
                name="transaction_sign_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["reversal", "cancellation"], reverses__isnull=False)
                | (~Q(kind__in=["reversal", "cancellation"]) & Q(reverses__isnull=True)),
                name="transaction_reversal_names_what",
            ),
            models.UniqueConstraint(
                fields=["reverses"], condition=Q(kind="cancellation"), name="transaction_credit_cancelled_once"
            ),
            models.CheckConstraint(condition=~Q(reverses=F("id")), name="transaction_not_its_own_reversal"),
        ]
        indexes = [
            models.Index(fields=["customer", "id"], name="transaction_customer"),
            models.Index(fields=["cause_type", "cause_id"], name="transaction_cause"),
            models.Index(fields=["recorded_at", "id"], name="transaction_recorded"),
            models.Index(fields=["kind", "recorded_at", "id"], name="transaction_kind"),
        ]
        triggers = [
            pgtrigger.Protect(name="transaction_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.points_change:+d} points, {self.get_kind_display().lower()}"

    @property
    def cause(self) -> Cause:
        return Cause(CauseType(self.cause_type), self.cause_id or 0)


class PointsTransactionNote(models.Model):
    """Words about a transaction. Kept apart from it, so that a person's data in them can be erased."""

    transaction = models.OneToOneField(
        PointsTransaction, primary_key=True, on_delete=models.PROTECT, related_name="note"
    )
    description = models.CharField("customer note", max_length=500, blank=True)  # the customer reads it
    internal_note = models.CharField(max_length=1000, blank=True)  # the customer never does

    class Meta:
        verbose_name = "note on a transaction"

    def __str__(self) -> str:
        return self.description or self.internal_note
