"""Ways to earn: what gives points or rewards, for this customer, now."""

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from loyalty.cockpit import ways
from loyalty.cockpit.access import Visit, customers_only


@require_safe
@customers_only
def earning(visit: Visit) -> HttpResponse:
    """An excluded customer is told of none."""
    return visit.render("cockpit/earning.html", ways=[] if visit.excluded else ways.ways(visit))
