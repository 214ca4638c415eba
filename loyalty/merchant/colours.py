"""Colours that everybody can read: contrast as WCAG 2.2 measures it, and the palette that follows from one colour. Pure.

A colour is "#rrggbb" in small letters.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

WORDS, PARTS = 4.5, 3.0  # the least contrast of words, and of parts one must see
BLACK, WHITE = "#000000", "#ffffff"
STEPS = 255
SUN = "#ffcf5c"  # what stands out on the head of the first page
COLOUR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Scheme:
    """What the customers' pages and the mails look like before any colour of the merchant's; as in cockpit.css."""

    name: str
    grounds: tuple[str, ...]  # what words in the colour stand on
    sheet: str  # what is mixed with the colour for soft grounds
    off: str
    ink: str
    ink_soft: str
    line: str
    soft: float  # how much of the colour a soft ground has
    toward: str  # where a colour goes to stand out more


LIGHT = Scheme(
    name="light", grounds=("#f6f3ec", "#fffdf9"), sheet="#fffdf9", off="#e4dfd3", ink="#1d2421", ink_soft="#555f59",
    line="#ddd5c6", soft=0.12, toward=BLACK,
)  # fmt: skip
DARK = Scheme(
    name="dark", grounds=("#0e1513", "#17211e", "#1c2124"), sheet="#17211e", off="#2a3431", ink="#eef3f0",
    ink_soft="#aab8b1", line="#2c3a35", soft=0.18, toward=WHITE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Where a colour cannot be read, and the nearest one that can."""

    scheme: str
    colour: str
    on: str
    ratio: float
    least: float
    nearest: str

    @property
    def sentence(self) -> str:
        return (
            f"{self.colour} on {self.on}, as the {self.scheme} pages have it, has a contrast of {self.ratio:.2f} to 1, and "
            f"{self.least} to 1 is needed to be read by everybody. The nearest colour that passes is {self.nearest}."
        )


@dataclass(frozen=True, slots=True)
class Palette:
    """Every colour that follows from one, by the names they have in cockpit.css."""

    accent: str
    accent_strong: str
    on_accent: str
    accent_soft: str
    hero_from: str
    hero_to: str
    on_hero_soft: str


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """1 (the same) to 21 (black on white)."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def mixed(colour: str, other: str, share: float) -> str:
    """The colour with so much (0 to 1) of another in it."""
    parts = [(int(colour[start : start + 2], 16), int(other[start : start + 2], 16)) for start in (1, 3, 5)]
    return "#" + "".join(f"{round(one + (two - one) * share):02x}" for one, two in parts)


@lru_cache(maxsize=256)
def unreadable(colour: str, scheme: Scheme) -> Unreadable | None:
    """Why words and buttons of this colour cannot be read; None when they can."""
    found = _worst(colour, scheme)
    if found is None:
        return None
    on, ratio, least = found
    nearest = _first(colour, scheme.toward, lambda each: _worst(each, scheme) is None)
    return Unreadable(scheme=scheme.name, colour=colour, on=on, ratio=ratio, least=least, nearest=nearest)


def readable(colour: str, scheme: Scheme) -> str:
    """The colour, or the nearest one that can be read."""
    fault = unreadable(colour, scheme)
    return colour if fault is None else fault.nearest


@lru_cache(maxsize=256)
def palette(colour: str, scheme: Scheme) -> Palette:
    """What follows from a colour that can be read."""
    on_soft = mixed(WHITE, colour, 0.15)
    hero_to = _first(colour, BLACK, lambda each: contrast(on_soft, each) >= WORDS)
    hero_from = _first(mixed(hero_to, BLACK, 0.25), BLACK, lambda each: contrast(SUN, each) >= WORDS)
    return Palette(
        accent=colour,
        accent_strong=mixed(colour, scheme.toward, 0.22),
        on_accent=WHITE if scheme is LIGHT else mixed(colour, BLACK, 0.86),
        accent_soft=_soft(colour, scheme),
        hero_from=hero_from,
        hero_to=hero_to,
        on_hero_soft=on_soft,
    )


def _soft(colour: str, scheme: Scheme) -> str:
    return mixed(scheme.sheet, colour, scheme.soft)


def _worst(colour: str, scheme: Scheme) -> tuple[str, float, float] | None:
    """The ground on which it is farthest from being read, the ratio there and the one it needs."""
    wanted = [(ground, WORDS) for ground in (*scheme.grounds, _soft(colour, scheme))] + [(scheme.off, PARTS)]
    measured = [(on, contrast(colour, on), least) for on, least in wanted]
    on, ratio, least = min(measured, key=lambda each: each[1] - each[2])
    return None if ratio >= least else (on, ratio, least)


def _first(colour: str, toward: str, passes: Callable[[str], bool]) -> str:
    """The first colour on the way to another that passes. The end of the way always does."""
    steps = (mixed(colour, toward, step / STEPS) for step in range(STEPS + 1))
    return next((each for each in steps if passes(each)), toward)
