"""Integrators' keys, and the answers their idempotency keys stand for."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class ApiKey(models.Model):
    """A bearer key. Only its digest is kept: the key itself is shown once, when it is made."""

    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)  # the first characters, to tell keys apart
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the whole key; it is random, so no slow hash
    scopes = ArrayField(models.CharField(max_length=40))
    networks = ArrayField(
        models.CharField(max_length=43), default=list, db_default=[]
    )  # it is taken from; none: from all
    # A key that was made in place of another keeps what the other stood for: see `identity`.
    replaces = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="replaced_by")
    origin = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                condition=Q(replaces__isnull=True, origin__isnull=True)
                | Q(replaces__isnull=False, origin__isnull=False),
                name="api_key_replacement_has_origin",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def identity(self) -> int:
        """The first key of those that replaced each other: one system, however often its key is rotated.

        Idempotency keys and the rate are its, so that a repetition under the new key is one.
        """
        return self.origin_id or self.pk


class IdempotencyRecord(models.Model):
    """What one `Idempotency-Key` of one API key was used for, and what was answered."""

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, db_index=False)
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)  # method, path and body: the same key with another body is refused
    status = models.PositiveSmallIntegerField(null=True)  # null while the first request is under way
    body = models.JSONField(null=True)
    locked_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["api_key", "key"], name="idempotency_key_once"),
            models.CheckConstraint(
                condition=Q(status__isnull=True, body__isnull=True) | Q(status__isnull=False, body__isnull=False),
                name="idempotency_answer_whole",
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_created")]

    def __str__(self) -> str:
        return self.key


class RateWindow(models.Model):
    """How many requests a key has made in one second, counted here only while Valkey is down."""

    api_key = models.OneToOneField(ApiKey, primary_key=True, on_delete=models.CASCADE)
    second = models.BigIntegerField()
    requests = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.requests} requests"
