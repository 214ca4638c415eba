"""One conversation with WooCommerce's REST API: HTTPS, the key, one deadline, and what its refusals mean.

A refusal of WordPress or WooCommerce is JSON with a `code`; its message is translated, so it is shown and never read.
An answer without such a code comes from something in front of the shop, or from no WordPress at all.
"""

import base64
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from platforms import http
from platforms.adapter import Access, Answer, Outcome, Refusal
from platforms.http import HttpAnswer

INDEX = "/wp-json/"
API = "/wp-json/wc/v3"

PLAIN_HTTP = (
    "WooCommerce takes keys over HTTPS only, so nothing was sent. Enter the shop's address with https://. If the shop "
    "has no certificate yet, get one from its host and correct both addresses in WordPress under Settings, General."
)
TOO_SLOW = "The shop was too slow to be asked everything in time."
WRONG_KEY = (
    "The shop does not know this consumer key, or never saw it. Copy key and secret again from WooCommerce, Settings, "
    "Advanced, REST API. If they are right, its web server drops the Authorization header: ask its host to pass it on."
)
KEY_REFUSED = (
    "The shop knows the consumer key but refused it: the secret is wrong, or the key may only write. Make a new key in "
    "WooCommerce, Settings, Advanced, REST API, with the permissions Read/Write."
)
READ_ONLY = (
    "The key may only read. In WooCommerce, Settings, Advanced, REST API, open the key and set its permissions to "
    "Read/Write."
)
NO_RIGHTS = (
    "The WordPress user behind the key may not do this. In WooCommerce, Settings, Advanced, REST API, make the key for "
    "an administrator or a shop manager."
)
BLOCKED = (
    "Something in front of the shop refused us before WooCommerce was asked: a firewall, a security plugin, or a "
    "password on the whole site. Let it pass requests to /wp-json with the user agent LoyaltyDesk."
)
NOTHING_THERE = (
    "Nothing answers at /wp-json below this address. Check the address, and that WordPress has pretty permalinks: "
    "Settings, Permalinks, anything but Plain."
)
NOT_WOOCOMMERCE = (
    "WordPress answers, but without WooCommerce's REST API v3. Activate WooCommerce (7.9 or newer) in WordPress under "
    "Plugins, or enter the address of the site that has the shop."
)

_REFUSALS = {
    "woocommerce_rest_coupon_code_already_exists": Refusal.DUPLICATE_CODE,
    "woocommerce_rest_shop_coupon_invalid_id": Refusal.NOT_FOUND,
    "woocommerce_rest_shop_order_invalid_id": Refusal.NOT_FOUND,
    "woocommerce_rest_product_invalid_id": Refusal.NOT_FOUND,
    "woocommerce_rest_shop_webhook_invalid_id": Refusal.NOT_FOUND,
}
# What a plugin threw while the coupon was being saved. The row may have been written before.
_HALF_DONE = "woocommerce_rest_shop_coupon_not_created"


class Conversation:
    """The calls one adapter method makes. All of them together take no longer than `access.timeout`."""

    def __init__(self, access: Access) -> None:
        address = access.base_url.strip().rstrip("/").removesuffix(INDEX.rstrip("/"))
        self._access = replace(access, base_url=address)
        self._ends_at = time.monotonic() + access.timeout

    def ask(self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Any = None) -> HttpAnswer:
        """One question below the API's address, with the key."""
        key = self._access.credentials.get("consumer_key", "").strip()
        secret = self._access.credentials.get("consumer_secret", "").strip()
        pair = base64.b64encode(f"{key}:{secret}".encode()).decode()
        # Some shops cache what they answer; proof that there is no code must be fresh.
        headers = {"authorization": f"Basic {pair}", "cache-control": "no-cache"}
        return self._call(method, API + path, headers=headers, params=params, body=body)

    def ask_openly(self, path: str, *, params: Mapping[str, str] | None = None) -> HttpAnswer:
        """A question anybody may ask. WordPress itself takes our key for a wrong password, so it is not sent."""
        return self._call("GET", path, headers={"cache-control": "no-cache"}, params=params, body=None)

    @property
    def seconds_left(self) -> float:
        return self._ends_at - time.monotonic()

    def _call(self, method: str, path: str, **options: Any) -> HttpAnswer:
        if not self._access.base_url.lower().startswith("https://"):
            return HttpAnswer(outcome=Outcome.NOT_SENT, reason=PLAIN_HTTP)
        left = self.seconds_left
        if left <= 0:
            return HttpAnswer(outcome=Outcome.NOT_SENT, reason=TOO_SLOW)
        return http.call(replace(self._access, timeout=left), method, path, **options)


def error_code(answer: HttpAnswer) -> str:
    """WordPress's own word for a refusal; empty when somebody else answered."""
    if answer.ok or not isinstance(answer.data, Mapping):
        return ""
    code = answer.data.get("code")
    return code if isinstance(code, str) else ""


def is_missing(answer: HttpAnswer) -> bool:
    """Whether WooCommerce itself says that there is no such coupon, order, product or webhook."""
    return answer.outcome is Outcome.REJECTED and _REFUSALS.get(error_code(answer)) is Refusal.NOT_FOUND


def failure(answer: HttpAnswer, *, writing: bool = False) -> Answer[Any]:
    """What went wrong, in the adapter's words, with a sentence of its own for each misconfiguration."""
    code = error_code(answer)
    if answer.outcome is not Outcome.REJECTED:
        return answer.failure()
    if code == _HALF_DONE:
        said = answer.said(answer.data.get("message"))
        reason = f"A plugin of the shop failed while the coupon was saved: {said}. It may or may not be there."
        return Answer(outcome=Outcome.UNKNOWN, reason=reason, observed=answer.observed)
    if answer.status in {401, 403}:
        return answer.failure(refusal=Refusal.UNAUTHORIZED, reason=_unauthorized(answer, code, writing=writing))
    if code == "rest_no_route":
        return answer.failure(refusal=Refusal.NOT_FOUND, reason=NOT_WOOCOMMERCE)
    if not code:
        nothing = answer.status in {404, 405, 410}
        return answer.failure(reason=NOTHING_THERE if nothing else "")
    said = answer.said(answer.data.get("message"))
    return answer.failure(refusal=_REFUSALS.get(code), reason=f"The shop refused: {said or code[:100]}")


def refusal_within(answer: HttpAnswer, error: Mapping[str, Any]) -> Answer[Any]:
    """The same for one thing of several that were sent together: its refusal stands inside a good answer."""
    data = error.get("data")
    status = data.get("status") if isinstance(data, Mapping) else None
    whole = status if isinstance(status, int) and 400 <= status < 500 else 400
    return failure(replace(answer, outcome=Outcome.REJECTED, status=whole, data=error), writing=True)


def has_next_page(answer: HttpAnswer) -> bool:
    """Whether the shop says that another page follows this one."""
    return 'rel="next"' in answer.headers.get("link", "")


def relay(answer: Answer[Any], *, reason: str = "") -> Answer[Any]:
    """The same failure as the answer to a larger question."""
    return replace(answer, value=None, reason=reason or answer.reason)


def rejected(answer: HttpAnswer, refusal: Refusal, reason: str) -> Answer[Any]:
    """A refusal of ours, with the evidence of the exchange it came from."""
    return Answer(outcome=Outcome.REJECTED, refusal=refusal, reason=reason, observed=answer.observed)


def unknown(answer: HttpAnswer, reason: str) -> Answer[Any]:
    """Nobody can say what the shop did; somebody has to look."""
    return Answer(outcome=Outcome.UNKNOWN, reason=reason, observed=answer.observed)


def _unauthorized(answer: HttpAnswer, code: str, *, writing: bool) -> str:
    if code == "woocommerce_rest_authentication_error":
        return f"{READ_ONLY} Or its secret is wrong." if writing else KEY_REFUSED
    if code.startswith("woocommerce_rest_"):
        return WRONG_KEY if answer.status == 401 else NO_RIGHTS
    return BLOCKED
