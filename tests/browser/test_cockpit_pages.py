"""The customers' pages in a real browser, under the strict policy."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Page, expect

from loyalty.accounts.models import User
from loyalty.customers.models import Customer
from rewards import issuing
from rewards.models import PointsProduct, RedeemedReward
from tests.factories.catalogue import GiftFactory, PointsProductFactory, RewardFactory, RewardTextFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.factories.shop import connect
from tests.fakes.sandbox import SandboxShop, running_sandbox_shop

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "a password for tests"
MISSING = "You must have 21500 more points to get reward"
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverpackung und 期間限定全商品十五パーセント割引クーポンコード"


@pytest.fixture(autouse=True)
def own_limits(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxShop]:
    with running_sandbox_shop(tmp_path_factory.mktemp("cockpit-pages")) as running:
        yield running


@pytest.fixture
def customer(transactional_db: None) -> Customer:
    """Anna, with 1,000 points."""
    user = User.objects.create_user("anna@example.com", PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    anna: Customer = CustomerFactory(email=user.email, user=user)
    give(anna, 1000, now=timezone.now())
    return anna


@pytest.fixture
def catalogue(shop: SandboxShop, customer: Customer) -> dict[str, PointsProduct]:
    """One reward that can be had, one that is too dear, and one whose name is too long."""
    shop.clear_faults()
    discount = RewardFactory(connection=connect(shop))
    dear = GiftFactory()
    long = GiftFactory()
    RewardTextFactory(reward=discount, name="$5 off", terms="Once per order.")
    RewardTextFactory(reward=dear, name="A dear mug")
    RewardTextFactory(reward=long, name=LONG, short_description=LONG)
    return {
        "discount": PointsProductFactory(reward=discount, points_price=300),
        "dear": PointsProductFactory(reward=dear, points_price=22_500),
        "long": PointsProductFactory(reward=long, points_price=400),
    }


@pytest.fixture
def impatient(settings: Any) -> None:
    """A customer waits one second for the shop, no longer."""
    settings.REDEEM_DEADLINE_SECONDS = 1


@pytest.fixture
def enter(live_server: Any) -> Callable[[Page], Page]:
    """Signs a page in with the password and opens the cockpit."""

    def go(page: Page) -> Page:
        page.goto(f"{live_server.url}/accounts/login/")
        page.get_by_label("Email").fill("anna@example.com")
        page.locator("input[type=password]").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("1,000")
        return page

    return go


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def dear_button(page: Page) -> Any:
    return page.get_by_role("button", name="Redeem A dear mug")


def test_from_the_code_in_the_mail_to_the_code_in_the_hand(live_server, phone_page, catalogue, shop):
    page = phone_page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(live_server.url)
    page.get_by_label("Email").fill("anna@example.com")
    page.get_by_role("button", name="Send me a code").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    code = re.search(r"^ {4}(\S+)$", mail.outbox[-1].body, re.MULTILINE)
    assert code
    page.get_by_label("Code").fill(code[1])
    page.get_by_role("button", name="Sign in").click()

    page.get_by_role("link", name="Redeem $5 off").click()
    expect(page.get_by_text("Left afterwards")).to_be_visible()
    assert overflow(page) <= 0
    page.get_by_role("button", name="Redeem for 300 points").click()
    expect(page.get_by_text("It is yours!")).to_be_visible()

    redeemed = RedeemedReward.objects.select_related("code").get()
    assert redeemed.code is not None
    expect(page.locator("code")).to_have_text(redeemed.code.code)
    page.get_by_role("button", name="Copy the code of $5 off").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == redeemed.code.code
    assert shop.codes(redeemed.code.code)
    assert page.complaints == []


def test_the_missing_points_are_said_to_the_keyboard(page, enter, catalogue):
    enter(page)
    tip = page.locator(".tip", has_text=MISSING)
    expect(tip).to_be_hidden()

    page.get_by_role("link", name="Redeem $5 off").focus()
    for _ in range(9):
        page.keyboard.press("Tab")
        if dear_button(page).evaluate("button => button === document.activeElement"):
            break
    expect(dear_button(page)).to_be_focused()

    expect(tip).to_be_visible()
    expect(dear_button(page)).to_have_accessible_description(MISSING)
    before = page.url
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert page.url == before
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    assert RedeemedReward.objects.count() == 0
    assert page.complaints == []


def test_the_missing_points_are_said_to_the_mouse(page, enter, catalogue):
    enter(page)
    tip = page.locator(".tip", has_text=MISSING)

    dear_button(page).hover(force=True)
    expect(tip).to_be_visible()

    page.mouse.move(5, 5)
    expect(tip).to_be_hidden()


def test_the_missing_points_are_said_to_the_finger(phone_page, enter, catalogue):
    enter(phone_page)

    dear_button(phone_page).tap(force=True)

    expect(phone_page.locator(".tip", has_text=MISSING)).to_be_visible()
    expect(phone_page.locator(".why", has_text=MISSING)).to_be_visible()
    assert RedeemedReward.objects.count() == 0


def test_a_double_click_makes_one_reward(live_server, page, enter, catalogue):
    enter(page)
    page.goto(f"{live_server.url}/rewards/{catalogue['discount'].pk}/")

    page.get_by_role("button", name="Redeem for 300 points").dblclick()

    expect(page.get_by_text("It is yours!")).to_be_visible()
    assert RedeemedReward.objects.count() == 1


def test_everything_works_without_scripts(live_server, new_page, enter, catalogue):
    page = enter(new_page(width=390, height=844, java_script_enabled=False))

    page.get_by_role("link", name="Redeem $5 off").click()
    page.get_by_role("button", name="Redeem for 300 points").click()

    expect(page.get_by_text("It is yours!")).to_be_visible()
    expect(page.locator("code")).to_be_visible()
    expect(page.locator("[data-copy]")).to_be_hidden()
    page.get_by_role("link", name="Account").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Send me a code")).to_be_visible()


@pytest.mark.usefixtures("impatient")
def test_the_waiting_page_goes_on_by_itself(live_server, page, enter, catalogue, shop):
    shop.fault("create", "timeout_after_accepting")
    shop.fault("find", "server_error", times=50)
    enter(page)
    page.goto(f"{live_server.url}/rewards/{catalogue['discount'].pk}/")
    page.get_by_role("button", name="Redeem for 300 points").click()
    expect(page.get_by_role("heading", name="We are checking with the shop…")).to_be_visible()

    page.evaluate("window.loaded_once = true")
    page.route("**/state/", lambda route: route.fulfill(status=502, body="restarting"))
    for _ in range(2):  # the second look shows that the first did not give the page up
        page.wait_for_event("response", lambda answer: answer.status == 502)
    page.unroute("**/state/")
    assert page.evaluate("window.loaded_once")

    shop.clear_faults()
    now = timezone.now() + timezone.timedelta(minutes=5)
    claim = issuing.take(redeemed_reward_id=RedeemedReward.objects.get().pk, now=now)
    assert claim is not None
    issuing.work(claim=claim, now=now, patience=5)

    expect(page.get_by_role("heading", name="Your code")).to_be_visible(timeout=15_000)
    assert [text for text in page.complaints if "status of 50" not in text] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_the_code_stands_on_one_line(live_server, new_page, enter, catalogue, width):
    discount = catalogue["discount"].reward
    discount.prefix = "FERN10-"
    discount.save(update_fields=["prefix"])
    page = enter(new_page(width=width))
    page.goto(f"{live_server.url}/rewards/{catalogue['discount'].pk}/")
    page.get_by_role("button", name="Redeem for 300 points").click()
    expect(page.get_by_text("It is yours!")).to_be_visible()

    for path in (page.url, f"{live_server.url}/my-rewards/"):
        page.goto(path)
        expect(page.locator("code")).to_contain_text("FERN10-")
        lines = "e => { const r = document.createRange(); r.selectNodeContents(e); return r.getClientRects().length }"
        assert page.locator("code").evaluate(lines) == 1
        assert overflow(page) <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hints_inside_fields_are_as_dark_as_other_quiet_words(live_server, new_page, scheme, transactional_db):
    page = new_page(color_scheme=scheme)
    page.goto(f"{live_server.url}/accounts/login/")

    hint = page.get_by_label("Email").evaluate("e => getComputedStyle(e, '::placeholder').color")

    assert hint == page.locator(".foot").evaluate("e => getComputedStyle(e).color")


@pytest.mark.parametrize("screen", [(320, "light"), (390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")])
def test_no_page_is_wider_than_the_screen_or_breaks_the_policy(live_server, new_page, enter, catalogue, screen):
    width, scheme = screen
    page = enter(new_page(width=width, color_scheme=scheme))
    long = catalogue["long"].pk

    for path in ("/", f"/rewards/{long}/", "/my-rewards/", "/points/", "/account/", "/accounts/password/change/"):
        page.goto(f"{live_server.url}{path}")
        assert overflow(page) <= 0, path
        expect(page.get_by_role("main")).to_be_visible()
        expect(page.get_by_role("heading", level=1)).to_have_count(1)

    assert page.complaints == []


def test_what_is_tapped_is_large_enough_for_a_finger(phone_page, enter, catalogue):
    enter(phone_page)

    small = phone_page.evaluate(
        """() => [...document.querySelectorAll("a, button, summary")]
            .filter(e => e.offsetParent !== null && !e.classList.contains("skip"))
            .map(e => [e.textContent.trim(), e.getBoundingClientRect()])
            .filter(([, box]) => box.height < 44 || box.width < 44)
            .map(([text]) => text)"""
    )

    assert small == []
