"""Sending: each mail once, over a real mail server that refuses, stalls and hangs up; and honest where nobody can know."""

import smtplib
import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.customers import profile
from loyalty.events.models import Event
from loyalty.merchant.models import MailKind
from loyalty.messages import outbox, sending
from loyalty.messages.models import Mail
from loyalty.messages.outbox import SendAgainRefused
from rewards import cancellation
from tests.concurrency.races import race
from tests.journeys.worker import ROOT, running_worker, wait_for
from tests.messages.conftest import NOW, OFFICE, queued, send

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)
SENDER = "import django; django.setup(); from django.utils import timezone; from loyalty.messages import sending; "
SENDER += "sending.send_due(now=timezone.now(), patience=20)"


@pytest.fixture
def mail(programme):
    return queued(MailKind.TEST)


@pytest.fixture
def in_outbox(redeemed, read):
    """A mail to Anna, who redeemed something."""
    redeemed()
    read()
    return Mail.objects.get()


def fresh(mail: Mail) -> Mail:
    mail.refresh_from_db()
    return mail


def again(mail: Mail, now=NOW) -> Mail:
    shown = outbox.fingerprint(mail=fresh(mail))
    return outbox.send_again(mail_id=mail.pk, shown=shown, actor=actors.staff(1), now=now)


def test_hands_the_mail_to_the_server_and_notes_it(mail, mail_server):
    assert send() == 1

    (taken,) = mail_server.taken
    assert (taken["To"], taken["Subject"]) == (OFFICE, "Test from Stars")
    assert (taken["Message-ID"], taken["Reply-To"]) == (mail.message_id, "help@example.com")
    assert taken["From"].startswith("Stars <")
    assert fresh(mail).state == "sent"
    assert mail.address == OFFICE
    assert "This is a test" in mail.text
    assert send() == 0


def test_two_senders_at_once_send_each_mail_once(programme, mail_server):
    mails = [queued(MailKind.TEST, window=str(number)) for number in range(12)]

    results = race(*[send] * 4)

    assert sum(results) == 12
    assert sorted(mail_server.ids()) == sorted(mail.message_id for mail in mails)
    assert set(Mail.objects.values_list("state", flat=True)) == {"sent"}


def test_a_server_that_is_away_is_asked_again_later_and_not_for_each_mail(programme, mail_server, settings):
    mails = [queued(MailKind.TEST, window=str(number)) for number in range(3)]
    settings.EMAIL_PORT = 9

    assert send() == 1
    assert [fresh(each).state for each in mails] == ["waiting"] * 3
    assert "could not be reached" in mails[0].reason
    assert send() == 0

    settings.EMAIL_PORT = mail_server.port
    assert send(NOW + 3 * MINUTE) == 3
    assert len(mail_server.taken) == 3


def test_waits_grow_until_the_deadline_and_then_it_fails_with_the_last_answer(mail, mail_server):
    mail_server.answers["RCPT"] = "451 greylisted, come back"
    now, waits = NOW, []
    while send(now):
        waits.append((fresh(mail).due_at or now) - now)
        now = mail.due_at or now

    assert mail.state == "failed"
    assert "in 2 days" in mail.reason
    assert "451 greylisted, come back" in mail.reason
    assert waits[0] < 2 * MINUTE
    assert waits[4] > 10 * MINUTE
    assert max(waits) < timedelta(hours=3)
    assert mail_server.taken == []


@pytest.mark.parametrize("command", ["RCPT", "DATA", "MAIL", "TAKEN"])
def test_a_refusal_for_good_fails_at_once_with_the_words_of_the_server(mail, mail_server, command):
    mail_server.answers[command] = "550 no such user here"

    send()

    assert fresh(mail).state == "failed"
    assert mail.reason == "The mail server answered: 550 no such user here"


def test_a_server_that_hangs_up_with_the_mail_in_hand_leaves_it_in_doubt(mail, mail_server):
    mail_server.after_taking = "drop"

    send()

    assert fresh(mail).state == "unknown"
    assert "may have been sent" in mail.reason
    assert [send(NOW + timedelta(hours=hour)) for hour in (1, 50)] == [0, 0]
    assert len(mail_server.taken) == 1


def test_killed_between_hand_over_and_recording_it_reads_may_have_been_sent(
    programme, mail_server, process_environment
):
    outbox.put(wanted=[outbox.Wanted(kind=MailKind.TEST, recipient=OFFICE, about_type="programme", about_id=1)],
               now=timezone.now())  # fmt: skip
    mail, now = Mail.objects.get(), timezone.now()
    mail_server.after_taking = "hang"
    environment = process_environment | {"EMAIL_URL": mail_server.url, "EMAIL_TIMEOUT": "60"}
    sender = subprocess.Popen([sys.executable, "-c", SENDER], cwd=ROOT, env=environment)
    wait_for(lambda: mail_server.taken, what="the server to have the mail")
    sender.kill()
    sender.wait()
    mail_server.after_taking = ""

    assert send(now + MINUTE) == 0
    assert fresh(mail).state == "sending"
    assert send(now + 10 * MINUTE) == 0
    assert fresh(mail).state == "unknown"
    assert "handed to the mail server" in mail.reason

    again(mail, now + 11 * MINUTE)
    send(now + 11 * MINUTE)

    assert fresh(mail).state == "sent"
    assert mail_server.ids() == [mail.message_id] * 2  # the same name: a server can tell


def test_killed_before_the_hand_over_it_is_sent_by_the_next(mail, mail_server):
    claimed = outbox.claim(now=NOW)
    assert send(NOW + MINUTE) == 0

    assert send(NOW + 5 * MINUTE) == 1

    assert mail_server.ids() == [mail.message_id]
    assert not outbox.hand_over(
        mail=claimed, address=OFFICE, language="en", subject="", text="", html="", now=NOW + 6 * MINUTE
    )


def test_an_answer_that_comes_after_the_mail_was_given_up_for_lost_still_counts(mail):
    claimed = outbox.claim(now=NOW)
    outbox.hand_over(mail=claimed, address=OFFICE, language="en", subject="s", text="t", html="h", now=NOW)
    outbox.recover(now=NOW + 5 * MINUTE)
    assert fresh(mail).state == "unknown"

    outbox.sent(mail=claimed, now=NOW + 6 * MINUTE)

    assert fresh(mail).state == "sent"


@pytest.mark.faults
def test_a_dead_worker_loses_no_mail(redeemed, mail_server, process_environment, tmp_path):
    environment = process_environment | {"EMAIL_URL": mail_server.url}
    with running_worker(tmp_path, environment) as worker:
        worker.kill()
        redeemed(now=timezone.now())
        assert not Mail.objects.exists()

        worker.start()

        wait_for(lambda: Mail.objects.filter(state="sent").exists(), seconds=40, what="the mail to be sent")
    assert [message["To"] for message in mail_server.taken] == ["anna@example.com"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"state": "disabled"}, "The customer is excluded from the programme."),
        ({"anonymised_at": NOW}, "What was known of the customer has been erased."),
        ({"email": None}, "No e-mail address of the customer is known."),
        ({"state": "candidate"}, "The customer is a guest, not a member of the programme."),
    ],
)
def test_nobody_is_written_to_who_left_after_the_mail_was_put_into_the_outbox(in_outbox, mail_server, change, reason):
    type(in_outbox.customer).objects.filter(pk=in_outbox.customer_id).update(**change)

    send()

    mail = Mail.objects.get()
    assert (mail.state, mail.reason, mail.text) == ("skipped", reason, "")
    assert mail_server.taken == []


def test_kinds_that_are_switched_off_are_not_sent_and_say_so(redeemed, read, programme, mail_server):
    redeemed()
    read()
    programme.mails_off = ["redeemed"]
    programme.save()

    send()

    assert Mail.objects.get().reason == "E-mails of this kind are switched off in the programme's settings."
    assert mail_server.taken == []


def test_a_reward_that_is_gone_by_then_is_not_announced(granted, read, mail_server):
    reward = granted()
    read()
    cancellation.cancel(redeemed_reward_id=reward.pk, actor=actors.staff(1), now=NOW)

    send()

    assert Mail.objects.get().reason == "The reward was canceled before the e-mail was sent."
    assert mail_server.taken == []


def test_the_address_is_the_one_the_customer_has_when_it_is_sent(redeemed, read, anna, mail_server):
    redeemed()
    read()
    profile.update(customer_id=anna.pk, email="new@example.com", actor=actors.staff(1), now=NOW)

    send()

    assert mail_server.taken[0]["To"] == "new@example.com"


def test_a_mail_that_was_sent_is_sent_anew_under_another_name_once_for_two_clicks(mail, mail_server):
    send()
    shown = outbox.fingerprint(mail=fresh(mail))

    second = outbox.send_again(mail_id=mail.pk, shown=shown, actor=actors.staff(7), now=NOW)
    with pytest.raises(SendAgainRefused):
        outbox.send_again(mail_id=mail.pk, shown=shown, actor=actors.staff(7), now=NOW)
    send()

    assert mail_server.ids() == [mail.message_id, second.message_id]
    assert Event.objects.get(kind="mail.sent_again").actor_id == 7


def test_a_mail_under_way_is_not_sent_again(mail):
    with pytest.raises(SendAgainRefused, match="still under way"):
        again(mail)


def test_texts_are_forgotten_once_they_are_old(mail, mail_server, settings):
    send()

    assert outbox.forget_texts(now=NOW + timedelta(days=settings.MAIL_TEXTS_KEPT_DAYS - 1)) == 0
    assert outbox.forget_texts(now=NOW + timedelta(days=settings.MAIL_TEXTS_KEPT_DAYS + 1)) == 1

    assert (fresh(mail).state, mail.address, mail.subject, mail.text, mail.html) == ("sent", "", "", "", "")


def test_any_backend_of_django_will_do(mail, settings, mailoutbox):
    send()

    assert [message.extra_headers["Message-ID"] for message in mailoutbox] == [mail.message_id]
    assert fresh(mail).state == "sent"


def test_an_error_that_nobody_foresaw_after_the_hand_over_ends_in_doubt(mail, mail_server, monkeypatch):
    monkeypatch.setattr(smtplib.SMTP, "sendmail", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        send()

    sending.send_due(now=NOW + 5 * MINUTE, patience=5)

    assert fresh(mail).state == "unknown"
