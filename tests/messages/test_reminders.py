"""Reminders: points that end are told of once; whoever wants none gets none, and everything needed all the same."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import Customer, CustomerState
from loyalty.events.models import Event
from loyalty.merchant.models import CUSTOMER_MAILS, REMINDERS, MailKind, Programme
from loyalty.messages import choices, endings, gate, letters, occasions
from loyalty.messages.models import Mail, Unsubscription
from loyalty.points import adjustments, ledger
from loyalty.points.models import TransactionKind
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.messages.conftest import NOW, queued, send

pytestmark = pytest.mark.django_db
SOON = NOW + timedelta(days=3)
KIND = MailKind.POINTS_EXPIRING


@pytest.fixture(autouse=True)
def _reached_from_anywhere(settings):
    settings.PUBLIC_URL = "https://rewards.example.com"


@pytest.fixture
def ending(anna, programme) -> Mail:
    """Anna is to be told that 250 of her points end soon."""
    give(anna, 200, now=NOW, expires_at=SOON)
    give(anna, 50, now=NOW, expires_at=SOON)
    endings.sweep(now=NOW)
    return Mail.objects.get()


def test_points_that_end_together_are_told_of_together_and_once(ending, anna):
    assert endings.sweep(now=NOW + timedelta(days=1)) == 0

    letter = letters.compose(mail=ending, now=NOW)

    assert letter.subject == "250 points end on 29 November 2026"
    assert "You can spend 250 points until the end of 29 November 2026." in letter.text
    assert (ending.recipient, ending.customer_id) == (f"customer:{anna.pk}", anna.pk)


def test_another_end_is_told_of_by_itself(ending, anna):
    give(anna, 10, now=NOW, expires_at=SOON + timedelta(days=1))

    assert endings.sweep(now=NOW) == 1


def test_ends_far_away_and_points_of_guests_are_not_told_of(anna, programme):
    give(anna, 10, now=NOW, expires_at=NOW + timedelta(days=8))
    guest = CustomerFactory(state=CustomerState.CANDIDATE)
    give(guest, 10, now=NOW, expires_at=SOON)

    assert endings.sweep(now=NOW) == 0
    Programme.objects.update(points_notice_days=8)
    assert endings.sweep(now=NOW) == 1
    Programme.objects.update(points_notice_days=0)
    assert endings.sweep(now=NOW + timedelta(hours=1)) == 0


def test_a_sweep_goes_on_where_it_stopped(programme):
    for _ in range(5):
        give(CustomerFactory(), 10, now=NOW, expires_at=SOON)

    assert [endings.tell(now=NOW, limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_points_that_were_spent_before_are_not_told_of(ending, anna):
    ledger.debit(
        customer_id=anna.pk, points=250, kind=TransactionKind.REDEMPTION, cause=Cause(CauseType.ORDER, 2), actor=SYSTEM,
        now=NOW,
    )  # fmt: skip

    with pytest.raises(gate.NotToBeSent, match="The points were spent, or their end was moved"):
        letters.compose(mail=ending, now=NOW)


def adjusted(anna, **facts) -> list:
    adjustment = adjustments.adjust(customer_id=anna.pk, actor=SYSTEM, now=NOW, **facts)
    event = Event.objects.get(kind="points.adjusted", subject_id=adjustment.pk)
    return occasions.wanted_for(events=[event], now=NOW)


def test_an_adjustment_is_told_of_where_the_programme_wants_it(anna, programme):
    assert adjusted(anna, points=5) == []
    Programme.objects.update(mails_off=[])

    [wanted] = adjusted(anna, points=-25, description="A return", internal_note="He complained a lot")

    mail = queued(wanted.kind, recipient=wanted.recipient, about_id=wanted.about_id, customer_id=anna.pk)
    letter = letters.compose(mail=mail, now=NOW)
    assert letter.subject == "Your balance changed: −25 points"
    assert "You have 980 points now." in letter.text
    assert "A return" in letter.html
    assert "complained" not in letter.text


def path_of(mail: Mail) -> str:
    address = letters.compose(mail=mail, now=NOW).unsubscribe
    assert address.startswith("https://rewards.example.com/unsubscribe/")
    return address.removeprefix("https://rewards.example.com")


def test_a_reminder_offers_one_click_and_a_link_that_the_outbox_does_not_keep(ending, mail_server):
    send()

    [taken] = mail_server.taken
    path = path_of(ending)
    assert taken["List-Unsubscribe"].strip() == f"<https://rewards.example.com{path}>"
    assert taken["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert path in taken.get_body(("plain",)).get_content()
    ending.refresh_from_db()
    assert "/unsubscribe/" not in ending.text + ending.html


def test_one_click_stops_that_kind_and_the_outbox_says_so(ending, anna, mail_server):
    browser = Client(enforce_csrf_checks=True)
    path = path_of(ending)

    answers = [browser.post(path, {"List-Unsubscribe": "One-Click"}) for _ in range(2)]
    send()

    ending.refresh_from_db()
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (ending.state, mail_server.taken) == ("skipped", [])
    assert ending.reason == "Not sent: unsubscribed. The customer wants no e-mails of this kind."
    assert choices.refused(customer_id=anna.pk) == {KIND}
    assert Event.objects.filter(kind="mail.unsubscribed", customer_id=anna.pk).count() == 1


def test_opening_the_link_asks_and_stops_nothing(ending):
    answer = Client().get(path_of(ending), headers={"accept-language": "en"})

    assert "Stop these e-mails?" in answer.content.decode()
    assert not Unsubscription.objects.exists()


@pytest.mark.parametrize("token", ["", "x", "WzEsInJlYWR5Il0:1:xx"])
def test_a_link_that_is_not_ours_stops_nothing(anna, token):
    good = choices.link(customer_id=anna.pk, kind=KIND).rstrip("/").rpartition("/")[2]
    path = reverse("cockpit:unsubscribe", args=[token or good[:-1] + ("A" if good[-1] != "A" else "B")])

    assert Client().post(path).status_code == 404
    assert not Unsubscription.objects.exists()


def test_what_customers_need_cannot_be_refused(anna):
    for kind in set(CUSTOMER_MAILS) - set(REMINDERS):
        with pytest.raises(choices.NeededMail):
            choices.unsubscribe(customer_id=anna.pk, kind=kind, now=NOW)
        link = choices.link(customer_id=anna.pk, kind=kind)
        assert Client().post(link.removeprefix("https://rewards.example.com")).status_code == 404
    assert not Unsubscription.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_confirmation_is_sent_to_those_who_want_no_reminders(redeemed, read, anna, mail_server):
    for kind in REMINDERS:
        choices.unsubscribe(customer_id=anna.pk, kind=kind, now=NOW)
    redeemed()
    read()

    assert send() == 1

    assert mail_server.taken[0]["List-Unsubscribe"] is None


def test_the_page_of_reminders_stops_and_starts_them(anna):
    browser = Client()
    user = anna.user or _with_user(anna)
    browser.force_login(user)
    address = reverse("cockpit:mail_choices")

    browser.post(address, {"mails": ["expiring"]})
    assert choices.refused(customer_id=anna.pk) == {KIND}
    text = browser.get(address, headers={"accept-language": "en"}).content.decode()
    assert 'value="expiring" checked' in text
    assert 'value="points_expiring">' in text
    browser.post(address, {"mails": ["expiring", "points_expiring"]})

    assert choices.refused(customer_id=anna.pk) == set()


def _with_user(customer: Customer):
    from loyalty.accounts.models import User

    user = User.objects.create_user(customer.email)
    Customer.objects.filter(pk=customer.pk).update(user=user)
    return user
