"""Who was forgotten, by whom, and what the search afterwards found. No row says who it was."""

from django.db import models
from django.db.models import Q

from loyalty.customers.models import Customer


class Erasure(models.Model):
    """One person forgotten. `words` are theirs, sealed, until the search with them is done; the row is its work."""

    customer = models.OneToOneField(Customer, on_delete=models.PROTECT, related_name="erasure")
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    forgotten_at = models.DateTimeField()
    blanked = models.JSONField(default=dict)  # table → rows
    words = models.TextField(blank=True)
    due_at = models.DateTimeField(null=True)
    searched_at = models.DateTimeField(null=True)
    columns_searched = models.PositiveIntegerField(default=0)
    found = models.JSONField(default=dict)  # "table.column" → rows that still hold one of the words

    class Meta:
        verbose_name = "forgotten person"
        verbose_name_plural = "forgotten people"
        constraints = [
            models.CheckConstraint(
                condition=Q(searched_at__isnull=True, due_at__isnull=False)
                | Q(searched_at__isnull=False, due_at__isnull=True, words=""),
                name="erasure_keeps_words_until_searched",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="erasure_due"),
        ]

    def __str__(self) -> str:
        return f"Customer {self.customer_id}"
