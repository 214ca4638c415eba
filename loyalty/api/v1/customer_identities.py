"""Under which id an integrator's own system knows a customer."""

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, fields, parsing, views
from loyalty.api.keys import Scope
from loyalty.customers import enrollment
from loyalty.customers.models import CustomerIdentity


class CustomerIdentitySerializer(serializers.Serializer):
    id = serializers.IntegerField()
    first_name = fields.OptionalTextField(source="customer.first_name")
    last_name = fields.OptionalTextField(source="customer.last_name")
    email = serializers.CharField(source="customer.email")
    distinct_id = serializers.CharField(source="external_id")
    properties = serializers.SerializerMethodField(help_text="Always empty: no key of it is kept.")
    customer_id = serializers.IntegerField()

    def get_properties(self, identity: CustomerIdentity) -> dict[str, str]:
        return {}


class ToldCustomerIdentitySerializer(serializers.Serializer):
    email = fields.TextField(max_length=254)
    distinct_id = fields.NameField(max_length=120, help_text="Your own id of the customer.")
    first_name = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=80)
    last_name = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=80)
    properties = serializers.DictField(required=False, help_text="Taken and not kept.")


class CreateOrUpdateCustomerIdentity(views.ApiView):
    scopes = {"POST": Scope.CUSTOMER_IDENTITY_WRITE}

    @documentation.write(
        "customer_identity",
        CustomerIdentitySerializer,
        accepts=ToldCustomerIdentitySerializer,
        also=(200,),
        operation="create_or_update_customer_identity",
        summary="Tell who a customer is in your system",
        description="201 when the id is new, 200 when it was known. Names that are left out stay.",
        refusals="the id is one customer's and the address another's, no address, no id",
    )
    @views.once(atomic=True)
    def post(self, request: Request) -> Response:
        given = ToldCustomerIdentitySerializer(data=parsing.body_of(request, name="customer_identity"))
        given.is_valid(raise_exception=True)
        identity, new = enrollment.create_or_update(
            external_id=given.validated_data["distinct_id"],
            email=given.validated_data["email"],
            first_name=given.validated_data.get("first_name"),
            last_name=given.validated_data.get("last_name"),
            actor=authentication.actor_of(request),
            now=timezone.now(),
        )
        shown = CustomerIdentitySerializer(identity).data
        return Response({"customer_identity": shown}, status=201 if new else 200)
