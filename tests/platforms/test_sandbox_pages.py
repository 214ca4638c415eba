"""The pages of the sandbox shop: for shoppers and for its staff, without script, under a strict policy."""

import http.client
import re
import urllib.parse

import pytest

from tests.fakes.sandbox import SandboxShop, Shopper


def staff(shop: SandboxShop) -> Shopper:
    person = shop.shopper()
    person.post("/admin/login", token=shop.token)
    return person


def test_lets_a_person_buy_something(shop: SandboxShop) -> None:
    shop.create_code("PAGE-1")
    shopper = shop.shopper()

    assert "Stoneware mug" in shopper.get("/").text
    assert "Add to the cart" in shopper.get("/products/mug").text
    assert "Your cart" in shopper.add("mug", 2).text
    assert "−$3.60" in shopper.type_code("page-1").text
    assert "Pay $37.30" in shopper.get("/checkout").text
    bought = shopper.pay("jo@example.com")

    assert "Thank you for your order" in bought.text
    assert "Code PAGE-1 −$3.60" in bought.text
    assert "Your cart is empty" in shopper.get("/cart").text


def test_lets_a_person_pay_later_or_cancel(shop: SandboxShop) -> None:
    shopper = shop.shopper()
    shopper.add("soap")
    placed = shopper.place("jo@example.com")
    shopper.add("soap")
    other = shopper.place("jo@example.com")

    paid = shopper.post(f"{placed.path}/pay")
    cancelled = shopper.post(f"{other.path}/cancel")
    refused = shopper.post(f"{placed.path}/cancel")

    assert "Waiting for payment" in placed.text
    assert "Thank you for your order" in paid.text
    assert "This order was canceled" in cancelled.text
    assert "A paid order is canceled by the shop." in refused.text


@pytest.mark.parametrize("quantity", ["-1", "100", "1.5", "many", "", "9" * 40])
def test_refuses_a_strange_quantity(shop: SandboxShop, quantity: str) -> None:
    page = shop.shopper().post("/cart/add", product="mug", quantity=quantity)

    assert "quantity" in page.text.lower() or "whole number" in page.text
    assert "Total" not in page.text


def test_takes_a_product_out_of_the_cart(shop: SandboxShop) -> None:
    shopper = shop.shopper()
    shopper.add("mug", 3)

    assert "Your cart is empty" in shopper.post("/cart/change", product="mug", quantity=0).text


def test_shows_what_was_typed_as_text(shop: SandboxShop) -> None:
    shopper = shop.shopper()
    shopper.add()

    page = shopper.type_code("<script>alert(1)</script>")

    assert "<script" not in page.html
    assert "&lt;script&gt;" in page.html


@pytest.mark.parametrize("email", ["", "nobody", "a@b", "a b@example.com", "x" * 300 + "@example.com"])
def test_asks_again_for_an_address_it_cannot_use(shop: SandboxShop, email: str) -> None:
    shopper = shop.shopper()
    shopper.add()

    assert "Enter an e-mail address such as name@example.com." in shopper.pay(email).text


def test_serves_every_page_under_a_strict_policy(shop: SandboxShop) -> None:
    person = staff(shop)
    person.add()
    paths = ["/", "/products/fern", "/cart", "/checkout", "/nothing", "/admin", "/admin/codes", "/admin/webhooks"]

    for path in [*paths, "/admin/faults"]:
        page = person.get(path)
        policy = {name.lower(): value for name, value in page.headers.items()}["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'")
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|javascript:", page.html), path


def test_serves_every_picture_and_style_it_names(shop: SandboxShop) -> None:
    shopper = shop.shopper()
    named = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', shopper.get("/").html))

    assert len(named) == 10
    assert {shopper.get(path).status for path in named} == {200}
    assert shopper.get("/static/../store.py").status == 404
    assert shopper.get("/static/%2e%2e/store.py").status == 404


def test_refuses_a_form_from_another_site(shop: SandboxShop) -> None:
    form = urllib.parse.urlencode({"product": "mug"})
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=5)
        connection.request("POST", "/cart/add", form, headers | {"content-type": "application/x-www-form-urlencoded"})
        assert connection.getresponse().status == 403
        connection.close()


@pytest.mark.parametrize(
    "path", ["/admin", "/admin/codes", "/admin/webhooks", "/admin/faults", "/admin/orders/x/cancel"]
)
def test_shows_staff_pages_only_to_staff(shop: SandboxShop, path: str) -> None:
    stranger, forger = shop.shopper(), shop.shopper()
    forger.cookies["sandbox_staff"] = "99999999999." + "0" * 64

    for person in (stranger, forger):
        assert "Shop token" in person.get(path).text
        assert "Shop token" in person.post(path).text


def test_refuses_staff_a_wrong_token(shop: SandboxShop) -> None:
    person = shop.shopper()

    page = person.post("/admin/login", token="wrong")

    assert "That is not the shop's token." in page.text
    assert person.cookies == {}


def test_lets_staff_cancel_and_refund(shop: SandboxShop) -> None:
    first, second = shop.checkout("first@example.com"), shop.checkout("second@example.com")
    person = staff(shop)

    person.post(f"/admin/orders/{first['id']}/cancel")
    page = person.post(f"/admin/orders/{second['id']}/refund", amount="2.50")
    refused = person.post(f"/admin/orders/{second['id']}/refund", amount="99")

    assert "$2.50 refunded" in page.text
    assert "At most $20.40 of order" in refused.text
    assert shop.order(first["id"])["status"] == "cancelled"
    assert [entry["amount"] for entry in shop.order(second["id"])["refunds"]] == ["2.50"]


def test_lets_staff_disable_and_enable_a_code(shop: SandboxShop) -> None:
    code = shop.create_code("STAFF-1", reference="rr-77")
    person = staff(shop)

    person.post(f"/admin/codes/{code['id']}/disable")
    disabled = shop.codes("STAFF-1")[0]["alive"]
    page = person.post(f"/admin/codes/{code['id']}/enable")

    assert disabled is False
    assert shop.codes("STAFF-1")[0]["alive"] is True
    assert "STAFF-1" in page.text
    assert "STAFF-1" in person.get("/admin/codes?q=rr-77").text
    assert "No code matches" in person.get("/admin/codes?q=nothing-like-it").text


def test_lets_staff_switch_faults(shop: SandboxShop) -> None:
    person = staff(shop)

    page = person.post("/admin/faults", operation="create", kind="slow", times="2", seconds="0.5")
    listed = shop.call("GET", "/api/faults")["faults"]
    person.post("/admin/faults/clear")

    assert "2 more" in page.text
    assert [(one["operation"], one["kind"], one["remaining"], one["seconds"]) for one in listed] == [
        ("create", "slow", 2, 0.5)
    ]
    assert shop.call("GET", "/api/faults")["faults"] == []


def test_shows_staff_the_deliveries(own_shop: SandboxShop) -> None:
    own_shop.set_webhook("http://127.0.0.1:9/hook")
    own_shop.fault("webhook", "lost")
    own_shop.checkout(pay=False)
    person = staff(own_shop)

    page = person.get("/admin/webhooks")
    again = person.post("/admin/webhooks/1/again")

    assert "Lost" in page.text
    assert "Waiting" in again.text


def test_lets_staff_sign_out(shop: SandboxShop) -> None:
    person = staff(shop)

    person.post("/admin/logout")

    assert "Shop token" in person.get("/admin").text
