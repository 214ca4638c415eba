"""One conversation with Shopify's Admin API: its token, one deadline, and its ways to say no.

Shopify answers most refusals with HTTP 200. A refusal stands in the HTTP status, in the `errors` of the answer (a list,
or a text), or as `userErrors` in the place of a result; the last are read by `refused`. A question that cost too much
is not carried out, so it may be asked again as it was.
"""

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlsplit

from platforms import http, redaction, tokens
from platforms.adapter import Access, Answer, Outcome, Refusal
from platforms.pace import Pace
from platforms.shopify import sentences
from platforms.shopify.values import Unreadable

T = TypeVar("T")

_MYSHOPIFY = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com", re.ASCII)
LONGEST_WAIT = 60.0
SHORTEST_WAIT = 1.0
TOLD_SECONDS = 5.0  # for which a pace holds: each answer tells it anew

_UNFINISHED = frozenset({"INTERNAL_SERVER_ERROR", "TIMEOUT", "MAX_COST_EXCEEDED_WHILE_RUNNING"})
_USER_ERRORS = {"TAKEN": Refusal.DUPLICATE_CODE, "DUPLICATE": Refusal.DUPLICATE_CODE}


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    place: tokens.Held | None  # None: it was pasted, and there is no other


class Conversation:
    """The calls one adapter method makes. All of them together take no longer than `access.timeout`."""

    def __init__(self, access: Access) -> None:
        base_url = access.base_url.rstrip("/").removesuffix("/admin")
        self._access = replace(access, base_url=base_url)
        self._ends_at = time.monotonic() + access.timeout

    def ask(self, document: str, **variables: Any) -> Answer[dict[str, Any]]:
        """Send one document. OK carries its `data`; `errors` are refusals, a wait or, when the shop broke, unknown."""
        wrong = _misconfigured(self._access)
        if wrong:
            return Answer(outcome=Outcome.REJECTED, refusal=Refusal.UNAUTHORIZED, reason=wrong)
        answer: Answer[dict[str, Any]] | None = None
        for _ in range(2):
            token = self._token()
            if isinstance(token, Answer):
                return token
            answer = self._post(document, variables, token)
            if answer.observed.status != 401 or token.place is None:
                return answer
            with token.place.lock:
                token.place.drop(token.text)
        return replace(answer, reason=sentences.ACCESS_WENT_BAD) if answer is not None else _too_late()

    def pause(self, seconds: float) -> bool:
        """Wait so long before the next question. False, and no wait, where no time would be left to ask it."""
        if self._ends_at - time.monotonic() <= seconds:
            return False
        time.sleep(seconds)
        return True

    def _post(self, document: str, variables: dict[str, Any], token: _Token) -> Answer[dict[str, Any]]:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            return _too_late()
        hidden = {**self._access.credentials, "granted": token.text}  # no answer may repeat it
        version = self._access.credentials.get("version", "").strip() or sentences.VERSIONS[0]
        answer = http.call(
            replace(self._access, timeout=left, credentials=hidden),
            "POST",
            f"/admin/api/{version}/graphql.json",
            headers={"x-shopify-access-token": token.text},
            body={"query": document, "variables": variables},
        )
        _heed_cost(answer.data, self._access.pace)
        return _read(answer)

    def _token(self) -> "_Token | Answer[Any]":
        given = self._access.credentials
        pasted = given.get("token", "").strip()
        if pasted:
            return _Token(pasted, None)
        client_id, client_secret = given["client_id"].strip(), given["client_secret"].strip()
        place = tokens.held(base_url=self._access.base_url, client_id=client_id, client_secret=client_secret)
        if not place.lock.acquire(timeout=max(self._ends_at - time.monotonic(), 0.0)):
            return _too_late()
        try:
            return _Token(place.usable(), place) if place.usable() else self._fetch(place, client_id, client_secret)
        finally:
            place.lock.release()

    def _fetch(self, place: tokens.Held, client_id: str, client_secret: str) -> "_Token | Answer[Any]":
        left = self._ends_at - time.monotonic()
        if left <= 0:
            return _too_late()
        answer = http.call(
            replace(self._access, timeout=left),
            "POST",
            "/admin/oauth/access_token",
            body={"client_id": client_id, "client_secret": client_secret, "grant_type": "client_credentials"},
        )
        if not answer.ok:
            return _no_token(answer)
        data = answer.data if isinstance(answer.data, Mapping) else {}
        token, seconds = data.get("access_token"), _figure(data.get("expires_in"))
        if not isinstance(token, str) or not token or seconds is None:
            reason = sentences.NOTHING_GRANTED + "an answer that holds no token."
            return Answer(outcome=Outcome.NOT_SENT, reason=reason, observed=answer.observed)
        place.keep(token, seconds=min(seconds, 86_400.0))
        return _Token(token, place)


def relay(answer: Answer[Any], *, reason: str = "") -> Answer[Any]:
    """The same failure as the answer to a larger question."""
    return replace(answer, value=None, reason=reason or answer.reason)


def done(answer: Answer[Any], value: T) -> Answer[T]:
    return Answer(outcome=Outcome.OK, value=value, observed=answer.observed)


def rejected(answer: Answer[Any], refusal: Refusal, reason: str) -> Answer[Any]:
    """A refusal of ours or the shop's, with the evidence of the exchange it came from."""
    return Answer(outcome=Outcome.REJECTED, refusal=refusal, reason=reason, observed=answer.observed)


def unknown(answer: Answer[Any], reason: str) -> Answer[Any]:
    """Nobody can say what the shop did; somebody has to look."""
    return Answer(outcome=Outcome.UNKNOWN, reason=reason, observed=answer.observed)


def unreadable(answer: Answer[Any], error: Unreadable) -> Answer[Any]:
    """The shop said OK, but its answer lacks what we need."""
    return unknown(answer, f"The shop's answer could not be understood: {error}. Check the address and version.")


def refused(answer: Answer[dict[str, Any]], field: str) -> Answer[Any] | None:
    """The refusal a mutation answered in the place of its result; None when it did as it was told."""
    result = answer.value.get(field) if answer.value else None
    errors = result.get("userErrors") if isinstance(result, Mapping) else None
    if not isinstance(errors, list):
        return unknown(answer, f"The shop's answer has no usable {field}. It may or may not have done it.")
    return refusal(answer, errors) if errors else None


def refusal(answer: Answer[Any], errors: Sequence[Any]) -> Answer[Any]:
    """What Shopify's errors, of which there are some, say of the thing they stand beside."""
    first = errors[0] if isinstance(errors[0], Mapping) else {}
    codes = [str(error.get("code")) for error in errors if isinstance(error, Mapping)]
    words = redaction.said(first.get("message"), secrets=())
    if "INTERNAL_ERROR" in codes:
        return unknown(answer, f"The shop failed inside: {words or 'no reason given'}. It may or may not have done it.")
    kind = next((_USER_ERRORS[code] for code in codes if code in _USER_ERRORS), Refusal.INVALID)
    return rejected(answer, kind, f"The shop refused: {words or 'no reason given'}")


def told(answer: Answer[dict[str, Any]], field: str) -> Answer[dict[str, Any]]:
    """The answer to a change, or the refusal that stands in the place of its result."""
    return answer if answer.value is None else refused(answer, field) or answer


def _misconfigured(access: Access) -> str:
    given = {name: value.strip() for name, value in access.credentials.items()}
    if not given.get("token"):
        pair = (given.get("client_id"), given.get("client_secret"))
        if not all(pair):
            return sentences.HALF_A_PAIR if any(pair) else sentences.NO_CREDENTIALS
    if given.get("version") and given["version"] not in sentences.VERSIONS:
        return sentences.UNKNOWN_VERSION
    if not access.allow_private_addresses and not _MYSHOPIFY.fullmatch(_host(access.base_url)):
        return sentences.NOT_MYSHOPIFY
    return ""


def _host(base_url: str) -> str:
    try:
        return urlsplit(base_url).hostname or ""
    except ValueError:
        return ""


def _no_token(answer: http.HttpAnswer) -> Answer[Any]:
    """Why there is no token. Whatever became of that, the question itself was not sent."""
    if answer.outcome is Outcome.UNKNOWN:
        return Answer(
            outcome=Outcome.NOT_SENT, reason=sentences.NOTHING_GRANTED + answer.reason, observed=answer.observed
        )
    if answer.outcome is not Outcome.REJECTED:
        return answer.failure()
    text = str(answer.data) if answer.data is not None else answer.excerpt
    known = next((sentence for word, sentence in sentences.GRANT_REFUSALS if word in text), "")
    if not known and answer.status in {400, 401}:
        known = sentences.WRONG_CLIENT
    return answer.failure(refusal=Refusal.UNAUTHORIZED, reason=known or sentences.BY_STATUS.get(answer.status or 0, ""))


def _read(answer: http.HttpAnswer) -> Answer[dict[str, Any]]:
    errors = answer.data.get("errors") if isinstance(answer.data, Mapping) else None
    if answer.ok and isinstance(errors, list) and errors:
        return _errors(answer, errors)
    if answer.outcome is Outcome.REJECTED:
        reason = sentences.REFUSED_ACCESS if answer.status == 401 else sentences.BY_STATUS.get(answer.status or 0, "")
        known = answer.status in {401, 402, 403, 423}
        if answer.status in {301, 302, 307, 308, 405, 410}:
            reason = answer.reason if answer.headers.get("location") else sentences.NOT_SHOPIFY
        return answer.failure(refusal=Refusal.UNAUTHORIZED if known else None, reason=reason)
    if not answer.ok:
        return answer.failure()
    data = answer.data.get("data") if isinstance(answer.data, Mapping) else None
    if not isinstance(data, dict) or errors:
        return Answer(outcome=Outcome.UNKNOWN, reason=sentences.NOT_SHOPIFY, observed=answer.observed)
    return answer.success(data)


def _errors(answer: http.HttpAnswer, errors: list[Any]) -> Answer[dict[str, Any]]:
    codes = {_code(error) for error in errors}
    first = errors[0] if isinstance(errors[0], Mapping) else {}
    words = answer.said(first.get("message")) or "no reason given"
    if codes == {"THROTTLED"}:
        return Answer(
            outcome=Outcome.THROTTLED,
            retry_after=_wait(answer.data),
            reason="The shop asks us to wait: we have asked it for much in a short time.",
            observed=answer.observed,
        )
    if "ACCESS_DENIED" in codes:
        reason = f"The app may not do this in the shop. {sentences.WHERE_SCOPES} The shop said: {words}"
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.UNAUTHORIZED, reason=reason, observed=answer.observed)
    if "data" in answer.data or codes & _UNFINISHED:
        reason = f"The shop failed inside: {words}. {http.UNCERTAIN}"
        return Answer(outcome=Outcome.UNKNOWN, reason=reason, observed=answer.observed)
    # Without `data` nothing was carried out: the question was refused as a whole.
    reason = f"The shop does not understand our question, so this program may be too old for it. It said: {words}"
    return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=reason, observed=answer.observed)


@dataclass(frozen=True, slots=True)
class _Cost:
    """In points: what a question cost, what the shop's bucket holds and holds at most, and what flows in each second."""

    wanted: float
    there: float
    restore: float
    most: float | None


def _cost(data: Any) -> _Cost | None:
    extensions = data.get("extensions") if isinstance(data, Mapping) else None
    cost = extensions.get("cost") if isinstance(extensions, Mapping) else None
    bucket = cost.get("throttleStatus") if isinstance(cost, Mapping) else None
    if not isinstance(cost, Mapping) or not isinstance(bucket, Mapping):
        return None
    wanted, there = _figure(cost.get("requestedQueryCost")), _figure(bucket.get("currentlyAvailable"))
    restore = _figure(bucket.get("restoreRate"))
    if wanted is None or there is None or not restore:
        return None
    return _Cost(wanted, there, restore, _figure(bucket.get("maximumAvailable")))


def _wait(data: Mapping[str, Any]) -> float:
    """Seconds until the bucket holds what the question costs."""
    cost = _cost(data)
    if cost is None:
        return SHORTEST_WAIT
    return min(max((cost.wanted - cost.there) / cost.restore, SHORTEST_WAIT), LONGEST_WAIT)


def _heed_cost(data: Any, pace: Pace | None) -> None:
    """When half of the bucket is spent, ask no faster than what flows in pays for."""
    cost = _cost(data)
    if pace is not None and cost is not None and cost.most is not None and cost.there < cost.most / 2:
        pace.tell(rate=cost.restore / max(cost.wanted, 1.0), seconds=TOLD_SECONDS)


def _figure(value: Any) -> float | None:
    """A figure of the shop's that can be counted with; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and found >= 0 else None


def _code(error: Any) -> str:
    extensions = error.get("extensions") if isinstance(error, Mapping) else None
    return str(extensions.get("code", "")) if isinstance(extensions, Mapping) else ""


def _too_late() -> Answer[Any]:
    return Answer(outcome=Outcome.NOT_SENT, reason=sentences.TOO_SLOW)
