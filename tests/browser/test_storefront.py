"""`desk.js` on a page of the shop's own origin, under a strict policy: read, redeemed with the keyboard, refused elsewhere."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test.testcases import LiveServerThread
from django.utils import timezone
from playwright.sync_api import Page, expect

from loyalty.api import customer_tokens, keys, reference
from loyalty.api.models import ApiKey
from loyalty.customers.models import Customer
from rewards.models import PointsProduct, RedeemedReward
from tests.factories.catalogue import PointsProductFactory, RewardTextFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import give
from tests.fakes.storefront import Storefront, open_storefront

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def desk(transactional_db: None, settings: Any) -> Iterator[str]:
    """The desk as it is deployed: its own middleware serves the script, and lets pages of other origins load it."""
    thread = LiveServerThread("127.0.0.1", lambda application: application)
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    assert thread.error is None
    settings.PUBLIC_URL = f"http://127.0.0.1:{thread.port}"
    yield settings.PUBLIC_URL
    thread.terminate()


@pytest.fixture
def anna(transactional_db: None) -> Customer:
    member: Customer = CustomerFactory(first_name="Anna")
    give(member, 250, now=timezone.now())
    return member


@pytest.fixture
def key(transactional_db: None) -> tuple[ApiKey, str]:
    return keys.create(name="Shop", scopes=[customer_tokens.SCOPE], created_by_id=None, now=timezone.now())


@pytest.fixture
def shop(desk: str, key: tuple[ApiKey, str], anna: Customer) -> Iterator[Storefront]:
    with open_storefront(desk=desk, key=key[1], integrity=reference.integrity(), customer_id=anna.pk) as running:
        yield running


@pytest.fixture
def offers(anna: Customer) -> list[PointsProduct]:
    """A code that no shop makes, which can be had, and a lamp that is too dear."""
    made = [PointsProductFactory(points_price=100), PointsProductFactory(points_price=900)]
    RewardTextFactory(reward=made[0].reward, name="A coffee")
    RewardTextFactory(reward=made[1].reward, name="A lamp")
    return made


def test_a_customer_redeems_on_the_shops_page_though_the_token_had_ended(phone_page, shop, anna, key, offers):
    ConnectionFactory(storefronts=[shop.url])
    shop.ended = [customer_tokens.mint(key=key[0], customer_id=anna.pk, now=timezone.now() - customer_tokens.LIFE)[0]]
    page: Page = phone_page

    page.goto(shop.url)
    expect(page.get_by_text("250 points")).to_be_visible()
    assert shop.asked == 2  # the one that had ended, and one for all three questions
    lamp = page.get_by_role("button", name="Redeem · 900 points")
    expect(lamp).to_have_attribute("aria-disabled", "true")
    expect(lamp).to_have_accessible_description("You must have 650 more points to get reward")

    page.get_by_role("button", name="Redeem · 100 points").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Yes, redeem")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_have_text("“A coffee” is yours.")
    expect(page.get_by_text("150 points")).to_be_visible()
    redeemed = RedeemedReward.objects.select_related("code").get()
    assert redeemed.customer_id == anna.pk
    expect(page.get_by_text(redeemed.code.code)).to_be_visible()
    expect(page.get_by_role("heading", name="Your rewards")).to_be_focused()
    assert [each for each in page.complaints if "401" not in each] == []


def test_nothing_is_shown_to_nobody_or_on_a_page_of_another_origin(page, shop, offers):
    page.goto(shop.url)
    expect(page.get_by_text("Your points cannot be shown just now.")).to_be_visible()
    assert page.get_by_text("250").count() == 0
    assert any("CORS" in each for each in page.complaints)

    ConnectionFactory(storefronts=[shop.url])
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("250 points")).to_be_visible()

    shop.customer_id = None
    page.reload()
    expect(page.get_by_text("Sign in to see your points.")).to_be_visible()
