"""Codes: what a customer types at the shop's checkout."""

from django.db import models
from django.db.models import Q

from platforms.models import StoreConnection


class RewardCode(models.Model):
    """One code of one shop (or of no shop). Decided and committed here before the shop is ever asked."""

    connection = models.ForeignKey(StoreConnection, null=True, on_delete=models.PROTECT, db_index=False)
    code = models.CharField(max_length=60)
    canonical = models.CharField(max_length=60)  # common.codes.canonical: the form that is compared and unique
    remote_id = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True)  # when the shop proved, or we decided, that it is dead

    class Meta:
        verbose_name = "code"
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "canonical"], nulls_distinct=False, name="code_unique_in_connection"
            ),
            models.CheckConstraint(condition=~Q(canonical=""), name="code_not_empty"),
        ]
        indexes = [
            models.Index(fields=["canonical"], opclasses=["varchar_pattern_ops"], name="code_prefix"),
        ]

    def __str__(self) -> str:
        return self.code
