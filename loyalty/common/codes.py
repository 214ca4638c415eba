"""Codes people type: how they are made and how two spellings are known to be the same."""

import os
import secrets
import unicodedata
from collections.abc import Iterator

# No 0/O, 1/I/L: 31 characters, so ten carry 49.5 random bits and sixteen carry 79.3.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
RANDOM_CHARACTERS = 10
RANDOM_CHARACTERS_MONEY = 16
LONGEST = 20

# Random bytes to random characters: 248 of the 256 values are used, each character stands for 8 of them.
_EVEN = 256 - 256 % len(ALPHABET)
_CHARACTERS = bytes(ord(ALPHABET[value % len(ALPHABET)]) for value in range(256))
_LEFT_OUT = bytes(range(_EVEN, 256))


def canonical(code: str) -> str:
    """The one form in which a code is stored, compared and unique: trimmed, compatibility-folded, upper case."""
    return (code if code.isascii() else unicodedata.normalize("NFKC", code)).strip().upper()


def generate(*, prefix: str = "", money: bool = False) -> str:
    """A fresh random code such as `SUMMER-7KQ2M9XWPB`; sixteen random characters where the code is money itself."""
    beginning, length = _shape(prefix, money=money)
    return beginning + "".join(secrets.choice(ALPHABET) for _ in range(length))


def generate_many(*, count: int, prefix: str = "", money: bool = False) -> list[str]:
    """So many of them at once, from the same source and as random; two may be equal, as two single ones may."""
    beginning, length = _shape(prefix, money=money)
    characters = _random_characters(count * length)
    return [beginning + characters[start : start + length] for start in range(0, count * length, length)]


def _shape(prefix: str, *, money: bool) -> tuple[str, int]:
    """What a code begins with, and how many random characters follow."""
    length = RANDOM_CHARACTERS_MONEY if money else RANDOM_CHARACTERS
    beginning = f"{canonical(prefix)}-" if prefix else ""
    if len(beginning) + length > LONGEST:
        raise ValueError(
            f"A code of {len(beginning) + length} characters is longer than {LONGEST}: shorten the prefix {prefix!r}."
        )
    return beginning, length


def _random_characters(count: int) -> str:
    def drawn() -> Iterator[str]:
        missing = count
        while missing > 0:
            found = os.urandom(missing + missing // 16 + 16).translate(_CHARACTERS, _LEFT_OUT)[:missing]
            missing -= len(found)
            yield found.decode()

    return "".join(drawn())
