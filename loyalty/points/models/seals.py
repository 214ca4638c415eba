"""Seals over the ledger: a chain of hashes that names the first altered row."""

import pgtrigger
from django.db import models
from django.db.models import F, Q


class SealStream(models.TextChoices):
    """What a seal holds: transactions with the rows written beside them, or the rows that holds write."""

    TRANSACTION = "transaction", "Transactions"
    CHARGE = "charge", "Charges of holds"
    RELEASE = "release", "Releases of holds"


class LedgerSeal(models.Model):
    """One batch of ledger rows, hashed together with the seal before it. Insert-only.

    `leaves` has 25 bytes for each row: its table's letter, its id, and the first 16 bytes of its hash.
    """

    stream = models.CharField(max_length=12, choices=SealStream, default=SealStream.TRANSACTION)
    first_id = models.BigIntegerField()  # of the stream's rows; ids that nobody used are sealed with their neighbours
    last_id = models.BigIntegerField()
    rows = models.PositiveIntegerField()
    leaves = models.BinaryField(default=bytes)
    digest = models.CharField(max_length=64)
    previous = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="following")
    sealed_at = models.DateTimeField()

    class Meta:
        verbose_name = "seal"
        constraints = [
            models.CheckConstraint(condition=Q(last_id__gte=F("first_id")), name="seal_in_order"),
            models.UniqueConstraint(fields=["stream", "last_id"], name="seal_once"),
            models.UniqueConstraint(
                fields=["previous"], name="seal_begins_once", condition=Q(previous__isnull=True), nulls_distinct=False
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="seal_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.get_stream_display()} {self.first_id} to {self.last_id}"
