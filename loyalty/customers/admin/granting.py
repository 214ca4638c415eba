"""The page behind *Give a reward*: with the customer's points or without, one or several, previewed first."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors, plans
from loyalty.common.adminkit import desk, show
from loyalty.common.errors import DomainError
from loyalty.customers.admin.forms import FREE, POINTS, GiveForm
from loyalty.customers.models import Customer
from loyalty.points import queries as points_queries
from loyalty.points.errors import IdempotencyConflict
from rewards import staff_redemption
from rewards.staff_redemption import Given, GivingPlan

GRANT = "rewards.grant_reward"
REDEEM = "rewards.redeem_for_customer"
MOVED = (
    "This is not what the preview showed: the customer's points, the reward, or what you typed have changed since. "
    "Nothing was changed. Look at the new preview and confirm again."
)
SENT_BEFORE = (
    "This form was sent before with other values, and that was done. Nothing was changed now. Look at the customer's "
    "rewards, and begin again if more is meant."
)


def may_give(request: HttpRequest) -> list[str]:
    """The ways in which this person may give a reward."""
    return [way for way, right in ((POINTS, REDEEM), (FREE, GRANT)) if request.user.has_perm(right)]


def view(request: HttpRequest, *, model_admin: desk.DeskAdmin, customer: Customer) -> HttpResponse:
    """GET shows the form; POST previews, and does what was previewed. Sent twice, it is done once."""
    ways = may_give(request)
    if not ways:
        raise PermissionDenied
    form = GiveForm(
        request.POST if request.method == "POST" else None, ways=ways, initial={"reward": request.GET.get("reward")}
    )
    plan: GivingPlan | None = None
    if request.method == "POST" and form.is_valid():
        if "apply" in request.POST and give(request, customer=customer, form=form):
            url = reverse("admin:customers_customer_change", args=(customer.pk,))
            return HttpResponseRedirect(f"{url}?tab=rewards#activity")
        if not form.errors:
            plan = staff_redemption.plan(customer_id=customer.pk, wish=form.wish(), now=timezone.now())
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": f"Give a reward: {customer}",
        "opts": model_admin.opts,
        "form": form,
        "balance": points_queries.balance(customer_id=customer.pk, now=timezone.now()),
        "plan": plan,
        "button": button(plan) if plan is not None else "",
        "back_url": reverse("admin:customers_customer_change", args=(customer.pk,)),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/customers/give.html", context)


def button(plan: GivingPlan) -> str:
    """What the button does, in its own words."""
    if not plan.points:
        return "Give without points"
    return f"Redeem for {show.points_text(plan.points)} points"


def give(request: HttpRequest, *, customer: Customer, form: GiveForm) -> bool:
    """Give what was previewed, or say why not."""
    user_id = int(str(request.user.pk))
    try:
        given = staff_redemption.give(
            customer_id=customer.pk,
            wish=form.wish(),
            actor=actors.staff(user_id),
            now=timezone.now(),
            fingerprint=request.POST.get("token", ""),
            idempotency_key=form.idempotency_key(user_id),
        )
    except plans.PlanOutdated:
        messages.warning(request, MOVED)
        return False
    except IdempotencyConflict:
        form.add_error(None, SENT_BEFORE)
        return False
    except DomainError as refusal:
        form.add_error(None, refusal.sentence)
        return False
    tell(request, customer=customer, given=given)
    return True


def tell(request: HttpRequest, *, customer: Customer, given: Given) -> None:
    """What became of each."""
    if given.made:
        codes = ", ".join(row.code.code for row in given.made if row.code is not None)
        times = f" {len(given.made)} times" if len(given.made) > 1 else ""
        messages.success(request, f"{customer} has “{given.made[0].name}”{times} now{f': {codes}' if codes else ''}.")
    if given.waiting:
        name = given.waiting[0].name
        paid = given.waiting[0].cost_in_points
        rest = "Its points are set aside until the shop has answered." if paid else "It is pending until then."
        messages.info(request, f"“{name}”, {len(given.waiting)} times, is still being generated. {rest}")
    if given.failed:
        name = given.failed[0].name
        why = given.failed[0].failure_reason
        messages.error(request, f"“{name}”, {len(given.failed)} times, could not be made and cost nothing. {why}")
