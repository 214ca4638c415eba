"""Bulk work: a job is asked about until it is done, applied, undone, stopped, and its rows read (extensions).

A job checks its rows first and changes nothing until it is applied. A system sees the jobs it began itself, under
whichever of its keys. What begins one: see `bulk_work`.
"""

from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, pagination, query, views
from loyalty.api.keys import Scope
from loyalty.api.models import ApiKey
from loyalty.common.actors import ActorKind
from loyalty.jobs import lifecycle
from loyalty.jobs import queries as jobs
from loyalty.jobs.models import Job, JobState, Step, Verdict
from rewards.campaigns import acts as campaigns

MOST_ROWS = 2**31 - 1


class JobSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    kind = serializers.CharField(
        help_text="`points_import`, `customers_import`, `pool_import`, or `rewards.` and the act."
    )
    title = serializers.CharField()
    summary = serializers.CharField(help_text="What applying it means.")
    step = serializers.ChoiceField(choices=Step.choices, help_text="Checking changes nothing.")
    state = serializers.ChoiceField(choices=JobState.choices, help_text="Of the step: ask again while it is `open`.")
    rows_total = serializers.IntegerField()
    rows_done = serializers.IntegerField(help_text="In this step.")
    rows_refused = serializers.SerializerMethodField(help_text="In this step: the rows say why.")
    rows_unchanged = serializers.SerializerMethodField(help_text="In this step: nothing was to be done about them.")
    note = fields.OptionalTextField(help_text="Why it stands still, when it does.")
    created_at = fields.InstantField()
    step_began_at = fields.InstantField()
    step_ended_at = fields.InstantField(allow_null=True)

    def get_rows_refused(self, job: Job) -> int:
        return jobs.counted(job, Step(job.step), Verdict.REFUSED)

    def get_rows_unchanged(self, job: Job) -> int:
        return jobs.counted(job, Step(job.step), Verdict.UNCHANGED)


class OutcomeSerializer(serializers.Serializer):
    step = serializers.ChoiceField(choices=Step.choices)
    verdict = serializers.ChoiceField(choices=Verdict.choices)
    code = fields.OptionalTextField(help_text="Why, for programs.")
    message = fields.OptionalTextField(source="text", help_text="Why, for people.")
    subject_id = serializers.IntegerField(allow_null=True, help_text="Whom or what it concerns.")
    amount = serializers.IntegerField(allow_null=True, help_text="What changes, or has changed.")
    result_id = serializers.IntegerField(allow_null=True, help_text="What it made.")


class JobRowSerializer(serializers.Serializer):
    number = serializers.IntegerField(
        source="row.number", help_text="Of the row: in a table its line, of which the header is the first."
    )
    data = serializers.DictField(  # type: ignore[assignment]  # the name that a serializer has too
        source="row.data", help_text="As it was read. Forgotten some time after the job."
    )
    outcomes = OutcomeSerializer(
        many=True, help_text="Of each step. Where codes are imported, rows that go well have none."
    )


class JobRowsMetadataSerializer(serializers.Serializer):
    next_after = serializers.IntegerField(allow_null=True, help_text="Send it as `after`; null on the last page.")


class Jobs(views.ApiView):
    scopes = {"GET": Scope.JOB_READ}

    @documentation.listing("jobs", JobSerializer, summary="List the jobs your system began (extension)")
    def get(self, request: Request) -> Response:
        page = pagination.by_cursor(_own(request), request=request)
        return Response({"jobs": JobSerializer(page.rows, many=True).data, "metadata": page.metadata})


class OneJob(views.ApiView):
    scopes = {"GET": Scope.JOB_READ}

    @documentation.single("job", JobSerializer, summary="How far a job is (extension)")
    def get(self, request: Request, pk: str) -> Response:
        return answer(_existing(request, pk), status=200)


class JobRows(views.ApiView):
    scopes = {"GET": Scope.JOB_READ}

    @documentation.feed(
        "job_rows",
        JobRowSerializer,
        JobRowsMetadataSerializer,
        summary="What became of each row of a job (extension)",
        description="In the order of the rows.",
        missing=True,
        filters=[
            documentation.LIMIT,
            documentation.filter_by(
                "after",
                {"type": "integer", "minimum": 0, "maximum": MOST_ROWS},
                "The number of the last row you have.",
            ),
            documentation.filter_by("only", ["odd"], "Rows that did not simply go well in the step."),
            documentation.filter_by("step", Step.values, "Of which step, with `only`; the last one when left out."),
        ],
    )
    def get(self, request: Request, pk: str) -> Response:
        job = _existing(request, pk)
        limit = query.whole_number(request, "limit", lowest=1, highest=pagination.LARGEST_SIZE)
        size = limit or pagination.DEFAULT_SIZE
        step = query.choice(request, "step", Step.values)
        found = jobs.page(
            job=job,
            step=Step(step) if step else jobs.last_step(job),
            after=query.whole_number(request, "after", lowest=0, highest=MOST_ROWS) or 0,
            odd_only=query.choice(request, "only", ["odd"]) is not None,
            size=size + 1,
        )
        rows = [
            {"row": each.row, "outcomes": [each.outcomes[step] for step in Step if step in each.outcomes]}
            for each in found[:size]
        ]
        after = found[size - 1].row.number if len(found) > size else None
        return Response({"job_rows": JobRowSerializer(rows, many=True).data, "metadata": {"next_after": after}})


class JobResult(views.ApiView):
    scopes = {"GET": Scope.JOB_READ}

    @documentation.file(
        "get_job_result", summary="Every row of a job, and what became of it, as CSV (extension)", missing=True
    )
    def get(self, request: Request, pk: str) -> StreamingHttpResponse:
        job = _existing(request, pk)
        return views.csv_file(jobs.csv_lines(job=job), name=f"job-{job.pk}")


class JobStep(views.ApiView):
    """One of the steps that a job goes on to."""

    scopes = {"POST": Scope.JOB_WRITE}
    step: Step

    def go(self, request: Request, pk: str) -> Response:
        job = lifecycle.begin(
            job_id=_existing(request, pk).pk,
            step=self.step,
            actor=authentication.actor_of(request),
            now=timezone.now(),
        )
        return answer(job, status=202)


class ApplyJob(JobStep):
    step = Step.APPLY

    @documentation.write(
        "job",
        JobSerializer,
        accepts=None,
        operation="apply_job",
        status=202,
        missing=True,
        summary="Do what a job has checked (extension)",
        description="Rows that were refused are left out.",
        refusals="it is still checking, was canceled, or was applied before",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        return self.go(request, pk)


class UndoJob(JobStep):
    step = Step.UNDO

    @documentation.write(
        "job",
        JobSerializer,
        accepts=None,
        operation="undo_job",
        status=202,
        missing=True,
        summary="Take back what a job did, as far as it can be (extension)",
        refusals="nothing was applied, or it was undone before",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        return self.go(request, pk)


class CancelJob(views.ApiView):
    scopes = {"POST": Scope.JOB_WRITE}

    @documentation.write(
        "job",
        JobSerializer,
        accepts=None,
        operation="cancel_job",
        status=200,
        missing=True,
        summary="Stop a job for good (extension)",
        description="What was applied stays, and can be undone.",
        refusals="it is over, or being undone",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        return answer(lifecycle.cancel(job_id=_existing(request, pk).pk, now=timezone.now()), status=200)


def answer(job: Job, *, status: int) -> Response:
    """A job as it stands now."""
    return Response({"job": JobSerializer(job).data}, status=status)


def _own(request: Request) -> QuerySet[Job]:
    system = authentication.identity_of(request)
    line = ApiKey.objects.filter(Q(pk=system) | Q(origin_id=system)).values("pk")
    own = Job.objects.filter(actor_kind=ActorKind.API_KEY, actor_id__in=line)
    return own.exclude(kind=campaigns.KIND)  # which have addresses of their own, and a scope


def _existing(request: Request, pk: str) -> Job:
    job = _own(request).filter(pk=query.path_id(pk)).first()
    if job is None:
        raise errors.NotFound(f"Your system began no job {pk}.")
    return job
