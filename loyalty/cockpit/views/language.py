"""The language the pages speak, by a button on each of them."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from loyalty.accounts.models import User
from loyalty.cockpit import access, speech
from loyalty.common import actors
from loyalty.customers import profile, queries


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Speak it from now on: in this browser, and to the customer wherever they sign in. Back to the page they were on."""
    wanted = request.POST.get("language", "")
    if wanted not in speech.CODES:
        raise Http404
    customer = queries.for_user(request.user) if isinstance(request.user, User) else None
    if customer is not None:
        profile.update(customer_id=customer.pk, language=wanted, now=timezone.now(), actor=actors.customer(customer.pk))
    back = access.safe_next(request)
    if not back or back == reverse("cockpit:address"):  # that one is only sent to
        back = reverse("cockpit:account" if back else "cockpit:home")
    response = redirect(back)
    speech.remember(response, wanted)
    return response
