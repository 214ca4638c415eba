"""The page that explains a customer's points, and the command beside it."""

import re
from datetime import timedelta
from io import StringIO
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from loyalty.accounts import roles
from tests.factories.people import CustomerFactory, StaffFactory
from tests.insights import stories
from tests.insights.stories import DAY, earn, reward_of, spend

pytestmark = pytest.mark.django_db


@pytest.fixture
def began_at(db):
    return timezone.now().replace(microsecond=0) - 12 * DAY


@pytest.fixture
def story(customer, began_at):
    return stories.tell(customer, now=began_at)


def url(customer, **asked):
    return reverse("insights:points", args=(customer.pk,)) + (f"?{urlencode(asked)}" if asked else "")


def text_of(answer) -> str:
    html = answer.content.decode().replace("\u202f", "")
    main = html[html.index("<main") : html.index("</main>")]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def test_explains_the_balance_of_now(signed_in, story):
    words = text_of(signed_in("viewer").get(url(story["customer"])))

    assert "Why is the balance 110 ?" in words
    assert "Earned +332 Spent −100 Adjusted by staff or an integrator +30 Expired −80 Returned +60" in words
    assert "Credits canceled −7 Not to be spent yet −25 Held −30 Active points 110" in words
    assert "Earned by order 1007 +300" in words
    assert "Spent on “A mug”" in words
    assert "−100 +60 returned" in words
    assert "Internal note: Counted twice." in words
    assert "Together 135" in words


def test_explains_the_balance_of_a_past_day(signed_in, story, began_at):
    answer = signed_in("viewer").get(
        url(story["customer"], at_date=began_at.date().isoformat(), at_time=(began_at + DAY / 24).strftime("%H:%M"))
        if began_at.hour < 23
        else url(story["customer"], at=(began_at + DAY / 24).isoformat())
    )

    words = text_of(answer)
    assert "Why is the balance 80 ?" in words
    assert "counting what had been written down by then" in words
    assert "order 1008" not in words
    assert "Back to now" in words


def test_counts_what_took_effect_when_asked_to(signed_in, customer, began_at):
    earn(customer, 80, number="1", now=began_at, effective_at=began_at - 30 * DAY, available_at=began_at - 30 * DAY)
    then = (began_at - 10 * DAY).isoformat()
    viewer = signed_in("viewer")

    assert "Why is the balance 0 ?" in text_of(viewer.get(url(customer, at=then, by="recorded")))
    assert "Why is the balance 80 ?" in text_of(viewer.get(url(customer, at=then, by="effective")))


def test_shows_one_credit_alone(signed_in, story):
    answer = signed_in("viewer").get(url(story["customer"], credit=story["earned"].pk))

    words = text_of(answer)
    shown = words[words.index("Where did the points go?") : words.index("What ends when")]
    assert shown.count("Earned by order 1007 +300") == 1
    assert "Show every credit" in shown
    assert "Removed by adjustment: correction of a mistake" in shown
    assert "1008" not in shown


@pytest.mark.parametrize("asked", [{"at": "tomorrow"}, {"at_date": "9999-01-01"}, {"at": "2026-02-30", "by": "x"}])
def test_says_what_is_wrong_with_an_instant_and_shows_now(signed_in, story, asked):
    answer = signed_in("viewer").get(url(story["customer"], **asked))

    assert answer.status_code == 200
    assert "desk-field--bad" in answer.content.decode()
    assert "Why is the balance 110 ?" in text_of(answer)


def test_says_that_the_future_is_not_written_down_yet(signed_in, story):
    tomorrow = (timezone.now() + 2 * DAY).date().isoformat()

    words = text_of(signed_in("viewer").get(url(story["customer"], at_date=tomorrow)))

    assert "lies in the future: what will be is not written down yet." in words


def test_turns_the_pages_of_many_credits_and_keeps_the_instant(signed_in, customer, began_at):
    for number in range(12):
        earn(customer, 10, number=f"A{number}", now=began_at + number * timedelta(minutes=1))
    at = (began_at + DAY).isoformat()
    viewer = signed_in("viewer")

    first, second = viewer.get(url(customer, at=at)), viewer.get(url(customer, at=at, page=2))

    assert "1–10 of 12" in text_of(first)
    assert f"?{urlencode({'at': at})}&amp;page=2#credits" in first.content.decode()
    assert "11–12 of 12" in text_of(second)


def test_knows_a_customer_without_points(signed_in, customer):
    assert "Nothing was earned, spent or adjusted yet." in text_of(signed_in("viewer").get(url(customer)))


def test_is_linked_from_the_customer_page(signed_in, story):
    answer = signed_in("viewer").get(reverse("admin:customers_customer_change", args=(story["customer"].pk,)))

    assert f'href="{url(story["customer"])}"' in answer.content.decode()


def test_is_for_staff_who_may_see_customers_and_their_points(client, story):
    assert client.get(url(story["customer"])).status_code == 302
    client.force_login(StaffFactory())

    assert client.get(url(story["customer"])).status_code == 403


def test_does_not_know_a_customer_who_does_not_exist(signed_in):
    assert signed_in("viewer").get(reverse("insights:points", args=(987654321,))).status_code == 404


def test_asks_the_same_number_of_queries_for_a_long_history(signed_in, story, began_at, django_assert_max_num_queries):
    viewer, customer = signed_in("viewer"), story["customer"]
    for number in range(15):
        earn(customer, 50, number=f"more {number}", now=began_at + 9 * DAY)
        cause = reward_of(customer, f"Reward {number}", now=began_at + 9 * DAY)
        spend(customer, 30, cause=cause, now=began_at + 9 * DAY)

    with django_assert_max_num_queries(24):
        viewer.get(url(customer))


def test_escapes_what_people_wrote(signed_in, customer, began_at):
    reward = reward_of(customer, "<script>alert(1)</script>", now=began_at)
    earn(customer, 50, number="<b>7</b>", now=began_at)
    spend(customer, 10, cause=reward, now=began_at)

    html = signed_in("viewer").get(url(customer)).content.decode()

    assert "<script>alert" not in html
    assert "order &lt;b&gt;7&lt;/b&gt;" in html


def test_command_prints_the_same(story, began_at):
    output = StringIO()

    call_command("points_as_of", customer=story["customer"].pk, at=(began_at + 8 * DAY).isoformat(), stdout=output)

    printed = output.getvalue()
    assert "balance 110, pending 25, held 30, owed 0" in printed
    assert "  +332  Earned\n" in printed
    assert "  = 110\n" in printed
    assert "60 of 60, active, until " in printed
    assert printed.index("+300  Earned by order 1007 (by the programme)") < printed.index("+60  Returned from “A mug”")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"at": "2026-01-01", "customer": 987654321}, "There is no customer 987654321"),
        ({"at": "soon"}, "“soon” is not a date"),
        ({"at": "2199-01-01"}, "lies in the future"),
    ],
)
def test_command_refuses_with_a_sentence(customer, options, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("points_as_of", **({"customer": customer.pk} | options))


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_fits_every_screen_and_answers_for_a_past_day(live_server, new_page, width, scheme):
    roles.sync()
    manager, customer = StaffFactory(), CustomerFactory()
    manager.groups.add(Group.objects.get(name="manager"))
    began_at = timezone.now() - 12 * DAY
    stories.tell(customer, now=began_at)
    client = Client()
    client.force_login(manager)
    page = new_page(base_url=live_server.url, width=width, color_scheme=scheme)
    page.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    page.goto(f"/admin/customers/customer/{customer.pk}/change/")
    main = page.get_by_role("main")

    page.get_by_role("link", name="Why this balance").click()
    page.get_by_text("Earned by order 1007").locator("visible=true").last.scroll_into_view_if_needed()
    page.locator("summary", has_text="Earned by order 1007").click()
    expect(main).to_contain_text("Moved to Jan Kowalski")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    page.get_by_label("Date").fill((began_at + 2 * DAY).date().isoformat())
    page.get_by_role("button", name="Show").click()
    expect(main).to_contain_text("As it was on")
    expect(page.get_by_role("heading", name="Why is the balance 130?")).to_be_visible()
    page.get_by_role("link", name="Back to now").click()
    expect(page.get_by_role("heading", name="Why is the balance 110?")).to_be_visible()
    assert page.complaints == []
