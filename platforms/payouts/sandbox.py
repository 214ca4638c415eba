"""Payouts through the sandbox shop, seen as any other provider."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from loyalty.common import money
from platforms import http
from platforms.adapter import (
    Access,
    Answer,
    CredentialField,
    Outcome,
    Refusal,
    WebhookRejected,
)
from platforms.http import HttpAnswer
from platforms.payouts.provider import (
    AccountInfo,
    PayoutCapabilities,
    PayoutMessage,
    PayoutOrder,
    PayoutReport,
    PayoutStatus,
)
from platforms.redaction import said
from platforms.sandbox import reading, webhook
from platforms.sandbox.reading import Unreadable

TOPIC = "payout.updated"
NOT_A_SHOP = "Something answers at this address, but it is not a sandbox shop. Enter the shop's own address."


class SandboxPayouts:
    """The sandbox shop as a provider. References are unique there, so sending one again pays nothing twice."""

    key: ClassVar[str] = "sandbox"
    label: ClassVar[str] = "Sandbox"
    capabilities: ClassVar[PayoutCapabilities] = PayoutCapabilities()
    credential_fields: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(name="token", label="Shop token", help_text="The value of the shop's SANDBOX_ADMIN_TOKEN."),
    )

    def __init__(self, access: Access) -> None:
        self._access = access

    def submit(self, order: PayoutOrder) -> Answer[PayoutReport]:
        body = {
            "reference": order.reference,
            "amount": money.written(order.amount, order.currency),
            "currency": order.currency,
            "email": order.receiver.email,
            "title": order.title[:200],
        }
        answer = self._call("POST", "/api/payouts", body=body)
        if not answer.ok:
            return _failure(answer)
        try:
            return answer.success(report(answer.data))
        except Unreadable as error:
            return answer.unusable(str(error))

    def query(self, order: PayoutOrder) -> Answer[PayoutReport | None]:
        answer = self._call("GET", "/api/payouts", params={"reference": order.reference})
        if not answer.ok:
            return _failure(answer)
        try:
            found = [report(entry) for entry in reading.objects(answer.data, "payouts")]
        except Unreadable as error:
            return answer.unusable(str(error))
        return answer.success(next((one for one in found if one.reference == order.reference), None))

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> PayoutMessage:
        data = webhook.verified(headers=headers, body=body, now=now, secrets=self._access.webhook_secrets)
        try:
            event_id, topic = reading.text(data, "event_id"), reading.text(data, "topic")
            told = report(reading.child(data, "payout"))
            occurred_at = reading.instant(data, "occurred_at")
        except Unreadable as error:
            raise WebhookRejected(f"The webhook cannot be read: {error}.", code="malformed") from None
        if topic != TOPIC or not event_id:
            raise WebhookRejected(
                f"The webhook cannot be read: its topic is not {TOPIC}, or its event_id is empty.", code="malformed"
            )
        return PayoutMessage(
            event_id=event_id, topic=topic, occurred_at=occurred_at, reference=told.reference, report=told
        )

    def test_connection(self) -> Answer[AccountInfo]:
        answer = self._call("GET", "/api/shop")
        if not answer.ok:
            return _failure(answer)
        try:
            is_sandbox = reading.text(answer.data, "platform") == "sandbox"
            name, currency = reading.text(answer.data, "name"), reading.text(answer.data, "currency")
        except Unreadable:
            is_sandbox, name, currency = False, "", ""
        if not is_sandbox:
            return _rejected(answer, Refusal.NOT_FOUND, NOT_A_SHOP)
        if self._access.currency and currency != self._access.currency:
            ours = self._access.currency
            reason = f"{name} pays in {currency}, but this account is set to {ours}. Change the account."
            return _rejected(answer, Refusal.INVALID, reason)
        return answer.success(AccountInfo(name=name, currency=currency, detail="Sandbox, for trials and tests."))

    def _call(self, method: str, path: str, **options: Any) -> HttpAnswer:
        headers = {"authorization": f"Bearer {self._access.credentials.get('token', '')}"}
        return http.call(self._access, method, path, headers=headers, who="The provider", **options)


def report(data: Any) -> PayoutReport:
    """Raises Unreadable."""
    status = reading.count(data, "status")
    if status not in {each.value for each in PayoutStatus}:
        raise Unreadable(f"status {status} is unknown")
    return PayoutReport(
        reference=reading.text(data, "reference"),
        status=PayoutStatus(status),
        remote_id=reading.text(data, "id"),
        code=said(reading.text(data, "code"), secrets=(), longest=40),
        message=said(reading.text(data, "message"), secrets=(), longest=120),
        amount=reading.decimal(data, "amount"),
        currency=reading.text(data, "currency"),
        updated_at=reading.instant(data, "updated_at"),
    )


def _failure(answer: HttpAnswer) -> Answer[Any]:
    error = answer.data.get("error") if isinstance(answer.data, dict) else None
    code = error.get("code") if isinstance(error, dict) else ""
    if answer.outcome is not Outcome.REJECTED or not isinstance(error, dict):
        return answer.failure()
    refusals = {
        "duplicate_reference": Refusal.DUPLICATE_CODE,
        "not_found": Refusal.NOT_FOUND,
        "unauthorized": Refusal.UNAUTHORIZED,
    }
    if code == "unauthorized":
        return answer.failure(refusal=Refusal.UNAUTHORIZED, reason="The provider refused our token. Enter it again.")
    message = answer.said(error.get("message"))
    return answer.failure(
        refusal=refusals.get(str(code), Refusal.INVALID), reason=f"The provider refused: {message}" if message else ""
    )


def _rejected(answer: HttpAnswer, refusal: Refusal, reason: str) -> Answer[Any]:
    return Answer(outcome=Outcome.REJECTED, refusal=refusal, reason=reason, observed=answer.observed)
