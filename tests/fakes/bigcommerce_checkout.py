"""A checkout of the store: what a code gives, and when it gives nothing. The counters count from here, paid or not."""

from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime

from tests.fakes.bigcommerce_store import Entry, Store

PRICE = Decimal("18.00")
DELIVERY = Decimal("4.00")
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
    return bool(promotion["status"] == "ENABLED" and begun and not over and not used_up)


def _gives(promotion: Entry) -> Decimal:
    (name, action), *_ = promotion["rules"][0]["action"].items()
    if name == "cart_value":
        discount = action["discount"]
        share = PRICE * Decimal(discount.get("percentage_amount", 0)) / 100
        return share or Decimal(discount.get("fixed_amount", 0))
    return PRICE if name == "gift_item" else DELIVERY


def _applied(coupon_id: int, code: str, kind: int, discount: Decimal) -> Entry:
    return {"coupon_id": coupon_id, "code": code, "amount": float(discount), "type": kind, "discount": float(discount)}
