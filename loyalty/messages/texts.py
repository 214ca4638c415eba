"""Whose words a mail has: the merchant's own where staff wrote some, else ours; and what may stand in them."""

import re
from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant.models import CUSTOMER_MAILS, MailKind
from loyalty.messages import wording
from loyalty.messages.models import MailText
from loyalty.messages.wording import Words

EDITABLE = (*CUSTOMER_MAILS, MailKind.GIFT_REDEEMED, MailKind.CODES_LOW)
LONGEST_LINE, LONGEST_BODY, LONGEST_BUTTON = 200, 4_000, 60  # letters

# What each kind can fill in, with an example of each. `programme` is known to all of them.
EXAMPLES: Mapping[MailKind, Mapping[str, str]] = {
    MailKind.REDEEMED: {"reward": "$5 off"},
    MailKind.READY: {"reward": "$5 off"},
    MailKind.EXPIRING: {"reward": "$5 off", "last_day": "2031-12-31"},
    MailKind.SHIPPED: {"reward": "Blue mug"},
    MailKind.POINTS_EXPIRING: {"points": "250", "last_day": "2031-12-31"},
    MailKind.POINTS_ADJUSTED: {"change": "+250", "balance": "1,250"},
    MailKind.GIFT_REDEEMED: {"reward": "Blue mug", "number": "4711"},
    MailKind.CODES_LOW: {"reward": "$5 off", "left": "12"},
}


class TextRefused(DomainError):
    """Words that no mail can have. `field` says which of them: subject, heading, body or button."""

    code = "text_refused"

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


def words(*, kind: MailKind, language: str) -> Words:
    """The words of one kind of mail in a language that the mails speak."""
    row = MailText.objects.filter(kind=kind, language=language).first()
    return wording.WORDS[language][kind] if row is None else _words(row)


def own() -> set[tuple[str, str]]:
    """Kind and language of each text that staff wrote."""
    return set(MailText.objects.values_list("kind", "language"))


def placeholders(kind: MailKind) -> list[str]:
    """The names that may stand in braces in this kind of mail."""
    return [*EXAMPLES[kind], "programme"]


def checked(*, kind: MailKind, subject: str, heading: str, body: str, button: str) -> tuple[Words, list[TextRefused]]:
    """The words as a mail would have them, and everything that is wrong with them."""
    refused = [
        *_faults(kind, "subject", subject, LONGEST_LINE),
        *_faults(kind, "heading", heading, LONGEST_LINE),
        *_faults(kind, "body", body, LONGEST_BODY),
        *_faults(kind, "button", button, LONGEST_BUTTON),
    ]
    lines = tuple(line.strip() for line in body.splitlines() if line.strip())
    return Words(subject=subject.strip(), heading=heading.strip(), lines=lines, button=button.strip()), refused


@transaction.atomic
def save(*, kind: MailKind, language: str, written: Words, actor: Actor, now: datetime) -> None:
    """From now on mails of this kind say this in this language; those that wait as well. Raises TextRefused."""
    _require_known(kind, language)
    said = {"subject": written.subject, "heading": written.heading, "button": written.button}
    body = "\n".join(written.lines)
    _, refused = checked(kind=kind, body=body, **said)
    if refused:
        raise refused[0]
    row, _ = MailText.objects.update_or_create(
        kind=kind, language=language, defaults={**said, "body": body, "changed_at": now}
    )
    _record("mail_text.changed", pk=row.pk, kind=kind, language=language, actor=actor, now=now)


@transaction.atomic
def reset(*, kind: MailKind, language: str, actor: Actor, now: datetime) -> None:
    """Our words again. Without words of the merchant's nothing happens. Raises TextRefused."""
    _require_known(kind, language)
    row = MailText.objects.select_for_update().filter(kind=kind, language=language).first()
    if row is not None:
        pk = row.pk
        row.delete()
        _record("mail_text.reset", pk=pk, kind=kind, language=language, actor=actor, now=now)


def _words(row: MailText) -> Words:
    return Words(subject=row.subject, heading=row.heading, lines=tuple(row.body.splitlines()), button=row.button)


def _faults(kind: MailKind, field: str, text: str, longest: int) -> list[TextRefused]:
    """What is wrong with one of the texts."""
    name, known = field.capitalize(), placeholders(kind)
    listed = ", ".join(f"{{{each}}}" for each in known)
    found = [
        f"{name}: {{{each}}} is no placeholder of this e-mail. These are: {listed}."
        for each in dict.fromkeys(wording.NAME.findall(text))
        if each not in known
    ]
    if not text.strip():
        found.append(f"{name}: write something, or go back to our text.")
    if len(text) > longest:
        found.append(f"{name}: {len(text):,} letters are too many. At most {longest:,} fit.")
    if re.search(r"[{}]", wording.NAME.sub("", text)):
        found.append(f"{name}: a brace stands alone. Braces are for placeholders: {listed}.")
    if any(not (each.isprintable() or (each in "\r\n\t" and field == "body")) for each in text):
        found.append(f"{name}: it holds a character that cannot be seen. Type the text anew instead of pasting it.")
    return [TextRefused(field, sentence) for sentence in found]


def _require_known(kind: MailKind, language: str) -> None:
    if kind not in EDITABLE:
        raise TextRefused("subject", f"The words of “{kind.label}” cannot be changed.")
    if language not in wording.LANGUAGES:
        raise TextRefused("subject", f"The mails do not speak {language!r}. They speak {', '.join(wording.LANGUAGES)}.")


def _record(event: str, *, pk: int, kind: MailKind, language: str, actor: Actor, now: datetime) -> None:
    log.record(
        kind=event,
        subject_type="mail_text",
        subject_id=pk,
        actor=actor,
        now=now,
        mail=kind.value,
        language=language,
    )
