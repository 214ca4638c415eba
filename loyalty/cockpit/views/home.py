"""The first page: what the customer has, what ends when, and what it buys."""

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from loyalty.cockpit.access import Visit, customers_only
from loyalty.points import queries as points
from rewards import catalogue


@require_safe
@customers_only
def home(visit: Visit) -> HttpResponse:
    """Balance, expiries and offers. An excluded customer is offered nothing."""
    who, now = visit.customer.pk, visit.now
    offers = [] if visit.excluded else catalogue.offers(customer_id=who, now=now, language=visit.language)
    return visit.render(
        "cockpit/home.html",
        balance=points.balance(customer_id=who, now=now),
        expiring=points.expiring(customer_id=who, now=now),
        offers=offers,
    )
