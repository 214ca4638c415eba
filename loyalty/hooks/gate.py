"""What both servers of webhooks ask of a request before the door sees it: a plain delivery, by TLS, to one of our names."""

import re
from collections.abc import Callable

from django.conf import settings
from django.http.request import split_domain_port, validate_host

PREFIX = "/hooks/"

_PATH = re.compile(r"/hooks/(payouts/)?([^/]{1,200})/?")


def key_of(path: str) -> tuple[bool, str] | None:
    """Whether the address is a payout account's, and its key; none for what is no address of webhooks."""
    found = _PATH.fullmatch(path)
    return (found[1] is not None, found[2]) if found is not None else None


def is_welcome(*, scheme: str, header: Callable[[str], str]) -> bool:
    """Whether Django would neither send it to https first nor refuse its host. `header` takes a name as WSGI spells it."""
    return _is_secure(scheme, header) and validate_host(split_domain_port(header("HTTP_HOST"))[0], _hosts())


def _is_secure(scheme: str, header: Callable[[str], str]) -> bool:
    if not getattr(settings, "SECURE_SSL_REDIRECT", False):
        return True
    if settings.SECURE_PROXY_SSL_HEADER is None:
        return scheme == "https"
    name, wanted = settings.SECURE_PROXY_SSL_HEADER
    return header(name).split(",")[0].strip() == wanted


def _hosts() -> list[str]:
    return list(settings.ALLOWED_HOSTS) or ["localhost", "127.0.0.1", "[::1]"]
