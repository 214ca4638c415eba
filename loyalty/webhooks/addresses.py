"""Which addresses may be called. What a host name stands for is checked when it is called, by `platforms.wire`."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from platforms import wire

LONGEST = 500
LOWEST_FREE_PORT = 1024  # below it only 443: the others belong to mail, shells and databases


def fault(url: str) -> str:
    """The sentence that says why an address is refused; empty when it is not."""
    if len(url) > LONGEST or not url.isascii() or any(sign.isspace() or not sign.isprintable() for sign in url):
        return f"The address must be written in plain characters, at most {LONGEST}, without spaces."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "This is not a web address. Write one such as https://example.com/webhooks."
    return _fault(parts, port, private=bool(settings.ALLOW_PRIVATE_WEBHOOK_ADDRESSES))


def _fault(parts: SplitResult, port: int | None, *, private: bool) -> str:
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        return "The address must start with https:// and name a host."
    if parts.username or parts.password or parts.fragment:
        return "The address must not hold a user name, a password or a #. Messages are signed instead."
    return "" if private else _fault_in_public(parts.scheme, parts.hostname, port)


def _fault_in_public(scheme: str, host: str, port: int | None) -> str:
    if scheme == "http":
        return "The address must start with https://: what we tell is not sent over plain http."
    if port is not None and port != 443 and port < LOWEST_FREE_PORT:
        return f"The port {port} is not allowed. Use 443, or one from {LOWEST_FREE_PORT} on."
    if _is_private(host):
        return f"{host} is not on the public internet. Use an address that is."
    return ""


def _is_private(host: str) -> bool:
    """Whether the host is written as an address that is not public, or names this machine."""
    try:
        ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return not wire.is_public(host)
