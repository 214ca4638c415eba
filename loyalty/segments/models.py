"""Segments: filters over customers that were given a name. Who is in one is asked when it matters, and kept nowhere."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower


class Segment(models.Model):
    """A named filter. `criteria` holds the parameters of `loyalty.segments.form`, each with a list of texts.

    `loyalty.segments.keeping` alone writes these rows; whoever reads the criteria judges them anew.
    """

    name = models.CharField(max_length=80)
    criteria = models.JSONField()
    actor_kind = models.CharField(max_length=20)  # who saved it last
    actor_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("name"), name="segment_name_unique_ignoring_case"),
            models.CheckConstraint(condition=~Q(name=""), name="segment_has_name"),
            models.CheckConstraint(condition=~Q(criteria={}), name="segment_narrows"),
        ]

    def __str__(self) -> str:
        return self.name
