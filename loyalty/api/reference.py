"""The readable reference: pages made from the OpenAPI document, without a script."""

import base64
import hashlib
from functools import cache
from pathlib import Path

from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from loyalty.api import conf
from loyalty.api.v1 import outline

public = cache_control(public=True, max_age=300)


@require_safe
@public
def index(request: HttpRequest) -> HttpResponse:
    """What is the same for every call, and the list of all calls."""
    context = {
        "resources": outline.resources(),
        "topics": outline.topics(),
        "refusals": outline.refusals(),
        "rate": conf.rate_limit(),
        "body_limit": f"{conf.BODY_LIMIT_BYTES:,}",
    }
    with translation.override("en"):
        return render(request, "api/reference.html", context)


@require_safe
@public
def resource(request: HttpRequest, slug: str) -> HttpResponse:
    """The calls of one resource."""
    shown = next((each for each in outline.resources() if each.slug == slug), None)
    if shown is None:
        raise Http404
    with translation.override("en"):
        return render(request, "api/resource.html", {"resources": outline.resources(), "shown": shown})


@require_safe
@public
def desk_js(request: HttpRequest) -> HttpResponse:
    """How a shop puts `desk.js` on its pages: the words to copy, with the digest of the file as it is served now."""
    context = {"resources": outline.resources(), "shown": {"slug": "desk_js"}, "integrity": integrity()}
    with translation.override("en"):
        return render(request, "api/desk_js.html", context)


@cache
def integrity() -> str:
    """What a browser compares the script with before it runs it."""
    found = finders.find("storefront/desk.js")
    digest = hashlib.sha384(Path(str(found)).read_bytes()).digest()
    return f"sha384-{base64.b64encode(digest).decode()}"
