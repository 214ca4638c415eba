"""Mails about signing in: in the words of the texts, sent at once by the sign-in itself.

They stand in no outbox: a code or a link that is kept is a key that lies about.
"""

from collections.abc import Mapping
from email.utils import formataddr, parseaddr
from typing import Any

from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.utils.translation import get_language

from loyalty.accounts.adapter import AccountAdapter
from loyalty.messages import letters, sign_in_wording
from loyalty.messages.sign_in_wording import SignIn

# What allauth calls its mails → ours, and which word of its context stands for which of our names.
MAILS: Mapping[str, tuple[SignIn, Mapping[str, str]]] = {
    "account/email/login_code": (SignIn.CODE, {"code": "code"}),
    "account/email/email_confirmation": (SignIn.ADDRESS, {"code": "code"}),
    "account/email/email_confirmation_signup": (SignIn.ADDRESS, {"code": "code"}),
    "account/email/password_reset_key": (SignIn.PASSWORD, {"password_reset_url": "link"}),
    "account/email/unknown_account": (SignIn.NOBODY, {"email": "email"}),
}


class MailingAdapter(AccountAdapter):
    """Named by the setting ACCOUNT_ADAPTER."""

    def render_mail(
        self,
        template_prefix: str,
        email: str | list[str],
        context: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> EmailMessage:
        """The mail in the language of the page that asked for it."""
        if template_prefix not in MAILS:  # one that our settings never ask for
            plain: EmailMessage = super().render_mail(template_prefix, email, context, headers)
            return plain
        address = email if isinstance(email, str) else email[0]
        mail, names = MAILS[template_prefix]
        letter = letters.signing_in(
            mail=mail,
            language=language(),
            address=address,
            names={ours: str(context[theirs]) for theirs, ours in names.items()},
        )
        message = EmailMultiAlternatives(
            subject=letter.subject,
            body=letter.text,
            from_email=formataddr((letter.sender, parseaddr(self.get_from_email())[1])),
            to=[address],
            reply_to=[letter.reply_to] if letter.reply_to else None,
            headers={"Auto-Submitted": "auto-generated", **(headers or {})},
        )
        message.attach_alternative(letter.html, "text/html")
        return message


def language() -> str:
    """That of the page; English where the mails about signing in do not speak it."""
    asked = (get_language() or "en").partition("-")[0]
    return asked if asked in sign_in_wording.WORDS else "en"
