"""One conversation with Vendure's Admin API: authentication, one deadline, and its three ways to say no.

Vendure answers most refusals with HTTP 200. A refusal stands in the HTTP status, in the `errors` of the answer, or in
the place of the result as an `ErrorResult`; the first two are read here, the third by `refused_result`.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from platforms import http, redaction
from platforms.adapter import Access, Answer, Outcome, Refusal

ADMIN_API = "/admin-api"

_REFUSALS = {
    "FORBIDDEN": Refusal.UNAUTHORIZED,
    "UNAUTHORIZED": Refusal.UNAUTHORIZED,
    "ENTITY_NOT_FOUND": Refusal.NOT_FOUND,
    "CHANNEL_NOT_FOUND": Refusal.INVALID,
    "USER_INPUT_ERROR": Refusal.INVALID,
    "BAD_USER_INPUT": Refusal.INVALID,
    "GRAPHQL_VALIDATION_FAILED": Refusal.INVALID,
    "GRAPHQL_PARSE_FAILED": Refusal.INVALID,
}

FORBIDDEN = (
    "The shop refused the API key. Check that it was copied whole and was not revoked, that its role has the "
    "permissions CreatePromotion, ReadPromotion, UpdatePromotion, DeletePromotion and ReadOrder, and that the shop "
    "accepts API keys (authOptions.tokenMethod must include 'api-key')."
)
NOT_VENDURE = (
    "This address answers, but not as a Vendure shop does: nothing usable is at /admin-api. Enter the address of the "
    "Vendure server itself, without /admin-api."
)
NO_SUCH_CHANNEL = "The shop has no channel with this token. Copy the channel token from the shop's channel page."
TOO_OLD = "The shop does not understand our questions, so it is not Vendure 3.6 or newer. Update the shop. It said: "


class Conversation:
    """The calls one adapter method makes. All of them together take no longer than `access.timeout`."""

    def __init__(self, access: Access) -> None:
        self._access = replace(access, base_url=access.base_url.rstrip("/").removesuffix(ADMIN_API))
        self._ends_at = time.monotonic() + access.timeout

    def ask(self, document: str, **variables: Any) -> Answer[dict[str, Any]]:
        """Send one document. OK carries its `data`; `errors` are refusals or, when the shop broke, unknown."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            return Answer(outcome=Outcome.NOT_SENT, reason="The shop was too slow to be asked everything in time.")
        headers = {"vendure-api-key": self._access.credentials.get("api_key", "").strip()}
        channel = self._access.credentials.get("channel_token", "").strip()
        if channel:
            headers["vendure-token"] = channel
        answer = http.call(
            replace(self._access, timeout=left),
            "POST",
            ADMIN_API,
            headers=headers,
            body={"query": document, "variables": variables},
        )
        return _read(answer)


def relay(answer: Answer[Any], *, reason: str = "") -> Answer[Any]:
    """The same failure as the answer to a larger question."""
    return replace(answer, value=None, reason=reason or answer.reason)


def rejected(answer: Answer[Any], refusal: Refusal, reason: str) -> Answer[Any]:
    """A refusal of ours or the shop's, with the evidence of the exchange it came from."""
    return Answer(outcome=Outcome.REJECTED, refusal=refusal, reason=reason, observed=answer.observed)


def unknown(answer: Answer[Any], reason: str) -> Answer[Any]:
    """Nobody can say what the shop did; somebody has to look."""
    return Answer(outcome=Outcome.UNKNOWN, reason=reason, observed=answer.observed)


def refused_result(answer: Answer[dict[str, Any]], field: str, *, expected: str) -> Answer[Any] | None:
    """The refusal that stands in the place of a result, or None when the result is what was asked for."""
    result = answer.value.get(field) if answer.value else None
    kind = result.get("__typename") if isinstance(result, Mapping) else None
    if not isinstance(result, Mapping) or kind is None:
        return unknown(answer, f"The shop's answer has no usable {field}. It may or may not have done it.")
    if kind == expected:
        return None
    words = redaction.said(result.get("message") or result.get("errorCode") or kind, secrets=())
    return rejected(answer, Refusal.INVALID, f"The shop refused: {words or 'no reason given'}")


def _read(answer: http.HttpAnswer) -> Answer[dict[str, Any]]:
    errors = answer.data.get("errors") if isinstance(answer.data, Mapping) else None
    if isinstance(errors, list) and errors and (answer.ok or answer.outcome is Outcome.REJECTED):
        return _refused(answer, errors)
    if not answer.ok:
        missing = answer.outcome is Outcome.REJECTED and answer.status in {301, 302, 307, 308, 400, 404, 405, 410}
        return answer.failure(refusal=Refusal.NOT_FOUND, reason=NOT_VENDURE) if missing else answer.failure()
    data = answer.data.get("data") if isinstance(answer.data, Mapping) else None
    if not isinstance(data, dict):
        return Answer(outcome=Outcome.UNKNOWN, reason=NOT_VENDURE, observed=answer.observed)
    return answer.success(data)


def _refused(answer: http.HttpAnswer, errors: list[Any]) -> Answer[dict[str, Any]]:
    codes = [_code(error) for error in errors]
    first = errors[0] if isinstance(errors[0], Mapping) else {}
    said = answer.said(first.get("message"))
    if any(code not in _REFUSALS for code in codes):
        reason = f"The shop failed inside: {said or 'no reason given'}. It may or may not have done it."
        return Answer(outcome=Outcome.UNKNOWN, reason=reason, observed=answer.observed)
    sentences = {
        Refusal.UNAUTHORIZED: FORBIDDEN,
        Refusal.NOT_FOUND: f"The shop knows no such thing: {said}",
        Refusal.INVALID: f"The shop refused: {said}",
    }
    refusal = _REFUSALS[codes[0]]
    reason = sentences[refusal]
    if codes[0].startswith("GRAPHQL_"):
        reason = TOO_OLD + said
    elif codes[0] == "CHANNEL_NOT_FOUND":
        reason = NO_SUCH_CHANNEL
    return Answer(outcome=Outcome.REJECTED, refusal=refusal, reason=reason, observed=answer.observed)


def _code(error: Any) -> str:
    extensions = error.get("extensions") if isinstance(error, Mapping) else None
    return str(extensions.get("code", "")) if isinstance(extensions, Mapping) else ""
