"""What every payout provider can be asked, and the frozen words in which it answers.

Beside `platforms.adapter`, whose `Answer` and `Outcome` it shares: a provider says what happened to one call, and what
it says of the payout is a `PayoutReport`. Only the domain decides to ask again, to pay points back, or to wait.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import ClassVar, Protocol

from platforms.adapter import Access, Answer, CredentialField


class PayoutStatus(IntEnum):
    """What a provider says of a payout, by the numbers that staff know from the grid."""

    ACCEPTED = 0  # taken on, not begun
    PAID = 1
    FAILED = 2  # it will never be paid; the code and the message say why
    PENDING = 3  # under way, or held up; the message says why


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Who gets the money, by what different providers know people by. What is not known is empty."""

    email: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    external_id: str = ""  # of the customer in the merchant's shop, for credit in that shop


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutOrder:
    """One payment to send. The amount is in major units, and has no more decimals than its currency."""

    reference: str  # our own name for it, decided and committed before; the provider's idempotency key
    amount: Decimal
    currency: str
    title: str  # what the receiver reads
    receiver: Receiver
    decided_at: datetime  # when we committed to it, before anything was sent
    number: int  # ours; no two payouts of one customer share it
    remote_id: str = ""  # the provider's own name for it, once it told us
    callback_url: str = ""  # where it may tell us what became of it


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutReport:
    """A payout as the provider has it now."""

    reference: str
    status: PayoutStatus
    remote_id: str = ""
    code: str = ""
    message: str = ""
    amount: Decimal | None = None  # when the provider says it; another than ours is not our payout
    currency: str = ""
    updated_at: datetime | None = None  # the provider's clock; an older report than the last is ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutMessage:
    """One callback. `report` is None when it only hints at which payout changed: the provider is asked then."""

    event_id: str  # unique per event where the provider has one, else a digest
    topic: str
    occurred_at: datetime
    reference: str = ""
    remote_id: str = ""  # where it names the payout by its own name as well; nothing more than a hint
    report: PayoutReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInfo:
    """What "test connection" shows: enough for staff to see that it is the right account."""

    name: str
    currency: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutCapabilities:
    """What this provider can and cannot do."""

    calls_out: bool = True  # False: nobody is asked; staff pay, and say so
    needs_address: bool = True  # the account has an address of its own
    addresses: tuple[tuple[str, str], ...] = ()  # the only ones there are, with what they are for; empty: any
    uses_shop: str = ""  # the platform of the connected shop it pays through
    webhooks: bool = True
    webhook_secret: bool = True  # its callbacks are signed with a secret of their own
    webhook_help: str = ""  # for staff: where to enter the address of callbacks, and what they do
    needs_email: bool = True  # the receiver is found by their e-mail address
    takes_phone: bool = False  # or by their phone number
    refuses_duplicates: bool = True  # the same reference twice is one payment
    proves_absence: bool = True  # "no such payout" means that it never took one on
    remembers_for: timedelta | None = None  # how long it knows a reference; None: for ever
    # For so long after the first time the same reference sent again is surely one payment, and the answer tells of the
    # first: that is how it is asked. None: it is asked by `query`, and nothing is ever sent again to find out.
    sends_again_for: timedelta | None = None
    where_to_look: str = ""  # what staff do to find out by themselves; {reference}, {money} and {time} are filled in
    currencies: frozenset[str] | None = None  # None: any


class Provider(Protocol):
    """One payout account. Methods never raise for what the provider does: they answer. They hold no state."""

    key: ClassVar[str]
    label: ClassVar[str]
    capabilities: ClassVar[PayoutCapabilities]
    credential_fields: ClassVar[tuple[CredentialField, ...]]

    def __init__(self, access: Access) -> None: ...

    def submit(self, order: PayoutOrder) -> Answer[PayoutReport]:
        """Send the payment. A refusal DUPLICATE_CODE means it has that reference already: ask about it."""
        ...

    def query(self, order: PayoutOrder) -> Answer[PayoutReport | None]:
        """What became of a payment that was, or may have been, sent. OK with None: none is found; `reason` may say more."""
        ...

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> PayoutMessage:
        """Verify and read one callback. `headers` are lower-cased. Raises WebhookRejected."""
        ...

    def test_connection(self) -> Answer[AccountInfo]:
        """Ask the provider whose account it is; each misconfiguration gets its own sentence."""
        ...
