"""Every change of the customer's points, and when what they have ends."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from loyalty.cockpit import ends, reasons
from loyalty.cockpit.access import Visit, customers_only
from loyalty.points import queries

ROWS = 25
LOTS = 6  # the further ones are folded


@require_safe
@customers_only
def history(visit: Visit) -> HttpResponse:
    """What ends when, lot by lot, as a chart and a table; then the changes, newest first, page by page."""
    changes = reasons.changes(customer_id=visit.customer.pk)
    page = Paginator(changes, ROWS).get_page(visit.request.GET.get("page"))
    rows = [(row, queries.describe(transaction=row), reasons.reward_of(row)) for row in page]
    lots = queries.lots_held(customer_id=visit.customer.pk, now=visit.now)
    told = [(lot, queries.describe(transaction=lot.transaction)) for lot in lots]
    return visit.render(
        "cockpit/points.html",
        page=page,
        rows=rows,
        active=queries.spendable(lots=lots, now=visit.now),
        chart=ends.chart(lots=lots, now=visit.now),
        lots=told[:LOTS],
        further_lots=told[LOTS:],
    )
