"""Points set aside while a shop is asked, or by an integrator."""

import pgtrigger
from django.db import models
from django.db.models import Q

from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import Customer
from loyalty.points.models.lots import PointsLot
from loyalty.points.models.transactions import PointsTransaction


class HoldState(models.TextChoices):
    OPEN = "open", "Held"
    CAPTURED = "captured", "Spent"
    RELEASED = "released", "Released"


class PointsHold(models.Model):
    """The lots are charged and the balance falls, but no transaction is written until the hold is captured.

    A hold may be captured in part: what its transaction does not take is released to the lots it came from.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="points_holds", db_index=False)
    points = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=HoldState, default=HoldState.OPEN)
    cause_type = models.CharField(max_length=20)
    cause_id = models.BigIntegerField()
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    transaction = models.OneToOneField(  # the debit it became
        PointsTransaction, null=True, on_delete=models.PROTECT, related_name="hold"
    )
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)  # an integrator's time limit; the reward decides about its own holds
    idempotency_key = models.CharField(max_length=120, null=True, unique=True)  # noqa: DJ001 (null: no key given)
    description = models.CharField(max_length=500, blank=True)  # the customer reads it once the hold is captured

    class Meta:
        verbose_name = "hold"
        constraints = [
            models.CheckConstraint(condition=Q(points__gt=0), name="hold_positive"),
            models.CheckConstraint(
                condition=(
                    Q(state="open", transaction__isnull=True, closed_at__isnull=True)
                    | Q(state="captured", transaction__isnull=False, closed_at__isnull=False)
                    | Q(state="released", transaction__isnull=True, closed_at__isnull=False)
                ),
                name="hold_state_fits",
            ),
            models.UniqueConstraint(
                fields=["cause_type", "cause_id"], condition=Q(state="open"), name="hold_open_once_per_cause"
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "id"], name="hold_customer"),
            models.Index(fields=["cause_type", "cause_id"], name="hold_cause"),
            models.Index(fields=["expires_at"], name="hold_due", condition=Q(state="open", expires_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.points} points, {self.get_state_display().lower()}"

    @property
    def cause(self) -> Cause:
        return Cause(CauseType(self.cause_type), self.cause_id)


class PointsHoldCharge(models.Model):
    """How much of a lot a hold set aside."""

    hold = models.ForeignKey(PointsHold, on_delete=models.PROTECT, related_name="charges")
    lot = models.ForeignKey(PointsLot, on_delete=models.PROTECT, related_name="hold_charges")
    points = models.PositiveIntegerField()

    class Meta:
        verbose_name = "charge of a hold"
        constraints = [
            models.CheckConstraint(condition=Q(points__gt=0), name="hold_charge_positive"),
            models.UniqueConstraint(fields=["hold", "lot"], name="hold_charge_once_per_lot"),
        ]
        triggers = [
            pgtrigger.Protect(name="hold_charge_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.points} points of lot {self.lot_id}"


class PointsHoldRelease(models.Model):
    """Into which lot what was not captured of a charge went: its own, or one that stands in for it when it expired."""

    charge = models.OneToOneField(PointsHoldCharge, on_delete=models.PROTECT, related_name="release")
    lot = models.ForeignKey(PointsLot, on_delete=models.PROTECT, related_name="hold_releases")
    points = models.PositiveIntegerField()

    class Meta:
        verbose_name = "release of a hold"
        constraints = [
            models.CheckConstraint(condition=Q(points__gt=0), name="hold_release_positive"),
        ]
        triggers = [
            pgtrigger.Protect(name="hold_release_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.points} points to lot {self.lot_id}"
