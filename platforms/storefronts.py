"""On which pages of the shops the customers' pages may stand in a frame: origins, as browsers compare them."""

import re
from urllib.parse import urlsplit

from loyalty.common.errors import DomainError
from platforms.models import MOST_STOREFRONTS, StoreConnection

HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?")
OWN_MACHINE = ("localhost", "127.0.0.1")


class NoOrigin(DomainError):
    """This is no origin of a shop's pages."""

    code = "no_origin"


def origin(text: str) -> str:
    """An origin as browsers write it: https://shop.example.com. Raises NoOrigin, which names what was typed."""
    typed = text.strip().rstrip("/").lower()
    try:
        parts = urlsplit(typed)
        port = parts.port
    except ValueError as error:
        raise NoOrigin(_sentence(text)) from error
    host = parts.hostname or ""
    plain = parts.scheme == "http" and host in OWN_MACHINE
    if (parts.scheme != "https" and not plain) or not HOST.fullmatch(host) or parts.username is not None:
        raise NoOrigin(_sentence(text))
    if parts.path or parts.query or parts.fragment:
        raise NoOrigin(
            f"{text.strip()[:100]!r} has more than a host. Write where the pages begin: {parts.scheme}://{host}."
        )
    usual = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != usual else "")


def read(lines: str) -> list[str]:
    """Origins, one a line. Raises NoOrigin."""
    found = list(dict.fromkeys(origin(line) for line in lines.splitlines() if line.strip()))
    if len(found) > MOST_STOREFRONTS:
        raise NoOrigin(f"{len(found)} addresses are too many: at most {MOST_STOREFRONTS} fit.")
    return found


def allowed() -> list[str]:
    """The origins of all shops that are in use, in their order."""
    rows = StoreConnection.objects.filter(enabled=True).order_by("pk").values_list("storefronts", flat=True)
    return list(dict.fromkeys(each for row in rows for each in row))


def _sentence(text: str) -> str:
    return f"{text.strip()[:100]!r} is no address of a shop’s pages. Write one a line, as https://shop.example.com."
