"""All rewards, to look through: by category, by a word, those within reach first."""

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from loyalty.cockpit import window
from loyalty.cockpit.access import Visit, customers_only
from loyalty.points import queries as points


@require_safe
@customers_only
def rewards(visit: Visit) -> HttpResponse:
    """What the address asks for, of what this customer can see. An excluded customer is offered nothing."""
    query = visit.request.GET
    balance = points.holdings(customer_id=visit.customer.pk, now=visit.now).balance
    offers = window.offers(visit, balance)
    return visit.render(
        "cockpit/rewards.html",
        balance=balance,
        offers=window.chosen(offers, query),
        has_offers=bool(offers),
        shelves=window.links(offers, query),
        everything=window.address(query),
        asked=query.get(window.CATEGORY, ""),
        search=window.asked(query),
    )
