"""Several coupons in one call. The shop tells of each what became of it, in the order in which they were sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from platforms.adapter import Answer, CodeSpec, Outcome, PlatformCode, Refusal
from platforms.http import HttpAnswer
from platforms.woocommerce import client, codes, coupons, fields
from platforms.woocommerce.client import Conversation
from platforms.woocommerce.coupons import Coupon
from platforms.woocommerce.fields import Unreadable

MOST = 50  # the shop takes 100, but PHP makes them one by one, and must be done before we stop listening
# Who makes a second coupon of a name did not see the first, so it came to be moments before or after ours.
AROUND = timedelta(minutes=1)
MOST_PAGES = 5  # of a hundred: where more come to be at the same time, each name is sooner asked for by itself

Made = Answer[PlatformCode]


@dataclass(frozen=True, slots=True)
class _Order:
    """One code of the call: what to send, or why it is not sent."""

    spec: CodeSpec
    body: dict[str, Any] | None = None
    refused: Made | None = None


def create(conversation: Conversation, specs: Sequence[CodeSpec], *, currency: str) -> Answer[tuple[Made, ...]]:
    """Make them, and look at what the shop made of each and whether it is the only one of its name."""
    if len(specs) > MOST:
        reason = f"WooCommerce is given {MOST} codes at once, not {len(specs)}."
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.INVALID, reason=reason)
    needs_zone = any(spec.expires_at is not None for spec in specs)
    zone = codes.zone_of(conversation) if needs_zone else Answer(outcome=Outcome.OK, value=UTC)
    if zone.value is None:
        return client.relay(zone)
    orders = _orders(conversation, specs, currency=currency, zone=zone.value)
    if isinstance(orders, Answer):
        return orders
    wanted = [order for order in orders if order.body is not None]
    told = _send(conversation, wanted) if wanted else Answer(outcome=Outcome.OK, value=())
    if told.value is None:
        return client.relay(told)
    sent = iter(told.value)
    made = tuple(order.refused or next(sent) for order in orders)
    return Answer(outcome=Outcome.OK, value=made, observed=told.observed)


def _orders(
    conversation: Conversation, specs: Sequence[CodeSpec], *, currency: str, zone: tzinfo
) -> list[_Order] | Answer[Any]:
    """What is to be sent; or why nothing can be, when the shop does not say what the codes need to know."""
    found: list[_Order] = []
    seen: dict[tuple[object, ...], Made | None] = {}
    for spec in specs:
        try:
            body = coupons.body_for(spec, currency=currency, zone=zone, now=datetime.now(UTC))
        except coupons.CannotMake as error:
            no: Made = Answer(outcome=Outcome.REJECTED, refusal=error.refusal, reason=str(error))
            found.append(_Order(spec, refused=no))
            continue
        target = (spec.kind, spec.product_reference, spec.collections)
        if target not in seen:
            seen[target] = codes.missing_target(conversation, spec)
        problem = seen[target]
        if problem is not None and (problem.outcome is not Outcome.REJECTED or _is_about_us(problem)):
            return client.relay(problem)
        found.append(_Order(spec, body=body) if problem is None else _Order(spec, refused=problem))
    return found


def _is_about_us(problem: Made) -> bool:
    return problem.refusal in {Refusal.UNAUTHORIZED, Refusal.NOT_FOUND}


def _send(conversation: Conversation, orders: Sequence[_Order]) -> Answer[tuple[Made, ...]]:
    answer = conversation.ask("POST", "/coupons/batch", body={"create": [order.body for order in orders]})
    if not answer.ok:
        return client.failure(answer, writing=True)
    try:
        entries = fields.objects(answer.data, "create")
    except Unreadable as error:
        return answer.unusable(str(error))
    if len(entries) != len(orders):
        return answer.unusable(f"it told of {len(entries)} coupons, and was sent {len(orders)}")
    own = [answer.about(entry) for entry in entries]
    read = [_read(said, order.spec, entry) for said, order, entry in zip(own, orders, entries, strict=True)]
    made = [each for each in read if isinstance(each, Coupon)]
    around = _around(conversation, made)
    if around.value is None:
        reason = f"The shop made these codes and then could not be asked: {around.reason}"
        return answer.success(
            tuple(
                client.unknown(said, reason) if isinstance(each, Coupon) else each
                for said, each in zip(own, read, strict=True)
            )
        )
    return answer.success(
        tuple(
            codes.judge(conversation, said, order.spec, each, around.value.get(each.code.code.casefold(), []))
            if isinstance(each, Coupon)
            else each
            for said, order, each in zip(own, orders, read, strict=True)
        )
    )


def _read(answer: HttpAnswer, spec: CodeSpec, entry: Mapping[str, Any]) -> Coupon | Made:
    """The coupon that was made, or why it was not."""
    try:
        if "error" in entry:
            return client.refusal_within(answer, fields.mapping(entry, "error"))
        made = coupons.read(entry, now=datetime.now(UTC))
    except Unreadable as error:
        return answer.unusable(str(error))
    if made.code.code.casefold() != spec.code.casefold():
        return answer.unusable(f"it told of a coupon {made.code.code[:40]} in the place of {spec.code}")
    return made


def _around(conversation: Conversation, made: Sequence[Coupon]) -> Answer[dict[str, list[Coupon]]]:
    """All coupons that came to be around the time of these, by their names."""
    found: dict[str, list[Coupon]] = {}
    if not made:
        return Answer(outcome=Outcome.OK, value=found)
    since = min(each.created_at for each in made) - AROUND
    params = {"after": f"{since:%Y-%m-%dT%H:%M:%S}", "dates_are_gmt": "true", "per_page": "100"}
    params |= {"orderby": "id", "order": "asc"}
    for page in range(1, MOST_PAGES + 1):
        answer = conversation.ask("GET", "/coupons", params=params | {"page": str(page)})
        if not answer.ok:
            return client.failure(answer)
        try:
            for entry in fields.entries(answer.data, "coupons"):
                coupon = coupons.read(entry, now=datetime.now(UTC)) if fields.text(entry, "code") else None
                if coupon is not None:
                    found.setdefault(coupon.code.code.casefold(), []).append(coupon)
        except Unreadable as error:
            return answer.unusable(str(error))
        if not client.has_next_page(answer):
            return Answer(outcome=Outcome.OK, value=found)
    return _one_by_one(conversation, made)


def _one_by_one(conversation: Conversation, made: Sequence[Coupon]) -> Answer[dict[str, list[Coupon]]]:
    """The same, asked for by their names."""
    found: dict[str, list[Coupon]] = {}
    for each in made:
        same = codes.named(conversation, each.code.code)
        if same.value is None:
            return client.relay(same)
        found[each.code.code.casefold()] = list(same.value)
    return Answer(outcome=Outcome.OK, value=found)
