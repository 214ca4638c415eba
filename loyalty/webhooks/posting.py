"""Post one message within a deadline, to a checked address, and say what became of it. Not inside a transaction.

No redirect is followed, no certificate passed over, no proxy used; of the answer the beginning is read and no more.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpcore2
import httpx2
from django.conf import settings

from loyalty.webhooks import addresses
from platforms import http, lines, redaction, wire

logger = logging.getLogger(__name__)

SECONDS = 10.0  # for everything: name, connection, request, answer
READ_BYTES = 4_096
LONGEST_WAIT = 86_400.0
FORESEEN = (
    wire.AddressNotAllowed,
    wire.HostNotFound,
    wire.OutOfTime,
    httpcore2.NetworkError,
    httpcore2.TimeoutException,
    httpcore2.ProtocolError,
    httpx2.InvalidURL,
    UnicodeError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What became of one message. `reason` is a sentence for staff, empty when it was taken (2xx)."""

    status: int | None = None
    reason: str = ""
    excerpt: str = ""
    milliseconds: int = 0
    retry_after: float | None = None  # seconds the endpoint asks us to wait

    @property
    def taken(self) -> bool:
        return not self.reason

    @property
    def gone(self) -> bool:
        return self.status == 410

    @property
    def overwhelmed(self) -> bool:
        """Whether the endpoint as a whole is in trouble, not this message alone."""
        return self.status is None or self.status == 429 or self.status >= 500


def post(*, url: str, body: bytes, headers: Mapping[str, str], secrets: Sequence[str]) -> Posted:
    """Send it, once. `secrets` are what no excerpt may repeat. Never raises for the network."""
    refused = addresses.fault(url)
    if refused:
        return Posted(reason=f"It was not sent: {refused}")
    began = time.monotonic()
    status, answer, problem, wait = _exchange(url, body, headers)
    posted = Posted(
        status=status,
        reason=problem or _reason(status),
        excerpt=redaction.excerpt_of(answer, secrets=secrets),
        milliseconds=round((time.monotonic() - began) * 1000),
        retry_after=wait,
    )
    logger.info("POST %s status=%s %dms", urlsplit(url).hostname, posted.status, posted.milliseconds)
    return posted


def _exchange(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int | None, bytes, str, float | None]:
    """Status, beginning of the answer, what went wrong on the way, and the wait that was asked for."""
    own = {"user-agent": http.USER_AGENT, "content-type": "application/json", "accept-encoding": "identity"}
    sent = False
    try:
        request = httpx2.Request("POST", url, content=body, headers=own | dict(headers))
        with lines.to(request.url, allow_private_addresses=settings.ALLOW_PRIVATE_WEBHOOK_ADDRESSES) as line:
            try:
                response = line.ask(request, seconds=SECONDS)
                wait = http.retry_after(httpx2.Headers(response.headers).get("retry-after", ""))
                beginning = _beginning(response)
                response.close()
            finally:
                sent = line.wire.sent
    except FORESEEN as error:
        return None, b"", _explain(error, was_sent=sent), None
    return response.status, beginning, "", wait


def _beginning(response: httpcore2.Response) -> bytes:
    """What is said first; a status that came counts, however the rest of the answer ends."""
    found = b""
    try:
        for chunk in response.iter_stream():
            found += chunk
            if len(found) >= READ_BYTES:
                break
    except FORESEEN:
        pass
    return found[:READ_BYTES]


def _explain(error: Exception, *, was_sent: bool) -> str:
    if isinstance(error, wire.AddressNotAllowed):
        return f"It was not sent: {error}."
    if isinstance(error, wire.HostNotFound):
        return "It was not sent: no host has that name. Check the address."
    if was_sent:
        return f"It was sent, and no answer came within {SECONDS:.0f} seconds, or the connection broke."
    if isinstance(error, httpx2.InvalidURL | UnicodeError):
        return "It was not sent: the address cannot be called. Enter it again."
    return "It was not sent: nothing answers there, or not safely. Check that it runs, its address and its certificate."


def _reason(status: int | None) -> str:
    if status is None or 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"The endpoint answered {status}: it leads on elsewhere, and we do not follow. Enter the final address."
    if status == 410:
        return "The endpoint answered 410: it wants no more messages."
    return f"The endpoint answered {status}. Only 200 to 299 means that it took the message."
