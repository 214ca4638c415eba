"""Bulk work as rows of record: a job, the rows it was given, and what became of each row in each step.

The broker is a doorbell: a worker takes a job by a claim that runs out, and a sweep rings for jobs nobody holds.
"""

import pgtrigger
from django.db import models
from django.db.models import F, Q


class Step(models.TextChoices):
    """What a job does one after the other. Checking changes nothing but the job."""

    CHECK = "check", "Check"
    APPLY = "apply", "Apply"
    UNDO = "undo", "Undo"


class JobState(models.TextChoices):
    """Where the present step is."""

    OPEN = "open", "Under way"
    PAUSED = "paused", "Paused"
    CANCELLED = "cancelled", "Canceled"
    DONE = "done", "Done"


class Verdict(models.TextChoices):
    OK = "ok", "Done"
    PART = "part", "In part"
    UNCHANGED = "unchanged", "No change"
    REFUSED = "refused", "Refused"


class Job(models.Model):
    """One bulk change: what is planned, how far it is, who began its present step."""

    kind = models.CharField(max_length=40)
    task = models.CharField(max_length=80, editable=False)  # the name under which a worker is rung for it
    title = models.CharField(max_length=200)
    summary = models.CharField(max_length=500, blank=True)  # what applying it means, in a sentence
    plan = models.JSONField(default=dict)  # settings of its kind; `columns`: what the rows hold, as [[name, label], …]
    step = models.CharField(max_length=10, choices=Step, default=Step.CHECK)
    state = models.CharField(max_length=10, choices=JobState, default=JobState.OPEN)
    rows_total = models.PositiveIntegerField(default=0)
    rows_done = models.PositiveIntegerField(default=0)  # in the present step
    position = models.PositiveIntegerField(default=0)  # number of the last row done in the present step
    tally = models.JSONField(default=dict)  # {step: {verdict: rows}}
    digest = models.CharField(max_length=64, blank=True)  # of the input, to tell that the same came before
    note = models.CharField(max_length=300, blank=True)  # why it stands still, when nobody paused it
    actor_kind = models.CharField(max_length=20)  # who began the present step
    actor_id = models.BigIntegerField(null=True)
    claim = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    claimed_at_row = models.PositiveIntegerField(default=0)  # where it stood when it was claimed
    stalls = models.PositiveSmallIntegerField(default=0)  # claims in a row that ran out without getting further
    due_at = models.DateTimeField(null=True)  # when a worker should look at it
    created_at = models.DateTimeField()
    step_began_at = models.DateTimeField()
    step_ended_at = models.DateTimeField(null=True)
    rows_forgotten_at = models.DateTimeField(null=True)  # what the rows said about people is blanked since then

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(step__in=["check", "apply", "undo"]), name="job_step_known"),
            models.CheckConstraint(condition=Q(rows_done__lte=F("rows_total")), name="job_rows_done_in_range"),
            models.CheckConstraint(
                condition=Q(state="open", due_at__isnull=False, step_ended_at__isnull=True)
                | Q(state="paused", due_at__isnull=True, claim__isnull=True, step_ended_at__isnull=True)
                | Q(
                    state__in=["cancelled", "done"],
                    due_at__isnull=True,
                    claim__isnull=True,
                    step_ended_at__isnull=False,
                ),
                name="job_due_and_claimed_only_while_open",
            ),
            models.CheckConstraint(
                condition=Q(claim__isnull=True, claimed_until__isnull=True)
                | Q(claim__isnull=False, claimed_until__isnull=False),
                name="job_claim_has_end",
            ),
            models.CheckConstraint(
                condition=Q(rows_forgotten_at__isnull=True) | Q(step="undo") | Q(state__in=["cancelled", "done"]),
                name="job_forgotten_rows_are_only_undone",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], name="job_due", condition=Q(state="open")),
            models.Index(fields=["digest"], name="job_digest", condition=~Q(digest="")),
            models.Index(fields=["created_at", "id"], name="job_created"),
            models.Index(
                fields=["step_ended_at", "id"],
                name="job_rows_to_forget",
                condition=Q(rows_forgotten_at__isnull=True, step_ended_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.title


class JobRow(models.Model):
    """One row of the input, as it was read. `number` is its row in the file."""

    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="rows", db_index=False)
    number = models.PositiveIntegerField()
    data = models.JSONField()

    class Meta:
        verbose_name = "row of a job"
        verbose_name_plural = "rows of jobs"
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="job_row_once"),
            models.CheckConstraint(condition=Q(number__gt=0), name="job_row_number_positive"),
        ]

    def __str__(self) -> str:
        return f"Row {self.number}"


class JobOutcome(models.Model):
    """What became of one row in one step. Written with the change itself, once.

    Never altered but for its text, which is blanked when the rows are forgotten.
    """

    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="outcomes", db_index=False)
    step = models.CharField(max_length=10, choices=Step)
    number = models.PositiveIntegerField()
    verdict = models.CharField(max_length=10, choices=Verdict)
    code = models.CharField(max_length=40, blank=True)  # why, for programs
    text = models.CharField(max_length=400, blank=True)  # why, for people
    subject_id = models.BigIntegerField(null=True)  # whom it concerns
    amount = models.BigIntegerField(null=True)  # what changes, or has changed
    result_id = models.BigIntegerField(null=True)  # the row it made

    class Meta:
        verbose_name = "outcome of a row"
        verbose_name_plural = "outcomes of rows"
        constraints = [
            models.UniqueConstraint(fields=["job", "step", "number"], name="job_outcome_once"),
        ]
        indexes = [
            models.Index(fields=["job", "step", "subject_id"], name="job_outcome_subject"),
            models.Index(fields=["job", "step", "number"], name="job_outcome_not_ok", condition=~Q(verdict="ok")),
        ]
        triggers = [
            pgtrigger.Protect(name="job_outcome_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="job_outcome_facts_fixed", exclude=["text"]),
            pgtrigger.Protect(
                name="job_outcome_text_only_blanked",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__text__df=pgtrigger.F("new__text")) & ~pgtrigger.Q(new__text=""),
            ),
        ]

    def __str__(self) -> str:
        return f"Row {self.number}: {self.get_verdict_display().lower()}"
