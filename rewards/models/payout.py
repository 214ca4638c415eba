"""Money on its way to a customer: what was decided, what the provider says of it, and every answer as it was given."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from platforms.models import PayoutAccount
from rewards.models.redeemed_reward import RedeemedReward


class PayoutState(models.TextChoices):
    """Where a payout stands, as far as we know. `rewards.lifecycle` says what may follow what."""

    INIT = "init", "Not sent yet"
    UNKNOWN = "unknown", "Being checked"
    PENDING = "pending", "On its way"
    REVIEW = "review", "In review"  # nobody can say by itself whether it was paid: a person has to look
    PAID = "paid", "Paid out"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Canceled before it was sent"


FINAL = (PayoutState.PAID, PayoutState.FAILED, PayoutState.CANCELLED)


class Payout(models.Model):
    """The one payout of one redeemed reward; its row is also the queue of record.

    `reference` is decided and committed before any call, and sent with each one: the provider pays it once. UNKNOWN is
    written before a payment is sent, so whoever finds it, after a crash or an answer that was lost, asks first.
    """

    redeemed_reward = models.OneToOneField(RedeemedReward, on_delete=models.PROTECT, related_name="payout")
    account = models.ForeignKey(PayoutAccount, on_delete=models.PROTECT, related_name="+")
    reference = models.CharField(max_length=50, unique=True)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=10, choices=PayoutState, default=PayoutState.INIT)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    # What the provider said last.
    provider_status = models.PositiveSmallIntegerField(default=0)  # platforms.payouts.provider.PayoutStatus
    provider_code = models.CharField(max_length=40, blank=True)
    provider_message = models.CharField(max_length=120, blank=True)
    remote_id = models.CharField("provider's reference", max_length=120, blank=True)
    reported_at = models.DateTimeField(null=True)  # by the provider's clock: what is older is not believed any more

    # Whose turn it is.
    next_attempt_at = models.DateTimeField(null=True)  # empty: nobody asks, as it is settled or staff pay it
    claim = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)  # calls that sent it, or may have
    unknown_since = models.DateTimeField(null=True)
    last_reason = models.CharField(max_length=500, blank=True)  # why it is not known or not sent yet, for staff

    class Meta:
        permissions = [("settle_payout", "Can say what came of payouts by hand, or in review")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["init", "unknown", "pending", "review", "paid", "failed", "cancelled"]),
                name="payout_state_known",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payout_amount_positive"),
            models.CheckConstraint(condition=Q(currency__regex="^[A-Z]{3}$"), name="payout_currency_code"),
            models.CheckConstraint(condition=~Q(reference=""), name="payout_has_reference"),
            models.CheckConstraint(
                condition=Q(state__in=FINAL, settled_at__isnull=False, next_attempt_at__isnull=True, claim__isnull=True)
                | (~Q(state__in=FINAL) & Q(settled_at__isnull=True)),
                name="payout_settled_has_time",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["unknown", "pending", "review"], next_attempt_at__isnull=False)
                | ~Q(state__in=["unknown", "pending", "review"]),
                name="payout_sent_is_asked_about",
            ),
            models.CheckConstraint(
                condition=Q(state="unknown", unknown_since__isnull=False)
                | (~Q(state="unknown") & Q(unknown_since__isnull=True)),
                name="payout_unknown_has_time",
            ),
            models.CheckConstraint(
                condition=Q(state="init") | Q(state="cancelled") | Q(attempts__gt=0) | Q(state__in=["paid", "failed"]),
                name="payout_sent_was_attempted",
            ),
            models.CheckConstraint(
                condition=Q(state="paid", provider_status=1)
                | Q(state="failed", provider_status=2)
                | Q(state="review", provider_status=3)
                | Q(state__in=["init", "unknown", "pending", "cancelled"], provider_status__in=[0, 3]),
                name="payout_status_fits_state",
            ),
            models.CheckConstraint(
                condition=Q(claim__isnull=True, claimed_until__isnull=True)
                | Q(claim__isnull=False, claimed_until__isnull=False),
                name="payout_claim_has_end",
            ),
            models.CheckConstraint(
                condition=Q(settled_at__isnull=True) | Q(settled_at__gte=F("created_at")), name="payout_settled_after"
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], name="payout_due", condition=Q(next_attempt_at__isnull=False)),
            models.Index(fields=["state", "redeemed_reward"], name="payout_by_state"),
            models.Index(fields=["created_at"], name="payout_by_day"),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def is_settled(self) -> bool:
        return self.state in FINAL


class PayoutEvidenceKind(models.TextChoices):
    SUBMITTED = "submitted", "Sent"
    ASKED = "asked", "Asked about"
    CALLBACK = "callback", "Told by the provider"
    BY_STAFF = "by_staff", "Said by staff"


class PayoutEvidence(models.Model):
    """One answer about a payout, as it was given. Insert-only; holds no secret and no personal data."""

    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, related_name="evidence")
    kind = models.CharField(max_length=10, choices=PayoutEvidenceKind)
    outcome = models.CharField(max_length=10)  # platforms.adapter.Outcome
    said = models.CharField(max_length=180, blank=True)  # the provider's status word, as the grid shows it
    reason = models.CharField(max_length=500, blank=True)
    observed_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    request_id = models.CharField(max_length=120, blank=True)
    excerpt = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = "evidence of a payout"
        verbose_name_plural = "evidence of payouts"
        triggers = [
            pgtrigger.Protect(name="payout_evidence_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.observed_at:%Y-%m-%d %H:%M:%S} UTC"
