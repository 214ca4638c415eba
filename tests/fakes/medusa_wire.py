"""How the fake Medusa shop writes things, and what it takes: the real one's shapes, cut to what matters here."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.fakes.medusa_shop import COLLECTIONS, DELIVERY, Campaign, Cart, Order, Payment, Promotion


class Refusal(Exception):
    """Medusa's way to say no."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        self.status, self.kind, self.message = status, kind, message
        super().__init__(message)


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    path: str
    params: dict[str, str]
    body: Any
    authorization: str


@dataclass(frozen=True, kw_only=True)
class Reply:
    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def invalid(message: str) -> Refusal:
    return Refusal(400, "invalid_data", message)


def moment(value: datetime | None) -> str | None:
    return (
        None if value is None else f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
    )


def number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def campaign(entry: Campaign) -> dict[str, Any]:
    return {
        "id": entry.id,
        "name": entry.name,
        "description": entry.description,
        "campaign_identifier": entry.identifier,
        "starts_at": moment(entry.starts_at),
        "ends_at": moment(entry.ends_at),
        "budget": entry.budget,
        "created_at": moment(entry.created_at),
        "deleted_at": None,
    }


def promotion(entry: Promotion) -> dict[str, Any]:
    return {
        "id": entry.id,
        "code": entry.code,
        "is_automatic": entry.is_automatic,
        "is_tax_inclusive": entry.is_tax_inclusive,
        "type": entry.type,
        "limit": entry.limit,
        "used": entry.used,
        "status": entry.status,
        "metadata": entry.metadata,
        "created_at": moment(entry.created_at),
        "deleted_at": None,
        "campaign_id": entry.campaign.id if entry.campaign else None,
        "campaign": campaign(entry.campaign) if entry.campaign else None,
        "application_method": {
            "currency_code": None,
            "max_quantity": None,
            "allocation": None,
            **entry.method,
            "target_rules": [_rule(each) for each in entry.method.get("target_rules") or []],
        },
        "rules": [_rule(each) for each in entry.rules],
    }


def order(entry: Order) -> dict[str, Any]:
    lines = [_adjustment(each) for each in entry.cart.adjustments if not each.on_delivery]
    delivery = [_adjustment(each) for each in entry.cart.adjustments if each.on_delivery]
    paid = entry.payment
    return {
        "id": entry.id,
        "display_id": entry.number,
        "status": entry.status,
        "email": entry.cart.email,
        "customer_id": f"cus_{hashlib.sha256(entry.cart.email.encode()).hexdigest()[:26]}",
        "currency_code": "usd",
        "total": number(entry.cart.total - entry.refunded),
        "created_at": moment(entry.created_at),
        "updated_at": moment(entry.updated_at),
        "canceled_at": moment(entry.canceled_at),
        **_totals(entry.cart),
        "items": [
            {**_line(one, many, net, rate=entry.cart.tax_rate), "adjustments": lines if place == 0 else []}
            for place, (one, many, net) in enumerate(entry.cart.lines())
        ],
        "shipping_methods": [{"adjustments": delivery}],
        "credit_lines": [
            {"reference": "payment_collection", "amount": number(refund.amount)}
            for refund in (paid.refunds if paid else [])
        ],
        "payment_collections": [{"id": f"pay_col_{entry.id}", "payments": [_payment_within(paid)]}] if paid else [],
        "payment_status": entry.payment_status,
    }


def _totals(cart: Cart) -> dict[str, Any]:
    """With what is taken off, and its tax."""
    for_delivery = sum((each.amount for each in cart.adjustments if each.on_delivery), Decimal(0))
    taken, rate = sum((each.amount for each in cart.adjustments), Decimal(0)), cart.tax_rate
    delivery = DELIVERY - for_delivery
    return {
        "tax_total": number((cart.goods + DELIVERY - taken) * rate),
        "shipping_total": number(delivery * (1 + rate)),
        "shipping_tax_total": number(delivery * rate),
        "discount_total": number(taken * (1 + rate)),
    }


def _line(product: str, many: int, net: Decimal, *, rate: Decimal) -> dict[str, Any]:
    return {
        "product_id": product,
        "quantity": many,
        "total": number(net * (1 + rate)),
        "tax_total": number(net * rate),
        "product": {"collection_id": COLLECTIONS[product], "categories": [{"id": f"pcat_{product}"}]},
    }


def payment(entry: Order) -> dict[str, Any]:
    assert entry.payment is not None
    collection = {"id": f"pay_col_{entry.id}", "order": {"id": entry.id}}
    return {
        "id": entry.payment.id,
        "updated_at": moment(entry.payment.updated_at),
        "payment_collection": collection,
    }


def shown(entry: dict[str, Any], wanted: str, *, always: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The fields that were asked for. One that does not exist breaks the real shop, too."""
    names = {name.strip().lstrip("*").split(".")[0] for name in wanted.split(",")} if wanted else set(entry)
    if unknown := names - set(entry):
        raise Refusal(500, "unknown_error", f"An unknown error occurred. {unknown}")
    return {name: value for name, value in entry.items() if name in names | always | {"id"}}


def page(
    request: Request, key: str, entries: list[dict[str, Any]], *, always: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """A page of a list, filtered and sorted as asked. What no filter names breaks the test that asked."""
    params = dict(request.params)
    wanted, by = params.pop("fields", ""), params.pop("order", "")
    limit, offset = int(params.pop("limit", "20")), int(params.pop("offset", "0"))
    found = [entry for entry in entries if all(_fits(entry, name, value) for name, value in _filters(params))]
    found.sort(key=lambda entry: (str(entry[by or "id"]), entry["id"]))
    rows = [shown(entry, wanted, always=always) for entry in found[offset : offset + limit]]
    return {key: rows, "count": len(found), "offset": offset, "limit": limit}


def _filters(params: Mapping[str, str]) -> list[tuple[str, str | list[str]]]:
    ids = [value for name, value in params.items() if re.fullmatch(r"id\[\d+\]", name)]
    others: list[tuple[str, str | list[str]]] = [
        (name, value) for name, value in params.items() if not name.startswith("id[")
    ]
    return [*others, ("id[$in]", ids)] if ids else others


COMPARED: dict[str, Callable[[str, Any], bool]] = {
    "$gt": lambda value, asked: value > asked,
    "$lt": lambda value, asked: value < asked,
    "$in": lambda value, asked: value in asked,
    "$ilike": lambda value, asked: re.fullmatch(_pattern(asked), value, re.IGNORECASE | re.DOTALL) is not None,
}


def _fits(entry: Mapping[str, Any], name: str, asked: str | list[str]) -> bool:
    found = re.fullmatch(r"(\w+)\[(\$\w+)\]", name)
    if found is None or found[1] not in {"id", "code", "created_at", "updated_at"} or found[2] not in COMPARED:
        raise invalid(f"Invalid request: Unrecognized fields: '{name}'")
    return COMPARED[found[2]](str(entry[found[1]]), asked)


def _pattern(like: str) -> str:
    """PostgreSQL's ILIKE, where a backslash takes the next sign at its word."""
    parts = re.findall(r"\\.|.", like, re.DOTALL)
    return "".join({"%": ".*", "_": "."}.get(part, re.escape(part.removeprefix("\\") or "\\")) for part in parts)


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "attribute": rule["attribute"],
        "operator": rule["operator"],
        "values": [{"value": value} for value in rule["values"]],
    }


def _adjustment(entry: Any) -> dict[str, Any]:
    return {"code": entry.promotion.code, "amount": number(entry.amount), "promotion_id": entry.promotion.id}


def _payment_within(entry: Payment) -> dict[str, Any]:
    refunds = [
        {"id": each.id, "amount": number(each.amount), "created_at": moment(each.created_at)} for each in entry.refunds
    ]
    return {"id": entry.id, "updated_at": moment(entry.updated_at), "refunds": refunds}
