"""The earning rules that are switched on, in Smile's shape."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import documentation, fields, pagination, views
from loyalty.api.keys import Scope
from loyalty.program.earning.models import ONCE_EVER, EarningRule, RuleKind

DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}


class EarnedSerializer(serializers.Serializer):
    type = serializers.CharField(help_text="`points`; `reward` (extension) where a reward is given instead.")


class VariableValueSerializer(serializers.Serializer):
    value = serializers.FloatField(help_text="So many points.")
    per_amount = serializers.FloatField(help_text="For each so much money.")


class FixedValueSerializer(serializers.Serializer):
    value = serializers.FloatField()


class RewardValueSerializer(serializers.Serializer):
    type = serializers.CharField(help_text="`variable` or `fixed`: the one that is given.")
    variable = VariableValueSerializer(required=False)
    fixed = FixedValueSerializer(required=False)


class RollingSerializer(serializers.Serializer):
    unit = serializers.CharField(help_text="`day`.")
    unit_count = serializers.IntegerField()


class EarningLimitSerializer(serializers.Serializer):
    max = serializers.IntegerField()
    type = serializers.CharField(help_text="`rolling` or `lifetime`.")
    rolling = RollingSerializer(required=False)


class EarningRuleSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    image_url = serializers.CharField(help_text="Always empty.")
    action_text = fields.OptionalTextField()
    action_url = fields.OptionalTextField()
    restricted_to_vip_tier_ids = serializers.ListField(child=serializers.IntegerField(), help_text="Empty: all.")
    reward = EarnedSerializer()
    reward_value = RewardValueSerializer()
    earning_limit = EarningLimitSerializer(allow_null=True)
    created_at = fields.InstantField(help_text="Extension.")
    updated_at = fields.InstantField(help_text="Extension.")
    kind = serializers.ChoiceField(choices=RuleKind.choices, help_text="Extension: what it is earned for.")
    token = fields.OptionalTextField(help_text="Extension: of the activity.")
    reward_id = serializers.IntegerField(allow_null=True, help_text="Extension: the reward that is given.")
    most_points = serializers.IntegerField(
        allow_null=True, help_text="Extension: to one customer in each `period`, at most."
    )
    most_points_ever = serializers.IntegerField(allow_null=True, help_text="Extension: to one customer, at most.")
    period = fields.OptionalTextField(help_text="Extension: day, week, month or year; of `most_points`.")
    factor = serializers.FloatField(allow_null=True, help_text="Extension: of a multiplier, whose fixed value is 0.")


class EarningRules(views.ApiView):
    scopes = {"GET": Scope.EARNING_RULE_READ}

    @documentation.listing("earning_rules", EarningRuleSerializer, summary="List the earning rules that are on")
    def get(self, request: Request) -> Response:
        page = pagination.by_cursor(EarningRule.objects.filter(enabled=True), request=request)
        return Response({"earning_rules": [_shape(rule) for rule in page.rows], "metadata": page.metadata})


def _shape(rule: EarningRule) -> Any:
    return EarningRuleSerializer(
        {
            "id": rule.pk,
            "name": rule.name,
            "image_url": "",
            "action_text": rule.action_text,
            "action_url": rule.action_url,
            "restricted_to_vip_tier_ids": rule.tier_ids,
            "reward": {"type": "points" if rule.reward_id is None else "reward"},
            "reward_value": _value(rule),
            "earning_limit": _limit(rule),
            "created_at": rule.created_at,
            "updated_at": rule.updated_at,
            "kind": rule.kind,
            "token": rule.token,
            "reward_id": rule.reward_id,
            "most_points": rule.most_points,
            "most_points_ever": rule.most_points_ever,
            "period": rule.period,
            "factor": rule.factor,
        }
    ).data


def _value(rule: EarningRule) -> dict[str, Any]:
    if rule.kind == RuleKind.PER_AMOUNT:
        return {"type": "variable", "variable": {"value": rule.points, "per_amount": rule.per_amount}}
    return {"type": "fixed", "fixed": {"value": rule.points or 0}}


def _limit(rule: EarningRule) -> dict[str, Any] | None:
    """Smile knows one limit: the one for ever where there is one, else that of the period, in days."""
    ever = 1 if rule.kind in ONCE_EVER else rule.most_times_ever
    if ever is not None:
        return {"max": ever, "type": "lifetime"}
    if rule.most_times is None:
        return None
    return {"max": rule.most_times, "type": "rolling", "rolling": {"unit": "day", "unit_count": DAYS[rule.period]}}
