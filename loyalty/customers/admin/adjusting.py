"""The page behind *Adjust balance*: what would happen first, then the adjustment, or a request to a second person."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors, plans
from loyalty.common.adminkit import desk, show
from loyalty.common.errors import DomainError
from loyalty.customers.admin.forms import AdjustForm
from loyalty.customers.models import Customer
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import ExpiryMode
from loyalty.points import adjustments, requests
from loyalty.points import errors as points_errors
from loyalty.points import queries as points_queries
from loyalty.points.models import AdjustmentRequest, RequestState

ADJUST = "points.add_pointsadjustment"
SENT_BEFORE = (
    "This form was sent before with other values, and that was done. Nothing was changed now. Look at the customer's "
    "points, and begin again if a second adjustment is meant."
)
MOVED = (
    "This is not what the preview showed: the customer's points, your ceiling, or what you typed have changed since. "
    "Nothing was changed. Look at the new preview and confirm again."
)
FIELDS: dict[type[DomainError], str] = {
    points_errors.InsufficientPoints: "points",
    points_errors.InvalidPoints: "points",
    adjustments.InvalidExpiry: "last_day",
}
# What the button of a preview does, and says.
ADJUST_NOW, ASK, CHANGE = "adjust", "ask", "change"
BUTTONS = {ADJUST_NOW: "Adjust points", ASK: "Ask for approval", CHANGE: "Save request"}


def view(
    request: HttpRequest, *, model_admin: desk.DeskAdmin, customer: Customer, request_id: int | None = None
) -> HttpResponse:
    """GET shows the form; POST previews, and does what was previewed. Sent twice, it adjusts once."""
    if not request.user.has_perm(ADJUST):
        raise PermissionDenied
    asked = own_request(request, customer=customer, request_id=request_id) if request_id else None
    form = AdjustForm(
        request.POST if request.method == "POST" else None,
        initial=AdjustForm.known(asked) if asked else None,
        usual_text=adjustments.customer_text(),
        usual_end=usual_end(),
    )
    plan, act, ceiling = None, ADJUST_NOW, adjustments.ceiling_of(user_id=user_of(request))
    if request.method == "POST" and form.is_valid():
        wish, now = form.wish(), timezone.now()
        act = act_for(wish.points, ceiling=ceiling, asked=asked)
        plan = adjustments.plan(customer_id=customer.pk, points=wish.points, expires_at=wish.expires_at, now=now)
        chosen = request.POST.get("apply", "")
        unseen = act != ADJUST_NOW and request.POST.get("token", "") != plan.fingerprint  # the domain sees to the rest
        if chosen and (chosen != act or unseen):
            messages.warning(request, MOVED)
        elif chosen and apply(request, act=act, customer=customer, form=form, asked=asked):
            return HttpResponseRedirect(reverse("admin:customers_customer_change", args=(customer.pk,)))
        elif chosen:
            plan = adjustments.plan(customer_id=customer.pk, points=wish.points, expires_at=wish.expires_at, now=now)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"{'Change request' if asked else 'Adjust balance'}: {customer}",
        "opts": model_admin.opts,
        "form": form,
        "balance": points_queries.balance(customer_id=customer.pk, now=timezone.now()),
        "plan": plan if not form.errors else None,
        "act": act,
        "button": BUTTONS[act],
        "ceiling": ceiling,
        "above": act != ADJUST_NOW,
        "asked": asked,
        "back_url": reverse("admin:customers_customer_change", args=(customer.pk,)),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/customers/adjust.html", context)


def act_for(points: int, *, ceiling: int | None, asked: AdjustmentRequest | None) -> str:
    """A request is written anew; what is above the ceiling is asked for; the rest is done."""
    if asked is not None:
        return CHANGE
    return ASK if ceiling is not None and abs(points) > ceiling else ADJUST_NOW


def apply(
    request: HttpRequest, *, act: str, customer: Customer, form: AdjustForm, asked: AdjustmentRequest | None
) -> bool:
    """Do it, or say at the form why not."""
    try:
        messages.success(request, done(request, act=act, customer=customer, form=form, asked=asked))
    except plans.PlanOutdated:
        messages.warning(request, MOVED)
    except points_errors.IdempotencyConflict:
        form.add_error(None, SENT_BEFORE)
    except DomainError as refusal:
        form.add_error(FIELDS.get(type(refusal)), refusal.sentence)
    else:
        return True
    return False


def done(
    request: HttpRequest, *, act: str, customer: Customer, form: AdjustForm, asked: AdjustmentRequest | None
) -> str:
    """One domain call, and the sentence of what was done. Raises DomainError."""
    wish, user_id, now = form.wish(), user_of(request), timezone.now()
    if act == CHANGE and asked is not None:
        requests.change(request_id=asked.pk, wish=wish, user_id=user_id, now=now)
        return f"The request for {customer} was changed: {signed(wish.points)} points wait for a second person."
    if act == ASK:
        requests.ask(
            customer_id=customer.pk,
            wish=wish,
            user_id=user_id,
            now=now,
            idempotency_key=form.idempotency_key(user_id),
        )
        return f"{signed(wish.points)} points for {customer} wait for a second person. Nothing has changed yet."
    adjustment = adjustments.adjust(
        customer_id=customer.pk,
        points=wish.points,
        actor=actors.staff(user_id),
        now=now,
        reason=wish.reason,
        internal_note=wish.internal_note,
        description=wish.description,
        expires_at=wish.expires_at,
        fingerprint=request.POST.get("token", ""),
        idempotency_key=form.idempotency_key(user_id),
    )
    after = points_queries.balance(customer_id=customer.pk, now=timezone.now()).balance
    return f"Points adjusted by {signed(adjustment.points)}. {customer} has {show.points_text(after)} active points."


def own_request(request: HttpRequest, *, customer: Customer, request_id: int) -> AdjustmentRequest:
    """The person's own request that still waits; to others its page alone speaks of it."""
    row = AdjustmentRequest.objects.filter(pk=request_id, customer=customer).first()
    if row is None:
        raise Http404(f"There is no request {request_id} for this customer.")
    if row.requested_by != user_of(request) or row.state != RequestState.WAITING:
        raise PermissionDenied
    return row


def usual_end() -> str:
    """When added points end without a last day of their own, after “Left empty,”."""
    programme = merchant.programme()
    match programme.expiry_mode:
        case ExpiryMode.DAYS:
            return f"they expire {programme.expiry_days} days from today, as earned points do"
        case ExpiryMode.MONTH_END:
            return "they expire at the end of this month, as earned points do"
        case ExpiryMode.YEAR_END:
            return "they expire at the end of this year, as earned points do"
        case ExpiryMode.IDLE:
            return f"they expire after {programme.expiry_days} days without activity, as earned points do"
        case _:
            return "they never expire, as earned points do"


def signed(points: int) -> str:
    return f"{'+' if points > 0 else '−'}{show.points_text(abs(points))}"


def user_of(request: HttpRequest) -> int:
    return int(str(request.user.pk))
