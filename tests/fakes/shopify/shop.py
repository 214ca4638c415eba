"""The state of the fake shop, and the levers of its customers and its staff."""

import base64
import hashlib
import hmac
import json
import re
import secrets as randomness
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import RLock
from typing import Any

from tests.fakes.shopify import discounts, goods
from tests.fakes.shopify.discounts import Discount, money
from tests.fakes.shopify.goods import gid
from tests.fakes.shopify.redeeming import RedeemCode

ALL_SCOPES = {"write_discounts", "read_orders", "read_products", "read_customers", "write_gift_cards"}
ALL_SCOPES |= {"write_store_credit_account_transactions", "read_store_credit_accounts"}
CLIENT_ID, CLIENT_SECRET, PASTED = "client-of-tests", "shpss_secret-of-tests", "shpat_pasted-by-a-person"


class CheckoutRefused(AssertionError):
    """The checkout does not take the code; the text says why."""


@dataclass(slots=True, kw_only=True)
class Order:
    number: int
    email: str
    total: Decimal
    discount: Decimal
    codes: list[str]
    basket: dict[str, int]
    allocated: dict[str, Decimal]  # what of the discount goes to each line; the rest goes to shipping
    tax_rate: Decimal
    taxes_included: bool
    paid: bool
    test: bool
    created_at: datetime
    updated_at: datetime
    cancelled_at: datetime | None = None
    refunds: list[tuple[int, Decimal, datetime]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Card:
    """A gift card."""

    number: int
    code: str
    worth: Decimal
    left: Decimal
    ends_on: date | None
    note: str
    enabled: bool = True

    @property
    def works(self) -> bool:
        return self.enabled and (self.ends_on is None or self.ends_on >= datetime.now(UTC).date())

    def shown(self, currency: str) -> dict[str, Any]:
        return {
            "id": gid("GiftCard", self.number),
            "enabled": self.enabled,
            "lastCharacters": self.code[-4:].lower(),
            "expiresOn": self.ends_on.isoformat() if self.ends_on else None,
            "note": self.note,
            "initialValue": money(self.worth, currency),
            "balance": money(self.left, currency),
        }


class Shop:
    """One shop. Everything under `lock`: requests come from several threads."""

    def __init__(self, *, currency: str = "USD") -> None:
        self.lock = RLock()
        self.currency = currency
        self.name = "Lilies"
        self.host = "127.0.0.1"
        self.scopes = set(ALL_SCOPES)
        self.tokens: dict[str, datetime] = {PASTED: datetime.max.replace(tzinfo=UTC)}
        self.token_seconds = 86_399
        self.discounts: dict[int, Discount] = {}
        self.cards: dict[int, Card] = {}
        self.orders: dict[int, Order] = {}
        self.zone = "Europe/Warsaw"
        self.customers: dict[str, str] = {}  # global id → e-mail
        self.subscriptions: list[dict[str, str]] = []
        self.tax_rate = Decimal(0)
        self.taxes_included = False
        self.counts_late = False  # the counter of uses stands still
        self.searches_late = False  # the search knows no new orders
        self.unsearchable: set[int] = set()
        self._next = 1000
        self._clock = datetime(2026, 1, 1, tzinfo=UTC)

    def number(self) -> int:
        self._next += 1
        return self._next

    def tick(self) -> datetime:
        """The time in whole seconds, later than any that was told before."""
        self._clock = max(datetime.now(UTC).replace(microsecond=0), self._clock + timedelta(seconds=1))
        return self._clock

    # What the API does

    def token(self) -> str:
        granted = f"shpat_{randomness.token_hex(16)}"
        self.tokens[granted] = datetime.now(UTC) + timedelta(seconds=self.token_seconds)
        return granted

    def knows(self, token: str) -> bool:
        return self.tokens.get(token, datetime.min.replace(tzinfo=UTC)) > datetime.now(UTC)

    def by_code(self, code: str) -> Discount | None:
        """In any case, also one of many codes of a discount."""
        return next((one for one in self.discounts.values() if one.named(code) is not None), None)

    def create(self, kind: str, given: dict[str, Any]) -> tuple[Discount | None, list[discounts.Problem]]:
        found = discounts.problems(kind, given, customers=self.customers, fresh=True)
        if not found and self.by_code(given["code"]) is not None:
            found = [discounts.problem("code", "TAKEN", "Code must be unique. Please try a different code.")]
        start = None if found else discounts.moment(given["startsAt"])
        if start is None:
            return None, found
        made = Discount(
            number=self.number(),
            kind=kind,
            given=given,
            codes=[RedeemCode(number=self.number(), code=given["code"])],
            starts_at=start,
            ends_at=discounts.moment(given.get("endsAt")),
            tags=list(given.get("tags") or []),
        )
        self.discounts[made.number] = made
        return made, []

    def update(self, kind: str, number: int, given: dict[str, Any]) -> list[discounts.Problem]:
        found = self.discounts.get(number)
        if found is None or found.kind != kind:
            return [discounts.problem("id", None, "Discount does not exist")]
        assert set(given) <= {"endsAt", "tags"}, f"the fake changes no {sorted(given)}"
        wrong = discounts.problems(kind, given | {"startsAt": found.starts_at.isoformat()}, customers={}, fresh=False)
        if wrong:
            return wrong
        if "endsAt" in given:
            found.ends_at = discounts.moment(given["endsAt"])
        if "tags" in given:
            found.tags = list(given["tags"])
        return []

    def deactivate(self, number: int) -> list[discounts.Problem]:
        found = self.discounts.get(number)
        if found is None:
            return [discounts.problem("id", "INVALID", "Discount does not exist")]
        if found.status == "EXPIRED":
            return [discounts.problem("id", "INVALID", "Discount is not active")]
        found.ends_at = datetime.now(UTC).replace(microsecond=0)
        return []

    def create_card(self, given: dict[str, Any]) -> tuple[Card | None, list[discounts.Problem]]:
        code = given["code"].upper()
        assert set(given) <= {"code", "initialAmount", "expiresOn", "note"}, f"the fake takes no {sorted(given)}"
        if not re.fullmatch(r"[A-Z0-9]{8,20}", code):
            return None, [
                {"field": ["input", "code"], "code": "INVALID", "message": "Code may hold letters and digits"}
            ]
        if any(card.code == code for card in self.cards.values()):
            return None, [{"field": ["input", "code"], "code": "TAKEN", "message": "Code has already been taken"}]
        worth = Decimal(given["initialAmount"]["amount"])
        assert given["initialAmount"]["currencyCode"] == self.currency
        ends_on = date.fromisoformat(given["expiresOn"]) if given.get("expiresOn") else None
        number = self.number()
        self.cards[number] = Card(
            number=number, code=code, worth=worth, left=worth, ends_on=ends_on, note=given.get("note") or ""
        )
        return self.cards[number], []

    def update_card(self, number: int, given: dict[str, Any]) -> list[discounts.Problem]:
        assert set(given) == {"expiresOn"}
        if number not in self.cards or not self.cards[number].enabled:
            return [{"field": ["id"], "message": "Gift card is disabled"}]
        self.cards[number].ends_on = date.fromisoformat(given["expiresOn"])
        return []

    def deactivate_card(self, number: int) -> list[discounts.Problem]:
        if number not in self.cards:
            return [{"field": ["id"], "code": "GIFT_CARD_NOT_FOUND", "message": "Gift card not found"}]
        self.cards[number].enabled = False
        return []

    def card(self, code: str) -> Card | None:
        return next((one for one in self.cards.values() if one.code == code.upper()), None)

    def search_orders(self, query: str) -> list[Order]:
        """Terms joined by OR; `discount_code:` sees the first code of an order only."""
        found = [one for one in self.orders.values() if one.number not in self.unsearchable]
        if query:
            terms = [_term(part.strip()) for part in query.split(" OR ")]
            found = [one for one in found if any(_fits(one, name, value) for name, value in terms)]
        return sorted(found, key=lambda one: (one.updated_at, one.number))

    # What customers and staff do

    def customer(self, email: str) -> str:
        """The customer of this address, made if need be; its global id."""
        known = next((one for one, address in self.customers.items() if address == email.casefold()), "")
        if not known:
            known = gid("Customer", self.number())
            self.customers[known] = email.casefold()
        return known

    def checkout(
        self, email: str, *, code: str = "", more_codes: tuple[str, ...] = (), pay: bool = True, test: bool = False,
        basket: dict[str, int] | None = None,
    ) -> Order:  # fmt: skip
        """Buy a mug, or what is in the basket. Shopify counts the use from here, paid or not."""
        with self.lock:
            basket = basket or {goods.MUG: 1}
            worth = sum((goods.PRICES[one] * many for one, many in basket.items()), Decimal(0))
            off, allocated, card = Decimal(0), dict[str, Decimal](), self.card(code)
            if card is not None:
                if not card.works or not card.left:
                    raise CheckoutRefused(f"nothing can be spent from {code}")
                card.left -= min(card.left, worth)
                code = ""  # no order tells of a gift card
            if code:
                discount, used = self._accepted(code, email, basket, worth)
                off = discounts.reduction(discount, basket)
                allocated = discounts.allocated(discount, basket, off)
                used.uses += 1
                used.counted += 0 if self.counts_late else 1
                used.users.add(email.casefold())
            self.customer(email)
            now = self.tick()
            cost = worth + goods.SHIPPING - off
            if not self.taxes_included:
                parts = [goods.PRICES[one] * many - allocated.get(one, Decimal(0)) for one, many in basket.items()]
                parts.append(cost - sum(parts, Decimal(0)))
                cost += sum((goods.tax_on(part, self.tax_rate, included=False) for part in parts), Decimal(0))
            made = Order(
                number=self.number(), email=email, total=cost, discount=off, basket=basket, allocated=allocated,
                tax_rate=self.tax_rate, taxes_included=self.taxes_included,
                codes=[*more_codes, *([code] if code else [])], paid=pay, test=test, created_at=now, updated_at=now,
            )  # fmt: skip
            self.orders[made.number] = made
            if self.searches_late:
                self.unsearchable.add(made.number)
            return made

    def _accepted(
        self, code: str, email: str, basket: dict[str, int], worth: Decimal
    ) -> tuple[Discount, RedeemCode]:  # fmt: skip
        found = self.by_code(code)
        named = None if found is None else found.named(code)
        if found is None or named is None or found.status != "ACTIVE":
            raise CheckoutRefused(f"{code} is no valid code")
        if found.given.get("usageLimit") is not None and named.uses >= found.given["usageLimit"]:
            raise CheckoutRefused(f"{code} was used up")
        if found.given.get("appliesOncePerCustomer") and email.casefold() in named.users:
            raise CheckoutRefused(f"{email} has used {code}")
        if found.customers is not None and self.customer(email) not in found.customers:
            raise CheckoutRefused(f"{code} is not for {email}")
        minimum = ((found.given.get("minimumRequirement") or {}).get("subtotal") or {}).get(
            "greaterThanOrEqualToSubtotal"
        )
        if minimum and worth < Decimal(minimum):
            raise CheckoutRefused(f"{code} needs {minimum}")
        if not discounts.entitled(found, basket):
            raise CheckoutRefused(f"{code} is for other goods")
        return found, named

    def pay(self, number: int) -> None:
        self.orders[number].paid = True
        self.orders[number].updated_at = self.tick()

    def cancel(self, number: int) -> None:
        """The use of its code is not given back."""
        order = self.orders[number]
        order.cancelled_at = order.updated_at = self.tick()

    def refund(self, number: int, amount: str) -> None:
        order = self.orders[number]
        order.updated_at = self.tick()
        order.refunds.append((self.number(), Decimal(amount), order.updated_at))

    def settle(self) -> None:
        """The counter and the search catch up."""
        self.counts_late = self.searches_late = False
        self.unsearchable.clear()
        for one in (code for discount in self.discounts.values() for code in discount.codes):
            one.counted = one.uses

    def delivery(
        self, topic: str, number: int = 0, *, secret: str = CLIENT_SECRET, **body: Any
    ) -> tuple[dict[str, str], bytes]:
        """A webhook as Shopify would send it: headers in lower case, and the body."""
        about: dict[str, Any] = {"id": number, "admin_graphql_api_id": gid("Order", number)}
        if topic.startswith("refunds/"):
            about = {"id": 5, "order_id": number}
        if not number:
            about = {"shop_domain": self.host}
        raw = json.dumps(about | body).encode()
        signature = base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()
        headers = {
            "x-shopify-topic": topic,
            "x-shopify-hmac-sha256": signature,
            "x-shopify-shop-domain": self.host,
            "x-shopify-api-version": "2026-10",
            "x-shopify-webhook-id": randomness.token_hex(12),
            "x-shopify-triggered-at": datetime.now(UTC).isoformat(),
        }
        return headers, raw

    def shown_order(self, one: Order) -> dict[str, Any]:
        refunded = sum((amount for _, amount, _ in one.refunds), Decimal(0))
        status = "PENDING" if not one.paid else "PARTIALLY_REFUNDED" if refunded else "PAID"
        applications = [{"__typename": "DiscountCodeApplication", "code": code} for code in one.codes]
        return {
            "id": gid("Order", one.number),
            "name": f"#{one.number}",
            "test": one.test,
            "createdAt": one.created_at.isoformat(),
            "updatedAt": one.updated_at.isoformat(),
            "cancelledAt": one.cancelled_at.isoformat() if one.cancelled_at else None,
            "fullyPaid": one.paid,
            "displayFinancialStatus": status,
            "discountCodes": one.codes,
            "email": one.email,
            "customer": {
                "id": self.customer(one.email),
                "defaultEmailAddress": {"emailAddress": one.email},
            },
            "totalPriceSet": {"shopMoney": money(one.total, self.currency)},
            "totalDiscountsSet": {"shopMoney": money(one.discount, self.currency)},
            **goods.lines_of(one, self.currency),
            "discountApplications": {"nodes": applications},
            "refunds": lambda _, first: [
                {
                    "id": gid("Refund", number),
                    "createdAt": at.isoformat(),
                    "totalRefundedSet": {"shopMoney": money(amount, self.currency)},
                }
                for number, amount, at in one.refunds[:first]
            ],
        }


def _term(text: str) -> tuple[str, str]:
    found = re.fullmatch(r"(discount_code):'([^']+)'|(updated_at):>='([^']+)'", text)
    assert found is not None, f"the fake knows no search for {text!r}"
    return (found[1], found[2]) if found[1] else (found[3], found[4])


def _fits(order: Order, name: str, value: str) -> bool:
    if name == "discount_code":
        return bool(order.codes) and order.codes[0].casefold() == value.casefold()
    return order.updated_at >= datetime.fromisoformat(value)
