"""What was spent of value codes, and what came back."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from rewards.models.redeemed_reward import RedeemedReward


class ValueCodeUse(models.Model):
    """One part of a value code that was spent; or, with `reversal_of`, one that came back. Insert-only.

    What remains stands on the redeemed reward.
    """

    redeemed_reward = models.ForeignKey(RedeemedReward, on_delete=models.PROTECT, related_name="value_uses")
    reversal_of = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="reversal")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    remaining_after = models.DecimalField(max_digits=12, decimal_places=2)
    order_id = models.CharField(max_length=120, blank=True)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    idempotency_key = models.CharField(max_length=120, null=True, unique=True)  # noqa: DJ001 (null: none given)
    used_at = models.DateTimeField()

    class Meta:
        verbose_name = "use of a value code"
        verbose_name_plural = "uses of value codes"
        permissions = [("reverse_valuecodeuse", "Can take back what was spent of value codes")]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="value_use_takes_something"),
            models.CheckConstraint(condition=Q(remaining_after__gte=0), name="value_use_leaves_nothing_below_zero"),
            models.CheckConstraint(
                condition=Q(reversal_of__isnull=True) | ~Q(reversal_of=F("id")), name="value_use_no_reversal_of_itself"
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="value_use_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.amount} of redeemed reward {self.redeemed_reward_id}"

    @property
    def is_reversal(self) -> bool:
        return self.reversal_of_id is not None
