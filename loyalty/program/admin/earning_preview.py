"""What an order would earn, and why: a form, and the verdict of each rule beside it. Writes nothing."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from loyalty.common.adminkit import desk, show
from loyalty.customers.models import Tier
from loyalty.merchant import queries as merchant
from loyalty.program.earning import facts, preview, wording
from loyalty.program.earning.models import EarningRule
from loyalty.program.earning.preview import Preview

URL_NAME = "program_earning_preview"
MOST_MONEY = Decimal(10**10)


class SampleOrderForm(forms.Form):
    """An order of one line of goods, completed now, by somebody to whom no rule gave anything yet."""

    total = forms.DecimalField(
        min_value=0, max_value=MOST_MONEY, decimal_places=2, initial=100, help_text="What the customer pays, all in."
    )
    tax = forms.DecimalField(min_value=0, max_value=MOST_MONEY, decimal_places=2, required=False)
    shipping = forms.DecimalField(min_value=0, max_value=MOST_MONEY, decimal_places=2, required=False)
    product = forms.CharField(max_length=120, required=False, help_text="As the shop names it.")
    categories = forms.CharField(max_length=500, required=False, help_text="With commas between.")
    goods = forms.DecimalField(
        min_value=0,
        max_value=MOST_MONEY,
        decimal_places=2,
        required=False,
        label="Of it for this product",
        help_text="Empty: the shop does not tell what was bought.",
    )
    tier = forms.ModelChoiceField(Tier.objects.order_by("rank"), required=False, empty_label="No tier")
    first = forms.BooleanField(required=False, label="It is the customer's first order")
    rule = forms.ModelChoiceField(
        EarningRule.objects.order_by("priority", "pk"),
        required=False,
        label="As if this rule were on",
        empty_label="The rules that are on",
    )

    field_order = ["rule", "total"]


def view(request: HttpRequest, *, model_admin: desk.DeskAdmin) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    asked = "total" in request.GET
    form = SampleOrderForm(request.GET if asked else None, initial={"rule": request.GET.get("rule")})
    shown = _preview(form.cleaned_data) if asked and form.is_valid() else None
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": "What would an order earn?",
        "opts": model_admin.opts,
        "form": form,
        "shown": shown,
        "points": show.points_text(shown.points) if shown is not None else "",
        "rows": _rows(shown) if shown is not None else [],
        "back_url": reverse("admin:program_earningrule_changelist"),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/program/earningrule/preview.html", context)


def _preview(given: dict[str, Any]) -> Preview:
    programme = merchant.programme()
    items = None
    if given["goods"] is not None:
        names = frozenset(name.strip() for name in given["categories"].split(",") if name.strip())
        items = (facts.Item(product=given["product"], amount=given["goods"], categories=names),)
    order = facts.OrderFacts(
        total=given["total"],
        currency=programme.currency,
        tax=given["tax"],
        shipping=given["shipping"],
        items=items,
        is_first=given["first"],
    )
    return preview.of_order(
        order=order,
        at=timezone.now(),
        programme=programme,
        tier_id=given["tier"].pk if given["tier"] else None,
        as_if_on=given["rule"],
    )


def _rows(shown: Preview) -> list[dict[str, Any]]:
    return [
        {
            "name": verdict.terms.name or wording.PROGRAMME_RATE,
            "url": reverse("admin:program_earningrule_change", args=(verdict.terms.rule_id,))
            if verdict.terms.rule_id
            else reverse("admin:merchant_programme_changelist"),
            "points": show.points_text(verdict.points) if verdict.points else "",
            "reward": verdict.reward_id is not None,
            "why": wording.of_verdict(verdict),
            "gives": verdict.gives,
        }
        for verdict in shown.verdicts
    ]
