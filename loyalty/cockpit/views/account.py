"""What the customer tells us about themselves."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from loyalty.cockpit import access
from loyalty.cockpit.access import Visit, customers_only
from loyalty.cockpit.forms import AddressForm, ProfileForm
from loyalty.customers import profile
from loyalty.customers.models import ShippingAddress
from loyalty.program.referrals import links


@require_http_methods(["GET", "HEAD", "POST"])
@customers_only
def account(visit: Visit) -> HttpResponse:
    """Names, phone and language; the address for gifts beside them."""
    if visit.request.method != "POST":
        return _page(visit)
    form = ProfileForm(visit.request.POST)
    if not form.is_valid():
        return _page(visit, profile_form=form)
    profile.update(customer_id=visit.customer.pk, now=visit.now, actor=visit.actor, **form.cleaned_data)
    messages.success(visit.request, _("Saved."))
    return redirect("cockpit:account")


@require_POST
@customers_only
def address(visit: Visit) -> HttpResponse:
    """Where gifts go; afterwards back to the page that asked for it."""
    form = AddressForm.of(visit.customer, None, visit.request.POST)
    if not form.is_valid():
        return _page(visit, address_form=form)
    profile.set_address(customer_id=visit.customer.pk, address=form.address(), now=visit.now, actor=visit.actor)
    messages.success(visit.request, _("Your address is saved."))
    return redirect(access.safe_next(visit.request) or "cockpit:account")


def _page(
    visit: Visit, *, profile_form: ProfileForm | None = None, address_form: AddressForm | None = None
) -> HttpResponse:
    stored = ShippingAddress.objects.filter(customer=visit.customer).first()
    refused = profile_form is not None or address_form is not None
    return visit.render(
        "cockpit/account.html",
        profile_form=profile_form or ProfileForm.of(visit.customer),
        address_form=address_form or AddressForm.of(visit.customer, stored),
        next=access.safe_next(visit.request),
        may_recommend=not visit.excluded and links.settings().active,
        status=422 if refused else 200,
    )
