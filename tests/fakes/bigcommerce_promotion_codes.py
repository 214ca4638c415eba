"""The codes of V3 promotions: one that somebody chose, or many that the store makes up for a promotion of the type BULK.

Whether a promotion of that type takes a chosen code as well is not documented: this one does not.
"""

import re
import secrets
import string
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
    v3,
)

GENERATOR = {
    "batch_size": int, "max_uses": int, "max_uses_per_customer": int, "prefix": str, "suffix": str, "delimiter": str,
    "exclude_characters": list, "code_length": int,
}  # fmt: skip
BOUNDS = {
    "batch_size": (1, 250),
    "max_uses": (0, 100_000),
    "max_uses_per_customer": (0, 100_000),
    "code_length": (6, 16),
}
PATTERNS = {"prefix": r"[A-Z0-9_-]{0,20}", "suffix": r"[A-Z0-9_-]{0,20}", "delimiter": r"[_-]?"}
LETTERS = string.ascii_uppercase + string.digits


def codes_of(store: Store, promotion_id: int) -> list[Entry]:
    return [each for each in store.codes.values() if each["promotion"] == promotion_id]


def add_code(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    if promotion_of(store, ids).get("coupon_type") == "BULK":
        raise Refused(422, "A bulk promotion takes generated codes alone.")
    entry = checked(body, {"code": str, "max_uses": int, "max_uses_per_customer": int}, {"code"})
    if CODE.fullmatch(entry["code"]) is None:
        raise Refused(422, "code is invalid")
    code_free(store, entry["code"])
    return v3(shown(keep(store, ids[0], entry)), status=201)


def generate(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    """Make up so many codes. What it answers has their texts and no ids."""
    promotion = promotion_of(store, ids)
    if promotion.get("coupon_type") != "BULK" or promotion["redemption_type"] != "COUPON":
        raise Refused(405, "Bulk code generation is only for promotions of the type COUPON and BULK.")
    order = what_to_generate(body)
    before = order["prefix"] + order["delimiter"] if order["prefix"] else ""
    behind = order["delimiter"] + order["suffix"] if order["suffix"] else ""
    if len(before) + order["code_length"] + len(behind) > 50:
        raise Refused(422, "The codes would be longer than 50")
    letters = [each for each in LETTERS if each not in order["exclude_characters"]]
    limits = {name: order[name] for name in ("max_uses", "max_uses_per_customer")}
    made = []
    for _ in range(order["batch_size"] if store.generates is None else store.generates):
        text = before + fresh(store, letters, order["code_length"], around=(before, behind)) + behind
        made.append(keep(store, ids[0], {"code": text} | limits))
    answer = limits | {"created": store.clock().isoformat(), "batch_size": order["batch_size"]}
    answer["codes"] = [{"code": each["code"]} for each in made]
    for tell in store.tells:
        tell(answer)
    return v3(answer, status=201)


def what_to_generate(body: Any) -> Entry:
    if not isinstance(body, dict) or type(body.get("batch_size")) is not int:
        raise Refused(422, "batch_size must be an integer")
    order = {"max_uses": 1, "max_uses_per_customer": 1, "prefix": "", "suffix": "", "delimiter": "", "code_length": 16,
             "exclude_characters": []} | checked(body, GENERATOR, {"batch_size"})  # fmt: skip
    for name, (low, high) in BOUNDS.items():
        if not low <= order[name] <= high:
            raise Refused(422, f"{name} must be between {low} and {high}")
    for name, pattern in PATTERNS.items():
        if re.fullmatch(pattern, order[name]) is None:
            raise Refused(422, f"{name} is invalid")
    excluded = order["exclude_characters"]
    if not all(isinstance(each, str) and re.fullmatch(r"[A-Z0-9]", each) for each in excluded):
        raise Refused(422, "exclude_characters is invalid")
    if not set(LETTERS) - set(excluded):
        raise Refused(422, "exclude_characters leaves none")
    return order


def fresh(store: Store, letters: list[str], length: int, *, around: tuple[str, str]) -> str:
    """Random characters that make a code nobody has."""
    while True:
        text = "".join(secrets.choice(letters) for _ in range(length))
        try:
            code_free(store, text.join(around))
        except Refused:
            continue
        return text


def keep(store: Store, promotion_id: int, entry: Entry) -> Entry:
    identity = store.new_id()
    kept = (
        {"id": identity, "current_uses": 0, "created": store.clock().isoformat()} | entry | {"promotion": promotion_id}
    )
    for change in store.code_changes:
        change(kept)
    store.codes[identity] = kept
    return kept


def shown(code: Entry) -> Entry:
    return {name: value for name, value in code.items() if name != "promotion"}


def promotion_of(store: Store, ids: list[int]) -> Entry:
    if ids[0] not in store.promotions:
        raise Refused(404, "The requested resource was not found.")
    return store.promotions[ids[0]]


def list_promotion_codes(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    promotion_of(store, ids)
    query = allowed(query, PAGING | {"code", "after", "before"})
    limit, after = int(query.get("limit", 50)), int(query.get("after", "c0")[1:])
    there = codes_of(store, ids[0])
    there = there[: len(there) - store.hidden_codes]
    rest = [each for each in there if (each["id"] > after or store.endless_codes) and fits_code(store, each, query)]
    page = [shown(each) for each in rest[:limit]]
    links = {"next": f"?limit={limit}&after=c{page[-1]['id']}"} if len(rest) > limit or store.endless_codes else {}
    paging = {"count": len(page), "per_page": limit, "links": links}
    if page:
        paging |= {"start_cursor": f"c{page[0]['id']}", "end_cursor": f"c{page[-1]['id']}"}
    return v3(page, meta={"cursor_pagination": paging})


def delete_code(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    if ids[1] in store.codes and store.codes[ids[1]]["promotion"] == ids[0]:
        del store.codes[ids[1]]
    return 204, None


def delete_several(store: Store, ids: list[int], query: dict[str, str], body: Any) -> tuple[int, Any]:
    """Promotions, or the codes of one: the real store takes a list of ids. Nobody here may ever send this."""
    store.deleted_everything.append("promotions or codes of a promotion")
    raise Refused(422, "id:in is required")
