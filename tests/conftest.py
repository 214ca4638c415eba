"""What every test may ask for: a database and a broker of its own, real processes, a real browser."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import django
import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
LONG = {
    "test_fuzzing.py",
    "test_pairs.py",
    "test_prove_faults.py",
    "test_fault_matrix.py",
    "test_breaker.py",
    "test_demo.py",
    "test_machine.py",
}
ADVISORY_LOCK_SPACE = 0x10A1  # ours among the advisory locks of a server
SLOTS = 15  # as many as a broker has numbered databases, less number 0, which is left to the processes by hand


def start_django() -> None:
    """Set Django up before any other conftest imports a model, or end the run with a sentence instead of a traceback."""
    os.environ.setdefault("LOYALTY_ENV", "test")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")
    if not os.environ.get("DATABASE_URL") or not (os.environ.get("REDIS_URL") or os.environ.get("CELERY_BROKER_URL")):
        end(
            "DATABASE_URL or REDIS_URL is missing, and the tests run on real servers. Run `make test`, or for some of "
            "them `.venv/bin/python -m loyalty.embedded run -- .venv/bin/pytest tests/points`: both start the servers."
        )
    try:
        django.setup()
    except ImproperlyConfigured as error:
        end(f"The settings refuse to start. {error}")
    from django.conf import settings

    from tests import emptying

    emptying.take_over()
    settings.PASSWORD_HASHERS = ["tests.hashing.OneRound"]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take a minute or more come first: begun last, one process would work on them alone."""
    items.sort(key=lambda item: item.path.name not in LONG)


def end(sentence: str) -> NoReturn:
    sys.stderr.write(f"ERROR: {sentence}\n")
    raise SystemExit(pytest.ExitCode.USAGE_ERROR)


start_django()


def postgres_address() -> str:
    """The database of the same server that is always there."""
    return urlsplit(os.environ["DATABASE_URL"])._replace(path="/postgres").geturl()


@pytest.fixture(scope="session")
def test_slot() -> Iterator[int]:
    """A number no other run of tests on these servers holds: two runs at once do not share a database."""
    with psycopg.connect(postgres_address(), autocommit=True) as connection:
        for slot in range(1, SLOTS + 1):
            taken = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [ADVISORY_LOCK_SPACE, slot]).fetchone()
            if taken and taken[0]:
                yield slot
                return
    pytest.exit(f"{SLOTS} runs of the tests use these servers already. Wait for one to end.")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(test_slot: int) -> None:
    """Point Django at this run's own test database, and Celery at this run's own broker database."""
    from django.conf import settings

    from loyalty.celery import app
    from tests import template_database

    database = settings.DATABASES["default"]
    test = database.setdefault("TEST", {})
    test["NAME"] = f"test_{database['NAME']}_{test_slot}"
    with psycopg.connect(postgres_address(), autocommit=True) as server:
        test["TEMPLATE"] = template_database.prepared(server, lock=ADVISORY_LOCK_SPACE)
    settings.REDIS_URL = own_broker(settings.REDIS_URL, slot=test_slot)
    settings.CELERY_BROKER_URL = own_broker(settings.CELERY_BROKER_URL, slot=test_slot)
    app.conf.update(broker_url=settings.CELERY_BROKER_URL)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The usual set-up; at the end, sessions of processes that were killed a moment ago do not keep the database."""
    yield
    from django.db import connection

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid()"
        )


def own_broker(url: str, *, slot: int) -> str:
    """The same Redis or Valkey, another of its numbered databases."""
    parts = urlsplit(url)
    return parts._replace(path=f"/{slot}").geturl() if parts.scheme in {"redis", "rediss"} else url


@pytest.fixture
def process_environment(transactional_db: None) -> dict[str, str]:
    """The environment of a real process (a worker, a management command) that works on this test's database."""
    from django.conf import settings

    name = settings.DATABASES["default"]["NAME"]
    return os.environ | {
        "DATABASE_URL": urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl(),
        "REDIS_URL": settings.REDIS_URL,
        "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,
    }


def chromium() -> str:
    """Where Chromium is. Missing, it skips aloud; in CI, where it must be there, that is a failure."""
    named = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if named and Path(named).exists():
        return named
    reason = (
        f"CHROMIUM NOT FOUND: {named or 'none on the PATH'}. The pages were NOT tested. Install it "
        "(`apt-get install chromium`) or set CHROMIUM to its path."
    )
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{reason} With CI=true this is a failure.", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the whole run."""
    executable = chromium()
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright keeps an event loop in this thread; Django is told
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield running
        running.close()


class WatchedPage:
    """What the browser complained about while a page was used: script errors, and violations of our policy."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        page.on("console", lambda message: self.hear(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))

    def hear(self, kind: str, text: str) -> None:
        if kind == "error" or "Content Security Policy" in text:
            self.complaints.append(text)


@pytest.fixture
def new_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """Opens pages of separate people: `new_page(width=390, height=844, color_scheme="dark")`.

    Each page carries `page.complaints`: console errors, script errors and policy violations so far. A test ends with
    `assert page.complaints == []`.
    """
    contexts = []

    def open_page(*, width: int = 1280, height: int = 900, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, locale="en-US", **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.complaints = WatchedPage(page).complaints  # type: ignore[attr-defined]
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """One person's page, desktop-sized. See `new_page`."""
    return new_page()


@pytest.fixture
def phone_page(new_page: Callable[..., Page]) -> Page:
    """One person's page on a phone."""
    return new_page(width=390, height=844, has_touch=True, is_mobile=True)
