"""PayPal Payouts: one batch of one item for each payout, under our reference.

PayPal keeps a batch's id of ours for 30 days and refuses a second one with a link to the first, so within that time the
same batch is sent again to find out what became of it; there is no other way to ask for a batch whose own id we were
never told. Later nothing is sent any more: a person looks. Its callbacks are not believed: PayPal signs them in a way
that needs its certificate or another call, so a callback only makes us ask PayPal, and what it answers then counts.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from loyalty.common import money
from platforms.adapter import Access, Answer, CredentialField, Outcome, Refusal, WebhookRejected
from platforms.payouts import reading
from platforms.payouts.paypal import client, reports
from platforms.payouts.paypal.client import Conversation
from platforms.payouts.provider import AccountInfo, PayoutCapabilities, PayoutMessage, PayoutOrder, PayoutReport
from platforms.payouts.reading import Unreadable

PATH = "/v1/payments/payouts"
CURRENCIES = frozenset(
    {
        "AUD", "BRL", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY",
        "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "USD",
    }
)  # fmt: skip
WHOLE_UNITS = frozenset({"HUF", "JPY", "TWD"})  # PayPal takes no decimals in these, whatever the currency has
NO_ID = "PayPal never told its number of this payout, and too much time has passed to send the same batch again to find out."


class PayPalPayouts:
    """One PayPal business account."""

    key: ClassVar[str] = "paypal"
    label: ClassVar[str] = "PayPal"
    capabilities: ClassVar[PayoutCapabilities] = PayoutCapabilities(
        addresses=((client.LIVE, "Live: real money"), (client.SANDBOX, "Sandbox: for trying out")),
        webhook_secret=False,
        webhook_help="Enter this address in PayPal's developer dashboard (the app, Webhooks) for the events of Payouts. "
        "A callback is not believed, it only makes us ask PayPal at once; without any, PayPal is asked now and then.",
        proves_absence=False,
        remembers_for=timedelta(days=30),
        sends_again_for=timedelta(days=29),
        currencies=CURRENCIES,
        where_to_look="Sign in to PayPal, open Activity, and look for a payout of {money} sent about {time}; the report of "
        "payouts names it {reference}.",
    )
    credential_fields: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            name="client_id",
            label="Client ID",
            help_text="Of an app in PayPal's developer dashboard, Apps & Credentials, for which Payouts are switched on.",
            secret=False,
        ),
        CredentialField(name="client_secret", label="Client secret", help_text="Of the same app."),
    )

    def __init__(self, access: Access) -> None:
        self._access = access

    def submit(self, order: PayoutOrder) -> Answer[PayoutReport]:
        if problem := _problem(order):
            return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=problem)
        conversation = Conversation(self._access)
        answer = conversation.ask("POST", PATH, body=batch(order))
        if answer.ok:
            try:
                return self._told(answer, reports.taken_on(answer.data, reference=order.reference))
            except Unreadable as error:
                return self._unusable(answer, error)
        known = reports.batch_of_duplicate(answer.data) if not isinstance(answer, Answer) else None
        if known is None:
            return client.failure(answer)
        if not known:
            return Answer(
                outcome=Outcome.UNKNOWN,
                reason="PayPal has this payout already, and does not say under which number.",
                observed=answer.observed,
            )
        return self._look_up(conversation, order, known)

    def query(self, order: PayoutOrder) -> Answer[PayoutReport | None]:
        if not order.remote_id:
            return Answer(outcome=Outcome.OK, reason=NO_ID)
        return self._read(Conversation(self._access), order, order.remote_id)

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> PayoutMessage:
        """A hint, believed by nobody: which payout to ask about. Raises WebhookRejected."""
        try:
            data = json.loads(body)
            topic, event_id = reading.text(data, "event_type", longest=60), reading.text(data, "id", longest=100)
            if not topic.startswith("PAYMENT.PAYOUTS"):
                raise Unreadable("it is not about payouts")
            reference, remote_id = _named(reading.mapping(data, "resource"))
        except (ValueError, RecursionError) as error:
            what = str(error) if isinstance(error, Unreadable) else "it is not JSON"
            raise WebhookRejected(f"The callback cannot be read: {what}.", code="malformed") from None
        return PayoutMessage(event_id=event_id, topic=topic, occurred_at=now, reference=reference, remote_id=remote_id)

    def test_connection(self) -> Answer[AccountInfo]:
        """Ask for a token, which says what the app may do. Whether there is money, PayPal tells nobody beforehand."""
        conversation = Conversation(self._access)
        if wrong := conversation.fault():
            return Answer(outcome=Outcome.REJECTED, refusal=Refusal.UNAUTHORIZED, reason=wrong)
        answer, _ = conversation.fetch()
        if answer.value is None:
            return Answer(
                outcome=answer.outcome, refusal=answer.refusal, reason=answer.reason, observed=answer.observed
            )
        if client.MAY_PAY_OUT not in answer.value.scopes:
            return Answer(
                outcome=Outcome.REJECTED,
                refusal=Refusal.UNAUTHORIZED,
                reason=client.NOT_ALLOWED,
                observed=answer.observed,
            )
        if self._access.currency not in CURRENCIES:
            reason = f"PayPal pays nobody in {self._access.currency}. Choose one of {', '.join(sorted(CURRENCIES))}."
            return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=reason, observed=answer.observed)
        live = self._access.base_url.rstrip("/") == client.LIVE
        detail = "Real money is sent." if live else "Nothing but play money is sent from here."
        info = AccountInfo(
            name=f"PayPal {'live' if live else 'sandbox'}", currency=self._access.currency, detail=detail
        )
        return Answer(outcome=Outcome.OK, value=info, observed=answer.observed)

    def _look_up(self, conversation: Conversation, order: PayoutOrder, batch_id: str) -> Answer[PayoutReport]:
        """What became of the batch that has our reference already."""
        found = self._read(conversation, order, batch_id)
        if found.value is not None:
            return Answer(outcome=Outcome.OK, value=found.value, observed=found.observed)
        reason = f"PayPal has this payout already, and was asked what became of it. {found.reason}"
        return Answer(outcome=Outcome.UNKNOWN, reason=reason, observed=found.observed)

    def _read(self, conversation: Conversation, order: PayoutOrder, batch_id: str) -> Answer[PayoutReport | None]:
        answer = conversation.ask("GET", f"{PATH}/{quote(batch_id, safe='')}", params={"page_size": "10"})
        if not answer.ok:
            failed = client.failure(answer)
            if failed.refusal is Refusal.NOT_FOUND:
                return Answer(outcome=Outcome.OK, reason=failed.reason, observed=failed.observed)
            return failed
        try:
            report = reports.of_batch(answer.data, reference=order.reference)
        except Unreadable as error:
            return self._unusable(answer, error)
        if report is None:
            reason = f"PayPal's payout {batch_id} is not this one."
            return Answer(outcome=Outcome.OK, reason=reason, observed=answer.observed)
        return self._told(answer, report)

    def _told(self, answer: Any, report: PayoutReport) -> Answer[Any]:
        return Answer(outcome=Outcome.OK, value=report, observed=answer.observed)

    def _unusable(self, answer: Any, error: Unreadable) -> Answer[Any]:
        unusable: Answer[Any] = answer.unusable(str(error))
        return unusable


def batch(order: PayoutOrder) -> dict[str, Any]:
    """What is sent: the same for the same order, at any time."""
    title = order.title[:200]
    return {
        "sender_batch_header": {"sender_batch_id": order.reference, "email_subject": title},
        "items": [
            {
                "recipient_type": "EMAIL",
                "receiver": order.receiver.email,
                "amount": {"value": _written(order), "currency": order.currency},
                "note": title,
                "sender_item_id": order.reference,
            }
        ],
    }


def _problem(order: PayoutOrder) -> str:
    if not order.receiver.email:
        return "PayPal finds people by their e-mail address, and none is known. Add one first."
    if order.currency not in CURRENCIES:
        return f"PayPal pays nobody in {order.currency}. Choose another account for this reward."
    if order.currency in WHOLE_UNITS and order.amount != order.amount.to_integral_value():
        return f"PayPal pays {order.currency} without decimals. Change the reward's amount to a whole number."
    return ""


def _written(order: PayoutOrder) -> str:
    return f"{order.amount:.0f}" if order.currency in WHOLE_UNITS else money.written(order.amount, order.currency)


def _named(resource: Mapping[str, Any]) -> tuple[str, str]:
    """Our reference and PayPal's batch, of an item's event or a batch's. Raises Unreadable."""
    if "batch_header" in resource:
        header = reading.mapping(resource, "batch_header")
        ours = reading.text(reading.mapping(header, "sender_batch_header"), "sender_batch_id", longest=60)
        return ours, reading.maybe_text(header, "payout_batch_id", longest=60)
    ours = reading.text(reading.mapping(resource, "payout_item"), "sender_item_id", longest=60)
    return ours, reading.maybe_text(resource, "payout_batch_id", longest=60)
