"""HTML from the templates beside this file: every value is escaped unless it is markup already."""

import html
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "templates"


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def render(template: str, **values: Any) -> Markup:
    """The template with its {names} filled in."""
    return Markup(_source(template).format(**{name: _safe(value) for name, value in values.items()}))


def join(parts: Iterable[Markup]) -> Markup:
    return Markup("".join(parts))


def _safe(value: Any) -> str:
    return value if isinstance(value, Markup) else html.escape(str(value), quote=True)


@cache
def _source(template: str) -> str:
    return (TEMPLATES / f"{template}.html").read_text(encoding="utf-8").rstrip("\n")
