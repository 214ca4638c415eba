"""Seals over the ledger: a chain of hashes that names the first altered row."""

import pgtrigger
from django.db import models
from django.db.models import F, Q


class LedgerSeal(models.Model):
    """One batch of ledger rows, hashed together with the seal before it. Insert-only."""

    first_id = models.BigIntegerField()  # of the transactions sealed
    last_id = models.BigIntegerField(unique=True)
    rows = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    previous = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="following")
    sealed_at = models.DateTimeField()

    class Meta:
        verbose_name = "seal"
        constraints = [
            models.CheckConstraint(condition=Q(last_id__gte=F("first_id")), name="seal_in_order"),
            models.UniqueConstraint(
                fields=["previous"], name="seal_begins_once", condition=Q(previous__isnull=True), nulls_distinct=False
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="seal_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"Transactions {self.first_id} to {self.last_id}"
