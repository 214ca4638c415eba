"""Forgetting who a customer is (ours: Smile's API has no such call)."""

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, parsing, query, views
from loyalty.api.keys import Scope
from loyalty.api.v1 import planning
from loyalty.customers import profile
from loyalty.erasure import forgetting
from loyalty.erasure.models import Erasure

NAME = "customer_erasure"


class CustomerErasureSerializer(serializers.Serializer):
    customer_id = serializers.IntegerField()
    forgotten_at = fields.InstantField(allow_null=True, help_text="Null in a plan.")
    searched_at = fields.InstantField(
        allow_null=True, help_text="When every column was searched for what is left; null until a worker has done it."
    )
    traces_left = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="`table.column` and how many of its rows still hold a word of theirs.",
    )


class NewCustomerErasureSerializer(serializers.Serializer):
    dry_run = serializers.BooleanField(
        required=False, default=False, help_text="Change nothing; the answer holds the plan."
    )
    fingerprint = fields.TextField(
        required=False, allow_null=True, max_length=64, help_text="Of the plan that was shown."
    )


class AnonymiseCustomer(views.ApiView):
    scopes = {"POST": Scope.CUSTOMER_ERASURE_WRITE}

    @documentation.write(
        NAME,
        CustomerErasureSerializer,
        accepts=NewCustomerErasureSerializer,
        status=200,
        missing=True,
        plan=True,
        operation="anonymise_customer",
        summary="Forget who a customer is (extension)",
        description=(
            "Name, addresses, phone, notes, mails and the sign-in go, for good; points, rewards and orders stay as numbers. "
            "Asked again it answers with what was done, and what the search for traces has found since."
        ),
        refusals="a reward is being made or canceled, a gift is on its way, a payout is not settled, another plan",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        serializer = NewCustomerErasureSerializer(data=parsing.body_of(request, name=NAME))
        serializer.is_valid(raise_exception=True)
        given, customer_id = serializer.validated_data, query.path_id(pk)
        try:
            if given["dry_run"]:
                return _planned(forgetting.plan(customer_id=customer_id))
            erasure = forgetting.forget(
                customer_id=customer_id,
                actor=authentication.actor_of(request),
                now=timezone.now(),
                fingerprint=given.get("fingerprint"),
            )
        except profile.UnknownCustomer as missing:
            raise errors.NotFound(missing.sentence) from missing
        return Response({NAME: CustomerErasureSerializer(_shape(erasure)).data})


def _planned(current: forgetting.ErasurePlan) -> Response:
    effects = [("rows", f"{rows} of {place} are blanked or deleted.") for place, rows in sorted(current.rows.items())]
    told = planning.plan(effects, refusal=" ".join(current.refusals), fingerprint=current.fingerprint)
    nothing: dict[str, object] = {
        "customer_id": current.customer_id,
        "forgotten_at": None,
        "searched_at": None,
        "traces_left": {},
    }
    return Response({NAME: CustomerErasureSerializer(nothing).data, "plan": told})


def _shape(erasure: Erasure) -> dict[str, object]:
    return {
        "customer_id": erasure.customer_id,
        "forgotten_at": erasure.forgotten_at,
        "searched_at": erasure.searched_at,
        "traces_left": erasure.found,
    }
