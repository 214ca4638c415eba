"""An undo under way, and the proof that it was done."""

import pgtrigger
from django.db import models
from django.db.models import Q

from rewards.models.code import RewardCode
from rewards.models.redeemed_reward import RedeemedReward


class CancellationState(models.TextChoices):
    CANCELLING = "cancelling", "Canceling"
    PROVED = "proved", "Canceled, code proved dead"
    UNPROVED = "unproved", "Canceled by force, the code may still work"
    SHARED = "shared", "Canceled, the code keeps working for others"
    USED_MEANWHILE = "used_meanwhile", "Used meanwhile"


class CancellationReason(models.TextChoices):
    """Why somebody cancels: picked from this list, so that it can be counted."""

    CUSTOMER_ASKED = "customer_asked", "The customer asked for it"
    MISTAKE = "mistake", "Redeemed or granted by mistake"
    NOT_WORKING = "not_working", "The code does not work"
    NOT_AVAILABLE = "not_available", "The gift cannot be sent"
    RETURNED = "returned", "The parcel came back"
    ABUSE = "abuse", "Abuse"
    OTHER = "other", "Another reason, see the note"
    BY_CUSTOMER = "by_customer", "Canceled by the customer"


class Cancellation(models.Model):
    """One cancellation of a redeemed reward; at most one is open. Its row is also the queue of record."""

    redeemed_reward = models.ForeignKey(RedeemedReward, on_delete=models.PROTECT, related_name="cancellations")
    state = models.CharField(max_length=16, choices=CancellationState, default=CancellationState.CANCELLING)
    return_points = models.BooleanField()
    reason = models.CharField(max_length=16, choices=CancellationReason, blank=True, db_default="")
    after_use = models.BooleanField(default=False, db_default=False)  # it was used, and that was known
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    internal_note = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)  # when the shop is asked next
    claim = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_reason = models.CharField(max_length=500, blank=True)  # why it is not done yet, for staff
    probe_due_at = models.DateTimeField(null=True)  # when the shop is asked again whether the code is dead
    probes = models.PositiveSmallIntegerField(default=0, db_default=0)  # how often that was planned and came to pass

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["redeemed_reward"], condition=Q(state="cancelling"), name="cancellation_open_once"
            ),
            models.CheckConstraint(
                condition=Q(state="cancelling", closed_at__isnull=True, due_at__isnull=False)
                | (~Q(state="cancelling") & Q(closed_at__isnull=False, due_at__isnull=True)),
                name="cancellation_closed_has_time",
            ),
            models.CheckConstraint(
                condition=Q(probe_due_at__isnull=True) | Q(state__in=["proved", "unproved"]),
                name="cancellation_probed_after_end",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="cancellation_due", condition=Q(state="cancelling")),
            models.Index(fields=["probe_due_at"], name="cancellation_probe", condition=Q(probe_due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.get_state_display()


class EvidenceKind(models.TextChoices):
    CREATED = "created", "Made"
    FOUND = "found", "Looked up"
    USED = "used", "Use seen"
    DISABLED = "disabled", "Disabled"
    READ_BACK = "read_back", "Read back"
    PROBED = "probed", "Checked again"
    EXTENDED = "extended", "Extended"


class CodeEvidence(models.Model):
    """What a shop answered about a code, and when. Insert-only; holds no secret and no personal data."""

    code = models.ForeignKey(RewardCode, on_delete=models.PROTECT, related_name="evidence")
    cancellation = models.ForeignKey(Cancellation, null=True, on_delete=models.PROTECT, related_name="evidence")
    kind = models.CharField(max_length=10, choices=EvidenceKind)
    alive = models.BooleanField(null=True)  # None: the answer did not say
    observed_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    request_id = models.CharField(max_length=120, blank=True)
    excerpt = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = "evidence"
        verbose_name_plural = "evidence"
        triggers = [
            pgtrigger.Protect(name="evidence_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.observed_at:%Y-%m-%d %H:%M:%S} UTC"
