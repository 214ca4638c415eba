"""Give the mails that are due to the mail server, one after the other. Not inside a transaction."""

import smtplib
from collections.abc import Callable
from datetime import datetime, timedelta
from email.errors import MessageError
from email.utils import formataddr, parseaddr

from django.conf import settings
from django.core import mail as django_mail
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend

from loyalty.common.clock import Stopwatch
from loyalty.messages import gate, layout, letters, outbox
from loyalty.messages.layout import Letter
from loyalty.messages.models import Mail, MailState

HELD_BACK = timedelta(seconds=30)  # a server that is away is asked no more often than that
PERMANENT = 500  # from here on a server means it
LOOK = "It may have been sent. Send it again only if it did not arrive."


class ServerAway(Exception):
    """The mail server cannot be reached; nothing was sent."""


def send_due(*, now: datetime, patience: float) -> int:
    """Send what is due for so many seconds; gives back how many were taken up. Ends early when the server is away."""
    watch, taken = Stopwatch(now), 0
    outbox.recover(now=now)
    while watch.elapsed < patience:
        mail = outbox.claim(now=watch.now)
        if mail is None:
            break
        taken += 1
        if mail.state != MailState.SENDING:
            continue
        try:
            send(mail=mail, watch=watch)
        except ServerAway:
            outbox.hold_back(until=watch.now + HELD_BACK, now=watch.now)
            break
    return taken


def send(*, mail: Mail, watch: Stopwatch) -> None:
    """Send one mail that we have claimed. Raises ServerAway."""
    try:
        letter = letters.compose(mail=mail, now=watch.now)
    except gate.NotToBeSent as reason:
        outbox.skip(mail=mail, reason=reason.sentence, now=watch.now)
        return
    message = written(mail, letter)
    try:
        message.message()  # what cannot be written is not handed over
    except (ValueError, MessageError) as error:
        outbox.refused(mail=mail, reason=f"It cannot be written as an e-mail: {_said(error)}.", now=watch.now)
        return
    server = django_mail.get_connection()
    try:
        server.open()
    except (OSError, smtplib.SMTPException) as error:  # nothing was handed over
        outbox.not_sent(mail=mail, reason=f"The mail server could not be reached: {_said(error)}", now=watch.now)
        raise ServerAway from error
    try:
        _hand_over(mail, letter, message, server, watch)
    finally:
        _close(server)


def written(mail: Mail, letter: Letter) -> EmailMultiAlternatives:
    """The message as the mail server gets it."""
    message = EmailMultiAlternatives(
        subject=letter.subject,
        body=letter.text,
        from_email=formataddr((letter.sender, parseaddr(settings.DEFAULT_FROM_EMAIL)[1])),
        to=[letter.address],
        reply_to=[letter.reply_to] if letter.reply_to else None,
        headers={"Message-ID": mail.message_id, "Auto-Submitted": "auto-generated", **_one_click(letter)},
    )
    message.attach_alternative(letter.html, "text/html")
    return message


def _one_click(letter: Letter) -> dict[str, str]:
    """The headers of RFC 8058, by which mail programs offer to unsubscribe."""
    if not letter.unsubscribe:
        return {}
    return {"List-Unsubscribe": f"<{letter.unsubscribe}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def _hand_over(
    mail: Mail, letter: Letter, message: EmailMultiAlternatives, server: BaseEmailBackend, watch: Stopwatch
) -> None:
    if not outbox.hand_over(
        mail=mail,
        address=letter.address,
        language=letter.language,
        subject=letter.subject,
        text=letter.kept_text,
        html=letter.kept_html,
        now=watch.now,
    ):
        return
    try:
        taken = server.send_messages([message])
    except smtplib.SMTPRecipientsRefused as error:
        code, answer = next(iter(error.recipients.values()))
        _answered(mail, code, answer, watch)
    except smtplib.SMTPResponseException as error:
        _answered(mail, error.smtp_code, error.smtp_error, watch)
    except smtplib.SMTPNotSupportedError as error:
        outbox.refused(mail=mail, reason=f"The mail server cannot send to this address: {_said(error)}", now=watch.now)
    except (OSError, smtplib.SMTPException) as error:
        reason = f"The connection to the mail server broke while it had the e-mail in hand: {_said(error)}"
        outbox.in_doubt(mail=mail, reason=f"{reason} {LOOK}", now=watch.now)
    else:
        if taken == 0:
            outbox.refused(mail=mail, reason="The mail server took no message, and did not say why.", now=watch.now)
        else:
            outbox.sent(mail=mail, now=watch.now)


def _answered(mail: Mail, code: int, answer: bytes | str, watch: Stopwatch) -> None:
    """The server said no, for now or for good."""
    said = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    reason = f"The mail server answered: {code} {layout.line(said)}"
    record: Callable[..., None] = outbox.refused if code >= PERMANENT else outbox.not_sent
    record(mail=mail, reason=reason, now=watch.now)


def _close(server: BaseEmailBackend) -> None:
    try:
        server.close()
    except (OSError, smtplib.SMTPException):
        return  # what became of the mail is known already


def _said(error: Exception) -> str:
    return layout.line(str(error))[:300] or type(error).__name__
