"""Customers: list, get; create and change (ours: Smile's API has no such calls)."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import Lower
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, pagination, parsing, query, views
from loyalty.api.keys import Scope
from loyalty.api.v1 import vip_tiers
from loyalty.customers import enrollment, profile
from loyalty.customers.models import Customer, CustomerState
from loyalty.points import queries as points
from loyalty.program.referrals import links
from loyalty.segments import queries as segments
from loyalty.segments.criteria import CriteriaRefused
from loyalty.segments.models import Segment

FILTERS = [
    documentation.filter_by("email", str, "Exact, ignoring case. At most one customer has it."),
    documentation.filter_by("state", CustomerState.values),
    documentation.filter_by(
        "segment_id", int, "Who is in that segment now. Needs the scope `segment:read`, too (extension)."
    ),
    documentation.UPDATED_AT_MIN,
]


class CustomerSerializer(serializers.Serializer):
    # Needs `balances` and `links` in its context: what `points.queries.balances` and `referrals.links` say of them.
    id = serializers.IntegerField()
    first_name = fields.OptionalTextField()
    last_name = fields.OptionalTextField()
    email = fields.OptionalTextField()
    state = serializers.ChoiceField(choices=CustomerState.choices)
    date_of_birth = serializers.DateField(allow_null=True, help_text="Year 1004: only day and month are known.")
    points_balance = serializers.SerializerMethodField(help_text="Points that can be spent now.")
    referral_url = serializers.SerializerMethodField(help_text="Empty while referrals are off.")
    vip_tier_id = serializers.IntegerField(source="tier_id", allow_null=True)
    created_at = fields.InstantField()
    updated_at = fields.InstantField()
    vip_status = vip_tiers.VipStatusSerializer(required=False, help_text="With `include=vip_status`.")
    phone = fields.OptionalTextField(help_text="Extension.")
    merged_into_customer_id = serializers.IntegerField(
        source="merged_into_id",
        allow_null=True,
        help_text="Extension: who this person is now; everything of theirs is there.",
    )
    points_pending = serializers.SerializerMethodField(help_text="Extension: points that become active later.")
    points_held = serializers.SerializerMethodField(help_text="Extension: points set aside by redemptions under way.")

    def get_points_balance(self, customer: Customer) -> int:
        return int(self.context["balances"][customer.pk].balance)

    def get_points_pending(self, customer: Customer) -> int:
        return int(self.context["balances"][customer.pk].pending)

    def get_points_held(self, customer: Customer) -> int:
        return int(self.context["balances"][customer.pk].held)

    def get_referral_url(self, customer: Customer) -> str:
        return str(self.context["links"].get(customer.pk, ""))


class NewCustomerSerializer(serializers.Serializer):
    email = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=254)
    phone = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=32)
    first_name = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=80)
    last_name = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=80)
    state = fields.WordField(choices=CustomerState.choices, required=False)
    date_of_birth = serializers.DateField(required=False, allow_null=True)


class ChangedCustomerSerializer(serializers.Serializer):
    email = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=254)
    phone = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=32)
    first_name = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=80)
    last_name = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=80)
    state = fields.WordField(
        choices=CustomerState.choices,
        required=False,
        help_text="`disabled` excludes them: nothing can be earned, redeemed or granted until they are a member again.",
    )
    date_of_birth = serializers.DateField(required=False, allow_null=True)


def shape(
    customers: list[Customer], *, now: datetime, include: frozenset[str] = frozenset()
) -> list[dict[str, object]]:
    """Customers as the wire has them, with their balances, in a constant number of queries."""
    statuses = vip_tiers.statuses(customers, include=include, now=now)
    for customer in customers:
        if customer.pk in statuses:
            customer.vip_status = statuses[customer.pk]  # type: ignore[attr-defined]
    context = context_of([customer.pk for customer in customers], now=now) if customers else {}
    return list(CustomerSerializer(customers, many=True, context=context).data)


def context_of(customer_ids: list[int], *, now: datetime) -> dict[str, object]:
    """What the serializer of these customers needs."""
    return {
        "balances": points.balances(customer_ids=customer_ids, now=now),
        "links": links.urls_of(customer_ids=customer_ids, now=now),
    }


class Customers(views.ApiView):
    scopes = {"GET": Scope.CUSTOMER_READ, "POST": Scope.CUSTOMER_WRITE}

    @documentation.listing(
        "customers",
        CustomerSerializer,
        summary="List customers",
        filters=[*FILTERS, documentation.INCLUDE],
    )
    def get(self, request: Request) -> Response:
        page = pagination.by_cursor(filtered(request), request=request)
        rows = shape(page.rows, now=timezone.now(), include=query.included(request))
        return Response({"customers": rows, "metadata": page.metadata})

    @documentation.write(
        "customer", CustomerSerializer, accepts=NewCustomerSerializer, summary="Create a customer (extension)"
    )
    @views.once(atomic=True)
    def post(self, request: Request) -> Response:
        given = NewCustomerSerializer(data=parsing.body_of(request, name="customer"))
        given.is_valid(raise_exception=True)
        wanted = given.validated_data
        if not (wanted.get("email") or "").strip() and not (wanted.get("phone") or "").strip():
            raise profile.Unreachable("email is missing. Send an e-mail address or a phone number.")
        now = timezone.now()
        customer = enrollment.enroll(
            email=wanted.get("email"),
            phone=wanted.get("phone"),
            first_name=wanted.get("first_name") or "",
            last_name=wanted.get("last_name") or "",
            state=wanted.get("state", CustomerState.MEMBER),
            date_of_birth=wanted.get("date_of_birth"),
            actor=authentication.actor_of(request),
            now=now,
        )
        return Response({"customer": shape([customer], now=now)[0]}, status=201)


class OneCustomer(views.ApiView):
    scopes = {"GET": Scope.CUSTOMER_READ, "POST": Scope.CUSTOMER_WRITE}

    @documentation.single("customer", CustomerSerializer, summary="Get a customer", filters=[documentation.INCLUDE])
    def get(self, request: Request, pk: str) -> Response:
        customer = Customer.objects.filter(pk=query.path_id(pk)).first()
        if customer is None:
            raise errors.NotFound(f"There is no customer {pk}.")
        return Response({"customer": shape([customer], now=timezone.now(), include=query.included(request))[0]})

    @documentation.write(
        "customer",
        CustomerSerializer,
        accepts=ChangedCustomerSerializer,
        status=200,
        missing=True,
        operation="change_customer",
        summary="Change a customer, or exclude them (extension)",
        description="What is left out stays; null forgets it.",
        refusals="an address that somebody else has, neither e-mail nor phone left, a state that cannot follow",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        given = ChangedCustomerSerializer(data=parsing.body_of(request, name="customer"))
        given.is_valid(raise_exception=True)
        changes, now = dict(given.validated_data), timezone.now()
        for name in ("first_name", "last_name"):
            if name in changes:
                changes[name] = changes[name] or ""
        with transaction.atomic():
            try:
                customer = profile.locked(query.path_id(pk))
            except profile.UnknownCustomer as missing:
                raise errors.NotFound(missing.sentence) from missing
            left = {name: changes.get(name, getattr(customer, name)) for name in ("email", "phone")}
            if not any((value or "").strip() for value in left.values()):
                raise profile.Unreachable("A customer needs an e-mail address or a phone number. Leave one of them.")
            customer = profile.update(
                customer_id=customer.pk, actor=authentication.actor_of(request), now=now, **changes
            )
        return Response({"customer": shape([customer], now=now)[0]})


def filtered(request: Request) -> QuerySet[Customer]:
    """What the request's query asks for. Raises InvalidParameter."""
    found = Customer.objects.all()
    if (email := query.text(request, "email")) is not None:
        found = found.alias(lowered=Lower("email")).filter(lowered=Lower(Value(email.strip())))
    if (state := query.choice(request, "state", CustomerState.values)) is not None:
        found = found.filter(state=state)
    if (since := query.instant(request, "updated_at_min")) is not None:
        found = found.filter(updated_at__gte=since)
    if (segment_id := query.identifier(request, "segment_id")) is not None:
        found = found.filter(pk__in=_in_segment(request, segment_id).values("pk"))
    return found


def _in_segment(request: Request, segment_id: int) -> QuerySet[Customer]:
    """Who is in a segment now; nobody, where there is none. Raises InvalidParameter where it cannot be read any more."""
    authentication.require_scope(request, Scope.SEGMENT_READ)
    segment = Segment.objects.filter(pk=segment_id).first()
    if segment is None:
        return Customer.objects.none()
    try:
        return segments.customers(segment=segment, now=timezone.now())
    except CriteriaRefused as refusal:
        raise errors.InvalidParameter(f"segment_id: the segment cannot be read. {refusal.sentence}") from refusal
