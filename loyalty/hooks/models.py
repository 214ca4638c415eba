"""Webhooks as they came: stored raw before anything is done with them."""

from django.db import models
from django.db.models import Q

from loyalty.customers.models import Customer, ErasureRequest
from platforms.models import PayoutAccount, StoreConnection


class InboxState(models.TextChoices):
    RECEIVED = "received", "Waiting"
    PROCESSED = "processed", "Processed"
    FAILED = "failed", "Failed"


class InboundWebhook(models.Model):
    """One verified delivery. `body` and `headers` may hold personal data: they are emptied after their retention time."""

    # Who called: a shop or a payout provider.
    connection = models.ForeignKey(StoreConnection, null=True, on_delete=models.PROTECT, db_index=False)
    payout_account = models.ForeignKey(PayoutAccount, null=True, on_delete=models.PROTECT, db_index=False)
    event_id = models.CharField(max_length=120)
    topic = models.CharField(max_length=80)
    # The order or payout it is about, as the sender names it: enough to bring it again when its body is gone or its
    # signature no longer fits. Empty: it names none. Null: kept by a release that did not note it.
    subject_id = models.CharField(max_length=120, null=True)  # noqa: DJ001 (empty: it names nothing; null: nobody looked)
    body = models.BinaryField()
    headers = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=InboxState, default=InboxState.RECEIVED)
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)  # all there ever were
    attempts_before = models.PositiveSmallIntegerField(default=0, db_default=0)  # when staff last brought it again
    body_emptied_at = models.DateTimeField(null=True)
    result = models.CharField(max_length=300, blank=True)  # what became of it, for staff

    class Meta:
        verbose_name = "webhook in"
        verbose_name_plural = "webhooks in"
        permissions = [("try_again_inboundwebhook", "Can try webhooks again that failed")]
        constraints = [
            models.UniqueConstraint(fields=["connection", "event_id"], name="inbox_event_once"),
            models.UniqueConstraint(fields=["payout_account", "event_id"], name="inbox_payout_event_once"),
            models.CheckConstraint(
                condition=Q(connection__isnull=False, payout_account__isnull=True)
                | Q(connection__isnull=True, payout_account__isnull=False),
                name="inbox_has_one_sender",
            ),
            models.CheckConstraint(
                condition=Q(state="received", due_at__isnull=False) | (~Q(state="received") & Q(due_at__isnull=True)),
                name="inbox_waiting_has_due_time",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="inbox_due", condition=Q(state="received")),
            models.Index(fields=["received_at", "id"], name="inbox_received"),
            models.Index(fields=["received_at", "id"], name="inbox_failed", condition=Q(state="failed")),
            models.Index(fields=["received_at", "id"], name="inbox_bodies", condition=Q(body_emptied_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.event_id}"

    @property
    def tries(self) -> int:
        """How often it was tried since it came, or since staff last brought it again."""
        return self.attempts - self.attempts_before


class PrivacyKind(models.TextChoices):
    """`platforms.privacy.PrivacyKind`, in the words people read."""

    DATA_REQUEST = "data_request", "Show somebody's data"
    ERASE_CUSTOMER = "erase_customer", "Erase somebody's data"
    ERASE_SHOP = "erase_shop", "Erase a shop's data"


class PrivacyRequest(models.Model):
    """What a shop passed on that somebody asks about their data: open until a person says what was done.

    It holds no name and no address: the customer is a row of ours, or only the shop's number for them is known.
    """

    webhook = models.OneToOneField(InboundWebhook, on_delete=models.PROTECT)  # that brought it
    connection = models.ForeignKey(StoreConnection, on_delete=models.PROTECT, db_index=False)
    kind = models.CharField(max_length=20, choices=PrivacyKind)
    customer = models.ForeignKey(Customer, null=True, on_delete=models.PROTECT, db_index=False)
    customer_external_id = models.CharField(max_length=120, blank=True)  # the shop's number for them
    orders = models.JSONField(default=list)  # ids of the orders the shop named
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()
    bodies_emptied = models.PositiveIntegerField(default=0)  # of webhooks, at once
    settled_at = models.DateTimeField(null=True)
    settled_by = models.BigIntegerField(null=True)  # whose account
    note = models.CharField(max_length=500, blank=True)  # what was done

    class Meta:
        verbose_name = "privacy request"
        verbose_name_plural = "privacy requests"
        permissions = [("settle_privacyrequest", "Can settle privacy requests")]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["data_request", "erase_customer", "erase_shop"]), name="privacy_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(settled_at__isnull=True, settled_by__isnull=True, note="")
                | (Q(settled_at__isnull=False, settled_by__isnull=False) & ~Q(note="")),
                name="privacy_settled_by_somebody_with_words",
            ),
            models.CheckConstraint(condition=Q(due_at__gt=models.F("asked_at")), name="privacy_due_after_asked"),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], name="privacy_open", condition=Q(settled_at__isnull=True)),
            models.Index(fields=["connection", "id"], name="privacy_of_shop"),
        ]

    def __str__(self) -> str:
        return f"{PrivacyKind(self.kind).label} ({self.connection})"


class WishOutcome(models.TextChoices):
    """How a wish ended; empty while it is open."""

    SETTLED = "settled", "Settled"
    WITHDRAWN = "withdrawn", "Taken back"
    FORGOTTEN = "forgotten", "Forgotten"


class PrivacyWish(models.Model):
    """All that people ask about their data, at a shop or on their own pages: a view over both tables, which nobody writes."""

    key = models.CharField(max_length=30, primary_key=True)  # "shop-7", "own-3"
    request = models.ForeignKey(
        PrivacyRequest, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    own = models.ForeignKey(
        ErasureRequest, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    kind = models.CharField(max_length=20, choices=PrivacyKind)
    customer = models.ForeignKey(
        Customer, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    connection = models.ForeignKey(
        StoreConnection, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=WishOutcome, blank=True)

    class Meta:
        managed = False
        db_table = "hooks_privacywish"
        verbose_name = "privacy request"
        verbose_name_plural = "privacy requests"

    def __str__(self) -> str:
        return PrivacyKind(self.kind).label


class PrivacyReminder(models.Model):
    """The back office was reminded of one wish, before its last day. Written once, by whoever is first."""

    wish = models.CharField(max_length=30, primary_key=True)  # the key of a `PrivacyWish`
    reminded_at = models.DateTimeField()

    class Meta:
        verbose_name = "reminder of a privacy request"
        verbose_name_plural = "reminders of privacy requests"

    def __str__(self) -> str:
        return self.wish
