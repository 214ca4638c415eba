"""What happened, when, and by whom. Rows are only ever added; they hold ids, never names or addresses."""

import pgtrigger
from django.db import models
from django.db.models import Func
from django.db.models.functions import Cast


class CurrentTransaction(Func):
    """The id of the transaction that is under way: 64 bits, never used again in this database server."""

    function = "pg_current_xact_id"
    output_field = models.TextField()


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
    # Of whoever wrote it; the database fills it in. Ids are given before the commit, so they do not say what is new:
    # `loyalty.events.reading` does.
    transaction_id = models.BigIntegerField(
        editable=False, db_default=Cast(Cast(CurrentTransaction(), models.TextField()), models.BigIntegerField())
    )

    class Meta:
        indexes = [
            models.Index(fields=["subject_type", "subject_id", "id"], name="event_subject"),
            models.Index(fields=["customer_id", "id"], name="event_customer"),
            models.Index(fields=["transaction_id", "id"], name="event_reading"),
        ]
        triggers = [
            pgtrigger.Protect(name="event_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_type}:{self.subject_id}"


class EventReader(models.Model):
    """How far somebody has read the events. Its row is the lock: one reads at a time, and moves it with what it wrote."""

    name = models.CharField(max_length=40, primary_key=True)
    transaction_id = models.BigIntegerField(default=0)
    event_id = models.BigIntegerField(default=0)
    # After a dump was loaded into another server: where its transactions ended there, and its ids.
    foreign_until = models.BigIntegerField(default=0)
    floor_id = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = "reader of events"
        verbose_name_plural = "readers of events"

    def __str__(self) -> str:
        return self.name
