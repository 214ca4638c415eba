"""The shop's JSON API for programs, under /api, behind `Authorization: Bearer <token>`.

Amounts are decimal strings, instants ISO 8601 with a zone, unknown fields are refused, and every error reads
{"error": {"code", "message"}}.
"""

import hmac
import re
import sqlite3
from collections.abc import Callable
from typing import Any

from platforms.sandbox.shop import carts, codes, exchange, faults, fields, orders, payout_api, store, webhooks
from platforms.sandbox.shop.exchange import NoAnswer, Reply, Request, Shop
from platforms.sandbox.shop.refusals import Refused

CODE = r"[A-Za-z0-9-]{3,40}"
CODE_FIELDS = (
    "code",
    "kind",
    "title",
    "reference",
    "percent",
    "amount",
    "minimum_order",
    "currency",
    "customer_email",
    "usage_limit",
    "starts_at",
    "expires_at",
    "product",
    "collections",
)
MOST_CODES = 250  # made by one call
Handler = Callable[[Shop, Request, str], Reply]


def answer(shop: Shop, request: Request) -> Reply:
    """Raises NoAnswer when a fault says so."""
    try:
        _check_token(shop, request)
        operation, handler, argument = _route(request)
        if not operation:
            return handler(shop, request, argument)
        with shop.store.writing() as connection:
            fault = faults.take(connection, operation)
        return _spoil(shop, fault, lambda: handler(shop, request, argument))
    except Refused as refused:
        return exchange.refusal(refused)


def _check_token(shop: Shop, request: Request) -> None:
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {shop.token}".encode()):
        raise Refused("unauthorized", "Send the shop's token as Authorization: Bearer <token>.", status=401)


def _spoil(shop: Shop, fault: faults.Fault | None, act: Callable[[], Reply]) -> Reply:
    if fault is None:
        return act()
    if fault.kind == "slow":
        shop.stopping.wait(fault.seconds)
    done = act() if fault.acts else None
    wrong = fault.kind.removesuffix("_before_accepting").removesuffix("_after_accepting")
    if wrong in {"timeout", "drop"}:
        raise NoAnswer(fault.seconds if wrong == "timeout" else 0)
    if wrong == "throttle":
        return _error(429, "throttled", "Too many requests.", ("Retry-After", f"{fault.seconds:g}"))
    if wrong == "server_error":
        return _error(500, "server_error", "Something went wrong.")
    if wrong == "garbage":
        return Reply(status=200, body=b'{"id": "code_\xff<html>', content_type="application/json")
    if wrong == "refuse":
        raise Refused("refused", "The shop refuses this, as it was told to.")
    return done if done is not None else act()


def _error(status: int, code: str, message: str, *headers: tuple[str, str]) -> Reply:
    return exchange.as_json(status, {"error": {"code": code, "message": message}}, *headers)


def _route(request: Request) -> tuple[str, Handler, str]:
    found_path = False
    for method, pattern, operation, handler in ROUTES:
        match = re.fullmatch(pattern, request.path)
        if match is not None:
            found_path = True
            if method == request.method:
                return operation, handler, match[1] if match.re.groups else ""
    if found_path:
        raise Refused("method_not_allowed", f"{request.method} is not possible here.", status=405)
    raise Refused("no_such_address", "There is nothing at this address.", status=404)


def _shop(shop: Shop, request: Request, _: str) -> Reply:
    with shop.store.reading() as connection:
        url = store.setting(connection, "webhook_url")
    return exchange.as_json(
        200, {"platform": "sandbox", "name": shop.name, "currency": shop.currency, "webhook_url": url}
    )


def _put_webhook(shop: Shop, request: Request, _: str) -> Reply:
    url = fields.parse_object(request.body, known=("url",)).text("url", longest=2000)
    with shop.store.writing() as connection:
        webhooks.set_address(connection, url)
    return exchange.as_json(200, {"url": url})


def _create_code(shop: Shop, request: Request, _: str) -> Reply:
    new = _new_code(shop, fields.parse_object(request.body, known=CODE_FIELDS))
    with shop.store.writing() as connection:
        made = _make(shop, connection, new)
    return exchange.as_json(201, made)


def _create_codes(shop: Shop, request: Request, _: str) -> Reply:
    """Several, each by itself: the answer says of each, in its place, what was made or why it was not."""
    given = fields.parse_object(request.body, known=("codes",)).objects("codes", known=CODE_FIELDS, most=MOST_CODES)
    made: list[dict[str, Any]] = []
    with shop.store.writing() as connection:
        for each in given:
            try:
                made.append(_make(shop, connection, _new_code(shop, each)))
            except Refused as refusal:
                made.append({"error": {"code": refusal.code, "message": refusal.sentence}})
    return exchange.as_json(200, {"codes": made})


def _make(shop: Shop, connection: sqlite3.Connection, new: codes.NewCode) -> dict[str, Any]:
    row = codes.create(connection, new, now=shop.now())
    return codes.as_json(connection, row, currency=shop.currency, now=shop.now())


def _new_code(shop: Shop, given: fields.Fields) -> codes.NewCode:
    """Raises Refused."""
    if given.has("currency") and given.text("currency") != shop.currency:
        raise Refused("wrong_currency", f"This shop sells in {shop.currency}.")
    new = codes.NewCode(
        code=given.text("code", required=True, pattern=CODE),
        kind=given.choice("kind", codes.KINDS),
        title=given.text("title"),
        reference=given.text("reference"),
        percent=given.percent("percent"),
        amount=given.amount("amount", shop.currency),
        minimum_order=given.amount("minimum_order", shop.currency),
        customer_email=given.text("customer_email", longest=254) or None,
        usage_limit=given.whole("usage_limit", default=1, least=1, most=1_000_000),
        starts_at=given.instant("starts_at"),
        expires_at=given.instant("expires_at"),
        product=given.text("product", longest=60) or None,
        collections=given.texts("collections", longest=60, most=20),
    )
    _check_value(new)
    return new


def _check_value(new: codes.NewCode) -> None:
    """Each kind has exactly its own value."""
    if (new.percent is not None) != (new.kind == "percentage"):
        raise Refused("invalid_field", "percent belongs to kind percentage, and only there.")
    if (new.amount is not None) != (new.kind in codes.OF_AN_AMOUNT) or new.amount == 0:
        kinds = " and ".join(codes.OF_AN_AMOUNT)
        raise Refused("invalid_field", f"amount, above zero, belongs to kind {kinds}, and only there.")
    if (new.product is not None) != (new.kind == "free_product"):
        raise Refused("invalid_field", "product belongs to kind free_product, and only there.")
    if new.collections and new.kind in ("free_product", "gift_card"):
        raise Refused("invalid_field", "collections do not belong to kind free_product or gift_card.")
    if new.starts_at and new.expires_at and new.expires_at <= new.starts_at:
        raise Refused("invalid_field", "expires_at must be after starts_at.")


def _find_codes(shop: Shop, request: Request, _: str) -> Reply:
    text = request.query.get("code", "")
    if not text:
        raise Refused("invalid_field", "Say which code: /api/codes?code=…")
    with shop.store.reading() as connection:
        row = codes.find(connection, text)
        found = [] if row is None else [codes.as_json(connection, row, currency=shop.currency, now=shop.now())]
    return exchange.as_json(200, {"codes": found})


def _list_codes(shop: Shop, request: Request, _: str) -> Reply:
    after, limit = request.query.get("after", ""), _limit(request)
    with shop.store.reading() as connection:
        rows = codes.after(connection, after, reference=request.query.get("reference", ""), limit=limit + 1)
        listed = rows[:limit]
        found = [codes.as_json(connection, row, currency=shop.currency, now=shop.now()) for row in listed]
    last = str(listed[-1]["code_key"]) if listed else after
    return exchange.as_json(200, {"codes": found, "cursor": last, "more": len(rows) > len(listed)})


def _read_code(shop: Shop, request: Request, code_id: str) -> Reply:
    with shop.store.reading() as connection:
        row = codes.read(connection, code_id)
        return exchange.as_json(200, codes.as_json(connection, row, currency=shop.currency, now=shop.now()))


def _disable_code(shop: Shop, request: Request, code_id: str) -> Reply:
    fields.parse_object(request.body, known=())
    with shop.store.writing() as connection:
        row = codes.switch(connection, code_id, enabled=False, now=shop.now())
        disabled = codes.as_json(connection, row, currency=shop.currency, now=shop.now())
    return exchange.as_json(200, disabled)


def _extend_code(shop: Shop, request: Request, code_id: str) -> Reply:
    expires_at = fields.parse_object(request.body, known=("expires_at",)).instant("expires_at")
    if expires_at is None:
        raise Refused("invalid_field", "Say until when: expires_at.")
    with shop.store.writing() as connection:
        row = codes.extend(connection, code_id, expires_at=expires_at, now=shop.now())
        extended = codes.as_json(connection, row, currency=shop.currency, now=shop.now())
    return exchange.as_json(200, extended)


def _list_orders(shop: Shop, request: Request, _: str) -> Reply:
    cursor = request.query.get("updated_after") or "0"
    if re.fullmatch(r"\d{1,15}", cursor, re.ASCII) is None:
        raise Refused("invalid_field", "updated_after is a cursor that this shop gave, or empty.")
    limit = _limit(request)
    with shop.store.reading() as connection:
        rows = orders.changed_after(connection, int(cursor), limit=limit + 1)
        listed = rows[:limit]
        found = [orders.as_json(connection, row, currency=shop.currency) for row in listed]
    last = str(listed[-1]["sequence"]) if listed else cursor
    return exchange.as_json(200, {"orders": found, "cursor": last, "more": len(rows) > len(listed)})


def _limit(request: Request) -> int:
    """How many entries a page may have."""
    limit = request.query.get("limit") or "50"
    if re.fullmatch(r"\d{1,3}", limit, re.ASCII) is None or not 1 <= int(limit) <= 250:
        raise Refused("invalid_field", "limit is a whole number from 1 to 250.")
    return int(limit)


def _order(shop: Shop, order_id: str, status: int = 200) -> Reply:
    with shop.store.reading() as connection:
        order = orders.as_json(connection, orders.read(connection, order_id), currency=shop.currency)
    return exchange.as_json(status, order)


def _read_order(shop: Shop, request: Request, order_id: str) -> Reply:
    return _order(shop, order_id)


def _cancel_order(shop: Shop, request: Request, order_id: str) -> Reply:
    fields.parse_object(request.body, known=())
    orders.cancel(shop.store, order_id, now=shop.now())
    shop.courier.ring()
    return _order(shop, order_id)


def _pay_order(shop: Shop, request: Request, order_id: str) -> Reply:
    fields.parse_object(request.body, known=())
    try:
        orders.pay(shop.store, order_id, now=shop.now())
    finally:
        shop.courier.ring()
    return _order(shop, order_id)


def _refund_order(shop: Shop, request: Request, order_id: str) -> Reply:
    amount = fields.parse_object(request.body, known=("amount",)).amount("amount", shop.currency)
    orders.refund(shop.store, order_id, amount=amount, now=shop.now())
    shop.courier.ring()
    return _order(shop, order_id)


def _checkout(shop: Shop, request: Request, _: str) -> Reply:
    given = fields.parse_object(request.body, known=("email", "items", "code", "pay"))
    items = given.objects("items", known=("product", "quantity"), most=20)
    email, pay_now = given.text("email", longest=254, required=True), given.flag("pay", default=True)
    code, now = given.text("code"), shop.now()
    with shop.store.writing() as connection:
        cart_id = carts.open_cart(connection, now=now)
        for item in items:
            quantity = item.whole("quantity", default=1, least=1, most=carts.MOST) or 1
            carts.put(connection, cart_id, slug=item.text("product", required=True), quantity=quantity, add=True)
        if code:
            carts.apply_code(connection, cart_id, code, currency=shop.currency, now=now)
    order_id = orders.checkout(shop.store, cart_id, email=email, pay_now=pay_now, now=now)
    shop.courier.ring()
    return _order(shop, order_id, 201)


def _list_faults(shop: Shop, request: Request, _: str) -> Reply:
    with shop.store.reading() as connection:
        return exchange.as_json(200, {"faults": faults.active(connection)})


def _add_fault(shop: Shop, request: Request, _: str) -> Reply:
    given = fields.parse_object(request.body, known=("operation", "kind", "times", "seconds"))
    times = given.whole("times", default=1, least=1, most=faults.MOST_TIMES) or 1
    with shop.store.writing() as connection:
        made = faults.add(
            connection,
            operation=given.text("operation", required=True),
            kind=given.text("kind", required=True),
            times=times,
            seconds=given.seconds("seconds"),
        )
    return exchange.as_json(201, made)


def _clear_faults(shop: Shop, request: Request, _: str) -> Reply:
    with shop.store.writing() as connection:
        faults.clear(connection)
    return exchange.as_json(200, {"faults": []})


ID = r"([A-Za-z0-9_]{1,60})"
# Method, path, the operation whose faults strike it (none: always works), what answers.
ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    ("GET", "/api/shop", "connection", _shop),
    ("PUT", "/api/webhook", "connection", _put_webhook),
    ("POST", "/api/codes", "create", _create_code),
    ("POST", "/api/codes/batch", "create", _create_codes),
    ("GET", "/api/codes", "find", _find_codes),
    ("GET", f"/api/codes/{ID}", "find", _read_code),
    ("GET", "/api/code-list", "list", _list_codes),
    ("POST", f"/api/codes/{ID}/disable", "disable", _disable_code),
    ("POST", f"/api/codes/{ID}/extend", "extend", _extend_code),
    ("GET", "/api/orders", "orders", _list_orders),
    ("GET", f"/api/orders/{ID}", "orders", _read_order),
    ("POST", f"/api/orders/{ID}/cancel", "", _cancel_order),
    ("POST", f"/api/orders/{ID}/refund", "", _refund_order),
    ("POST", f"/api/orders/{ID}/pay", "", _pay_order),
    ("POST", "/api/carts/checkout", "", _checkout),
    ("GET", "/api/faults", "", _list_faults),
    ("POST", "/api/faults", "", _add_fault),
    ("DELETE", "/api/faults", "", _clear_faults),
    *payout_api.ROUTES,
)
