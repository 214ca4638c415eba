"""What we hold about the customer, to take along; and the wish to be forgotten."""

import json
from collections.abc import Iterator
from datetime import datetime

from django.contrib import messages
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from loyalty.cockpit import personal_data
from loyalty.cockpit.access import Visit, customers_only
from loyalty.customers import erasure


@require_http_methods(["GET", "HEAD", "POST"])
@customers_only
def privacy(visit: Visit) -> HttpResponse:
    """The page; on POST the customer asks to be forgotten, or takes that back."""
    who = {"customer_id": visit.customer.pk}
    if visit.request.method != "POST":
        return visit.render("cockpit/privacy.html", asked=erasure.open_request(**who))
    if visit.request.POST.get("wish") == "stay":
        erasure.withdraw(**who, now=visit.now, actor=visit.actor)
        messages.success(visit.request, _("Your request is taken back. Nothing was deleted."))
    elif visit.request.POST.get("wish") == "forget" and "sure" in visit.request.POST:
        erasure.request(**who, now=visit.now, actor=visit.actor)
        messages.success(visit.request, _("We have your request. Until it is done you can take it back here."))
    else:
        messages.error(visit.request, _("Nothing was asked: tick the box first."))
    return redirect("cockpit:privacy")


@require_safe
@customers_only
def download(visit: Visit) -> HttpResponse:
    """All of it as one JSON document, written while it is read: as much memory for ten rows as for a million."""
    pieces = _written(visit.customer.pk, visit.now)
    response = StreamingHttpResponse(pieces, content_type="application/json; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return response  # type: ignore[return-value]  # the two share a base class that says little


def _written(customer_id: int, now: datetime) -> Iterator[str]:
    yield f'{{\n"made_at": {_json(now)}'
    for name, rows in personal_data.sections(customer_id=customer_id, now=now):
        yield f",\n{_json(name)}: ["
        between = "\n"
        for row in rows:
            yield between + _json(row)
            between = ",\n"
        yield "]"
    yield "\n}\n"


def _json(value: object) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
