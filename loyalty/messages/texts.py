"""Whose words a mail has: the merchant's own where staff wrote some, else ours; and what may stand in them."""

import re
from datetime import datetime

from django.db import transaction

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.messages import wording
from loyalty.messages.editable import TEXTS, Text
from loyalty.messages.models import MailText
from loyalty.messages.wording import Words

LONGEST_LINE, LONGEST_BODY, LONGEST_BUTTON = 200, 4_000, 60  # letters


class TextRefused(DomainError):
    """Words that no mail can have. `field` says which of them: subject, heading, body or button."""

    code = "text_refused"

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


def words(*, kind: str, language: str) -> Words:
    """The words of one kind of mail in a language that it speaks: ours again where the merchant's cannot be used."""
    row = MailText.objects.filter(kind=kind, language=language).first()
    return TEXTS[kind].ours[language] if row is None or _refused(row) else _words(row)


def written(*, kind: str, language: str) -> tuple[Words | None, list[TextRefused]]:
    """What staff wrote, if they did, and why it cannot be used: kept words may outlive what they could fill in."""
    row = MailText.objects.filter(kind=kind, language=language).first()
    return (None, []) if row is None else (_words(row), _refused(row))


def own() -> set[tuple[str, str]]:
    """Kind and language of each text that staff wrote."""
    return set(MailText.objects.values_list("kind", "language"))


def checked(*, kind: str, subject: str, heading: str, body: str, button: str = "") -> tuple[Words, list[TextRefused]]:
    """The words as a mail would have them, and everything that is wrong with them."""
    text = TEXTS[kind]
    lines = tuple(line.strip() for line in body.splitlines() if line.strip())
    refused = [
        *_faults(text, "subject", subject, LONGEST_LINE),
        *_faults(text, "heading", heading, LONGEST_LINE),
        *_faults(text, "body", body, LONGEST_BODY),
        *(_faults(text, "button", button, LONGEST_BUTTON) if text.has_button else []),
        *(_key_faults(text, subject=subject, heading=heading, lines=lines) if text.key else []),
    ]
    button = button.strip() if text.has_button else ""
    return Words(subject=subject.strip(), heading=heading.strip(), lines=lines, button=button), refused


@transaction.atomic
def save(*, kind: str, language: str, written: Words, actor: Actor, now: datetime) -> None:
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
def reset(*, kind: str, language: str, actor: Actor, now: datetime) -> None:
    """Our words again. Without words of the merchant's nothing happens. Raises TextRefused."""
    _require_known(kind, language)
    row = MailText.objects.select_for_update().filter(kind=kind, language=language).first()
    if row is not None:
        pk = row.pk
        row.delete()
        _record("mail_text.reset", pk=pk, kind=kind, language=language, actor=actor, now=now)


def _words(row: MailText) -> Words:
    return Words(subject=row.subject, heading=row.heading, lines=tuple(row.body.splitlines()), button=row.button)


def _faults(known_as: Text, field: str, text: str, longest: int) -> list[TextRefused]:
    """What is wrong with one of the texts."""
    name, known = field.capitalize(), known_as.names
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


def _key_faults(text: Text, *, subject: str, heading: str, lines: tuple[str, ...]) -> list[TextRefused]:
    """Without its code or its link nobody gets in; anywhere else it is read on a locked screen, or cannot be clicked."""
    key = f"{{{text.key}}}"
    found = [
        TextRefused(
            field, f"{field.capitalize()}: {key} may not stand here. It belongs into the text, on its own line."
        )
        for field, said in (("subject", subject), ("heading", heading))
        if key in said
    ]
    if lines.count(key) != 1 or "\n".join(lines).count(key) != 1:
        found.append(
            TextRefused("body", f"Body: {key} must stand in it once, alone on a line: nobody gets in without.")
        )
    return found


def _refused(row: MailText) -> list[TextRefused]:
    return checked(kind=row.kind, subject=row.subject, heading=row.heading, body=row.body, button=row.button)[1]


def _require_known(kind: str, language: str) -> None:
    text = TEXTS.get(kind)
    if text is None:
        raise TextRefused("subject", f"The words of {kind!r} cannot be changed.")
    if language not in text.ours:
        spoken = ", ".join(text.ours)
        raise TextRefused("subject", f"“{text.label}” is not written in {language!r}. Its languages are {spoken}.")


def _record(event: str, *, pk: int, kind: str, language: str, actor: Actor, now: datetime) -> None:
    log.record(
        kind=event,
        subject_type="mail_text",
        subject_id=pk,
        actor=actor,
        now=now,
        mail=kind,
        language=language,
    )
