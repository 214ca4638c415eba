"""What an e-mail says, shown safely: in a frame that may do nothing, with the one style sheet of ours."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from django.template.loader import render_to_string

from loyalty.messages import gate, letters
from loyalty.messages.models import UNDER_WAY, Mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The words of a mail, or why there are none."""

    heading: str
    subject: str = ""
    text: str = ""
    html: str = ""
    nothing: str = ""


def of(mail: Mail, *, now: datetime) -> Preview:
    """What was sent; for one that was not, what would be sent now."""
    if mail.html:
        return Preview(heading="What it says", subject=mail.subject, text=mail.text, html=mail.html)
    if mail.handed_at is not None:
        return Preview(heading="What it said", nothing="Its words were forgotten, because it is old.")
    heading = "What it will say" if mail.state in UNDER_WAY else "What it would say now"
    try:
        letter = letters.compose(mail=mail, now=now)
    except gate.NotToBeSent as reason:
        return Preview(heading=heading, nothing=f"It would not be sent: {reason.sentence}")
    return Preview(heading=heading, subject=letter.subject, text=letter.kept_text, html=letter.kept_html)


@cache
def style_source() -> str:
    """How the policy of a page names the style sheet of our mails: a frame without an address of its own obeys it."""
    digest = hashlib.sha256(render_to_string("messages/mail.css").encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
