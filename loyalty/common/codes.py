"""Codes people type: how they are made and how two spellings are known to be the same."""

import secrets
import unicodedata

# No 0/O, 1/I/L: 31 characters, so ten carry 49.5 random bits and sixteen carry 79.3.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
RANDOM_CHARACTERS = 10
RANDOM_CHARACTERS_MONEY = 16
LONGEST = 20


def canonical(code: str) -> str:
    """The one form in which a code is stored, compared and unique: trimmed, compatibility-folded, upper case."""
    return unicodedata.normalize("NFKC", code).strip().upper()


def generate(*, prefix: str = "", money: bool = False) -> str:
    """A fresh random code such as `SUMMER-7KQ2M9XWPB`; sixteen random characters where the code is money itself."""
    length = RANDOM_CHARACTERS_MONEY if money else RANDOM_CHARACTERS
    random = "".join(secrets.choice(ALPHABET) for _ in range(length))
    code = f"{canonical(prefix)}-{random}" if prefix else random
    if len(code) > LONGEST:
        raise ValueError(f"A code of {len(code)} characters is longer than {LONGEST}: shorten the prefix {prefix!r}.")
    return code
