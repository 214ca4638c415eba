"""The import in a real browser, under the policy that allows no inline script or style, with scripts and without."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from loyalty.accounts import roles
from loyalty.jobs.models import Job
from loyalty.points import imports
from tests.factories.people import ConnectionFactory, CustomerFactory, StaffFactory
from tests.jobs.sheets import csv_file

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LINES = [
    "email,points,internal note,customer note",
    "maximiliana.wolfeschlegelsteinhausenbergerdorff@example-company.de,250,Moved from the old programme,Welcome over",
    "anna@example.com,1.000,,",
    "nobody@example.com,50,Ticket 4412,",
    "anna@example.com,-5,,",
    "anna@example.com,1200,,",
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "points-march.csv"
    path.write_bytes(csv_file(*LINES).getvalue())
    return path


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


def work():
    imports.work_on(job_id=Job.objects.get().pk, now=timezone.now(), patience=60)


def look(page: Page, name: str) -> None:
    """The page is as wide as the window, and nothing on it breaks the policy."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
    assert page.complaints == []
    if os.environ.get("JOBS_PICTURES"):
        page.screenshot(path=f"{os.environ['JOBS_PICTURES']}/{name}.png", full_page=True)


@pytest.mark.parametrize(
    ("width", "scheme", "scripts"),
    [(1280, "light", True), (1280, "dark", True), (390, "light", False), (390, "dark", True)],
)
def test_sends_a_table_reads_the_report_applies_and_undoes(open_as_manager, table, width, scheme, scripts):
    CustomerFactory(email="anna@example.com")
    CustomerFactory(email="maximiliana.wolfeschlegelsteinhausenbergerdorff@example-company.de")
    ConnectionFactory(name="Main shop")
    page = open_as_manager(width=width, color_scheme=scheme, java_script_enabled=scripts)
    main = page.get_by_role("main")
    shot = f"{width}-{scheme}"

    def see(name: str) -> None:
        if scripts:
            look(page, f"{shot}-{name}")

    page.goto("/admin/jobs/job/")
    see("0-empty")
    main.get_by_role("link", name="Import points").click()
    see("1-form")
    page.get_by_label("Table").set_input_files(table)
    page.get_by_role("button", name="Check the table").click()
    expect(main).to_contain_text("Checking")
    see("2-checking")
    work()
    page.get_by_role("link", name="Look now").click()
    expect(main).to_contain_text("Ready to apply")
    expect(main).to_contain_text("nobody is known as “nobody@example.com”")
    see("3-report")
    page.get_by_role("link", name="All rows").click()
    expect(main).to_contain_text("0 active points become 1200.")
    see("4-all")
    page.get_by_role("link", name="Apply", exact=True).click()
    expect(main).to_contain_text("2 rows will be applied")
    see("5-confirm")
    page.get_by_role("button", name="Apply").click()
    expect(main).to_contain_text("Applying")
    work()
    page.get_by_role("link", name="Look now").click()
    expect(main).to_contain_text("Applied")
    see("6-applied")
    page.get_by_role("link", name="Undo", exact=True).click()
    expect(main).to_contain_text("as far as it is still there")
    page.get_by_role("button", name="Undo").click()
    work()
    page.get_by_role("link", name="Look now").click()
    expect(main).to_contain_text("Undone")
    see("7-undone")
    page.goto("/admin/jobs/job/")
    expect(main).to_contain_text("Adds points: points-march.csv")
    see("8-list")
