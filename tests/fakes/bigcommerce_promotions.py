"""The store's V3 promotions. Their type, for one code or for many, cannot be changed."""

from datetime import UTC, datetime
from typing import Any

from tests.fakes.bigcommerce_promotion_codes import codes_of
from tests.fakes.bigcommerce_store import PAGING, Entry, Refused, Store, allowed, checked, fits_code, paged, v3

PROMOTION = {
    "redemption_type": str, "coupon_type": str, "name": str, "display_name": str, "channels": list, "rules": list,
    "max_uses": int, "status": str, "start_date": str, "end_date": str, "stop": bool, "currency_code": str,
    "can_be_used_with_other_promotions": bool, "notifications": list,
}  # fmt: skip
PROMOTION_FILTERS = PAGING | {"id", "name", "code", "redemption_type", "status", "sort", "direction", "query"}


CHOICES = {
    "status": ("ENABLED", "DISABLED"), "coupon_type": ("SINGLE", "BULK"), "redemption_type": ("COUPON", "AUTOMATIC"),
}  # fmt: skip


def promotion_body(body: Any, required: set[str]) -> Entry:
    entry = checked(body, PROMOTION, required)
    for name, values in CHOICES.items():
        if entry.get(name, values[0]) not in values:
            raise Refused(422, f"{name} is invalid")
    for name in ("start_date", "end_date"):
        if name in entry and datetime.fromisoformat(entry[name]).tzinfo is None:
            raise Refused(422, f"{name} has no time zone")
    for rule in entry.get("rules", []):
        if not rule.keys() <= {"action", "apply_once", "stop", "condition"} or len(rule.get("action", {})) != 1:
            raise Refused(422, "a rule needs exactly one action, and knows no other fields")
        for name, action in rule["action"].items():
            ACTIONS.get(name, no_action)(action)
    return entry


def no_action(action: Any) -> None:
    raise Refused(422, "this action does not exist")


def gift_item(action: Entry) -> None:
    if action.keys() not in ({"product_id", "quantity"}, {"variant_id", "quantity"}):
        raise Refused(422, "gift_item needs a quantity and a product or a variant")


def shipping(action: Entry) -> None:
    if "zone_ids" not in action or not action.keys() <= {"zone_ids", "free_shipping"}:
        raise Refused(422, "shipping needs zone_ids")


def cart_value(action: Entry) -> None:
    discount = action.get("discount", {})
    if discount.keys() not in ({"fixed_amount"}, {"percentage_amount"}) or not isinstance(*discount.values(), str):
        raise Refused(422, "cart_value needs one discount, as a text")


ACTIONS = {"gift_item": gift_item, "shipping": shipping, "cart_value": cart_value}


def make_promotion(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    entry = promotion_body(body, {"redemption_type", "name", "rules"})
    if store.names_once and any(each["name"] == entry["name"] for each in store.promotions.values()):
        raise Refused(store.duplicate_status, "The name is in use already.")
    identity = store.new_id()
    coupon_type = {"coupon_type": "SINGLE"} if entry["redemption_type"] == "COUPON" else {}
    store.promotions[identity] = {
        "id": identity, "channels": [], "current_uses": 0, "status": "ENABLED", "end_date": None, "stop": False,
        "start_date": datetime.now(UTC).isoformat(), "currency_code": store.currency, "created_from": "api",
    } | coupon_type | entry  # fmt: skip
    for change in store.changes:
        change(store.promotions[identity])
    return v3(store.promotions[identity], status=201)


def one_promotion(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    if ids[0] not in store.promotions:
        raise Refused(404, "The requested resource was not found.")
    return v3(store.promotions[ids[0]])


def change_promotion(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    one_promotion(store, ids, query, body)
    entry = promotion_body(body, set())
    if entry.get("coupon_type", store.promotions[ids[0]].get("coupon_type")) != store.promotions[ids[0]].get(
        "coupon_type"
    ):
        raise Refused(422, "coupon_type cannot be changed")
    store.promotions[ids[0]] |= entry
    return v3(store.promotions[ids[0]])


def delete_promotion(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    store.promotions.pop(ids[0], None)
    for code_id in [each["id"] for each in store.codes.values() if each["promotion"] == ids[0]]:
        del store.codes[code_id]
    return 204, None


def fits_name(store: Store, promotion: Entry, name: str) -> bool:
    return bool(promotion["name"].startswith(name) if store.names_alike else promotion["name"] == name)


def list_promotions(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    query = allowed(query, PROMOTION_FILTERS)
    wanted = query.get("redemption_type", "")
    if wanted not in {"", "automatic", "coupon"}:
        raise Refused(422, "redemption_type is automatic or coupon")
    found = [
        each
        for each in store.promotions.values()
        if wanted.upper() in {"", each["redemption_type"]}
        and ("name" not in query or fits_name(store, each, query["name"]))
        and ("code" not in query or any(fits_code(store, code, query) for code in codes_of(store, each["id"])))
    ]
    return v3(paged(found, query))
