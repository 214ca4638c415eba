"""Every page of the customers, judged by axe-core in light and dark, used by the keyboard alone, and turned around."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from loyalty.accounts.models import User
from loyalty.common import actors
from loyalty.common.actors import SYSTEM
from loyalty.customers import sign_in_links
from loyalty.customers.models import Customer
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import MailKind
from loyalty.messages import choices
from loyalty.program.models import ReferralSettings
from loyalty.program.referrals import links
from rewards import granting, offering, redemption
from rewards.models import FulfillmentStatus, RedeemedReward
from tests.browser import axe
from tests.factories.catalogue import (
    GiftFactory,
    InvitationFactory,
    PointsProductFactory,
    RewardFactory,
    RewardTextFactory,
    VariablePriceFactory,
)
from tests.factories.earning import RuleFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DOORS = (
    "account_request_login_code",
    "account_login",
    "account_reset_password",
    "account_reset_password_done",
    "account_signup",
)


@pytest.fixture(autouse=True)
def own_limits(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()


@pytest.fixture
def customer(transactional_db: None) -> Customer:
    """Anna, with points that end and points that wait, and one of each reward that looks different."""
    programme = merchant.programme()
    programme.name, programme.support_email, programme.self_cancel_minutes = "Fern & Field", "help@example.com", 30
    programme.save()
    user = User.objects.create_user("anna@example.com", "a password for tests")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    anna: Customer = CustomerFactory(email=user.email, user=user)
    now = timezone.now()
    give(anna, 1000, now=now)
    for days in (3, 40, 80, 120, 160, 200, 240):
        give(anna, days, now=now, expires_at=now + timedelta(days=days))
    give(anna, 50, now=now, available_at=now + timedelta(days=2))
    return anna


@pytest.fixture
def rewards(customer: Customer) -> dict[str, Any]:
    """What is on offer, and what she has."""
    made = {"gift": GiftFactory(featured=True), "dear": GiftFactory(), "invitation": InvitationFactory()}
    products = {name: PointsProductFactory(reward=reward, points_price=300) for name, reward in made.items()}
    products["dear"].points_price = 22_500
    products["dear"].save()
    products["variable"] = VariablePriceFactory()
    texts = {"usage_instructions": "Show it at the till.", "terms": "Once per order.", "short_description": "Nice."}
    for name, product in products.items():
        RewardTextFactory(reward=product.reward, name=f"The {name} one", brand="Ashfold", **texts)
    offering.set_categories(reward_id=made["gift"].pk, names=["Kitchen"])
    mine = {
        name: granting.grant(
            customer_id=customer.pk, reward_id=reward.pk, actor=SYSTEM, now=timezone.now(), internal_note="A test"
        )
        for name, reward in {"gift": made["gift"], "invitation": made["invitation"], "code": RewardFactory()}.items()
    }
    RedeemedReward.objects.filter(pk=mine["code"].pk).update(expires_at=timezone.now() - timedelta(days=1))
    cheap = RewardTextFactory(reward=RewardFactory(), name="Tea").reward
    mine["regretted"] = redemption.redeem(
        customer_id=customer.pk,
        points_product_id=PointsProductFactory(reward=cheap, points_price=1).pk,
        actor=actors.customer(customer.pk),
        now=timezone.now(),
    )
    RuleFactory(name="Say what you think", kind="activity", token="review", points=20, most_times=2, period="week",
                action_url="https://shop.example/reviews", action_text="Write a review")  # fmt: skip
    ReferralSettings.objects.create(pk=1, active=True, friend_reward=cheap, sender_reward=cheap)
    return {"products": products, "mine": mine}


def enter(page: Page, base: str, customer: Customer) -> Page:
    browser = Client()
    browser.force_login(customer.user)
    session = browser.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": base}])
    return page


def addresses(rewards: dict[str, Any]) -> list[str]:
    """Each page that a customer who signed in can open."""
    products, mine = rewards["products"], rewards["mine"]
    return [
        reverse("cockpit:home"),
        reverse("cockpit:rewards"),
        f"{reverse('cockpit:rewards')}?search=nothing+like+it",
        *(reverse("cockpit:confirm", args=[product.pk]) for product in products.values()),
        reverse("cockpit:my_rewards"),
        f"{reverse('cockpit:my_rewards')}?show=past",
        *(reverse("cockpit:my_reward", args=[redeemed.pk]) for redeemed in mine.values()),
        reverse("cockpit:cancel", args=[mine["regretted"].pk]),
        reverse("cockpit:points"),
        reverse("cockpit:earning"),
        reverse("cockpit:friends"),
        reverse("cockpit:account"),
        reverse("cockpit:privacy"),
        reverse("cockpit:mail_choices"),
        reverse("account_change_password"),
        reverse("account_email"),
        reverse("account_logout"),
        "/there-is-no-such-page/",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_breaks_a_rule(live_server, new_page, customer, rewards, scheme):
    page = new_page(width=360, height=800, color_scheme=scheme)
    link = sign_in_links.make(customer_id=customer.pk, now=timezone.now(), actor=SYSTEM)
    stop = choices.link(customer_id=customer.pk, kind=MailKind.EXPIRING).removeprefix(settings.PUBLIC_URL)
    code = links.codes_of(customer_ids=[customer.pk], now=timezone.now())[customer.pk]
    recommended = reverse("cockpit:recommended", args=[code])
    strangers = [*map(reverse, DOORS), reverse("cockpit:sign_in_link", args=[link.token]), stop, recommended]
    broken = {}

    for path in strangers:
        page.goto(live_server.url + path)
        broken[path] = axe.violations(page)
    enter(page, live_server.url, customer)
    for path in addresses(rewards):
        page.goto(live_server.url + path)
        page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
        broken[path] = axe.violations(page)

    assert {path: found for path, found in broken.items() if found} == {}


def test_the_keyboard_alone_leads_from_the_start_to_a_reward(live_server, page, customer, rewards):
    enter(page, live_server.url, customer)
    page.goto(live_server.url)

    def tab_to(role: str, name: str) -> None:
        wanted = page.get_by_role(role, name=name, exact=True).first
        for _ in range(60):
            page.keyboard.press("Tab")
            if wanted.evaluate("it => it === document.activeElement"):
                return
        pytest.fail(f"{name!r} is not reached by the keyboard")

    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    tab_to("link", "Rewards")
    page.keyboard.press("Enter")
    tab_to("searchbox", "Search rewards")
    page.keyboard.type("invitation")
    page.keyboard.press("Enter")
    tab_to("link", "Redeem The invitation one")
    page.keyboard.press("Enter")
    tab_to("button", "Redeem for 300 points")
    page.keyboard.press("Enter")

    expect(page.get_by_text("It is yours!")).to_be_visible()
    redeemed = RedeemedReward.objects.latest("pk")
    assert (redeemed.customer_id, redeemed.fulfillment_status) == (customer.pk, FulfillmentStatus.ISSUED)


def test_no_page_breaks_when_it_runs_from_right_to_left(live_server, new_page, customer, rewards):
    page = enter(new_page(width=360, height=800), live_server.url, customer)

    for path in addresses(rewards):
        page.goto(live_server.url + path)
        page.evaluate("document.documentElement.dir = 'rtl'")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
        cut = page.evaluate(
            """() => [...document.querySelectorAll("h1, h2, h3, .button, .number, dd")]
                .filter(each => each.offsetParent !== null && !each.closest(".unseen"))
                .map(each => each.getBoundingClientRect())
                .filter(box => box.left < -1 || box.right > innerWidth + 1).length"""
        )
        assert cut == 0, path
        hidden = page.evaluate(
            """() => [...document.querySelectorAll("main li, main section, main article, main div, main p")]
                .filter(each => getComputedStyle(each).overflowY === "hidden" && !each.closest(".unseen, [aria-hidden]"))
                .filter(each => each.scrollHeight > each.clientHeight + 1).map(each => each.className)"""
        )
        assert hidden == [], path


def test_the_slider_and_the_field_say_the_same_points(live_server, page, customer, rewards):
    enter(page, live_server.url, customer)
    page.goto(live_server.url + reverse("cockpit:confirm", args=[rewards["products"]["variable"].pk]))
    slider, field = page.get_by_role("slider"), page.get_by_role("spinbutton")

    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(field).to_have_value("300")
    expect(page.get_by_role("button", name="Redeem for 300 points")).to_be_enabled()
    page.keyboard.press("End")
    expect(field).to_have_value("800")
    field.fill("400")

    expect(slider).to_have_value("400")
    expect(page.locator(".sum")).to_contain_text("$8")
