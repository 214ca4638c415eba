"""Amounts: whole minor units inside, decimal strings outside."""

import re

DIGITS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "KWD": 3, "BHD": 3, "JOD": 3, "OMR": 3, "TND": 3}
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


def digits(currency: str) -> int:
    return DIGITS.get(currency, 2)


def to_text(amount: int, currency: str) -> str:
    """1250 → "12.50"."""
    places = digits(currency)
    if places == 0:
        return str(amount)
    whole, part = divmod(amount, 10**places)
    return f"{whole}.{part:0{places}d}"


def from_text(text: str, currency: str) -> int:
    """Read 12.5 as 1250. Raises ValueError for anything but a non-negative decimal that the currency can hold."""
    match = re.fullmatch(r"(\d{1,9})(?:\.(\d{1,3}))?", text, re.ASCII)
    if match is None:
        raise ValueError(text)
    places = digits(currency)
    part = (match[2] or "").rstrip("0")
    if len(part) > places:
        raise ValueError(text)
    return int(match[1] + part.ljust(places, "0"))


def shown(amount: int, currency: str) -> str:
    """What people read: "$12.50"."""
    text = to_text(amount, currency)
    return f"{SYMBOLS[currency]}{text}" if currency in SYMBOLS else f"{text} {currency}"
