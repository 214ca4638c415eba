"""The cockpit in a frame, as a real browser has it: the shop's page shows it, a stranger's does not."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from loyalty.common.actors import SYSTEM
from loyalty.customers import sign_in_links
from tests.factories.people import ConnectionFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def around() -> Iterator[tuple[dict[str, str], int]]:
    """A shop's server: what it answers, and its port. Reached as localhost it is the shop, as 127.0.0.1 a stranger."""
    said = {"page": ""}

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(said["page"].encode())

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield said, server.server_port
    server.shutdown()
    server.server_close()


def test_the_shops_page_shows_the_pages_and_a_strangers_does_not(page, live_server, customer, around):
    said, port = around
    shop, stranger = f"http://localhost:{port}", f"http://127.0.0.1:{port}"
    ConnectionFactory(storefronts=[shop])
    token = sign_in_links.make(customer_id=customer.pk, now=timezone.now(), actor=SYSTEM).token
    link = f"{live_server.url}{reverse('cockpit:sign_in_link', args=[token])}?embedded=1"
    said["page"] = f'<!doctype html><title>x</title><link rel="icon" href="data:,"><iframe src="{link}"></iframe>'

    page.goto(stranger)
    page.frames[1].wait_for_url("chrome-error://chromewebdata/")
    assert page.frame_locator("iframe").get_by_role("button", name="Open my rewards").count() == 0
    page.complaints.clear()

    page.goto(shop)
    frame = page.frame_locator("iframe")
    frame.get_by_role("button", name="Open my rewards").click()
    expect(frame.get_by_role("heading", name="Choose your reward")).to_be_visible()
    frame.get_by_role("link", name="Account").click()
    frame.get_by_role("button", name="Save", exact=True).click()
    expect(frame.get_by_text("Saved.")).to_be_visible()

    assert page.complaints == []
    cookies = {cookie["name"] for cookie in page.context.cookies()}
    assert cookies
    assert all(name.startswith("embedded_") for name in cookies)
    page.goto(live_server.url)
    assert "/accounts/" in page.url
