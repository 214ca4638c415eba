"""The customers' pages in a frame on the shop's own pages: who may frame them, and the cookies such a frame has.

A frame begins with a sign-in link that says `embedded=1`. What it gets are cookies of its own: browsers send them across
sites, but only in frames on the same shop's pages (Partitioned), and never to a page that stands by itself. Everything else
keeps `frame-ancestors 'none'` and cookies that stay at home, so that no page of another origin can frame, or ride on, the
session somebody has in a tab.
"""

from collections.abc import Callable
from http.cookies import Morsel
from typing import Any

from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponse

from platforms import storefronts

PREFIX = "embedded_"
NEVER = ("/admin/", "/api/", "/hooks/", "/health/", "/accounts/2fa/")
LINKS = "/sign-in/"
ASKED = "embedded"


class Partitioned(Morsel):
    """A cookie that belongs to the pair of our site and the one that frames it. Python writes the word from 3.14 on."""

    def OutputString(self, attrs: Any = None) -> str:  # noqa: N802 (Python names it so)
        return f"{super().OutputString(attrs)}; Partitioned"


class EmbeddingMiddleware:
    """Stands outside of sessions and CSRF: they see one pair of cookies, whichever it is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        own = {name: value for name, value in request.COOKIES.items() if not name.startswith(PREFIX)}
        framed = {name.removeprefix(PREFIX): value for name, value in request.COOKIES.items() if name not in own}
        embedded = is_embedded(request, has_cookies=bool(framed))
        request.COOKIES = framed if embedded else own
        request.embedded = embedded  # type: ignore[attr-defined]
        response = self.get_response(request)
        return _framed(request, response) if embedded else response


def is_embedded(request: HttpRequest, *, has_cookies: bool) -> bool:
    """Whether this is asked for from within a frame on a shop's page. A page by itself never is, whatever its cookies."""
    if request.path.startswith(NEVER) or request.headers.get("Sec-Fetch-Dest") == "document":
        return False
    return has_cookies or (request.path.startswith(LINKS) and request.GET.get(ASKED) == "1")


def _framed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The answer with the shops' origins in its policy and the cookies of a frame. Without shops it is framed nowhere."""
    for name in list(response.cookies):
        response.cookies[PREFIX + name] = _partitioned(response.cookies.pop(name))
    origins = storefronts.allowed()
    if not origins:
        return response
    del response.headers["X-Frame-Options"]  # it knows no list; the policy says who may
    allowed: Any = csp_replace({"frame-ancestors": origins})(lambda _: response)(request)
    return allowed  # type: ignore[no-any-return]


def _partitioned(cookie: "Morsel[str]") -> "Morsel[str]":
    made: Any = Partitioned()
    made.set(PREFIX + cookie.key, cookie.value, cookie.coded_value)
    made.update({name: value for name, value in cookie.items() if value})
    made.update({"samesite": "None", "secure": True})
    return made  # type: ignore[no-any-return]
