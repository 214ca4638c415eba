"""What failed and waits to be reissued, by reason and shop; each class is reissued as a whole."""

from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from loyalty.common.adminkit import acts as desk_acts
from loyalty.common.adminkit import desk, show
from rewards import reissue
from rewards.admin import acts

URL_NAME = "rewards_redeemedreward_failures"
GRID = "admin:rewards_redeemedreward_changelist"


def view(request: HttpRequest, *, model_admin: desk.DeskAdmin) -> HttpResponse:
    """The classes. Their buttons lead to the confirmation of the act, with every row's own effects."""
    if not request.user.has_perm(acts.Reissue.permission):
        raise PermissionDenied
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": "Failed grants",
        "classes": [drawn(each) for each in reissue.failure_classes()],
        "grid_url": reverse(GRID),
        "action_name": acts.Reissue().action_name,
        "checkbox_name": ACTION_CHECKBOX_NAME,
        "most": desk_acts.MOST_ROWS,
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/rewards/redeemedreward/failures.html", context)


def drawn(each: reissue.FailureClass) -> dict[str, Any]:
    pks = reissue.of_class(code=each.code, connection_id=each.connection_id, limit=desk_acts.MOST_ROWS)
    return {
        "reason": each.reason or "No reason was written down.",
        "shop": each.shop or "No shop",
        "count": show.points_text(each.count),
        "latest": show.instant(each.latest_at),
        "pks": pks,
        "list_url": f"{reverse(GRID)}?{urlencode({'status': 'failed'})}",
    }
