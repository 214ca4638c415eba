"""What an expiry policy would do to points that customers hold, and doing it after a look."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.adminkit import desk, show
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer
from loyalty.merchant.models import ExpiryMode
from loyalty.points import policy

if TYPE_CHECKING:
    from loyalty.common.adminkit.desk import DeskAdmin

PERMISSION = "merchant.change_programme"  # who may change the setting may apply it
URL_NAME = "points_policy"
TITLE = "Expiry of existing points"
MOST_SECONDS = 15.0  # what one request may take; the rest is a click, or the command
LABELS = {
    policy.Effect.EARLIER: "Get an earlier end",
    policy.Effect.LATER: "Get a later end",
    policy.Effect.NO_END: "Lose their end",
    policy.Effect.FIRST_END: "Get an end for the first time",
    policy.Effect.SAME_END: "Keep their end, by another rule",
}


class PolicyForm(forms.Form):
    mode = forms.ChoiceField(label="Earned points expire", choices=ExpiryMode.choices)
    days = forms.IntegerField(
        min_value=1, max_value=policy.MOST_DAYS, help_text="For “days after earning” and “days without activity”."
    )


def menu_links(request: HttpRequest) -> list[desk.Tool]:
    return [desk.Tool(TITLE, reverse(f"admin:{URL_NAME}"))] if request.user.has_perm(PERMISSION) else []


def url(model_admin: "DeskAdmin") -> URLPattern:
    """The page, below the list of transactions."""

    def page(request: HttpRequest) -> HttpResponse:
        return view(request, model_admin=model_admin)

    return path("policy/", model_admin.admin_site.admin_view(page), name=URL_NAME)


def view(request: HttpRequest, *, model_admin: "DeskAdmin") -> HttpResponse:
    """GET shows the plan of a policy, the programme's own at first; POST does the plan that was shown."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    programme = policy.of_programme()
    given = request.POST if request.method == "POST" else request.GET
    form = PolicyForm(given if "mode" in given else {"mode": programme.mode, "days": programme.days})
    wanted = None
    if form.is_valid():
        wanted = policy.Policy(mode=ExpiryMode(form.cleaned_data["mode"]), days=form.cleaned_data["days"])
    if request.method == "POST" and wanted is not None and confirmed(request, wanted):
        return HttpResponseRedirect(f"{reverse(f'admin:{URL_NAME}')}?{query_of(wanted)}")
    return render(request, model_admin=model_admin, form=form, wanted=wanted, programme=programme)


def query_of(wanted: policy.Policy) -> str:
    query = QueryDict(mutable=True)
    query.update({"mode": wanted.mode, "days": str(wanted.days)})
    return query.urlencode()


def confirmed(request: HttpRequest, wanted: policy.Policy) -> bool:
    """Apply the plan that was shown; False, and a sentence on the page, when it is not what would happen now."""
    now, done = timezone.now(), policy.Progress()
    try:
        plan = policy.confirm(policy=wanted, now=now, shown=str(request.POST.get("plan", "")))
        if plan.at_once.points and "expire" not in request.POST:
            messages.error(
                request, f"{show.points_text(plan.at_once.points)} points would expire at once. Tick that you know it."
            )
            return False
        run = policy.apply(plan=plan, actor=actors.staff(int(str(request.user.pk))), now=now)
        for done in for_some_time(run):  # noqa: B007 (the last one counts)
            pass
    except DomainError as refusal:
        if done.lots:
            messages.success(request, report(done))
        messages.error(request, refusal.sentence)
        return bool(done.lots)
    messages.success(request, report(done))
    if done.lots < plan.changed.lots:
        messages.info(request, "This took too long for one page. The rest is below: confirm again to go on.")
    return True


def for_some_time(run: Iterator[policy.Progress]) -> Iterator[policy.Progress]:
    ends = time.monotonic() + MOST_SECONDS
    for done in run:
        yield done
        if time.monotonic() > ends:
            return


def report(done: policy.Progress) -> str:
    return (
        f"{show.points_text(done.lots)} lots of {show.points_text(done.customers)} customers have their new end; "
        f"{show.points_text(done.expired)} points expired at once."
    )


def render(
    request: HttpRequest,
    *,
    model_admin: "DeskAdmin",
    form: PolicyForm,
    wanted: policy.Policy | None,
    programme: policy.Policy,
) -> TemplateResponse:
    plan = policy.make_plan(policy=wanted, now=timezone.now()) if wanted is not None else None
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": TITLE,
        "opts": model_admin.opts,
        "form": form,
        "plan": plan,
        "programme": programme,
        "differs": wanted is not None and wanted.sentence != programme.sentence,
        "zone": show.zone_name(),
        "settings_url": reverse("admin:merchant_programme_change", args=(1,)),
    }
    if plan is not None:
        context |= {"effects": effects(plan), "kept": kept(plan), "soon": soon(plan), "sample": sample(plan)}
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/points/policy.html", context)


def effects(plan: policy.Plan) -> list[tuple[str, policy.Tally]]:
    return [(LABELS[effect], tally) for effect, tally in plan.effects.items() if tally.lots]


def kept(plan: policy.Plan) -> list[tuple[str, policy.Tally]]:
    return [
        ("Have this end already", plan.unchanged),
        ("Have an end of their own, and keep it", plan.own_end),
    ]


def soon(plan: policy.Plan) -> list[tuple[str, int, int]]:
    return [
        ("At once", 0, plan.at_once.points),
        *((f"Within {each.days} days", each.before, each.after) for each in plan.horizons),
    ]


def sample(plan: policy.Plan) -> list[dict[str, Any]]:
    """Rows for people: who, how many, until when now and then."""
    customers = Customer.objects.in_bulk([move.customer_id for move in plan.sample])
    return [
        {
            "customer": show.link(
                str(customers[move.customer_id]), reverse("admin:customers_customer_change", args=(move.customer_id,))
            ),
            "points": show.points(move.points),
            "since": show.instant(move.available_at),
            "before": show.last_day(move.end_before) if move.end_before else "Never",
            "after": show.last_day(move.end_after) if move.end_after else "Never",
            "at_once": move.at_once,
            "effect": LABELS[move.effect],
        }
        for move in plan.sample
    ]
