"""The Medusa adapter against the fake shop: what the contract does not ask of every platform."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from platforms import walking
from platforms.adapter import CodeSpec, DiscountKind, OrderStatus, Outcome, Refusal, WebhookRejected
from platforms.medusa import codes, polling
from platforms.medusa.adapter import NO_WEBHOOKS, MedusaAdapter
from tests.fakes import medusa_api
from tests.fakes.medusa import MedusaShop, running_medusa
from tests.fakes.medusa_shop import KITCHEN, MUG, TEA, CheckoutRefused
from tests.fakes.misbehaving import misbehaving_server, reply

EXPIRES_AT = datetime(2031, 5, 17, 21, 59, 59, tzinfo=UTC)


@pytest.fixture
def shop() -> Iterator[MedusaShop]:
    with running_medusa() as running:
        yield running


@pytest.fixture
def adapter(shop: MedusaShop) -> MedusaAdapter:
    return shop.adapter()


def spec(code: str = "LOY-1", kind: DiscountKind = DiscountKind.PERCENTAGE, **changes: Any) -> CodeSpec:
    plain = CodeSpec(
        code=code,
        kind=kind,
        title="A reward (Loyalty Desk)",
        reference=f"rr-{code}",
        currency="USD",
        percent=Decimal("12.5") if kind is DiscountKind.PERCENTAGE else None,
        amount=Decimal("5.00") if kind is DiscountKind.FIXED_AMOUNT else None,
        product_reference=MUG if kind is DiscountKind.FREE_PRODUCT else "",
    )
    return replace(plain, **changes)


def read_all(adapter: MedusaAdapter, cursor: str = "") -> tuple[list[tuple[str, OrderStatus]], str]:
    seen: list[tuple[str, OrderStatus]] = []
    for _page in range(100):
        answer = adapter.orders_since(cursor)
        assert answer.value is not None, answer.reason
        seen += [(order.external_id, order.status) for order in answer.value.orders]
        cursor = answer.value.cursor
        if not answer.value.more:
            return seen, cursor
    pytest.fail("The poll does not come to an end.")


# Making codes


def test_binds_a_code_to_one_customer_however_they_write_their_address(shop, adapter):
    adapter.create_code(spec(customer_email="Jo@Example.com"))

    assert shop.ready_cart("jo@example.com", code="LOY-1").adjustments
    assert shop.ready_cart("Jo@Example.com", code="LOY-1").adjustments
    assert not shop.ready_cart("bo@example.com", code="LOY-1").adjustments


def test_holds_the_minimum_against_the_goods_before_any_discount(shop, adapter):
    adapter.create_code(spec(minimum_order=Decimal(30)))

    assert not shop.ready_cart("jo@example.com", code="LOY-1").adjustments
    assert shop.ready_cart("jo@example.com", code="LOY-1", quantity=2).adjustments


def test_gives_one_piece_and_only_of_that_product(shop, adapter):
    adapter.create_code(spec(kind=DiscountKind.FREE_PRODUCT))

    three = shop.ready_cart("jo@example.com", code="LOY-1", quantity=3)

    assert [each.amount for each in three.adjustments] == [Decimal(20)]
    assert not shop.ready_cart("jo@example.com", code="LOY-1", product=TEA).adjustments


@pytest.mark.parametrize(
    ("wanted", "refusal", "sentence"),
    [
        (
            spec(kind=DiscountKind.GIFT_CARD, amount=Decimal(5)),
            Refusal.UNSUPPORTED,
            "Medusa has no gift cards without a plug-in. Give the reward another type, or choose another shop.",
        ),
        (
            spec(kind=DiscountKind.FREE_DELIVERY, collections=(KITCHEN,)),
            Refusal.UNSUPPORTED,
            "Medusa cannot limit free delivery to collections. Take them off the reward.",
        ),
        (
            spec(percent=Decimal(101)),
            Refusal.INVALID,
            "The percentage must be above 0 and at most 100. Correct the reward.",
        ),
        (
            spec(kind=DiscountKind.FIXED_AMOUNT, amount=Decimal(0)),
            Refusal.INVALID,
            "The amount of the discount must be above 0. Correct the reward.",
        ),
        (
            spec(kind=DiscountKind.FIXED_AMOUNT, currency="EUR"),
            Refusal.INVALID,
            (
                "The discount is in EUR, but this connection is set to USD. "
                "Correct the currency of the reward or of the connection."
            ),
        ),
        (
            spec(minimum_order=Decimal("10.005")),
            Refusal.INVALID,
            "The minimum order 10.005 has more decimals than USD has. Correct the reward.",
        ),
        (
            spec(kind=DiscountKind.FREE_PRODUCT, product_reference="mug"),
            Refusal.INVALID,
            (
                "Medusa names a product by its id, and 'mug' is none: it starts with prod_. "
                "Open the product in Medusa and read its id in the address of the page."
            ),
        ),
        (
            spec(kind=DiscountKind.FREE_PRODUCT, product_reference="prod_gone"),
            Refusal.INVALID,
            "The shop has no product prod_gone. Choose another product for the reward.",
        ),
        (
            spec(collections=(KITCHEN, "pcol_gone")),
            Refusal.INVALID,
            (
                "The shop has no collection pcol_gone. Medusa names a collection by its id, which starts with pcol_: open "
                "it in Medusa and read it in the address of the page."
            ),
        ),
    ],
)
def test_refuses_what_the_shop_cannot_make_or_would_make_in_vain(shop, adapter, wanted, refusal, sentence):
    answer = adapter.create_code(wanted)

    assert (answer.outcome, answer.refusal, answer.reason) == (Outcome.REJECTED, refusal, sentence)
    assert shop.promotions == []


@pytest.mark.parametrize("kind", ["drop_after", "error_after", "malformed", "timeout_after"])
def test_does_not_know_what_became_of_a_code_when_the_answer_was_lost(shop, kind):
    shop.fault("POST", "/admin/promotions", kind, seconds=4.0)

    lost = shop.adapter(timeout=3.0 if kind == "timeout_after" else 20.0).create_code(spec())

    found = shop.adapter().find_code("LOY-1")
    assert lost.outcome is Outcome.UNKNOWN
    assert found.value is not None
    assert found.value.reference == "rr-LOY-1"


@pytest.mark.parametrize(
    ("kind", "outcome", "refusal"),
    [
        ("throttle", Outcome.THROTTLED, None),
        ("error", Outcome.UNKNOWN, None),
        ("drop", Outcome.UNKNOWN, None),
        ("refuse", Outcome.REJECTED, Refusal.INVALID),
        ("forbid", Outcome.REJECTED, Refusal.UNAUTHORIZED),
    ],
)
def test_says_what_became_of_a_call(shop, adapter, kind, outcome, refusal):
    shop.fault("POST", "/admin/promotions", kind)

    answer = adapter.create_code(spec())

    assert (answer.outcome, answer.refusal) == (outcome, refusal)
    assert answer.reason.endswith(".")


def test_withdraws_a_code_that_the_shop_stored_otherwise(shop, adapter, monkeypatch):
    monkeypatch.setattr(codes.promotions, "same_end", lambda _stored, _asked: False)

    answer = adapter.create_code(spec())

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert answer.reason == (
        "The shop stored another expiry than we asked for, so the promotion was switched off there. "
        "Look for a plug-in that changes promotions."
    )
    assert shop.promotion("LOY-1").status == "inactive"


# Finding, ending and listing


def test_prefers_the_code_as_it_is_written(shop, adapter):
    shop.foreign_promotion("loy-1")
    adapter.create_code(spec())

    assert [adapter.find_code(text).value.code for text in ("LOY-1", "loy-1", "Loy-1")] == ["LOY-1", "loy-1", "LOY-1"]


@pytest.mark.parametrize("text", ["L_Y-1", "LOY%", "LOY\\-1"])
def test_takes_no_sign_of_a_code_for_a_pattern(adapter, text):
    adapter.create_code(spec())

    assert adapter.find_code(text).value is None


def test_kills_a_code_of_the_shops_own_only_when_it_is_meant(shop, adapter):
    theirs = shop.foreign_promotion("SUMMER")

    other = adapter.disable_code("SUMMER", "promo_other")
    meant = adapter.disable_code("SUMMER", theirs.id)

    assert other.value is not None
    assert other.value.alive
    assert meant.value is not None
    assert not meant.value.alive


def test_takes_a_deleted_code_for_dead_and_for_nothing_to_extend(shop, adapter):
    adapter.create_code(spec())
    shop.promotion("LOY-1").is_deleted = True

    assert adapter.disable_code("LOY-1", "").value is None
    assert adapter.extend_code("LOY-1", "", EXPIRES_AT).value is None


def test_does_not_call_a_dead_code_unused(shop, adapter):
    adapter.create_code(spec())
    before = adapter.find_code("LOY-1").value

    after = adapter.disable_code("LOY-1", "").value
    adapter.create_code(spec("LOY-2", expires_at=datetime.now(UTC) - timedelta(hours=1)))
    run_out = adapter.find_code("LOY-2").value

    assert before is not None
    assert after is not None
    assert run_out is not None
    assert (before.uses, after.uses, run_out.uses) == (0, None, None)


def test_gives_an_end_to_a_code_that_had_none(shop, adapter):
    adapter.create_code(spec())

    answer = adapter.extend_code("LOY-1", "", EXPIRES_AT)
    moved = adapter.extend_code("LOY-1", "", EXPIRES_AT + timedelta(days=1))

    assert answer.value is not None
    assert moved.value is not None
    assert (answer.value.expires_at, moved.value.expires_at) == (EXPIRES_AT, EXPIRES_AT + timedelta(days=1))
    assert len(shop.campaigns) == 1


def test_moves_no_end_that_other_codes_share(shop, adapter):
    adapter.create_code(spec(expires_at=EXPIRES_AT))
    shop.campaigns[0].identifier = "summer-sale"

    answer = adapter.extend_code("LOY-1", "", EXPIRES_AT + timedelta(days=1))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert answer.reason == (
        "The code LOY-1 belongs to a campaign of the shop's own, whose end is that of all its codes. "
        "Change the campaign in Medusa under Promotions, Campaigns."
    )
    assert shop.campaigns[0].ends_at == EXPIRES_AT


def test_lists_what_it_cannot_read_without_its_worth_and_no_automatic_promotion(shop, adapter, monkeypatch):
    monkeypatch.setattr(codes, "PAGE_SIZE", 2)
    adapter.create_code(spec())
    strange = {"type": "percentage", "value": "many", "target_type": "order", "allocation": "across"}
    shop.foreign_promotion("STRANGE", method=strange)
    shop.foreign_promotion("EVERYBODY", is_automatic=True)
    shop.foreign_promotion("")
    shop.foreign_promotion("LAST", limit=1, used=1)

    listed, cursor, more = {}, "", True
    while more:
        page = adapter.list_codes(cursor).value
        assert page is not None
        listed |= {code.code: (code.percent, code.alive) for code in page.codes}
        cursor, more = page.cursor, page.more

    assert listed == {"LOY-1": (Decimal("12.5"), True), "STRANGE": (None, True), "LAST": (Decimal(5), False)}


# Orders


def test_tells_what_a_code_was_worth_and_what_an_order_cost_before_its_refund(shop, adapter):
    adapter.create_code(spec())
    order = shop.checkout("jo@example.com", code="LOY-1", quantity=2)
    shop.capture(order.id)
    shop.refund(order.id, "3.00")

    told = adapter.read_order(order.id).value

    assert told is not None
    assert [(each.code, each.discount) for each in told.codes] == [("LOY-1", Decimal("5"))]
    assert (told.total, [each.amount for each in told.refunds]) == (Decimal(40), [Decimal(3)])
    assert told.codes[0].remote_id == shop.promotion("LOY-1").id


def test_completes_an_order_for_which_there_is_nothing_to_pay(shop, adapter):
    everything = {"type": "percentage", "value": 100, "target_type": "order", "allocation": "across"}
    promotion = shop.foreign_promotion("ALL", method=everything)
    cart = shop.ready_cart("jo@example.com", code=promotion.code)
    cart.adjustments[0].amount += 5
    order = shop.complete(cart)

    told = adapter.read_order(order.id).value

    assert order.payment_status == "not_paid"
    assert told is not None
    assert (told.status, told.total) == (OrderStatus.COMPLETED, Decimal(0))


def test_finds_an_order_that_was_paid_later_though_its_own_stamp_stayed(shop, adapter, monkeypatch):
    monkeypatch.setattr(walking, "LOOK_BACK", timedelta(0))
    order = shop.draft_order("jo@example.com")
    shop.checkout("bo@example.com")
    before, cursor = read_all(adapter)

    shop.authorize(order.id)

    assert (order.id, OrderStatus.PLACED) in before
    assert (order.id, OrderStatus.COMPLETED) in read_all(adapter, cursor)[0]


def test_finds_a_late_payment_among_full_pages_as_well(shop, adapter, monkeypatch):
    monkeypatch.setattr(walking, "LOOK_BACK", timedelta(0))
    monkeypatch.setattr(polling, "PAGE_SIZE", 2)
    monkeypatch.setattr(polling, "PAYMENTS_A_PAGE", 5)
    order = shop.draft_order("jo@example.com")
    shop.checkout("bo@example.com")
    _, cursor = read_all(adapter)
    shop.authorize(order.id)
    later = [shop.checkout("bo@example.com").id for _ in range(7)]

    seen, _ = read_all(adapter, cursor)

    assert (order.id, OrderStatus.COMPLETED) in seen
    assert {each for each, _ in seen} >= set(later)


def test_pages_through_every_order_when_they_share_an_instant(shop, adapter, monkeypatch):
    monkeypatch.setattr(polling, "PAGE_SIZE", 5)
    placed = [shop.checkout("jo@example.com") for _ in range(13)]
    for order in placed[2:]:
        order.updated_at = placed[2].updated_at

    seen, _ = read_all(adapter)

    assert {order_id for order_id, _ in seen} == {order.id for order in placed}


def test_holds_up_no_other_order_for_one_it_cannot_understand(shop, adapter):
    strange, good = shop.checkout("jo@example.com"), shop.checkout("jo@example.com")
    strange.status = ""

    page = adapter.orders_since("").value

    assert page is not None
    assert [order.external_id for order in page.orders] == [good.id]
    assert [(each.external_id, each.reason) for each in page.unread] == [(strange.id, "status is no text")]


def test_trusts_no_list_that_ignores_what_it_was_asked(shop, adapter):
    shop.checkout("jo@example.com")
    _, cursor = read_all(adapter)
    old = b'{"orders": [{"id": "order_1", "updated_at": "2020-01-01T00:00:00.000Z"}]}'

    with misbehaving_server(reply("200 OK", old, "Content-Type: application/json")) as server:
        answer = shop.adapter(base_url=server.url).orders_since(cursor)

    assert answer.outcome is Outcome.UNKNOWN
    assert "it tells orders that did not change since" in answer.reason


@pytest.mark.parametrize(
    "cursor", ["nonsense", "poll yesterday 0", "poll 0001-01-01T00:00:00.000Z 0", "poll 2026-01-01 0"]
)
def test_refuses_a_cursor_that_is_none_of_its_own(adapter, cursor):
    for answer in (adapter.orders_since(cursor), adapter.list_codes(cursor)):
        assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)


# The connection


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"credentials": {}}, "The API key is missing. Make one in Medusa"),
        ({"credentials": {"api_key": "pk_1"}}, "This is a publishable key"),
        ({"credentials": {"api_key": "sk_old"}}, "The shop refused the API key. Copy it again from Medusa"),
        ({"currency": "EUR"}, "A Medusa shop sells in USD, but this connection is set to EUR."),
    ],
)
def test_has_a_sentence_for_each_misconfiguration(shop, changes, sentence):
    answer = shop.adapter(**changes).test_connection()

    assert answer.outcome is Outcome.REJECTED
    assert answer.reason.startswith(sentence)


def test_says_that_an_address_is_another_servers(shop):
    elsewhere = shop.adapter(base_url=f"{shop.base_url}/blog").test_connection()
    with misbehaving_server(reply("200 OK", b"<html>", "Content-Type: text/html")) as server:
        page = shop.adapter(base_url=server.url).test_connection()

    assert elsewhere.reason == page.reason
    assert elsewhere.reason.startswith("This address answers, but not as a Medusa server does")


@pytest.mark.parametrize("path", ["/admin/promotions", "/admin/campaigns", "/admin/orders", "/admin/payments"])
def test_names_the_rights_that_the_key_lacks(shop, adapter, path):
    shop.fault("GET", path, "forbid")

    answer = adapter.test_connection()

    assert answer.refusal is Refusal.UNAUTHORIZED
    assert answer.reason.startswith("The shop knows the API key but does not let it do this.")


def test_says_that_a_shop_is_too_old(shop, adapter, monkeypatch):
    monkeypatch.delitem(medusa_api.PROMOTION, "limit")

    answer = adapter.test_connection()

    assert answer.outcome is Outcome.REJECTED
    assert answer.reason.startswith("The shop does not understand what we ask, so it may be older than Medusa 2.12.")


@pytest.mark.parametrize("end", ["/", "/app", "/admin/"])
def test_takes_the_address_with_what_people_copy_along_and_changes_nothing(shop, end):
    answer = shop.adapter(base_url=shop.base_url + end).test_connection()

    assert answer.ok
    assert (shop.promotions, shop.campaigns) == ([], [])


def test_has_no_webhooks(adapter):
    assert adapter.ensure_webhooks("https://desk.example.com/hooks/1/").reason == NO_WEBHOOKS
    with pytest.raises(WebhookRejected, match="no webhooks"):
        adapter.parse_webhook(headers={}, body=b"{}", now=EXPIRES_AT)


# The fake is as strict as the real shop


def test_of_the_fake_loses_a_race_for_the_last_use(shop, adapter):
    adapter.create_code(spec())
    first, second = (shop.ready_cart(f"{name}@example.com", code="LOY-1") for name in ("jo", "bo"))
    shop.complete(first)

    with pytest.raises(CheckoutRefused, match="exceeds the limit"):
        shop.complete(second)


def test_of_the_fake_breaks_the_checkout_of_a_deleted_code(shop, adapter):
    adapter.create_code(spec(collections=(KITCHEN,)))
    assert not shop.ready_cart("jo@example.com", code="LOY-1", product=TEA).adjustments
    cart = shop.ready_cart("jo@example.com", code="LOY-1")
    shop.promotion("LOY-1").is_deleted = True

    with pytest.raises(CheckoutRefused, match="unknown error"):
        shop.complete(cart)
