"""The way of a webhook from the web server to the door past Django's middleware, which it needs nothing of.

No session, no user, no page: in a burst they would be half of what a delivery costs. Whatever is not plainly a delivery,
or came in a way that Django would send elsewhere or refuse, takes the usual way.
"""

import json
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any

from django.db import connection

from loyalty.hooks import door, gate


def takes(environ: dict[str, Any]) -> bool:
    """Whether this request goes the short way."""
    if environ["REQUEST_METHOD"] != "POST" or gate.key_of(environ.get("PATH_INFO", "")) is None:
        return False
    return gate.is_welcome(scheme=str(environ.get("wsgi.url_scheme")), header=lambda name: str(environ.get(name, "")))


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request that `takes` has let through."""
    is_payouts, key = gate.key_of(environ["PATH_INFO"]) or (False, "")
    length = environ.get("CONTENT_LENGTH") or "0"
    try:
        reply = door.receive(
            is_payouts=is_payouts,
            key=key,
            length=length,
            headers=_headers(environ),
            read=partial(_read, environ, length),
        )
    finally:
        if not connection.in_atomic_block:  # else it is whoever's that began the transaction
            connection.close_if_unusable_or_obsolete()
    body = json.dumps(reply.said).encode()
    head = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("X-Content-Type-Options", "nosniff"),
    ]
    start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", head)
    return [body]


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    """The headers as Django names them, in lower case."""
    found = {
        name[5:].replace("_", "-").lower(): str(value) for name, value in environ.items() if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            found[name.replace("_", "-").lower()] = str(environ[name])
    return found


def _read(environ: dict[str, Any], length: str) -> bytes:
    """The whole body. Raises OSError for one that breaks off."""
    body = bytes(environ["wsgi.input"].read(int(length)))
    if len(body) < int(length):
        raise OSError("The body ended before its length.")
    return body
