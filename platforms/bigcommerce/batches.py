"""What a call for many codes asks of BigCommerce's generator, and what the generator says it made. Pure."""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from loyalty.common.codes import ALPHABET
from platforms.adapter import CodeSpec, DiscountKind, Refusal
from platforms.bigcommerce import codes, fields
from platforms.bigcommerce.codes import CannotMake

MOST = 250  # codes of one call
KINDS = frozenset(DiscountKind) - {DiscountKind.GIFT_CARD}
EXCLUDED = sorted(set(string.ascii_uppercase + string.digits) - set(ALPHABET))

_SHAPE = re.compile(r"(?:([A-Z0-9_-]{1,20})-)?([A-Z0-9]{6,16})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """So many codes of the same terms. Their texts are the shop's: the prefix, and that many random characters."""

    spec: CodeSpec  # the first of them, for the terms that all share
    count: int
    prefix: str
    length: int

    @property
    def body(self) -> dict[str, Any]:
        """What the generator is sent: each code for one use, of letters and digits that nobody takes for others."""
        body: dict[str, Any] = {
            "batch_size": self.count,
            "max_uses": 1,
            "max_uses_per_customer": 1,
            "code_length": self.length,
            "exclude_characters": EXCLUDED,
        }
        return body | {"prefix": self.prefix, "delimiter": "-"} if self.prefix else body


def read(specs: Sequence[CodeSpec], *, currency: str) -> Batch:
    """Raises CannotMake for codes that cannot stand under one promotion."""
    first = specs[0]
    if len(specs) > MOST:
        raise CannotMake(f"BigCommerce makes at most {MOST} codes in one call, not {len(specs)}. Ask for fewer.")
    if first.kind not in KINDS:
        raise CannotMake("BigCommerce makes each gift certificate by itself, not in bulk.", Refusal.UNSUPPORTED)
    if not first.in_bulk or first.customer_email is not None:
        raise CannotMake(
            "Codes under one promotion are for anybody: one that is a single customer's is made by itself."
        )
    if any(replace(spec, code=first.code, title=first.title) != first for spec in specs):
        raise CannotMake(
            "Codes under one promotion share all its terms, and these differ. Make them in calls of their own."
        )
    shapes = {_shape(spec.code) for spec in specs}
    if len(shapes) > 1:
        raise CannotMake(
            "Codes of one call have one prefix and one length, and these differ. Make them in several calls."
        )
    codes.check(first, currency=currency)
    prefix, length = shapes.pop()
    return Batch(spec=first, count=len(specs), prefix=prefix, length=length)


def _shape(code: str) -> tuple[str, int]:
    """What comes before the last hyphen, and how many characters after it. Raises CannotMake."""
    found = _SHAPE.fullmatch(code)
    if found is None:
        raise CannotMake(
            "BigCommerce makes codes of 6 to 16 letters and digits behind a prefix of at most 20 capital letters, digits, "
            "hyphens and underscores. Correct the prefix."
        )
    return found[1] or "", len(found[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the generator says of the codes it made."""

    texts: tuple[str, ...]
    most_uses: int | None  # of each; 0 for any number, None where it does not say


def made(data: Any) -> Made:
    """Raises Unreadable."""
    inside = fields.inside(data)
    listed = fields.entries({"data": inside.get("codes")})
    texts = tuple(fields.text(entry, "code", longest=50) for entry in listed)
    if len({text.casefold() for text in texts}) < len(texts) or not all(map(codes.ALPHABET.fullmatch, texts)):
        raise fields.Unreadable("a code that was made is not one")
    return Made(texts=texts, most_uses=None if inside.get("max_uses") is None else fields.count(inside, "max_uses"))
