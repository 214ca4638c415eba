"""Work to be done at a shop, and what came of each try."""

import pgtrigger
from django.db import models
from django.db.models import Q

from platforms.models import StoreConnection
from rewards.models.redeemed_reward import RedeemedReward


class IssueWork(models.Model):
    """The queue of record: one row while a redeemed reward waits to be generated, deleted when it is decided.

    Whoever works on it sets `claim` and `claimed_until`; a claim that ran out may be taken over.
    """

    redeemed_reward = models.OneToOneField(
        RedeemedReward, primary_key=True, on_delete=models.CASCADE, related_name="issue_work"
    )
    # The redeemed reward's shop, here so that the next of a shop are found by index. Null: queued by an older release.
    connection = models.ForeignKey(StoreConnection, null=True, on_delete=models.PROTECT, db_index=False)
    # Whose turn it is among those of a shop: 0 before all others; each batch of a job has a number of its own.
    turn = models.PositiveIntegerField(default=0, db_default=0)
    due_at = models.DateTimeField()
    claim = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)  # calls that made or may have made something
    in_doubt_since = models.DateTimeField(
        null=True
    )  # a call was sent and its result is unknown: look up before sending

    class Meta:
        verbose_name = "waiting for the shop"
        constraints = [
            models.CheckConstraint(
                condition=Q(claim__isnull=True, claimed_until__isnull=True)
                | Q(claim__isnull=False, claimed_until__isnull=False),
                name="issue_claim_has_end",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="issue_work_due"),
            models.Index(fields=["connection", "turn", "due_at"], name="issue_work_turns"),
        ]

    def __str__(self) -> str:
        return f"Issue redeemed reward {self.redeemed_reward_id}"


class IssueLane(models.Model):
    """A place for one worker at one shop: as many as there are may issue its waiting rewards at the same time.

    It only shares the workers among the shops; whether a reward is issued once is a matter of `IssueWork`.
    """

    connection = models.ForeignKey(StoreConnection, on_delete=models.CASCADE, db_index=False)
    number = models.PositiveSmallIntegerField()
    claim = models.UUIDField(null=True)
    free_at = models.DateTimeField()  # from when on a worker may take it: the end of a claim, or of the shop's pause

    class Meta:
        verbose_name = "lane to a shop"
        verbose_name_plural = "lanes to shops"
        constraints = [
            models.UniqueConstraint(fields=["connection", "number"], name="issue_lane_once"),
            models.CheckConstraint(condition=Q(number__gt=0), name="issue_lane_number_positive"),
        ]

    def __str__(self) -> str:
        return f"Lane {self.number} to shop {self.connection_id}"


class IssueAttempt(models.Model):
    """One question put to the shop while generating, and its outcome. Insert-only."""

    redeemed_reward = models.ForeignKey(RedeemedReward, on_delete=models.PROTECT, related_name="issue_attempts")
    # The redeemed reward's shop, filled in by the database, so that a shop's latest attempts are found by index. Null:
    # no shop, or made by an older release.
    connection = models.ForeignKey(
        StoreConnection, null=True, editable=False, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    call = models.CharField(max_length=10)  # create or find
    outcome = models.CharField(max_length=10)  # platforms.adapter.Outcome
    reason = models.CharField(max_length=500, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()

    class Meta:
        verbose_name = "attempt to generate"
        indexes = [
            models.Index(
                fields=["connection", "started_at", "id"],
                include=["outcome"],
                name="issue_attempt_of_shop",
                condition=Q(connection__isnull=False),
            )
        ]
        triggers = [
            pgtrigger.Trigger(
                name="issue_attempt_knows_its_shop",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                func="""
                    SELECT connection_id INTO NEW.connection_id
                    FROM rewards_redeemedreward WHERE id = NEW.redeemed_reward_id;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Protect(name="issue_attempt_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.call}: {self.outcome}"
