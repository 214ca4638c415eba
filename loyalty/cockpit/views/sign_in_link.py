"""The end of a link by which a shop lets its customer in: asked once more, as programs open links too."""

from allauth.account.utils import perform_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from loyalty.cockpit import access, linking
from loyalty.common.errors import DomainError
from loyalty.customers import sign_in_links
from loyalty.merchant import queries as merchant


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_link(request: HttpRequest, token: str) -> HttpResponse:
    """A button; on POST it signs the customer of the link in and leads to the page of ours the link names, or home."""
    now = timezone.now()
    if request.method != "POST":
        return (
            _page(request) if sign_in_links.lives(token=token, now=now) else _page(request, sign_in_links.LinkRefused())
        )
    try:
        customer = sign_in_links.use(token=token, now=now)
        user = linking.user_by_link(customer=customer, now=now)
    except (sign_in_links.LinkRefused, linking.NotACustomer) as refusal:
        return _page(request, refusal)
    back = access.safe_next(request) or None
    signed_in: HttpResponse = perform_login(request, user, email_verification="none", redirect_url=back)
    return signed_in


def _page(request: HttpRequest, refusal: DomainError | None = None) -> HttpResponse:
    context = {"refusal": refusal, "programme": merchant.programme(), "next": access.safe_next(request)}
    return render(request, "cockpit/sign_in_link.html", context, status=403 if refusal else 200)
