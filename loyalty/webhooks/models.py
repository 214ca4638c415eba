"""Webhooks out: who wants to hear of what, and what became of each message."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

LANES = 4  # how many messages to one endpoint may be on their way at once


class BodyStyle(models.TextChoices):
    THIN = "thin", "Thin: ids only"
    FULL = "full", "Full: the whole object, as the API shows it"


class EndpointState(models.TextChoices):
    ACTIVE = "active", "Active"
    OFF = "off", "Switched off"  # by a person: what happens meanwhile is not told
    PAUSED = "paused", "Paused"  # by us: what happens meanwhile waits
    REMOVED = "removed", "Removed"


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Given up"


class WebhookEndpoint(models.Model):
    """An address of an integrator that wants to hear. `loyalty.webhooks.endpoints` and `deliveries` write these rows."""

    name = models.CharField(max_length=80)
    url = models.CharField(max_length=500)
    topics = ArrayField(models.CharField(max_length=60))
    body = models.CharField(max_length=10, choices=BodyStyle, default=BodyStyle.THIN)
    state = models.CharField(max_length=10, choices=EndpointState, default=EndpointState.ACTIVE)
    # Sealed; the one before stays good for a while after a new one was made.
    secret = models.TextField()
    previous_secret = models.TextField(blank=True)
    previous_until = models.DateTimeField(null=True)

    # How it does: failures in a row, and until when it is left alone because of them.
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    held_until = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(null=True)
    pause_reason = models.CharField(max_length=500, blank=True)  # a sentence for staff

    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = "webhook endpoint"
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["active", "off", "paused", "removed"]), name="webhook_endpoint_state_known"
            ),
            models.CheckConstraint(condition=Q(body__in=["thin", "full"]), name="webhook_endpoint_body_known"),
            models.CheckConstraint(
                condition=Q(state="paused", paused_at__isnull=False) | (~Q(state="paused") & Q(paused_at__isnull=True)),
                name="webhook_endpoint_paused_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="paused") | ~Q(pause_reason=""), name="webhook_endpoint_pause_is_explained"
            ),
            models.CheckConstraint(
                condition=Q(previous_secret="", previous_until__isnull=True)
                | (~Q(previous_secret="") & Q(previous_until__isnull=False)),
                name="webhook_endpoint_old_secret_ends",
            ),
            models.CheckConstraint(condition=Q(state="removed") | ~Q(secret=""), name="webhook_endpoint_has_secret"),
        ]

    def __str__(self) -> str:
        return self.name


class WebhookLane(models.Model):
    """One of an endpoint's lanes. Whoever holds it sends what waits in it, one message after the other."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.PROTECT, related_name="lanes", db_index=False)
    number = models.PositiveSmallIntegerField()
    claim = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    worked_at = models.DateTimeField(null=True)  # whose turn was longest ago comes next

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "number"], name="webhook_lane_once"),
            models.CheckConstraint(
                condition=Q(claim__isnull=True, claimed_until__isnull=True)
                | Q(claim__isnull=False, claimed_until__isnull=False),
                name="webhook_lane_claim_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id}/{self.number}"


class WebhookDelivery(models.Model):
    """One message to one endpoint: that something happened, never what. Its words are written when it is sent."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    event_id = models.BigIntegerField(null=True)  # of the event it tells of; a test tells of none
    topic = models.CharField(max_length=60)
    subject_id = models.BigIntegerField(null=True)  # the id in the API of what it is about
    lane = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=10, choices=DeliveryState, default=DeliveryState.WAITING)

    # Our turn.
    attempts = models.PositiveSmallIntegerField(default=0)  # since it was last set to waiting
    due_at = models.DateTimeField(null=True)
    claim = models.UUIDField(null=True)
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)  # what the endpoint answered last
    reason = models.CharField(max_length=500, blank=True)  # why it is not delivered, a sentence for staff

    class Meta:
        verbose_name = "webhook out"
        verbose_name_plural = "webhooks out"
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "event_id", "topic"], name="webhook_delivery_stands_once"),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "delivered", "failed"]), name="webhook_delivery_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", due_at__isnull=False, closed_at__isnull=True)
                | (~Q(state="waiting") & Q(due_at__isnull=True, closed_at__isnull=False, claim__isnull=True)),
                name="webhook_delivery_due_while_waiting",
            ),
            models.CheckConstraint(condition=~Q(state="failed") | ~Q(reason=""), name="webhook_delivery_end_explained"),
            models.CheckConstraint(condition=Q(lane__lt=LANES), name="webhook_delivery_lane_known"),
            models.CheckConstraint(
                condition=Q(event_id__isnull=True, subject_id__isnull=True)
                | Q(event_id__isnull=False, subject_id__isnull=False),
                name="webhook_delivery_of_event_has_subject",
            ),
        ]
        indexes = [
            models.Index(
                fields=["endpoint", "lane", "due_at", "id"],
                name="webhook_delivery_due",
                condition=Q(state="waiting"),
            ),
            models.Index(fields=["endpoint", "occurred_at"], name="webhook_delivery_occurred"),
            models.Index(fields=["endpoint", "-id"], name="webhook_delivery_endpoint"),
            models.Index(fields=["state", "-id"], name="webhook_delivery_state"),
            models.Index(F("closed_at").asc(), name="webhook_delivery_closed", condition=Q(closed_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.topic} ({self.pk})"


class WebhookAttempt(models.Model):
    """One attempt to deliver, and what the endpoint said."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.PROTECT, related_name="tried", db_index=False)
    attempted_at = models.DateTimeField()
    milliseconds = models.PositiveIntegerField()
    status = models.PositiveSmallIntegerField(null=True)  # nothing when no answer came
    reason = models.CharField(max_length=500, blank=True)  # why it did not count as delivered
    excerpt = models.CharField(max_length=500, blank=True)  # the beginning of the answer, less secrets and addresses

    class Meta:
        indexes = [models.Index(fields=["delivery", "id"], name="webhook_attempt_delivery")]

    def __str__(self) -> str:
        return f"{self.delivery_id}: {self.status or 'no answer'}"
