"""Discount codes: what the shop knows of them, whether a cart may use one, and what it takes off."""

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from platforms.sandbox.shop import money, store
from platforms.sandbox.shop.refusals import Refused

KINDS = ("percentage", "fixed_amount", "free_delivery", "free_product", "gift_card")
OF_AN_AMOUNT = ("fixed_amount", "gift_card")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCode:
    """A code to make. Amounts are minor units; `usage_limit` None means any number of orders.

    `product` is the slug of what is free; the amount of a gift card is spent over any number of orders.
    """

    code: str
    kind: str
    title: str = ""
    reference: str = ""
    percent: Decimal | None = None
    amount: int | None = None
    minimum_order: int | None = None
    customer_email: str | None = None
    usage_limit: int | None = 1
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    product: str | None = None
    collections: tuple[str, ...] = ()  # only for products in these; empty: for all


def create(connection: sqlite3.Connection, new: NewCode, *, now: datetime) -> sqlite3.Row:
    """Raises Refused: duplicate_code when the shop has the code already, in any case; unknown_product, unknown_collection."""
    for collection in new.collections:
        if connection.execute("SELECT 1 FROM products WHERE collection = ?", (collection,)).fetchone() is None:
            raise Refused("unknown_collection", f"The shop has no collection {collection!r}.")
    if new.product is not None and not _product(connection, new.product):
        raise Refused("unknown_product", f"The shop has no product {new.product!r}.")
    if find(connection, new.code) is not None:
        raise Refused("duplicate_code", f"The code {new.code} exists already. Choose another.", status=409)
    made = store.new_id("code")
    connection.execute(
        "INSERT INTO codes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?)",
        (
            made,
            new.code,
            new.code.casefold(),
            new.kind,
            new.title,
            new.reference,
            None if new.percent is None else str(new.percent),
            new.amount,
            new.minimum_order,
            new.customer_email,
            new.usage_limit,
            None if new.starts_at is None else store.instant(new.starts_at),
            None if new.expires_at is None else store.instant(new.expires_at),
            store.instant(now),
            store.instant(now),
            new.product,
            " ".join(sorted(new.collections)),
        ),
    )
    return read(connection, made)


def _product(connection: sqlite3.Connection, slug: str) -> str:
    """The product's name; empty when there is none."""
    row = connection.execute("SELECT name FROM products WHERE slug = ?", (slug,)).fetchone()
    return str(row["name"]) if row is not None else ""


def find(connection: sqlite3.Connection, code: str) -> sqlite3.Row | None:
    """By its text, any case."""
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM codes WHERE code_key = ?", (code.strip().casefold(),)
    ).fetchone()
    return row


def read(connection: sqlite3.Connection, code_id: str) -> sqlite3.Row:
    """Raises Refused not_found."""
    row: sqlite3.Row | None = connection.execute("SELECT * FROM codes WHERE id = ?", (code_id,)).fetchone()
    if row is None:
        raise Refused("not_found", "The shop has no such code.", status=404)
    return row


def after(connection: sqlite3.Connection, code_key: str, *, reference: str = "", limit: int) -> list[sqlite3.Row]:
    """All codes in the order of their texts, behind this one. A code keeps its place, whatever happens to others.

    With a reference those that have it.
    """
    return connection.execute(
        "SELECT * FROM codes WHERE code_key > ? AND ? IN ('', reference) ORDER BY code_key LIMIT ?",
        (code_key, reference, limit),
    ).fetchall()


def newest(connection: sqlite3.Connection, *, matching: str, limit: int = 100) -> list[sqlite3.Row]:
    """What the staff page lists: the newest codes whose text or reference contains `matching`."""
    return connection.execute(
        "SELECT * FROM codes WHERE instr(code_key, ?) OR instr(lower(reference), ?) "
        "ORDER BY created_at DESC, id DESC LIMIT ?",
        (matching.casefold(), matching.casefold(), limit),
    ).fetchall()


def switch(connection: sqlite3.Connection, code_id: str, *, enabled: bool, now: datetime) -> sqlite3.Row:
    """Enable or disable; saying it twice is harmless. Raises Refused not_found."""
    read(connection, code_id)
    connection.execute(
        "UPDATE codes SET enabled = ?, updated_at = ? WHERE id = ?", (int(enabled), store.instant(now), code_id)
    )
    return read(connection, code_id)


def extend(connection: sqlite3.Connection, code_id: str, *, expires_at: datetime, now: datetime) -> sqlite3.Row:
    """Move the end; a code that was disabled stays so. Raises Refused: not_found, invalid_field."""
    code = read(connection, code_id)
    if code["starts_at"] is not None and store.instant(expires_at) <= code["starts_at"]:
        raise Refused("invalid_field", "expires_at must be after starts_at.")
    connection.execute(
        "UPDATE codes SET expires_at = ?, updated_at = ? WHERE id = ?",
        (store.instant(expires_at), store.instant(now), code_id),
    )
    return read(connection, code_id)


def uses(connection: sqlite3.Connection, code_id: str) -> int:
    """Completed orders that carry the code. Counted, not kept, so cancelling an order gives the use back by itself."""
    row = connection.execute(
        "SELECT count(*) AS found FROM orders WHERE code_id = ? AND status = 'completed'", (code_id,)
    ).fetchone()
    return int(row["found"])


def left_on(connection: sqlite3.Connection, code: sqlite3.Row) -> int:
    """What is left on a gift card, in minor units. Counted, as uses are."""
    row = connection.execute(
        "SELECT coalesce(sum(discount), 0) AS spent FROM orders WHERE code_id = ? AND status = 'completed'",
        (code["id"],),
    ).fetchone()
    return int(code["amount"]) - int(row["spent"])


def check(
    connection: sqlite3.Connection,
    code: sqlite3.Row,
    *,
    subtotal: int,
    email: str,
    currency: str,
    now: datetime,
    slugs: Collection[str] | None = None,
) -> None:
    """Whether a cart of this subtotal and these products may use the code now.

    `email` is empty until the customer gave it; `slugs` is None where the products do not matter.

    Raises Refused with the one sentence the customer reads.
    """
    text = code["code"]
    check_still_good(connection, code)
    if code["product"] and slugs is not None and code["product"] not in slugs:
        raise Refused("product_missing", f"The code {text} needs {_product(connection, code['product'])} in your cart.")
    if code["collections"] and slugs is not None and not good_for(connection, code) & set(slugs):
        raise Refused("collection_missing", f"The code {text} needs a product of {_listed(code)} in your cart.")
    if code["starts_at"] and now < store.moment(code["starts_at"]):
        raise Refused("code_not_started", f"The code {text} is not valid yet.")
    if code["expires_at"] and now >= store.moment(code["expires_at"]):
        raise Refused("code_expired", f"The code {text} has expired.")
    if code["minimum_order"] and subtotal < code["minimum_order"]:
        least = money.shown(code["minimum_order"], currency)
        raise Refused("minimum_not_reached", f"The code {text} needs products for {least} or more in your cart.")
    if code["customer_email"] and email and email.casefold() != code["customer_email"].casefold():
        raise Refused("code_of_another_customer", f"The code {text} belongs to another e-mail address.")


def good_for(connection: sqlite3.Connection, code: sqlite3.Row) -> set[str]:
    """The products that the code takes something off; all of them where it names no collection."""
    wanted = code["collections"].split()
    rows = connection.execute("SELECT slug, collection FROM products")
    return {row["slug"] for row in rows if not wanted or row["collection"] in wanted}


def _listed(code: sqlite3.Row) -> str:
    return " or ".join(name.capitalize() for name in code["collections"].split())


def check_still_good(connection: sqlite3.Connection, code: sqlite3.Row, *, needed: int = 1) -> None:
    """What may have changed between placing an order, which takes `needed` off, and paying it. Raises Refused."""
    if not code["enabled"]:
        raise Refused("code_disabled", f"The code {code['code']} is no longer valid.")
    if code["kind"] == "gift_card" and left_on(connection, code) < needed:
        raise Refused("code_used", f"Not enough is left on the gift card {code['code']}.", status=409)
    if code["usage_limit"] is not None and uses(connection, code["id"]) >= code["usage_limit"]:
        raise Refused("code_used", f"The code {code['code']} has already been used.", status=409)


def worth(
    connection: sqlite3.Connection, code: sqlite3.Row, *, subtotal: int, delivery: int, prices: Mapping[str, int]
) -> int:
    """What the code takes off, in minor units; never more than there is. `prices` are those of one piece each.

    `subtotal` is what the products cost that the code is good for.
    """
    match code["kind"]:
        case "percentage":
            share = Decimal(subtotal) * Decimal(code["percent"]) / 100
            return min(int(share.quantize(Decimal(1), ROUND_HALF_UP)), subtotal)
        case "fixed_amount":
            return min(int(code["amount"]), subtotal)
        case "free_product":
            return prices.get(code["product"], 0)
        case "gift_card":
            return min(left_on(connection, code), subtotal + delivery)
        case _:
            return delivery


def alive(connection: sqlite3.Connection, code: sqlite3.Row, *, now: datetime) -> bool:
    """Whether a checkout would still take it."""
    try:
        check(connection, code, subtotal=1_000_000_000_000, email="", currency="", now=now)
    except Refused:
        return False
    return True


def as_json(connection: sqlite3.Connection, code: sqlite3.Row, *, currency: str, now: datetime) -> dict[str, Any]:
    def amount(name: str) -> str | None:
        return None if code[name] is None else money.to_text(code[name], currency)

    lists = {"collections": code["collections"].split()}
    same = ("id", "code", "kind", "title", "reference", "percent", "product", "customer_email", "usage_limit")
    times = ("starts_at", "expires_at", "created_at", "updated_at")
    return {
        **{name: code[name] for name in same + times},
        **lists,
        "amount": amount("amount"),
        "minimum_order": amount("minimum_order"),
        "currency": currency,
        "uses": uses(connection, code["id"]),
        "enabled": bool(code["enabled"]),
        "alive": alive(connection, code, now=now),
    }
