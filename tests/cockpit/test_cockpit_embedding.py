"""The cockpit in a frame: on the shop's pages alone, with cookies of its own, and for customers alone."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from loyalty.customers import sign_in_links
from tests.factories.people import ConnectionFactory, StaffFactory

pytestmark = pytest.mark.django_db
SHOP, STRANGER = "https://shop.example.com", "https://evil.example"
FRAME = {"sec-fetch-dest": "iframe", "accept-language": "en"}
TAB = {"sec-fetch-dest": "document", "accept-language": "en"}


@pytest.fixture
def shop(db):
    return ConnectionFactory(storefronts=[SHOP])


@pytest.fixture
def link(customer, shop) -> str:
    token = sign_in_links.make(customer_id=customer.pk, now=timezone.now(), actor=SYSTEM).token
    return reverse("cockpit:sign_in_link", args=[token]) + "?embedded=1"


@pytest.fixture
def framed(link) -> Client:
    """A browser in whose frame the customer signed in by the shop's link."""
    browser = Client(enforce_csrf_checks=True)
    asked = browser.get(link, headers=FRAME)
    token = asked.content.decode().partition('csrfmiddlewaretoken" value="')[2].partition('"')[0]
    answer = browser.post(link, {"csrfmiddlewaretoken": token}, headers=FRAME)
    assert answer.status_code == 302
    return browser


def ancestors(answer) -> str:
    [found] = [part for part in answer["Content-Security-Policy"].split("; ") if part.startswith("frame-ancestors")]
    return found.removeprefix("frame-ancestors ")


def test_a_frame_signs_in_and_names_the_shop_alone(framed, link):
    page = framed.get(reverse("cockpit:home"), headers=FRAME)

    assert page.status_code == 200
    assert 'class="embedded ' in page.content.decode()
    assert ancestors(page) == SHOP
    assert "X-Frame-Options" not in page
    assert STRANGER not in page["Content-Security-Policy"]


def test_the_cookies_of_a_frame_are_bound_to_the_page_around_it(framed):
    assert framed.cookies
    for name, cookie in framed.cookies.items():
        assert name.startswith("embedded_")
        written = cookie.OutputString()
        for part in ("SameSite=None", "Secure", "Partitioned"):
            assert part in written.split("; ")
    assert "HttpOnly" in framed.cookies["embedded_sessionid"].OutputString()


def test_the_session_of_a_frame_opens_no_page_by_itself_and_no_admin(framed):
    assert framed.get(reverse("cockpit:home"), headers=TAB).status_code == 302
    admin = framed.get("/admin/", headers=FRAME)
    assert admin.status_code == 302
    assert ancestors(admin) == "'none'"


def test_the_session_of_a_tab_is_framed_by_nobody(visitor, shop):
    for headers in (FRAME, TAB, {}):
        page = visitor.get(reverse("cockpit:home"), headers=headers)
        assert ancestors(page) == "'none'"
        assert page["X-Frame-Options"] == "DENY"


def test_a_tab_keeps_its_own_session_beside_that_of_a_frame(framed, client):
    staff = StaffFactory()
    client.force_login(staff)
    framed.cookies["sessionid"] = client.cookies["sessionid"].value

    assert framed.get(reverse("cockpit:home"), headers=FRAME).status_code == 200
    assert framed.get("/admin/", headers=TAB).status_code == 200


def test_a_link_that_does_not_ask_for_a_frame_is_framed_by_nobody(link):
    page = Client().get(link.partition("?")[0], headers=FRAME)

    assert ancestors(page) == "'none'"
    assert "sessionid" not in Client().cookies


def test_without_a_storefront_nobody_frames_anything(framed, shop):
    type(shop).objects.update(storefronts=[])

    page = framed.get(reverse("cockpit:home"), headers=FRAME)

    assert ancestors(page) == "'none'"
    assert page["X-Frame-Options"] == "DENY"


def test_a_form_in_a_frame_needs_its_token(framed):
    assert framed.post(reverse("cockpit:mail_choices"), {"mails": []}, headers=FRAME).status_code == 403
