"""The pages where a person shops. They need no script; every act is a form that answers with a redirect."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from platforms.sandbox.shop import carts, exchange, money, orders, store
from platforms.sandbox.shop.exchange import Reply, Request, Shop
from platforms.sandbox.shop.markup import Markup, join, render
from platforms.sandbox.shop.refusals import Refused

COOKIE = "sandbox_cart"
NOTHING = Markup("")
STATUS = {"placed": "Waiting for payment", "completed": "Paid", "cancelled": "Canceled"}
Handler = Callable[[Shop, Request, str], Reply]


def answer(shop: Shop, request: Request) -> Reply:
    for method, pattern, handler in ROUTES:
        match = re.fullmatch(pattern, request.path)
        if match is not None and method == request.method:
            try:
                return handler(shop, request, match[1] if match.re.groups else "")
            except Refused as refused:
                return failure(shop, refused)
    return failure(shop, Refused("not_found", "This page does not exist.", status=404))


def failure(shop: Shop, refused: Refused) -> Reply:
    body = render("sorry", sentence=refused.sentence)
    return _page(shop, title="Sorry", body=body, status=refused.status)


def _page(shop: Shop, *, title: str, body: Markup, pieces: int = 0, status: int = 200) -> Reply:
    basket = render("basket", pieces=pieces) if pieces else NOTHING
    return exchange.page(render("shop", title=title, shop=shop.name, body=body, basket=basket), status=status)


def _priced(shop: Shop, request: Request) -> carts.Priced:
    with shop.store.reading() as connection:
        cart_id = request.cookies.get(COOKIE, "")
        return carts.price(connection, cart_id, currency=shop.currency, now=shop.now())


def _home(shop: Shop, request: Request, _: str) -> Reply:
    with shop.store.reading() as connection:
        rows = connection.execute("SELECT * FROM products ORDER BY id").fetchall()
    cards = join(_product("card", shop, row) for row in rows)
    pieces = _priced(shop, request).pieces
    return _page(shop, title="Things for home", body=render("home", cards=cards), pieces=pieces)


def _product(template: str, shop: Shop, row: Any) -> Markup:
    return render(
        template,
        slug=row["slug"],
        name=row["name"],
        description=row["description"],
        price=money.shown(row["price"], shop.currency),
    )


def _product_page(shop: Shop, request: Request, slug: str) -> Reply:
    with shop.store.reading() as connection:
        row = connection.execute("SELECT * FROM products WHERE slug = ?", (slug,)).fetchone()
    if row is None:
        raise Refused("not_found", "We do not sell that.", status=404)
    pieces = _priced(shop, request).pieces
    return _page(shop, title=row["name"], body=_product("product", shop, row), pieces=pieces)


def _cart(shop: Shop, request: Request, _: str) -> Reply:
    return _cart_page(shop, request)


def _cart_page(shop: Shop, request: Request, problem: Refused | None = None, typed: str = "") -> Reply:
    priced = _priced(shop, request)
    if not priced.lines:
        return _page(shop, title="Your cart", body=render("cart_empty", notice=_notice(problem)))
    lines = join(
        render(
            "cart_line",
            slug=line.slug,
            name=line.name,
            quantity=line.quantity,
            most=carts.MOST,
            price=money.shown(line.price, shop.currency),
        )
        for line in priced.lines
    )
    body = render(
        "cart",
        notice=_notice(problem or priced.problem),
        lines=lines,
        code=_code_box(priced, typed=typed),
        sums=_sums(shop, priced),
    )
    return _page(shop, title="Your cart", body=body, pieces=priced.pieces)


def _code_box(priced: carts.Priced, *, typed: str) -> Markup:
    if priced.code is not None:
        return render("code_applied", code=priced.code["code"], title=priced.code["title"] or "Discount applied")
    return render("code_field", typed=typed)


def _sums(shop: Shop, priced: carts.Priced) -> Markup:
    discount = NOTHING
    if priced.code is not None:
        off = money.shown(priced.discount, shop.currency)
        discount = render("sum_discount", code=priced.code["code"], amount=f"−{off}")
    return render(
        "sums",
        subtotal=money.shown(priced.subtotal, shop.currency),
        delivery=money.shown(priced.delivery, shop.currency),
        discount=discount,
        total=money.shown(priced.total, shop.currency),
    )


def _notice(problem: Refused | None) -> Markup:
    return render("notice", sentence=problem.sentence) if problem else NOTHING


def _put(shop: Shop, request: Request, *, add: bool) -> Reply:
    quantity = request.form.get("quantity", "1").strip()
    if re.fullmatch(r"\d{1,3}", quantity, re.ASCII) is None:
        return _cart_page(shop, request, Refused("invalid_quantity", "Enter a whole number of pieces."))
    cart_id = request.cookies.get(COOKIE, "")
    with shop.store.writing() as connection:
        if not carts.exists(connection, cart_id):
            cart_id = carts.open_cart(connection, now=shop.now())
        carts.put(connection, cart_id, slug=request.form.get("product", ""), quantity=int(quantity), add=add)
    cookie = ("Set-Cookie", f"{COOKIE}={cart_id}; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000")
    return exchange.redirect("/cart", cookie)


def _add(shop: Shop, request: Request, _: str) -> Reply:
    return _put(shop, request, add=True)


def _change(shop: Shop, request: Request, _: str) -> Reply:
    return _put(shop, request, add=False)


def _apply_code(shop: Shop, request: Request, _: str) -> Reply:
    typed = request.form.get("code", "")
    try:
        with shop.store.writing() as connection:
            cart_id = request.cookies.get(COOKIE, "")
            carts.apply_code(connection, cart_id, typed, currency=shop.currency, now=shop.now())
    except Refused as problem:
        return _cart_page(shop, request, problem, typed[:40])
    return exchange.redirect("/cart")


def _remove_code(shop: Shop, request: Request, _: str) -> Reply:
    with shop.store.writing() as connection:
        carts.remove_code(connection, request.cookies.get(COOKIE, ""))
    return exchange.redirect("/cart")


def _abandon(shop: Shop, request: Request, _: str) -> Reply:
    """Walk away: the cart is forgotten, and nothing that was in it counts for anything."""
    with shop.store.writing() as connection:
        carts.empty(connection, request.cookies.get(COOKIE, ""))
    return exchange.redirect("/")


def _checkout(shop: Shop, request: Request, _: str) -> Reply:
    return _checkout_page(shop, request)


def _checkout_page(shop: Shop, request: Request, problem: Refused | None = None, email: str = "") -> Reply:
    priced = _priced(shop, request)
    if not priced.lines:
        return _cart_page(shop, request, problem)
    body = render(
        "checkout",
        notice=_notice(problem or priced.problem),
        email=email,
        sums=_sums(shop, priced),
        total=money.shown(priced.total, shop.currency),
    )
    return _page(shop, title="Checkout", body=body, pieces=priced.pieces)


def _buy(shop: Shop, request: Request, _: str) -> Reply:
    email = request.form.get("email", "")
    pay_now = request.form.get("action") != "place"
    try:
        cart_id = request.cookies.get(COOKIE, "")
        order_id = orders.checkout(shop.store, cart_id, email=email, pay_now=pay_now, now=shop.now())
    except Refused as problem:
        return _checkout_page(shop, request, problem, email[:254])
    shop.courier.ring()
    return exchange.redirect(f"/orders/{order_id}")


def _order(shop: Shop, request: Request, order_id: str) -> Reply:
    return _order_page(shop, order_id)


def _order_page(shop: Shop, order_id: str, problem: Refused | None = None) -> Reply:
    with shop.store.reading() as connection:
        order = orders.read(connection, order_id)
        lines = orders.lines(connection, order_id)
        given_back = orders.refunded(connection, order_id)
    discount = NOTHING
    if order["code_id"]:
        off = money.shown(order["discount"], shop.currency)
        discount = render("sum_discount", code=order["code"], amount=f"−{off}")
    sums = render(
        "sums",
        **{name: money.shown(order[name], shop.currency) for name in ("subtotal", "delivery", "total")},
        discount=discount,
    )
    body = render(
        f"order_{order['status']}",
        id=order["id"],
        total=money.shown(order["total"], shop.currency),
        details=render(
            "order",
            number=order["number"],
            email=order["email"],
            status=order["status"],
            status_text=STATUS[order["status"]],
            placed=store.moment(order["placed_at"]).strftime("%-d %B %Y, %H:%M UTC"),
            lines=join(
                render(
                    "order_line",
                    name=line["name"],
                    quantity=line["quantity"],
                    price=money.shown(line["quantity"] * line["unit_price"], shop.currency),
                )
                for line in lines
            ),
            sums=sums,
            refunded=render("sum_refunded", amount=money.shown(given_back, shop.currency)) if given_back else NOTHING,
        ),
        notice=_notice(problem),
    )
    return _page(shop, title=f"Order {order['number']}", body=body)


def _change_order(act: Callable[..., None]) -> Handler:
    def handler(shop: Shop, request: Request, order_id: str) -> Reply:
        try:
            act(shop.store, order_id, now=shop.now())
        except Refused as problem:
            return _order_page(shop, order_id, problem)
        finally:
            shop.courier.ring()
        return exchange.redirect(f"/orders/{order_id}")

    return handler


ORDER = r"/orders/([A-Za-z0-9_]{1,60})"
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/", _home),
    ("GET", "/products/([a-z0-9-]{1,60})", _product_page),
    ("GET", "/cart", _cart),
    ("POST", "/cart/add", _add),
    ("POST", "/cart/change", _change),
    ("POST", "/cart/code", _apply_code),
    ("POST", "/cart/code/remove", _remove_code),
    ("POST", "/cart/abandon", _abandon),
    ("GET", "/checkout", _checkout),
    ("POST", "/checkout", _buy),
    ("GET", ORDER, _order),
    ("POST", f"{ORDER}/pay", _change_order(orders.pay)),
    ("POST", f"{ORDER}/cancel", _change_order(partial(orders.cancel, by_customer=True))),
)
