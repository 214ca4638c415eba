"""The sandbox shop on a phone: whatever long name or code is shown, no page is wider than the screen."""

import pytest

from tests.fakes.sandbox import running_sandbox_shop

pytestmark = pytest.mark.browser

LONG = "a.very.long.name.of.a.customer@subdomain.example-of-a-long-company.com"
CODE = "W" * 40


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with running_sandbox_shop(tmp_path_factory.mktemp("shop-pages")) as running:
        yield running


def too_wide(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def test_no_page_of_an_order_is_wider_than_a_phone(shop, phone_page):
    shop.create_code(CODE)
    widths = {}

    phone_page.goto(f"{shop.url}/products/mug")
    phone_page.get_by_role("button", name="Add to the cart").click()
    phone_page.get_by_label("Discount code").fill(CODE)
    phone_page.get_by_role("button", name="Apply").click()
    widths["cart"] = too_wide(phone_page)
    phone_page.get_by_role("link", name="Go to checkout").click()
    phone_page.get_by_label("E-mail address").fill(LONG)
    widths["checkout"] = too_wide(phone_page)
    phone_page.get_by_role("button", name="Pay $").click()
    phone_page.get_by_text(LONG).wait_for()
    widths["order"] = too_wide(phone_page)
    phone_page.goto(f"{shop.url}/products/mug")
    phone_page.get_by_role("button", name="Add to the cart").click()
    phone_page.get_by_label("Discount code").fill(CODE)
    phone_page.get_by_role("button", name="Apply").click()
    phone_page.get_by_text("has already been used").wait_for()
    widths["refused code"] = too_wide(phone_page)
    phone_page.goto(f"{shop.url}/admin")
    phone_page.get_by_label("Shop token").fill(shop.token)
    phone_page.get_by_role("button", name="Sign in").click()
    for name in ("Codes", "Webhooks", "Faults", "Orders"):
        phone_page.get_by_role("link", name=name, exact=True).click()
        widths[name] = too_wide(phone_page)

    assert {name: wide for name, wide in widths.items() if wide > 0} == {}
