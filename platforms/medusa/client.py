"""One conversation with Medusa's Admin API: the secret API key, one deadline, and what its refusals mean.

A refusal of Medusa's is JSON with a `type`. Its words are read for one thing only: that a code is taken already, for
which it has no type of its own. An answer without a type comes from another server, or from no such page of Medusa's.
"""

import base64
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from platforms import http
from platforms.adapter import Access, Answer, Outcome, Refusal
from platforms.http import HttpAnswer

ADDRESS_ENDS = ("/admin", "/app")  # what people copy along: the API's and the pages' own part of the address

TOO_SLOW = "The shop was too slow to be asked everything in time."
WRONG_KEY = (
    "The shop refused the API key. Copy it again from Medusa under Settings, Secret API Keys: it starts with sk_, is "
    "shown once, and stops working when somebody revokes it."
)
NO_RIGHTS = (
    "The shop knows the API key but does not let it do this. Give the user who made it the rights to read and write "
    "promotions and campaigns and to read orders and payments, or make a key as another user."
)
NOT_MEDUSA = (
    "This address answers, but not as a Medusa server does: nothing usable is at /admin. Enter the address of the "
    "Medusa server itself, not of the storefront."
)
TOO_OLD = "The shop does not understand what we ask, so it may be older than Medusa 2.12. Update it. It said: "

_TAKEN = re.compile(r"^Promotion with code: .*, already exists", re.DOTALL)
_NOT_UNDERSTOOD = re.compile(r"Unrecognized fields?:", re.IGNORECASE)


class Conversation:
    """The calls one adapter method makes. All of them together take no longer than `access.timeout`."""

    def __init__(self, access: Access) -> None:
        address = access.base_url.strip().rstrip("/")
        for end in ADDRESS_ENDS:
            address = address.removesuffix(end)
        self._access = replace(access, base_url=address)
        self._ends_at = time.monotonic() + access.timeout

    def ask(self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Any = None) -> HttpAnswer:
        """One question, with the key. `path` begins with /admin."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            return HttpAnswer(outcome=Outcome.NOT_SENT, reason=TOO_SLOW)
        key = self._access.credentials.get("api_key", "").strip()
        headers = {"authorization": f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"}
        return http.call(replace(self._access, timeout=left), method, path, headers=headers, params=params, body=body)


def error_type(answer: HttpAnswer) -> str:
    """Medusa's own word for a refusal; empty when it gave none, or somebody else answered."""
    if answer.ok or not isinstance(answer.data, Mapping):
        return ""
    kind = answer.data.get("type")
    return kind if isinstance(kind, str) else ""


def is_missing(answer: HttpAnswer) -> bool:
    """Whether Medusa itself says that it has no such thing."""
    return answer.outcome is Outcome.REJECTED and answer.status == 404 and error_type(answer) == "not_found"


def failure(answer: HttpAnswer) -> Answer[Any]:
    """What went wrong, in the adapter's words, with a sentence of its own for each misconfiguration."""
    if answer.outcome is not Outcome.REJECTED:
        return answer.failure()
    if answer.status in {401, 403}:
        return answer.failure(refusal=Refusal.UNAUTHORIZED, reason=WRONG_KEY if answer.status == 401 else NO_RIGHTS)
    if not error_type(answer):
        elsewhere = answer.status in {400, 404, 405, 410}
        return answer.failure(refusal=Refusal.NOT_FOUND, reason=NOT_MEDUSA) if elsewhere else answer.failure()
    message = answer.data.get("message")
    said = answer.said(message) or error_type(answer)[:100]
    if isinstance(message, str) and _TAKEN.match(message):
        return answer.failure(refusal=Refusal.DUPLICATE_CODE, reason=f"The shop refused: {said}")
    if isinstance(message, str) and _NOT_UNDERSTOOD.search(message):
        return answer.failure(refusal=Refusal.INVALID, reason=TOO_OLD + said)
    return answer.failure(reason=f"The shop refused: {said}")


def relay(answer: Answer[Any]) -> Answer[Any]:
    """The same failure as the answer to a larger question."""
    return replace(answer, value=None)


def rejected(answer: HttpAnswer, refusal: Refusal, reason: str) -> Answer[Any]:
    """A refusal of ours, with the evidence of the exchange it came from."""
    return Answer(outcome=Outcome.REJECTED, refusal=refusal, reason=reason, observed=answer.observed)
