"""The page behind *Grant a reward*."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.adminkit import acts, desk
from loyalty.common.errors import DomainError
from loyalty.customers.admin.forms import GrantForm
from loyalty.customers.models import Customer
from rewards import granting
from rewards.models import FulfillmentStatus, Origin

GRANT = "rewards.grant_reward"
EXPLAIN = (
    "The customer gets the reward without spending points. It is generated in the shop in the background: it is "
    "pending until then, and the customer sees it once it is issued."
)


def view(request: HttpRequest, *, model_admin: desk.DeskAdmin, customer: Customer) -> HttpResponse:
    """GET shows the form; POST grants. Sent twice, it grants once."""
    if not request.user.has_perm(GRANT):
        raise PermissionDenied
    form = GrantForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and grant(request, customer=customer, form=form):
        url = reverse("admin:customers_customer_change", args=(customer.pk,))
        return HttpResponseRedirect(f"{url}?tab=rewards#activity")
    return acts.form_page(
        request,
        model_admin=model_admin,
        form=form,
        title=f"Grant a reward: {customer}",
        button="Grant reward",
        explain=EXPLAIN,
        back_url=reverse("admin:customers_customer_change", args=(customer.pk,)),
    )


def grant(request: HttpRequest, *, customer: Customer, form: GrantForm) -> bool:
    """Grant the reward, or say at the form why not."""
    user_id = int(str(request.user.pk))
    try:
        redeemed, *more = granting.grant_several(
            customer_id=customer.pk,
            reward_id=form.cleaned_data["reward"].pk,
            quantity=form.cleaned_data["quantity"] or 1,
            actor=actors.staff(user_id),
            now=timezone.now(),
            origin=Origin.STAFF,
            internal_note=form.cleaned_data["internal_note"],
            idempotency_key=form.idempotency_key(user_id),
        )
    except DomainError as refusal:
        form.add_error(None, refusal.sentence)
        return False
    issued = redeemed.fulfillment_status == FulfillmentStatus.ISSUED
    times = f" {len(more) + 1} times" if more else ""
    messages.success(
        request, f"{redeemed.name} was granted{times} to {customer}{'' if issued else ' and is being generated'}."
    )
    return True
