"""VIP tiers, how far a customer is in them, and who moved between them (ours: Smile's API has no list of changes)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import documentation, errors, fields, pagination, query, views
from loyalty.api.keys import Scope
from loyalty.api.v1.points_products import RewardSerializer
from loyalty.customers.models import Customer, Tier
from loyalty.merchant import queries as merchant
from loyalty.program.tiers import progress
from loyalty.program.tiers.models import TierCause, TierEntryReward, TierTerms, VipTierChange
from loyalty.program.tiers.progress import Progress
from rewards import catalogue

PERKS, ENTRY_REWARDS = "perks", "entry_rewards"
STATUS, TIER, NEXT_TIER = "vip_status", "vip_status.vip_tier", "vip_status.next_vip_tier"


class AmountField(serializers.FloatField):
    """Points, or money: a number, whole where it is."""

    def to_representation(self, value: Any) -> Any:
        return int(value) if value == int(value) else float(value)


class PerkSerializer(serializers.Serializer):
    name = serializers.CharField()


class VipTierSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    image_url = serializers.CharField()
    milestone = AmountField(help_text="Points, or money in the programme's currency, by the rules of the programme.")
    perks = PerkSerializer(many=True, required=False, help_text="With `include=perks`.")
    entry_rewards = RewardSerializer(many=True, required=False, help_text="With `include=entry_rewards`.")
    entry_points = serializers.IntegerField(help_text="Extension: points for whoever rises into it.")


class VipStatusSerializer(serializers.Serializer):
    vip_tier_id = serializers.IntegerField(allow_null=True)
    vip_tier_expires_at = fields.InstantField(allow_null=True, help_text="When it ends if nothing more comes.")
    progress_value = AmountField(allow_null=True, help_text="What counts in the present period.")
    current_vip_period_end = fields.InstantField(allow_null=True)
    delta_to_retain_vip_tier = AmountField(allow_null=True)
    next_vip_tier_id = serializers.IntegerField(allow_null=True)
    delta_to_next_vip_tier = AmountField(allow_null=True)
    vip_tier = VipTierSerializer(required=False, allow_null=True, help_text="With `include=vip_status.vip_tier`.")
    next_vip_tier = VipTierSerializer(
        required=False, allow_null=True, help_text="With `include=vip_status.next_vip_tier`."
    )


class NamedTierSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    image_url = serializers.CharField()


class VipTierChangeSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    previous_vip_tier = NamedTierSerializer(allow_null=True)
    current_vip_tier = NamedTierSerializer(allow_null=True)
    description = serializers.CharField(help_text="For people: what happened, and why.")
    customer_id = serializers.IntegerField(help_text="Extension.")
    cause = serializers.ChoiceField(choices=TierCause.choices, help_text="Extension.")
    progress_value = AmountField(allow_null=True, help_text="Extension: what was measured.")
    milestone = AmountField(allow_null=True, help_text="Extension: what was reached, or no longer is.")
    created_at = fields.InstantField(help_text="Extension.")


class VipTiers(views.ApiView):
    scopes = {"GET": Scope.VIP_TIER_READ}

    @documentation.whole_listing(
        "vip_tiers",
        VipTierSerializer,
        summary="List the VIP tiers",
        description="All of them, by rising milestone.",
        filters=[documentation.INCLUDE],
    )
    def get(self, request: Request) -> Response:
        terms = TierTerms.objects.filter(active=True).select_related("tier").order_by("milestone", "pk")
        return Response({"vip_tiers": VipTierSerializer(shape(terms, include=query.included(request)), many=True).data})


class VipTierChanges(views.ApiView):
    scopes = {"GET": Scope.VIP_TIER_READ}

    @documentation.listing(
        "vip_tier_changes",
        VipTierChangeSerializer,
        summary="List who moved between VIP tiers (extension)",
        filters=[documentation.filter_by("customer_id", int)],
    )
    def get(self, request: Request) -> Response:
        found = readable()
        if (customer_id := query.identifier(request, "customer_id")) is not None:
            found = found.filter(customer_id=customer_id)
        page = pagination.by_cursor(found, request=request)
        rows = [shape_change(change) for change in page.rows]
        return Response({"vip_tier_changes": rows, "metadata": page.metadata})


class OneVipTierChange(views.ApiView):
    scopes = {"GET": Scope.VIP_TIER_READ}

    @documentation.single("vip_tier_change", VipTierChangeSerializer, summary="Get one of them (extension)")
    def get(self, request: Request, pk: str) -> Response:
        change = readable().filter(pk=query.path_id(pk)).first()
        if change is None:
            raise errors.NotFound(f"There is no VIP tier change {pk}.")
        return Response({"vip_tier_change": shape_change(change)})


def readable() -> QuerySet[VipTierChange]:
    return VipTierChange.objects.select_related("previous_tier__terms", "current_tier__terms")


def shape_change(change: VipTierChange) -> dict[str, Any]:
    """A change as the wire has it. The staff's reason is not part of it."""
    row = {
        "id": change.pk,
        "previous_vip_tier": _named(change.previous_tier),
        "current_vip_tier": _named(change.current_tier),
        "description": _description(change),
        "customer_id": change.customer_id,
        "cause": change.cause,
        "progress_value": change.measured,
        "milestone": change.threshold,
        "created_at": change.changed_at,
    }
    return dict(VipTierChangeSerializer(row).data)


def _description(change: VipTierChange) -> str:
    words = {
        TierCause.REACHED: "the milestone was reached",
        TierCause.LOST: "the milestone is no longer reached",
        TierCause.STAFF: "moved by staff",
        TierCause.IMPORT: "imported",
    }
    before, after = change.previous_tier or "no tier", change.current_tier or "no tier"
    return f"From {before} to {after}: {words[TierCause(change.cause)]}."


def _named(tier: Tier | None) -> dict[str, Any] | None:
    if tier is None:
        return None
    terms = getattr(tier, "terms", None)
    return {"id": tier.pk, "name": tier.name, "image_url": terms.image_url if terms else ""}


def shape(terms: Sequence[TierTerms] | QuerySet[TierTerms], *, include: frozenset[str]) -> list[dict[str, Any]]:
    """Tiers as the wire has them, in a constant number of queries."""
    rows = [
        {
            "id": each.pk,
            "name": each.tier.name,
            "image_url": each.image_url,
            "milestone": each.milestone,
            "entry_points": each.entry_points,
            **({"perks": [{"name": perk} for perk in each.perks]} if PERKS in include else {}),
        }
        for each in terms
    ]
    if ENTRY_REWARDS in include:
        given = _entry_rewards([int(row["id"]) for row in rows])
        for row in rows:
            row["entry_rewards"] = given[int(row["id"])]
    return rows


def _entry_rewards(tier_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    offered = list(TierEntryReward.objects.filter(tier_id__in=tier_ids).select_related("reward").order_by("pk"))
    language = merchant.programme().language
    texts = catalogue.words(rewards=[each.reward for each in offered], language=language)
    found: dict[int, list[dict[str, Any]]] = {tier_id: [] for tier_id in tier_ids}
    for each in offered:
        words = texts[each.reward_id]
        found[each.tier_id].append(
            {
                "id": each.reward_id,
                "name": words.name,
                "description": words.short_description,
                "image_url": each.reward.image_url,
                "created_at": each.reward.created_at,
                "updated_at": each.reward.updated_at,
                "type": each.reward.type,
                "brand": words.brand or None,
                "usage_instructions": words.usage_instructions or None,
                "terms_and_conditions": catalogue.terms(reward=each.reward, text=words, language=language) or None,
            }
        )
    return found


def statuses(customers: Sequence[Customer], *, include: frozenset[str], now: datetime) -> dict[int, dict[str, Any]]:
    """Customer id → `vip_status`, of everybody who was asked for; none when it was not. A constant number of queries."""
    if not any(name == STATUS or name.startswith(f"{STATUS}.") for name in include):
        return {}
    found = progress.many(customers=customers, now=now)
    tiers: dict[int, dict[str, Any]] = {}
    if {TIER, NEXT_TIER} & include:
        terms = TierTerms.objects.filter(active=True).select_related("tier")
        tiers = {row["id"]: row for row in shape(terms, include=frozenset())}
    return {
        customer.pk: _status(customer, found.get(customer.pk), tiers=tiers, include=include) for customer in customers
    }


def _status(
    customer: Customer, found: Progress | None, *, tiers: dict[int, dict[str, Any]], include: frozenset[str]
) -> dict[str, Any]:
    above = found.next.tier_id if found is not None and found.next is not None else None
    row: dict[str, Any] = {
        "vip_tier_id": customer.tier_id,
        "vip_tier_expires_at": found.expires_at if found else None,
        "progress_value": found.value if found else None,
        "current_vip_period_end": found.ends_at if found else None,
        "delta_to_retain_vip_tier": found.to_keep if found else None,
        "next_vip_tier_id": above,
        "delta_to_next_vip_tier": found.missing if found else None,
    }
    if TIER in include:
        row["vip_tier"] = tiers.get(customer.tier_id or 0)
    if NEXT_TIER in include:
        row["next_vip_tier"] = tiers.get(above or 0)
    return row
