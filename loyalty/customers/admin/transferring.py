"""The page behind *Move points*: find the receiver, see which lots would move, move them."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors, plans
from loyalty.common.adminkit import desk, show
from loyalty.common.errors import DomainError
from loyalty.customers import queries
from loyalty.customers.admin.forms import TransferForm
from loyalty.customers.models import Customer
from loyalty.merchant import queries as merchant
from loyalty.points import corrections
from loyalty.points import errors as points_errors
from loyalty.points import queries as points_queries

TRANSFER = "points.transfer_points"
MOST_FOUND = 10
MOVED = "One of the two balances, or what you typed, has changed since you looked. Look again and confirm."
SENT_BEFORE = "This form was sent before with other values, and those points were moved. Nothing was changed now."


def view(request: HttpRequest, *, model_admin: desk.DeskAdmin, customer: Customer) -> HttpResponse:
    """GET searches for the receiver, then shows the form; POST previews, and moves what was previewed, once."""
    if not request.user.has_perm(TRANSFER):
        raise PermissionDenied
    if not merchant.programme().transfers_allowed:
        raise Http404("Moving points between customers is switched off.")
    receiver = chosen(request, parameter="to", but=customer)
    form = TransferForm(request.POST if request.method == "POST" else None)
    plan = None
    if request.method == "POST" and receiver is not None and form.is_valid():
        confirmed = "apply" in request.POST
        if confirmed and move(request, sender=customer, receiver=receiver, form=form):
            return HttpResponseRedirect(reverse("admin:customers_customer_change", args=(customer.pk,)))
        plan = corrections.plan_transfer(
            sender_id=customer.pk,
            receiver_id=receiver.pk,
            points=form.cleaned_data["points"],
            now=timezone.now(),
        )
    text = request.GET.get("q", "").strip()
    found = search(text, sender=customer) if text and receiver is None else []
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Move points: {customer}",
        "opts": model_admin.opts,
        "customer": customer,
        "receiver": receiver,
        "text": text,
        "found": found[:MOST_FOUND],
        "more": len(found) > MOST_FOUND,
        "form": form,
        "plan": plan if not form.errors else None,
        "balance": points_queries.balance(customer_id=customer.pk, now=timezone.now()),
        "back_url": reverse("admin:customers_customer_change", args=(customer.pk,)),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/customers/transfer.html", context)


def chosen(request: HttpRequest, *, parameter: str, but: Customer) -> Customer | None:
    """The customer that the address names, such as `?to=7`; none before somebody was chosen."""
    text = request.GET.get(parameter, "")
    if not text:
        return None
    known = text.isascii() and text.isdecimal() and len(text) < 19
    other = Customer.objects.exclude(pk=but.pk).filter(pk=int(text)).first() if known else None
    if other is None:
        raise Http404("There is no other customer with this number.")
    return other


def search(text: str, *, sender: Customer) -> list[Customer]:
    """Other customers by number, e-mail, phone or name: that number first, then the newest. Nobody who was merged."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
    matches = Customer.objects.filter(Q(pk__in=queries.search(text).values("pk")) | Q(pk=number))
    rows = list(matches.filter(merged_into=None).exclude(pk=sender.pk).order_by("-id")[: MOST_FOUND + 1])
    return sorted(rows, key=lambda row: row.pk != number)


def move(request: HttpRequest, *, sender: Customer, receiver: Customer, form: TransferForm) -> bool:
    """Move the points, or say at the form why not."""
    user_id = int(str(request.user.pk))
    try:
        made = corrections.transfer(
            sender_id=sender.pk,
            receiver_id=receiver.pk,
            points=form.cleaned_data["points"],
            actor=actors.staff(user_id),
            now=timezone.now(),
            fingerprint=request.POST.get("token", ""),
            idempotency_key=form.idempotency_key(user_id),
            internal_note=form.cleaned_data["internal_note"],
        )
    except plans.PlanOutdated:
        messages.warning(request, MOVED)
    except points_errors.IdempotencyConflict:
        form.add_error(None, SENT_BEFORE)
    except points_errors.InsufficientPoints as refusal:
        form.add_error("points", refusal.sentence)
    except DomainError as refusal:
        form.add_error(None, refusal.sentence)
    else:
        messages.success(request, f"{show.points_text(made.points)} points moved from {sender} to {receiver}.")
        return True
    return False
