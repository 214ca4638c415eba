"""The outbox: every e-mail there was a reason for, and what became of it; whose words it has, and who wants none."""

from django.db import models
from django.db.models import Q

from loyalty.customers.models import Customer
from loyalty.merchant.models import mail_kinds


class MailState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    UNKNOWN = "unknown", "May have been sent"  # the mail server had it in hand, and we never heard the end
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Not sent"  # on purpose


UNDER_WAY = [MailState.WAITING, MailState.SENDING]
EXPLAINED = [MailState.UNKNOWN, MailState.FAILED, MailState.SKIPPED]


class Mail(models.Model):
    """One e-mail to one recipient about one thing. `loyalty.messages.outbox` alone writes these rows."""

    kind = models.CharField(max_length=20, choices=mail_kinds)
    customer = models.ForeignKey(Customer, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    # Together they say which mail it is: however often its reason is told, it stands here once.
    recipient = models.CharField(max_length=254)  # customer:12, or the address of the back office
    about_type = models.CharField(max_length=40)
    about_id = models.BigIntegerField()
    window = models.CharField(max_length=100, blank=True)  # which of several about the same thing: the end that is near

    event_id = models.BigIntegerField(null=True)
    again_of = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="again", db_index=False)
    message_id = models.CharField(max_length=200, unique=True)  # ours, fixed before the first attempt
    state = models.CharField(max_length=10, choices=MailState, default=MailState.WAITING)
    reason = models.CharField(max_length=500, blank=True)  # a sentence for staff

    # Our turn.
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField()
    claim = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    handed_at = models.DateTimeField(null=True)  # from here on the mail server may have it
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    # What was sent, less its codes; forgotten after a while.
    language = models.CharField(max_length=10, blank=True)
    address = models.CharField(max_length=254, blank=True)
    subject = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)

    class Meta:
        verbose_name = "e-mail"
        verbose_name_plural = "e-mails"
        permissions = [("send_again_mail", "Can send e-mails again")]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "recipient", "about_type", "about_id", "window"], name="mail_stands_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "sending", "sent", "unknown", "failed", "skipped"]),
                name="mail_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state__in=UNDER_WAY, due_at__isnull=False, closed_at__isnull=True)
                | (~Q(state__in=UNDER_WAY) & Q(due_at__isnull=True, closed_at__isnull=False)),
                name="mail_due_while_under_way",
            ),
            models.CheckConstraint(
                condition=~Q(state="sending") | Q(claim__isnull=False, claimed_until__isnull=False),
                name="mail_sending_is_claimed",
            ),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False) | (~Q(state="sent") & Q(sent_at__isnull=True)),
                name="mail_sent_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["sent", "unknown"]) | Q(handed_at__isnull=False),
                name="mail_sent_was_handed_over",
            ),
            models.CheckConstraint(condition=~Q(state__in=EXPLAINED) | ~Q(reason=""), name="mail_ending_is_explained"),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], name="mail_due", condition=Q(due_at__isnull=False)),
            models.Index(fields=["state", "id"], name="mail_state"),
            models.Index(fields=["kind", "id"], name="mail_kind"),
            models.Index(fields=["customer", "id"], name="mail_customer", condition=Q(customer__isnull=False)),
            models.Index(fields=["closed_at"], name="mail_with_texts", condition=~Q(text="") | ~Q(address="")),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.recipient})"


class MailText(models.Model):
    """The merchant's own words of one text in one language. Without a row ours are used.

    `loyalty.messages.texts` alone writes these rows.
    """

    kind = models.CharField(max_length=40)  # a name of loyalty.messages.editable
    language = models.CharField(max_length=10)
    subject = models.CharField(max_length=200)
    heading = models.CharField(max_length=200)
    body = models.TextField()  # a paragraph a line
    button = models.CharField(max_length=60, blank=True)  # mails about signing in have none
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name = "e-mail text"
        verbose_name_plural = "e-mail texts"
        constraints = [
            models.UniqueConstraint(fields=["kind", "language"], name="mail_text_stands_once"),
            models.CheckConstraint(
                condition=~Q(subject="") & ~Q(heading="") & ~Q(body=""), name="mail_text_says_something"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.language})"


class Unsubscription(models.Model):
    """A customer wants no e-mails of this kind. `loyalty.messages.choices` alone writes these rows."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=20, choices=mail_kinds)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "unsubscription"
        constraints = [models.UniqueConstraint(fields=["customer", "kind"], name="unsubscription_stands_once")]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.get_kind_display()}"
