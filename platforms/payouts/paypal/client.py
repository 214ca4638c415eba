"""One conversation with PayPal: its token, one deadline, and its ways to say no."""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from platforms import http, tokens
from platforms.adapter import Access, Answer, Outcome, Refusal

WHO = "PayPal"
LIVE, SANDBOX = "https://api-m.paypal.com", "https://api-m.sandbox.paypal.com"
MAY_PAY_OUT = "https://uri.paypal.com/payments/payouts"  # the scope of an app that may

NO_CREDENTIALS = (
    "The client ID or the client secret is missing. Copy both from PayPal's developer dashboard, Apps & Credentials."
)
NOT_PAYPAL = f"This is not an address of PayPal's. Choose {LIVE} or {SANDBOX}: credentials are sent to no other."
WRONG_CLIENT = (
    "PayPal knows no app with this client ID and secret at this address. Copy both again from the developer dashboard, "
    "Apps & Credentials: those of the sandbox and of the live account differ."
)
NOT_ALLOWED = (
    "PayPal does not let this app send payouts. Switch Payouts on for it in the developer dashboard (Apps & "
    "Credentials, the app, Features); a live account needs PayPal's approval first."
)
NOT_THE_API = "This address answers, but not as PayPal does. Choose the address again."
NOTHING_GRANTED = "PayPal was asked for an access token and gave none, so nothing was sent. "
TOO_SLOW = "PayPal was too slow to be asked everything in time."
BY_NAME = {
    "INSUFFICIENT_FUNDS": "There is too little money in the PayPal balance. Add some in PayPal; then it can be tried again.",
    "AUTHORIZATION_ERROR": NOT_ALLOWED,
    "NOT_AUTHORIZED": NOT_ALLOWED,
    "SENDER_RESTRICTED": "PayPal has restricted this account. Sign in to PayPal and open its Resolution Centre.",
    "SENDER_EMAIL_UNCONFIRMED": "The e-mail address of this PayPal account is not confirmed. Confirm it in PayPal.",
}


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    scopes: frozenset[str]


class Conversation:
    """The calls one method makes. All of them together take no longer than `access.timeout`."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._ends_at = time.monotonic() + access.timeout
        given = access.credentials
        self._client = given.get("client_id", "").strip(), given.get("client_secret", "").strip()

    def ask(self, method: str, path: str, *, body: Any = None, params: Mapping[str, str] | None = None) -> Any:
        """The HttpAnswer of one call; an Answer when it could not be made. A token that was refused is renewed once."""
        if wrong := self.fault():
            return Answer(outcome=Outcome.REJECTED, refusal=Refusal.UNAUTHORIZED, reason=wrong)
        client_id, client_secret = self._client
        place = tokens.held(base_url=self._access.base_url, client_id=client_id, client_secret=client_secret)
        answer: http.HttpAnswer | None = None
        for _ in range(2):
            token = self._usable(place)
            if isinstance(token, Answer):
                return token
            left = self._ends_at - time.monotonic()
            if left <= 0:
                return Answer(outcome=Outcome.NOT_SENT, reason=TOO_SLOW)
            answer = self._send(method, path, token, seconds=left, body=body, params=params)
            if answer.status != 401:
                return answer
            with place.lock:
                place.drop(token)
        return answer

    def _send(self, method: str, path: str, token: str, *, seconds: float, **what: Any) -> http.HttpAnswer:
        hidden = {**self._access.credentials, "granted": token}  # no answer may repeat it
        return http.call(
            replace(self._access, timeout=seconds, credentials=hidden),
            method,
            path,
            headers={"authorization": f"Bearer {token}"},
            who=WHO,
            **what,
        )

    def fault(self) -> str:
        """What is wrong with the account's settings; empty when nothing is."""
        if not all(self._client):
            return NO_CREDENTIALS
        hosts = {urlsplit(LIVE).hostname, urlsplit(SANDBOX).hostname}
        if not self._access.allow_private_addresses and _host(self._access.base_url) not in hosts:
            return NOT_PAYPAL
        return ""

    def _usable(self, place: tokens.Held) -> "str | Answer[Any]":
        if not place.lock.acquire(timeout=max(self._ends_at - time.monotonic(), 0.0)):
            return Answer(outcome=Outcome.NOT_SENT, reason=TOO_SLOW)
        try:
            if place.usable():
                return place.usable()
            answer, seconds = self.fetch()
            if answer.value is None:
                return answer
            place.keep(answer.value.text, seconds=seconds)
            return answer.value.text
        finally:
            place.lock.release()

    def fetch(self) -> tuple[Answer[Token], float]:
        """A new token, and how many seconds it lasts. Whatever goes wrong, nothing else was asked."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            return Answer(outcome=Outcome.NOT_SENT, reason=TOO_SLOW), 0.0
        basic = base64.b64encode(":".join(self._client).encode()).decode()
        answer = http.call(
            replace(self._access, timeout=left, credentials={**self._access.credentials, "basic": basic}),
            "POST",
            "/v1/oauth2/token",
            headers={"authorization": f"Basic {basic}"},
            form={"grant_type": "client_credentials"},
            who=WHO,
        )
        if not answer.ok:
            return _no_token(answer), 0.0
        data = answer.data if isinstance(answer.data, Mapping) else {}
        text, scope, seconds = data.get("access_token"), data.get("scope"), _figure(data.get("expires_in"))
        if not isinstance(text, str) or not text or not isinstance(scope, str) or not seconds:
            return Answer(outcome=Outcome.NOT_SENT, reason=NOTHING_GRANTED + NOT_THE_API, observed=answer.observed), 0.0
        return answer.success(Token(text, frozenset(scope.split()))), min(seconds, 86_400.0)


def failure(answer: Any) -> Answer[Any]:
    """What became of a call that was not OK, in words for staff."""
    if isinstance(answer, Answer):
        return answer
    if answer.outcome is not Outcome.REJECTED:
        failed: Answer[Any] = answer.failure()
        return failed
    refusal, reason = _refusal(answer)
    refused: Answer[Any] = answer.failure(refusal=refusal, reason=reason)
    return refused


def _refusal(answer: http.HttpAnswer) -> tuple[Refusal, str]:
    data = answer.data if isinstance(answer.data, Mapping) else {}
    name, words = str(data.get("name") or ""), answer.said(data.get("message"))
    if answer.status == 401:
        return Refusal.UNAUTHORIZED, WRONG_CLIENT
    if answer.status == 404:
        return Refusal.NOT_FOUND, f"PayPal knows no such payout. {words}".strip()
    if name in BY_NAME or answer.status == 403:
        refusal = Refusal.UNAUTHORIZED if answer.status == 403 else Refusal.INVALID
        return refusal, BY_NAME.get(name, NOT_ALLOWED)
    if not name:
        return Refusal.OTHER, answer.reason if answer.status and answer.status < 400 else NOT_THE_API
    issue = answer.said(_first_issue(data))
    return Refusal.INVALID, f"PayPal refused: {' '.join(filter(None, (words, issue)))}"


def _first_issue(data: Mapping[str, Any]) -> Any:
    details = data.get("details")
    first = details[0] if isinstance(details, list) and details else None
    return first.get("issue") if isinstance(first, Mapping) else None


def _no_token(answer: http.HttpAnswer) -> Answer[Any]:
    if answer.outcome is Outcome.UNKNOWN:
        return Answer(outcome=Outcome.NOT_SENT, reason=NOTHING_GRANTED + answer.reason, observed=answer.observed)
    if answer.outcome is not Outcome.REJECTED:
        return answer.failure()
    return answer.failure(
        refusal=Refusal.UNAUTHORIZED, reason=WRONG_CLIENT if answer.status in {400, 401} else NOT_THE_API
    )


def _host(base_url: str) -> str:
    try:
        return urlsplit(base_url).hostname or ""
    except ValueError:
        return ""


def _figure(value: Any) -> float:
    """Seconds, as PayPal counts them; 0 when it is no such figure."""
    usable = isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 < value < 10**9
    return float(value) if usable else 0.0
