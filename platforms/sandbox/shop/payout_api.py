"""The payouts among the shop's JSON API: send one, ask for one by its reference, say what became of it."""

from collections.abc import Callable

from platforms.sandbox.shop import exchange, fields, payouts, webhooks
from platforms.sandbox.shop.exchange import Reply, Request, Shop
from platforms.sandbox.shop.refusals import Refused

REFERENCE = r"[A-Za-z0-9-]{1,60}"
Handler = Callable[[Shop, Request, str], Reply]


def _put_webhook(shop: Shop, request: Request, _: str) -> Reply:
    url = fields.parse_object(request.body, known=("url",)).text("url", longest=2000)
    with shop.store.writing() as connection:
        webhooks.set_address(connection, url, topic=webhooks.PAYOUT)
    return exchange.as_json(200, {"url": url})


def _create(shop: Shop, request: Request, _: str) -> Reply:
    known = ("reference", "amount", "currency", "email", "title")
    given = fields.parse_object(request.body, known=known)
    if given.text("currency", required=True) != shop.currency:
        raise Refused("wrong_currency", f"This shop pays in {shop.currency}.")
    amount = given.amount("amount", shop.currency)
    if not amount:
        raise Refused("invalid_field", "amount must be above zero.")
    new = payouts.NewPayout(
        reference=given.text("reference", required=True, pattern=REFERENCE),
        amount=amount,
        email=given.text("email", longest=254, required=True),
        title=given.text("title"),
    )
    with shop.store.writing() as connection:
        made = payouts.create(connection, new, currency=shop.currency, now=shop.now())
    shop.courier.ring()
    return exchange.as_json(201, payouts.as_json(made, currency=shop.currency))


def _find(shop: Shop, request: Request, _: str) -> Reply:
    reference = request.query.get("reference", "")
    if not reference:
        raise Refused("invalid_field", "Say which payout: /api/payouts?reference=…")
    with shop.store.reading() as connection:
        row = payouts.find(connection, reference)
    return exchange.as_json(200, {"payouts": [] if row is None else [payouts.as_json(row, currency=shop.currency)]})


def _settle(shop: Shop, request: Request, payout_id: str) -> Reply:
    given = fields.parse_object(request.body, known=("status", "code", "message"))
    with shop.store.writing() as connection:
        row = payouts.settle(
            connection,
            payout_id,
            status=payouts.STATUSES[given.choice("status", payouts.STATUSES)],
            code=given.text("code", longest=40),
            message=given.text("message"),
            currency=shop.currency,
            now=shop.now(),
        )
    shop.courier.ring()
    return exchange.as_json(200, payouts.as_json(row, currency=shop.currency))


ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    ("PUT", "/api/payout-webhook", "connection", _put_webhook),
    ("POST", "/api/payouts", "payout", _create),
    ("GET", "/api/payouts", "payout_query", _find),
    ("POST", r"/api/payouts/([A-Za-z0-9_]{1,60})/settle", "", _settle),
)
