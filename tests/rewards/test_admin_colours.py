"""The colours of the admin can be read by people who see little: WCAG 2.2 AA, light and dark."""

import re
from pathlib import Path

import pytest

TOKENS = (Path(__file__).resolve().parents[2] / "templates/static/desk/tokens.css").read_text()
WORDS, PARTS = 4.5, 3.0
TONES = ("good", "info", "warn", "bad")
GROUNDS = ("paper", "surface", "surface-2", "quiet-soft", "row-hover", "row-selected")

# (foreground, background, least contrast)
PAIRS = [
    *(("ink", ground, WORDS) for ground in (*GROUNDS, *(f"{tone}-soft" for tone in TONES))),
    *(("ink-2", ground, WORDS) for ground in GROUNDS),
    *(("ink-3", ground, WORDS) for ground in GROUNDS),
    *(("accent", ground, WORDS) for ground in GROUNDS),
    *((tone, ground, WORDS) for tone in TONES for ground in ("surface", f"{tone}-soft")),
    ("accent-strong", "accent-soft", WORDS),
    ("on-accent", "accent", WORDS),
    ("on-accent", "accent-strong", WORDS),
    ("surface", "bad", WORDS),
    ("focus", "surface", PARTS),
    ("focus", "paper", PARTS),
    ("edge", "surface", PARTS),
]


def colours(start: str) -> dict[str, str]:
    """The tokens of the block that begins so."""
    block = TOKENS[TOKENS.index(start) :].partition("\n}\n")[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


LIGHT = colours('html[data-theme="light"] {')
DARK = colours('html[data-theme="dark"] {')


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_chosen_dark_theme_is_the_one_of_a_dark_system():
    assert colours("@media (prefers-color-scheme: dark)") == DARK
    assert DARK["paper"] != LIGHT["paper"]


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_stand_out_enough(scheme, front, back, least):
    assert contrast(scheme[front], scheme[back]) >= least
