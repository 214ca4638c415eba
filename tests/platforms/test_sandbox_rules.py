"""The sandbox shop's rules for codes, carts and orders."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.fakes.sandbox import SandboxShop, ShopRefused

PAST = (datetime.now(UTC) - timedelta(days=1)).isoformat()
FUTURE = (datetime.now(UTC) + timedelta(days=1)).isoformat()


@pytest.mark.parametrize(
    ("code", "fields", "refusal", "sentence"),
    [
        ("EXPIRED", {"expires_at": PAST}, "code_expired", "The code EXPIRED has expired."),
        ("EARLY", {"starts_at": FUTURE}, "code_not_started", "The code EARLY is not valid yet."),
        ("BIG", {"minimum_order": "18.01"}, "minimum_not_reached", "needs products for $18.01 or more"),
        ("BOUND", {"customer_email": "mia@example.com"}, "code_of_another_customer", "belongs to another e-mail"),
    ],
)
def test_refuses_a_code_that_does_not_fit(
    shop: SandboxShop, code: str, fields: dict[str, Any], refusal: str, sentence: str
) -> None:
    shop.create_code(code, **fields)
    before = len(shop.orders())

    with pytest.raises(ShopRefused, match=sentence.replace("$", r"\$")) as caught:
        shop.checkout("jo@example.com", code=code)

    assert caught.value.code == refusal
    assert len(shop.orders()) == before


def test_refuses_an_unknown_code(shop: SandboxShop) -> None:
    with pytest.raises(ShopRefused) as caught:
        shop.checkout(code="WHAT-CODE")

    assert caught.value.code == "code_unknown"


def test_takes_a_bound_code_from_its_customer_in_any_case(shop: SandboxShop) -> None:
    shop.create_code("BOUND-2", customer_email="mia@example.com")

    assert shop.checkout("Mia@Example.com", code="bound-2")["codes"][0]["code"] == "BOUND-2"


@pytest.mark.parametrize(
    ("code", "fields", "discount", "total"),
    [
        ("PC-10", {"kind": "percentage", "percent": "10"}, "1.80", "21.10"),
        ("PC-ODD", {"kind": "percentage", "percent": "12.345"}, "2.22", "20.68"),
        ("PC-ALL", {"kind": "percentage", "percent": "100"}, "18.00", "4.90"),
        ("FX-5", {"kind": "fixed_amount", "amount": "5.00"}, "5.00", "17.90"),
        ("FX-MUCH", {"kind": "fixed_amount", "amount": "500"}, "18.00", "4.90"),
        ("FREE-D", {"kind": "free_delivery"}, "4.90", "18.00"),
    ],
)
def test_takes_off_what_the_code_is_worth(
    shop: SandboxShop, code: str, fields: dict[str, str], discount: str, total: str
) -> None:
    shop.create_code(code, **fields)

    order = shop.checkout(code=code)

    assert (order["subtotal"], order["delivery"], order["discount"], order["total"]) == (
        "18.00",
        "4.90",
        discount,
        total,
    )
    assert order["codes"] == [{"id": shop.codes(code)[0]["id"], "code": code, "discount": discount}]


def test_counts_a_use_when_the_order_is_paid(shop: SandboxShop) -> None:
    shop.create_code("ONCE-1")
    order = shop.checkout(code="ONCE-1", pay=False)
    assert (shop.codes("ONCE-1")[0]["uses"], shop.codes("ONCE-1")[0]["alive"]) == (0, True)

    shop.pay_order(order["id"])

    assert (shop.codes("ONCE-1")[0]["uses"], shop.codes("ONCE-1")[0]["alive"]) == (1, False)
    with pytest.raises(ShopRefused) as caught:
        shop.checkout(code="ONCE-1")
    assert caught.value.code == "code_used"


def test_gives_the_use_back_when_the_order_is_cancelled(shop: SandboxShop) -> None:
    shop.create_code("BACK-1")
    order = shop.checkout(code="BACK-1")

    cancelled = shop.cancel_order(order["id"])

    assert (cancelled["status"], cancelled["codes"][0]["code"]) == ("cancelled", "BACK-1")
    assert shop.codes("BACK-1")[0]["uses"] == 0
    assert shop.checkout(code="BACK-1")["status"] == "completed"


def test_keeps_the_use_when_money_is_refunded(shop: SandboxShop) -> None:
    shop.create_code("KEEP-1")
    order = shop.checkout(code="KEEP-1")

    shop.refund_order(order["id"], "1.10")
    refunded = shop.refund_order(order["id"])

    assert [entry["amount"] for entry in refunded["refunds"]] == ["1.10", "20.00"]
    assert shop.codes("KEEP-1")[0]["uses"] == 1
    with pytest.raises(ShopRefused) as caught:
        shop.refund_order(order["id"], "0.01")
    assert caught.value.code == "invalid_amount"


@pytest.mark.parametrize("act", ["pay_order", "refund_order", "cancel_order"])
def test_changes_nothing_on_a_cancelled_order(shop: SandboxShop, act: str) -> None:
    order = shop.checkout()
    cancelled = shop.cancel_order(order["id"])

    with pytest.raises(ShopRefused) as caught:
        getattr(shop, act)(order["id"])

    assert caught.value.status == 409
    assert shop.order(order["id"]) == cancelled


def test_keeps_one_code_in_the_cart(shop: SandboxShop) -> None:
    shop.create_code("FIRST-1")
    shop.create_code("SECOND-1", kind="fixed_amount", amount="3.00")
    shopper = shop.shopper()
    shopper.add("mug")
    shopper.type_code("FIRST-1")

    cart = shopper.type_code("SECOND-1")
    shopper.pay("jo@example.com")

    assert "FIRST-1" not in cart.text
    assert "−$3.00" in cart.text
    assert [code["code"] for code in shop.orders()[-1]["codes"]] == ["SECOND-1"]
    assert shop.codes("FIRST-1")[0]["alive"] is True


def test_leaves_a_removed_or_abandoned_code_usable(shop: SandboxShop) -> None:
    shop.create_code("LEFT-1")
    removing, leaving = shop.shopper(), shop.shopper()
    for shopper in (removing, leaving):
        shopper.add("tea")
        shopper.type_code("LEFT-1")

    removing.remove_code()
    bought = removing.pay("jo@example.com")
    leaving.abandon()

    assert "Thank you for your order" in bought.text
    assert shop.orders()[-1]["codes"] == []
    assert "Your cart is empty" in leaving.get("/cart").text
    assert shop.codes("LEFT-1")[0]["alive"] is True


def test_refuses_a_code_that_was_disabled_in_a_ready_cart(shop: SandboxShop) -> None:
    shop.create_code("GONE-1")
    shopper = shop.shopper()
    shopper.add("mug")
    shopper.type_code("GONE-1")
    before = len(shop.orders())
    shop.disable_code("GONE-1")

    cart, refused = shopper.get("/cart"), shopper.pay("jo@example.com")

    assert "The code GONE-1 is no longer valid." in cart.text
    assert "Total $22.90" in cart.text
    assert "The code GONE-1 is no longer valid." in refused.text
    assert "Total $22.90" in refused.text
    assert len(shop.orders()) == before
    assert "Thank you for your order" in shopper.pay("jo@example.com").text
    assert (shop.orders()[-1]["total"], shop.orders()[-1]["codes"]) == ("22.90", [])


def test_reprices_a_placed_order_whose_code_was_disabled(shop: SandboxShop) -> None:
    shop.create_code("GONE-2")
    order = shop.checkout(code="GONE-2", pay=False)
    shop.disable_code("GONE-2")

    with pytest.raises(ShopRefused) as caught:
        shop.pay_order(order["id"])

    assert caught.value.code == "code_disabled"
    now = shop.order(order["id"])
    assert (now["status"], now["total"], now["codes"]) == ("placed", "22.90", [])
    assert now["sequence"] > order["sequence"]


def test_lets_the_first_of_two_racing_carts_win(shop: SandboxShop) -> None:
    for number in range(5):
        code = f"RACE-{number}"
        shop.create_code(code)
        orders = [shop.checkout(f"racer{one}@example.com", code=code, pay=False) for one in range(6)]

        def pay(order: Any) -> str:
            try:
                return str(shop.pay_order(order["id"])["status"])
            except ShopRefused as refused:
                return refused.code

        with ThreadPoolExecutor(6) as pool:
            outcomes = sorted(pool.map(pay, orders))

        assert outcomes == ["code_used"] * 5 + ["completed"]
        assert shop.codes(code)[0]["uses"] == 1


def test_makes_one_code_of_many_simultaneous_calls(shop: SandboxShop) -> None:
    def create(_: int) -> int:
        try:
            shop.create_code("SAME-TIME")
        except ShopRefused as refused:
            return refused.status
        return 201

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(create, range(8)))

    assert outcomes == [201] + [409] * 7


def test_orders_every_change_without_a_gap_for_readers(shop: SandboxShop) -> None:
    """A reader that polls while twenty shoppers buy sees the last state of every order."""
    cursor = shop.call("GET", "/api/orders?limit=250")["cursor"]
    seen: dict[str, str] = {}

    def poll() -> bool:
        nonlocal cursor
        page = shop.call("GET", f"/api/orders?updated_after={cursor}&limit=3")
        cursor = page["cursor"]
        seen.update({order["id"]: order["status"] for order in page["orders"]})
        return bool(page["more"])

    with ThreadPoolExecutor(4) as pool:
        buying = [pool.submit(shop.checkout, f"buyer{one}@example.com") for one in range(20)]
        while not all(one.done() for one in buying):
            poll()
    while poll():
        pass

    assert {one.result()["id"]: "completed" for one in buying} == seen


def test_keeps_its_data_when_it_is_killed(own_shop: SandboxShop) -> None:
    own_shop.create_code("STAYS-1")
    order = own_shop.checkout(code="STAYS-1")
    shopper = own_shop.shopper()
    shopper.add("fern")

    own_shop.stop(kill=True)
    own_shop.start()

    assert own_shop.order(order["id"]) == order
    assert own_shop.codes("STAYS-1")[0]["uses"] == 1
    assert "Fern in a clay pot" in shopper.get("/cart").text
