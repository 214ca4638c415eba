"""Orders: placed, paid, cancelled, refunded. Pages and API run the same steps here.

Each act is one transaction. Every change gives the order the shop's next sequence number, so whoever reads orders by
sequence misses none, and puts a webhook into the outbox.
"""

import re
import sqlite3
from datetime import datetime, timedelta
from typing import Any

from platforms.sandbox.shop import carts, codes, money, store, webhooks
from platforms.sandbox.shop.refusals import Refused
from platforms.sandbox.shop.store import Store

EMAIL = re.compile(r"[^@\s<>\"]{1,64}@[^@\s<>\".]+(\.[^@\s<>\".]+)+", re.ASCII)


def checkout(shop: Store, cart_id: str, *, email: str, pay_now: bool, now: datetime) -> str:
    """Turn the cart into an order and return its id. Raises Refused.

    A code that cannot be used any more is taken off the cart before the refusal, so the cart shows the full price
    and the next try goes through without it.
    """
    email = email.strip()
    if EMAIL.fullmatch(email) is None or len(email) > 254:
        raise Refused("invalid_email", "Enter an e-mail address such as name@example.com.")
    with shop.writing() as connection:
        priced = carts.price(connection, cart_id, currency=shop.currency, now=now, email=email)
        if not priced.lines:
            raise Refused("empty_cart", "Your cart is empty.")
        if priced.problem is None:
            order_id = _place(connection, priced, email=email, now=now)
            carts.empty(connection, cart_id)
            _changed(connection, order_id, "created", currency=shop.currency, now=now)
            if pay_now:
                _complete(connection, order_id, currency=shop.currency, now=now)
            return order_id
        carts.remove_code(connection, cart_id)
    raise priced.problem


def pay(shop: Store, order_id: str, *, now: datetime) -> None:
    """Pay a placed order; its code counts as used from here. Raises Refused.

    When another order was faster with the same code, or the code was disabled meanwhile, the order goes back to its
    full price and stays unpaid.
    """
    problem: Refused | None = None
    with shop.writing() as connection:
        order = read(connection, order_id)
        if order["status"] != "placed":
            raise Refused("not_payable", f"Order {order['number']} is {order['status']}.", status=409)
        if order["code_id"]:
            try:
                codes.check_still_good(connection, codes.read(connection, order["code_id"]), needed=order["discount"])
            except Refused as refused:
                problem = refused
                _drop_code(connection, order)
                _changed(connection, order_id, "repriced", currency=shop.currency, now=now)
        if problem is None:
            _complete(connection, order_id, currency=shop.currency, now=now)
    if problem is not None:
        raise Refused(problem.code, f"{problem.sentence} The order now costs the full price.", status=problem.status)


def cancel(shop: Store, order_id: str, *, now: datetime, by_customer: bool = False) -> None:
    """Cancel an order; a single-use code can be used again. Customers cancel only what they have not paid.

    Raises Refused.
    """
    with shop.writing() as connection:
        order = read(connection, order_id)
        if by_customer and order["status"] == "completed":
            raise Refused("already_paid", "A paid order is canceled by the shop. Write to us.", status=409)
        if order["status"] == "cancelled":
            raise Refused("already_cancelled", f"Order {order['number']} is canceled already.", status=409)
        connection.execute(
            "UPDATE orders SET status = 'cancelled', cancelled_at = ? WHERE id = ?", (store.instant(now), order_id)
        )
        _changed(connection, order_id, "cancelled", currency=shop.currency, now=now)


def refund(shop: Store, order_id: str, *, amount: int | None, now: datetime) -> None:
    """Give money back, all that is left when `amount` is None. The code stays used. Raises Refused."""
    with shop.writing() as connection:
        order = read(connection, order_id)
        if order["status"] != "completed":
            raise Refused("not_refundable", f"Order {order['number']} is {order['status']}, not paid.", status=409)
        left = order["total"] - refunded(connection, order_id)
        wanted = left if amount is None else amount
        if not 0 < wanted <= left:
            most = money.shown(left, shop.currency)
            raise Refused("invalid_amount", f"At most {most} of order {order['number']} can be refunded.")
        connection.execute(
            "INSERT INTO refunds VALUES (?, ?, ?, ?)", (store.new_id("refund"), order_id, wanted, store.instant(now))
        )
        _changed(connection, order_id, "refunded", currency=shop.currency, now=now)


def read(connection: sqlite3.Connection, order_id: str) -> sqlite3.Row:
    """Raises Refused not_found."""
    row: sqlite3.Row | None = connection.execute("SELECT * FROM orders WHERE id = ?", (order_id,)).fetchone()
    if row is None:
        raise Refused("not_found", "The shop has no such order.", status=404)
    return row


def changed_after(connection: sqlite3.Connection, sequence: int, *, limit: int) -> list[sqlite3.Row]:
    """Orders whose last change came after `sequence`, oldest change first."""
    return connection.execute(
        "SELECT * FROM orders WHERE sequence > ? ORDER BY sequence LIMIT ?", (sequence, limit)
    ).fetchall()


def newest(connection: sqlite3.Connection, *, before: int, limit: int = 50) -> list[sqlite3.Row]:
    """What the staff page lists: orders with a number below `before`, newest first."""
    return connection.execute(
        "SELECT * FROM orders WHERE number < ? ORDER BY number DESC LIMIT ?", (before, limit)
    ).fetchall()


def lines(connection: sqlite3.Connection, order_id: str) -> list[sqlite3.Row]:
    return connection.execute(
        "SELECT order_lines.*, slug, collection FROM order_lines JOIN products ON products.id = product_id "
        "WHERE order_id = ? ORDER BY product_id",
        (order_id,),
    ).fetchall()


def refunded(connection: sqlite3.Connection, order_id: str) -> int:
    row = connection.execute(
        "SELECT coalesce(sum(amount), 0) AS total FROM refunds WHERE order_id = ?", (order_id,)
    ).fetchone()
    return int(row["total"])


def as_json(connection: sqlite3.Connection, order: sqlite3.Row, *, currency: str) -> dict[str, Any]:
    """The whole order; `codes` lists only what really took effect on it."""

    def text(amount: int) -> str:
        return money.to_text(amount, currency)

    times = ("placed_at", "updated_at", "completed_at", "cancelled_at")
    refunds = connection.execute("SELECT * FROM refunds WHERE order_id = ? ORDER BY rowid", (order["id"],))
    bought = lines(connection, order["id"])
    shares = _shares(connection, order, bought)
    applied = [{"id": order["code_id"], "code": order["code"], "discount": text(order["discount"])}]
    return {
        "id": order["id"],
        "number": str(order["number"]),
        "status": order["status"],
        "sequence": order["sequence"],
        "email": order["email"],
        "currency": currency,
        **{name: text(order[name]) for name in ("subtotal", "discount", "delivery", "total")},
        "tax": text(0),  # this shop sells without
        "shipping": text(order["delivery"] - (order["discount"] - sum(shares))),
        "codes": applied if order["code_id"] else [],
        "lines": [
            {
                "name": line["name"],
                "quantity": line["quantity"],
                "unit_price": text(line["unit_price"]),
                "product": line["slug"],
                "collection": line["collection"],
                "discounted_total": text(line["unit_price"] * line["quantity"] - share),
            }
            for line, share in zip(bought, shares, strict=True)
        ],
        "refunds": [
            {"id": entry["id"], "amount": text(entry["amount"]), "refunded_at": entry["refunded_at"]}
            for entry in refunds
        ],
        **{name: order[name] for name in times},
    }


def _shares(connection: sqlite3.Connection, order: sqlite3.Row, bought: list[sqlite3.Row]) -> list[int]:
    """What of the order's discount each line bears; what is left is delivery's."""
    code = codes.read(connection, order["code_id"]) if order["code_id"] else None
    if code is None or code["kind"] == "free_delivery":
        return [0] * len(bought)
    good_for = {code["product"]} if code["kind"] == "free_product" else codes.good_for(connection, code)
    worths = [line["unit_price"] * line["quantity"] if line["slug"] in good_for else 0 for line in bought]
    whole, shares, so_far = sum(worths), [], 0
    off = min(order["discount"], whole)
    for place in range(len(worths)):
        reached = off * sum(worths[: place + 1]) // whole if whole else 0
        shares.append(reached - so_far)
        so_far = reached
    return shares


def _place(connection: sqlite3.Connection, priced: carts.Priced, *, email: str, now: datetime) -> str:
    order_id = store.new_id("order")
    code_id, code = (priced.code["id"], priced.code["code"]) if priced.code is not None else (None, "")
    connection.execute(
        "INSERT INTO orders (id, number, status, email, subtotal, discount, delivery, total, code_id, code, placed_at, "
        "updated_at, sequence) VALUES (?, ?, 'placed', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            order_id,
            store.count_up(connection, "order_number"),
            email,
            priced.subtotal,
            priced.discount,
            priced.delivery,
            priced.total,
            code_id,
            code,
            store.instant(now),
            store.instant(now),
            store.count_up(connection, "sequence"),
        ),
    )
    connection.executemany(
        "INSERT INTO order_lines VALUES (?, ?, ?, ?, ?)",
        [(order_id, line.product_id, line.name, line.quantity, line.unit_price) for line in priced.lines],
    )
    return order_id


def _complete(connection: sqlite3.Connection, order_id: str, *, currency: str, now: datetime) -> None:
    connection.execute(
        "UPDATE orders SET status = 'completed', completed_at = ? WHERE id = ?", (store.instant(now), order_id)
    )
    _changed(connection, order_id, "completed", currency=currency, now=now)


def _drop_code(connection: sqlite3.Connection, order: sqlite3.Row) -> None:
    connection.execute(
        "UPDATE orders SET code_id = NULL, code = '', discount = 0, total = subtotal + delivery WHERE id = ?",
        (order["id"],),
    )


def _changed(connection: sqlite3.Connection, order_id: str, change: str, *, currency: str, now: datetime) -> None:
    """Number and date the change, later than the order's last one whatever the clock says, and announce it."""
    last = store.moment(read(connection, order_id)["updated_at"])
    connection.execute(
        "UPDATE orders SET sequence = ?, updated_at = ? WHERE id = ?",
        (
            store.count_up(connection, "sequence"),
            store.instant(max(now, last + timedelta(microseconds=1))),
            order_id,
        ),
    )
    order = as_json(connection, read(connection, order_id), currency=currency)
    webhooks.enqueue(connection, order, change=change, now=now)
