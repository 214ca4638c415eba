"""The store's V3 promotions and their codes."""

from datetime import UTC, datetime
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
    paged,
    v3,
)

PROMOTION = {
    "redemption_type": str, "coupon_type": str, "name": str, "display_name": str, "channels": list, "rules": list,
    "max_uses": int, "status": str, "start_date": str, "end_date": str, "stop": bool, "currency_code": str,
    "can_be_used_with_other_promotions": bool, "notifications": list,
}  # fmt: skip
PROMOTION_FILTERS = PAGING | {"id", "name", "code", "redemption_type", "status", "sort", "direction", "query"}


def promotion_body(body: Any, required: set[str]) -> Entry:
    entry = checked(body, PROMOTION, required)
    if entry.get("status", "ENABLED") not in {"ENABLED", "DISABLED"}:
        raise Refused(422, "status is invalid")
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
    identity = store.new_id()
    store.promotions[identity] = {
        "id": identity, "channels": [], "current_uses": 0, "status": "ENABLED", "end_date": None, "stop": False,
        "start_date": datetime.now(UTC).isoformat(), "currency_code": store.currency, "created_from": "api",
    } | entry  # fmt: skip
    return v3(store.promotions[identity], status=201)


def one_promotion(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    if ids[0] not in store.promotions:
        raise Refused(404, "The requested resource was not found.")
    return v3(store.promotions[ids[0]])


def change_promotion(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    one_promotion(store, ids, query, body)
    store.promotions[ids[0]] |= promotion_body(body, set())
    return v3(store.promotions[ids[0]])


def delete_promotion(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    store.promotions.pop(ids[0], None)
    for code_id in [each["id"] for each in store.codes.values() if each["promotion"] == ids[0]]:
        del store.codes[code_id]
    return 204, None


def list_promotions(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    query = allowed(query, PROMOTION_FILTERS)
    wanted = query.get("redemption_type", "")
    if wanted not in {"", "automatic", "coupon"}:
        raise Refused(422, "redemption_type is automatic or coupon")
    found = [
        each
        for each in store.promotions.values()
        if wanted.upper() in {"", each["redemption_type"]}
        and query.get("name") in {None, each["name"]}
        and ("code" not in query or any(fits_code(store, code, query) for code in codes_of(store, each["id"])))
    ]
    return v3(paged(found, query))


def codes_of(store: Store, promotion_id: int) -> list[Entry]:
    return [each for each in store.codes.values() if each["promotion"] == promotion_id]


def add_code(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    one_promotion(store, ids, query, body)
    entry = checked(body, {"code": str, "max_uses": int, "max_uses_per_customer": int}, {"code"})
    if CODE.fullmatch(entry["code"]) is None:
        raise Refused(422, "code is invalid")
    code_free(store, entry["code"])
    identity = store.new_id()
    store.codes[identity] = {"id": identity, "current_uses": 0, "created": store.clock().isoformat()} | entry
    store.codes[identity]["promotion"] = ids[0]
    return v3(shown(store.codes[identity]), status=201)


def shown(code: Entry) -> Entry:
    return {name: value for name, value in code.items() if name != "promotion"}


def list_promotion_codes(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    one_promotion(store, ids, {}, body)
    query = allowed(query, PAGING | {"code", "after", "before"})
    limit, after = int(query.get("limit", 50)), int(query.get("after", "c0")[1:])
    rest = [each for each in codes_of(store, ids[0]) if each["id"] > after and fits_code(store, each, query)]
    page = [shown(each) for each in rest[:limit]]
    links = {"next": f"?limit={limit}&after=c{page[-1]['id']}"} if len(rest) > limit else {}
    paging = {"count": len(page), "per_page": limit, "links": links}
    if page:
        paging |= {"start_cursor": f"c{page[0]['id']}", "end_cursor": f"c{page[-1]['id']}"}
    return v3(page, meta={"cursor_pagination": paging})


def delete_code(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    store.codes.pop(ids[1], None)
    return 204, None
