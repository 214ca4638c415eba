"""Merging two customers who are one person, and taking it back (ours: Smile's API has no such calls)."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, parsing, query, views
from loyalty.api.keys import Scope
from loyalty.api.v1 import planning
from loyalty.customers import profile
from loyalty.merging import joining, parting
from loyalty.merging import planning as merging
from loyalty.merging.models import CustomerMerge

NAME = "customer_merge"


class CustomerMergeSerializer(serializers.Serializer):
    id = serializers.IntegerField(allow_null=True, help_text="Null in a plan.")
    customer_id = serializers.IntegerField(source="source_id", help_text="Who takes no part any more.")
    into_customer_id = serializers.IntegerField(source="survivor_id", help_text="Who this person is now.")
    merged_at = fields.InstantField(allow_null=True)
    undone_at = fields.InstantField(allow_null=True)
    left = serializers.ListField(
        child=serializers.CharField(), help_text="Sentences: what stayed where it was when it was taken back."
    )


class TriedSerializer(serializers.Serializer):
    dry_run = serializers.BooleanField(
        required=False, default=False, help_text="Change nothing; the answer holds the plan."
    )
    fingerprint = fields.TextField(
        required=False, allow_null=True, max_length=64, help_text="Of the plan that was shown."
    )


class NewCustomerMergeSerializer(TriedSerializer):
    into_customer_id = fields.WholeNumberField(help_text="Who stays.")
    internal_note = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=1000)


class UndoneCustomerMergeSerializer(TriedSerializer):
    pass


class MergeCustomer(views.ApiView):
    scopes = {"POST": Scope.CUSTOMER_MERGE_WRITE}

    @documentation.write(
        NAME,
        CustomerMergeSerializer,
        accepts=NewCustomerMergeSerializer,
        status=200,
        missing=True,
        plan=True,
        operation="merge_customer",
        summary="Merge a customer into another one (extension)",
        description=(
            "All points go over with their days, and with them ids in shops, orders, referrals, and the contacts and the "
            "sign-in that the other one lacks. Rewards stay in the books of who got them, and are the other one's to use. "
            "Again it answers with the same merge. It can be taken back."
        ),
        refusals=(
            "both are the same, one is excluded, forgotten or merged already, a reward is being made, points are held, "
            "points are owed, another plan"
        ),
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        serializer = NewCustomerMergeSerializer(data=parsing.body_of(request, name=NAME))
        serializer.is_valid(raise_exception=True)
        given, source_id, now = serializer.validated_data, query.path_id(pk), timezone.now()
        survivor_id = given["into_customer_id"]
        try:
            merging.customer(source_id)
        except profile.UnknownCustomer as missing:
            raise errors.NotFound(missing.sentence) from missing
        if given["dry_run"]:
            current = merging.plan(source_id=source_id, survivor_id=survivor_id, now=now)
            nobody = CustomerMerge(source_id=source_id, survivor_id=survivor_id)
            return _planned(nobody, current.effects, current.refusals, current.fingerprint)
        made = joining.merge(
            source_id=source_id,
            survivor_id=survivor_id,
            actor=authentication.actor_of(request),
            now=now,
            internal_note=given.get("internal_note") or "",
            fingerprint=given.get("fingerprint"),
        )
        return Response({NAME: CustomerMergeSerializer(made).data})


class UndoMerge(views.ApiView):
    scopes = {"POST": Scope.CUSTOMER_MERGE_WRITE}

    @documentation.write(
        NAME,
        CustomerMergeSerializer,
        accepts=UndoneCustomerMergeSerializer,
        status=200,
        missing=True,
        plan=True,
        operation="undo_customer_merge",
        summary="Take a merge of customers back (extension)",
        description="What went over and is still there goes back; `left` says what is not.",
        refusals="it was taken back already, one of them was forgotten or merged on since, another plan",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        serializer = UndoneCustomerMergeSerializer(data=parsing.body_of(request, name=NAME))
        serializer.is_valid(raise_exception=True)
        given, now = serializer.validated_data, timezone.now()
        found = CustomerMerge.objects.filter(pk=query.path_id(pk)).first()
        if found is None:
            raise errors.NotFound(f"There is no merge {pk}.")
        if given["dry_run"]:
            current = parting.plan(merge_id=found.pk, now=now)
            return _planned(found, current.effects, current.refusals, current.fingerprint)
        done = parting.undo(
            merge_id=found.pk,
            actor=authentication.actor_of(request),
            now=now,
            fingerprint=given.get("fingerprint"),
        )
        return Response({NAME: CustomerMergeSerializer(done).data})


def _planned(
    made: CustomerMerge, effects: Sequence[tuple[str, str]], refusals: Sequence[str], fingerprint: str
) -> Response:
    told: Any = planning.plan(effects, refusal=" ".join(refusals), fingerprint=fingerprint)
    return Response({NAME: CustomerMergeSerializer(made).data, "plan": told})
