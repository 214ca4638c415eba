"""The store's orders with what stands beside them, its webhooks, and what it says about itself.

`refunded_amount` is always 0, and coupons, refunds and payments are shown only where they are asked for.
"""

import re
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from tests.fakes.bigcommerce_store import PAGING, Refused, Store, allowed, checked, paged, v2_list, v3

HOOK = {"scope": str, "destination": str, "is_active": bool, "headers": dict, "events_history_enabled": bool}
ORDER_FILTERS = PAGING | {"min_id", "max_id", "min_date_modified", "max_date_modified", "sort", "status_id"}


def list_orders(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    query = allowed(query, ORDER_FILTERS)
    name, _, direction = query.get("sort", "id:asc").partition(":")
    if name not in {"id", "date_modified"} or direction not in {"asc", "desc", ""}:
        raise Refused(400, "The parameter 'sort' is invalid.")
    edge = timedelta(0) if store.bounds_included else timedelta(seconds=1)
    low, high = (
        datetime.fromisoformat(query[bound]) if bound in query else None
        for bound in ("min_date_modified", "max_date_modified")
    )
    moments = {each["id"]: parsedate_to_datetime(each["date_modified"]) for each in store.orders.values()}
    found = [
        each
        for each in store.orders.values()
        if (low is None or moments[each["id"]] >= low + edge) and (high is None or moments[each["id"]] <= high - edge)
    ]
    found.sort(key=lambda each: each["id"] if name == "id" else (moments[each["id"]], each["id"]))
    return v2_list(paged(found, query))


def one_order(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    if ids[0] not in store.orders:
        raise Refused(404, "The requested resource was not found.")
    return 200, store.orders[ids[0]]


def order_coupons(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    one_order(store, ids, query, body)
    return v2_list(paged(store.applied.get(ids[0], []), allowed(query, PAGING)))


def order_products(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    one_order(store, ids, query, body)
    return v2_list(paged(store.lines.get(ids[0], []), allowed(query, PAGING)))


def list_refunds(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    query = allowed(query, PAGING | {"order_id:in", "id:in", "created:min", "created:max"})
    wanted = {int(each) for each in query.get("order_id:in", "").split(",") if each}
    return v3(paged([each for each in store.refunds if not wanted or each["order_id"] in wanted], query))


def transactions(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    one_order(store, ids, query, body)
    return v3(store.payments.get(ids[0], []))


def list_hooks(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    query = allowed(query, PAGING | {"destination", "scope", "is_active"})
    found = [each for each in store.hooks.values() if query.get("destination") in {None, each["destination"]}]
    return v3(paged(found, query))


def make_hook(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    entry = checked(body, HOOK, {"scope", "destination"})
    if not re.match(r"https://[^/:]+(:443)?/", entry["destination"]):
        raise Refused(400, "Destination URL must be served over HTTPS on port 443")
    for each in store.hooks.values():
        if (each["scope"], each["destination"]) == (entry["scope"], entry["destination"]):
            raise Refused(400, "Hook with this scope and destination already exists")
    identity = store.new_id()
    store.hooks[identity] = {"id": identity, "is_active": True, "headers": None} | entry
    return v3(store.hooks[identity])


def change_hook(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    if ids[0] not in store.hooks:
        raise Refused(404, "The requested resource was not found.")
    store.hooks[ids[0]] |= checked(body, HOOK, set())
    return v3(store.hooks[ids[0]])


def information(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    return 200, {"id": "abcde", "name": store.name, "currency": store.currency, "domain": "garden.example"}
