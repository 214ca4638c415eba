"""Choosing points in a browser: what is typed is priced at once, and nothing is redeemed at a price not yet shown."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from rewards.models import RedeemedReward
from tests.factories.catalogue import RewardTextFactory, VariablePriceFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_prices_what_is_typed_and_redeems_just_that(phone_page, live_server, visitor):
    page, product = phone_page, VariablePriceFactory()
    RewardTextFactory(reward=product.reward, name="Money off")
    session = visitor.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    page.goto(live_server.url + reverse("cockpit:confirm", args=[product.pk]))
    redeem = page.locator("form[data-once] button[type=submit]")

    page.fill("#points", "350")
    expect(page.get_by_text("Choose a multiple of 100, from 200 to 800.")).to_be_visible()
    expect(redeem).to_be_disabled()
    page.fill("#points", "700")
    expect(redeem).to_have_text("Redeem for 700 points", use_inner_text=True)
    expect(page.locator(".sum")).to_contain_text("$14")
    redeem.click()

    expect(page.get_by_role("heading", name="$14 off coupon")).to_be_visible()
    assert RedeemedReward.objects.get().cost_in_points == 700
    assert page.complaints == []
