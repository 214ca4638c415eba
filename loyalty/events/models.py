"""What happened, when, and by whom. Rows are only ever added; they hold ids, never names or addresses."""

import pgtrigger
from django.db import models


class Event(models.Model):
    """One fact. Written in the transaction of the change it tells of, so neither exists without the other."""

    kind = models.CharField(max_length=60)  # e.g. "reward.issued"
    occurred_at = models.DateTimeField()
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    subject_type = models.CharField(max_length=40)
    subject_id = models.BigIntegerField()
    customer_id = models.BigIntegerField(null=True)
    data = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["subject_type", "subject_id", "id"], name="event_subject"),
            models.Index(fields=["customer_id", "id"], name="event_customer"),
        ]
        triggers = [
            pgtrigger.Protect(name="event_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_type}:{self.subject_id}"
