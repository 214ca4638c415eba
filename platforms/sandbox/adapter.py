"""The sandbox shop, seen as any other platform."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from platforms import http
from platforms.adapter import (
    DISCOUNTS,
    Access,
    Answer,
    BulkDiscounts,
    Capabilities,
    CodePage,
    CodeSpec,
    CredentialField,
    DiscountKind,
    OrderPage,
    Outcome,
    PlatformCode,
    Refusal,
    ShopInfo,
    ShopOrder,
    WebhookMessage,
)
from platforms.http import HttpAnswer
from platforms.sandbox import reading, webhook
from platforms.sandbox.reading import Unreadable

PAGE_SIZE = 100
CODES_PER_PAGE = 250
MOST_CODES = 250  # of one call
NOT_A_SHOP = "Something answers at this address, but it is not a sandbox shop. Enter the shop's own address."


class SandboxAdapter:
    """A sandbox shop behind HTTP. Codes are unique there ignoring case, so creating again is safe."""

    key: ClassVar[str] = "sandbox"
    label: ClassVar[str] = "Sandbox shop"
    capabilities: ClassVar[Capabilities] = Capabilities(
        kinds=frozenset(DiscountKind),
        collections=DISCOUNTS,
        binds_customer=True,
        extends=True,
        returns_use_on_cancel=True,
        registers_webhooks=True,
        calls_at_once=200,
        bulk=MOST_CODES,
        bulk_discounts=BulkDiscounts(most=MOST_CODES, kinds=frozenset(DiscountKind), collections=DISCOUNTS),
        steps_to_disable=(
            "Open {shop} and sign in to its staff pages (its address with /admin).",
            "Open Codes and search for {code}.",
            "Press Disable beside it.",
        ),
    )
    code_page: ClassVar[str] = "/admin/codes"
    credential_fields: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(name="token", label="Shop token", help_text="The value of the shop's SANDBOX_ADMIN_TOKEN."),
    )

    def __init__(self, access: Access) -> None:
        self._access = access

    def create_code(self, spec: CodeSpec) -> Answer[PlatformCode]:
        answer = self._call("POST", "/api/codes", body=_code_body(spec))
        return self._made(answer, answer.data, spec) if answer.ok else _failure(answer)

    def create_codes(self, specs: Sequence[CodeSpec]) -> Answer[tuple[Answer[PlatformCode], ...]]:
        """Make several in one call, each as `create_code` would."""
        if len(specs) > MOST_CODES:
            reason = f"A sandbox shop is given {MOST_CODES} codes at once, not {len(specs)}."
            return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=reason)
        answer = self._call("POST", "/api/codes/batch", body={"codes": [_code_body(spec) for spec in specs]})
        if not answer.ok:
            return _failure(answer)
        try:
            entries = reading.objects(answer.data, "codes")
        except Unreadable as error:
            return answer.unusable(str(error))
        if len(entries) != len(specs):
            return answer.unusable(f"it told of {len(entries)} codes, and was sent {len(specs)}")
        return answer.success(
            tuple(self._one_of_many(answer, entry, spec) for entry, spec in zip(entries, specs, strict=True))
        )

    def create_bulk(self, specs: Sequence[CodeSpec]) -> Answer[tuple[Answer[PlatformCode], ...]]:
        """As `create_codes`: a sandbox shop keeps the terms with each code, and knows no discount beside them."""
        if reason := _why_not_one_discount(specs):
            return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=reason)
        return self.create_codes(specs)

    def find_bulk(self, reference: str) -> Answer[tuple[PlatformCode, ...]]:
        """All codes with this reference, page by page."""
        found: list[PlatformCode] = []
        cursor, more = "", True
        while more:
            page = self._listed(cursor, reference=reference)
            if page.value is None:
                return Answer(
                    outcome=page.outcome, refusal=page.refusal, reason=page.reason, retry_after=page.retry_after
                )
            found += page.value.codes
            cursor, more = page.value.cursor, page.value.more
        return Answer(outcome=Outcome.OK, value=tuple(found))

    def find_code(self, code: str) -> Answer[PlatformCode | None]:
        answer = self._call("GET", "/api/codes", params={"code": code})
        if not answer.ok:
            return _failure(answer)
        try:
            found = [reading.code(entry) for entry in reading.objects(answer.data, "codes")]
        except Unreadable as error:
            return answer.unusable(str(error))
        return answer.success(next((one for one in found if one.code.casefold() == code.casefold()), None))

    def list_codes(self, cursor: str) -> Answer[CodePage]:
        """In the order of their texts, which never change; the cursor is the last text."""
        return self._listed(cursor)

    def _listed(self, cursor: str, *, reference: str = "") -> Answer[CodePage]:
        params = {"after": cursor, "reference": reference, "limit": str(CODES_PER_PAGE)}
        answer = self._call("GET", "/api/code-list", params=params)
        if not answer.ok:
            return _failure(answer)
        try:
            found = tuple(reading.code(entry) for entry in reading.objects(answer.data, "codes"))
            next_cursor, more = reading.text(answer.data, "cursor"), reading.flag(answer.data, "more")
        except Unreadable as error:
            return answer.unusable(str(error))
        return answer.success(CodePage(codes=found, cursor=next_cursor, more=more))

    def disable_code(self, code: str, remote_id: str) -> Answer[PlatformCode | None]:
        if remote_id:
            answer = self._disable(remote_id)
            if answer.outcome is not Outcome.REJECTED or answer.status != 404:
                return self._disabled(answer)
        found = self.find_code(code)
        if not found.ok or found.value is None or not _is_meant(found.value, remote_id):
            return found
        return self._disabled(self._disable(found.value.remote_id))

    def extend_code(self, code: str, remote_id: str, expires_at: datetime) -> Answer[PlatformCode | None]:
        if remote_id:
            answer = self._extend(remote_id, expires_at)
            if _error_code(answer) != "not_found":
                return self._extended(answer)
        found = self.find_code(code)
        if not found.ok or found.value is None or not _is_meant(found.value, remote_id):
            return found
        return self._extended(self._extend(found.value.remote_id, expires_at))

    def read_order(self, external_id: str) -> Answer[ShopOrder | None]:
        answer = self._call("GET", f"/api/orders/{quote(external_id, safe='')}")
        if _error_code(answer) == "not_found":
            return Answer(outcome=Outcome.OK, value=None, observed=answer.observed)
        if not answer.ok:
            return _failure(answer)
        try:
            return answer.success(reading.order(answer.data))
        except Unreadable as error:
            return answer.unusable(str(error))

    def orders_since(self, cursor: str) -> Answer[OrderPage]:
        """The cursor is the shop's own sequence number of changes, so no clock is involved and none is missed."""
        answer = self._call("GET", "/api/orders", params={"updated_after": cursor, "limit": str(PAGE_SIZE)})
        if not answer.ok:
            return _failure(answer)
        try:
            orders, unread = reading.orders(reading.objects(answer.data, "orders"))
            next_cursor, more = reading.text(answer.data, "cursor"), reading.flag(answer.data, "more")
        except Unreadable as error:
            return answer.unusable(str(error))
        return answer.success(OrderPage(orders=tuple(orders), unread=tuple(unread), cursor=next_cursor, more=more))

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> WebhookMessage:
        return webhook.parse(headers=headers, body=body, now=now, secrets=self._access.webhook_secrets)

    def test_connection(self) -> Answer[ShopInfo]:
        answer = self._call("GET", "/api/shop")
        if not answer.ok:
            nowhere = answer.status in {200, 400, 404, 405, 410} and not _error_code(answer)
            return answer.failure(reason=NOT_A_SHOP) if nowhere else _failure(answer)
        try:
            is_sandbox = reading.text(answer.data, "platform") == "sandbox"
            name, currency = reading.text(answer.data, "name"), reading.text(answer.data, "currency")
        except Unreadable:
            is_sandbox, name, currency = False, "", ""
        if not is_sandbox:
            return _rejected(answer, Refusal.NOT_FOUND, NOT_A_SHOP)
        if self._access.currency and currency != self._access.currency:
            ours = self._access.currency
            reason = f"{name} sells in {currency}, but this connection is set to {ours}. Change the connection."
            return _rejected(answer, Refusal.INVALID, reason)
        return answer.success(ShopInfo(name=name, currency=currency, detail="Sandbox shop, for trials and tests."))

    def ensure_webhooks(self, url: str) -> Answer[None]:
        answer = self._call("PUT", "/api/webhook", body={"url": url})
        return Answer(outcome=Outcome.OK, observed=answer.observed) if answer.ok else _failure(answer)

    def _call(self, method: str, path: str, **options: Any) -> HttpAnswer:
        headers = {"authorization": f"Bearer {self._access.credentials.get('token', '')}"}
        return http.call(self._access, method, path, headers=headers, **options)

    def _one_of_many(self, answer: HttpAnswer, entry: Any, spec: CodeSpec) -> Answer[PlatformCode]:
        own = answer.about(entry)
        if isinstance(entry, Mapping) and "error" in entry:
            return _failure(replace(own, outcome=Outcome.REJECTED, data=entry))
        return self._made(own, entry, spec)

    def _made(self, answer: HttpAnswer, entry: Any, spec: CodeSpec) -> Answer[PlatformCode]:
        """The code as the shop made it, when it is what we asked for."""
        try:
            code = reading.code(entry)
        except Unreadable as error:
            return answer.unusable(str(error))
        difference = _difference(code, spec)
        return self._withdraw(answer, code, difference) if difference else answer.success(code)

    def _disable(self, remote_id: str) -> HttpAnswer:
        return self._call("POST", f"/api/codes/{quote(remote_id, safe='')}/disable")

    def _extend(self, remote_id: str, expires_at: datetime) -> HttpAnswer:
        path = f"/api/codes/{quote(remote_id, safe='')}/extend"
        return self._call("POST", path, body={"expires_at": expires_at.isoformat()})

    def _extended(self, answer: HttpAnswer) -> Answer[PlatformCode | None]:
        if not answer.ok:
            return _failure(answer)
        try:
            return answer.success(reading.code(answer.data))
        except Unreadable as error:
            return answer.unusable(str(error))

    def _disabled(self, answer: HttpAnswer) -> Answer[PlatformCode | None]:
        if _error_code(answer) == "not_found":
            return Answer(outcome=Outcome.OK, value=None, observed=answer.observed)
        if not answer.ok:
            return _failure(answer)
        try:
            code = reading.code(answer.data)
        except Unreadable as error:
            return answer.unusable(str(error))
        return answer.unusable("the code is still usable") if code.alive else answer.success(code)

    def _withdraw(self, answer: HttpAnswer, code: PlatformCode, difference: str) -> Answer[PlatformCode]:
        """The shop stored something else than we asked for: nobody may get that code."""
        disabled = self.disable_code(code.code, code.remote_id)
        if not disabled.ok:
            return answer.unusable(f"it stored another {difference}, and the code could not be disabled")
        reason = f"The shop stored another {difference} than we asked for, so the code was disabled there."
        return _rejected(answer, Refusal.INVALID, reason)


def _is_meant(found: PlatformCode, remote_id: str) -> bool:
    """Without an id whoever has that text is meant; where the code of an id is gone, one that we made alone."""
    return not remote_id or bool(found.reference)


def _why_not_one_discount(specs: Sequence[CodeSpec]) -> str:
    """What keeps these from sharing a discount; empty: nothing does."""
    if not all(spec.in_bulk and not spec.customer_email for spec in specs):
        return "Codes of one discount are for anybody. Make one that is a single customer's by itself."
    if len({replace(spec, code="", title="") for spec in specs}) > 1:
        return "Codes of one discount share its terms, and these differ. Make them one by one."
    if any(spec.collections and spec.kind not in DISCOUNTS for spec in specs):
        return "A sandbox shop limits discounts to collections, and nothing else. Take them out of the reward."
    return ""


def _code_body(spec: CodeSpec) -> dict[str, Any]:
    values: dict[str, Any] = {
        "code": spec.code,
        "kind": spec.kind.value,
        "title": spec.title[:200],
        "reference": spec.reference,
        "currency": spec.currency,
        "percent": None if spec.percent is None else reading.plain(spec.percent),
        "amount": None if spec.amount is None else reading.plain(spec.amount),
        "product": spec.product_reference or None,
        "minimum_order": None if spec.minimum_order is None else reading.plain(spec.minimum_order),
        "collections": list(spec.collections) or None,
        "customer_email": spec.customer_email,
        "starts_at": None if spec.starts_at is None else spec.starts_at.isoformat(),
        "expires_at": None if spec.expires_at is None else spec.expires_at.isoformat(),
    }
    limit = None if spec.kind is DiscountKind.GIFT_CARD else 1
    return {"usage_limit": limit} | {name: value for name, value in values.items() if value is not None}


def _difference(code: PlatformCode, spec: CodeSpec) -> str:
    """What the shop stored otherwise than asked, in one or two words; empty when it is all the same."""
    pairs = {
        "code": (code.code.casefold(), spec.code.casefold()),
        "reference": (code.reference, spec.reference),
        "percentage": (code.percent, spec.percent),
        "amount": (code.amount, spec.amount),
        "product": (code.product_reference, spec.product_reference),
        "minimum order": (code.minimum_order or None, spec.minimum_order or None),
        "choice of collections": (code.collections, tuple(sorted(spec.collections))),
        "expiry": (code.expires_at, spec.expires_at),
    }
    return next((what for what, (stored, asked) in pairs.items() if stored != asked), "")


def _error_code(answer: HttpAnswer) -> str:
    """The shop's own word for a refusal; another server's 404 has none."""
    if answer.outcome is not Outcome.REJECTED or not isinstance(answer.data, dict):
        return ""
    error = answer.data.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) else ""


def _failure(answer: HttpAnswer) -> Answer[Any]:
    code = _error_code(answer)
    if not code:
        return answer.failure()
    refusals = {
        "duplicate_code": Refusal.DUPLICATE_CODE,
        "not_found": Refusal.NOT_FOUND,
        "unauthorized": Refusal.UNAUTHORIZED,
        "refused": Refusal.INVALID,
        "unknown_product": Refusal.INVALID,
        "unknown_collection": Refusal.INVALID,
    }
    if code == "unauthorized":
        return answer.failure(refusal=Refusal.UNAUTHORIZED, reason="The shop refused our token. Enter it again.")
    message = answer.said(answer.data["error"].get("message"))
    return answer.failure(refusal=refusals.get(code), reason=f"The shop refused: {message}" if message else "")


def _rejected(answer: HttpAnswer, refusal: Refusal, reason: str) -> Answer[Any]:
    return Answer(outcome=Outcome.REJECTED, refusal=refusal, reason=reason, observed=answer.observed)
