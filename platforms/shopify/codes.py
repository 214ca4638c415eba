"""Making, finding, switching off and prolonging discount codes in a Shopify shop."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from platforms.adapter import Access, Answer, CodeSpec, DiscountKind, Outcome, PlatformCode, Refusal
from platforms.shopify import client, discounts, orders, queries, values
from platforms.shopify.client import Conversation
from platforms.shopify.discounts import Bounds, CannotMake, Discount, Product
from platforms.shopify.values import Unreadable

_CREATE = {
    DiscountKind.FREE_DELIVERY: (queries.CREATE_FREE_SHIPPING, "discountCodeFreeShippingCreate"),
}
_CREATE_BASIC = (queries.CREATE_BASIC, "discountCodeBasicCreate")
REMOVAL_PAUSES = (0.25, 0.5, 1.0)  # seconds between looks whether a code is out
_UPDATE = {
    discounts.BASIC: (queries.UPDATE_BASIC, "discountCodeBasicUpdate"),
    discounts.FREE_SHIPPING: (queries.UPDATE_FREE_SHIPPING, "discountCodeFreeShippingUpdate"),
}


def counts_tests(access: Access) -> bool:
    """Whether test orders are taken for real ones: only on a shop for trying things out."""
    return access.credentials.get("test_orders", "").strip().casefold() in {"yes", "true", "1"}


def create(access: Access, conversation: Conversation, spec: CodeSpec) -> Answer[PlatformCode]:
    """Make the code, under a discount of its own."""
    bounds = bounds_of(conversation, spec)
    if bounds.value is None:
        return client.relay(bounds)
    made = make(access, conversation, spec, bounds.value)
    return client.relay(made) if made.value is None else client.done(made, made.value.code)


def make(access: Access, conversation: Conversation, spec: CodeSpec, bounds: Bounds) -> Answer[Discount]:
    """Make a discount with the code and compare what the shop stored. One it stored otherwise is switched off again."""
    try:
        wanted = discounts.input_for(spec, bounds, currency=access.currency, now=datetime.now(UTC))
    except CannotMake as error:
        return Answer(outcome=Outcome.REJECTED, refusal=error.refusal, reason=str(error))
    document, field = _CREATE.get(spec.kind, _CREATE_BASIC)
    answer = client.told(conversation.ask(document, discount=wanted), field)
    if answer.value is None:
        return client.relay(answer)
    try:
        made = discounts.discount(answer.value[field].get("codeDiscountNode"))
    except Unreadable as error:
        return client.unreadable(answer, error)
    wrong = discounts.differences(spec, made, bounds)
    return _withdraw(conversation, answer, made, wrong) if wrong else client.done(answer, made)


def find(access: Access, conversation: Conversation, code: str) -> Answer[PlatformCode | None]:
    answer = search(access, conversation, code)
    return client.relay(answer) if not answer.ok else client.done(answer, answer.value.code if answer.value else None)


def disable(access: Access, conversation: Conversation, code: str, remote_id: str) -> Answer[PlatformCode | None]:
    """Switch off the discount that carries the code and, where the merchant renamed ours, that one too.

    One of many codes of a discount is taken out of it, and the others go on. It is known by its text alone: the remote
    id is that of all of them, and when the code is gone nothing is done to the discount.
    """
    answer = search(access, conversation, code)
    if not answer.ok:
        return client.relay(answer)
    condemned = [answer.value] if answer.value is not None and _is_meant(answer.value, remote_id) else []
    if remote_id and not any(found.code.remote_id == remote_id for found in condemned):
        renamed = _by_id(conversation, remote_id)
        if not renamed.ok:
            return client.relay(renamed)
        # Ours for one code alone: others may have codes beside the one that is gone.
        if renamed.value is not None and renamed.value.is_ours and not renamed.value.is_shared:
            condemned.append(renamed.value)
    for found in condemned:
        failure = _switch_off(conversation, found)
        if failure is not None:
            return failure
    return find(access, conversation, code)


def extend(
    access: Access, conversation: Conversation, code: str, remote_id: str, expires_at: datetime
) -> Answer[PlatformCode | None]:
    """Move the end of the discount, unless we have switched it off, and read it back.

    One of many codes is left as it is: it shares its end with the others.
    """
    answer = search(access, conversation, code)
    found = answer.value
    if found is None:
        return client.done(answer, None) if answer.ok else client.relay(answer)
    if found.is_off or found.is_shared or not _is_meant(found, remote_id) or found.kind not in _UPDATE:
        return client.done(answer, found.code)
    failure = _update(conversation, found, endsAt=expires_at.isoformat())
    return failure if failure is not None else find(access, conversation, code)


def counted(access: Access, found: Discount, entries: list[Mapping[str, Any]]) -> Discount:
    """With its completed orders in the place of what Shopify has counted, for a code that is good once.

    A code for many has more orders than are looked at, and keeps Shopify's count. Raises Unreadable.
    """
    if not found.is_for_one_use:
        return found
    completed = orders.uses(
        found.code.uses or 0, code=found.code.code, entries=entries, count_tests=counts_tests(access)
    )
    return replace(found, code=replace(found.code, uses=completed))


def search(access: Access, conversation: Conversation, code: str) -> Answer[Discount | None]:
    """The discount that carries the code in any case, with its completed orders counted."""
    answer = conversation.ask(queries.FIND_CODE, code=code, orders=orders.search_for(code))
    if answer.value is None:
        return client.relay(answer)
    node = answer.value.get("codeDiscountNodeByCode")
    if node is None:
        return client.done(answer, None)
    try:
        found, entries = discounts.discount(node), values.nodes(answer.value, "orders")
        if found.is_shared:
            among = _among_many(conversation, found, code)
            if among.value is None:
                return client.relay(among)
            found = among.value
        return client.done(answer, counted(access, found, entries))
    except Unreadable as error:
        return client.unreadable(answer, error)


def _among_many(conversation: Conversation, found: Discount, code: str) -> Answer[Discount]:
    """The same with the one of its codes that is meant, and Shopify's count for it alone. Raises Unreadable.

    What the search among the codes does not show is looked for among all of them, where they are ours and few.
    """
    answer = conversation.ask(queries.FIND_AMONG_MANY, id=found.global_id, code=code)
    shown = _shown(answer, found, code)
    if answer.value is not None and shown is None and found.is_ours_for_many:
        answer = conversation.ask(queries.FIND_AMONG_ALL, id=found.global_id)
        shown = _shown(answer, found, code)
    if answer.value is None:
        return client.relay(answer)
    if shown is None:
        return client.unknown(answer, f"The shop has {code} among the {found.codes} codes of a discount, unshown yet.")
    return client.done(answer, shown)


def _shown(answer: Answer[dict[str, Any]], found: Discount, code: str) -> Discount | None:
    """The discount as that of the code alone; None where the answer does not show it. Raises Unreadable.

    The shop's count of its codes may run behind: there are at least those that are shown.
    """
    if answer.value is None:
        return None
    body = values.mapping(values.mapping(answer.value, "codeDiscountNode"), "codeDiscount")
    named = [one for one in values.nodes(body, "codes") if str(one.get("code")).casefold() == code.casefold()]
    if not named:
        return None
    one, own = named[0], values.text(named[0], "id")
    shown = {own, *(values.text(other, "id") for other in values.nodes(body, "beside"))}
    itself = replace(found.code, code=values.text(one, "code"), uses=values.count(one, "asyncUsageCount"))
    return replace(found, code=itself, among_many=own, codes=max(found.codes, len(shown)))


def bounds_of(conversation: Conversation, spec: CodeSpec) -> Answer[Bounds]:
    """What the shop has to be asked before: the customer's id, and the price of a free product.

    Somebody the shop does not know gets a code that is not bound: it is good once all the same.
    """
    customer_id, product = "", None
    if spec.customer_email:
        customer = conversation.ask(queries.FIND_CUSTOMER, email=spec.customer_email)
        if customer.value is None:
            return client.relay(customer)
        customer_id = _id_of(customer.value.get("customerByIdentifier"))
    if spec.kind is DiscountKind.FREE_PRODUCT:
        found = _product(conversation, spec)
        if found.value is None:
            return client.relay(found)
        product = found.value
    return Answer(outcome=Outcome.OK, value=Bounds(customer_id=customer_id, product=product))


def _is_meant(found: Discount, remote_id: str) -> bool:
    """Whether it is the one with this number, or ours in its place."""
    return not remote_id or found.code.remote_id == remote_id or found.is_ours


def _by_id(conversation: Conversation, remote_id: str) -> Answer[Discount | None]:
    global_id = values.global_id("DiscountCodeNode", remote_id.removeprefix(discounts.PREFIX))
    if not global_id:
        return Answer(outcome=Outcome.OK)
    answer = conversation.ask(queries.FIND_BY_ID, id=global_id)
    if answer.value is None:
        return client.relay(answer)
    node = answer.value.get("codeDiscountNode")
    try:
        return client.done(answer, discounts.discount(node) if node is not None else None)
    except Unreadable as error:
        return client.unreadable(answer, error)


def _switch_off(conversation: Conversation, found: Discount) -> Answer[Any] | None:
    """The failure, or None when the discount is dead and marked as switched off by us.

    One of many codes of a discount is taken out of it, and the others go on. The last one is left where it is.
    """
    if found.codes > 1:
        return _take_out(conversation, found)
    if found.status != "EXPIRED":
        answer = client.told(conversation.ask(queries.DEACTIVATE, id=found.global_id), "discountCodeDeactivate")
        if not answer.ok:
            return client.relay(answer)
    if found.is_off or found.kind not in _UPDATE:
        return None
    return _update(conversation, found, tags=[*found.tags, discounts.OFF])


def _take_out(conversation: Conversation, found: Discount) -> Answer[Any] | None:
    """The failure, or None. Shopify does so after it has answered: it is given a moment, and may need more."""
    removed = conversation.ask(queries.REMOVE_FROM_MANY, discount=found.global_id, code=found.among_many)
    answer = client.told(removed, "discountCodeRedeemCodeBulkDelete")
    if answer.value is None:
        return client.relay(answer)
    job = answer.value["discountCodeRedeemCodeBulkDelete"].get("job")
    for pause in REMOVAL_PAUSES:
        if not isinstance(job, Mapping) or job.get("done") is not False or not conversation.pause(pause):
            break
        looked = conversation.ask(queries.JOB, id=job.get("id"))
        job = looked.value.get("job") if looked.value is not None else None
    return None


def _update(conversation: Conversation, found: Discount, **changes: Any) -> Answer[Any] | None:
    """The failure, or None when the discount was changed."""
    document, field = _UPDATE[found.kind]
    answer = client.told(conversation.ask(document, id=found.global_id, discount=changes), field)
    return None if answer.ok else client.relay(answer)


def _product(conversation: Conversation, spec: CodeSpec) -> Answer[Product]:
    """The variant that shall be free: by its own number, or by that of a product which has no other."""
    variant_id = values.global_id("ProductVariant", spec.product_reference)
    product_id = values.global_id("Product", spec.product_reference)
    if not (variant_id or product_id):
        reason = (
            f"{spec.product_reference!r} is no product's number. It is the last part of the address at which Shopify's "
            "admin shows the product or the variant, such as 632910392. Correct the reward."
        )
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=reason)
    answer = conversation.ask(
        queries.FIND_VARIANT,
        variant=variant_id or "gid://shopify/ProductVariant/0",
        product=product_id or "gid://shopify/Product/0",
    )
    if answer.value is None:
        return client.relay(answer)
    try:
        variant, product = answer.value.get("productVariant"), answer.value.get("product")
        candidates = [variant] if variant is not None else []
        if not candidates and product is not None:
            candidates = values.nodes(product, "variants")
        if len(candidates) != 1:
            many = (
                "has several variants: enter the number of the one that shall be free" if candidates else "is unknown"
            )
            reason = f"The product {spec.product_reference} {many} to the shop. Correct the reward."
            return client.rejected(answer, Refusal.INVALID, reason)
        found = Product(variant_id=values.text(candidates[0], "id"), price=values.decimal(candidates[0], "price"))
    except Unreadable as error:
        return client.unreadable(answer, error)
    return client.done(answer, found)


def _withdraw(
    conversation: Conversation, answer: Answer[dict[str, Any]], made: Discount, wrong: list[str]
) -> Answer[Any]:
    """The shop stored something else than we asked for: nobody may get that code."""
    what = " and ".join(wrong)
    if _switch_off(conversation, made) is not None:
        return client.unknown(answer, f"The shop stored another {what} than we asked for, and its code still works.")
    reason = f"The shop stored another {what} than we asked for, so the code was switched off there."
    return client.rejected(answer, Refusal.OTHER, reason)


def _id_of(node: Any) -> str:
    return str(node.get("id") or "") if isinstance(node, dict) else ""
