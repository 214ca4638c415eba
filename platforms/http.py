"""One HTTP client for every shop: it asks once, within a deadline, and says what became of it.

Nothing is retried and no redirect is followed: the domain decides what to do next. What is logged is the method, the
host, the path, the status and the time; never a header, a query string or a body.
"""

import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpcore2
import httpx2

from platforms import bodies, lines, wire
from platforms.adapter import Access, Answer, Observed, Outcome, Refusal
from platforms.redaction import excerpt_of, said
from platforms.wire import (
    AddressNotAllowed,
    HostNotFound,
    OutOfTime,
)

logger = logging.getLogger("platforms.http")
for _chatty in ("httpx2", "httpcore2"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)  # theirs would show query strings and headers

USER_AGENT = "LoyaltyDesk/0.1"
LONGEST_WAIT = 86_400.0
KEPT_HEADERS = frozenset(
    {
        "content-type", "date", "link", "location", "retry-after",
        "x-rate-limit-requests-left", "x-rate-limit-requests-quota", "x-rate-limit-time-reset-ms",
    }
)  # fmt: skip
REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-correlation-id", "paypal-debug-id")
UNCERTAIN = "It may or may not have done it."

T = TypeVar("T")


# The last three happen before anything is sent: a line break or a letter in a credential that no header may hold.
_FORESEEN = (
    AddressNotAllowed,
    HostNotFound,
    OutOfTime,
    bodies.Unreadable,
    httpcore2.NetworkError,
    httpcore2.TimeoutException,
    httpcore2.ProtocolError,
    httpx2.InvalidURL,
    UnicodeError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What became of one request. `data` is the parsed JSON body when there was one, decimals as Decimal.

    OK means 2xx with an empty or readable body. `reason` is a sentence for staff whenever the outcome is not OK.
    """

    outcome: Outcome
    status: int | None = None
    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    request_id: str = ""
    excerpt: str = ""
    reason: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)  # what no sentence may repeat
    who: str = "The shop"

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def observed(self) -> Observed:
        return Observed(status=self.status, request_id=self.request_id, excerpt=self.excerpt)

    def said(self, message: Any) -> str:
        """A message in the answer, fit to stand in a sentence for staff."""
        return said(message, secrets=self.secrets)

    def about(self, part: Any) -> "HttpAnswer":
        """The same, with this part alone as its evidence: the whole tells of the codes of many people."""
        return replace(self, excerpt=excerpt_of(part, secrets=self.secrets))

    def success(self, value: T) -> Answer[T]:
        """An OK answer with this value and this request's evidence."""
        return Answer(outcome=Outcome.OK, value=value, observed=self.observed)

    def failure(self, *, refusal: Refusal | None = None, reason: str = "") -> Answer[Any]:
        """The same outcome in the adapter's words; `refusal` and `reason` override what the status suggests."""
        rejected = self.outcome is Outcome.REJECTED
        return Answer(
            outcome=self.outcome,
            refusal=(refusal or _refusal(self.status)) if rejected else None,
            reason=reason or self.reason,
            retry_after=self.retry_after if self.outcome is Outcome.THROTTLED else None,
            observed=self.observed,
        )

    def unusable(self, what: str) -> Answer[Any]:
        """The shop said OK, but its answer cannot be read: nobody knows what it did."""
        return Answer(
            outcome=Outcome.UNKNOWN,
            reason=f"{self.who}'s answer could not be understood: {what}. Check that the address is right.",
            observed=self.observed,
        )


def call(
    access: Access,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    body: Any = None,
    form: Mapping[str, str] | None = None,
    who: str = "The shop",
) -> HttpAnswer:
    """Send one request to the shop at `access.base_url` and say what became of it. Never raises for the network.

    `path` starts with a slash and has its variable parts already quoted; `body` is sent as JSON unless None, bytes as
    they are, and `form` as a form. `who` begins the sentences for staff: whom they know at this address. Where the shop
    has a pace, the call waits for its turn within its time; a turn that is too far away is THROTTLED, and nothing sent.
    """
    started = time.monotonic()
    fault = wire.fault_of_address(access.base_url, allow_private_addresses=access.allow_private_addresses, who=who)
    if fault:
        logger.info("%s refused before sending: %s", method, fault)
        return _not_sent(fault)
    if access.pace is not None:
        if wait := access.pace.enter(patience=access.timeout / 2):
            return HttpAnswer(outcome=Outcome.THROTTLED, retry_after=wait, reason=who + _OUR_PACE, who=who)
        access = replace(access, timeout=access.timeout - (time.monotonic() - started))
    own_headers = {"user-agent": USER_AGENT, "accept": "application/json", "accept-encoding": "gzip"}
    options = {
        "headers": own_headers | dict(headers or {}),
        "params": dict(params) if params else None,
        "json": None if isinstance(body, bytes) else body,
        "content": body if isinstance(body, bytes) else None,
        "data": dict(form) if form else None,
    }
    answer = _exchange(access, method, path, who=who, options=options)
    milliseconds = round((time.monotonic() - started) * 1000)
    logger.info(
        "%s %s%s %s status=%s %dms id=%s",
        method,
        urlsplit(access.base_url).hostname,
        path.partition("?")[0],
        answer.outcome.value,
        answer.status,
        milliseconds,
        answer.request_id or "-",
    )
    return answer


def _exchange(access: Access, method: str, path: str, *, who: str, options: dict[str, Any]) -> HttpAnswer:
    response: httpcore2.Response | None = None
    heard: dict[str, str] = {}
    content, problem, sent = b"", "", False
    try:
        request = httpx2.Request(method, _url(access.base_url.rstrip("/") + path), **options)
        with lines.to(request.url, allow_private_addresses=access.allow_private_addresses) as line:
            try:
                response = line.ask(request, seconds=access.timeout)
                heard = bodies.headers(response)
                content = bodies.read(response, encoding=heard.get("content-encoding", ""))
            finally:
                sent = line.wire.sent
                if response is not None:
                    response.close()
    except _FORESEEN as error:
        problem = _explain(error, who=who)
    if response is not None:
        secrets = (*access.credentials.values(), *access.webhook_secrets)
        status = response.status
        return _classify(status, heard, content, method=method, problem=problem, secrets=secrets, who=who)
    if not sent:
        return _not_sent(f"{who} at {urlsplit(access.base_url).hostname} could not be asked: {problem}.")
    return HttpAnswer(outcome=Outcome.UNKNOWN, reason=f"{who} was asked, but {problem}. {UNCERTAIN}", who=who)


def _explain(error: Exception, *, who: str) -> str:
    """The clause that follows "could not be asked:" or "was asked, but"."""
    if isinstance(error, AddressNotAllowed):
        return f"{error}. Use {_inside(who)}'s public address"
    if isinstance(error, bodies.Unreadable):
        return str(error)
    return next((clause for kinds, clause in _CLAUSES if isinstance(error, kinds)), _UNSENDABLE)


_CLAUSES = (
    (HostNotFound, "no host has that name. Check the address"),
    (httpcore2.ConnectError, "nothing answers there, or not safely. Check that it runs, its address and certificate"),
    ((OutOfTime, httpcore2.TimeoutException), "it did not answer in time"),
    ((httpcore2.NetworkError, httpcore2.RemoteProtocolError), "the connection broke before it answered"),
)
_UNSENDABLE = "the address or the credentials hold characters that cannot be sent. Enter them again"


@lru_cache(maxsize=512)
def _url(address: str) -> httpx2.URL:
    """Taken apart once: most questions to a shop have the same few addresses."""
    return httpx2.URL(address)


def _inside(who: str) -> str:
    """The same name in the middle of a sentence."""
    return f"the {who[4:]}" if who.startswith("The ") else who


def _classify(
    status: int,
    headers: Mapping[str, str],
    content: bytes,
    *,
    method: str,
    problem: str,
    secrets: tuple[str, ...],
    who: str,
) -> HttpAnswer:
    data, readable = bodies.parse(content)
    wait = retry_after(headers.get("retry-after", ""))
    # A 503 with a wait may come from a proxy whose shop had begun: only a question was surely not acted on.
    throttled = status in {425, 429} or (status == 503 and wait is not None and method == "GET")
    problem = problem or ("" if readable else "its answer was not JSON")
    outcome, reason = (Outcome.THROTTLED, who + _WAIT) if throttled else _verdict(status, problem=problem, who=who)
    if 300 <= status < 400:
        target = _host_of(headers.get("location", ""))
        page = target or "another page"
        reason = f"{who}'s address leads on to {page}. Enter the address of {_inside(who)} itself."
    return HttpAnswer(
        outcome=outcome,
        status=status,
        data=data,
        headers={name: headers[name] for name in KEPT_HEADERS & headers.keys()},
        retry_after=wait,
        request_id=_request_id(headers),
        excerpt=excerpt_of(data if readable and data is not None else content, secrets=secrets),
        reason=reason,
        secrets=secrets,
        who=who,
    )


def _verdict(status: int, *, problem: str, who: str) -> tuple[Outcome, str]:
    if 200 <= status < 300:
        if not problem:
            return Outcome.OK, ""
        return Outcome.UNKNOWN, f"{who} accepted the request, but {problem}. {UNCERTAIN}"
    if status >= 500 or status == 408:
        return Outcome.UNKNOWN, f"{who} failed with status {status}. {UNCERTAIN}"
    return Outcome.REJECTED, who + _SENTENCES.get(status, f" refused the request with status {status}.")


# What follows the name of whom was asked.
_WAIT = " asks us to wait before asking again."
_OUR_PACE = " may be asked so many times a second, and others of our calls are before this one: nothing was sent yet."
_WRONG_CREDENTIALS = " refused our credentials. Enter them again in the connection's settings."
_NOTHING_THERE = " knows no such thing, or nothing is at this address."
_SENTENCES = {401: _WRONG_CREDENTIALS, 403: _WRONG_CREDENTIALS, 404: _NOTHING_THERE, 410: _NOTHING_THERE}


def _refusal(status: int | None) -> Refusal:
    by_status = {401: Refusal.UNAUTHORIZED, 403: Refusal.UNAUTHORIZED, 404: Refusal.NOT_FOUND, 410: Refusal.NOT_FOUND}
    by_status |= {400: Refusal.INVALID, 422: Refusal.INVALID}
    return by_status.get(status or 0, Refusal.OTHER)


def _not_sent(reason: str) -> HttpAnswer:
    return HttpAnswer(outcome=Outcome.NOT_SENT, reason=reason)


def retry_after(text: str) -> float | None:
    text = text.strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,3})?", text, re.ASCII):
        return min(float(text), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _host_of(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "")[:253]
    except ValueError:
        return ""


def _request_id(headers: Mapping[str, str]) -> str:
    found = next((headers[name] for name in REQUEST_ID_HEADERS if name in headers), "")
    return re.sub(r"[^\w.:/-]", "", found, flags=re.ASCII)[:100]
