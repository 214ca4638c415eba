"""The one writer of the outbox: what is to be sent, whose turn it is, what became of it.

A mail is claimed, then handed over, then recorded, each in a transaction of its own with no network in it. Whoever dies
before the hand-over has sent nothing, and the mail waits again. Whoever dies after it may have: that mail reads "may have
been sent", and is not sent again by itself.
"""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from loyalty.common import queue
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant.models import MailKind
from loyalty.messages.models import UNDER_WAY, Mail, MailState

SAMPLE = "mail_text"  # what a test of one of the texts is about
LEASE = timedelta(minutes=4)  # longer than a task may live
PATIENCE = timedelta(days=2)  # of a mail whose server cannot be reached
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=2)
LOST_IN_HAND = (
    "It was handed to the mail server, and the sender ended before it heard the answer. Ask the recipient, or look in "
    "the log of the mail server; send it again only if it did not arrive."
)


class SendAgainRefused(DomainError):
    """This mail is not sent again now."""

    code = "send_again_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A reason for a mail. With `skipped` it stands in the outbox as one that is not sent."""

    kind: MailKind
    recipient: str
    about_type: str
    about_id: int
    window: str = ""
    customer_id: int | None = None
    event_id: int | None = None
    skipped: str = ""


def put(*, wanted: Sequence[Wanted], now: datetime) -> None:
    """Write down what is to be sent, in the caller's transaction. What stands there already stays as it is."""
    Mail.objects.bulk_create([_row(each, now) for each in wanted], ignore_conflicts=True)


@transaction.atomic
def put_test(*, address: str, token: uuid.UUID, now: datetime, kind: str = "", language: str = "") -> Mail:
    """A test to one address, of one text in one language where they are named.

    The token is the caller's name for it: the same one makes one mail.
    """
    about, window = (SAMPLE, f"{token.hex}:{kind}:{language}") if kind else ("programme", str(token))
    test = Wanted(kind=MailKind.TEST, recipient=address, about_type=about, about_id=1, window=window)
    put(wanted=[test], now=now)
    queue.enqueue("messages.send")
    return Mail.objects.get(kind=MailKind.TEST, recipient=address, window=window)


def claim(*, now: datetime) -> Mail | None:
    """The mail that is due longest, ours for a while; none when nothing is due that nobody else works on.

    Mails that waited beyond their deadline end here.
    """
    with transaction.atomic():
        due = Mail.objects.select_for_update(skip_locked=True).filter(state=MailState.WAITING, due_at__lte=now)
        mail = due.order_by("due_at", "pk").first()
        if mail is None:
            return None
        if now >= mail.deadline_at:
            _close(mail, MailState.FAILED, now=now, reason=_gave_up(mail))
            return mail
        mail.state, mail.claim, mail.claimed_until = MailState.SENDING, uuid.uuid4(), now + LEASE
        mail.attempts += 1
        mail.save(update_fields=["state", "claim", "claimed_until", "attempts"])
        return mail


@transaction.atomic
def hand_over(*, mail: Mail, address: str, language: str, subject: str, text: str, html: str, now: datetime) -> bool:
    """Note, before it happens, that the mail server gets it, and what. False: our claim is over, do not send."""
    row = _ours(mail)
    if row is None or row.handed_at is not None:
        return False
    row.handed_at, row.claimed_until = now, now + LEASE
    row.address, row.language, row.subject, row.text, row.html = address, language, subject, text, html
    row.save()
    return True


@transaction.atomic
def sent(*, mail: Mail, now: datetime) -> None:
    """The mail server took it. Also when that took so long that the mail was given up for lost meanwhile."""
    row = _ours(mail, also=MailState.UNKNOWN)
    if row is not None:
        row.sent_at = now
        _close(row, MailState.SENT, now=now)


@transaction.atomic
def not_sent(*, mail: Mail, reason: str, now: datetime) -> None:
    """It certainly was not sent, this time: again later, ever more rarely, until the deadline."""
    row = _ours(mail, also=MailState.UNKNOWN)
    if row is None:
        return
    row.handed_at = None
    if now >= row.deadline_at:
        row.reason = reason[:500]
        _close(row, MailState.FAILED, now=now, reason=_gave_up(row))
        return
    _wait(row, until=now + _pause(row.attempts), reason=reason)


@transaction.atomic
def refused(*, mail: Mail, reason: str, now: datetime) -> None:
    """It cannot be sent: the mail server says so for good, or it is no mail at all."""
    _end(mail, MailState.FAILED, reason, now=now)


@transaction.atomic
def skip(*, mail: Mail, reason: str, now: datetime) -> None:
    """It is not to be sent."""
    _end(mail, MailState.SKIPPED, reason, now=now)


@transaction.atomic
def in_doubt(*, mail: Mail, reason: str, now: datetime) -> None:
    """The mail server had it in hand and broke off: it may have been sent."""
    _end(mail, MailState.UNKNOWN, reason, now=now)


@transaction.atomic
def recover(*, now: datetime, limit: int = 500) -> int:
    """Look after mails whose sender died; gives back how many there were."""
    late = Mail.objects.select_for_update(skip_locked=True).filter(state=MailState.SENDING, claimed_until__lte=now)
    rows = list(late.order_by("pk")[:limit])
    for row in rows:
        if row.handed_at is None:
            _wait(row, until=now, reason=row.reason)
        else:
            _close(row, MailState.UNKNOWN, now=now, reason=LOST_IN_HAND, keep_claim=True)
    return len(rows)


def hold_back(*, until: datetime, now: datetime) -> None:
    """Let everything that is due wait: the mail server cannot be reached, and need not be asked for each."""
    Mail.objects.filter(state=MailState.WAITING, due_at__lte=now).update(due_at=until)


@transaction.atomic
def send_again(*, mail_id: int, shown: str, actor: Actor, now: datetime) -> Mail:
    """Send a mail once more. `shown` is the fingerprint of what the person saw, so that two clicks are one.

    One that was sent is sent anew, as a mail of its own. Any other goes on under its old Message-ID: a server that has it
    after all can tell. Raises SendAgainRefused.
    """
    mail = Mail.objects.select_for_update().get(pk=mail_id)
    if sentence := refusal(mail=mail):
        raise SendAgainRefused(sentence)
    if shown != fingerprint(mail=mail):
        raise SendAgainRefused("Something happened to this e-mail since you looked at it. Look again, then decide.")
    again = _copy(mail, now) if mail.state == MailState.SENT else mail
    if again is mail:
        mail.deadline_at, mail.closed_at, mail.handed_at = now + PATIENCE, None, None
        _wait(mail, until=now, reason="")
    log.record(
        kind="mail.sent_again",
        subject_type="mail",
        subject_id=mail.pk,
        customer_id=mail.customer_id,
        actor=actor,
        now=now,
        as_mail=again.pk,
    )
    queue.enqueue("messages.send")
    return again


def fingerprint(*, mail: Mail) -> str:
    """What changes whenever something happens to a mail."""
    return f"{mail.state}-{mail.attempts}-{(mail.again_of or mail).again.count()}"


def refusal(*, mail: Mail) -> str:
    """Why it is not sent again; empty when it can be."""
    if mail.state in UNDER_WAY:
        return "This e-mail is still under way: it is sent by itself."
    return ""


def forget_texts(*, now: datetime, limit: int = 5_000) -> int:
    """Forget what mails said and where they went once they are old; what they were about stays."""
    old = Q(closed_at__lt=now - timedelta(days=settings.MAIL_TEXTS_KEPT_DAYS)) & (~Q(text="") | ~Q(address=""))
    rows = Mail.objects.filter(old).order_by("closed_at").values("pk")[:limit]
    return Mail.objects.filter(pk__in=rows).update(address="", subject="", text="", html="")


def new_message_id() -> str:
    """A name for a message that no other has."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    return f"<{uuid.uuid4()}@{domain}>"


def _row(wanted: Wanted, now: datetime) -> Mail:
    return Mail(
        kind=wanted.kind,
        recipient=wanted.recipient,
        customer_id=wanted.customer_id,
        about_type=wanted.about_type,
        about_id=wanted.about_id,
        window=wanted.window,
        event_id=wanted.event_id,
        message_id=new_message_id(),
        state=MailState.SKIPPED if wanted.skipped else MailState.WAITING,
        reason=wanted.skipped,
        due_at=None if wanted.skipped else now,
        closed_at=now if wanted.skipped else None,
        deadline_at=now + PATIENCE,
        created_at=now,
    )


def _copy(mail: Mail, now: datetime) -> Mail:
    first = mail.again_of or mail
    copy = _row(
        Wanted(
            kind=MailKind(mail.kind),
            recipient=mail.recipient,
            customer_id=mail.customer_id,
            about_type=mail.about_type,
            about_id=mail.about_id,
            window=f"{first.window}#{first.again.count() + 1}",
            event_id=mail.event_id,
        ),
        now,
    )
    copy.again_of = first
    copy.save()
    return copy


def _ours(mail: Mail, *, also: MailState = MailState.SENDING) -> Mail | None:
    """The row, locked, if our claim still stands."""
    states = {MailState.SENDING, also}
    return Mail.objects.select_for_update().filter(pk=mail.pk, claim=mail.claim, state__in=states).first()


def _end(mail: Mail, state: MailState, reason: str, *, now: datetime) -> None:
    row = _ours(mail, also=MailState.UNKNOWN)
    if row is not None:
        _close(row, state, now=now, reason=reason)


def _close(row: Mail, state: MailState, *, now: datetime, reason: str = "", keep_claim: bool = False) -> None:
    row.state, row.reason, row.closed_at, row.due_at = state, reason[:500], now, None
    if not keep_claim:
        row.claim = row.claimed_until = None
    row.save()


def _wait(row: Mail, *, until: datetime, reason: str) -> None:
    row.state, row.due_at, row.reason = MailState.WAITING, until, reason[:500]
    row.claim = row.claimed_until = row.closed_at = None
    row.save()


def _pause(attempts: int) -> timedelta:
    longest: timedelta = min(FIRST_WAIT * 2 ** min(attempts - 1, 20), LONGEST_WAIT)
    return longest * random.uniform(0.8, 1.2)  # noqa: S311 (spreads the load, keeps no secret)


def _gave_up(mail: Mail) -> str:
    last = f" The last answer: {mail.reason}" if mail.reason else ""
    return f"It could not be sent in {PATIENCE.days} days, in {mail.attempts} attempts.{last}"[:500]
