"""The store's V2 coupons and gift certificates, with the traps of the real ones.

A change without `applies_to` clears it, codes of gift certificates are cut, a balance left out is filled up, an empty
list is a 204 without a body, the listing shows promotions' codes too, and two calls delete everything.
"""

from email.utils import format_datetime
from typing import Any

from tests.fakes.bigcommerce_store import (
    CODE,
    PAGING,
    Entry,
    Refused,
    Store,
    allowed,
    checked,
    code_free,
    fits_code,
    number,
    paged,
    rfc,
    v2_list,
)

COUPON = {
    "name": str, "type": str, "amount": str, "min_purchase": str, "expires": str, "enabled": bool, "code": str,
    "applies_to": dict, "max_uses": int, "max_uses_per_customer": int, "restricted_to": dict, "shipping_methods": list,
}  # fmt: skip
COUPON_TYPES = {"per_item_discount", "per_total_discount", "shipping_discount", "free_shipping", "percentage_discount"}
CERTIFICATE = {
    "to_name": str, "to_email": str, "from_name": str, "from_email": str, "amount": str, "balance": str, "code": str,
    "status": str, "currency_code": str, "message": str, "template": str, "expiry_date": str, "purchase_date": str,
    "customer_id": int,
}  # fmt: skip
COUPON_FILTERS = PAGING | {"id", "code", "name", "type", "min_id", "max_id", "exclude_type"}
CERTIFICATE_FILTERS = PAGING | {"code", "min_id", "max_id", "sort", "direction"}


def coupon_body(store: Store, body: Any, *, except_id: int = 0) -> Entry:
    entry = checked(body, COUPON, {"name", "code", "type", "amount"} | (set() if except_id else {"applies_to"}))
    if entry["type"] not in COUPON_TYPES:
        raise Refused(400, "The field 'type' is invalid.")
    if CODE.fullmatch(entry["code"]) is None or not 0 < len(entry["name"]) <= 100:
        raise Refused(400, "The field 'code' or 'name' is invalid.")
    if any(each["id"] != except_id and each["name"] == entry["name"] for each in store.coupons.values()):
        raise Refused(409, "The coupon name is in use already.")
    code_free(store, entry["code"], except_id=except_id)
    entry["amount"] = number(entry["amount"])
    if entry.get("expires"):
        rfc(entry["expires"])
    where = entry.get("applies_to", {})
    if where and (where.get("entity") not in {"categories", "products"} or not where.get("ids")):
        raise Refused(400, "The field 'applies_to' is invalid.")
    return entry


def make_coupon(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    entry = coupon_body(store, body)
    kept: Entry = {
        "id": store.new_id(), "min_purchase": "0", "expires": "", "enabled": True, "num_uses": 0, "max_uses": 0,
        "max_uses_per_customer": 0, "restricted_to": {}, "shipping_methods": [],
        "date_created": format_datetime(store.clock()),
    } | entry  # fmt: skip
    kept["min_purchase"] = number(kept["min_purchase"])
    for change in store.changes:
        change(kept)
    store.coupons[kept["id"]] = kept
    return 201, kept


def change_coupon(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    kept = store.coupons.get(ids[0])
    if kept is None:
        raise Refused(404, "The requested resource was not found.")
    entry = coupon_body(store, body, except_id=kept["id"])
    if "min_purchase" in entry:
        entry["min_purchase"] = number(entry["min_purchase"])
    kept |= {"applies_to": {"entity": "categories", "ids": []}} | entry
    return 200, kept


def list_coupons(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    query = allowed(query, COUPON_FILTERS)
    shadows = [
        {
            "id": code["id"], "name": store.promotions[code["promotion"]]["name"], "type": "promotion",
            "amount": "0.0000", "min_purchase": "0.0000", "expires": "", "enabled": True, "code": code["code"],
            "applies_to": {}, "num_uses": 0, "max_uses": 0, "max_uses_per_customer": 0, "restricted_to": [],
            "shipping_methods": None, "date_created": "",
        }
        for code in store.codes.values()
    ]  # fmt: skip
    found = sorted([*store.coupons.values(), *shadows], key=lambda entry: entry["id"])
    found = [entry for entry in found if fits_code(store, entry, query) and entry["type"] != query.get("exclude_type")]
    return v2_list(paged(found, query))


def delete_all(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    store.deleted_everything.append("coupons or gift certificates")
    store.coupons.clear()
    store.certificates.clear()
    return 204, None


def delete_coupon(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    store.coupons.pop(ids[0], None)
    return 204, None


def certificate_body(body: Any) -> Entry:
    entry = checked(body, CERTIFICATE, {"to_name", "to_email", "from_name", "from_email", "amount"})
    if entry.get("status", "active") not in {"active", "pending", "disabled", "expired"}:
        raise Refused(400, "The field 'status' is invalid.")
    if any("@" not in entry[name] for name in ("to_email", "from_email")):
        raise Refused(400, "An e-mail address is invalid.")
    entry["amount"] = number(entry["amount"])
    entry["balance"] = number(entry.get("balance", entry["amount"]))
    if "expiry_date" in entry:
        entry["expiry_date"] = str(int(rfc(entry["expiry_date"]).timestamp()))
    if "code" in entry:
        entry["code"] = entry["code"][:20]
    return entry


def make_certificate(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    entry = certificate_body(body)
    identity = store.new_id()
    kept: Entry = {"code": f"FFZ-{identity}", "status": "active", "expiry_date": "0", "template": "general.html",
                   "message": "", "customer_id": 0, "currency_code": store.currency} | entry  # fmt: skip
    code_free(store, kept["code"])
    store.certificates[identity] = kept | {"id": identity, "order_id": 0}
    return 201, store.certificates[identity]


def change_certificate(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    kept = store.certificates.get(ids[0])
    if kept is None:
        raise Refused(404, "The requested resource was not found.")
    kept |= certificate_body(body)
    return 200, kept


def list_certificates(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    query = allowed(query, CERTIFICATE_FILTERS)
    return v2_list(paged([each for each in store.certificates.values() if fits_code(store, each, query)], query))
