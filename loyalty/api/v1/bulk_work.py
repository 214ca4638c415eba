"""Begin bulk work: 202 with a job that checks what it was given, and changes nothing before it is applied (extensions)."""

from io import BytesIO
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, conf, documentation, fields, parsing, views
from loyalty.api.keys import Scope
from loyalty.api.v1 import jobs
from loyalty.customers import imports as customer_imports
from loyalty.customers.imports import Known
from loyalty.points import imports
from loyalty.points.import_rows import By, Mode
from rewards import bulk, pool_imports
from rewards.bulk import BulkAct

MOST_IDS = 5_000
NEEDS_TOO = "Checks the rows and changes nothing before the job is applied. Needs the scope {scope}, too."
ACTS = {  # what may be done with many, and the scope that doing it with one needs
    BulkAct.USED: Scope.REWARD_FULFILLMENT_WRITE,
    BulkAct.UNUSED: Scope.REWARD_FULFILLMENT_WRITE,
    BulkAct.CANCEL: Scope.REWARD_FULFILLMENT_WRITE,
    BulkAct.REISSUE: Scope.REWARD_FULFILLMENT_WRITE,
    BulkAct.DELIVERED: Scope.DELIVERY_WRITE,
    BulkAct.CANCEL_DELIVERY: Scope.DELIVERY_WRITE,
}


class NewPointsImportSerializer(serializers.Serializer):
    mode = fields.WordField(choices=[mode.value for mode in Mode], help_text="`set`: to so many active points.")
    by = fields.WordField(choices=[by.value for by in By], help_text="By what the rows name customers.")
    csv = fields.TextField(
        help_text="A table with a header: `customer` (or `email`, `phone`, `customer_id`, `shop_id`), `points`, and if you "
        "like `internal_note`, `customer_note`."
    )
    connection_id = fields.WholeNumberField(
        required=False, allow_null=True, help_text="With `shop-id`: of which shop; left out, your own ids."
    )


class NewCustomersImportSerializer(serializers.Serializer):
    known = fields.WordField(
        choices=[known.value for known in Known],
        required=False,
        default=Known.KEEP.value,
        help_text="What becomes of customers you have already: `keep` leaves them as they are; `change` makes of them what "
        "the table says, and empty cells change nothing.",
    )
    csv = fields.TextField(
        help_text="A table with a header: `email`, `shop_id` or both, and if you like `phone`, `first_name`, `last_name`, "
        "`state`, `language`, `date_of_birth`."
    )
    connection_id = fields.WholeNumberField(
        required=False, allow_null=True, help_text="Of which shop the ids in `shop_id` are; left out, your own ids."
    )


class NewCodeImportSerializer(serializers.Serializer):
    reward_id = fields.WholeNumberField(help_text="The reward into whose pool the codes go.")
    csv = fields.TextField(help_text="A table with a header: `code`, and if you like `start` and `end`.")


class NewRewardJobSerializer(serializers.Serializer):
    act = fields.WordField(choices=[act.value for act in ACTS])
    ids = serializers.ListField(
        child=fields.WholeNumberField(min_value=0), min_length=1, max_length=MOST_IDS, help_text="Of redeemed rewards."
    )


class BulkView(views.ApiView):
    """Takes what thousands of rows need."""

    scopes = {"POST": Scope.JOB_WRITE}
    body_limit = conf.BULK_BODY_LIMIT_BYTES


class PointsImports(BulkView):
    @documentation.write(
        "job",
        jobs.JobSerializer,
        accepts=NewPointsImportSerializer,
        operation="import_points",
        status=202,
        summary="Change the points of many customers by a table (extension)",
        description=NEEDS_TOO.format(scope=Scope.POINTS_TRANSACTION_WRITE),
        refusals="a table that cannot be read, a header without points or customers, no rows, an unknown shop",
    )
    @views.once(atomic=True)
    def post(self, request: Request) -> Response:
        authentication.require_scope(request, Scope.POINTS_TRANSACTION_WRITE)
        given = _given(NewPointsImportSerializer, request)
        job = imports.begin(
            file=_file(given),
            file_name="by API",
            mode=Mode(given["mode"]),
            by=By(given["by"]),
            connection_id=given.get("connection_id"),
            actor=authentication.actor_of(request),
            now=timezone.now(),
        )
        return jobs.answer(job, status=202)


class CustomersImports(BulkView):
    @documentation.write(
        "job",
        jobs.JobSerializer,
        accepts=NewCustomersImportSerializer,
        operation="import_customers",
        status=202,
        summary="Add many customers, or change them, by a table (extension)",
        description=NEEDS_TOO.format(scope=Scope.CUSTOMER_WRITE) + " Undoing excludes whom it added, as far as nothing "
        "came of it.",
        refusals="a table that cannot be read, a header without e-mail and id, or with an unknown column, no rows, no such shop",
    )
    @views.once(atomic=True)
    def post(self, request: Request) -> Response:
        authentication.require_scope(request, Scope.CUSTOMER_WRITE)
        given = _given(NewCustomersImportSerializer, request)
        job = customer_imports.begin(
            file=_file(given),
            file_name="by API",
            known=Known(given["known"]),
            connection_id=given.get("connection_id"),
            actor=authentication.actor_of(request),
            now=timezone.now(),
        )
        return jobs.answer(job, status=202)


class CodeImports(BulkView):
    @documentation.write(
        "job",
        jobs.JobSerializer,
        accepts=NewCodeImportSerializer,
        operation="import_codes",
        status=202,
        summary="Bring codes into the pool of a reward by a table (extension)",
        description=NEEDS_TOO.format(scope=Scope.CODE_POOL_WRITE),
        refusals="a table that cannot be read, a header without a code, no rows, no such reward, or one that takes no codes",
    )
    @views.once(atomic=True)
    def post(self, request: Request) -> Response:
        authentication.require_scope(request, Scope.CODE_POOL_WRITE)
        given = _given(NewCodeImportSerializer, request)
        job = pool_imports.begin(
            reward_id=given["reward_id"],
            file=_file(given),
            file_name="by API",
            actor=authentication.actor_of(request),
            now=timezone.now(),
        )
        return jobs.answer(job, status=202)


class RewardJobs(BulkView):
    @documentation.write(
        "job",
        jobs.JobSerializer,
        accepts=NewRewardJobSerializer,
        operation="act_on_rewards",
        status=202,
        summary="Cancel many redeemed rewards, mark them used, and the like (extension)",
        description=NEEDS_TOO.format(scope="of doing it with one: reward_fulfillment:write, of parcels delivery:write"),
    )
    @views.once(atomic=True)
    def post(self, request: Request) -> Response:
        given = _given(NewRewardJobSerializer, request)
        act = BulkAct(given["act"])
        authentication.require_scope(request, ACTS[act])
        job = bulk.begin(act=act, ids=given["ids"], actor=authentication.actor_of(request), now=timezone.now())
        return jobs.answer(job, status=202)


def _given(accepts: type[serializers.Serializer], request: Request) -> dict[str, Any]:
    given = accepts(data=parsing.body_of(request, name="job"))
    given.is_valid(raise_exception=True)
    found: dict[str, Any] = given.validated_data
    return found


def _file(given: dict[str, Any]) -> BytesIO:
    return BytesIO(given["csv"].encode(errors="replace"))
