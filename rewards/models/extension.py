"""A code that is to live longer in its shop: asked for, answered, read back."""

from django.db import models
from django.db.models import F, Q

from rewards.models.redeemed_reward import RedeemedReward


class ExtensionState(models.TextChoices):
    ASKING = "asking", "The shop is being asked"
    UNKNOWN = "unknown", "The shop may have done it"  # sent, and no usable answer came
    EXTENDED = "extended", "Extended, and read back"
    REFUSED = "refused", "Not extended"


OPEN = (ExtensionState.ASKING, ExtensionState.UNKNOWN)


class CodeExtension(models.Model):
    """One longer life that staff asked a shop for; at most one is open. Its row is also the queue of record."""

    redeemed_reward = models.ForeignKey(RedeemedReward, on_delete=models.PROTECT, related_name="extensions")
    state = models.CharField(max_length=10, choices=ExtensionState, default=ExtensionState.ASKING)
    before = models.DateTimeField()  # the end of then
    until = models.DateTimeField()  # exclusive
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)  # when the shop is asked next
    claim = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_reason = models.CharField(max_length=500, blank=True)  # why it is not done, for staff

    class Meta:
        verbose_name = "extension of a code"
        verbose_name_plural = "extensions of codes"
        constraints = [
            models.UniqueConstraint(
                fields=["redeemed_reward"], condition=Q(state__in=OPEN), name="code_extension_open_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["asking", "unknown", "extended", "refused"]), name="code_extension_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=OPEN, closed_at__isnull=True, due_at__isnull=False)
                | (~Q(state__in=OPEN) & Q(closed_at__isnull=False, due_at__isnull=True, claim__isnull=True)),
                name="code_extension_closed_has_time",
            ),
            models.CheckConstraint(condition=Q(until__gt=F("before")), name="code_extension_is_longer"),
        ]
        indexes = [models.Index(fields=["due_at"], name="code_extension_due", condition=Q(state__in=OPEN))]

    def __str__(self) -> str:
        return self.get_state_display()
