"""Paytm's disbursals into wallets, whose four statuses are the ones in the grid. Rupees only.

Written from Paytm's public description and tried against our stand-in alone. Paytm refuses an order's id that it has
seen, so the same order is sent again to find out what became of it; and as it does not say by which code, every refusal
is followed by the question whether it has that order. Its answers and callbacks carry a checksum over the whole body.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlsplit

from platforms import http
from platforms.adapter import Access, Answer, CredentialField, Outcome, Refusal, WebhookRejected
from platforms.http import HttpAnswer
from platforms.payouts import reading
from platforms.payouts.paytm import checksum
from platforms.payouts.provider import (
    AccountInfo,
    PayoutCapabilities,
    PayoutMessage,
    PayoutOrder,
    PayoutReport,
    PayoutStatus,
)
from platforms.payouts.reading import Unreadable
from platforms.redaction import said

WHO, CURRENCY = "Paytm", "INR"
LIVE, STAGING = "https://dashboard.paytm.com", "https://staging-dashboard.paytm.com"
SEND, ASK = "/bpay/api/v1/disburse/order/wallet/gratification", "/bpay/api/v1/disburse/order/query"
LEAST, MOST = Decimal(1), Decimal(200_000)
STATUSES: dict[str, PayoutStatus] = {
    "ACCEPTED": PayoutStatus.ACCEPTED,
    "SUCCESS": PayoutStatus.PAID,
    "FAILURE": PayoutStatus.FAILED,
    "CANCELLED": PayoutStatus.FAILED,
    "PENDING": PayoutStatus.PENDING,
    "QUEUED": PayoutStatus.PENDING,
}
NO_CREDENTIALS = "The merchant ID, the merchant key or the sub-wallet is missing. Copy them from Paytm's dashboard, Payouts, Developer."
NO_KEY = (
    "The merchant key is not one of Paytm's: it has 16, 24 or 32 plain characters. Copy it again from the dashboard."
)
NOT_PAYTM = f"This is not an address of Paytm's. Choose {LIVE} or {STAGING}: requests are signed for no other."
WRONG_KEY = (
    "Paytm refused our signature. Copy the merchant ID and the merchant key again from its dashboard: those of staging and "
    "of the live account differ."
)
NOT_THE_API = "This address answers, but not as Paytm does. Choose the address again."
ONLY_RUPEES = "Paytm pays in rupees only. Set the currency of the account and of its rewards to INR."
NO_RECEIVER = "Paytm finds people by an Indian mobile number or an e-mail address, and neither is known. Add one first."
NOBODYS = "LOYALTYDESKTEST"  # an order that nobody has: asking for it shows whether we are let in


class PaytmPayouts:
    """One merchant's sub-wallet."""

    key: ClassVar[str] = "paytm"
    label: ClassVar[str] = "Paytm wallet"
    capabilities: ClassVar[PayoutCapabilities] = PayoutCapabilities(
        addresses=((LIVE, "Live: real money"), (STAGING, "Staging: for trying out")),
        takes_phone=True,
        webhook_secret=False,
        webhook_help="Paytm is told this address with each payout; its callbacks are checked with the merchant key.",
        proves_absence=False,
        sends_again_for=timedelta(days=1),
        currencies=frozenset({CURRENCY}),
        where_to_look="Sign in to Paytm's dashboard, open Payouts, and search for the order {reference} of {money}.",
    )
    credential_fields: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            name="mid", label="Merchant ID", help_text="From Paytm's dashboard, Payouts, Developer.", secret=False
        ),
        CredentialField(
            name="merchant_key",
            label="Merchant key",
            help_text="From the same page. Requests and callbacks are signed with it.",
        ),
        CredentialField(
            name="subwallet_guid",
            label="Sub-wallet",
            help_text="The GUID of the sub-wallet that the money comes from.",
            secret=False,
        ),
    )

    def __init__(self, access: Access) -> None:
        self._access = access
        given = {name: value.strip() for name, value in access.credentials.items()}
        self._mid, self._key = given.get("mid", ""), given.get("merchant_key", "")
        self._wallet = given.get("subwallet_guid", "")

    def submit(self, order: PayoutOrder) -> Answer[PayoutReport]:
        receiver = _receiver(order)
        if problem := _problem(order, receiver):
            return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=problem)
        body = {
            "orderId": order.reference,
            "subwalletGuid": self._wallet,
            "amount": f"{order.amount:.2f}",
            "callbackUrl": order.callback_url,
            **receiver,
        }
        answer = self._call(SEND, body)
        if not isinstance(answer, HttpAnswer) or not answer.ok:
            return _failure(answer)
        try:
            word = reading.text(answer.data, "status", longest=20)
            if word not in {"FAILURE", "CANCELLED"}:
                return answer.success(_report(answer.data, reference=order.reference))
        except Unreadable as error:
            return answer.unusable(str(error))
        return self._refused(order, answer)

    def _refused(self, order: PayoutOrder, answer: HttpAnswer) -> Answer[PayoutReport]:
        """It says no: to an order it has from before, which is then told, or to one that it does not take."""
        refused = f"Paytm refused: {_words(answer.data)}"
        found = self.query(order)
        if found.value is not None:
            return Answer(outcome=Outcome.OK, value=found.value, observed=found.observed)
        if found.ok:
            return answer_of(answer, refused)
        reason = f"{refused} Whether it has the order from before could not be found out. {found.reason}"
        return Answer(outcome=Outcome.UNKNOWN, reason=reason, observed=found.observed)

    def query(self, order: PayoutOrder) -> Answer[PayoutReport | None]:
        answer = self._call(ASK, {"orderId": order.reference})
        if not isinstance(answer, HttpAnswer) or not answer.ok:
            return _failure(answer)
        try:
            if not _names_an_order(answer.data):
                reading.text(answer.data, "statusCode", longest=20)
                return Answer(outcome=Outcome.OK, reason=f"Paytm says: {_words(answer.data)}", observed=answer.observed)
            return answer.success(_report(answer.data, reference=order.reference))
        except Unreadable as error:
            return answer.unusable(str(error))

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> PayoutMessage:
        """A callback whose checksum fits. Paytm numbers no events: the same body is the same event. Raises WebhookRejected."""
        if not checksum.is_key(self._key) or not checksum.fits(body, headers.get("x-checksum", ""), key=self._key):
            raise WebhookRejected("The checksum does not fit the body and our merchant key.", code="bad_signature")
        try:
            data = json.loads(body, parse_float=Decimal)
            reference = reading.text(reading.mapping(data, "result"), "orderId", longest=50)
            report = _report(data, reference=reference)
        except (ValueError, RecursionError) as error:
            what = str(error) if isinstance(error, Unreadable) else "it is not JSON"
            raise WebhookRejected(f"The callback cannot be read: {what}.", code="malformed") from None
        return PayoutMessage(
            event_id=hashlib.sha256(body).hexdigest(),
            topic=f"disbursal.{data['status'].lower()}",
            occurred_at=now,
            reference=reference,
            report=report,
        )

    def test_connection(self) -> Answer[AccountInfo]:
        """Ask for an order that nobody has. Whether there is money in the sub-wallet, only the dashboard tells."""
        if self._access.currency not in ("", CURRENCY):
            return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=ONLY_RUPEES)
        answer = self._call(ASK, {"orderId": NOBODYS})
        if not isinstance(answer, HttpAnswer) or not answer.ok:
            return _failure(answer)
        try:
            reading.text(answer.data, "statusCode", longest=20)
            words = _words(answer.data)
        except Unreadable:
            return answer_of(answer, NOT_THE_API)
        if re.search(r"checksum|signature|\bmid\b|merchant", words, re.IGNORECASE):
            return Answer(
                outcome=Outcome.REJECTED, refusal=Refusal.UNAUTHORIZED, reason=WRONG_KEY, observed=answer.observed
            )
        live = self._access.base_url.rstrip("/") == LIVE
        detail = "Real money is sent." if live else "Nothing but play money is sent from here."
        return answer.success(AccountInfo(name=f"Paytm, merchant {self._mid}", currency=CURRENCY, detail=detail))

    def _call(self, path: str, body: dict[str, Any]) -> "HttpAnswer | Answer[Any]":
        """One signed question; an Answer when the settings do not allow one."""
        if not all((self._mid, self._key, self._wallet)):
            return _wrong(NO_CREDENTIALS)
        if not checksum.is_key(self._key):
            return _wrong(NO_KEY)
        hosts = {urlsplit(LIVE).netloc, urlsplit(STAGING).netloc}
        if (
            not self._access.allow_private_addresses
            and self._access.base_url.rpartition("//")[2].rstrip("/") not in hosts
        ):
            return _wrong(NOT_PAYTM)
        raw = json.dumps(body, separators=(",", ":")).encode()
        signature = checksum.sign(raw, key=self._key)
        headers = {"content-type": "application/json", "x-mid": self._mid, "x-checksum": signature}
        return http.call(self._access, "POST", path, headers=headers, body=raw, who=WHO)


def answer_of(answer: HttpAnswer, reason: str) -> Answer[Any]:
    """Paytm refuses with HTTP 200: a refusal with this exchange as its evidence."""
    return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=reason, observed=answer.observed)


def _wrong(reason: str) -> Answer[Any]:
    return Answer(outcome=Outcome.REJECTED, refusal=Refusal.UNAUTHORIZED, reason=reason)


def _failure(answer: "HttpAnswer | Answer[Any]") -> Answer[Any]:
    if isinstance(answer, Answer):
        return answer
    return answer.failure(reason=WRONG_KEY if answer.status in {401, 403} else "")


def _problem(order: PayoutOrder, receiver: dict[str, str]) -> str:
    if order.currency != CURRENCY:
        return ONLY_RUPEES
    if not LEAST <= order.amount <= MOST:
        return f"Paytm pays from {LEAST} to {MOST} rupees at a time. Change the reward's amount."
    return "" if receiver else NO_RECEIVER


def _receiver(order: PayoutOrder) -> dict[str, str]:
    """By their number in India, else by their address; empty when neither is known."""
    found = re.fullmatch(r"(?:\+?91|0)?([6-9]\d{9})", re.sub(r"[\s()-]", "", order.receiver.phone), re.ASCII)
    if found is not None:
        return {"beneficiaryPhoneNo": found[1]}
    return {"beneficiaryEmail": order.receiver.email} if order.receiver.email else {}


def _names_an_order(data: Any) -> bool:
    result = data.get("result") if isinstance(data, Mapping) else None
    return isinstance(result, Mapping) and bool(result.get("orderId"))


def _report(data: Any, *, reference: str) -> PayoutReport:
    """Raises Unreadable."""
    word = reading.text(data, "status", longest=20)
    if word not in STATUSES:
        raise Unreadable(f"the status {word} is unknown")
    status = STATUSES[word]
    begun = status is not PayoutStatus.ACCEPTED
    result = data.get("result") if isinstance(data, Mapping) else None
    named = result if isinstance(result, Mapping) else {}
    return PayoutReport(
        reference=reading.maybe_text(named, "orderId") or reference,
        status=status,
        remote_id=reading.maybe_text(named, "paytmOrderId", longest=60),
        code=said(data.get("statusCode"), secrets=(), longest=40) if begun else "",
        message=said(data.get("statusMessage"), secrets=(), longest=120) if begun else "",
        amount=reading.amount(named, "amount") if named.get("amount") is not None else None,
        currency=CURRENCY if named.get("amount") is not None else "",
    )


def _words(data: Any) -> str:
    code, message = (said(data.get(name), secrets=()) for name in ("statusCode", "statusMessage"))
    return f"{code}: {message}"
