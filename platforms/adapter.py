"""What every platform can be asked, and the frozen words in which it answers.

Adapters take and return the dataclasses below and never see a database row. An adapter says what happened
(`Outcome`); only the domain decides to retry, to look a code up, or to fail.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, Generic, Protocol, TypeVar

from loyalty.common.errors import DomainError
from platforms.pace import Pace
from platforms.privacy import PrivacyAsk

T_co = TypeVar("T_co", covariant=True)


class Outcome(StrEnum):
    """What became of one call to a platform."""

    OK = "ok"  # the platform did it, or answered the question
    REJECTED = "rejected"  # the platform refused; nothing was done; the same call would be refused again
    THROTTLED = "throttled"  # the platform asks us to wait; nothing was done
    NOT_SENT = "not_sent"  # the request never reached the platform; nothing was done
    UNKNOWN = "unknown"  # sent, and no usable answer came: it may or may not have been done


class Refusal(StrEnum):
    """Why a platform rejected a call, in words the domain acts on."""

    DUPLICATE_CODE = "duplicate_code"
    NOT_FOUND = "not_found"
    UNAUTHORIZED = "unauthorized"  # wrong, revoked or insufficient credentials
    UNSUPPORTED = "unsupported"  # this platform cannot make such a reward
    INVALID = "invalid"  # the platform understood and said no
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What the platform answered, fit to be kept as evidence: no secret, no personal data."""

    status: int | None = None  # HTTP status, when there was one
    request_id: str = ""  # the platform's own id of the exchange, when it gives one
    excerpt: str = ""  # at most 500 characters of the answer, redacted


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T_co]):
    """The outcome of one call. `value` is set when, and only when, the outcome is OK."""

    outcome: Outcome
    value: T_co | None = None
    refusal: Refusal | None = None  # set when rejected
    reason: str = ""  # one sentence for staff: what the shop said, and what to do
    retry_after: float | None = None  # seconds, when throttled or held back
    observed: Observed = field(default_factory=Observed)

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def held_back(self) -> bool:
        """Nobody was asked: a shop that does not answer is being left alone, until `retry_after`."""
        return self.outcome is Outcome.NOT_SENT and self.retry_after is not None


class DiscountKind(StrEnum):
    PERCENTAGE = "percentage"
    FIXED_AMOUNT = "fixed_amount"
    FREE_DELIVERY = "free_delivery"
    FREE_PRODUCT = "free_product"  # one piece of a product costs nothing
    GIFT_CARD = "gift_card"  # money under a code, spent over any number of orders


class CombinesWith(StrEnum):
    """Discounts of other sorts that a code may be used beside, on one order."""

    PRODUCT = "product"
    ORDER = "order"
    SHIPPING = "shipping"


DISCOUNTS = frozenset({DiscountKind.PERCENTAGE, DiscountKind.FIXED_AMOUNT, DiscountKind.FREE_DELIVERY})


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSpec:
    """One code to make, good for one order unless it is a gift card. Money is in major units of `currency`."""

    code: str  # upper case, [A-Z0-9-], at most 20 characters
    kind: DiscountKind
    title: str  # what the shop's staff read, e.g. "10% off (Loyalty Desk)"
    reference: str  # our own name for it, e.g. "rr-1042"; how we recognise a code as ours
    currency: str
    percent: Decimal | None = None
    amount: Decimal | None = None
    product_reference: str = ""  # of a free product: as the shop names it
    minimum_order: Decimal | None = None
    collections: tuple[str, ...] = ()  # only for products in these, as the shop names them; empty: for all
    combines_with: frozenset[CombinesWith] = frozenset()
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    customer_email: str | None = None  # bind to one customer where the platform can
    in_bulk: bool = False  # one of many under one discount, whose reference all of them have; no customer is bound


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformCode:
    """A code as the shop has it now."""

    code: str
    remote_id: str
    alive: bool  # True when a checkout would still take it
    reference: str = ""  # ours, when the shop stores it
    uses: int | None = None  # completed orders that carry it; None when the platform keeps no count
    taken: bool = False  # orders have taken all its uses, and the shop does not say whether they are completed
    percent: Decimal | None = None
    amount: Decimal | None = None  # of a gift card: what it was worth when it was made
    product_reference: str = ""
    minimum_order: Decimal | None = None
    collections: tuple[str, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePage:
    """One page of all codes of a shop, ours or not. Pages may overlap: a code may come twice, none is missed."""

    codes: tuple[PlatformCode, ...]
    cursor: str  # opaque; give it back for the next page
    more: bool  # False: that was the last page


class OrderStatus(StrEnum):
    PLACED = "placed"  # not completed: unpaid, or waiting
    COMPLETED = "completed"  # a use counts from here
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedCode:
    """A code that really took effect on an order: typed but ineffective codes are never listed."""

    code: str
    remote_id: str = ""
    discount: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopRefund:
    external_id: str
    amount: Decimal
    refunded_at: datetime


class PaymentState(StrEnum):
    """What became of an order's money, as far as the shop says."""

    UNKNOWN = ""
    PENDING = "pending"
    AUTHORIZED = "authorized"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopItem:
    """One line of an order. `amount` is what its pieces cost after all discounts, with tax, in the order's currency.

    What was given back later is still counted. All items, shipping and its tax make the order's total, but for fees.
    """

    product: str  # the shop's own id of it; see `platforms.items`
    quantity: int
    amount: Decimal
    tax: Decimal | None = None  # what of the amount is tax; None: the shop does not say
    categories: tuple[str, ...] | None = ()  # as the shop names them; empty: it has none; None: the shop does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopOrder:
    """An order as the shop tells it, whole: every delivery of it carries its full present state.

    `total` is what the customer pays, after discounts, with tax and shipping. None: the shop does not say.
    """

    external_id: str
    number: str  # what people call it
    status: OrderStatus
    placed_at: datetime
    updated_at: datetime  # the shop's clock; an older one than we stored is ignored
    total: Decimal
    currency: str
    customer_email: str = ""
    customer_external_id: str = ""
    codes: tuple[AppliedCode, ...] = ()
    refunds: tuple[ShopRefund, ...] = ()
    rewardable_total: Decimal | None = None  # the part that may earn, where the shop decides that itself
    tax: Decimal | None = None
    shipping: Decimal | None = None  # without its tax, which `tax` has
    discounts: Decimal | None = None  # what codes and sales took off
    items: tuple[ShopItem, ...] | None = None
    payment_state: PaymentState = PaymentState.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadOrder:
    """An order of a page that could not be understood: it holds up no other, and is asked for by its id later."""

    external_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPage:
    """One page of orders changed since a cursor, oldest change first. Pages may overlap: orders repeat, none is missed."""

    orders: tuple[ShopOrder, ...]
    unread: tuple[UnreadOrder, ...] = ()
    cursor: str  # opaque; give it back next time
    more: bool  # True when another page is ready now


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMessage:
    """One verified webhook. `order` is None when the platform only says which order changed."""

    event_id: str  # unique per event where the platform has one, else a digest
    topic: str
    occurred_at: datetime
    order_external_id: str = ""
    order: ShopOrder | None = None
    privacy: PrivacyAsk | None = None  # set for the topics that `capabilities.privacy_topics` names


class WebhookRejected(DomainError):
    """The webhook is not what it claims to be. `code` is one of: bad_signature, too_old, malformed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopInfo:
    """What "test connection" shows: enough for staff to see that it is the right shop."""

    name: str
    currency: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkDiscounts:
    """How a shop puts many codes under one discount, whose terms and last day they share."""

    most: int  # codes that one call makes at most
    kinds: frozenset[DiscountKind] = DISCOUNTS
    collections: frozenset[DiscountKind] = frozenset()  # kinds that can be limited to collections
    invents_codes: bool = False  # the texts are the shop's own, with our prefix; `find_bulk` tells which it has made


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What this platform can and cannot do; the contract tests hold each adapter to its flags."""

    calls_out: bool = True  # False: no shop behind it, nothing to wait for
    kinds: frozenset[DiscountKind] = DISCOUNTS
    minimum_order: bool = True
    collections: frozenset[DiscountKind] = frozenset()  # kinds that can be limited to some of the shop's collections
    combinations: bool = False  # a code can say which other discounts it may be used beside
    expiry: bool = True
    binds_customer: bool = False
    extends: bool = False  # extend_code works: the last day of a code can be moved, an expired one's too
    refuses_duplicates: bool = True  # False: the shop would make a second code of the same name
    returns_use_on_cancel: bool = False  # cancelling an order makes its code usable again
    settles: float = 0.0  # seconds after disabling a code in which a use of it may still come to light
    webhooks: bool = True
    registers_webhooks: bool = False  # ensure_webhooks works; otherwise a person sets them up
    secret_headers: frozenset[str] = frozenset()  # of webhooks, in lower case: a secret we share, so never stored
    privacy_topics: frozenset[str] = frozenset()  # of webhooks that ask for somebody's data, or for its erasure
    sorts_products: bool = False  # orders leave categories out and products tell them: the adapter is a SortingAdapter
    lists_codes: bool = True  # list_codes shows every code of the shop; False: it has none to show
    bulk: int = 1  # codes that one call makes at most; above 1 the adapter is a BulkAdapter
    bulk_discounts: BulkDiscounts | None = None  # with it the adapter is a BulkDiscountAdapter
    calls_at_once: int = 8  # calls that a shop of this kind bears at the same time
    code_max_length: int = 20
    steps_to_disable: tuple[str, ...] = ()  # by hand, for a person; {code} and {shop} are put in


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialField:
    """One secret or setting the connection form asks for."""

    name: str
    label: str
    help_text: str = ""
    secret: bool = True
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What an adapter needs to reach one shop. `timeout` bounds one call as a whole, in seconds."""

    base_url: str
    credentials: Mapping[str, str] = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)  # current first, then the previous one while it is rotated
    currency: str
    allow_private_addresses: bool = False
    timeout: float = 20.0
    pace: Pace | None = field(default=None, repr=False, compare=False)  # of all calls to this shop, ours and others'


class Adapter(Protocol):
    """One shop. Methods never raise for what the shop does: they answer. They hold no state between calls."""

    key: ClassVar[str]
    label: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    credential_fields: ClassVar[tuple[CredentialField, ...]]
    # Where staff see a code in the shop, below its address; {remote_id} is filled in. Empty: no such page is known.
    code_page: ClassVar[str]

    def __init__(self, access: Access) -> None: ...

    def create_code(self, spec: CodeSpec) -> Answer[PlatformCode]:
        """Make the code. A refusal DUPLICATE_CODE means somebody (perhaps we) made it before: look it up."""
        ...

    def find_code(self, code: str) -> Answer[PlatformCode | None]:
        """Look a code up by its text, any case. OK with None is proof that the shop has no such code."""
        ...

    def list_codes(self, cursor: str) -> Answer[CodePage]:
        """All codes of the shop, page by page, as `find_code` would show each; the empty cursor is the beginning.

        Stable under changes: a code that is there from the first page to the last is shown, whatever else is made,
        used, disabled or removed meanwhile.
        """
        ...

    def disable_code(self, code: str, remote_id: str) -> Answer[PlatformCode | None]:
        """Make the code unusable. OK with None when the shop no longer has it. Calling it twice is harmless."""
        ...

    def extend_code(self, code: str, remote_id: str, expires_at: datetime) -> Answer[PlatformCode | None]:
        """Let the code live until then, where `capabilities.extends`; gives it as the shop has it afterwards.

        OK with None when the shop has no such code. Calling it twice is harmless, and it brings no disabled code back.
        """
        ...

    def read_order(self, external_id: str) -> Answer[ShopOrder | None]:
        """One order, whole. OK with None when the shop has no such order."""
        ...

    def orders_since(self, cursor: str) -> Answer[OrderPage]:
        """Orders changed since the cursor; the empty cursor means from the beginning."""
        ...

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> WebhookMessage:
        """Verify and read one webhook. `headers` are lower-cased. Raises WebhookRejected."""
        ...

    def test_connection(self) -> Answer[ShopInfo]:
        """Ask the shop who it is; each misconfiguration gets its own sentence."""
        ...

    def ensure_webhooks(self, url: str) -> Answer[None]:
        """Register our address with the shop where `capabilities.registers_webhooks`."""
        ...


class BulkAdapter(Adapter, Protocol):
    """A shop that makes several codes in one call: `capabilities.bulk` says how many at most."""

    def create_codes(self, specs: Sequence[CodeSpec]) -> Answer[tuple[Answer[PlatformCode], ...]]:
        """Make them. OK tells what became of each, in their order; any other outcome is that of the call as a whole."""
        ...


class BulkDiscountAdapter(Adapter, Protocol):
    """A shop that puts many codes under one discount: `capabilities.bulk_discounts` says how."""

    def create_bulk(self, specs: Sequence[CodeSpec]) -> Answer[tuple[Answer[PlatformCode], ...]]:
        """Make codes under one discount of their reference; the specs are `in_bulk` and differ in their code alone.

        OK tells what became of each, in their order; any other outcome is that of the call as a whole. Where the shop
        invents codes the ones told have other texts than the specs. Called again with one reference it makes more codes.
        """
        ...

    def find_bulk(self, reference: str) -> Answer[tuple[PlatformCode, ...]]:
        """All codes that the shop has now under discounts of ours with this reference. Asked where it invents codes."""
        ...


class SortingAdapter(Adapter, Protocol):
    """A shop whose orders name products alone, and whose products tell their categories: `capabilities.sorts_products`."""

    def categories_of(self, products: Sequence[str]) -> Answer[Mapping[str, tuple[str, ...] | None]]:
        """The categories of each of these products, at most a hundred; None for one that the shop does not show."""
        ...
