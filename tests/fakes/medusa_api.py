"""The fake Medusa shop's Admin API: strict about what it is sent, silent where the real one is."""

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.fakes import medusa_wire as wire
from tests.fakes.medusa_shop import COLLECTIONS, PRICES, Campaign, Promotion, Shop
from tests.fakes.medusa_wire import Refusal, Reply, Request, invalid

KEY = "sk_good"
NOTHING_HERE = b"<!DOCTYPE html><html><body><pre>Cannot GET</pre></body></html>"
ALWAYS_SHOWN = frozenset({"items", "payment_status", "status"})  # an order's, asked for or not

PROMOTION = {
    "code": str, "is_automatic": bool, "type": str, "is_tax_inclusive": bool, "status": str, "campaign_id": str,
    "campaign": dict, "application_method": dict, "rules": list, "limit": int, "metadata": dict,
}  # fmt: skip
METHOD = {
    "value": (int, Decimal, float), "currency_code": str, "max_quantity": int, "type": str, "target_type": str,
    "allocation": str, "target_rules": list,
}  # fmt: skip
RULE = {"attribute": str, "operator": str, "values": list}
CAMPAIGN = {"name": str, "campaign_identifier": str, "description": str, "starts_at": str, "ends_at": str}


def answer(shop: Shop, request: Request) -> Reply:
    """What the shop says to a request."""
    key = base64.b64encode(f"{KEY}:".encode()).decode()
    if not request.path.startswith("/admin/"):
        return Reply(body=NOTHING_HERE, status=404)
    if request.authorization != f"Basic {key}":
        return Reply(body={"message": "Unauthorized"}, status=401)
    for method, pattern, act in ROUTES:
        found = re.fullmatch(pattern, request.path)
        if found and method == request.method:
            try:
                with shop.lock:
                    return Reply(body=act(shop, request, *found.groups()))
            except Refusal as refusal:
                return Reply(body={"type": refusal.kind, "message": refusal.message}, status=refusal.status)
    return Reply(body=NOTHING_HERE, status=404)


def _stores(shop: Shop, request: Request) -> Any:
    currencies = [{"currency_code": shop.currency.lower(), "is_default": True}]
    return wire.page(request, "stores", [{"id": "store_1", "name": shop.name, "supported_currencies": currencies}])


def _product(shop: Shop, request: Request, product: str) -> Any:
    if product not in PRICES:
        raise Refusal(404, "not_found", f"Product with id: {product} was not found")
    return {"product": wire.shown({"id": product}, request.params.get("fields", ""))}


def _collections(shop: Shop, request: Request) -> Any:
    return wire.page(request, "collections", [{"id": each} for each in COLLECTIONS.values()])


def _promotions(shop: Shop, request: Request) -> Any:
    living = [wire.promotion(each) for each in shop.promotions if not each.is_deleted]
    return wire.page(request, "promotions", living)


def _make_promotion(shop: Shop, request: Request) -> Any:
    sent = _checked(request.body, PROMOTION, required=("code", "type", "application_method"))
    method = _checked(sent["application_method"], METHOD, required=("value", "type", "target_type"))
    for rule in [*sent.get("rules", []), *method.get("target_rules", [])]:
        _checked(rule, RULE, required=("attribute", "operator", "values"))
    _fit_for_a_promotion(sent, method)
    if any(each.code == sent["code"] and not each.is_deleted for each in shop.promotions):
        raise invalid(f"Promotion with code: {sent['code']}, already exists.")
    campaign = _new_campaign(shop, sent["campaign"]) if "campaign" in sent else None
    made = Promotion(
        id=shop.fresh_id("promo"),
        code=sent["code"],
        status=sent.get("status", "draft"),
        limit=sent.get("limit"),
        metadata=sent.get("metadata"),
        method=method,
        rules=sent.get("rules", []),
        created_at=shop.now(),
        campaign=campaign,
        is_tax_inclusive=sent.get("is_tax_inclusive", False),
    )
    shop.promotions.append(made)
    return {"promotion": wire.promotion(made)}


def _fit_for_a_promotion(sent: Mapping[str, Any], method: Mapping[str, Any]) -> None:
    if sent.get("status", "draft") not in {"draft", "active", "inactive"} or sent["type"] != "standard":
        raise invalid("Invalid request: Expected: 'draft, active, inactive' for field 'status'")
    if method["type"] == "percentage" and not 0 < method["value"] <= 100:
        raise invalid("Application Method value should be a percentage number between 0 and 100")
    if method["target_type"] != "order" and method.get("allocation") not in {"each", "across", "once"}:
        raise invalid("application_method.allocation should be either 'across OR each OR once'")
    if method.get("allocation") in {"each", "once"} and method.get("max_quantity") is None:
        raise invalid("application_method.max_quantity is required")
    if method["type"] == "fixed" and not method.get("currency_code"):
        raise invalid("currency_code is required")


def _change_promotion(shop: Shop, request: Request, promotion_id: str) -> Any:
    found = _found(shop.promotions, promotion_id, "Promotion")
    sent = _checked(request.body, PROMOTION)
    if unexpected := set(sent) - {"status", "campaign_id"}:
        raise invalid(f"the fake changes no {unexpected}")
    found.status = sent.get("status", found.status)
    if "campaign_id" in sent:
        found.campaign = _found(shop.campaigns, sent["campaign_id"], "Campaign")
    return {"promotion": wire.promotion(found)}


def _campaigns(shop: Shop, request: Request) -> Any:
    return wire.page(request, "campaigns", [wire.campaign(each) for each in shop.campaigns])


def _campaign(shop: Shop, request: Request, campaign_id: str) -> Any:
    return {"campaign": wire.campaign(_found(shop.campaigns, campaign_id, "Campaign"))}


def _make_campaign(shop: Shop, request: Request) -> Any:
    return {"campaign": wire.campaign(_new_campaign(shop, request.body))}


def _new_campaign(shop: Shop, body: Any) -> Campaign:
    sent = _checked(body, CAMPAIGN, required=("name", "campaign_identifier"))
    if any(each.identifier == sent["campaign_identifier"] for each in shop.campaigns):
        raise invalid(f"Promotion campaign with campaign_identifier: {sent['campaign_identifier']}, already exists.")
    made = Campaign(
        id=shop.fresh_id("procamp"),
        identifier=sent["campaign_identifier"],
        name=sent["name"],
        description=sent.get("description"),
        starts_at=_moment(sent.get("starts_at")),
        ends_at=_moment(sent.get("ends_at")),
        created_at=shop.now(),
    )
    shop.campaigns.append(made)
    return made


def _change_campaign(shop: Shop, request: Request, campaign_id: str) -> Any:
    found = _found(shop.campaigns, campaign_id, "Campaign")
    sent = _checked(request.body, CAMPAIGN)
    if set(sent) != {"ends_at"}:
        raise invalid(f"the fake changes only the end, not {set(sent)}")
    found.ends_at = _moment(sent["ends_at"])
    return {"campaign": wire.campaign(found)}


def _orders(shop: Shop, request: Request) -> Any:
    return wire.page(request, "orders", [wire.order(each) for each in shop.orders], always=ALWAYS_SHOWN)


def _order(shop: Shop, request: Request, order_id: str) -> Any:
    found = [each for each in shop.orders if each.id == order_id]
    if not found:
        raise Refusal(404, "not_found", f"Order id not found: {order_id}")
    wanted = request.params.get("fields", "")
    order = wire.order(found[0])
    if wanted and "items.*" not in wanted.split(
        ","
    ):  # alone, an order's lines have their sums where they are asked for
        order["items"] = [{name: line[name] for name in ("product", "adjustments")} for line in order["items"]]
    return {"order": wire.shown(order, wanted, always=ALWAYS_SHOWN)}


def _payments(shop: Shop, request: Request) -> Any:
    return wire.page(request, "payments", [wire.payment(each) for each in shop.orders if each.payment])


def _checked(sent: Any, known: Mapping[str, Any], *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(sent, dict):
        raise invalid("Invalid request: Expected type: 'object'")
    if unknown := sorted(set(sent) - set(known)):
        raise invalid(f"Invalid request: Unrecognized fields: '{', '.join(unknown)}'")
    if missing := [name for name in required if name not in sent]:
        raise invalid(f"Invalid request: Field '{missing[0]}' is required")
    for name, value in sent.items():
        is_flag_for_number = isinstance(value, bool) and known[name] is not bool
        if is_flag_for_number or not isinstance(value, known[name]):
            raise invalid(f"Invalid request: Expected type for field '{name}', got: {type(value).__name__}")
    return sent


def _found(entries: Any, wanted: str, what: str) -> Any:
    found = [each for each in entries if each.id == wanted and not getattr(each, "is_deleted", False)]
    if not found:
        raise Refusal(404, "not_found", f"{what} id not found: {wanted}")
    return found[0]


def _moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).astimezone(UTC)


ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/admin/stores", _stores),
    ("GET", "/admin/products/([^/]+)", _product),
    ("GET", "/admin/collections", _collections),
    ("GET", "/admin/promotions", _promotions),
    ("POST", "/admin/promotions", _make_promotion),
    ("POST", "/admin/promotions/([^/]+)", _change_promotion),
    ("GET", "/admin/campaigns", _campaigns),
    ("POST", "/admin/campaigns", _make_campaign),
    ("GET", "/admin/campaigns/([^/]+)", _campaign),
    ("POST", "/admin/campaigns/([^/]+)", _change_campaign),
    ("GET", "/admin/orders", _orders),
    ("GET", "/admin/orders/([^/]+)", _order),
    ("GET", "/admin/payments", _payments),
]
