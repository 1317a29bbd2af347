"""The palette can be read and told apart, in both themes and by every eye."""

from __future__ import annotations

import math
import re
from itertools import combinations

import pytest

from elson.bootstrap import ROOT

pytestmark = pytest.mark.house

SHEET = (ROOT / "static" / "css" / "tokens.css").read_text(encoding="utf-8")
RULE = re.compile(r':root(?:\[data-updown="([\w-]+)"\])?\s*{([^{}]*)}')
PAIR = re.compile(r"--([\w-]+):\s*light-dark\((#[0-9A-Fa-f]{6}),\s*(#[0-9A-Fa-f]{6})\)")
THEMES = ("light", "dark")
PRESETS = ("default", "cb", "classic", "east-asia")
REGIMES = ("regime-low", "regime-normal", "regime-high", "regime-extreme")

Color = tuple[float, float, float]

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISIONS = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def palette(preset: str, theme: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, body in RULE.findall(SHEET):
        if name in ("", preset):
            found |= {
                token: (light, dark)[theme == "dark"] for token, light, dark in PAIR.findall(body)
            }
    return found


def linear(color: str) -> Color:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return r, g, b


def contrast(one: str, other: str) -> float:
    a, b = (0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (linear(one), linear(other)))
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)


def seen(color: str, vision: str) -> Color:
    rgb = linear(color)
    r, g, b = (
        min(1.0, max(0.0, sum(w * c for w, c in zip(row, rgb, strict=True))))
        for row in VISIONS[vision]
    )
    x, y, z = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883,
    )
    fx, fy, fz = (c ** (1 / 3) if c > 0.008856 else 7.787 * c + 16 / 116 for c in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def ciede2000(one: Color, other: Color) -> float:
    """Color difference after Sharma, Wu and Dalal (2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean_c = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean_c**7 / (mean_c**7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = math.degrees(math.atan2(b1, a1)) % 360, math.degrees(math.atan2(b2, a2)) % 360
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    d_h = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn) / 2)
    mean_l, mean_c, mean_h = (l1 + l2) / 2, (c1 + c2) / 2, h1 + turn / 2
    t = (
        1
        - 0.17 * math.cos(math.radians(mean_h - 30))
        + 0.24 * math.cos(math.radians(2 * mean_h))
        + 0.32 * math.cos(math.radians(3 * mean_h + 6))
        - 0.20 * math.cos(math.radians(4 * mean_h - 63))
    )
    s_l = 1 + 0.015 * (mean_l - 50) ** 2 / math.sqrt(20 + (mean_l - 50) ** 2)
    s_c, s_h = 1 + 0.045 * mean_c, 1 + 0.015 * mean_c * t
    r_t = (
        -2
        * math.sqrt(mean_c**7 / (mean_c**7 + 25**7))
        * math.sin(math.radians(60 * math.exp(-(((mean_h % 360 - 275) / 25) ** 2))))
    )
    l_part, c_part, h_part = (l2 - l1) / s_l, (c2 - c1) / s_c, d_h / s_h
    return math.sqrt(l_part**2 + c_part**2 + h_part**2 + r_t * c_part * h_part)


def smallest_difference(one: str, other: str) -> float:
    return min(ciede2000(seen(one, vision), seen(other, vision)) for vision in VISIONS)


def test_the_color_difference_agrees_with_its_published_example() -> None:
    assert ciede2000((50, 2.6772, -79.7751), (50, 0, -82.7485)) == pytest.approx(2.0425, abs=1e-4)
    assert ciede2000((50, 2.5, 0), (73, 25, -18)) == pytest.approx(27.1492, abs=1e-4)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("preset", PRESETS)
def test_text_reaches_its_contrast(preset: str, theme: str) -> None:
    colors = palette(preset, theme)
    text = [(t, s) for t in ("text", "text-2", "text-3") for s in ("bg", "surface", "surface-2")]
    tones = [(t, s) for t in ("ok", "warn", "crit", "info") for s in (f"{t}-bg", "surface")]
    moves = [(t, s) for t in ("up", "down", "flat") for s in ("surface", "bg")]
    others = [("accent", "surface"), ("accent", "bg"), ("on-accent", "accent-solid")]
    heat = [("text", f"heat-{i}") for i in ("m3", "m2", "m1", "0", "p1", "p2", "p3")]
    on_tints = [("text", s) for s in ("up-bg", "down-bg", "ok-bg", "warn-bg", "crit-bg", "info-bg")]

    short = {
        pair: round(contrast(colors[pair[0]], colors[pair[1]]), 2)
        for pair in [*text, *tones, *moves, *others, *heat, *on_tints]
        if contrast(colors[pair[0]], colors[pair[1]]) < 4.5
    }

    assert short == {}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("preset", PRESETS)
def test_edges_and_marks_reach_three_to_one(preset: str, theme: str) -> None:
    colors = palette(preset, theme)
    marks = [(m, s) for m in ("border-strong", "focus") for s in ("surface", "bg", "surface-2")]
    marks += [(regime, "surface") for regime in REGIMES]

    short = {pair for pair in marks if contrast(colors[pair[0]], colors[pair[1]]) < 3}

    assert short == set()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    ("preset", "least"), [("default", 20), ("cb", 45), ("classic", 6.5), ("east-asia", 20)]
)
def test_up_and_down_differ_for_every_eye(preset: str, least: float, theme: str) -> None:
    colors = palette(preset, theme)
    assert smallest_difference(colors["up"], colors["down"]) >= least


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("preset", PRESETS)
def test_regimes_differ_from_each_other_for_every_eye(preset: str, theme: str) -> None:
    colors = palette(preset, theme)
    assert min(smallest_difference(colors[a], colors[b]) for a, b in combinations(REGIMES, 2)) >= 11


def test_presets_change_only_the_colors_that_move() -> None:
    for preset in PRESETS[1:]:
        changed = {
            name
            for theme in THEMES
            for name, color in palette(preset, theme).items()
            if palette("default", theme)[name] != color
        }
        assert changed <= {"up", "down", "up-bg", "down-bg", *REGIMES}
