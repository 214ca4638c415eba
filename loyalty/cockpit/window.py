"""The rewards as a customer looks through them: what they can have first, by category, by a word."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from django.http import QueryDict

from loyalty.cockpit.access import Visit
from loyalty.points.queries import Balance
from rewards import catalogue
from rewards.catalogue import Known, Offer

CATEGORY, SEARCH = "category", "search"
MOST_WORDS = 8
MOST_LETTERS = 100


@dataclass(frozen=True, slots=True)
class ShelfLink:
    """A category one can look at, and where that leads."""

    name: str
    address: str
    chosen: bool


def offers(visit: Visit, balance: Balance) -> list[Offer]:
    """What this customer can have now, then what lacks the fewest points, then the rest. Nothing when excluded."""
    if visit.excluded:
        return []
    known = Known(customer=visit.customer, programme=visit.programme, balance=balance)
    found = catalogue.offers(customer_id=visit.customer.pk, now=visit.now, language=visit.language, known=known)
    return sorted(found, key=_distance)


def chosen(offers: Iterable[Offer], query: QueryDict) -> list[Offer]:
    """Those in the category and with every word that the address asks for."""
    category = query.get(CATEGORY, "")
    words = _plain(asked(query)).split()[:MOST_WORDS]
    return [
        offer
        for offer in offers
        if (not category or any(str(shelf.pk) == category for shelf in offer.shelves))
        and all(word in _text(offer) for word in words)
    ]


def asked(query: QueryDict) -> str:
    """What is searched for, as it was typed."""
    return query.get(SEARCH, "").strip()[:MOST_LETTERS]


def links(offers: Iterable[Offer], query: QueryDict) -> list[ShelfLink]:
    """A link for each category that holds any of these; whatever else the address says is kept."""
    category = query.get(CATEGORY, "")
    return [
        ShelfLink(name=shelf.name, address=address(query, str(shelf.pk)), chosen=str(shelf.pk) == category)
        for shelf in catalogue.shelves(offers=offers)
    ]


def address(query: QueryDict, category: str = "") -> str:
    """This page with another category, or with all of them."""
    changed = query.copy()
    changed.pop(CATEGORY, None)
    if category:
        changed[CATEGORY] = category
    return f"?{changed.urlencode()}#offers-title" if changed else "?#offers-title"


def _distance(offer: Offer) -> tuple[int, int]:
    if offer.available:
        return 0, 0
    return (1, offer.missing_points) if offer.reason_code == "insufficient_points" else (2, 0)


def _text(offer: Offer) -> str:
    shelves = " ".join(shelf.name for shelf in offer.shelves)
    return _plain(f"{offer.name} {offer.short_description} {offer.brand} {shelves}")


def _plain(text: str) -> str:
    """Without case, accents and widths: "PRAMIE" finds "Prämie"."""
    return "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each)).casefold()
