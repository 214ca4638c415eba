"""A link by which a shop lets its own customer open their pages without a code (ours: Smile's API has no such call)."""

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, query, views
from loyalty.api.keys import Scope
from loyalty.customers import profile, sign_in_links


class SignInLinkSerializer(serializers.Serializer):
    url = serializers.URLField(help_text="Send the customer there at once. It works once; ask for another each time.")
    expires_at = fields.InstantField(help_text="Five minutes later: from then on it is too old.")


class SignInLinks(views.ApiView):
    scopes = {"POST": Scope.SIGN_IN_LINK_WRITE}

    @documentation.write(
        "sign_in_link",
        SignInLinkSerializer,
        accepts=None,
        summary="Let a customer sign in by a link (extension)",
        missing=True,
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        try:
            link = sign_in_links.make(
                customer_id=query.path_id(pk), now=timezone.now(), actor=authentication.actor_of(request)
            )
        except profile.UnknownCustomer as unknown:
            raise errors.NotFound(f"There is no customer {pk}.") from unknown
        told = {
            "url": settings.PUBLIC_URL + reverse("cockpit:sign_in_link", args=[link.token]),
            "expires_at": link.expires_at,
        }
        return Response({"sign_in_link": SignInLinkSerializer(told).data}, status=201)
