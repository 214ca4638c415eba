"""The first page: what the customer has, what ends when, what is new, and the rewards nearest to them."""

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from loyalty.cockpit import news, window
from loyalty.cockpit.access import Visit, customers_only
from loyalty.points import queries as points
from loyalty.program.tiers import progress

NEAREST = 6


@require_safe
@customers_only
def home(visit: Visit) -> HttpResponse:
    """Balance, expiries, news and some offers. An excluded customer is offered nothing."""
    holdings = points.holdings(customer_id=visit.customer.pk, now=visit.now)
    offers = window.offers(visit, holdings.balance)
    return visit.render(
        "cockpit/home.html",
        balance=holdings.balance,
        expiring=holdings.expiring,
        vip=progress.at_a_glance(customer=visit.customer, programme=visit.programme, now=visit.now),
        news=news.latest(visit),
        offers=offers[:NEAREST],
        has_more=len(offers) > NEAREST,
    )
