"""The admin's pages in a real browser, under the policy that allows nothing inline: no complaint, no sideways scrolling."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect

from rewards.models import (
    Cancellation,
    FindingDetail,
    FindingKind,
    ReconciliationFinding,
    ReconciliationRun,
    RedeemedReward,
    Repair,
)
from rewards.reconciliation import findings
from rewards.reconciliation.comparing import Difference, Holder, Ours
from rewards.reconciliation.findings import Seen
from tests.factories.catalogue import PointsProductFactory
from tests.factories.people import ConnectionFactory, CustomerFactory, StaffFactory
from tests.rewards.admin_rows import AT, GRID, attempt, gift_row, row

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def rows() -> dict[str, RedeemedReward]:
    """One of each kind that the pages draw differently."""
    shop = ConnectionFactory(name="Roastery shop")
    cancelling = row(connection=shop, code="CANCELLING-22")
    Cancellation.objects.create(
        redeemed_reward=cancelling, return_points=True, actor_kind="system", created_at=AT, due_at=AT, attempts=1
    )
    return {
        "issued": row(connection=shop, code="ROAST-7KQ2M9XWPB", expires_at=AT + timedelta(days=36_500)),
        "gift": gift_row(
            usage_status="used",
            customer=CustomerFactory(first_name="Wolfeschlegelsteinhausenbergerdorff", last_name="Szczepańska"),
            shipping_address={"recipient": "A", "line_1": "Prosta 1", "city": "Warszawa"},
        ),
        "cancelling": cancelling,
        "attempt": attempt(),
    }


@pytest.fixture
def sign_in(live_server) -> Callable[[Page], str]:
    """Signs a manager of everything in and gives back the address of the site."""
    user = StaffFactory(is_superuser=True, name="Ida Manager")

    def do(page: Page) -> str:
        client = Client()
        client.force_login(user)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
        return live_server.url

    return do


def pages(rows: dict[str, RedeemedReward], reward_pk: int) -> list[str]:
    own = [f"{GRID}{each.pk}/change/" for each in rows.values()]
    acts = [f"{GRID}{rows['issued'].pk}/act/{slug}/" for slug in ("mark-used", "mark-unused", "cancel", "force-cancel")]
    parcel = [f"{GRID}{rows['gift'].pk}/act/{slug}/" for slug in ("ship", "deliver", "cancel-delivery")]
    return [
        "/admin/",
        GRID,
        f"{GRID}?redeemed_after=nonsense",
        f"{GRID}?status=issued&type=gift",
        f"{GRID}failed/",
        *own,
        *acts,
        *parcel,
        "/admin/rewards/reward/",
        "/admin/rewards/reward/add/",
        "/admin/rewards/campaign/plan/",
        f"/admin/rewards/reward/{reward_pk}/change/",
    ]


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")], ids=str)
def test_every_page_opens_without_a_complaint_and_fits_the_screen(new_page, sign_in, rows, width, scheme):
    page = new_page(width=width, height=844, color_scheme=scheme)
    home = sign_in(page)
    reward = PointsProductFactory().reward

    for path in pages(rows, reward.pk):
        response = page.goto(home + path)
        assert response is not None
        assert response.status == 200, path
        assert "'unsafe" not in response.headers["content-security-policy"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path

    assert page.complaints == []


@pytest.mark.parametrize("width", [1440, 390])
def test_the_list_and_the_form_of_every_table_open_without_a_complaint(new_page, sign_in, rows, width):
    page = new_page(width=width, height=844)
    home = sign_in(page)
    site = admin.site
    names = [f"{model._meta.app_label}_{model._meta.model_name}" for model in site._registry]

    seen = 0
    for name in names:
        for view in ("changelist", "add"):
            path = reverse(f"admin:{name}_{view}")
            response = page.goto(home + path)
            assert response is not None
            assert response.status in (200, 403), path
            if response.status == 200:
                seen += 1
                assert page.evaluate("document.documentElement.scrollWidth") <= width, path

    assert seen > len(names)
    assert [each for each in page.complaints if "403 (Forbidden)" not in each] == []


@pytest.mark.parametrize("width", [1440, 390])
def test_the_pages_of_a_reconciliation_open_without_a_complaint_and_fit_the_screen(new_page, sign_in, db, width):
    redeemed = row(code="GONE-7KQ2M9XWPB", connection=ConnectionFactory())
    facts = {"connection": redeemed.connection, "ended_at": AT, "began_at": AT, "actor_kind": "system"}
    run = ReconciliationRun.objects.create(scope="all", state="done", tally={"ghost": 1}, **facts)
    holder = Holder(redeemed_reward_id=redeemed.pk, reference="rr-7", fulfillment="issued", usage="unused")
    here = Ours(canonical="GONE-7KQ2M9XWPB", code_id=redeemed.code_id, holders=(holder,))
    ghost = Difference(FindingKind.GHOST, FindingDetail.ABSENT, Repair.REISSUE)
    findings.add(run=run, seen=[Seen(here, None, ghost)], now=AT)
    finding = ReconciliationFinding.objects.get()
    page = new_page(width=width, height=844)
    home = sign_in(page)

    for path in (
        reverse("admin:rewards_reconciliationrun_change", args=(run.pk,)),
        reverse("admin:rewards_reconciliationfinding_change", args=(finding.pk,)),
        reverse("admin:rewards_reconciliationfinding_act", args=(finding.pk, "repair")),
    ):
        assert page.goto(home + path).status == 200, path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path

    assert page.complaints == []


def test_staff_filter_choose_and_mark_used(page, sign_in, rows):
    home = sign_in(page)
    page.goto(home + GRID)
    expect(page.get_by_role("button", name="Mark used")).to_be_disabled()

    page.locator("summary", has_text="Status").click()
    page.get_by_label("Issued").check()
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    assert "?status=issued" in page.url
    page.locator("input.action-select").check()
    page.get_by_role("button", name="Mark used").click()
    expect(page.get_by_role("heading", name="What will happen")).to_be_visible()
    page.get_by_role("button", name="Mark used (1)").click()

    expect(page.locator(".messagelist")).to_contain_text("marked used")
    assert RedeemedReward.objects.get(pk=rows["issued"].pk).usage_status == "used"
    assert page.complaints == []


def test_a_range_of_moments_is_filled_in_by_name(page, sign_in, rows):
    page.goto(sign_in(page) + GRID)

    page.locator("summary", has_text="Redeemed").click()
    start, end = page.get_by_role("group", name="From"), page.get_by_role("group", name="Until")
    start.locator("visible=true").get_by_label("Date").fill("2026-03-01")
    start.locator("visible=true").get_by_label("Time").fill("08:30")
    end.locator("visible=true").get_by_label("Date").fill("2026-03-02")
    page.get_by_role("button", name="Apply").click()

    expect(page.locator("summary", has_text="Redeemed")).to_contain_text("from 2026-03-01 08:30, until 2026-03-02")
    assert page.complaints == []


def test_one_chip_is_open_at_a_time_and_escape_closes_it(page, sign_in, rows):
    page.goto(sign_in(page) + GRID)

    page.locator("summary", has_text="Status").click()
    page.locator("summary", has_text="Type").click()
    expect(page.locator("details.desk-chip[open]")).to_have_count(1)
    page.keyboard.press("Escape")

    expect(page.locator("details.desk-chip[open]")).to_have_count(0)
    assert page.complaints == []


def test_on_a_phone_rows_are_cards_with_labels_and_the_menu_opens(phone_page, sign_in, rows):
    phone_page.goto(sign_in(phone_page) + GRID)

    card = phone_page.locator("#result_list tbody tr").first
    assert card.evaluate("row => getComputedStyle(row).display") == "flex"
    assert card.locator(".field-email").get_attribute("data-label") == "E-mail"
    phone_page.locator(".desk-menu > summary").click()
    expect(phone_page.locator(".desk-menu").get_by_role("link", name="Failed redemptions")).to_be_visible()
    phone_page.locator(".desk-menu").get_by_role("link", name="Failed redemptions").click()

    expect(phone_page.get_by_role("heading", name="Failed redemptions", level=1)).to_be_visible()
    assert phone_page.complaints == []


def test_the_filters_and_the_acts_work_without_a_script(new_page, sign_in, rows):
    page = new_page(java_script_enabled=False)
    page.goto(sign_in(page) + GRID)

    page.locator("summary", has_text="Type").click()
    page.get_by_label("Gift", exact=True).check()
    page.locator("details[open]").get_by_role("button", name="Apply").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.locator("input.action-select").check()
    page.get_by_role("button", name="Mark shipped").click()
    page.get_by_label("Carrier").fill("InPost")
    page.get_by_role("button", name="Mark shipped (1)").click()

    expect(page.locator(".messagelist")).to_contain_text("marked shipped")
