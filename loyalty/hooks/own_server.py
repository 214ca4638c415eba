"""Webhooks at a server of their own: an event loop reads and answers, and what comes together is kept together.

The web server answers the same addresses, one delivery after the other; a proxy that leads `/hooks/` here spares a burst
most of what a delivery costs. Nothing else is answered here.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from loyalty.hooks import door, gate
from loyalty.hooks.door import Delivery, Reply
from loyalty.hooks.grouping import Groups

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

READ_SECONDS = 20.0  # for a whole body; no platform waits as long for its answer
LINGER_SECONDS = 2.0  # for the caller to read a refusal before the connection ends
ALIVE = "/health/live"
TOO_SLOW = door.refused(408, "too_slow")

_RECEIVED = json.dumps(door.RECEIVED.said).encode()


class Gone(Exception):
    """The caller hung up before its body had ended: nobody is left to answer."""


class Application:
    """An ASGI application."""

    def __init__(self) -> None:
        self._groups = Groups()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"Only HTTP is spoken here, not {scope['type']}.")
        headers = _headers(scope["headers"])
        length = headers.get("content-length", "0")
        early = _answered_unread(scope, headers) or door.refused_unread(length)
        try:
            reply = early or await self._answer(scope, receive, headers=headers, length=int(length))
            is_unread = reply is TOO_SLOW or (early is not None and length != "0")
            await _say(reply, receive, send, is_unread=is_unread)
        except Gone:
            return

    async def _answer(self, scope: Message, receive: Receive, *, headers: Mapping[str, str], length: int) -> Reply:
        try:
            async with asyncio.timeout(READ_SECONDS):
                body = await _read(receive, most=length)
        except TimeoutError:
            return TOO_SLOW
        if len(body) != length:
            return door.refused(400, "malformed")
        is_payouts, key = gate.key_of(scope["path"]) or (False, "")
        return await self._groups.take(Delivery(is_payouts=is_payouts, key=key, headers=headers, body=body))


async def _say(reply: Reply, receive: Receive, send: Send, *, is_unread: bool) -> None:
    """Answer. What is unread of the body is not the next request: the connection ends. Raises Gone."""
    body = _RECEIVED if reply is door.RECEIVED else json.dumps(reply.said).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    if reply.status == 405:
        headers.append((b"allow", b"POST"))
    if is_unread:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": is_unread})
    if is_unread:
        await _linger(receive)
        await send({"type": "http.response.body", "body": b""})


async def _linger(receive: Receive) -> None:
    """Let whoever still sends read the answer: an end in the middle of what they send would take it from them. Raises Gone."""
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _answered_unread(scope: Message, headers: Mapping[str, str]) -> Reply | None:
    """The answer to what is no plain delivery; none for one that is."""
    if scope["path"] == ALIVE:
        return Reply(200, {"status": "ok"})
    if gate.key_of(scope["path"]) is None:
        return door.refused(404, "not_found")
    if scope["method"] != "POST":
        return door.refused(405, "method_not_allowed")
    if not gate.is_welcome(scheme=scope.get("scheme", "http"), header=lambda name: headers.get(_plain(name), "")):
        return door.refused(400, "wrong_address")
    return None


async def _read(receive: Receive, *, most: int) -> bytes:
    """The body; of one that is longer than it said, enough to tell. Raises Gone."""
    body = b""
    while len(body) <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body


def _headers(told: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """In lower case; one that came several times is joined, as WSGI does."""
    found: dict[str, str] = {}
    for raw_name, raw_value in told:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _plain(name: str) -> str:
    """WSGI's `HTTP_X_FORWARDED_PROTO` as it stands in a request."""
    return name.removeprefix("HTTP_").replace("_", "-").lower()
