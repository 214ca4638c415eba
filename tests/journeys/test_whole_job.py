"""The whole job in a browser: a customer redeems and shops, staff see Used; staff cancel, the customer has the points back."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import expect

from loyalty.accounts.models import User
from loyalty.points import audit
from tests.factories.catalogue import PointsProductFactory, RewardFactory, RewardTextFactory
from tests.factories.people import CustomerFactory, StaffFactory
from tests.factories.points import give
from tests.factories.shop import connect
from tests.fakes.sandbox import running_sandbox_shop
from tests.journeys.worker import running_worker

pytestmark = [pytest.mark.browser, pytest.mark.faults, pytest.mark.django_db(transaction=True)]

PASSWORD = "a password for the whole job"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with running_sandbox_shop(tmp_path_factory.mktemp("whole-job")) as running:
        yield running


@pytest.fixture
def worker(tmp_path, process_environment):
    with running_worker(tmp_path, process_environment) as running:
        yield running


def person(user):
    user.set_password(PASSWORD)
    user.save()
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def sign_in(page, address, user):
    page.goto(f"{address}/accounts/login/")
    page.get_by_label(re.compile("mail")).fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def redeem(page, address):
    """Redeem $5 off in the cockpit; gives back the code."""
    page.goto(f"{address}/")
    page.get_by_role("link", name=re.compile("Redeem.*off")).click()
    page.get_by_role("button", name="Redeem for 100 points").click()
    expect(page.get_by_text("It is yours!")).to_be_visible()
    return page.locator(".code code").inner_text()


def buy(page, shop, code, email):
    """Shop in the sandbox with a code, and pay."""
    page.goto(shop.url)
    page.get_by_role("button", name=re.compile("Add .*mug.* to the cart", re.IGNORECASE)).click()
    page.goto(f"{shop.url}/cart")
    page.get_by_label(re.compile("code", re.IGNORECASE)).first.fill(code)
    page.get_by_role("button", name="Apply").click()
    page.get_by_role("link", name="Go to checkout").click()
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("button", name=re.compile("^Pay")).click()
    expect(page.get_by_text("−$5.00").or_(page.get_by_text("-$5.00")).first).to_be_visible()


def row_of(page, address, code):
    """The grid's row of one code, found by search."""
    page.goto(f"{address}/admin/rewards/redeemedreward/?search={code}")
    return page.locator("#result_list tbody tr").filter(has_text=code)


def test_customer_redeems_and_shops_staff_see_used_then_undo_another(new_page, live_server, shop, worker):
    call_command("sync_roles")
    address = live_server.url
    connection = connect(shop)
    shop.set_webhook(f"{address}/hooks/{connection.webhook_key}/")
    user = person(User.objects.create_user("anna@example.com"))
    customer = CustomerFactory(email=user.email, user=user)
    give(customer, 300, now=timezone.now())
    product = PointsProductFactory(reward=RewardFactory(connection=connection))
    RewardTextFactory(reward=product.reward, name="$5 off your next order")
    manager = person(StaffFactory(email="manager@example.com", is_superuser=True))

    phone = new_page(width=390, height=844)
    sign_in(phone, address, user)
    used_code, undone_code = redeem(phone, address), redeem(phone, address)
    buy(new_page(), shop, used_code, user.email)

    desk = new_page(width=1440, height=900)
    sign_in(desk, address, manager)
    for _ in range(40):
        if "Used" in row_of(desk, address, used_code).inner_text():
            break
        desk.wait_for_timeout(500)
    expect(row_of(desk, address, used_code)).to_contain_text("Used")

    row_of(desk, address, undone_code).get_by_role("link").first.click()
    desk.get_by_role("link", name=re.compile("Cancel")).or_(
        desk.get_by_role("button", name=re.compile("Cancel"))
    ).first.click()
    expect(desk.get_by_text("100 points go back to the lot they came from")).to_be_visible()
    desk.get_by_role("button", name=re.compile("Cancel")).first.click()
    expect(row_of(desk, address, undone_code)).to_contain_text("Canceled")

    phone.goto(f"{address}/points/")
    expect(phone.get_by_text("Points returned")).to_be_visible()
    phone.goto(f"{address}/my-rewards/")
    expect(phone.get_by_text(undone_code)).to_have_count(0)
    assert phone.complaints == []
    assert desk.complaints == []
    assert list(audit.differences()) == []
