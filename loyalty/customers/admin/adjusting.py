"""The page behind *Adjust balance*."""

from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.adminkit import desk, show
from loyalty.common.errors import DomainError
from loyalty.customers.admin.forms import AdjustForm
from loyalty.customers.models import Customer
from loyalty.points import adjustments
from loyalty.points import errors as points_errors
from loyalty.points import queries as points_queries

ADJUST = "points.add_pointsadjustment"
SENT_BEFORE = (
    "This form was sent before with other values, and that adjustment was made. Nothing was changed now. Look at the "
    "customer's points, and begin again if a second adjustment is meant."
)


def view(request: HttpRequest, *, model_admin: desk.DeskAdmin, customer: Customer) -> HttpResponse:
    """GET shows the form; POST previews or adjusts. Sent twice, it adjusts once."""
    if not request.user.has_perm(ADJUST):
        raise PermissionDenied
    form = AdjustForm(request.POST if request.method == "POST" else None)
    back = reverse("admin:customers_customer_change", args=(customer.pk,))
    preview: Forecast | None = None
    if request.method == "POST" and form.is_valid():
        if "preview" in request.POST:
            preview = foretell(customer, points=form.cleaned_data["points"])
        elif adjust(request, customer=customer, form=form):
            return HttpResponseRedirect(back)
    balance = points_queries.balance(customer_id=customer.pk, now=timezone.now())
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Adjust balance: {customer}",
        "opts": model_admin.opts,
        "form": form,
        "balance": balance,
        "preview": preview,
        "button": "Adjust points",
        "back_url": back,
    }
    return TemplateResponse(request, "admin/customers/adjust.html", context)


def adjust(request: HttpRequest, *, customer: Customer, form: AdjustForm) -> bool:
    """Make the adjustment, or say at the form why not."""
    user_id = int(str(request.user.pk))
    try:
        adjustment = adjustments.adjust(
            customer_id=customer.pk,
            points=form.cleaned_data["points"],
            actor=actors.staff(user_id),
            now=timezone.now(),
            reason=form.cleaned_data["reason"],
            internal_note=form.cleaned_data["internal_note"],
            description=form.cleaned_data["customer_note"],
            idempotency_key=form.idempotency_key(user_id),
        )
    except points_errors.IdempotencyConflict:
        form.add_error(None, SENT_BEFORE)
        return False
    except points_errors.InsufficientPoints as refusal:
        form.add_error("points", refusal.sentence)
        return False
    except DomainError as refusal:
        form.add_error(None, refusal.sentence)
        return False
    after = points_queries.balance(customer_id=customer.pk, now=timezone.now()).balance
    messages.success(
        request, f"Points adjusted by {adjustment.points:+d}. {customer} has {show.points_text(after)} active points."
    )
    return True


@dataclass(frozen=True)
class Forecast:
    """What an adjustment would do, in a sentence."""

    sentence: str
    refused: bool = False


def foretell(customer: Customer, *, points: int) -> Forecast:
    """One sentence: what the balance would be. Nothing is written."""
    balance = points_queries.balance(customer_id=customer.pk, now=timezone.now()).balance
    after = balance + points
    if after < 0:
        refusal = points_errors.InsufficientPoints(missing=-after, balance=balance)
        return Forecast(f"This would be refused. {refusal.sentence}", refused=True)
    text = f"Active points would go from {show.points_text(balance)} to {show.points_text(after)}."
    return Forecast(f"{text} Points that expire soonest are taken first." if points < 0 else text)
