"""The contract every adapter keeps, each against its real shop over HTTP; own codes, without a shop, as far as it goes."""

import inspect
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import pytest

from platforms import registry
from platforms.adapter import (
    DISCOUNTS,
    Adapter,
    BulkDiscounts,
    Capabilities,
    DiscountKind,
    OrderStatus,
    Outcome,
    PlatformCode,
    Refusal,
    ShopOrder,
)
from platforms.own_codes import OwnCodesAdapter
from tests.fakes.contract import (
    Harness,
    bigcommerce_harness,
    own_codes_harness,
    sandbox_harness,
    shopify_harness,
)
from tests.fakes.medusa_contract import medusa_harness
from tests.fakes.vendure_contract import vendure_harness
from tests.fakes.woocommerce_contract import woocommerce_harness

HARNESSES: dict[str, Callable[[Path], AbstractContextManager[Harness]]] = {
    "sandbox": sandbox_harness,
    "bigcommerce": bigcommerce_harness,
    "woocommerce": woocommerce_harness,
    "shopify": shopify_harness,
    "medusa": medusa_harness,
    "vendure": vendure_harness,
    "own_codes": own_codes_harness,
}
# What a platform cannot do at all. A test that would be skipped for anything else fails.
LACKING: dict[str, set[str]] = {
    "sandbox": set(),
    "bigcommerce": {"binds_customer"},
    "woocommerce": {"gift_card"},
    "shopify": {"gift_card"},
    "medusa": {"gift_card"},
    "vendure": {"gift_card", "free_product", "collections", "binds_customer"},
    "own_codes": {"shop", "free_product"},
}
# What each says of itself beside the defaults and what it lacks. A change of any changes how its rewards are handled.
SAYS: dict[str, dict[str, Any]] = {
    "sandbox": {
        "extends": True, "returns_use_on_cancel": True, "registers_webhooks": True, "calls_at_once": 200, "bulk": 250,
        "bulk_discounts": BulkDiscounts(most=250, kinds=frozenset(DiscountKind), collections=DISCOUNTS),
    },
    "bigcommerce": {
        "extends": True, "registers_webhooks": True, "secret_headers": {"x-loyalty-desk-webhook"}, "sorts_products": True,
        "bulk_discounts": BulkDiscounts(
            most=250, kinds=frozenset(DiscountKind) - {DiscountKind.GIFT_CARD}, invents_codes=True
        ),
    },
    "woocommerce": {
        "extends": True, "returns_use_on_cancel": True, "registers_webhooks": True, "bulk": 50, "sorts_products": True,
    },
    "shopify": {
        "extends": True, "combinations": True, "registers_webhooks": True, "settles": 900.0,
        "privacy_topics": {"customers/data_request", "customers/redact", "shop/redact"},
        "bulk_discounts": BulkDiscounts(
            most=250,
            kinds=frozenset(DiscountKind) - {DiscountKind.GIFT_CARD},
            collections=frozenset({DiscountKind.PERCENTAGE, DiscountKind.FIXED_AMOUNT}),
        ),
    },
    "medusa": {"extends": True, "webhooks": False, "settles": 900.0},
    "vendure": {"extends": True, "refuses_duplicates": False, "returns_use_on_cancel": True},
    "own_codes": {
        "extends": True, "calls_out": False, "combinations": True, "refuses_duplicates": False, "webhooks": False,
        "lists_codes": False,
    },
}  # fmt: skip
JUDGED_BY_LACKING = {"kinds", "collections", "binds_customer", "steps_to_disable"}
EXPIRES_AT = datetime(2031, 5, 17, 21, 59, 59, tzinfo=UTC)


@pytest.fixture(scope="module", params=sorted(HARNESSES))
def any_of_them(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with HARNESSES[request.param](tmp_path_factory.mktemp(request.param)) as harness:
        yield harness


@pytest.fixture
def shop(any_of_them: Harness) -> Harness:
    """One that people shop at, and that is asked over HTTP."""
    adapter = any_of_them.adapter()
    return any_of_them if adapter.capabilities.calls_out else skip(adapter, "shop")


def skip(adapter: Adapter, what: str) -> NoReturn:
    """Leave a test out for a capability that the table lets the platform lack."""
    assert what in LACKING[adapter.key], f"{adapter.label} must have {what}"
    pytest.skip(f"{adapter.label} has no {what}")


def all_orders(adapter: Adapter, cursor: str = "") -> tuple[list[ShopOrder], str]:
    orders: list[ShopOrder] = []
    while True:
        answer = adapter.orders_since(cursor)
        assert answer.ok, answer.reason
        assert answer.value is not None
        orders += answer.value.orders
        cursor = answer.value.cursor
        if not answer.value.more:
            return orders, cursor


def all_codes(adapter: Adapter) -> list[PlatformCode]:
    codes: list[PlatformCode] = []
    cursor = ""
    while True:
        answer = adapter.list_codes(cursor)
        assert answer.ok, answer.reason
        assert answer.value is not None
        codes += answer.value.codes
        cursor = answer.value.cursor
        if not answer.value.more:
            return codes


def test_holds_each_adapter_there_is() -> None:
    every = {*registry.ADAPTERS, OwnCodesAdapter.key}

    assert set(HARNESSES) == set(LACKING) == set(SAYS) == every


def test_can_do_what_the_table_says(any_of_them: Harness) -> None:
    able = any_of_them.adapter().capabilities
    names = [one.name for one in fields(Capabilities) if one.name not in JUDGED_BY_LACKING]
    says = {name: getattr(able, name) for name in names if getattr(able, name) != getattr(Capabilities(), name)}

    assert says == SAYS[any_of_them.adapter().key]


def test_has_every_method_of_the_protocol(any_of_them: Harness) -> None:
    wanted = {name for name, member in inspect.getmembers(Adapter, inspect.isfunction) if not name.startswith("_")}

    assert all(callable(getattr(any_of_them.adapter(), name)) for name in wanted)


def test_tells_which_shop_it_is(any_of_them: Harness) -> None:
    answer = any_of_them.adapter().test_connection()

    assert answer.ok
    assert answer.value is not None
    assert (bool(answer.value.name), answer.value.currency) == (True, any_of_them.currency)


@pytest.mark.parametrize("kind", list(DiscountKind))
def test_makes_a_code_of_each_kind_it_names_as_it_was_asked_for(any_of_them: Harness, kind: DiscountKind) -> None:
    adapter = any_of_them.adapter()
    if kind not in adapter.capabilities.kinds:
        skip(adapter, kind.value)
    spec = any_of_them.spec(kind)

    made = adapter.create_code(spec)

    assert made.ok, made.reason
    assert made.value is not None
    assert (made.value.code.upper(), made.value.alive, made.value.reference) == (spec.code, True, spec.reference)
    assert (made.value.percent, made.value.amount) == (spec.percent, spec.amount)


@pytest.mark.parametrize("kind", list(DiscountKind))
def test_makes_a_code_that_a_shopper_can_use_once(shop: Harness, kind: DiscountKind) -> None:
    adapter = shop.adapter()
    if kind not in adapter.capabilities.kinds:
        skip(adapter, kind.value)
    spec = shop.spec(kind)

    assert adapter.create_code(spec).ok

    order_id = shop.buy(email="kind@example.com", code=spec.code)

    order = adapter.read_order(order_id).value
    assert order is not None
    assert shop.refuses(spec.code)
    if kind is DiscountKind.GIFT_CARD and not shop.traces_gift_cards:
        assert order.codes == ()
        return
    assert [applied.code.upper() for applied in order.codes] == [spec.code]
    assert bool(order.codes[0].discount) is (kind not in shop.worth_untold)


def test_keeps_minimum_order_and_expiry(shop: Harness) -> None:
    spec = shop.spec(minimum_order=Decimal("20.50"), expires_at=EXPIRES_AT, starts_at=EXPIRES_AT - timedelta(days=2000))

    shop.adapter().create_code(spec)

    found = shop.adapter().find_code(spec.code).value
    assert found is not None
    assert (found.minimum_order, found.expires_at) == (Decimal("20.50"), EXPIRES_AT)


def test_gives_nothing_below_the_minimum_order(shop: Harness) -> None:
    out_of_reach, within = shop.spec(minimum_order=Decimal("9999.00")), shop.spec(minimum_order=Decimal("10.00"))

    assert shop.adapter().create_code(out_of_reach).ok
    assert shop.adapter().create_code(within).ok

    assert shop.refuses(out_of_reach.code)
    assert shop.buy(email="enough@example.com", code=within.code)


def test_binds_a_code_to_one_customer_where_it_says_so(shop: Harness) -> None:
    adapter = shop.adapter()
    if not adapter.capabilities.binds_customer:
        skip(adapter, "binds_customer")
    shop.knows("hers@example.com")
    spec = shop.spec(customer_email="Hers@example.com")

    assert adapter.create_code(spec).ok

    assert shop.refuses(spec.code)  # anybody else
    assert shop.buy(email="hers@example.com", code=spec.code)


def test_takes_codes_of_the_letters_and_the_length_it_says(shop: Harness) -> None:
    adapter = shop.adapter()
    longest = adapter.capabilities.code_max_length
    code = f"Z9-{secrets.token_hex(6).upper()}-KQXVYW"[:longest].ljust(longest, "Z")
    spec = shop.spec(code=code)

    made = adapter.create_code(spec)

    assert made.value is not None, made.reason
    found = adapter.find_code(code).value
    assert found is not None
    assert (made.value.code.upper(), found.code.upper()) == (code, code)
    assert shop.buy(email="letters@example.com", code=code)


def test_limits_a_code_to_collections_for_the_kinds_it_says(shop: Harness) -> None:
    adapter = shop.adapter()
    assert adapter.capabilities.collections <= adapter.capabilities.kinds
    if not (adapter.capabilities.collections and shop.collection):
        skip(adapter, "collections")
    for kind in adapter.capabilities.collections:
        fitting, other = shop.spec(kind, collections=(shop.collection,)), shop.spec(kind, collections=(shop.other,))

        assert adapter.create_code(fitting).ok
        assert adapter.create_code(other).ok

        found = adapter.find_code(fitting.code).value
        assert found is not None
        assert found.collections == (shop.collection,)
        assert shop.buy(email="kind@example.com", code=fitting.code)
        assert shop.refuses(other.code)


def test_refuses_to_make_a_code_twice(shop: Harness) -> None:
    spec = shop.spec()
    first = shop.adapter().create_code(spec)

    second = shop.adapter().create_code(shop.spec(code=spec.code))

    if shop.adapter().capabilities.refuses_duplicates:
        assert (second.outcome, second.refusal) == (Outcome.REJECTED, Refusal.DUPLICATE_CODE)
    found = shop.adapter().find_code(spec.code).value
    assert found is not None
    assert first.value is not None
    assert (found.remote_id, found.reference) == (first.value.remote_id, spec.reference)


def test_finds_a_code_in_any_case(shop: Harness) -> None:
    spec = shop.spec()
    made = shop.adapter().create_code(spec).value

    found = shop.adapter().find_code(spec.code.lower()).value

    assert made is not None
    assert found is not None
    assert found.remote_id == made.remote_id


def test_proves_that_a_code_does_not_exist(any_of_them: Harness) -> None:
    answer = any_of_them.adapter().find_code("NO-SUCH-CODE")

    assert (answer.outcome, answer.value) == (Outcome.OK, None)


def test_lists_its_codes_where_it_says_so_each_as_it_shows_it_alone(shop: Harness) -> None:
    adapter = shop.adapter()
    if not adapter.capabilities.lists_codes:
        skip(adapter, "lists_codes")
    fresh, used, dead = shop.spec(), shop.spec(), shop.spec(expires_at=EXPIRES_AT)
    for spec in (fresh, used, dead):
        assert adapter.create_code(spec).ok
    shop.buy(email="listed@example.com", code=used.code)
    adapter.disable_code(dead.code, "")

    listed = [found for found in all_codes(adapter) if found.code.upper() in {fresh.code, used.code, dead.code}]

    alone = [adapter.find_code(spec.code).value for spec in (fresh, used, dead)]
    assert sorted(listed, key=lambda found: found.code) == sorted(filter(None, alone), key=lambda found: found.code)
    assert len(listed) == 3


def test_makes_several_codes_in_one_call_where_it_says_so(any_of_them: Harness) -> None:
    adapter = any_of_them.adapter()

    assert adapter.capabilities.bulk >= 1
    assert hasattr(adapter, "create_codes") is (adapter.capabilities.bulk > 1)


def test_tells_of_each_of_several_codes_what_became_of_it(shop: Harness) -> None:
    adapter: Any = shop.adapter()
    if adapter.capabilities.bulk == 1:
        return  # held to that above
    taken = shop.spec()
    assert adapter.create_code(taken).ok
    fresh = [shop.spec(kind=kind) for kind in (DiscountKind.PERCENTAGE, DiscountKind.FIXED_AMOUNT)]

    answer = adapter.create_codes([fresh[0], shop.spec(code=taken.code), fresh[1]])

    assert answer.ok, answer.reason
    first, again, last = answer.value
    assert (again.outcome, again.refusal) == (Outcome.REJECTED, Refusal.DUPLICATE_CODE)
    for spec, made in zip(fresh, (first, last), strict=True):
        assert adapter.find_code(spec.code).value == made.value
        assert made.value.reference == spec.reference
    assert adapter.find_code(taken.code).value.reference == taken.reference
    too_many = adapter.create_codes([shop.spec() for _ in range(adapter.capabilities.bulk + 1)])
    assert (too_many.outcome, too_many.value) == (Outcome.REJECTED, None)


def test_kills_a_code_for_good(shop: Harness) -> None:
    spec = shop.spec()
    made = shop.adapter().create_code(spec).value
    assert made is not None

    first = shop.adapter().disable_code(spec.code, made.remote_id)
    again = shop.adapter().disable_code(spec.code, made.remote_id)

    assert (first.ok, again.ok) == (True, True)
    assert first.value is None or not first.value.alive
    assert shop.refuses(spec.code)


def test_kills_a_used_code_and_keeps_its_use(shop: Harness) -> None:
    spec = shop.spec()
    made = shop.adapter().create_code(spec).value
    assert made is not None
    order_id = shop.buy(email="used@example.com", code=spec.code)

    answer = shop.adapter().disable_code(spec.code, made.remote_id)

    assert answer.ok, answer.reason
    order = shop.adapter().read_order(order_id).value
    assert order is not None
    assert [applied.code.upper() for applied in order.codes] == [spec.code]
    shop.cancel(order_id)
    assert shop.refuses(spec.code)  # where cancelling gives the use back, too


def test_kills_a_code_by_its_text_alone(shop: Harness) -> None:
    spec = shop.spec()
    shop.adapter().create_code(spec)

    answer = shop.adapter().disable_code(spec.code, "")

    assert answer.ok
    assert shop.refuses(spec.code)


def test_takes_a_missing_code_for_dead(any_of_them: Harness) -> None:
    answer = any_of_them.adapter().disable_code("NEVER-MADE", "no_such_id")

    assert (answer.outcome, answer.value) == (Outcome.OK, None)


def test_lets_a_code_live_longer_where_it_says_so(shop: Harness) -> None:
    adapter = shop.adapter()
    if not adapter.capabilities.extends:
        skip(adapter, "extends")
    spec = shop.spec(expires_at=datetime.now(UTC) - timedelta(hours=1))
    made = adapter.create_code(spec).value
    assert made is not None
    assert shop.refuses(spec.code)

    first = adapter.extend_code(spec.code, made.remote_id, EXPIRES_AT)
    again = adapter.extend_code(spec.code, "", EXPIRES_AT)

    assert first.value is not None
    assert (first.value.alive, first.value.expires_at) == (True, EXPIRES_AT)
    assert again.value == first.value == adapter.find_code(spec.code).value
    assert shop.buy(email="longer@example.com", code=spec.code)


def test_brings_no_disabled_code_back_with_more_time(shop: Harness) -> None:
    spec = shop.spec()
    made = shop.adapter().create_code(spec).value
    assert made is not None
    shop.adapter().disable_code(spec.code, made.remote_id)

    answer = shop.adapter().extend_code(spec.code, made.remote_id, EXPIRES_AT)

    assert answer.value is None or not answer.value.alive
    assert shop.refuses(spec.code)


def test_has_no_time_to_give_to_a_missing_code(any_of_them: Harness) -> None:
    answer = any_of_them.adapter().extend_code("NEVER-MADE", "no_such_id", EXPIRES_AT)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)


def test_counts_a_use_from_the_completed_order_only(shop: Harness) -> None:
    spec = shop.spec()
    shop.adapter().create_code(spec)

    order_id = shop.buy(email="unpaid@example.com", code=spec.code, pay=False)

    order = shop.adapter().read_order(order_id).value
    found = shop.adapter().find_code(spec.code).value
    assert order is not None
    assert found is not None
    assert (order.status, found.uses or 0) == (OrderStatus.PLACED, 0)
    assert shop.counts_late or found.alive is not shop.refuses(spec.code)  # in some an unpaid order holds its code


def test_returns_the_use_on_cancel_as_its_flag_says(shop: Harness) -> None:
    spec = shop.spec()
    shop.adapter().create_code(spec)
    order_id = shop.buy(email="cancel@example.com", code=spec.code)

    shop.cancel(order_id)

    order = shop.adapter().read_order(order_id).value
    assert order is not None
    assert order.status is OrderStatus.CANCELLED
    assert shop.refuses(spec.code) is not shop.adapter().capabilities.returns_use_on_cancel


def test_keeps_the_use_on_refund(shop: Harness) -> None:
    spec = shop.spec()
    shop.adapter().create_code(spec)
    order_id = shop.buy(email="refund@example.com", code=spec.code)

    shop.refund(order_id, "3.00")

    order = shop.adapter().read_order(order_id).value
    assert order is not None
    assert (order.status, [refund.amount for refund in order.refunds]) == (OrderStatus.COMPLETED, [Decimal("3.00")])
    assert shop.refuses(spec.code)


def test_lists_each_change_of_an_order_after_the_cursor(shop: Harness) -> None:
    adapter = shop.adapter()
    _, cursor = all_orders(adapter)

    order_id = shop.buy(email="poll@example.com")
    bought, after_buying = all_orders(adapter, cursor)
    shop.cancel(order_id)
    cancelled, _ = all_orders(adapter, after_buying)

    assert [one.status for one in bought if one.external_id == order_id][-1] is OrderStatus.COMPLETED
    assert [one.status for one in cancelled if one.external_id == order_id][-1] is OrderStatus.CANCELLED
    assert cancelled[-1].updated_at > bought[-1].updated_at


def test_tells_the_same_of_an_order_in_list_and_alone(shop: Harness) -> None:
    order_id = shop.buy(email="same@example.com")

    listed = [one for one in all_orders(shop.adapter())[0] if one.external_id == order_id]

    assert listed[-1] == shop.adapter().read_order(order_id).value
    if listed[-1].items is not None:
        require_parts_to_make_the_total(listed[-1])
    assert (listed[-1].customer_email, listed[-1].currency) == ("same@example.com", shop.currency)


def test_tells_what_was_bought_and_the_parts_of_the_total_in_one_shape(shop: Harness) -> None:
    """Two of one product and one of another, with a discount, tax and shipping: alike from every shop."""
    spec = shop.spec()
    shop.adapter().create_code(spec)

    order_id = shop.buy_basket(email="basket@example.com", code=spec.code)

    order = shop.adapter().read_order(order_id).value
    assert order is not None
    assert order.items is not None
    assert [(item.product, item.quantity) for item in order.items] == [(shop.basket[0], 2), (shop.basket[1], 1)]
    assert order.items[0].categories == shop.categories
    assert None not in (order.tax, order.shipping, order.discounts, *(item.tax for item in order.items))
    goods, taxes = require_parts_to_make_the_total(order)
    assert (order.discounts or 0) > 0
    assert abs(taxes / (goods - taxes) - shop.tax_rate) < Decimal("0.002")  # each amount is with its tax
    assert (order.shipping or 0) > 0
    [listed] = [one for one in all_orders(shop.adapter())[0] if one.external_id == order_id][-1:]
    assert listed == order


def require_parts_to_make_the_total(order: ShopOrder) -> tuple[Decimal, Decimal]:
    """Items, shipping and its tax; gives back what the items come to and the tax in them."""
    assert order.items
    goods = sum((item.amount for item in order.items), Decimal(0))
    taxes = sum((item.tax or Decimal(0) for item in order.items), Decimal(0))
    paid = goods + (order.shipping or 0) + ((order.tax or 0) - taxes)
    assert paid == order.total, f"{goods} and {order.shipping} with {order.tax} of tax are not {order.total}"
    return goods, taxes


def test_proves_that_an_order_does_not_exist(any_of_them: Harness) -> None:
    answer = any_of_them.adapter().read_order("999999999")

    assert (answer.outcome, answer.value) == (Outcome.OK, None)


def test_says_unauthorized_for_wrong_credentials(shop: Harness) -> None:
    adapter = shop.adapter(credentials=shop.wrong_credentials())

    answers = [adapter.test_connection(), adapter.find_code("ANY"), adapter.create_code(shop.spec())]

    assert [(one.outcome, one.refusal) for one in answers] == [(Outcome.REJECTED, Refusal.UNAUTHORIZED)] * 3


def test_says_not_sent_when_the_shop_is_switched_off(shop: Harness) -> None:
    adapter = shop.switched_off()

    answers = [
        adapter.test_connection(),
        adapter.create_code(shop.spec()),
        adapter.find_code("ANY"),
        adapter.disable_code("ANY", "1"),
        adapter.extend_code("ANY", "1", EXPIRES_AT),
        adapter.read_order("1"),
        adapter.orders_since(""),
        adapter.list_codes(""),
    ]

    assert [one.outcome for one in answers] == [Outcome.NOT_SENT] * 8
    assert all(one.reason.endswith(".") for one in answers)


def test_tells_nothing_of_orders_and_codes_where_no_shop_has_any(any_of_them: Harness) -> None:
    adapter = any_of_them.adapter()
    if adapter.capabilities.calls_out:
        return  # held to what it tells above

    assert all_orders(adapter) == ([], "")
    assert (all_codes(adapter), adapter.capabilities.lists_codes) == ([], False)
    assert adapter.capabilities.webhooks is False
    assert adapter.ensure_webhooks("https://desk.example.com").refusal is Refusal.UNSUPPORTED


def test_keeps_credentials_and_people_out_of_the_evidence(shop: Harness) -> None:
    order_id = shop.buy(email="secret.person@example.com")

    observed = shop.adapter().read_order(order_id).observed

    assert observed.status == 200
    assert "secret.person" not in observed.excerpt
