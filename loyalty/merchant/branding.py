"""The merchant's look: name, logo and colours, for the customers' pages and the mails."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.db import transaction

from loyalty.common.errors import DomainError
from loyalty.merchant import colours, pictures, queries
from loyalty.merchant.colours import DARK, LIGHT, Palette
from loyalty.merchant.models import Brand, Programme

_LIGHT = Palette("#0f5c5c", "#0a4444", "#ffffff", "#e2efed", "#0d4f3f", "#17735c", "#d3ece2")
_DARK = Palette("#6cc5bd", "#93e8ca", "#0c1f1e", "#1e3a39", "#0d3f33", "#14594a", "#c4e4d8")


Words = Mapping[str, Mapping[str, str]]
LOGO = {"logo": b"", "logo_kind": "", "logo_digest": "", "logo_width": 0, "logo_height": 0}


class ColourRefused(DomainError):
    """A colour that is none, or that not everybody could read. `field` says which."""

    code = "colour_refused"

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True, slots=True)
class Colours:
    """The two palettes that follow from the merchant's colours."""

    light: Palette
    dark: Palette

    @property
    def digest(self) -> str:
        return hashlib.sha256(stylesheet(self).encode()).hexdigest()[:20]


OURS = Colours(_LIGHT, _DARK)  # of mails; the pages have theirs in cockpit.css


def colours_of(*, programme: Programme) -> Colours | None:
    """None: ours."""
    brand: Brand | None = getattr(programme, "brand", None)
    return made(brand.accent, brand.accent_dark) if brand is not None and brand.accent else None


@lru_cache(maxsize=64)
def made(accent: str, accent_dark: str) -> Colours:
    """The palettes of colours that can be read; the dark one is made from the other where it is empty."""
    dark = colours.readable(accent_dark or accent, DARK)
    return Colours(colours.palette(colours.readable(accent, LIGHT), LIGHT), colours.palette(dark, DARK))


def require_readable(*, accent: str, accent_dark: str) -> list[ColourRefused]:
    """What is wrong with the colours: a sentence each, with the nearest colour that would do."""
    refused = []
    for field, colour, scheme in (("accent", accent, LIGHT), ("accent_dark", accent_dark, DARK)):
        if colour and not colours.COLOUR.fullmatch(colour):
            refused.append(ColourRefused(field, f"{colour[:20]!r} is no colour. Write one as #0f5c49."))
        elif colour and (fault := colours.unreadable(colour, scheme)):
            refused.append(ColourRefused(field, fault.sentence))
    if accent_dark and not accent:
        refused.append(ColourRefused("accent", "Choose this colour as well: the one of dark pages belongs to it."))
    return refused


def stylesheet(wanted: Colours) -> str:
    """What is loaded after cockpit.css."""
    return f":root{{{tokens(wanted.light)}}}@media (prefers-color-scheme:dark){{:root{{{tokens(wanted.dark)}}}}}\n"


def preview_sheet(wanted: Colours) -> str:
    """Both schemes beside each other, whatever the browser wishes: for a page that shows what would be."""
    return "".join(
        f".on-{scheme.name}{{--ground:{scheme.grounds[0]};--surface:{scheme.grounds[1]};--ink:{scheme.ink};"
        f"--ink-soft:{scheme.ink_soft};--line:{scheme.line};{tokens(palette)}"
        f"background:{scheme.grounds[0]};color:{scheme.ink};color-scheme:{scheme.name}}}\n"
        for scheme, palette in ((LIGHT, wanted.light), (DARK, wanted.dark))
    )


def tokens(palette: Palette) -> str:
    named = {name: getattr(palette, name) for name in Palette.__slots__}
    return "".join(f"--{name.replace('_', '-')}:{colour};" for name, colour in named.items())


@transaction.atomic
def save(
    *, accent: str, accent_dark: str, home_text: str, logo: bytes | None, now: datetime, words: Words | None = None
) -> Brand:
    """Change the look. `logo` is what was uploaded: b"" takes it away, None leaves it.

    `words` are those in further languages: language → name → text, see own_words. None leaves them, empty ones go.

    Raises ColourRefused, PictureRefused; then nothing changes.
    """
    refused = require_readable(accent=accent, accent_dark=accent_dark)
    if refused:
        raise refused[0]
    changes: dict[str, object] = {"accent": accent, "accent_dark": accent_dark, "home_text": home_text.strip()}
    if words is not None:
        changes["words"] = {code: kept for code, said in words.items() if (kept := _said(said))}
    if logo is not None:
        changes |= _logo(logo)
    brand, _ = Brand.objects.update_or_create(
        programme_id=queries.programme().pk, defaults={**changes, "changed_at": now}
    )
    return brand


def fitted(brand: Brand, *, width: int, height: int) -> tuple[int, int]:
    """Width and height in which the logo is shown so that it fits into these."""
    scale = min(width / brand.logo_width, height / brand.logo_height, 1)
    return max(1, round(brand.logo_width * scale)), max(1, round(brand.logo_height * scale))


def _said(words: Mapping[str, str]) -> dict[str, str]:
    return {name: text.strip() for name, text in words.items() if text.strip()}


def _logo(data: bytes) -> dict[str, object]:
    if not data:
        return LOGO
    picture = pictures.read(data)
    return {
        "logo": picture.data,
        "logo_kind": picture.kind,
        "logo_digest": hashlib.sha256(picture.data).hexdigest()[:20],
        "logo_width": picture.width,
        "logo_height": picture.height,
    }
