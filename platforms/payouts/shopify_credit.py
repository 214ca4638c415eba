"""Store credit in a connected Shopify shop, given by its own client and with its credentials.

Shopify knows no key of ours for a credit, and the same call twice is money twice: it is never sent again to find out.
Each credit ends at a second of the day that is ours alone, which its list of transactions shows; by that mark, the
amount and the time a credit is found again. What is not found that way is not proved absent: a person looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from loyalty.common import money
from platforms import redaction
from platforms.adapter import Access, Answer, CredentialField, Outcome, Refusal, WebhookRejected
from platforms.payouts.provider import (
    AccountInfo,
    PayoutCapabilities,
    PayoutMessage,
    PayoutOrder,
    PayoutReport,
    PayoutStatus,
)
from platforms.shopify import client, queries, sentences, values
from platforms.shopify.client import Conversation
from platforms.shopify.values import Unreadable

DAYS = "days"
USUAL_DAYS, MOST_DAYS = 1825, 3650
SKEW = timedelta(minutes=10)  # the shop's clock and ours
SECONDS_OF_A_DAY = 86_400
SCOPES = (  # beside those of the shop's connection
    "write_store_credit_account_transactions",
    "read_store_credit_account_transactions",
    "read_store_credit_accounts",
    "read_customers",
)
NO_CUSTOMER = "The shop has no such customer. Store credit needs an account there: let the customer sign in once, or pay otherwise."
SWITCHED_OFF = "The shop does not give store credit yet. Switch it on in its admin under Settings, Customer accounts."
BAD_DAYS = (
    f"Write the days until a credit ends as a whole number up to {MOST_DAYS}, or leave it empty for {USUAL_DAYS}."
)
REFUSALS = {
    "OWNER_NOT_FOUND": NO_CUSTOMER,
    "CREDIT_LIMIT_EXCEEDED": "The customer has as much store credit as the shop allows. It can be given when some is spent.",
    "UNSUPPORTED_CURRENCY": "The shop gives no store credit in this currency. Change the reward or the account.",
    "MISMATCHING_CURRENCY": "The customer's store credit is in another currency. Change the reward or the account.",
}


@dataclass(frozen=True, slots=True)
class Credit:
    """One credit in the shop's list."""

    remote_id: str
    amount: Decimal
    currency: str
    created_at: datetime
    ends_at: datetime | None


class ShopifyCredit:
    """The store credit of one Shopify shop."""

    key: ClassVar[str] = "shopify_credit"
    label: ClassVar[str] = "Shopify store credit"
    capabilities: ClassVar[PayoutCapabilities] = PayoutCapabilities(
        needs_address=False,
        uses_shop="shopify",
        webhooks=False,
        needs_email=False,
        refuses_duplicates=False,
        proves_absence=False,
        where_to_look="In the shop's admin open Customers, the customer, and Store credit: look for a credit of {money} given "
        "about {time}.",
    )
    credential_fields: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            name=DAYS,
            label="Days until a credit ends",
            help_text=f"Empty means {USUAL_DAYS}. Every credit has an end, for its second is how we find it again. The app of "
            f"the shop's connection needs the scopes {', '.join(SCOPES)}.",
            secret=False,
            required=False,
        ),
    )

    def __init__(self, access: Access) -> None:
        self._days = access.credentials.get(DAYS, "").strip()
        own = {name: value for name, value in access.credentials.items() if name != DAYS}
        self._access = replace(access, credentials=own)

    def submit(self, order: PayoutOrder) -> Answer[PayoutReport]:
        days = _days(self._days)
        if days is None:
            return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=BAD_DAYS)
        conversation = Conversation(self._access)
        owner = _customer(conversation, order)
        if owner.value is None:
            return _nobody(owner)
        credit = {
            "creditAmount": {"amount": money.written(order.amount, order.currency), "currencyCode": order.currency},
            "expiresAt": end_of(order, days=days).isoformat().replace("+00:00", "Z"),
        }
        asked = conversation.ask(queries.GIVE_CREDIT, customer=owner.value, credit=credit)
        answer = client.told(asked, "storeCreditAccountCredit")
        if answer.value is None:
            return _refused(asked, answer)
        try:
            made = _credit(values.mapping(answer.value["storeCreditAccountCredit"], "storeCreditAccountTransaction"))
        except Unreadable as error:
            return client.unreadable(answer, error)
        return client.done(answer, _report(order, made))

    def query(self, order: PayoutOrder) -> Answer[PayoutReport | None]:
        conversation = Conversation(self._access)
        owner = _customer(conversation, order)
        if owner.value is None:
            return client.relay(owner)
        answer = conversation.ask(queries.CREDITS_OF, customer=owner.value)
        if answer.value is None:
            return client.relay(answer)
        try:
            credits_, cut = _listed(answer.value, since=order.decided_at - SKEW)
        except Unreadable as error:
            return client.unreadable(answer, error)
        ours = [one for one in credits_ if one.ends_at is not None and _second(one.ends_at) == mark(order)]
        if len(ours) == 1:
            return client.done(answer, _report(order, ours[0]))
        alike = [one for one in credits_ if (one.amount, one.currency) == (order.amount, order.currency)]
        return replace(client.done(answer, None), reason=_not_found(order, ours=len(ours), alike=len(alike), cut=cut))

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> PayoutMessage:
        raise WebhookRejected("Shopify tells of no store credit.", code="malformed")

    def test_connection(self) -> Answer[AccountInfo]:
        """Ask whose shop it is, what the app may do, and whether the shop gives store credit. Changes nothing."""
        answer = Conversation(self._access).ask(queries.CREDIT_SHOP)
        if answer.value is None:
            return client.relay(answer)
        if _days(self._days) is None:
            return client.rejected(answer, Refusal.INVALID, BAD_DAYS)
        try:
            shop = values.mapping(answer.value, "shop")
            name, currency = values.text(shop, "name"), values.text(shop, "currencyCode", longest=3)
            scopes = values.objects(values.mapping(answer.value, "currentAppInstallation"), "accessScopes")
            granted = {values.text(scope, "handle") for scope in scopes}
            given = values.flag(values.mapping(answer.value, "storeCreditConfiguration"), "storeCreditEnabled")
        except Unreadable as error:
            return client.unknown(answer, f"{sentences.NOT_SHOPIFY} ({error})")
        missing = [one for one in SCOPES if one not in granted and one.replace("read_", "write_", 1) not in granted]
        if missing:
            return client.rejected(answer, Refusal.UNAUTHORIZED, sentences.missing_scopes(missing))
        ours = self._access.currency
        wrong = "" if given else SWITCHED_OFF
        if not wrong and ours and currency != ours:
            wrong = sentences.other_currency(shop=redaction.said(name, secrets=()), theirs=currency, ours=ours)
        if wrong:
            return client.rejected(answer, Refusal.INVALID, wrong)
        detail = "Credit is given to customers who have an account in the shop."
        return client.done(answer, AccountInfo(name=name, currency=currency, detail=detail))


def mark(order: PayoutOrder) -> int:
    """The second of the day at which the credit ends: no other of this customer's has it, for 86,400 payouts."""
    return order.number % SECONDS_OF_A_DAY


def end_of(order: PayoutOrder, *, days: int) -> datetime:
    """When the credit ends, in UTC: so many days after we committed to it, at its own second."""
    day = order.decided_at.astimezone(UTC).date() + timedelta(days=days)
    return datetime.combine(day, time(), UTC) + timedelta(seconds=mark(order))


def _time_of(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def _second(moment: datetime) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def _days(text: str) -> int | None:
    if not text:
        return USUAL_DAYS
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MOST_DAYS else None


def _customer(conversation: Conversation, order: PayoutOrder) -> Answer[str | None]:
    """Whose credit it is: by their number in the shop, else by their address. OK without one: the shop has none."""
    known = values.global_id("Customer", order.receiver.external_id)
    if known:
        return Answer(outcome=Outcome.OK, value=known)
    if not order.receiver.email:
        return Answer(outcome=Outcome.OK, reason=NO_CUSTOMER)
    answer = conversation.ask(queries.FIND_CUSTOMER, email=order.receiver.email)
    if answer.value is None:
        return client.relay(answer)
    found = answer.value.get("customerByIdentifier")
    if found is None:
        return Answer(outcome=Outcome.OK, reason=NO_CUSTOMER, observed=answer.observed)
    try:
        return client.done(answer, values.text(found, "id"))
    except Unreadable as error:
        return client.unreadable(answer, error)


def _nobody(owner: Answer[str | None]) -> Answer[PayoutReport]:
    """Why nothing was sent: the question who the customer is changes nothing, whatever became of it."""
    if owner.ok:
        return client.rejected(owner, Refusal.NOT_FOUND, NO_CUSTOMER)
    return (
        replace(client.relay(owner), outcome=Outcome.NOT_SENT)
        if owner.outcome is Outcome.UNKNOWN
        else client.relay(owner)
    )


def _refused(asked: Answer[dict[str, Any]], answer: Answer[Any]) -> Answer[PayoutReport]:
    result = asked.value.get("storeCreditAccountCredit") if asked.value else None
    errors = result.get("userErrors") if isinstance(result, Mapping) else None
    codes = [str(one.get("code")) for one in errors if isinstance(one, Mapping)] if isinstance(errors, list) else []
    return client.relay(answer, reason=next((REFUSALS[code] for code in codes if code in REFUSALS), ""))


def _listed(data: Mapping[str, Any], *, since: datetime) -> tuple[list[Credit], bool]:
    """The customer's credits from then on, and whether there may be more than were read. Raises Unreadable."""
    if data.get("customer") is None:
        return [], False
    found: list[Credit] = []
    cut = False
    for account in values.nodes(values.mapping(data, "customer"), "storeCreditAccounts"):
        entries = values.nodes(account, "transactions")
        read = [_credit(one) for one in entries if one.get("__typename") == "StoreCreditAccountCreditTransaction"]
        recent = [one for one in read if one.created_at >= since]
        more = values.flag(values.mapping(values.mapping(account, "transactions"), "pageInfo"), "hasNextPage")
        cut = cut or (more and len(recent) == len(read))
        found += recent
    return found, cut


def _credit(entry: Mapping[str, Any]) -> Credit:
    amount, currency = values.money(entry, "amount")
    return Credit(
        remote_id=values.number(entry),
        amount=amount,
        currency=currency,
        created_at=values.instant(entry, "createdAt"),
        ends_at=values.maybe_instant(entry, "expiresAt"),
    )


def _report(order: PayoutOrder, credit: Credit) -> PayoutReport:
    return PayoutReport(
        reference=order.reference,
        status=PayoutStatus.PAID,
        remote_id=credit.remote_id,
        amount=credit.amount,
        currency=credit.currency,
        updated_at=credit.created_at,
    )


def _not_found(order: PayoutOrder, *, ours: int, alike: int, cut: bool) -> str:
    at = _time_of(mark(order))
    if ours:
        return f"The shop has {ours} credits that end at {at} UTC, the time of this one: which is ours cannot be told."
    if alike:
        return f"The shop gave {alike} of this amount since then, and none ends at {at} UTC: look whether one is this."
    if cut:
        return f"The customer got more credits since then than can be read: look for one that ends at {at} UTC."
    return f"The customer's store credit shows no such credit: this one would end at {at} UTC."
