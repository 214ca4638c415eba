"""Our codes and a shop's, compared: one run, what the shop listed meanwhile, and what differed."""

from django.db import models
from django.db.models import Q

from platforms.models import StoreConnection
from rewards.models.code import RewardCode
from rewards.models.redeemed_reward import RedeemedReward


class RunScope(models.TextChoices):
    ALL = "all", "All codes"
    MOVED = "moved", "What moved since"


class RunPhase(models.TextChoices):
    """What a run does one after the other; each keeps its own place."""

    READ = "read", "Reading the shop's codes"
    OURS = "ours", "Comparing our codes"
    THEIRS = "theirs", "Comparing the shop's codes"
    ORDERS = "orders", "Looking for orders"
    TIDY = "tidy", "Tidying up"


class RunState(models.TextChoices):
    OPEN = "open", "Under way"
    DONE = "done", "Done"
    STOPPED = "stopped", "Stopped"


class ReconciliationRun(models.Model):
    """One comparison of a shop with our records. Its row is also the queue of record; at most one is open in a shop."""

    connection = models.ForeignKey(StoreConnection, on_delete=models.PROTECT, related_name="+", db_index=False)
    scope = models.CharField(max_length=10, choices=RunScope)
    state = models.CharField(max_length=10, choices=RunState, default=RunState.OPEN)
    phase = models.CharField(max_length=10, choices=RunPhase, default=RunPhase.READ)
    cursor = models.CharField(max_length=1000, blank=True)  # the place that was reached in the present phase
    since = models.DateTimeField(null=True)  # what moved from then on; empty for all codes
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    listed = models.PositiveIntegerField(default=0)  # codes the shop showed
    compared = models.PositiveIntegerField(default=0)  # codes of ours that were held against them
    accepted = models.PositiveIntegerField(default=0)  # differences that staff had accepted before
    tally = models.JSONField(default=dict)  # {kind: findings}
    due_at = models.DateTimeField(null=True)  # when a worker should look at it
    claim = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    troubles = models.PositiveSmallIntegerField(default=0)  # questions in a row that the shop did not answer
    last_reason = models.CharField(max_length=500, blank=True)  # why it waits or has stopped, for staff

    class Meta:
        verbose_name = "reconciliation"
        constraints = [
            models.UniqueConstraint(
                fields=["connection"], condition=Q(state="open"), name="reconciliation_open_once_in_shop"
            ),
            models.CheckConstraint(
                condition=Q(
                    scope__in=["all", "moved"],
                    state__in=["open", "done", "stopped"],
                    phase__in=["read", "ours", "theirs", "orders", "tidy"],
                ),
                name="reconciliation_words_known",
            ),
            models.CheckConstraint(
                condition=Q(scope="all", since__isnull=True) | Q(scope="moved", since__isnull=False),
                name="reconciliation_moved_since_when",
            ),
            models.CheckConstraint(
                condition=Q(state="open", due_at__isnull=False, ended_at__isnull=True)
                | Q(state__in=["done", "stopped"], due_at__isnull=True, claim__isnull=True, ended_at__isnull=False),
                name="reconciliation_due_only_while_open",
            ),
            models.CheckConstraint(
                condition=Q(claim__isnull=True, claimed_until__isnull=True)
                | Q(claim__isnull=False, claimed_until__isnull=False),
                name="reconciliation_claim_has_end",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], name="reconciliation_due", condition=Q(state="open")),
            models.Index(fields=["connection", "began_at", "id"], name="reconciliation_of_shop"),
            models.Index(fields=["began_at", "id"], name="reconciliation_began"),
        ]

    def __str__(self) -> str:
        return f"Reconciliation {self.pk}"


class ListedCode(models.Model):
    """A code as a shop showed it to a run; gone when the run is over. The merchant's own codes are left out."""

    pk = models.CompositePrimaryKey("run_id", "canonical")
    run = models.ForeignKey(ReconciliationRun, on_delete=models.CASCADE, db_index=False, related_name="+")
    canonical = models.CharField(max_length=60)
    alive = models.BooleanField()
    reference = models.CharField(max_length=120, blank=True)
    told = models.JSONField(null=True)  # the whole code; null: the shop was asked for it and has none

    class Meta:
        verbose_name = "code a shop listed"
        verbose_name_plural = "codes a shop listed"
        constraints = [
            models.CheckConstraint(condition=~Q(canonical=""), name="listed_code_not_empty"),
            models.CheckConstraint(condition=Q(told__isnull=False) | Q(alive=False), name="listed_code_absent_is_dead"),
        ]

    def __str__(self) -> str:
        return self.canonical


class FindingKind(models.TextChoices):
    GHOST = "ghost", "Ghost"
    ORPHAN = "orphan", "Orphan"
    ZOMBIE = "zombie", "Zombie"
    USE_DRIFT = "use_drift", "Use differs"
    VALUE_DRIFT = "value_drift", "Value differs"


class FindingDetail(models.TextChoices):
    """What exactly differs."""

    ABSENT = "absent", "The shop has no such code"
    FOREIGN = "foreign", "The shop's code of this name is somebody else's"
    DEAD = "dead", "The shop no longer takes it"
    UNKNOWN_HERE = "unknown_here", "Our mark, and no such code here"
    NO_REWARD = "no_reward", "Known here, and nobody has it"
    CANCELED = "canceled", "Canceled here, alive there"
    USED_THERE = "used_there", "Used there, unused here"
    USED_HERE = "used_here", "Used here, unused there"
    USED_AFTER_CANCEL = "used_after_cancel", "Canceled here, used there"
    VALUE = "value", "Another value or end"


class Repair(models.TextChoices):
    """The one safe repair of a finding."""

    NONE = "", "For a person to decide"
    REISSUE = "reissue", "Give it anew"
    DISABLE = "disable", "Disable the code in the shop"
    KILL_AND_PROVE = "kill", "Disable the code and prove it dead"
    RECORD_USE = "record_use", "Record the use"


class FindingState(models.TextChoices):
    """Where a finding stands. `rewards.lifecycle` says what may follow what."""

    OPEN = "open", "Open"
    REPAIRING = "repairing", "Being repaired"
    REPAIRED = "repaired", "Repaired"
    SETTLED = "settled", "No longer differs"
    ACCEPTED = "accepted", "Accepted as it is"
    SUPERSEDED = "superseded", "Looked at again since"


FINDING_OPEN = (FindingState.OPEN, FindingState.REPAIRING)


class ReconciliationFinding(models.Model):
    """One code about which our records and the shop differ, with what both said. No secret and no personal data."""

    run = models.ForeignKey(ReconciliationRun, on_delete=models.PROTECT, related_name="findings", db_index=False)
    connection = models.ForeignKey(StoreConnection, on_delete=models.PROTECT, related_name="+", db_index=False)
    canonical = models.CharField("code", max_length=60)
    code = models.ForeignKey(RewardCode, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    redeemed_reward = models.ForeignKey(
        RedeemedReward, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=12, choices=FindingKind)
    detail = models.CharField(max_length=20, choices=FindingDetail)
    ours = models.JSONField()  # the evidence of both sides, as it was when it was found
    theirs = models.JSONField(null=True)  # null: the shop has no such code
    digest = models.CharField(max_length=32)  # of what differs, to tell that the same was accepted before
    found_at = models.DateTimeField()
    order_id = models.CharField(max_length=120, blank=True)  # the shop's order that used it, once it was found
    order_at = models.DateTimeField(null=True)

    repair = models.CharField(max_length=12, choices=Repair, blank=True)
    state = models.CharField(max_length=12, choices=FindingState, default=FindingState.OPEN)
    actor_kind = models.CharField(max_length=20, blank=True)  # who repairs, repaired or accepted it
    actor_id = models.BigIntegerField(null=True)
    claim = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    result = models.CharField(max_length=500, blank=True)  # what came of it, or why it is not repaired yet

    class Meta:
        verbose_name = "difference from a shop"
        verbose_name_plural = "differences from shops"
        permissions = [("repair_finding", "Can repair differences from shops")]
        constraints = [
            models.UniqueConstraint(fields=["run", "canonical"], name="finding_once_in_run"),
            models.CheckConstraint(
                condition=Q(kind="ghost", detail__in=["absent", "foreign", "dead"], code__isnull=False)
                | Q(kind="orphan", detail__in=["unknown_here", "no_reward"], theirs__isnull=False)
                | Q(kind="zombie", detail="canceled", theirs__isnull=False, redeemed_reward__isnull=False)
                | Q(
                    kind="use_drift",
                    detail__in=["used_there", "used_here", "used_after_cancel"],
                    theirs__isnull=False,
                    redeemed_reward__isnull=False,
                )
                | Q(kind="value_drift", detail="value", theirs__isnull=False, redeemed_reward__isnull=False),
                name="finding_detail_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(repair="")
                | Q(repair="reissue", kind__in=["ghost", "value_drift"])
                | Q(repair="disable", kind__in=["orphan", "value_drift"])
                | Q(repair="kill", kind="zombie")
                | (Q(repair="record_use", detail="used_there") & ~Q(order_id="")),
                name="finding_repair_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(order_id="", order_at__isnull=True) | (~Q(order_id="") & Q(order_at__isnull=False)),
                name="finding_order_has_time",
            ),
            models.CheckConstraint(
                condition=Q(state="open", closed_at__isnull=True, claim__isnull=True, claimed_until__isnull=True)
                | Q(state="repairing", closed_at__isnull=True, claim__isnull=False, claimed_until__isnull=False)
                | Q(
                    state__in=["repaired", "settled", "accepted", "superseded"],
                    closed_at__isnull=False,
                    claim__isnull=True,
                    claimed_until__isnull=True,
                ),
                name="finding_claimed_while_repaired",
            ),
        ]
        indexes = [
            models.Index(fields=["connection", "canonical"], name="finding_open", condition=Q(state__in=FINDING_OPEN)),
            models.Index(fields=["connection", "digest"], name="finding_accepted", condition=Q(state="accepted")),
            models.Index(fields=["claimed_until", "id"], name="finding_repairing", condition=Q(state="repairing")),
            models.Index(fields=["redeemed_reward"], name="finding_of_reward", condition=Q(state="repairing")),
            models.Index(fields=["found_at", "id"], name="finding_found"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.canonical}"
