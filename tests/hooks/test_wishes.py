"""What people ask about their data: one list of both ways to ask, and a reminder before its last day."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.customers import erasure
from loyalty.customers.models import ErasureRequest
from loyalty.erasure import forgetting
from loyalty.events.models import Event
from loyalty.hooks import privacy, wishes
from loyalty.hooks.models import InboundWebhook, InboxState, PrivacyRequest, PrivacyWish
from loyalty.merchant.models import MailKind, Programme
from loyalty.messages import letters, occasions, outbox
from loyalty.messages.models import Mail
from tests.accounts.conftest import signed_in
from tests.concurrency.races import race
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.rewards.admin_rows import staff

__all__ = ["signed_in"]

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LIST = "/admin/hooks/privacywish/"
STAFF = actors.staff(1)


@pytest.fixture
def now():
    return timezone.now()


def asked_at_a_shop(at, **facts):
    """Somebody asks their shop, which passes it on."""
    shop = ConnectionFactory()
    webhook = InboundWebhook.objects.create(
        connection=shop, event_id=f"e-{at}", topic="customers/redact", state=InboxState.PROCESSED, received_at=at
    )
    facts = {"kind": "erase_customer", **facts}
    return PrivacyRequest.objects.create(webhook=webhook, connection=shop, asked_at=at, due_at=at + 30 * DAY, **facts)


def asked_here(at, customer=None):
    """A customer asks on their own pages."""
    customer = customer or CustomerFactory()
    return erasure.request(customer_id=customer.pk, now=at, actor=actors.customer(customer.pk))


def listed(browser, **query):
    rows = browser.get(LIST, query).context["cl"].result_list
    return [row.request or row.own for row in rows]


def test_one_list_shows_both_ways_to_ask_with_the_next_one_due_first(signed_in, now):
    fresh, late = asked_at_a_shop(now), asked_here(now - 31 * DAY)
    soon = asked_at_a_shop(now - 25 * DAY, kind="data_request")
    done = asked_at_a_shop(now - 40 * DAY, settled_at=now, settled_by=1, note="Sent.")
    viewer = signed_in("viewer")

    page = viewer.get(LIST)

    assert listed(viewer) == [late, soon, fresh, done]
    text = page.content.decode()
    assert all(word in text for word in ("Overdue", "Due soon", "Open", "Settled", "Their own pages"))
    assert listed(viewer, state="settled") == [done]
    assert listed(viewer, way="themselves") == [late]
    assert listed(viewer, state="open", kind="data_request") == [soon]


def test_the_former_list_leads_to_the_one(signed_in):
    assert signed_in("viewer").get("/admin/hooks/privacyrequest/").url == LIST


def test_each_leads_to_where_it_is_done(signed_in, now):
    told, own = asked_at_a_shop(now), asked_here(now)
    manager = signed_in("manager")

    assert manager.get(f"{LIST}shop-{told.pk}/change/").url == f"/admin/hooks/privacyrequest/{told.pk}/change/"
    customer = manager.get(f"{LIST}own-{own.pk}/change/", follow=True).content.decode()
    assert "They asked on their own pages to be forgotten" in customer
    assert "choose “Forget this person” below" in customer


def test_both_ways_have_the_same_last_day(now):
    own = asked_here(now)

    assert PrivacyWish.objects.get().due_at == own.due_at == now + privacy.TIME_TO_SETTLE


@pytest.mark.parametrize(("end", "outcome"), [("forget", "forgotten"), ("stay", "withdrawn")])
def test_a_wish_is_over_when_the_person_was_forgotten_or_stays(now, end, outcome):
    own = asked_here(now - 29 * DAY)
    who = {"customer_id": own.customer_id, "now": now}
    assert wishes.due_soon(now=now).exists()

    if end == "forget":
        forgetting.forget(actor=STAFF, **who)
    else:
        erasure.withdraw(actor=STAFF, **who)

    wish = PrivacyWish.objects.get()
    assert (wish.outcome, wish.closed_at) == (outcome, now)
    assert not wishes.due_soon(now=now).exists()
    assert wishes.remind(now=now) == 0


def test_the_back_office_is_reminded_a_week_before_and_once(now):
    own, told = asked_here(now - 23 * DAY), asked_at_a_shop(now - 24 * DAY)
    asked_here(now - 22 * DAY)
    asked_at_a_shop(now - 40 * DAY, settled_at=now, settled_by=1, note="Sent.")

    reminded = [wishes.remind(now=now), wishes.remind(now=now), wishes.remind(now=now + DAY)]

    assert reminded == [2, 0, 1]
    first, second, _ = Event.objects.filter(kind=wishes.DUE_SOON).order_by("pk")
    assert (first.subject_type, first.subject_id) == (privacy.SUBJECT, told.pk)
    assert (second.subject_type, second.subject_id, second.customer_id) == (wishes.OWN, own.pk, own.customer_id)
    assert second.data == {"asked": "erase_customer", "due": own.due_at.isoformat()}


@pytest.mark.django_db(transaction=True)
def test_two_workers_remind_once(now):
    asked_here(now - 29 * DAY)

    race(*[partial(wishes.remind, now=now)] * 4)

    assert Event.objects.filter(kind=wishes.DUE_SOON).count() == 1


def test_the_mail_says_until_when_and_not_whose(now):
    Programme.objects.update_or_create(pk=1, defaults={"office_emails": ["office@example.com"]})
    own = asked_here(now - 29 * DAY, CustomerFactory(first_name="Zdzisława"))
    wishes.remind(now=now)
    event = Event.objects.get(kind=wishes.DUE_SOON)
    outbox.put(wanted=occasions.wanted_for(events=[event], now=now), now=now)

    letter = letters.compose(mail=Mail.objects.get(kind=MailKind.ALERT), now=now)

    assert f"{own.due_at:%Y}" in letter.subject
    assert f"{LIST}?state=open" in letter.text
    assert "Zdzisława" not in letter.subject + letter.text + letter.html


def test_the_first_page_says_how_many_are_due_to_those_who_may_see_them(now):
    asked_here(now - 31 * DAY)
    asked_at_a_shop(now - 24 * DAY)
    asked_at_a_shop(now)

    seen = staff("hooks.view_privacywish").get("/admin/").content.decode()

    assert "2 privacy requests are waiting, the first overdue since" in seen
    assert "privacy request" not in staff("rewards.view_reward").get("/admin/").content.decode()
    ErasureRequest.objects.update(withdrawn_at=now)
    assert (
        "A privacy request is waiting, to be done until"
        in staff("hooks.view_privacywish").get("/admin/").content.decode()
    )
