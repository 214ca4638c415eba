"""The page behind *Merge*: find the customer who is the same person, see what would go over, confirm."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors, plans
from loyalty.common.adminkit import desk
from loyalty.common.errors import DomainError
from loyalty.customers.admin import transferring
from loyalty.customers.models import Customer
from loyalty.merging import joining, planning
from loyalty.merging.models import CustomerMerge
from loyalty.points import queries as points

MERGE = "merging.merge_customers"
MOST_SHOWN = 20


class MergeForm(forms.Form):
    """Why these two are one person."""

    internal_note = forms.CharField(
        label="Reason",
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="How do you know that they are one person? Only staff read it.",
    )


def view(request: HttpRequest, *, model_admin: desk.DeskAdmin, customer: Customer) -> HttpResponse:
    """GET searches for the one who goes, then shows the plan; POST merges what was shown, once. `customer` stays."""
    if not request.user.has_perm(MERGE):
        raise PermissionDenied
    now = timezone.now()
    other = transferring.chosen(request, parameter="with", but=customer)
    form = MergeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and other is not None and form.is_valid():
        made = merge(request, source=other, survivor=customer, form=form)
        if made is not None:
            return HttpResponseRedirect(reverse("admin:customers_customer_change", args=(customer.pk,)))
    plan = planning.plan(source_id=other.pk, survivor_id=customer.pk, now=now) if other else None
    pair = [each.pk for each in (other, customer) if each is not None]
    balances = points.balances(customer_ids=pair, now=now)
    text = request.GET.get("q", "").strip()
    found = transferring.search(text, sender=customer) if text and other is None else []
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Merge: {customer}",
        "opts": model_admin.opts,
        "customer": customer,
        "other": other,
        "sides": [(word, each, balances[each.pk]) for word, each in (("Goes", other), ("Stays", customer)) if each],
        "text": text,
        "found": found[: transferring.MOST_FOUND],
        "more": len(found) > transferring.MOST_FOUND,
        "form": form,
        "plan": plan,
        "effects": [sentence for _, sentence in plan.effects] if plan else [],
        "back_url": reverse("admin:customers_customer_change", args=(customer.pk,)),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/customers/merge.html", context)


def merge(request: HttpRequest, *, source: Customer, survivor: Customer, form: MergeForm) -> CustomerMerge | None:
    """Merge them, or say at the form why not."""
    try:
        made = joining.merge(
            source_id=source.pk,
            survivor_id=survivor.pk,
            actor=actors.staff(int(str(request.user.pk))),
            now=timezone.now(),
            internal_note=form.cleaned_data["internal_note"],
            fingerprint=request.POST.get("token", ""),
        )
    except plans.PlanOutdated as moved:
        messages.warning(request, moved.sentence)
    except DomainError as refusal:
        form.add_error(None, refusal.sentence)
    else:
        messages.success(
            request, f"Customer {source.pk} is customer {survivor.pk} now. Merge {made.pk} can be taken back."
        )
        return made
    return None


def card(request: HttpRequest, *, customer: Customer) -> dict[str, Any]:
    """What the customer page says of merges: who they are now, and who was merged into them."""
    into = CustomerMerge.objects.filter(source=customer, undone_at__isnull=True).first()
    absorbed = CustomerMerge.objects.filter(survivor=customer, undone_at__isnull=True).order_by("pk")
    gone = customer.merged_into_id is not None or customer.anonymised_at is not None
    return {
        "merged": into,
        "absorbed": list(absorbed.select_related("source")[:MOST_SHOWN]),
        "may_merge": not gone and request.user.has_perm(MERGE),
        "sees_merges": request.user.has_perm("merging.view_customermerge"),
    }
