"""Whether the shop has the product or the collections that a code is for: it stores any id without a word."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from platforms.adapter import Answer, CodeSpec, DiscountKind, Outcome, Refusal
from platforms.medusa import client, fields
from platforms.medusa.client import Conversation
from platforms.medusa.fields import Unreadable


def missing(conversation: Conversation, spec: CodeSpec) -> Answer[Any] | None:
    """Why the code would do nothing; None when it would do something."""
    if spec.kind is DiscountKind.FREE_PRODUCT:
        return _missing_product(conversation, spec.product_reference)
    return _missing_collections(conversation, spec.collections) if spec.collections else None


def _missing_product(conversation: Conversation, product: str) -> Answer[Any] | None:
    if not product.startswith("prod_"):
        reason = (
            f"Medusa names a product by its id, and {product[:40]!r} is none: it starts with prod_. "
            "Open the product in Medusa and read its id in the address of the page."
        )
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=reason)
    answer = conversation.ask("GET", f"/admin/products/{quote(product, safe='')}", params={"fields": "id"})
    if client.is_missing(answer):
        reason = f"The shop has no product {product[:40]}. Choose another product for the reward."
        return client.rejected(answer, Refusal.INVALID, reason)
    return None if answer.ok else client.failure(answer)


def _missing_collections(conversation: Conversation, wanted: Sequence[str]) -> Answer[Any] | None:
    params = {f"id[{place}]": each for place, each in enumerate(wanted)} | {"fields": "id", "limit": "100"}
    answer = conversation.ask("GET", "/admin/collections", params=params)
    if not answer.ok:
        return client.failure(answer)
    try:
        known = {fields.identity(entry) for entry in fields.objects(answer.data, "collections")}
    except Unreadable as error:
        return answer.unusable(str(error))
    lacking = ", ".join(each[:40] for each in wanted if each not in known)
    if not lacking:
        return None
    reason = (
        f"The shop has no collection {lacking}. Medusa names a collection by its id, which starts with pcol_: open it "
        "in Medusa and read it in the address of the page."
    )
    return client.rejected(answer, Refusal.INVALID, reason)
