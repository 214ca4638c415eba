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
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


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
