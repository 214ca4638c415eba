"""What goes over the wire to and from the fake WooCommerce shop."""

from dataclasses import dataclass, field
from typing import Any

from tests.fakes.woocommerce_shop import Shop


class Refusal(Exception):
    """WordPress's way to say no."""

    def __init__(self, status: int, code: str, message: str = "Nein.") -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(code)


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    path: str
    params: dict[str, str]
    body: Any
    authorization: str
    is_ssl: bool


@dataclass(frozen=True, kw_only=True)
class Reply:
    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def only(request: Request, told: dict[str, Any]) -> dict[str, Any]:
    """The fields that were asked for, or all. Raises Refusal for one that does not exist."""
    wanted = request.params.get("_fields", ",".join(told)).split(",")
    if unknown := set(wanted) - set(told):
        raise Refusal(400, "fake_unknown_field", str(unknown))
    return {name: told[name] for name in wanted}


def page(shop: Shop, request: Request, entries: list[dict[str, Any]]) -> Reply:
    size, number = int(request.params.get("per_page", "10")), int(request.params.get("page", "1"))
    if not 1 <= size <= 100:
        raise Refusal(400, "rest_invalid_param", "per_page")
    skip = int(request.params["offset"]) if "offset" in request.params else (number - 1) * size
    pages = -(-len(entries) // size)
    headers = {"x-wp-total": str(len(entries)), "x-wp-totalpages": str(pages)}
    if pages > number:
        headers["link"] = f'<https://127.0.0.1/?page={number + 1}>; rel="next"'
    shown = [entry for entry in entries[skip : skip + size] if entry["id"] not in shop.hidden]
    return Reply(body=[only(request, entry) for entry in shown], headers=headers)
