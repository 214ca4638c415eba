"""The shop's own staff pages, behind the same token as the API: orders, codes, webhooks, faults."""

import hashlib
import hmac
import re
import sqlite3
from collections.abc import Callable

from platforms.sandbox.shop import codes, exchange, faults, fields, money, orders, payouts, store, webhooks
from platforms.sandbox.shop.exchange import Reply, Request, Shop
from platforms.sandbox.shop.markup import Markup, join, render
from platforms.sandbox.shop.refusals import Refused

COOKIE = "sandbox_staff"
HOURS = 12
NOTHING = Markup("")
SECTIONS = (
    ("/admin", "Orders"),
    ("/admin/codes", "Codes"),
    ("/admin/payouts", "Payouts"),
    ("/admin/webhooks", "Webhooks"),
    ("/admin/faults", "Faults"),
)
STATUS = {"placed": "Unpaid", "completed": "Paid", "cancelled": "Canceled"}
PAYOUT = {0: ("Taken on", "placed"), 1: ("Paid", "completed"), 2: ("Refused", "cancelled"), 3: ("Pending", "placed")}
STATE = {"waiting": "Waiting", "held": "Held back", "delivered": "Delivered", "failed": "Given up", "lost": "Lost"}
Handler = Callable[[Shop, Request, str], Reply]


def answer(shop: Shop, request: Request) -> Reply:
    try:
        if request.path == "/admin/login" and request.method == "POST":
            return _sign_in(shop, request)
        if not _signed_in(shop, request):
            return _login_page(shop)
        for method, pattern, handler in ROUTES:
            match = re.fullmatch(pattern, request.path)
            if match is not None and method == request.method:
                return handler(shop, request, match[1] if match.re.groups else "")
    except Refused as refused:
        return failure(shop, refused)
    return failure(shop, Refused("not_found", "This page does not exist.", status=404))


def failure(shop: Shop, refused: Refused) -> Reply:
    return _page(shop, title="Not done", body=render("sorry", sentence=refused.sentence), status=refused.status)


def _page(shop: Shop, *, title: str, body: Markup, here: str = "", status: int = 200) -> Reply:
    links = join(
        render("staff_here" if path == here else "staff_link", path=path, label=label) for path, label in SECTIONS
    )
    return exchange.page(render("staff", title=title, shop=shop.name, links=links, body=body), status=status)


def _proof(shop: Shop, expires: str) -> str:
    return hmac.new(shop.token.encode(), f"staff page until {expires}".encode(), hashlib.sha256).hexdigest()


def _signed_in(shop: Shop, request: Request) -> bool:
    expires, _, proof = request.cookies.get(COOKIE, "").partition(".")
    if re.fullmatch(r"\d{1,12}", expires, re.ASCII) is None or int(expires) < shop.now().timestamp():
        return False
    return hmac.compare_digest(proof.encode(), _proof(shop, expires).encode())


def _login_page(shop: Shop, problem: str = "") -> Reply:
    notice = render("notice", sentence=problem) if problem else NOTHING
    body = render("staff_login", shop=shop.name, notice=notice)
    return exchange.page(body)


def _sign_in(shop: Shop, request: Request) -> Reply:
    if not hmac.compare_digest(request.form.get("token", "").encode(), shop.token.encode()):
        return _login_page(shop, "That is not the shop's token. It is the value of SANDBOX_ADMIN_TOKEN.")
    expires = str(int(shop.now().timestamp()) + HOURS * 3600)
    value = f"{expires}.{_proof(shop, expires)}"
    cookie = f"{COOKIE}={value}; Path=/admin; HttpOnly; SameSite=Strict; Max-Age={HOURS * 3600}"
    return exchange.redirect("/admin", ("Set-Cookie", cookie))


def _sign_out(shop: Shop, request: Request, _: str) -> Reply:
    return exchange.redirect("/admin", ("Set-Cookie", f"{COOKIE}=; Path=/admin; HttpOnly; SameSite=Strict; Max-Age=0"))


def _when(text: str | None) -> str:
    return store.moment(text).strftime("%-d %b %Y, %H:%M") if text else ""


def _or_empty(rows: list[Markup], sentence: str) -> Markup:
    return join(rows) if rows else render("staff_empty", sentence=sentence)


def _orders(shop: Shop, request: Request, _: str) -> Reply:
    before = request.query.get("before", "")
    limit = int(before) if re.fullmatch(r"\d{1,12}", before, re.ASCII) else 10**12
    with shop.store.reading() as connection:
        found = orders.newest(connection, before=limit)
        rows = [_order_row(shop, connection, order) for order in found]
    older = render("staff_older", before=found[-1]["number"]) if len(found) == 50 else NOTHING
    body = render("staff_orders", rows=_or_empty(rows, "No orders yet. Buy something in the shop."), older=older)
    return _page(shop, title="Orders", body=body, here="/admin")


def _order_row(shop: Shop, connection: sqlite3.Connection, order: sqlite3.Row) -> Markup:
    given_back = orders.refunded(connection, order["id"])
    left = order["total"] - given_back
    acts = []
    if order["status"] == "placed":
        acts.append(render("staff_pay", id=order["id"]))
    if order["status"] == "completed" and left:
        acts.append(render("staff_refund", id=order["id"], left=money.to_text(left, shop.currency)))
    if order["status"] != "cancelled":
        acts.append(render("staff_cancel", id=order["id"], number=order["number"]))
    return render(
        "staff_order",
        id=order["id"],
        number=order["number"],
        email=order["email"],
        placed=_when(order["placed_at"]),
        status=order["status"],
        status_text=STATUS[order["status"]],
        code=order["code"] or "No code",
        total=money.shown(order["total"], shop.currency),
        refunded=f"{money.shown(given_back, shop.currency)} refunded" if given_back else "",
        acts=join(acts),
    )


def _act_on_order(shop: Shop, request: Request, order_id: str) -> Reply:
    act, now = request.path.rsplit("/", 1)[1], shop.now()
    if act == "cancel":
        orders.cancel(shop.store, order_id, now=now)
    elif act == "pay":
        orders.pay(shop.store, order_id, now=now)
    else:
        given = fields.Fields({"amount": request.form.get("amount", "").strip()}, known=("amount",))
        orders.refund(shop.store, order_id, amount=given.amount("amount", shop.currency), now=now)
    shop.courier.ring()
    return exchange.redirect("/admin")


def _codes(shop: Shop, request: Request, _: str) -> Reply:
    wanted = request.query.get("q", "").strip()[:60]
    with shop.store.reading() as connection:
        rows = [_code_row(shop, connection, code) for code in codes.newest(connection, matching=wanted)]
    empty = f"No code matches “{wanted}”." if wanted else "No codes yet. They arrive when a reward is redeemed."
    body = render("staff_codes", rows=_or_empty(rows, empty), wanted=wanted)
    return _page(shop, title="Discount codes", body=body, here="/admin/codes")


def _code_row(shop: Shop, connection: sqlite3.Connection, code: sqlite3.Row) -> Markup:
    def amount(name: str) -> str:
        return money.shown(code[name], shop.currency)

    worth = {
        "percentage": f"{code['percent']}% off",
        "free_delivery": "Free delivery",
        "free_product": f"Free: {code['product']}",
        "gift_card": code["amount"] and f"{money.shown(codes.left_on(connection, code), shop.currency)} left",
    }.get(code["kind"])
    used, limit = codes.uses(connection, code["id"]), code["usage_limit"]
    alive = codes.alive(connection, code, now=shop.now())
    state = (
        "Usable" if alive else "Disabled" if not code["enabled"] else "Used" if limit and used >= limit else "Not now"
    )
    return render(
        "staff_code",
        id=code["id"],
        code=code["code"],
        title=code["title"],
        reference=code["reference"] or "no reference",
        worth=worth or f"{amount('amount')} off",
        minimum=f"from {amount('minimum_order')}" if code["minimum_order"] else "",
        used=f"{used} of {limit}" if limit else f"{used}",
        until=f"until {_when(code['expires_at'])}" if code["expires_at"] else "no end date",
        state=state,
        tone="completed" if alive else "cancelled",
        act="disable" if code["enabled"] else "enable",
        label="Disable" if code["enabled"] else "Enable",
    )


def _switch_code(shop: Shop, request: Request, code_id: str) -> Reply:
    with shop.store.writing() as connection:
        codes.switch(connection, code_id, enabled=request.path.endswith("/enable"), now=shop.now())
    return exchange.redirect("/admin/codes")


def _payouts(shop: Shop, request: Request, _: str) -> Reply:
    with shop.store.reading() as connection:
        rows = [_payout_row(shop, payout) for payout in payouts.newest(connection)]
    empty = "No payouts yet. They arrive when a cashback is redeemed."
    return _page(
        shop, title="Payouts", body=render("staff_payouts", rows=_or_empty(rows, empty)), here="/admin/payouts"
    )


def _payout_row(shop: Shop, payout: sqlite3.Row) -> Markup:
    word, tone = PAYOUT[payout["status"]]
    acts = [
        render("staff_settle", id=payout["id"], status=status, label=label, reference=payout["reference"])
        for status, label in (("paid", "Pay"), ("failed", "Refuse"))
    ]
    return render(
        "staff_payout",
        reference=payout["reference"],
        state=word,
        tone=tone,
        amount=money.shown(payout["amount"], shop.currency),
        email=payout["email"],
        title=payout["title"],
        said=": ".join(filter(None, (payout["code"], payout["message"]))),
        made=_when(payout["created_at"]),
        acts=NOTHING if payout["status"] in payouts.FINAL else join(acts),
    )


def _settle_payout(shop: Shop, request: Request, payout_id: str) -> Reply:
    status = payouts.STATUSES[request.path.rsplit("/", 1)[1]]
    with shop.store.writing() as connection:
        payouts.settle(connection, payout_id, status=status, currency=shop.currency, now=shop.now())
    shop.courier.ring()
    return exchange.redirect("/admin/payouts")


def _webhooks(shop: Shop, request: Request, _: str) -> Reply:
    with shop.store.reading() as connection:
        url = store.setting(connection, "webhook_url")
        rows = [_delivery_row(row) for row in webhooks.newest(connection)]
    empty = "Nothing was sent yet. Enter an address, then change an order."
    return _page(
        shop,
        title="Webhooks",
        body=render("staff_webhooks", url=url, rows=_or_empty(rows, empty)),
        here="/admin/webhooks",
    )


def _delivery_row(row: sqlite3.Row) -> Markup:
    tone = {"delivered": "completed", "failed": "cancelled", "lost": "cancelled"}.get(row["state"], "placed")
    return render(
        "staff_delivery",
        id=row["id"],
        change=row["change"],
        subject=row["subject"],
        event=row["event_id"],
        made=_when(row["created_at"]),
        attempts=row["attempts"],
        last=row["last_answer"] or "–",
        state=STATE[row["state"]],
        tone=tone,
    )


def _set_address(shop: Shop, request: Request, _: str) -> Reply:
    with shop.store.writing() as connection:
        webhooks.set_address(connection, request.form.get("url", "").strip())
    return exchange.redirect("/admin/webhooks")


def _send_again(shop: Shop, request: Request, delivery_id: str) -> Reply:
    with shop.store.writing() as connection:
        webhooks.send_again(connection, int(delivery_id), now=shop.now())
    shop.courier.ring()
    return exchange.redirect("/admin/webhooks")


def _faults(shop: Shop, request: Request, _: str) -> Reply:
    with shop.store.reading() as connection:
        rows = [
            render(
                "staff_fault", **fault | {"kind": fault["kind"].replace("_", " "), "seconds": f"{fault['seconds']:g}"}
            )
            for fault in faults.active(connection)
        ]

    def options(known: dict[str, str]) -> Markup:
        return join(render("option", value=kind, label=text) for kind, text in known.items())

    body = render(
        "staff_faults",
        rows=_or_empty(rows, "No fault is switched on: the shop behaves."),
        operations=join(render("option", value=name, label=name) for name in faults.OPERATIONS),
        call_kinds=options(faults.CALL_KINDS),
        webhook_kinds=options(faults.WEBHOOK_KINDS),
        payout_kinds=options(faults.PAYOUT_KINDS),
    )
    return _page(shop, title="Faults", body=body, here="/admin/faults")


def _add_fault(shop: Shop, request: Request, _: str) -> Reply:
    times, seconds = request.form.get("times", "1").strip(), request.form.get("seconds", "").strip()
    if re.fullmatch(r"\d{1,7}", times, re.ASCII) is None or not re.fullmatch(
        r"(\d{1,3}(\.\d{1,2})?)?", seconds, re.ASCII
    ):
        raise Refused("invalid_field", "Enter whole times, and seconds as a number or nothing.")
    with shop.store.writing() as connection:
        faults.add(
            connection,
            operation=request.form.get("operation", ""),
            kind=request.form.get("kind", ""),
            times=int(times),
            seconds=float(seconds) if seconds else None,
        )
    return exchange.redirect("/admin/faults")


def _clear_faults(shop: Shop, request: Request, _: str) -> Reply:
    with shop.store.writing() as connection:
        faults.clear(connection)
    return exchange.redirect("/admin/faults")


ID = r"([A-Za-z0-9_]{1,60})"
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/admin/?", _orders),
    ("POST", "/admin/logout", _sign_out),
    ("POST", f"/admin/orders/{ID}/(?:cancel|refund|pay)", _act_on_order),
    ("GET", "/admin/codes", _codes),
    ("POST", f"/admin/codes/{ID}/(?:enable|disable)", _switch_code),
    ("GET", "/admin/payouts", _payouts),
    ("POST", f"/admin/payouts/{ID}/(?:paid|failed)", _settle_payout),
    ("GET", "/admin/webhooks", _webhooks),
    ("POST", "/admin/webhooks", _set_address),
    ("POST", r"/admin/webhooks/([0-9]{1,15})/again", _send_again),
    ("GET", "/admin/faults", _faults),
    ("POST", "/admin/faults", _add_fault),
    ("POST", "/admin/faults/clear", _clear_faults),
)
