"""A checkout of the store: what a code gives, and when it gives nothing. The counters count from here, paid or not."""

from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

from tests.fakes.bigcommerce_store import PAGING, Entry, Store, allowed, paged, v3

PRICE = Decimal("18.00")
DELIVERY = Decimal("4.00")
PLATE, PLATE_PRICE = 78, Decimal("9.00")
PRODUCT, CATEGORY = 77, 21  # what everybody buys, and where it stands
TYPE_NUMBERS = {"per_item_discount": 0, "percentage_discount": 1, "per_total_discount": 2, "free_shipping": 4}


class NothingForIt(Exception):
    """A checkout refuses the code."""


def use_code(store: Store, text: str, *, use: bool) -> tuple[list[Entry], list[Entry]]:
    """What the code does to an order: coupons on it, and payments for it. The counter counts from the checkout."""
    now = datetime.now(UTC)
    for coupon in store.coupons.values():
        if coupon["code"].casefold() == text.casefold() and _takes(coupon, now):
            coupon["num_uses"] += use
            return [_applied(coupon["id"], coupon["code"], TYPE_NUMBERS[coupon["type"]], _worth(coupon))], []
    for code in store.codes.values():
        promotion = store.promotions[code["promotion"]]
        if code["code"].casefold() == text.casefold() and _runs(promotion, code, now):
            code["current_uses"] += use
            promotion["current_uses"] += use
            return [_applied(code["id"], code["code"], 5, _gives(promotion))], []
    for card in store.certificates.values():
        balance = Decimal(card["balance"])
        expired = card["expiry_date"] != "0" and int(card["expiry_date"]) <= now.timestamp()
        if card["code"].casefold() == text.casefold() and card["status"] == "active" and balance and not expired:
            spent = min(balance, PRICE + DELIVERY)
            card["balance"] = f"{balance - spent * use:.4f}"
            inner = {"code": card["code"], "status": "active"}
            payment = {"method": "gift_certificate", "amount": float(spent), "status": "ok", "event": "purchase"}
            return [], [payment | {"gift_certificate": inner}]
    raise NothingForIt(text)


def lines(applied: list[Entry], *, pieces: int, plates: int, tax: Decimal) -> tuple[list[Entry], Decimal]:
    """The order's products as the API shows them, and what they cost after discounts and before tax."""
    off = sum((Decimal(str(one["discount"])) for one in applied if not _is_for_delivery(one)), Decimal(0))
    found, whole = [], Decimal(0)
    for product, many, price, taken in ((PRODUCT, pieces, PRICE, off), (PLATE, plates, PLATE_PRICE, Decimal(0))):
        net = price * many - taken
        whole += net
        found.append({
            "id": product, "product_id": product, "variant_id": 1, "name": "Something", "quantity": many, "type": "physical",
            "total_ex_tax": f"{price * many:.4f}", "total_inc_tax": f"{price * many * (1 + tax):.4f}",
            "total_tax": f"{price * many * tax:.4f}", "discounted_total_inc_tax": f"{net * (1 + tax):.4f}",
        })  # fmt: skip
    return [one for one in found if one["quantity"]], whole


def products(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    """The catalogue: the number of each product, and the fields that were asked for."""
    query = allowed(query, PAGING | {"id:in", "include_fields"})
    catalogue = [{"id": PRODUCT, "categories": [CATEGORY, 23]}, {"id": PLATE, "categories": []}]
    wanted = {int(each) for each in query.get("id:in", "").split(",") if each}
    shown = {"id", *query.get("include_fields", "categories").split(",")}
    found = [
        {name: each[name] for name in each if name in shown} for each in catalogue if not wanted or each["id"] in wanted
    ]
    return v3(paged(found, query))


def delivery(applied: list[Entry]) -> Decimal:
    return Decimal(0) if any(map(_is_for_delivery, applied)) else DELIVERY


def _is_for_delivery(applied: Entry) -> bool:
    return bool(applied["type"] == 4 or (applied["type"] == 5 and Decimal(str(applied["discount"])) == DELIVERY))


def _takes(coupon: Entry, now: datetime) -> bool:
    expired = bool(coupon["expires"]) and parsedate_to_datetime(coupon["expires"]) <= now
    used_up = coupon["max_uses"] and coupon["num_uses"] >= coupon["max_uses"]
    fits = set(coupon["applies_to"].get("ids", ())) & {0, CATEGORY}
    return bool(coupon["enabled"] and not expired and not used_up and fits and Decimal(coupon["min_purchase"]) <= PRICE)


def _worth(coupon: Entry) -> Decimal:
    if coupon["type"] == "percentage_discount":
        return PRICE * Decimal(coupon["amount"]) / 100
    return DELIVERY if coupon["type"] == "free_shipping" else Decimal(coupon["amount"])


def _runs(promotion: Entry, code: Entry, now: datetime) -> bool:
    starts, ends = promotion["start_date"], promotion["end_date"]
    begun = datetime.fromisoformat(starts) <= now
    over = ends is not None and datetime.fromisoformat(ends) <= now
    counts = ((code, "current_uses"), (promotion, "current_uses"))
    used_up = any(entry.get("max_uses") and entry[name] >= entry["max_uses"] for entry, name in counts)
    cart = promotion["rules"][0].get("condition", {}).get("cart", {})
    enough = Decimal(cart.get("minimum_spend", 0)) <= PRICE
    return bool(promotion["status"] == "ENABLED" and begun and not over and not used_up and enough)


def _gives(promotion: Entry) -> Decimal:
    (name, action), *_ = promotion["rules"][0]["action"].items()
    if name == "cart_value":
        discount = action["discount"]
        share = PRICE * Decimal(discount.get("percentage_amount", 0)) / 100
        return share or Decimal(discount.get("fixed_amount", 0))
    return PRICE if name == "gift_item" else DELIVERY


def _applied(coupon_id: int, code: str, kind: int, discount: Decimal) -> Entry:
    return {"coupon_id": coupon_id, "code": code, "amount": float(discount), "type": kind, "discount": float(discount)}
