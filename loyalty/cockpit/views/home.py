"""The first page: what the customer has, what ends when, and what it buys."""

from dataclasses import dataclass

from django.http import HttpResponse, QueryDict
from django.views.decorators.http import require_safe

from loyalty.cockpit.access import Visit, customers_only
from loyalty.points import queries as points
from rewards import catalogue
from rewards.catalogue import Offer

CATEGORY = "category"


@dataclass(frozen=True, slots=True)
class ShelfLink:
    """A category one can look at, and where that leads."""

    name: str
    address: str
    chosen: bool


@require_safe
@customers_only
def home(visit: Visit) -> HttpResponse:
    """Balance, expiries and offers, of one category if the address names it. An excluded customer is offered nothing."""
    who, now = visit.customer.pk, visit.now
    offers = [] if visit.excluded else catalogue.offers(customer_id=who, now=now, language=visit.language)
    asked = visit.request.GET.get(CATEGORY, "")
    return visit.render(
        "cockpit/home.html",
        balance=points.balance(customer_id=who, now=now),
        expiring=points.expiring(customer_id=who, now=now),
        offers=[offer for offer in offers if not asked or _stands_in(offer, asked)],
        has_offers=bool(offers),
        shelves=_links(offers, asked=asked, query=visit.request.GET),
        everything=_address(visit.request.GET, ""),
        asked=asked,
    )


def _stands_in(offer: Offer, asked: str) -> bool:
    return any(str(shelf.pk) == asked for shelf in offer.shelves)


def _links(offers: list[Offer], *, asked: str, query: QueryDict) -> list[ShelfLink]:
    return [
        ShelfLink(name=shelf.name, address=_address(query, str(shelf.pk)), chosen=str(shelf.pk) == asked)
        for shelf in catalogue.shelves(offers=offers)
    ]


def _address(query: QueryDict, category: str) -> str:
    """This page with another category; whatever else the address says is kept."""
    changed = query.copy()
    changed.pop(CATEGORY, None)
    if category:
        changed[CATEGORY] = category
    return f"?{changed.urlencode()}#offers-title" if changed else "?#offers-title"
