"""Carts: one per browser, at most one discount code, priced afresh at every look."""

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime

from platforms.sandbox.shop import codes, store
from platforms.sandbox.shop.refusals import Refused

MOST = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    product_id: int
    slug: str
    name: str
    quantity: int
    unit_price: int

    @property
    def price(self) -> int:
        return self.quantity * self.unit_price


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A cart as it stands. `code` is set when it takes something off; `problem` says why a typed one does not."""

    lines: tuple[Line, ...]
    subtotal: int
    delivery: int
    discount: int
    code: sqlite3.Row | None = None
    typed: str = ""
    problem: Refused | None = None

    @property
    def total(self) -> int:
        return self.subtotal + self.delivery - self.discount

    @property
    def pieces(self) -> int:
        return sum(line.quantity for line in self.lines)


def open_cart(connection: sqlite3.Connection, *, now: datetime) -> str:
    cart_id = secrets.token_urlsafe(24)
    connection.execute("INSERT INTO carts VALUES (?, NULL, ?)", (cart_id, store.instant(now)))
    return cart_id


def exists(connection: sqlite3.Connection, cart_id: str) -> bool:
    return connection.execute("SELECT 1 FROM carts WHERE id = ?", (cart_id,)).fetchone() is not None


def put(connection: sqlite3.Connection, cart_id: str, *, slug: str, quantity: int, add: bool) -> None:
    """Set the quantity of a product, or add to it; zero takes it out. Raises Refused."""
    product = connection.execute("SELECT id FROM products WHERE slug = ?", (slug,)).fetchone()
    if product is None:
        raise Refused("unknown_product", f"The shop has no product {slug!r}.", status=404)
    row = connection.execute(
        "SELECT quantity FROM cart_lines WHERE cart_id = ? AND product_id = ?", (cart_id, product["id"])
    ).fetchone()
    wanted = quantity + (row["quantity"] if row and add else 0)
    if not 0 <= wanted <= MOST:
        raise Refused("invalid_quantity", f"Choose a quantity from 0 to {MOST}.")
    connection.execute("DELETE FROM cart_lines WHERE cart_id = ? AND product_id = ?", (cart_id, product["id"]))
    if wanted:
        connection.execute("INSERT INTO cart_lines VALUES (?, ?, ?)", (cart_id, product["id"], wanted))


def apply_code(connection: sqlite3.Connection, cart_id: str, text: str, *, currency: str, now: datetime) -> None:
    """Put a code on the cart; it replaces the one that was there. Raises Refused and leaves the cart as it was."""
    if not text.strip():
        raise Refused("code_missing", "Type a code first.")
    code = codes.find(connection, text)
    if code is None:
        raise Refused("code_unknown", f"We do not know the code {text.strip()[:40]}.")
    found = lines(connection, cart_id)
    codes.check(
        connection,
        code,
        subtotal=_subtotal(found),
        email="",
        currency=currency,
        now=now,
        slugs=[line.slug for line in found],
    )
    connection.execute("UPDATE carts SET code_id = ? WHERE id = ?", (code["id"], cart_id))


def remove_code(connection: sqlite3.Connection, cart_id: str) -> None:
    connection.execute("UPDATE carts SET code_id = NULL WHERE id = ?", (cart_id,))


def empty(connection: sqlite3.Connection, cart_id: str) -> None:
    """Forget the cart: after an order, or when the customer walks away from it."""
    connection.execute("DELETE FROM carts WHERE id = ?", (cart_id,))


def lines(connection: sqlite3.Connection, cart_id: str) -> tuple[Line, ...]:
    rows = connection.execute(
        "SELECT product_id, slug, name, quantity, price FROM cart_lines JOIN products ON products.id = product_id "
        "WHERE cart_id = ? ORDER BY product_id",
        (cart_id,),
    )
    return tuple(
        Line(
            product_id=row["product_id"],
            slug=row["slug"],
            name=row["name"],
            quantity=row["quantity"],
            unit_price=row["price"],
        )
        for row in rows
    )


def price(connection: sqlite3.Connection, cart_id: str, *, currency: str, now: datetime, email: str = "") -> Priced:
    """What the cart costs now. A code that cannot be used takes nothing off, and `problem` says why."""
    found = lines(connection, cart_id)
    subtotal = _subtotal(found)
    delivery = store.DELIVERY_FEE if found else 0
    code: sqlite3.Row | None = connection.execute(
        "SELECT codes.* FROM codes JOIN carts ON carts.code_id = codes.id WHERE carts.id = ?", (cart_id,)
    ).fetchone()
    full = Priced(lines=found, subtotal=subtotal, delivery=delivery, discount=0)
    if code is None or not found:
        return full
    try:
        codes.check(
            connection,
            code,
            subtotal=subtotal,
            email=email,
            currency=currency,
            now=now,
            slugs=[line.slug for line in found],
        )
    except Refused as problem:
        return Priced(
            lines=found, subtotal=subtotal, delivery=delivery, discount=0, typed=code["code"], problem=problem
        )
    prices = {line.slug: line.unit_price for line in found}
    good_for = codes.good_for(connection, code)
    counted = _subtotal(tuple(line for line in found if line.slug in good_for))
    off = codes.worth(connection, code, subtotal=counted, delivery=delivery, prices=prices)
    return Priced(
        lines=found,
        subtotal=subtotal,
        delivery=delivery,
        discount=off,
        code=code if off else None,
        typed=code["code"],
    )


def _subtotal(found: tuple[Line, ...]) -> int:
    return sum(line.price for line in found)
