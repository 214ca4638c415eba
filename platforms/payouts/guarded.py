"""A payout provider behind the breaker of its account, as `platforms.guarded` has it for shops."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from platforms import guarded
from platforms.adapter import Answer, CredentialField
from platforms.models import PayoutAccount
from platforms.payouts.provider import (
    AccountInfo,
    PayoutCapabilities,
    PayoutMessage,
    PayoutOrder,
    PayoutReport,
    Provider,
)


class GuardedProvider(Provider):
    """Asks through the breaker. Callbacks are read without it, and a test by a person always goes out."""

    # What it says of itself is what the provider inside says.
    key: ClassVar[str] = ""
    label: ClassVar[str] = ""
    capabilities: ClassVar[PayoutCapabilities] = PayoutCapabilities()
    credential_fields: ClassVar[tuple[CredentialField, ...]] = ()

    def __init__(self, provider: Provider, account: PayoutAccount) -> None:
        self._provider = provider
        self._account = account
        for name in ("key", "label", "capabilities", "credential_fields"):
            vars(self)[name] = getattr(provider, name)

    def submit(self, order: PayoutOrder) -> Answer[PayoutReport]:
        return guarded.ask(self._account, lambda: self._provider.submit(order))

    def query(self, order: PayoutOrder) -> Answer[PayoutReport | None]:
        return guarded.ask(self._account, lambda: self._provider.query(order))

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> PayoutMessage:
        return self._provider.parse_webhook(headers=headers, body=body, now=now)

    def ask_again(self) -> Answer[AccountInfo]:
        """Whether it answers, when its breaker lets somebody ask; held back otherwise."""
        return guarded.ask(self._account, self._provider.test_connection)

    def test_connection(self) -> Answer[AccountInfo]:
        return guarded.ask_anyway(self._account, self._provider.test_connection)
