"""How a letter looks: what is said becomes text and page, with the merchant's colours, logo and name."""

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from loyalty.merchant import branding
from loyalty.merchant.models import Programme
from loyalty.messages import wording
from loyalty.messages.editable import Audience
from loyalty.messages.gate import Recipient
from loyalty.messages.wording import Words

HIDDEN = "••••••"  # what the outbox keeps of a code


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail as it goes out, and as it is kept."""

    address: str
    language: str
    sender: str
    reply_to: str
    subject: str
    text: str
    html: str
    kept_text: str
    kept_html: str
    unsubscribe: str = ""  # the address that stops mails like this one


@dataclass(slots=True, kw_only=True)
class Draft:
    """What is said in one kind of mail, before it becomes text and page."""

    words: Words
    names: dict[str, str]  # what the words' braces stand for
    key: str = ""  # which of them is shown large, or as a link, on its line
    facts: list[tuple[str, str]] = field(default_factory=list)
    code: str = ""
    links: list[str] = field(default_factory=list)  # of the button, and of a second one
    second: str = ""  # what the second one says
    passages: list[tuple[str, str]] = field(default_factory=list)  # heading and text, in the merchant's own words
    stop: str = ""  # the address that stops mails like this one


@dataclass(frozen=True, slots=True)
class Line:
    """A paragraph; `shown_as` is the name of the key that it is, else empty."""

    text: str
    shown_as: str = ""


def laid_out(
    *,
    draft: Draft,
    audience: Audience,
    programme: Programme,
    recipient: Recipient,
    language: str,
    reminder: bool = False,
) -> Letter:
    """The draft as text and page."""
    said = wording.PARTS[language]
    names = {"programme": line(programme.name), **draft.names}
    context = {
        "language": language,
        "heading": wording.filled(draft.words.heading, names),
        "hello": "" if audience is Audience.OFFICE else _hello(said, recipient.first_name),
        "lines": [_line(each, names, draft.key) for each in draft.words.lines],
        "facts": draft.facts,
        "code_label": said["code"],
        "code": draft.code,
        "buttons": list(zip((draft.words.button, draft.second), draft.links, strict=False)),
        "passages": [(heading, text.strip().splitlines()) for heading, text in draft.passages if text.strip()],
        "programme": line(programme.name),
        "questions": "" if audience is Audience.OFFICE else _questions(said, programme),
        "because": _because(said, audience, programme),
        **looks(programme),
        "stop": said["unsubscribe"] if reminder else "",
        "stop_address": draft.stop,
    }
    kept = context | {"code": HIDDEN if draft.code else "", "stop_address": ""}
    return Letter(
        address=recipient.address,
        language=language,
        sender=line(programme.name),
        reply_to=programme.reply_to or programme.support_email,
        subject=line(wording.filled(draft.words.subject, names)),
        text=render_to_string("messages/mail.txt", context),
        html=render_to_string("messages/mail.html", context),
        kept_text=render_to_string("messages/mail.txt", kept),
        kept_html=render_to_string("messages/mail.html", kept),
        unsubscribe=draft.stop,
    )


def line(text: str) -> str:
    """A text on one line, without anything that is not written: what stands in a header cannot begin another one."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:250]


def looks(programme: Programme) -> dict[str, Any]:
    """The merchant's colours and logo, as mail.css and the page of a mail take them: `colours` and `logo`."""
    return {"colours": branding.colours_of(programme=programme) or branding.OURS, "logo": _logo(programme)}


def _line(text: str, names: dict[str, str], key: str) -> Line:
    return Line(wording.filled(text, names), key if key and text == f"{{{key}}}" else "")


def _because(said: wording.Parts, audience: Audience, programme: Programme) -> str:
    """Why this mail came; who signs in knows."""
    if audience is Audience.SIGN_IN:
        return ""
    reason = said["because" if audience is Audience.CUSTOMER else "office"]
    return reason.format(programme=line(programme.name))


def _logo(programme: Programme) -> dict[str, object]:
    """Where the merchant's logo is, and how large it is shown; nothing where there is none."""
    brand = getattr(programme, "brand", None)
    if brand is None or not brand.logo_digest:
        return {}
    address = reverse("cockpit:brand_logo", args=[brand.logo_digest, brand.logo_kind])
    width, height = branding.fitted(brand, width=240, height=48)
    return {"address": f"{settings.PUBLIC_URL}{address}", "width": width, "height": height}


def _questions(said: wording.Parts, programme: Programme) -> str:
    return said["questions"].format(address=programme.support_email) if programme.support_email else ""


def _hello(said: wording.Parts, first_name: str) -> str:
    name = line(first_name)
    return said["hello"].format(first_name=name) if name else said["hello_nobody"]
