"""The one filter set of redeemed rewards: the grid, the export and the API read the same words in the same way.

Its queryset must come annotated with `status` (`queries.with_status`). Dates and times without an offset are read in
the current time zone; the doors set it to the programme's. A value that cannot be read is an error of `form`, never
left out: ask `is_valid()` first.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet, Value

from loyalty.common import codes
from loyalty.common.adminkit import moments
from loyalty.customers import queries as customer_queries
from platforms.adapter import Refusal
from platforms.models import StoreConnection
from rewards import states
from rewards.models import (
    Campaign,
    CampaignReward,
    Cancellation,
    CancellationState,
    DeliveryStatus,
    FulfillmentStatus,
    Origin,
    Payout,
    PayoutState,
    RedeemedReward,
    Reward,
    RewardCode,
    RewardKind,
    UsageStatus,
)
from rewards.queries import Status
from rewards.types import registry as types

FEW_CUSTOMERS = 2_000  # more than these are left to a sub-query: the planner then walks the order of the list
FEW_CODES = 500
CODE_LIKE = re.compile(r"[A-Z0-9-]{3,60}")
# Beside what a shop refuses, in the words of `failure_code`.
FAILURES: dict[str, str] = {
    Refusal.DUPLICATE_CODE: "The code was taken",
    Refusal.NOT_FOUND: "The shop did not find something",
    Refusal.UNAUTHORIZED: "The shop did not let us in",
    Refusal.UNSUPPORTED: "The shop cannot make such a reward",
    Refusal.INVALID: "The shop refused the reward",
    Refusal.OTHER: "The shop refused for another reason",
    "rejected": "The shop refused without a reason",
    "not_sent": "The shop was not reached",
    "throttled": "The shop asked to wait too long",
    "unknown": "The shop did not answer clearly",
    "payout_failed": "The payout failed",
    "not_made": "The shop did not answer, and made nothing",
    "gave_up": "Tried too often",
    "shared_code_unfit": "The shop does not take the shared code",
    "credentials_unreadable": "The shop's credentials cannot be read",
    "reward_incomplete": "The reward lacks something",
}


def type_choices() -> list[tuple[str, str]]:
    """Every type the registry knows, in its order."""
    return [(str(reward_type.type), str(reward_type.type.label)) for reward_type in types.TYPES.values()]


CANCELLING = Q(pk__in=Cancellation.objects.filter(state=CancellationState.CANCELLING).values("redeemed_reward_id"))
# What each status is on the stored axes, which have indexes and statistics. The derived word is asked for beside it only
# where the clock decides: the planner knows nothing of it, and takes it for rare.
ON_THE_AXES: dict[str, Q] = {
    Status.CANCELLED: Q(fulfillment_status=FulfillmentStatus.CANCELLED),
    Status.FAILED: Q(fulfillment_status=FulfillmentStatus.FAILED),
    Status.CANCELLING: CANCELLING & Q(fulfillment_status__in=[FulfillmentStatus.PENDING, FulfillmentStatus.ISSUED]),
    Status.PENDING: Q(fulfillment_status=FulfillmentStatus.PENDING) & ~CANCELLING,
    Status.USED: Q(fulfillment_status=FulfillmentStatus.ISSUED, usage_status=UsageStatus.USED) & ~CANCELLING,
    Status.EXPIRED: Q(fulfillment_status=FulfillmentStatus.ISSUED, status=Status.EXPIRED)
    & ~Q(usage_status=UsageStatus.USED),
    Status.ISSUED: Q(fulfillment_status=FulfillmentStatus.ISSUED, status=Status.ISSUED)
    & ~Q(usage_status=UsageStatus.USED),
}
USAGE_CHOICES = [(UsageStatus.USED.value, "Used"), (UsageStatus.UNUSED.value, "Unused")]


class Boxes(forms.CheckboxSelectMultiple):
    """Takes one word as well as a list of them: programs hand over either. `hints` say what a choice means."""

    def __init__(self, *args: Any, hints: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hints = hints or {}

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        value = super().value_from_datadict(data, files, name)
        return [value] if isinstance(value, str) else value


class AnyOf(django_filters.MultipleChoiceFilter):
    """Several words, any of which will do; drawn as boxes to tick."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("widget", Boxes)
        kwargs.setdefault("distinct", False)
        super().__init__(*args, **kwargs)


class OneOf(django_filters.Filter):
    """One of a few rows of ours, by its number."""

    field_class = forms.ChoiceField


class IdFilter(django_filters.Filter):
    field_class = forms.IntegerField


class Named:
    """The shops, rewards and campaigns to choose from: asked for only when needed, once, in one query."""

    def __init__(self) -> None:
        self._found: dict[str, list[tuple[str, str]]] = {}

    def choices(self, what: str, first: str) -> Callable[[], list[tuple[str, str]]]:
        return lambda: [("", first), *self._all().get(what, [])]

    def _all(self) -> dict[str, list[tuple[str, str]]]:
        if not self._found:
            shops = StoreConnection.objects.annotate(what=Value("shop")).values_list("what", "pk", "name")
            rewards = Reward.objects.annotate(what=Value("reward")).values_list("what", "pk", "name")
            campaigns = Campaign.objects.annotate(what=Value("campaign")).values_list("what", "pk", "name")
            self._found = {"shop": [], "reward": [], "campaign": []}
            for what, pk, name in shops.union(rewards, campaigns, all=True).order_by("what", "name", "pk"):
                self._found[what].append((str(pk), name))
        return self._found


class RedeemedRewardFilter(django_filters.FilterSet):
    """`RedeemedRewardFilter(data=request.GET, queryset=queries.grid(now))`."""

    redeemed_after = moments.MomentFilter(field_name="redeemed_at", end=False, label="From")
    redeemed_before = moments.MomentFilter(field_name="redeemed_at", end=True, label="Until")
    used_after = moments.MomentFilter(field_name="used_at", end=False, label="From")
    used_before = moments.MomentFilter(field_name="used_at", end=True, label="Until", method="used_until")
    usage = AnyOf(field_name="usage_status", choices=USAGE_CHOICES, label="Unused / used")
    status = AnyOf(
        choices=Status.choices,
        label="Status",
        method="by_status",
        widget=Boxes(hints={status: states.told(status) for status in Status.values}),
    )
    kind = AnyOf(choices=RewardKind.choices, label="Kind", method="by_kind")
    type = AnyOf(choices=type_choices, label="Type")
    reward = OneOf(field_name="reward_id", label="Reward", widget=forms.Select, choices=[])
    delivery_status = AnyOf(choices=[choice for choice in DeliveryStatus.choices if choice[0]], label="Delivery status")
    payout_state = AnyOf(choices=PayoutState.choices, label="Cashback status", method="by_payout")
    shop = OneOf(field_name="connection_id", label="Shop", widget=forms.RadioSelect, choices=[])
    origin = AnyOf(choices=Origin.choices, label="Origin")
    campaign = OneOf(label="Campaign", widget=forms.Select, choices=[], method="by_campaign")
    failure = AnyOf(field_name="failure_code", choices=list(FAILURES.items()), label="Failure reason")
    fulfillment_status = AnyOf(choices=FulfillmentStatus.choices, label="Fulfillment status")
    usage_status = AnyOf(choices=UsageStatus.choices, label="Usage status")
    customer_id = IdFilter(label="Customer", min_value=1, max_value=2**63 - 1)
    updated_at_min = moments.MomentFilter(field_name="updated_at", end=False, label="Changed since")
    search = django_filters.CharFilter(method="by_search", label="Search", help_text="E-mail, phone, name or code")

    class Meta:
        model = RedeemedReward
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        named = Named()
        self.filters["shop"].extra["choices"] = named.choices("shop", "Any shop")
        self.filters["reward"].extra["choices"] = named.choices("reward", "Any reward")
        self.filters["campaign"].extra["choices"] = named.choices("campaign", "Any campaign, or none")

    def used_until(self, queryset: QuerySet, name: str, value: Any) -> QuerySet:
        """Used before then; hence redeemed before then, which lets a walk by redeem date start in the right place."""
        return queryset.filter(used_at__lt=value, redeemed_at__lt=value)

    def by_status(self, queryset: QuerySet, name: str, values: list[str]) -> QuerySet:
        """The derived word, said on the axes that make it as far as they do."""
        if not values:
            return queryset
        wanted = Q()
        for value in values:
            wanted |= ON_THE_AXES[value]
        return queryset.filter(wanted)

    def by_kind(self, queryset: QuerySet, name: str, values: list[str]) -> QuerySet:
        """Kinds are said by the types; the rows know their type alone."""
        if not values:
            return queryset
        return queryset.filter(type__in=[each for value in values for each in types.OF_KIND[value]])

    def by_payout(self, queryset: QuerySet, name: str, values: list[str]) -> QuerySet:
        """Where the money stands. Payouts are few beside redeemed rewards, and have an index of their own."""
        if not values:
            return queryset
        return queryset.filter(pk__in=Payout.objects.filter(state__in=values).values("redeemed_reward_id"))

    def by_campaign(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        return queryset.filter(of_campaign(int(value))) if value else queryset

    def by_search(self, queryset: QuerySet, name: str, text: str) -> QuerySet:
        """E-mail, phone and names by customers; codes by how they begin.

        Never an OR across a join: few customers and few codes are looked up first, and their rows are taken by key.
        """
        text = text.strip()
        if not text:
            return queryset
        customers = customer_queries.search(text).order_by().values_list("pk", flat=True)
        customer_ids, code_ids = looked_up(customers, codes_beginning(text))
        by_customer: Any = customers if len(customer_ids) > FEW_CUSTOMERS else customer_ids
        few_codes = len(code_ids) <= FEW_CODES
        by_code = Q(code_id__in=code_ids) if few_codes else Q(code__canonical__startswith=codes.canonical(text))
        if not code_ids:
            return queryset.filter(customer_id__in=by_customer)
        if not customer_ids:
            return queryset.filter(by_code)
        if by_customer is customers or not few_codes:
            return queryset.filter(Q(customer_id__in=by_customer) | by_code)
        rows = RedeemedReward.objects.order_by()
        found = rows.filter(customer_id__in=by_customer).values("pk").union(rows.filter(by_code).values("pk"))
        return queryset.filter(pk__in=found)


def of_campaign(campaign_id: int) -> Q:
    """What a campaign gave, not what that was reissued as."""
    return Q(pk__in=CampaignReward.objects.filter(campaign_id=campaign_id).values("redeemed_reward_id"))


def looked_up(customers: QuerySet, found_codes: QuerySet) -> tuple[list[int], list[int]]:
    """The ids of both, each no further than one more than a few; in one query."""
    people = customers.annotate(what=Value("customer")).values_list("what", "pk")[: FEW_CUSTOMERS + 1]
    texts = found_codes.annotate(what=Value("code")).values_list("what", "pk")[: FEW_CODES + 1]
    rows = list(people.union(texts, all=True))
    return [pk for what, pk in rows if what == "customer"], [pk for what, pk in rows if what == "code"]


def codes_beginning(text: str) -> QuerySet:
    """Ids of the codes that begin like the text, in their canonical form; none when it cannot be a code."""
    canonical = codes.canonical(text)
    if not CODE_LIKE.fullmatch(canonical):
        return RewardCode.objects.none().values_list("pk", flat=True)
    return RewardCode.objects.filter(canonical__startswith=canonical).order_by().values_list("pk", flat=True)
