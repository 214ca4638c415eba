"""The one form in which an e-mail address or a phone number is stored and compared."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from loyalty.common.errors import DomainError

LONGEST_EMAIL = 254
DECORATION = re.compile(r"[\s().\-/\u00a0\u2010-\u2015]")
DIGITS = re.compile(r"\+?[0-9]{5,15}")


class InvalidEmail(DomainError):
    """The text is no e-mail address."""

    code = "invalid_email"


class InvalidPhone(DomainError):
    """The text is no phone number."""

    code = "invalid_phone"


def email(text: str | None) -> str | None:
    """The address without spaces around it; None when there is none. Its spelling is kept. Raises InvalidEmail."""
    address = (text or "").strip()
    if not address:
        return None
    try:
        validate_email(address)
    except ValidationError as error:
        raise InvalidEmail(f"{address[:80]!r} is not an e-mail address. Write one such as anna@example.com.") from error
    if len(address) > LONGEST_EMAIL:
        raise InvalidEmail(f"The e-mail address is longer than {LONGEST_EMAIL} characters.")
    return address


def phone(text: str | None) -> str | None:
    """The number as + and digits; None when there is none. Raises InvalidPhone.

    00 in front becomes +. A number without a country keeps its digits alone: to guess a country would be to invent one.
    """
    number = DECORATION.sub("", text or "")
    if not number:
        return None
    if number.startswith("00"):
        number = f"+{number[2:]}"
    if not DIGITS.fullmatch(number):
        raise InvalidPhone(
            _(
                "%(text)s is not a phone number. Write 5 to 15 digits, with the country in front, such as "
                "+48 501 234 567."
            )
            % {"text": repr((text or "").strip()[:40])}
        )
    return number
