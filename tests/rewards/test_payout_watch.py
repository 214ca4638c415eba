"""A payout account that falls silent: told once, asked again though nothing waits there, and told when it answers."""

from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.urls import reverse
from django.utils import timezone

from loyalty.events.models import Event
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import MailKind, Programme
from loyalty.messages import letters, occasions
from loyalty.messages.models import Mail
from platforms import breaker, credentials
from platforms.models import PayoutHealth, PayoutIncident
from platforms.payouts import silent
from rewards import shop_watch
from tests.concurrency.races import race
from tests.factories.people import PayoutAccountFactory
from tests.fakes.misbehaving import misbehaving_server, reply
from tests.rewards.admin_rows import staff

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
OFFICE = ["office@example.com", "boss@example.com"]


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def account():
    return PayoutAccountFactory(
        name="Vouchers", provider="sandbox", base_url="http://127.0.0.1:9", credentials=credentials.seal({"token": "t"})
    )


def falls_silent(account, *, now):
    PayoutHealth.objects.create(account=account, failures=5, failing_since=now, opened_at=now, ask_at=now, pauses=1)
    breaker._known.clear()


def answers_again(*, now):
    PayoutHealth.objects.update(failures=0, failing_since=None, opened_at=None, ask_at=None, closed_at=now)


def told():
    events = Event.objects.filter(subject_type="payout_account", kind__startswith="payout_account.")
    return list(events.order_by("id").values_list("kind", flat=True))


def test_is_told_of_once_until_it_has_answered_for_a_while(account, now):
    falls_silent(account, now=now)
    shop_watch.watch(now=now)
    shop_watch.watch(now=now + MINUTE)
    answers_again(now=now + 2 * MINUTE)
    shop_watch.watch(now=now + 3 * MINUTE)
    assert told() == ["payout_account.unreachable"]

    shop_watch.watch(now=now + 5 * MINUTE)

    assert told() == ["payout_account.unreachable", "payout_account.answers_again"]
    incident = account.incidents.get()
    assert (incident.kind, incident.began_at, incident.ended_at) == ("unreachable", now, now + 5 * MINUTE)
    assert incident.detail.startswith("The payout account “Vouchers” has not answered since")


def test_that_refuses_us_is_told_of_and_one_that_is_switched_off_is_not(account, now):
    PayoutHealth.objects.create(account=account, refusals=3, refused_since=now, refused_at=now)
    off = PayoutAccountFactory(name="Old", enabled=False)
    falls_silent(off, now=now)

    shop_watch.watch(now=now)

    assert told() == ["payout_account.credentials_refused"]
    assert account.incidents.get().ended_at is None
    assert not off.incidents.exists()


def test_stands_open_once_in_the_database(account, now):
    PayoutIncident.objects.create(account=account, kind="unreachable", began_at=now)

    with pytest.raises(IntegrityError, match="payout_incident_open_once"):
        PayoutIncident.objects.create(account=account, kind="unreachable", began_at=now)


@pytest.mark.django_db(transaction=True)
def test_is_told_of_once_by_many_watchers_at_once(account, now):
    falls_silent(account, now=now)

    race(*[lambda: shop_watch.watch(now=now)] * 4)

    assert told() == ["payout_account.unreachable"]
    answers_again(now=now)
    race(*[lambda: shop_watch.watch(now=now + 5 * MINUTE)] * 4)
    assert told() == ["payout_account.unreachable", "payout_account.answers_again"]


def test_is_one_mail_to_each_address_of_the_back_office_which_leads_to_its_page(account, now):
    merchant.programme()
    Programme.objects.update(office_emails=OFFICE, language="de")
    falls_silent(account, now=now)
    shop_watch.watch(now=now)

    for _ in range(2):
        occasions.outbox.put(wanted=occasions.wanted_for(events=Event.objects.all(), now=now), now=now)

    mails = list(Mail.objects.filter(kind=MailKind.ALERT))
    assert sorted(mail.recipient for mail in mails) == sorted(OFFICE)
    letter = letters.compose(mail=mails[0], now=now)
    assert "Vouchers" in letter.subject
    assert "Das Auszahlungskonto antwortet nicht." in letter.text
    assert reverse("admin:platforms_payoutaccount_change", args=(account.pk,)) in letter.text


def test_is_asked_again_though_nothing_waits_there_and_not_before_its_time(account, now):
    falls_silent(account, now=now)
    with misbehaving_server(reply("200 OK", b'{"name": "Vouchers", "currency": "USD"}')) as server:
        type(account).objects.update(base_url=server.url)

        assert silent.ask(now=now - MINUTE) == 0
        assert silent.ask(now=now) == 1
        assert silent.ask(now=now) == 0

        assert len(server.requests) == 1
    health = PayoutHealth.objects.get()
    assert (health.opened_at, health.failures) == (None, 0)


def test_that_stays_silent_is_asked_ever_more_rarely(account, now):
    falls_silent(account, now=now)

    silent.ask(now=now)

    assert PayoutHealth.objects.get().ask_at >= now + breaker.pause(2)
    assert silent.ask(now=now + breaker.pause(1)) == 0


def test_shows_its_incidents_on_its_own_page(account, now):
    falls_silent(account, now=now)
    shop_watch.watch(now=now)

    page = staff("platforms.view_payoutaccount").get(
        reverse("admin:platforms_payoutaccount_change", args=(account.pk,))
    )

    shown = page.content.decode()
    assert "until now" in shown
    assert "Does not answer" in shown
