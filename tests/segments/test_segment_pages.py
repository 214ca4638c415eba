"""The pages of segments: which there are, how many are in each, what narrows one; and the list of customers by one."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from loyalty.customers.models import CustomerState
from loyalty.segments import keeping, queries
from loyalty.segments.models import Segment
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.rewards.admin_rows import staff, words

pytestmark = pytest.mark.django_db
LOOKS = ("segments.view_segment", "customers.view_customer")
LIST, ADD, CUSTOMERS = "/admin/segments/segment/", "/admin/segments/segment/add/", "/admin/customers/customer/"


@pytest.fixture
def manager():
    return staff(*LOOKS, *(f"segments.{act}_segment" for act in ("add", "change", "delete")))


def saved(name="Guests", **parameters):
    given = {key: [value] for key, value in (parameters or {"state": "candidate"}).items()}
    return keeping.save(segment_id=None, name=name, parameters=given, actor=SYSTEM, now=timezone.now())


def page_of(segment):
    return reverse("admin:segments_segment_change", args=(segment.pk,))


@pytest.fixture
def people():
    rich = CustomerFactory(first_name="Rich")
    CustomerFactory(first_name="Gus", state=CustomerState.CANDIDATE)
    give(rich, 500, now=timezone.now())


def shown(client, **query):
    return {customer.first_name for customer in client.get(CUSTOMERS, query).context["cl"].result_list}


def test_the_list_says_who_is_in_each_how_many_now_and_leads_to_them(manager, people):
    segment, rich = saved(), saved("Rich", balance_min="400", state="member")

    page = manager.get(LIST)

    assert "Guests Guest 1 " in words(page)
    assert "Rich Member · 400 or more active points 1 " in words(page)
    assert f'href="{CUSTOMERS}?segment={rich.pk}"' in page.content.decode()
    assert page_of(segment) in page.content.decode()


def test_the_list_takes_few_queries_for_each_and_none_for_each_customer(manager, people):
    saved()

    def asked():
        with CaptureQueriesContext(connection) as captured:
            manager.get(LIST)
        return len(captured)

    asked()
    one = asked()
    CustomerFactory.create_batch(10, state=CustomerState.CANDIDATE)
    assert asked() == one

    saved("Others", state="member")
    assert asked() - one <= 6


def test_a_segment_is_saved_from_what_the_customers_are_filtered_by(manager, people):
    filtered = manager.get(CUSTOMERS, {"balance_min": "400", "search": "rich", "state": "member"})
    address = f"{ADD}?state=member&amp;balance_min=400"
    assert address in filtered.content.decode()
    assert "Save as segment" in words(filtered)
    assert "Save as segment" not in words(manager.get(CUSTOMERS, {"search": "rich"}))

    form = manager.get(ADD, {"state": "member", "balance_min": "400"}).content.decode()
    answer = manager.post(ADD, {"name": "Rich members", "state": ["member"], "balance_min": "400", "balance_max": ""})
    segment = Segment.objects.get()

    assert 'name="balance_min" value="400"' in form
    assert answer.url == page_of(segment)
    assert segment.criteria == {"state": ["member"], "balance_min": ["400"]}
    assert "1 customer now Member · 400 or more active points" in words(manager.get(page_of(segment)))


def test_a_segment_is_changed_and_removed_and_refusals_stand_at_the_form(manager, people):
    segment, _ = saved(), saved("Others", state="member")

    nothing = manager.post(page_of(segment), {"name": "Guests"})
    taken = manager.post(page_of(segment), {"name": "others", "state": ["candidate"]})
    wrong = manager.post(page_of(segment), {"name": "Guests", "orders_days": "30"})
    dates = {"name": "Guests", "orders_min": "1", "orders_after_date": "2026-01-01", "orders_after_time": "14:30"}
    manager.post(page_of(segment), dates)
    segment.refresh_from_db()

    assert "Nothing narrows the customers" in words(nothing)
    assert "There is a segment “others” already." in words(taken)
    assert "A time alone narrows nothing." in words(wrong)
    assert segment.criteria == {"orders_min": ["1"], "orders_after": ["2026-01-01 14:30"]}

    remove = reverse("admin:segments_segment_act", args=(segment.pk, "remove"))
    assert "There is no way back." in words(manager.get(remove))
    manager.post(remove)
    assert [each.name for each in Segment.objects.all()] == ["Others"]


def test_the_customers_and_their_file_are_narrowed_by_a_segment_and_more(manager, people):
    members = saved("Members", state="member")
    CustomerFactory(first_name="Poor")

    file = b"".join(manager.get(f"{CUSTOMERS}export/", {"segment": members.pk}).streaming_content).decode()

    assert shown(manager, segment=members.pk) == {"Rich", "Poor"}
    assert shown(manager, segment=members.pk, balance_max="100") == {"Poor"}
    assert shown(manager, segment=members.pk, search="rich") == {"Rich"}
    assert [line.split(",")[3] for line in file.splitlines()[1:]] == ["Poor", "Rich"]


def test_a_segment_that_is_gone_or_cannot_be_read_empties_the_list_and_says_why(manager, people):
    broken = Segment.objects.create(
        name="Old",
        criteria={"shoe_size": ["39"]},
        actor_kind="system",
        created_at=timezone.now(),
        updated_at=timezone.now(),
    )

    gone = manager.get(CUSTOMERS, {"segment": "999999"})
    unread = manager.get(CUSTOMERS, {"segment": broken.pk})

    assert "Segment: There is no such segment. It may have been removed" in words(gone)
    assert "There is no filter “shoe_size” for customers." in words(unread)
    assert list(unread.context["cl"].result_list) == []
    assert "Cannot be read" in words(manager.get(LIST))
    assert "Nobody is counted, exported or given anything by it" in words(manager.get(page_of(broken)))


def test_an_estimate_says_that_it_is_one(manager, people, monkeypatch):
    segment = saved()
    monkeypatch.setattr(queries, "LONGEST_COUNT", 0)

    assert "about" in words(manager.get(LIST))
    assert "Counting took too long: this is what the database expects." in words(manager.get(page_of(segment)))


def test_who_may_only_look_sees_them_and_changes_none(people):
    viewer, segment = staff(*LOOKS), saved()

    page = viewer.get(page_of(segment))

    assert "1 customer now Guest" in words(page)
    assert "<form" not in page.content.decode().partition('id="content-main"')[2]
    assert "Save as segment" not in words(viewer.get(CUSTOMERS, {"state": "member"}))
    assert viewer.post(page_of(segment), {"name": "Mine", "state": ["member"]}).status_code == 403
    assert viewer.get(ADD).status_code == 403
    assert viewer.get(reverse("admin:segments_segment_act", args=(segment.pk, "remove"))).status_code == 403
