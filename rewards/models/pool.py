"""Pools: codes that lie ready for a reward, brought by staff or made ahead, and handed out one by one."""

from django.db import models
from django.db.models import F, Q

from loyalty.jobs.models import Job
from platforms.models import StoreConnection
from rewards.models.reward import Reward


class CodePool(models.Model):
    """That a reward takes its codes from a pool. The codes are `RewardCode` rows, unique in their shop like all others."""

    reward = models.OneToOneField(Reward, primary_key=True, on_delete=models.PROTECT, related_name="pool")
    connection = models.ForeignKey(StoreConnection, null=True, on_delete=models.PROTECT, db_index=False)  # of its codes
    in_use = models.BooleanField(default=True)  # off: the codes lie there, and the reward's codes are made one by one
    warn_below = models.PositiveIntegerField(default=100)  # free codes; 0: never
    low_since = models.DateTimeField(null=True)  # fewer are free since then, and it was told
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "code pool"
        constraints = [
            models.CheckConstraint(condition=Q(warn_below__lte=1_000_000), name="pool_warning_in_range"),
        ]

    def __str__(self) -> str:
        return f"Codes of {self.reward_id}"


class PoolCandidate(models.Model):
    """A row of an import that was found good and waits to be applied. Its canonical form is unique within the import."""

    pk = models.CompositePrimaryKey("job_id", "number")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, db_index=False, related_name="+")
    number = models.PositiveIntegerField()
    code = models.CharField(max_length=60)
    canonical = models.CharField(max_length=60)
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)  # exclusive

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "canonical"], name="pool_candidate_once"),
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
                name="pool_candidate_in_order",
            ),
        ]

    def __str__(self) -> str:
        return f"Row {self.number}"
