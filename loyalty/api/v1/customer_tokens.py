"""A token by which a shop lets its own customer's browser ask for itself (ours: Smile's shops sign them themselves)."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import customer_tokens, documentation, errors, fields, query, views
from loyalty.api.keys import Scope
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer, CustomerState


class CustomerExcluded(DomainError):
    code = "customer_disabled"


class CustomerTokenSerializer(serializers.Serializer):
    token = serializers.CharField(help_text="For `desk.js`, or the calls under storefront. Give it to nobody else.")
    expires_at = fields.InstantField(help_text="Five minutes later: ask for another one then.")


class CustomerTokens(views.ApiView):
    scopes = {"POST": Scope.CUSTOMER_TOKEN_WRITE}

    @documentation.write(
        "customer_token",
        CustomerTokenSerializer,
        accepts=None,
        summary="Let a customer's browser read and redeem for itself (extension)",
        missing=True,
        refusals="the customer is excluded",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        customer = Customer.objects.filter(pk=query.path_id(pk)).only("pk", "state").first()
        if customer is None:
            raise errors.NotFound(f"There is no customer {pk}.")
        if customer.state == CustomerState.DISABLED:
            raise CustomerExcluded("This customer is excluded, and can redeem nothing. Make them a member again first.")
        key: Any = request.auth
        token, expires_at = customer_tokens.mint(key=key, customer_id=customer.pk, now=timezone.now())
        told = {"token": token, "expires_at": expires_at}
        return Response({"customer_token": CustomerTokenSerializer(told).data}, status=201)
