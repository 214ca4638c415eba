"""Value codes at a till: spend a part, give it back, and read what was spent so far."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, pagination, parsing, query, views
from loyalty.api.keys import Scope
from loyalty.api.v1 import reward_fulfillments
from rewards import queries, value_codes
from rewards.models import RedeemedReward, UsageStatus, ValueCodeUse

MOST_HISTORY = 50
WHOLE_CODE = "The whole code. Case, and spaces around it, do not count."


class RedemptionRowSerializer(serializers.Serializer):
    # Takes rows of `ValueCodeUse`. A comment, as docstrings of serializers are printed in the schema.
    id = serializers.IntegerField()
    reward_fulfillment_id = serializers.IntegerField(source="redeemed_reward_id")
    kind = serializers.SerializerMethodField(help_text="`redeemed`, or `reversed` for what came back.")
    amount = serializers.DecimalField(max_digits=12, decimal_places=2)
    remaining = serializers.DecimalField(
        source="remaining_after", max_digits=12, decimal_places=2, help_text="What was left of the code afterwards."
    )
    order_id = fields.OptionalTextField(help_text="The receipt or order it was spent on.")
    reversal_of_id = serializers.IntegerField(allow_null=True, help_text="The redemption that this one gave back.")
    reversed_by_id = serializers.SerializerMethodField(help_text="The row that gave this one back; null: none did.")
    created_at = fields.InstantField(source="used_at")

    def get_kind(self, use: ValueCodeUse) -> str:
        return "reversed" if use.is_reversal else "redeemed"

    def get_reversed_by_id(self, use: ValueCodeUse) -> int | None:
        reversal: ValueCodeUse | None = getattr(use, "reversal", None)
        return reversal.pk if reversal is not None else None


class ValueCodeSerializer(serializers.Serializer):
    reward_fulfillment_id = serializers.IntegerField(source="pk")
    customer_id = serializers.IntegerField()
    name = serializers.CharField()
    currency = serializers.CharField()
    amount = serializers.DecimalField(max_digits=12, decimal_places=2, help_text="What it was worth at first.")
    remaining = serializers.DecimalField(max_digits=12, decimal_places=2)
    usage_status = serializers.ChoiceField(choices=UsageStatus.choices)
    expires_at = fields.EndField(allow_null=True)
    history = serializers.SerializerMethodField(
        help_text=f"The newest {MOST_HISTORY} redemptions and reversals; the list of redemptions has all."
    )

    @extend_schema_field(RedemptionRowSerializer(many=True))
    def get_history(self, redeemed: RedeemedReward) -> list[dict[str, Any]]:
        rows = value_codes.history(redeemed_reward_id=redeemed.pk)[:MOST_HISTORY]
        return list(RedemptionRowSerializer(rows, many=True).data)


class ValueCodeRedemptionSerializer(RedemptionRowSerializer):
    value_code = ValueCodeSerializer(source="redeemed_reward", help_text="The code as it is now.")


class NewRedemptionSerializer(serializers.Serializer):
    amount = serializers.DecimalField(max_digits=12, decimal_places=2, help_text="Above zero, at most what remains.")
    currency = fields.TextField(
        max_length=3, help_text="Of the amount, such as EUR. Another one than the code has is refused."
    )
    order_id = fields.NameField(required=False, allow_null=True, allow_blank=True, max_length=120)


class NewRedemptionByCodeSerializer(NewRedemptionSerializer):
    code = fields.TextField(max_length=60, help_text=WHOLE_CODE)


class OneValueCode(views.ApiView):
    scopes = {"GET": Scope.VALUE_CODE_READ}

    @documentation.single("value_code", ValueCodeSerializer, summary="Get what is left of a value code (extension)")
    def get(self, request: Request, pk: str) -> Response:
        return Response({"value_code": ValueCodeSerializer(_value_code(pk)).data})


class RedeemValueCode(views.ApiView):
    scopes = {"POST": Scope.VALUE_CODE_WRITE}

    @documentation.write(
        "value_code_redemption",
        ValueCodeRedemptionSerializer,
        accepts=NewRedemptionSerializer,
        missing=True,
        operation="redeem_value_code",
        summary="Spend a part of a value code (extension)",
        description="When nothing remains, the code is used.",
        refusals="less is left, another currency, used, expired, not valid yet, canceled, or no value code",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        redeemed_reward_id = reward_fulfillments.existing(pk)
        given = NewRedemptionSerializer(data=parsing.body_of(request, name="value_code_redemption"))
        given.is_valid(raise_exception=True)
        return _spend(self, request, redeemed_reward_id, given.validated_data)


class ValueCodeRedemptions(views.ApiView):
    scopes = {"GET": Scope.VALUE_CODE_READ, "POST": Scope.VALUE_CODE_WRITE}

    @documentation.listing(
        "value_code_redemptions",
        RedemptionRowSerializer,
        summary="List what was spent of value codes (extension)",
        filters=[
            documentation.filter_by("reward_fulfillment_id", int),
            documentation.filter_by("customer_id", int),
        ],
    )
    def get(self, request: Request) -> Response:
        page = pagination.by_cursor(_filtered(request), request=request)
        rows = RedemptionRowSerializer(page.rows, many=True).data
        return Response({"value_code_redemptions": rows, "metadata": page.metadata})

    @documentation.write(
        "value_code_redemption",
        ValueCodeRedemptionSerializer,
        accepts=NewRedemptionByCodeSerializer,
        missing=True,
        addressed=False,
        summary="Spend a part of a value code, by the code (extension)",
        description="The code stands in the body, so that it stands in no log of addresses.",
        refusals="less is left, another currency, used, expired, not valid yet, or canceled",
    )
    @views.once(atomic=True)
    def post(self, request: Request) -> Response:
        given = NewRedemptionByCodeSerializer(data=parsing.body_of(request, name="value_code_redemption"))
        given.is_valid(raise_exception=True)
        redeemed = value_codes.find(code=given.validated_data["code"])
        if redeemed is None:
            raise errors.NotFound("There is no value code so spelled. Type the whole code again.")
        return _spend(self, request, redeemed.pk, given.validated_data)


class ReverseValueCodeRedemption(views.ApiView):
    scopes = {"POST": Scope.VALUE_CODE_WRITE}

    @documentation.write(
        "value_code_redemption",
        ValueCodeRedemptionSerializer,
        accepts=None,
        missing=True,
        operation="reverse_value_code_redemption",
        summary="Give back what was spent of a value code (extension)",
        description=(
            "The whole amount of one redemption, as when goods are returned. The answer is the reversal. "
            "Reversing twice gives the same reversal; nothing comes back a second time."
        ),
        refusals="it is a reversal itself, or the code has expired or was canceled",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        use_id = query.path_id(pk)
        if not _readable().filter(pk=use_id).exists():
            raise errors.NotFound(f"There is no redemption {pk} of a value code.")
        parsing.body_of(request, name="value_code_redemption")
        back = value_codes.reverse(
            use_id=use_id,
            actor=authentication.actor_of(request),
            now=timezone.now(),
            idempotency_key=self.domain_key,
        )
        return _answer(back)


def _spend(view: views.ApiView, request: Request, redeemed_reward_id: int, given: dict[str, Any]) -> Response:
    use = value_codes.spend(
        redeemed_reward_id=redeemed_reward_id,
        amount=given["amount"],
        currency=given["currency"].strip().upper(),
        order_id=given.get("order_id") or "",
        actor=authentication.actor_of(request),
        now=timezone.now(),
        idempotency_key=view.domain_key,
    )
    return _answer(use)


def _answer(use: ValueCodeUse) -> Response:
    shown = _readable().select_related("redeemed_reward").get(pk=use.pk)
    return Response({"value_code_redemption": ValueCodeRedemptionSerializer(shown).data}, status=201)


def _readable() -> QuerySet[ValueCodeUse]:
    return ValueCodeUse.objects.select_related("reversal")


def _value_code(pk: str) -> RedeemedReward:
    """Raises NotFound for every other reward."""
    row = queries.visible().filter(pk=query.path_id(pk), remaining__isnull=False).first()
    if row is None:
        raise errors.NotFound(f"There is no value code {pk}.")
    return row


def _filtered(request: Request) -> QuerySet[ValueCodeUse]:
    found = _readable()
    if (redeemed_reward_id := query.identifier(request, "reward_fulfillment_id")) is not None:
        found = found.filter(redeemed_reward_id=redeemed_reward_id)
    if (customer_id := query.identifier(request, "customer_id")) is not None:
        found = found.filter(redeemed_reward__customer_id=customer_id)
    return found
