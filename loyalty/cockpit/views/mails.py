"""Which reminders the customer gets: chosen on a page of their own, or stopped by a link in the reminder itself."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from loyalty.cockpit.access import Visit, customers_only
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import REMINDERS, MailKind
from loyalty.messages import choices

NAMES = {
    MailKind.EXPIRING: gettext_lazy("A reward of mine expires soon"),
    MailKind.POINTS_EXPIRING: gettext_lazy("Points of mine expire soon"),
}


@csrf_exempt  # mail programs post here without our pages; the signed link says everything, and it can only stop mails
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """GET asks, as programs open links too; POST stops mails of that kind, by the button or in one click (RFC 8058)."""
    context: dict[str, Any] = {"programme": merchant.programme()}
    try:
        addressee = choices.read(token=token)
    except choices.UnknownLink as refusal:
        return render(request, "cockpit/unsubscribe.html", context | {"refusal": refusal}, status=404)
    if request.method == "POST":
        choices.unsubscribe(customer_id=addressee.customer_id, kind=addressee.kind, now=timezone.now())
        context["done"] = True
    return render(request, "cockpit/unsubscribe.html", context | {"name": NAMES[addressee.kind]})


@require_http_methods(["GET", "HEAD", "POST"])
@customers_only
def mail_choices(visit: Visit) -> HttpResponse:
    """A box for each kind of reminder."""
    customer_id = visit.customer.pk
    if visit.request.method == "POST":
        wanted = set(visit.request.POST.getlist("mails"))
        for kind in REMINDERS:
            act = choices.subscribe if kind.value in wanted else choices.unsubscribe
            act(customer_id=customer_id, kind=kind, now=visit.now)
        messages.success(visit.request, _("Saved."))
        return redirect("cockpit:mail_choices")
    refused = choices.refused(customer_id=customer_id)
    reminders = [(kind.value, NAMES[kind], kind not in refused) for kind in REMINDERS]
    return visit.render("cockpit/mail_choices.html", reminders=reminders)
