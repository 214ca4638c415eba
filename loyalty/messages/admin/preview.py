"""What an e-mail says, shown safely: in a frame that may do nothing, with the one style sheet of ours."""

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

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


def style_source(html: str) -> str:
    """How the policy of a page names the style sheet of a mail: a frame without an address of its own obeys it.

    The first one is ours, also in mails of an earlier release: what people wrote is escaped, and stands below it.
    """
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = hashlib.sha256((style[1] if style else "").encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
