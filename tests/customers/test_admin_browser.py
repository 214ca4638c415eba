"""The customer page in a real browser, under the policy that allows no inline script or style."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from loyalty.accounts import roles
from loyalty.common import actors
from loyalty.merchant.models import Programme
from loyalty.points import adjustments, clawback, holds, requests
from loyalty.points.models import PointsShortfall
from rewards import granting
from tests.factories.catalogue import GiftFactory
from tests.factories.people import ConnectionFactory, CustomerFactory, ShippingAddressFactory, StaffFactory
from tests.factories.points import give

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OWN_PAGES = [
    "/admin/customers/customer/",
    "/admin/customers/customer/add/",
    "/admin/points/pointstransaction/",
    "/admin/program/order/",
    "/admin/hooks/inboundwebhook/",
    "/admin/platforms/storeconnection/",
    "/admin/platforms/storeconnection/add/",
    "/admin/platforms/storeconnection/add/?platform=vendure",
    "/admin/api/apikey/",
    "/admin/api/apikey/add/",
    "/admin/merchant/programme/1/change/",
    "/admin/events/event/",
    "/admin/accounts/user/",
    "/admin/accounts/user/add/",
]


@pytest.fixture
def anna():
    customer = CustomerFactory(
        first_name="Maximiliana Antonia",
        last_name="Wolfeschlegelsteinhausen",
        email="maximiliana.wolfeschlegelsteinhausenbergerdorff@example-company.de",
    )
    ShippingAddressFactory(customer=customer)
    give(customer, 1500, now=timezone.now())
    reward = GiftFactory(name="Hand-made stoneware mug, 350 ml, moss green")
    for _ in range(12):
        granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=actors.SYSTEM, now=timezone.now())
    return customer


@pytest.fixture
def open_as_manager(live_server, new_page: Callable[..., Page]) -> Callable[..., Page]:
    """A manager's browser: `open_as_manager(width=390)`."""
    roles.sync()
    manager = StaffFactory()
    manager.groups.add(Group.objects.get(name="manager"))
    client = Client()
    client.force_login(manager)
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}

    def opened(**options) -> Page:
        page = new_page(base_url=live_server.url, **options)
        page.context.add_cookies([cookie])
        return page

    return opened


def points_pages(customer) -> list[str]:
    """The pages behind the points card, with something on each of them."""
    now = timezone.now()
    credit = give(customer, 100, now=now)
    debit = adjustments.adjust(customer_id=customer.pk, points=-1600, actor=actors.SYSTEM, now=now).transaction
    clawback.claw_back(earning_id=credit.pk, refunded=Decimal(1), total=Decimal(1), actor=actors.SYSTEM, now=now)
    give(customer, 30, now=now)
    holds.create(customer_id=customer.pk, points=10, actor=actors.api_key(1), now=now, description="Till 2, " * 20)
    Programme.objects.update_or_create(pk=1, defaults={"transfers_allowed": True, "shortfall_blocks": True})
    owed = PointsShortfall.objects.get()
    asked = requests.ask(customer_id=customer.pk, wish=requests.Wish(points=5000), user_id=StaffFactory().pk, now=now)
    move = f"/admin/customers/customer/{customer.pk}/transfer/"
    return [
        f"/admin/customers/customer/{customer.pk}/change/",
        move,
        f"{move}?q=example",
        f"{move}?to={CustomerFactory().pk}",
        "/admin/points/adjustmentrequest/",
        f"/admin/points/adjustmentrequest/{asked.pk}/change/",
        f"/admin/points/adjustmentrequest/{asked.pk}/act/approve/",
        "/admin/points/pointsshortfall/",
        f"/admin/points/pointsshortfall/{owed.pk}/change/",
        f"/admin/points/pointsshortfall/{owed.pk}/act/collect/",
        f"/admin/points/pointsshortfall/{owed.pk}/act/waive/",
        f"/admin/points/pointstransaction/{debit.pk}/change/",
        f"/admin/points/pointstransaction/{debit.pk}/act/return-points/",
        f"/admin/points/pointstransaction/{credit.pk}/act/cancel-credit/",
        "/admin/points/adjustmentceiling/",
        "/admin/points/adjustmentceiling/add/",
    ]


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_every_page_fits_and_breaks_no_policy(open_as_manager, anna, width, scheme):
    page = open_as_manager(width=width, color_scheme=scheme)
    customer = f"/admin/customers/customer/{anna.pk}/change/"
    shop = f"/admin/platforms/storeconnection/{ConnectionFactory().pk}/change/"
    more = [customer, f"{customer}?tab=rewards", f"{customer}?tab=failed", customer.replace("change", "adjust"), shop]
    more += points_pages(anna)

    for path in [*OWN_PAGES, *more]:
        answer = page.goto(path)
        assert answer.status == 200, path
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
    assert page.complaints == []


@pytest.mark.parametrize("width", [1440, 390])
def test_adjusts_and_turns_the_pages(open_as_manager, anna, width):
    page = open_as_manager(width=width)
    page.goto(f"/admin/customers/customer/{anna.pk}/change/")
    main = page.get_by_role("main")

    page.get_by_role("link", name="Adjust balance").click()
    page.get_by_label("Points adjustment").fill("-250")
    page.get_by_label("Reason").select_option("correction")
    page.get_by_role("button", name="Preview").click()
    expect(main).to_contain_text("Active points go from 1\u202f500 to 1\u202f250.")
    page.get_by_label("Internal note").fill("Ticket 4412")
    page.get_by_role("button", name="Adjust points").dblclick()
    expect(main).to_contain_text("Ticket 4412")
    assert anna.points_transactions.filter(points_change=-250).count() == 1

    page.get_by_role("link", name="Rewards", exact=True).last.click()
    expect(main).to_contain_text("1–10 of 12")
    page.get_by_role("link", name="Older").click()
    expect(main).to_contain_text("11–12 of 12")
    page.get_by_role("link", name="Newer").click()
    page.get_by_role("link", name="Available now").click()
    expect(main).to_contain_text("Issued, unused and not expired.")

    page.get_by_text("Edit", exact=True).click()
    page.get_by_label("Phone").fill("+48 600 700 800")
    page.get_by_role("button", name="Save").click()
    expect(main).to_contain_text("+48600700800")
    assert page.complaints == []
