"""Activities: what customers do elsewhere, told by another system. What they earn is evaluated afterwards."""

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, pagination, parsing, query, views
from loyalty.api.keys import Scope
from loyalty.program.earning import activities
from loyalty.program.earning.models import NAME_OF_ACTIVITY, Activity, ActivityState


class ActivitySerializer(serializers.Serializer):
    id = serializers.IntegerField()
    customer_id = serializers.IntegerField()
    token = serializers.CharField()
    distinct_id = serializers.CharField(allow_null=True)
    created_on_origin_at = fields.InstantField(allow_null=True)
    created_at = fields.InstantField()
    updated_at = serializers.SerializerMethodField()
    state = serializers.ChoiceField(choices=ActivityState.choices, help_text="Extension: whether it was evaluated.")
    outcome = fields.OptionalTextField(help_text="Extension: `awarded`, or why nothing was earned; null until then.")

    def get_updated_at(self, activity: Activity) -> str:
        return fields.instant(activity.evaluated_at or activity.created_at)


class ToldActivitySerializer(serializers.Serializer):
    token = serializers.RegexField(
        NAME_OF_ACTIVITY, max_length=80, help_text="Of the rules that know it, such as `review_written`."
    )
    customer_id = fields.WholeNumberField(required=False, allow_null=True)
    customer_email = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=254)
    distinct_id = fields.NameField(
        required=False, allow_null=True, allow_blank=True, max_length=120, help_text="Your own id: it counts once."
    )
    created_on_origin_at = serializers.DateTimeField(required=False, allow_null=True)


class Activities(views.ApiView):
    scopes = {"GET": Scope.ACTIVITY_READ, "POST": Scope.ACTIVITY_WRITE}

    @documentation.listing(
        "activities",
        ActivitySerializer,
        summary="List activities (extension)",
        filters=[documentation.filter_by("customer_id", int), documentation.filter_by("state", ActivityState.values)],
    )
    def get(self, request: Request) -> Response:
        found = Activity.objects.all()
        if (customer_id := query.identifier(request, "customer_id")) is not None:
            found = found.filter(customer_id=customer_id)
        if (state := query.choice(request, "state", ActivityState.values)) is not None:
            found = found.filter(state=state)
        page = pagination.by_cursor(found, request=request)
        return Response({"activities": ActivitySerializer(page.rows, many=True).data, "metadata": page.metadata})

    @documentation.write(
        "activity",
        ActivitySerializer,
        accepts=ToldActivitySerializer,
        summary="Tell what a customer did",
        description="Name the customer by `customer_id` or by `customer_email`, not by both.",
        refusals="an unknown or excluded customer, neither or both of customer_id and customer_email, the same token and distinct_id a second time",
    )
    @views.once(atomic=True)
    def post(self, request: Request) -> Response:
        given = ToldActivitySerializer(data=parsing.body_of(request, name="activity"))
        given.is_valid(raise_exception=True)
        wanted = given.validated_data
        customer_id, email = wanted.get("customer_id"), (wanted.get("customer_email") or "").strip()
        if (customer_id is None) == (not email):
            raise errors.Contradictory("Send customer_id or customer_email: one of them, and not both.")
        made = activities.record(
            token=wanted["token"],
            customer_id=customer_id,
            customer_email=email,
            distinct_id=wanted.get("distinct_id"),
            created_on_origin_at=wanted.get("created_on_origin_at"),
            actor=authentication.actor_of(request),
            now=timezone.now(),
        )
        return Response({"activity": ActivitySerializer(made).data}, status=201)
