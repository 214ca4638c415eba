"""Check one code, at a till for instance: what it is, whose, and whether it can be used."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import documentation, fields, parsing, views
from loyalty.api.keys import Scope
from rewards import code_check
from rewards.code_check import CodeState, Found


class CheckedCodeSerializer(serializers.Serializer):
    code = serializers.CharField()
    connection_id = serializers.IntegerField(allow_null=True, help_text="The shop that takes it; null: no shop.")
    state = serializers.ChoiceField(choices=CodeState.choices)
    since = fields.InstantField(help_text="When that state began.")
    usable = serializers.BooleanField(help_text="A customer can use it now. The shop may have conditions of its own.")
    message = serializers.CharField(help_text="The state in a sentence, for people.")
    reward_id = serializers.IntegerField(allow_null=True)
    reward_name = serializers.CharField(allow_null=True)
    reward_fulfillment_id = serializers.IntegerField(allow_null=True, help_text="When it is one customer's.")
    customer_id = serializers.IntegerField(allow_null=True, help_text="When it is one customer's.")
    starts_at = fields.InstantField(allow_null=True, help_text="Of a code from a pool.")
    expires_at = fields.InstantField(allow_null=True)
    currency = serializers.CharField(allow_null=True, help_text="Of a value code.")
    remaining = serializers.DecimalField(
        max_digits=12, decimal_places=2, allow_null=True, help_text="What is left of a value code."
    )


class CodeCheckSerializer(serializers.Serializer):
    matches = CheckedCodeSerializer(
        many=True, help_text="One for each shop that has a code so spelled; empty when none has."
    )


class NewCodeCheckSerializer(serializers.Serializer):
    code = fields.TextField(max_length=60, help_text="The whole code. Case, and spaces around it, do not count.")


class CodeChecks(views.ApiView):
    scopes = {"POST": Scope.CODE_READ}

    @documentation.write(
        "code_check",
        CodeCheckSerializer,
        accepts=NewCodeCheckSerializer,
        status=200,
        operation="check_code",
        summary="Check a code (extension)",
        description="Changes nothing. The code stands in the body, so that it stands in no log of addresses.",
    )
    @views.once(atomic=True)
    def post(self, request: Request) -> Response:
        given = NewCodeCheckSerializer(data=parsing.body_of(request, name="code_check"))
        given.is_valid(raise_exception=True)
        found = code_check.check(code=given.validated_data["code"], now=timezone.now())
        shape = CodeCheckSerializer({"matches": [_shape(each) for each in found]})
        return Response({"code_check": shape.data})


def _shape(found: Found) -> dict[str, Any]:
    holder = found.holder if found.holder is not None and found.holder.on_profile else None
    return {
        "code": found.code.code,
        "connection_id": found.code.connection_id,
        "state": found.state,
        "since": found.since,
        "usable": found.is_usable,
        "message": found.sentence,
        "reward_id": found.reward_id,
        "reward_name": found.reward_name or None,
        "reward_fulfillment_id": holder.pk if holder is not None else None,
        "customer_id": holder.customer_id if holder is not None else None,
        "starts_at": found.code.starts_at,
        "expires_at": holder.expires_at if holder is not None else found.code.ends_at,
        "currency": holder.currency if holder is not None and holder.remaining is not None else None,
        "remaining": holder.remaining if holder is not None else None,
    }
