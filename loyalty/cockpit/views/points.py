"""Every change of the customer's points."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from loyalty.cockpit.access import Visit, customers_only
from loyalty.points import queries
from loyalty.points.models import PointsTransaction

ROWS = 25
REWARDS = ("redeemed_reward", "reverses__redeemed_reward")


@require_safe
@customers_only
def history(visit: Visit) -> HttpResponse:
    """Newest first, page by page."""
    changes = queries.history(customer_id=visit.customer.pk).select_related(*REWARDS)
    page = Paginator(changes, ROWS).get_page(visit.request.GET.get("page"))
    rows = [(row, queries.describe(transaction=row), _reward(row)) for row in page]
    balance = queries.balance(customer_id=visit.customer.pk, now=visit.now)
    return visit.render("cockpit/points.html", page=page, rows=rows, balance=balance)


def _reward(row: PointsTransaction) -> str:
    """The reward that was paid with these points, or that they came back from."""
    redeemed = getattr(row.reverses or row, "redeemed_reward", None)
    return _("“%(name)s”") % {"name": redeemed.name} if redeemed is not None else ""
