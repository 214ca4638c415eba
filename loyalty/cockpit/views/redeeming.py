"""From "Redeem" to the code: asked once more, done once."""

import uuid
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from loyalty.cockpit.access import Visit, customers_only
from loyalty.cockpit.forms import AddressForm
from loyalty.cockpit.templatetags.cockpit import grouped
from loyalty.common.errors import DomainError
from loyalty.customers import profile
from loyalty.customers.models import ShippingAddress
from loyalty.points import queries as accounts
from loyalty.points.queries import Balance
from rewards import catalogue, limits, pricing, redemption
from rewards.catalogue import Offer
from rewards.models import FulfillmentStatus, Origin, RedeemedReward
from rewards.pricing import Steps

LOOK_AGAIN_SECONDS = 3
SPOKEN = (  # refusals whose sentences speak to customers
    limits.RewardNotAvailable,
    pricing.PriceChanged,
    pricing.ValueChanged,
    pricing.PointsNotAccepted,
    catalogue.PointsOwed,
)


@require_http_methods(["GET", "HEAD", "POST"])
@customers_only
def confirm(visit: Visit, points_product_id: int) -> HttpResponse:
    """What it costs, what is left, what happens; on POST it happens."""
    if visit.excluded:
        return redirect("cockpit:home")
    balance = _balance(visit)
    offer = _offer(visit, points_product_id, balance)
    if visit.request.method == "POST":
        if "show" in visit.request.POST:  # "Show what it buys", where no script does it
            typed = visit.request.POST.get("points", "")
            return redirect(f"{visit.request.path}?{urlencode({'points': typed})}")
        return _post(visit, points_product_id, offer)
    if offer is None:
        raise Http404
    wanted = _whole(visit.request.GET.get("points", ""))
    if offer.steps is not None and wanted is not None and not offer.steps.accepts(wanted):
        return _confirmation(visit, offer, balance, points=wanted, problem=_steps_sentence(offer.steps))
    return _confirmation(visit, offer, balance, points=wanted)


def _post(visit: Visit, points_product_id: int, offer: Offer | None) -> HttpResponse:
    """Check what the page itself asks for, then redeem. An offer that is gone is judged by the domain: see `_redeem`."""
    key = _key(visit.request)
    if offer is not None:
        if key is None:
            return _confirmation(visit, offer, refusal=_("This page was out of date. Nothing was spent: try again."))
        typed = _not_yet_shown(visit.request, offer)
        if typed is not None:
            said = _("You changed how many points to spend. Look at what they buy.")
            return _confirmation(visit, offer, points=typed, refusal=said)
        if offer.needs_address and "line_1" in visit.request.POST:
            form = AddressForm.of(visit.customer, None, visit.request.POST)
            if not form.is_valid():
                return _confirmation(visit, offer, key=key, address_form=form)
            profile.set_address(customer_id=visit.customer.pk, address=form.address(), now=visit.now, actor=visit.actor)
        elif offer.needs_address and _address(visit) is None:
            return _confirmation(visit, offer, key=key, refusal=_("Tell us first where to send it."))
    if key is None:
        raise Http404
    return _redeem(visit, points_product_id, offer, key=key)


def _redeem(visit: Visit, points_product_id: int, offer: Offer | None, *, key: str) -> HttpResponse:
    """Redeem; the same key again leads to the same reward, even when the offer has ended meanwhile."""
    try:
        redeemed = redemption.redeem(
            customer_id=visit.customer.pk,
            points_product_id=points_product_id,
            actor=visit.actor,
            now=visit.now,
            **_agreed(visit.request, offer),
            idempotency_key=f"cockpit:{visit.customer.pk}:{key}",
        )
    except (redemption.RedemptionUnresolved, redemption.RedemptionFailed) as outcome:
        return redirect("cockpit:checking", redeemed_reward_id=outcome.redeemed_reward_id)
    except catalogue.UnknownReward as refusal:
        raise Http404 from refusal
    except DomainError as refusal:
        offer = offer and _offer(visit, points_product_id, _balance(visit))  # as it stands now
        if offer is not None:
            points = _whole(visit.request.POST.get("points", ""))
            return _confirmation(
                visit, offer, refusal=_(offer.reason) if offer.reason else _sentence(refusal), points=points
            )
        messages.error(visit.request, _sentence(refusal))
        return redirect("cockpit:home")
    return _yours(redeemed)


@require_safe
@customers_only
def checking(visit: Visit, redeemed_reward_id: int) -> HttpResponse:
    """A redemption the shop has not answered for, until it is known what became of it."""
    attempt = _own(visit, redeemed_reward_id)
    if attempt.fulfillment_status == FulfillmentStatus.PENDING:
        response = visit.render("cockpit/checking.html", attempt=attempt, seconds=LOOK_AGAIN_SECONDS, status=503)
        response.headers["Retry-After"] = str(LOOK_AGAIN_SECONDS)
        return response
    if attempt.fulfillment_status == FulfillmentStatus.FAILED:
        return visit.render("cockpit/failed.html", attempt=attempt)
    return _yours(attempt)


@require_safe
@customers_only
def state(visit: Visit, redeemed_reward_id: int) -> HttpResponse:
    """Is the answer known yet? For the script that waits on the page above."""
    attempt = _own(visit, redeemed_reward_id)
    return JsonResponse({"known": attempt.fulfillment_status != FulfillmentStatus.PENDING})


def _confirmation(
    visit: Visit,
    offer: Offer,
    balance: Balance | None = None,
    *,
    refusal: str = "",
    key: str | None = None,
    address_form: AddressForm | None = None,
    points: int | None = None,
    problem: str = "",
) -> HttpResponse:
    """The confirmation page. A new key unless the old one was not spent on anything yet.

    `points` are those the customer would spend on a variable cost; `problem` says why they cannot.
    """
    address = _address(visit) if offer.needs_address else None
    if offer.needs_address and address is None and address_form is None:
        address_form = AddressForm.of(visit.customer, None)
    unfit = address_form is not None and address_form.is_bound
    balance = balance or _balance(visit)
    cost = offer.cost_in_points
    if offer.steps is not None and points is not None and offer.steps.accepts(points):
        cost = points
    return visit.render(
        "cockpit/confirm.html",
        offer=offer,
        balance=balance,
        cost=cost,
        affordable=cost <= balance.balance,
        left=balance.balance - cost,
        typed=cost if points is None else points,
        most=offer.steps.most_with(balance.balance) if offer.steps is not None else None,
        worth=offer.steps.worth(cost) if offer.steps is not None else None,
        problem=problem,
        refusal=refusal,
        key=key or str(uuid.uuid4()),
        address=address,
        address_form=address_form,
        status=409 if refusal else 422 if unfit else 200,
    )


def _steps_sentence(steps: Steps) -> str:
    said = {"step": grouped(steps.step), "least": grouped(steps.least)}
    if steps.most is None:
        return _("Choose a multiple of %(step)s, from %(least)s on.") % said
    return _("Choose a multiple of %(step)s, from %(least)s to %(most)s.") % (said | {"most": grouped(steps.most)})


def _yours(redeemed: RedeemedReward) -> HttpResponse:
    return redirect(f"{reverse('cockpit:my_reward', args=[redeemed.pk])}?new")


def _sentence(refusal: DomainError) -> str:
    """What speaks to customers as it is; other refusals speak to staff, and customers hear the outcome alone."""
    if isinstance(refusal, SPOKEN):
        return _(refusal.sentence)
    return _("This reward cannot be redeemed just now.")


def _balance(visit: Visit) -> Balance:
    return accounts.holdings(customer_id=visit.customer.pk, now=visit.now).balance


def _offer(visit: Visit, points_product_id: int, balance: Balance) -> Offer | None:
    try:
        return catalogue.offer(
            customer_id=visit.customer.pk,
            points_product_id=points_product_id,
            now=visit.now,
            language=visit.language,
            known=catalogue.Known(customer=visit.customer, programme=visit.programme, balance=balance),
        )
    except catalogue.UnknownReward:
        return None


def _key(request: HttpRequest) -> str | None:
    """The name the page gave to this one redemption; None when it was tampered with."""
    try:
        return str(uuid.UUID(request.POST.get("key", "")))
    except ValueError:
        return None


def _agreed(request: HttpRequest, offer: Offer | None) -> dict[str, Any]:
    """What the page showed: the price, or the points and what they buy; nothing, as a page of an older release."""
    points = _whole(request.POST.get("points", ""))
    if offer is None or offer.steps is None:
        return {"points_to_spend": points or _whole(request.POST.get("price", ""))}
    if points is None:
        return {}
    step, value = _whole(request.POST.get("step", "")), _whole(request.POST.get("step_value", ""))
    expected = Decimal(points // step * value) if step and value is not None else None
    return {"points_to_spend": points, "expected_value": expected}


def _not_yet_shown(request: HttpRequest, offer: Offer) -> int | None:
    """Points that were typed and could be spent, but are not those whose value the page showed."""
    typed, shown = _whole(request.POST.get("points", "")), _whole(request.POST.get("price", ""))
    if offer.steps is None or typed is None or shown is None or not offer.steps.accepts(typed):
        return None
    return typed if typed != shown else None


def _whole(text: str) -> int | None:
    """A whole number as a page sends it; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _own(visit: Visit, redeemed_reward_id: int) -> RedeemedReward:
    own = RedeemedReward.objects.filter(customer_id=visit.customer.pk, origin=Origin.REDEMPTION)
    return get_object_or_404(own, pk=redeemed_reward_id)


def _address(visit: Visit) -> ShippingAddress | None:
    return ShippingAddress.objects.filter(customer=visit.customer).first()
