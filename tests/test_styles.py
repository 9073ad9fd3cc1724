"""Every pair of colours that meets on a page, in both themes: WCAG 2.2 AA, from the CSS file itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parent.parent / "dashboard/static/pierwatch"
TOKENS = (STATIC / "tokens.css").read_text(encoding="utf-8")
TONES = ("ok", "warn", "crit", "idle")
TEXT = [(text, ground) for text in ("text", "text2", "text3") for ground in ("bg", "surface", "surface2")]
TEXT += [(tone, f"{tone}-soft") for tone in TONES] + [(tone, "surface") for tone in TONES]
TEXT += [("accent", "accent-soft"), ("accent", "surface"), ("accent", "bg"), ("on-accent", "accent"), ("bg", "text")]
SHAPES = [(f"{tone}-fill", ground) for tone in TONES for ground in ("surface", "bg")]
SHAPES += [("meter", "surface2"), ("warn-fill", "surface2"), ("crit-fill", "surface2"), ("control", "surface2")]


def blocks() -> list[dict[str, str]]:
    found = [dict(re.findall(r"--([\w-]+): (#\w{6});", part)) for part in re.findall(r"\{([^{}]*)\}", TOKENS)]
    return [block for block in found if block]


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "ground"), TEXT)
def test_text_has_a_contrast_of_four_and_a_half(theme: int, front: str, ground: str) -> None:
    colours = blocks()[theme]

    assert contrast(colours[front], colours[ground]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "ground"), SHAPES)
def test_shapes_have_a_contrast_of_three(theme: int, front: str, ground: str) -> None:
    colours = blocks()[theme]

    assert contrast(colours[front], colours[ground]) >= 3


def test_the_two_dark_blocks_are_the_same() -> None:
    _light, by_device, by_person = blocks()

    assert by_device == by_person


def test_the_pages_use_no_colour_that_is_not_a_token() -> None:
    css = (STATIC / "pages.css").read_text(encoding="utf-8")
    used = set(re.findall(r"var\(--([\w-]+)\)", css))

    assert not re.findall(r"#[0-9a-f]{3,8}\b", css)
    assert used <= set(blocks()[0])
