"""What the connection's settings say beyond address and token. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

COMPLETED = frozenset({2, 3, 8, 9, 10, 11})
KNOWN = frozenset(range(15))
NEVER_COMPLETED = frozenset({0, 1, 4, 5, 6, 13, 14})  # what these mean is not a matter of taste

_AMOUNT = re.compile(r"\d{1,9}(?:\.\d{1,3})?", re.ASCII)
_EMAIL = re.compile(r"[^\s@,;<>\"]{1,64}@[^\s@,;<>\"]+\.[^\s@,;<>\"]+")


class BadOption(ValueError):
    """A setting of the connection cannot be used; the text is a sentence for staff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings, understood. None and empty mean that they were not made."""

    delivery_cost: Decimal | None
    sender_email: str
    completed: frozenset[int]


def read(credentials: Mapping[str, str]) -> Options:
    """Raises BadOption."""
    return Options(
        delivery_cost=_delivery_cost(credentials.get("delivery_cost", "").strip()),
        sender_email=_sender(credentials.get("sender_email", "").strip()),
        completed=_completed(credentials.get("completed_statuses", "").strip()),
    )


def _delivery_cost(text: str) -> Decimal | None:
    if not text:
        return None
    if _AMOUNT.fullmatch(text) is None or not Decimal(text):
        raise BadOption(
            "The cost of delivery is not an amount above 0, such as 5.00. Correct it in the connection's settings."
        )
    return Decimal(text)


def _sender(text: str) -> str:
    if text and _EMAIL.fullmatch(text) is None:
        raise BadOption(
            "The sender of gift certificates is not an e-mail address. Correct it in the connection's settings."
        )
    return text


def _completed(text: str) -> frozenset[int]:
    if not text:
        return COMPLETED
    parts = [part.strip() for part in text.split(",")]
    chosen = {int(part) for part in parts if re.fullmatch(r"\d{1,2}", part, re.ASCII)}
    if len(chosen) != len(parts) or not chosen <= KNOWN - NEVER_COMPLETED:
        raise BadOption(
            "The completed order statuses must be numbers of BigCommerce's statuses with commas between them, out of "
            "2, 3, 7, 8, 9, 10, 11 and 12. Correct them in the connection's settings, or leave them empty."
        )
    return frozenset(chosen)
