"""What may be kept of a shop's answer: short, without secrets or personal data, and such as a database stores."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

LONGEST_EXCERPT = 500
HIDDEN = "[hidden]"

_PRIVATE_KEY = re.compile(
    r"e-?mail|phone|(first|last|full|sur|given|family|user).?name|surname|address|street|city|post.?code|zip"
    r"|billing|shipping.?to|^customer$|token|secret|password|authori[sz]ation|api.?key|cookie|note|ip$",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[^\s\"'<>@,;:]{1,64}@[^\s\"'<>@,;:]{1,255}")
_BEARER = re.compile(r"\b(bearer|basic)\s+\S+", re.IGNORECASE)


def excerpt_of(answer: Any, *, secrets: Iterable[str]) -> str:
    """At most 500 characters of a parsed JSON value or of raw bytes, without `secrets`, addresses or names."""
    if isinstance(answer, bytes):
        text = answer[: 4 * LONGEST_EXCERPT].decode("utf-8", "replace")
    else:
        text = json.dumps(_without_private(answer, depth=0), ensure_ascii=False, default=str)
    return _clean(text, secrets=secrets)[:LONGEST_EXCERPT]


def said(message: Any, *, secrets: Iterable[str], longest: int = 200) -> str:
    """What the shop says, fit to stand in a sentence for staff; empty when it is no text."""
    return _clean(message[:2000], secrets=secrets)[:longest] if isinstance(message, str) else ""


def is_plain(text: Any, *, longest: int = 1000) -> bool:
    """Whether it is a text of that length which a database stores: no NUL, no half of a character."""
    return (
        isinstance(text, str)
        and len(text) <= longest
        and "\x00" not in text
        and (text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text))
    )


@lru_cache(maxsize=1024)
def _is_private(key: str) -> bool:
    return _PRIVATE_KEY.search(key) is not None


def _clean(text: str, *, secrets: Iterable[str]) -> str:
    """On one line, without secrets, addresses and what cannot be shown."""
    # Long secrets first, so that one that contains another leaves nothing behind.
    for secret in sorted((entry for entry in secrets if len(entry) >= 4), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _BEARER.sub(rf"\1 {HIDDEN}", _EMAIL.sub(HIDDEN, text))
    shown = text if text.isprintable() else "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(shown.split())


def _without_private(value: Any, *, depth: int) -> Any:
    """A copy that is cut to what an excerpt can show: few entries, few levels, no private fields."""
    if depth > 6:
        return "…"
    if isinstance(value, Mapping):
        return {
            str(key): HIDDEN if _is_private(str(key)) else _without_private(entry, depth=depth + 1)
            for key, entry in list(value.items())[:40]
        }
    if isinstance(value, list):
        return [_without_private(entry, depth=depth + 1) for entry in value[:5]]
    return value[: 2 * LONGEST_EXCERPT] if isinstance(value, str) else value
