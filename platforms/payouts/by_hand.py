"""Payouts by hand: staff send the money in their own way and say what came of it. Nobody is called."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from platforms.adapter import Access, Answer, CredentialField, Outcome, Refusal, WebhookRejected
from platforms.payouts.provider import AccountInfo, PayoutCapabilities, PayoutMessage, PayoutOrder, PayoutReport

NOBODY = "Payouts by hand are sent and confirmed by staff: there is nobody to ask."


class ByHand:
    """Answers at once and calls nobody. Our own rows are the only record of these payouts."""

    key: ClassVar[str] = "by_hand"
    label: ClassVar[str] = "By hand"
    capabilities: ClassVar[PayoutCapabilities] = PayoutCapabilities(
        calls_out=False, needs_address=False, webhooks=False, needs_email=False, proves_absence=False
    )
    credential_fields: ClassVar[tuple[CredentialField, ...]] = ()

    def __init__(self, access: Access) -> None:
        self._access = access

    def submit(self, order: PayoutOrder) -> Answer[PayoutReport]:
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.UNSUPPORTED, reason=NOBODY)

    def query(self, order: PayoutOrder) -> Answer[PayoutReport | None]:
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.UNSUPPORTED, reason=NOBODY)

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> PayoutMessage:
        raise WebhookRejected(NOBODY, code="malformed")

    def test_connection(self) -> Answer[AccountInfo]:
        info = AccountInfo(name="By hand", currency=self._access.currency, detail="Nobody is asked.")
        return Answer(outcome=Outcome.OK, value=info)
