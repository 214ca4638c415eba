"""From "Cancel this reward" to the points: asked once more, done once. Only where the merchant allows it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from loyalty.cockpit.access import Visit, customers_only
from loyalty.common.errors import DomainError
from rewards import queries, self_cancellation
from rewards.models import CancellationState, RedeemedReward


@require_http_methods(["GET", "HEAD", "POST"])
@customers_only
def cancel(visit: Visit, redeemed_reward_id: int) -> HttpResponse:
    """What comes back and what stops working; on POST it happens."""
    mine = self_cancellation.own(customer_id=visit.customer.pk, now=visit.now)
    redeemed = get_object_or_404(mine, pk=redeemed_reward_id)
    if visit.request.method == "POST":
        return _cancel(visit, redeemed)
    return _confirmation(visit, redeemed)


def _confirmation(visit: Visit, redeemed: RedeemedReward, *, moved: bool = False) -> HttpResponse:
    try:
        plan = self_cancellation.plan_of(redeemed, programme=visit.programme, now=visit.now)
    except self_cancellation.SelfCancellationRefused:
        return _too_late(visit, redeemed)
    if plan.refusal:
        return _too_late(visit, redeemed)
    return visit.render("cockpit/cancel.html", redeemed=redeemed, plan=plan, moved=moved, status=409 if moved else 200)


def _cancel(visit: Visit, redeemed: RedeemedReward) -> HttpResponse:
    try:
        row = self_cancellation.cancel(
            redeemed_reward_id=redeemed.pk,
            customer_id=visit.customer.pk,
            fingerprint=visit.request.POST.get("plan", ""),
            now=visit.now,
        )
    except DomainError:  # not allowed any more, or another plan by now: the page says which
        mine = self_cancellation.own(customer_id=visit.customer.pk, now=visit.now)
        return _confirmation(visit, get_object_or_404(mine, pk=redeemed.pk), moved=True)
    if row.state == CancellationState.USED_MEANWHILE:
        messages.error(visit.request, _("The code was used meanwhile, so nothing was canceled."))
        return redirect("cockpit:my_reward", redeemed_reward_id=redeemed.pk)
    if row.state == CancellationState.CANCELLING:
        messages.success(
            visit.request,
            _("We are canceling it. Your points come back as soon as the shop has confirmed that the code is dead."),
        )
    else:
        messages.success(visit.request, _("Canceled. Your points are back."))
    return redirect("cockpit:my_rewards")


def _too_late(visit: Visit, redeemed: RedeemedReward) -> HttpResponse:
    messages.error(visit.request, _("This reward can no longer be canceled."))
    shown = queries.for_customer_page(customer_id=visit.customer.pk, now=visit.now).filter(pk=redeemed.pk).exists()
    return redirect("cockpit:my_reward", redeemed_reward_id=redeemed.pk) if shown else redirect("cockpit:my_rewards")
