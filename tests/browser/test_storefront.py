"""`desk.js` on a shop's own page, under the shop's strict policy, from another origin than the desk's."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from loyalty.api import customer_tokens, keys, reference
from rewards.models import RedeemedReward
from tests.factories.catalogue import PointsProductFactory, RewardTextFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import give

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# The server of these tests leaves out what whitenoise sends with every file in production.
AS_IN_PRODUCTION = {"Content-Type": "text/javascript", "Access-Control-Allow-Origin": "*"}
PAGE = """<!DOCTYPE html><html lang="en"><head><title>Shop</title>
<script src="{desk}/static/storefront/desk.js" integrity="{integrity}" crossorigin="anonymous" defer></script></head>
<body><h1>Your account</h1><loyalty-desk desk="{desk}" token="/loyalty-token"></loyalty-desk></body></html>"""


def test_a_customer_redeems_on_the_shops_page_with_the_keyboard(phone_page, live_server):
    shop = live_server.url
    desk = shop.replace("localhost", "127.0.0.1")
    page, anna = phone_page, CustomerFactory()
    give(anna, 250, now=timezone.now())
    RewardTextFactory(reward=PointsProductFactory(points_price=100).reward, name="A mug")
    RewardTextFactory(reward=PointsProductFactory(points_price=900).reward, name="A lamp")
    ConnectionFactory(base_url=f"{shop}/store/")
    key, _ = keys.create(name="S", scopes=[customer_tokens.SCOPE], created_by_id=None, now=timezone.now())
    old, _ = customer_tokens.mint(key=key, customer_id=anna.pk, now=timezone.now() - customer_tokens.LIFE)
    new, _ = customer_tokens.mint(key=key, customer_id=anna.pk, now=timezone.now())
    tokens = iter([old, new])
    policy = f"default-src 'none'; script-src {desk}; connect-src 'self' {desk}"
    shown = PAGE.format(desk=desk, integrity=reference.integrity())
    page.route(
        f"{shop}/account",
        lambda route: route.fulfill(
            body=shown, headers={"Content-Type": "text/html", "Content-Security-Policy": policy}
        ),
    )
    page.route(f"{desk}/static/**", lambda route: route.fulfill(response=route.fetch(), headers=AS_IN_PRODUCTION))
    page.route(f"{shop}/loyalty-token", lambda route: route.fulfill(json={"token": next(tokens, new)}))

    page.goto(f"{shop}/account")
    expect(page.get_by_text("250 points")).to_be_visible()
    lamp = page.get_by_role("button", name="Redeem · 900 points")
    expect(lamp).to_have_attribute("aria-disabled", "true")
    expect(lamp).to_have_accessible_description("You must have 650 more points to get reward")
    page.get_by_role("button", name="Redeem · 100 points").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Yes, redeem")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_have_text("“A mug” is yours.")
    expect(page.get_by_text("150 points")).to_be_visible()
    redeemed = RedeemedReward.objects.select_related("code").get()
    assert redeemed.customer_id == anna.pk
    expect(page.get_by_text(redeemed.code.code)).to_be_visible()
    assert [each for each in page.complaints if "401" not in each] == []
