"""Whom a campaign is for, as a body says it: all who fit, a segment, the list of a reward, or ids."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from loyalty.api import authentication, errors, fields
from loyalty.api.keys import Scope
from loyalty.customers.models import CustomerState
from loyalty.merchant import queries as merchant
from loyalty.segments import audience as segments
from rewards.campaigns import audiences

MOST_IDS = 5_000  # what fits into a body
BY_FIT, BY_SEGMENT, BY_LIST, BY_IDS = "all_who_fit", "segment", "list_of_reward", "customer_ids"
PARTS = {  # what goes with each
    BY_FIT: ("states", "vip_tier_ids", "joined_from", "joined_until"),
    BY_SEGMENT: ("segment_id",),
    BY_LIST: ("reward_id",),
    BY_IDS: ("customer_ids",),
}
STATES = [CustomerState.MEMBER.value, CustomerState.CANDIDATE.value]


class AudienceSerializer(serializers.Serializer):
    by = fields.WordField(choices=list(PARTS))
    states = serializers.ListField(
        child=fields.WordField(choices=STATES),
        required=False,
        max_length=2,
        help_text="For `all_who_fit`. None: members and guests.",
    )
    vip_tier_ids = serializers.ListField(
        child=fields.WholeNumberField(),
        required=False,
        max_length=100,
        help_text="For `all_who_fit`. None: whatever their tier.",
    )
    joined_from = serializers.DateTimeField(required=False, allow_null=True, help_text="For `all_who_fit`; inclusive.")
    joined_until = serializers.DateTimeField(required=False, allow_null=True, help_text="For `all_who_fit`; exclusive.")
    segment_id = fields.WholeNumberField(
        required=False,
        allow_null=True,
        help_text="For `segment`: who is in it now; whoever fits later is not meant. Needs the scope `segment:read`, too.",
    )
    reward_id = fields.WholeNumberField(
        required=False, allow_null=True, help_text="For `list_of_reward`. None: the reward that is given."
    )
    customer_ids = serializers.ListField(
        child=fields.WholeNumberField(),
        required=False,
        max_length=MOST_IDS,
        help_text=f"For `customer_ids`: up to {MOST_IDS:,}. More go into a table in the back office.",
    )


def chosen(said: dict[str, Any], *, reward_id: int, request: Request) -> audiences.Audience:
    """Who is meant. Raises Contradictory, PermissionDenied, and what the audience raises."""
    by = said["by"]
    others = [name for kind, names in PARTS.items() if kind != by for name in names]
    if strangers := [name for name in others if said.get(name)]:
        raise errors.Contradictory(f"audience: {', '.join(strangers)} does not go with {by}. Leave it out.")
    if by == BY_SEGMENT:
        authentication.require_scope(request, Scope.SEGMENT_READ)
        if said.get("segment_id") is None:
            raise errors.Contradictory("audience: segment goes with a segment_id. Say which segment is meant.")
        return segments.of(segment_id=said["segment_id"], now=timezone.now())
    if by == BY_LIST:
        return audiences.of_reward(reward_id=said.get("reward_id") or reward_id)
    if by == BY_IDS:
        return audiences.of_ids(customer_ids=said.get("customer_ids") or [])
    fit = audiences.Fit(
        states=tuple(said.get("states") or ()),
        tier_ids=tuple(said.get("vip_tier_ids") or ()),
        joined_from=said.get("joined_from"),
        joined_until=said.get("joined_until"),
    )
    return audiences.of_fit(fit=fit, zone=merchant.programme().zone)
