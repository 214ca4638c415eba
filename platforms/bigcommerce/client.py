"""One conversation with a BigCommerce store: its address, the token, the quota, and one deadline for all calls.

Two calls of BigCommerce delete everything there is: DELETE on the coupons and on the gift certificates without an id.
Every request of this package goes through `Conversation.ask`, which sends a DELETE to one promotion, one code of a
promotion or one webhook, and to nothing else; no other module here can reach the network.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from platforms import http
from platforms.adapter import Access, Answer, Outcome, Refusal
from platforms.http import HttpAnswer
from platforms.pace import Pace

ADDRESS = (
    "The shop's address must be the API path that BigCommerce shows with the API account, such as "
    "https://api.bigcommerce.com/stores/abc123. It is not the address of the storefront. Correct the connection."
)
NOT_BIGCOMMERCE = (
    "This address answers, but not as BigCommerce's API does. Enter the API path that BigCommerce shows with the API "
    "account, such as https://api.bigcommerce.com/stores/abc123."
)
SLOW = "The shop was too slow to be asked everything in time."
OVERLOADED = "BigCommerce is overloaded and asks us to wait before asking again."
QUOTA = "The store's quota of requests, which all its apps share, is used up for the moment."
LOCKED = "The store is locked by another change at the moment. It is asked again shortly."
PLAN = "The store's BigCommerce plan allows no more of these. Delete old ones there, or change the plan."
OVERLOAD_SECONDS = 60.0
LOCKED_SECONDS = 5.0
LONGEST_WAIT = 3600.0

_STORE = re.compile(r"(https?://[^/?#]+/stores/([A-Za-z0-9]{1,40}))(?:/v[23])?/?", re.ASCII)
_ONE_THING = re.compile(r"/v3/(?:promotions/[1-9]\d{0,17}(?:/codes/[1-9]\d{0,17})?|hooks/[1-9]\d{0,17})", re.ASCII)
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE"})


class NotOneThing(ValueError):
    """A DELETE that does not name exactly one thing we may delete: a fault of ours; nothing was sent."""


def store_hash(base_url: str) -> str:
    """The store's name in the API's addresses; empty when the address is not one of a store."""
    found = _STORE.fullmatch(base_url.strip())
    return found[2] if found else ""


class Conversation:
    """The calls one adapter method makes. All of them together take no longer than `access.timeout`."""

    def __init__(self, access: Access) -> None:
        found = _STORE.fullmatch(access.base_url.strip())
        self._access = replace(access, base_url=found[1]) if found else None
        self._token = access.credentials.get("access_token", "").strip()
        self._store = found[2] if found else ""
        self._ends_at = time.monotonic() + access.timeout
        self._spent: HttpAnswer | None = None  # the answer that said the quota is used up

    def ask(self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Any = None) -> HttpAnswer:
        """Send one request. Raises NotOneThing for a DELETE that could take more than one thing along."""
        if method not in _METHODS or (method == "DELETE" and (params or not _ONE_THING.fullmatch(path))):
            raise NotOneThing(f"{method} {path}")
        if self._access is None:
            return HttpAnswer(outcome=Outcome.NOT_SENT, reason=ADDRESS)
        left = self._ends_at - time.monotonic()
        if left <= 0:
            return HttpAnswer(outcome=Outcome.NOT_SENT, reason=SLOW)
        if self._spent is not None:
            # Asking on would be refused, and cost the store's other apps.
            return replace(self._spent, outcome=Outcome.THROTTLED, retry_after=_reset(self._spent), reason=QUOTA)
        headers = {"x-auth-token": self._token}
        answer = http.call(replace(self._access, timeout=left), method, path, headers=headers, params=params, body=body)
        if answer.headers.get("x-rate-limit-requests-left") == "0":
            self._spent = answer
        _heed_quota(answer, self._access.pace)
        return _judged(answer, store=self._store)


def relay(answer: Answer[Any], *, reason: str = "") -> Answer[Any]:
    """The same failure as the answer to a larger question."""
    return replace(answer, value=None, reason=reason or answer.reason)


def ok(answer: HttpAnswer | Answer[Any], value: Any) -> Answer[Any]:
    return Answer(outcome=Outcome.OK, value=value, observed=answer.observed)


def rejected(answer: HttpAnswer | Answer[Any], refusal: Refusal, reason: str) -> Answer[Any]:
    """A refusal of ours or the shop's, with the evidence of the exchange it came from."""
    return Answer(outcome=Outcome.REJECTED, refusal=refusal, reason=reason, observed=answer.observed)


def unknown(answer: HttpAnswer | Answer[Any], reason: str) -> Answer[Any]:
    """Nobody can say what the shop did; somebody has to look."""
    return Answer(outcome=Outcome.UNKNOWN, reason=reason, observed=answer.observed)


def said(answer: HttpAnswer) -> str:
    """What the shop says about a refusal: a list of messages from V2, a title and a detail from V3."""
    entry = answer.data[0] if isinstance(answer.data, list) and answer.data else answer.data
    if not isinstance(entry, Mapping):
        return ""
    words = [answer.said(entry.get(name)) for name in ("message", "title", "detail")]
    return ": ".join(dict.fromkeys(filter(None, words)))[:300]


def _judged(answer: HttpAnswer, *, store: str) -> HttpAnswer:
    """The outcome as BigCommerce means its statuses, and a sentence that says what to do."""
    if answer.status == 429:
        wait = _reset(answer)
        reason = QUOTA if wait is not None else OVERLOADED
        return replace(answer, retry_after=OVERLOAD_SECONDS if wait is None else wait, reason=reason)
    if answer.status == 423:
        return replace(answer, outcome=Outcome.THROTTLED, retry_after=LOCKED_SECONDS, reason=LOCKED)
    if answer.status == 507:
        return replace(answer, outcome=Outcome.REJECTED, reason=PLAN)
    if answer.outcome is not Outcome.REJECTED:
        return answer
    return replace(answer, reason=_refused(answer, store=store))


def _refused(answer: HttpAnswer, *, store: str) -> str:
    if answer.status == 401:
        return (
            f"BigCommerce refused the access token for the store {store}. Copy it again from the API account, and check "
            "that the account belongs to this store and still exists (Settings, Store-level API accounts)."
        )
    if answer.status == 403:
        return (
            "The access token works, but lacks a permission that this needs. Make a new API account in BigCommerce "
            "under Settings, Store-level API accounts (an existing one cannot be changed); Test connection lists "
            "what is missing."
        )
    words = said(answer)
    return f"The shop refused: {words}" if words else answer.reason


def _heed_quota(answer: HttpAnswer, pace: Pace | None) -> None:
    """When half of the quota, which the store's other apps use too, is spent, spread the rest over the time it is for."""
    left, quota, reset = _count(answer, "left"), _count(answer, "quota"), _reset(answer)
    if pace is None or left is None or not reset:
        return
    if not left:
        pace.rest(seconds=reset)
    elif quota is None or left < quota / 2:
        pace.tell(rate=left / reset, seconds=reset)


def _count(answer: HttpAnswer, name: str) -> int | None:
    text = answer.headers.get(f"x-rate-limit-requests-{name}", "")
    return int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else None


def _reset(answer: HttpAnswer) -> float | None:
    """How many seconds until the quota is whole again; None when BigCommerce does not say."""
    text = answer.headers.get("x-rate-limit-time-reset-ms", "")
    if re.fullmatch(r"\d{1,9}", text, re.ASCII) is None:
        return None
    return min(int(text) / 1000, LONGEST_WAIT)
