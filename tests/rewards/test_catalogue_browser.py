"""The form of a reward in a browser: it shows the fields its type and its cost have, and hides nothing that is filled in."""

import pytest
from django.contrib.auth.models import Permission

from tests.factories.people import StaffFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def form(page, live_server, client):
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="rewards"))
    client.force_login(user)
    page.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    page.goto(f"{live_server.url}/admin/rewards/reward/add/")
    return page


def seen(page):
    names = (
        "percent",
        "amount",
        "product_reference",
        "carries_code",
        "connection",
        "prefix",
        "points_price",
        "tiers",
        "audience",
    )
    return {name for name in names if page.locator(f".form-row.field-{name}").is_visible()}


def test_shows_the_fields_of_the_type_and_of_the_cost(form):
    form.select_option("#id_type", "gift_card")
    assert seen(form) == {"amount", "connection", "prefix"}
    form.select_option("#id_type", "free_product")
    form.select_option("#id_cost", "fixed")
    assert seen(form) == {"product_reference", "connection", "prefix", "points_price"}
    form.select_option("#id_type", "gift")
    assert seen(form) == {"carries_code", "points_price"}
    form.check("#id_carries_code")
    form.check("#id_restricted")

    coupon = {"carries_code", "percent", "amount", "connection", "prefix", "points_price"}
    assert seen(form) == coupon | {"tiers", "audience"}
    assert form.complaints == []


def test_never_hides_what_is_filled_in(form):
    form.select_option("#id_type", "discount_code")
    form.fill("#id_amount", "5")

    form.select_option("#id_type", "custom")

    assert seen(form) == {"amount", "prefix"}
