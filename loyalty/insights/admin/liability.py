"""Points outstanding: what all customers hold, what that comes to in money, and when it ends."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import dateformat, timezone

from loyalty.common.adminkit import show
from loyalty.insights import liability
from loyalty.insights.liability import Liability
from loyalty.merchant import queries as merchant

PERMISSION = "points.view_pointstransaction"
PROGRAMME = "merchant.change_programme"
UNKNOWN = "unknown"
PARTS = (
    ("active", "Active", "Can be spent now"),
    ("pending", "Pending", "Earned, and cannot be spent yet"),
    ("held", "Set aside", "For rewards that are being made"),
)


def view(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    now = timezone.now()
    found = liability.outstanding(programme=merchant.programme(), now=now)
    context = {
        **admin.site.each_context(request),
        "title": "Points outstanding",
        "known": found.point_value is not None,
        "total": show.points_text(found.points),
        "total_worth": _worth(found, found.points),
        "sum": _sum(found),
        "parts": [(label, hint, *_both(found, getattr(found, name))) for name, label, hint in PARTS],
        "endings": [
            (dateformat.format(each.month, "M Y") if each.month else "Never", *_both(found, each.points))
            for each in found.endings
        ],
        "now": show.instant_text(now),
        "programme_url": reverse("admin:merchant_programme_changelist") if request.user.has_perm(PROGRAMME) else "",
    }
    return TemplateResponse(request, "admin/insights/liability.html", context)


def _both(found: Liability, points: int) -> tuple[str, str]:
    return show.points_text(points), _worth(found, points)


def _worth(found: Liability, points: int) -> str:
    worth = found.worth(points)
    return UNKNOWN if worth is None else show.money_text(worth, found.currency)


def _sum(found: Liability) -> str:
    """How the money comes about."""
    if found.point_value is None:
        return "Nobody has said what a point is worth, so what this comes to in money is unknown."
    value = f"{found.point_value.normalize():f} {found.currency}"
    return f"{show.points_text(found.points)} points × {value} = {_worth(found, found.points)}"
