"""Store credit in the fake shop: an account for each customer and currency, and what a schema cannot check."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.fakes.shopify.goods import gid
from tests.fakes.shopify.shop import Shop


@dataclass(slots=True, kw_only=True)
class Credit:
    number: int
    customer: str
    amount: Decimal
    currency: str
    created_at: datetime
    ends_at: datetime | None

    def shown(self) -> dict[str, Any]:
        return {
            "__typename": "StoreCreditAccountCreditTransaction",
            "id": gid("StoreCreditAccountCreditTransaction", self.number),
            "createdAt": _written(self.created_at),
            "expiresAt": _written(self.ends_at) if self.ends_at is not None else None,
            "amount": {"amount": str(self.amount), "currencyCode": self.currency},
        }


@dataclass(slots=True)
class Credits:
    """What was ever given, and how the shop goes wrong."""

    given: list[Credit] = field(default_factory=list)
    enabled: bool = True
    limit: Decimal = Decimal(10_000)
    rounds_ends: bool = False  # it keeps the day of an end, and not the second
    listed_late: bool = False  # its list does not know the newest

    def give(self, shop: Shop, customer: str, asked: dict[str, Any]) -> tuple[Credit | None, list[dict[str, Any]]]:
        """What the API does, and what the shop's staff do by hand."""
        amount, currency = Decimal(str(asked["creditAmount"]["amount"])), asked["creditAmount"]["currencyCode"]
        ends_at = datetime.fromisoformat(asked["expiresAt"]) if asked.get("expiresAt") else None
        owned = sum((one.amount for one in self.given if one.customer == customer), Decimal(0))
        code = ""
        if customer not in shop.customers:
            code = "OWNER_NOT_FOUND"
        elif amount <= 0:
            code = "NEGATIVE_OR_ZERO_AMOUNT"
        elif currency != shop.currency:
            code = "UNSUPPORTED_CURRENCY"
        elif ends_at is not None and ends_at <= datetime.now(UTC):
            code = "EXPIRES_AT_IN_PAST"
        elif owned + amount > self.limit:
            code = "CREDIT_LIMIT_EXCEEDED"
        if code:
            return None, [{"field": ["id"], "code": code, "message": code.replace("_", " ").capitalize()}]
        if ends_at is not None and self.rounds_ends:
            ends_at = ends_at.replace(hour=0, minute=0, second=0)
        made = Credit(
            number=shop.number(),
            customer=customer,
            amount=amount,
            currency=currency,
            created_at=datetime.now(UTC).replace(microsecond=0),
            ends_at=ends_at,
        )
        self.given.append(made)
        return made, []

    def of(self, customer: str) -> list[Credit]:
        return [one for one in self.given if one.customer == customer]


def roots(shop: Shop, credits_: Credits) -> dict[str, Any]:
    """The resolvers, by field."""

    def given(_: Any, **asked: Any) -> Any:
        amount = str(asked["creditInput"]["creditAmount"]["amount"])
        assert re.fullmatch(r"\d{1,12}(\.\d{1,3})?", amount), f"{amount} is no amount"
        made, errors = credits_.give(shop, asked["id"], asked["creditInput"])
        return {"storeCreditAccountTransaction": made.shown() if made is not None else None, "userErrors": errors}

    def customer(_: Any, **asked: Any) -> Any:
        if asked["id"] not in shop.customers:
            return None
        return {"storeCreditAccounts": lambda _, **page: {"nodes": _accounts(credits_, asked["id"])[: page["first"]]}}

    return {
        "storeCreditAccountCredit": given,
        "customer": customer,
        "storeCreditConfiguration": lambda _: {"storeCreditEnabled": credits_.enabled},
    }


def _accounts(credits_: Credits, customer: str) -> list[dict[str, Any]]:
    mine = sorted(credits_.of(customer), key=lambda one: one.number, reverse=True)
    shown = mine[1:] if credits_.listed_late else mine

    def transactions(_: Any, **asked: Any) -> Any:
        assert (asked["query"], asked["sortKey"], asked["reverse"]) == ("type:credit", "CREATED_AT", True)
        first = asked["first"]
        more = len(shown) > first
        return {
            "nodes": [one.shown() for one in shown[:first]],
            "pageInfo": {"hasNextPage": more, "hasPreviousPage": False, "endCursor": None, "startCursor": None},
        }

    return [{"transactions": transactions}] if mine else []


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
