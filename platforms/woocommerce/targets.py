"""Whether the shop has the product or the categories that a code is for: it stores any number without a word."""

from collections.abc import Sequence

from platforms.adapter import Answer, Refusal
from platforms.woocommerce import client, fields
from platforms.woocommerce.client import Conversation
from platforms.woocommerce.fields import Unreadable


def missing_product(conversation: Conversation, number: str) -> Answer[None] | None:
    """Why no code for this product would work; None when one would."""
    answer = conversation.ask("GET", f"/products/{number}")
    if client.is_missing(answer):
        reason = f"The shop has no product {number}. Choose another product for the reward."
        return client.rejected(answer, Refusal.INVALID, reason)
    return None if answer.ok else client.failure(answer)


def missing_category(conversation: Conversation, numbers: Sequence[str]) -> Answer[None] | None:
    """The same of product categories."""
    params = {"include": ",".join(numbers), "per_page": "100"}
    answer = conversation.ask("GET", "/products/categories", params=params)
    if not answer.ok:
        return client.failure(answer)
    try:
        known = {str(fields.identity(entry)) for entry in fields.entries(answer.data, "categories")}
    except Unreadable as error:
        return answer.unusable(str(error))
    missing = ", ".join(each for each in numbers if each not in known)
    if not missing:
        return None
    reason = f"The shop has no product category {missing}. Correct the categories of the reward."
    return client.rejected(answer, Refusal.INVALID, reason)
