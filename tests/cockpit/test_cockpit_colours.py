"""The customers' colours can be read by people who see little: WCAG 2.2 AA, light and dark."""

import re
from pathlib import Path

import pytest

STYLES = (Path(__file__).resolve().parents[2] / "templates/static/cockpit/cockpit.css").read_text()
WORDS, PARTS = 4.5, 3.0

# (foreground, background, least contrast)
PAIRS = [
    ("ink", "ground", WORDS),
    ("ink", "surface", WORDS),
    ("ink", "sunken", WORDS),
    ("ink", "accent-soft", WORDS),
    ("ink", "butter", WORDS),
    ("ink-soft", "ground", WORDS),
    ("ink-soft", "surface", WORDS),
    ("ink-soft", "sunken", WORDS),
    ("accent", "ground", WORDS),
    ("accent", "surface", WORDS),
    ("accent", "accent-soft", WORDS),
    ("accent-strong", "surface", WORDS),
    ("on-accent", "accent", WORDS),
    ("on-accent", "accent-strong", WORDS),
    ("on-off", "off", WORDS),
    ("on-hero", "hero-to", WORDS),
    ("on-hero-soft", "hero-from", WORDS),
    ("on-hero-soft", "hero-to", WORDS),
    ("sun", "hero-from", WORDS),
    ("warm", "surface", WORDS),
    ("warm", "warm-soft", WORDS),
    ("bad", "surface", WORDS),
    ("bad", "bad-soft", WORDS),
    ("on-tip", "tip", WORDS),
    ("focus", "ground", PARTS),
    ("focus", "surface", PARTS),
    ("edge", "surface", PARTS),
    ("accent", "off", PARTS),
]


def tokens(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


LIGHT = tokens(STYLES.partition("@media (prefers-color-scheme: dark)")[0])
DARK = LIGHT | tokens(STYLES.partition("@media (prefers-color-scheme: dark)")[2].partition("\n}\n")[0])


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_measure_what_the_standard_measures():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_differ_between_light_and_dark():
    assert LIGHT["ground"] != DARK["ground"]


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_stand_out_enough(scheme, front, back, least):
    assert contrast(scheme[front], scheme[back]) >= least


def test_a_name_in_the_style_sheet_means_one_thing():
    """Two things of one name share what is said of both: a card that is as low as a bar."""
    outside = re.sub(r"/\*.*?\*/|@[^{]+\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", STYLES, flags=re.DOTALL)
    names = [rule.strip() for rule in re.findall(r"([^{}]+)\{", outside)]

    assert len(names) > 200
    assert [name for name in dict.fromkeys(names) if names.count(name) > 1] == []
