"""The Medusa adapter against a real Medusa shop, the whole contract included: run by `make e2e-medusa`.

Whatever the contract asks of the fake shop it asks of the real one here, so what the fake says is what Medusa says.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from platforms import wire
from platforms.adapter import CodeSpec, DiscountKind, OrderStatus, PlatformCode
from platforms.medusa import promotions
from platforms.medusa.adapter import MedusaAdapter
from platforms.medusa.orders import FIELDS
from tests.fakes import medusa_wire
from tests.fakes.medusa import running_medusa
from tests.journeys import medusa_shop
from tests.journeys.medusa_shop import PATIENCE, MedusaShop, RealMedusaHarness, ShopRefused
from tests.platforms import test_contract

pytestmark = [pytest.mark.medusa, pytest.mark.timeout(1200)]

# The contract's tests find the fixtures below. One needs a shop with taxes, which this one has none of.
TAXED = {"test_tells_what_was_bought_and_the_parts_of_the_total_in_one_shape"}
globals().update(
    {name: test for name, test in vars(test_contract).items() if name.startswith("test_") and name not in TAXED}
)


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    """A checkout of the real shop takes seconds on a busy machine; how long we wait is not what is tried here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "READ_SECONDS", PATIENCE)
        yield


@pytest.fixture(scope="module")
def shop() -> Iterator[RealMedusaHarness]:
    try:
        with medusa_shop.running_medusa_shop() as running:
            yield RealMedusaHarness(running)
    except medusa_shop.ShopNotRunning as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="module")
def any_of_them(shop: RealMedusaHarness) -> RealMedusaHarness:
    return shop


@pytest.fixture
def medusa(shop: RealMedusaHarness) -> MedusaShop:
    return shop.shop


@pytest.fixture
def adapter(medusa: MedusaShop) -> MedusaAdapter:
    return MedusaAdapter(medusa.access())


@pytest.fixture
def spec(shop: RealMedusaHarness) -> CodeSpec:
    return shop.spec()


def made(adapter: MedusaAdapter, spec: CodeSpec) -> PlatformCode:
    answer = adapter.create_code(spec)
    assert answer.value is not None, answer
    return answer.value


def test_answers_a_code_that_does_not_work_with_success_and_no_discount(medusa, adapter, spec):
    code = made(adapter, spec)
    adapter.disable_code(spec.code, code.remote_id)

    assert medusa.apply(medusa.cart("jo@example.com"), spec.code) == []
    with pytest.raises(ShopRefused, match="is invalid"):
        medusa.apply(medusa.cart("jo@example.com"), "NO-SUCH-CODE")


def test_lets_a_ready_cart_redeem_a_dead_code_and_does_not_count_it(medusa, adapter, spec):
    code = made(adapter, spec)
    cart = medusa.cart("jo@example.com")
    medusa.apply(cart, spec.code)
    medusa.make_ready(cart)
    dead = adapter.disable_code(spec.code, code.remote_id).value

    order = adapter.read_order(medusa.complete(cart)).value

    assert dead is not None
    assert (dead.alive, dead.uses) == (False, None)
    assert order is not None
    assert (order.status, order.total) == (OrderStatus.COMPLETED, Decimal(23))
    assert [(each.code, each.remote_id, each.discount) for each in order.codes] == [
        (spec.code, code.remote_id, Decimal(2))
    ]
    assert adapter.find_code(spec.code).value == dead


def test_breaks_the_checkout_of_a_code_that_was_deleted(medusa, adapter, spec):
    code = made(adapter, spec)
    cart = medusa.cart("jo@example.com")
    medusa.apply(cart, spec.code)
    medusa.make_ready(cart)
    medusa.admin("DELETE", f"/promotions/{code.remote_id}")

    with pytest.raises(ShopRefused, match="500"):
        medusa.complete(cart)


def test_takes_a_code_letter_by_letter_and_from_the_one_it_is_bound_to(shop, medusa, adapter):
    spec = shop.spec(customer_email="Jo@Example.com")
    made(adapter, spec)

    assert medusa.apply(medusa.cart("jo@example.com"), spec.code) == [spec.code]
    assert medusa.apply(medusa.cart("bo@example.com"), spec.code) == []
    with pytest.raises(ShopRefused, match="is invalid"):
        medusa.apply(medusa.cart("jo@example.com"), spec.code.lower())


def test_counts_one_of_two_carts_that_are_ready_at_once(medusa, adapter, spec):
    made(adapter, spec)
    first, second = medusa.cart("jo@example.com"), medusa.cart("bo@example.com")
    for cart in (first, second):
        medusa.apply(cart, spec.code)
        medusa.make_ready(cart)
    medusa.complete(first)

    with pytest.raises(ShopRefused, match="exceeds the limit"):
        medusa.complete(second)


def test_takes_money_without_a_new_stamp_on_the_order(medusa):
    order = medusa.checkout("jo@example.com")
    before = medusa.admin("GET", f"/orders/{order}")["order"]

    medusa.capture(order)

    after = medusa.admin("GET", f"/orders/{order}")["order"]
    assert (before["payment_status"], after["payment_status"]) == ("authorized", "captured")
    assert before["updated_at"] == after["updated_at"]


def test_tells_what_an_order_cost_before_its_refund(medusa, adapter):
    order = medusa.checkout("jo@example.com")
    medusa.capture(order)
    medusa.refund(order, "3.00")

    told = adapter.read_order(order).value

    assert told is not None
    assert (told.total, [each.amount for each in told.refunds]) == (Decimal(25), [Decimal(3)])
    assert medusa.admin("GET", f"/orders/{order}")["order"]["total"] == 22


def test_answers_in_the_shapes_of_the_fake_shop(shop, medusa, adapter):
    """Every field that the fake tells, the real shop tells as well, and as the same kind of thing."""
    ends = datetime(2031, 5, 17, 21, 59, 59, tzinfo=UTC)
    spec = shop.spec(expires_at=ends, minimum_order=Decimal(15), collections=(shop.collection,))
    made(adapter, spec)
    order = medusa.checkout("jo@example.com", code=spec.code)
    medusa.capture(order)
    medusa.refund(order, "3.00")
    with running_medusa() as fake:
        theirs = fake.adapter().create_code(shop.spec(expires_at=ends, minimum_order=Decimal(15), code="LOY-1"))
        assert theirs.ok
        placed = fake.checkout("jo@example.com", code="LOY-1")
        fake.capture(placed.id)
        fake.refund(placed.id, "3.00")
        told = medusa_wire.promotion(fake.promotions[0]), medusa_wire.order(placed), medusa_wire.payment(placed)

    real_promotion = medusa.admin("GET", f"/promotions?code={spec.code}&fields={promotions.FIELDS}")["promotions"][0]
    real_order = medusa.admin("GET", f"/orders/{order}?fields={FIELDS}")["order"]
    payments = medusa.admin("GET", "/payments?fields=id,updated_at,payment_collection.order.id&order=-created_at")
    rarely_told = {"is_tax_inclusive", "type", "deleted_at", "target_rules"}

    assert lacking(told[0], real_promotion) - rarely_told == set()
    assert lacking(told[1], real_order) == set()
    assert lacking(told[2], payments["payments"][0]) == set()


def lacking(fake: Any, real: Any, where: str = "") -> set[str]:
    """Where the fake tells something that the real shop does not, or another kind of thing."""
    if isinstance(fake, dict) and isinstance(real, dict):
        missing = {f"{where}.{name}".strip(".") for name in fake if name not in real}
        both = [lacking(fake[name], real[name], f"{where}.{name}") for name in fake if name in real]
        return missing.union(*both)
    if isinstance(fake, list) and isinstance(real, list):
        return lacking(fake[0], real[0], f"{where}[]") if fake and real else set()
    numbers = (int, float)
    alike = type(fake) is type(real) or (isinstance(fake, numbers) and isinstance(real, numbers))
    return set() if alike or None in (fake, real) else {f"{where} is {type(real).__name__}"}


def test_makes_every_kind_that_it_says(shop, adapter):
    """The contract asks for each kind; none may be left out of what the adapter says."""
    assert adapter.capabilities.kinds == frozenset(DiscountKind) - {DiscountKind.GIFT_CARD}
