"""In which language the customers' pages speak: the one the customer chose, else the one their browser asks for.

Staff pages, the API and the webhooks speak English, whatever a browser asks for.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import parse_accept_lang_header

from loyalty.merchant import queries as merchant

LANGUAGES = (("en", "English"), ("de", "Deutsch"))  # those the pages speak; rewards and mails know more
TRANSLATED = ("de",)
FALLBACK = "en"
ENGLISH_ONLY = ("/admin/", "/api/", "/hooks/", "/health/", "/accounts/2fa/", "/brand/")
CODES = frozenset(code for code, _name in LANGUAGES)
YEAR = 365 * 24 * 60 * 60  # seconds


def chosen(*wishes: str | None) -> str:
    """The first of these languages that the pages speak, in whatever variant; else English."""
    return next((code for wish in wishes if (code := (wish or "").partition("-")[0].lower()) in CODES), FALLBACK)


def wish(request: HttpRequest) -> str | None:
    """What this browser wants of what we speak: chosen here before, else by its settings. None: it does not say."""
    cookie = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME)
    if cookie in CODES:
        return cookie
    for asked, _weight in parse_accept_lang_header(request.headers.get("Accept-Language", "")):
        code = asked.partition("-")[0]
        if code in CODES:
            return code
    return None


def remember(response: HttpResponse, language: str) -> None:
    """Keep the choice in this browser, for pages that do not know the customer yet."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=YEAR,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


class SpeechMiddleware:
    """Speaks to a browser in its language until the page is done. A customer's own choice is heard later, at the door."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(ENGLISH_ONLY):
            return self.get_response(request)
        with translation.override(wish(request) or chosen(merchant.programme().language)):
            response = self.get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language() or FALLBACK)
        patch_vary_headers(response, ("Accept-Language", "Cookie"))
        return response
