"""The WSGI entry point for gunicorn."""

import codecs
import os
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")

REFUSAL = b"The charset in the Content-Type header cannot hold this text. Send UTF-8."

django = get_wsgi_application()

from loyalty.hooks import short_way  # noqa: E402 (the apps have to be there first)


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Our application; webhooks take a shorter way through it. A charset that names no encoding of texts, such as rot13, is refused: Django fails on it."""
    if fails_on_texts(environ.get("CONTENT_TYPE", "")):
        start_response("400 Bad Request", [("Content-Type", "text/plain; charset=utf-8")])
        return [REFUSAL]
    if short_way.takes(environ):
        return short_way.application(environ, start_response)
    return django(environ, start_response)


def fails_on_texts(content_type: str) -> bool:
    """Whether the charset names a codec that Django would use and that cannot decode any text at all."""
    charset = parse_header_parameters(content_type)[1].get("charset", "utf-8")
    try:
        codecs.lookup(charset)
    except (LookupError, ValueError):
        return False  # unknown to us: Django passes over it
    try:
        b"a=\x80".decode(charset, "replace").encode(charset, "replace")
    except (LookupError, UnicodeError):
        return True
    return False
