"""The colours of curves: they stand out, and differ for everybody."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from tests.contrast import contrast

from traintop.charts import DARK, LIGHT, Palette, run_markers


@pytest.mark.parametrize(("palette", "background"), [(DARK, "#1e1e1e"), (LIGHT, "#ffffff")])
def test_colours_stand_out_and_wrap_around(palette: Palette, background: str) -> None:
    colors = (*palette.curves, palette.frame, palette.alert)
    assert min(contrast(color, background) for color in colors) >= 3.0
    assert len({*palette.curves}) == len(palette.curves) >= 8
    assert palette.color(len(palette.curves) + 1) == palette.color(1)


# How linear RGB is seen without receptors of red, of green, of blue (Machado et al. 2009).
DEFICIENCIES = {
    "none": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def cielab(linear: list[float]) -> tuple[float, float, float]:
    """CIE 1976 L*a*b* of linear sRGB, white being D65."""
    to_xyz = [[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]]
    x, y, z = (
        sum(w * c for w, c in zip(row, linear, strict=True)) / white
        for row, white in zip(to_xyz, (0.9505, 1.0, 1.0888), strict=True)
    )
    x, y, z = (v ** (1 / 3) if v > 216 / 24389 else (24389 / 27 * v + 16) / 116 for v in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """How different two colours look (Sharma, Wu, Dalal 2005); about 1 is just noticed."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * math.sqrt(mean**7 / (mean**7 + 25**7))
    c1, c2 = math.hypot(stretch * a1, b1), math.hypot(stretch * a2, b2)
    h1 = math.degrees(math.atan2(b1, stretch * a1))
    turn = (math.degrees(math.atan2(b2, stretch * a2)) - h1 + 180) % 360 - 180
    lightness, chroma, hue = (l1 + l2) / 2, (c1 + c2) / 2, h1 + turn / 2
    weight = 1 + sum(
        factor * math.cos(math.radians(times * hue + shift))
        for factor, times, shift in [(-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63)]
    )
    off = (lightness - 50) ** 2
    dl = (l2 - l1) / (1 + 0.015 * off / math.sqrt(20 + off))
    dc = (c2 - c1) / (1 + 0.045 * chroma)
    dh = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * chroma * weight)
    blue = math.radians(60 * math.exp(-(((hue % 360 - 275) / 25) ** 2)))
    rotation = -2 * math.sqrt(chroma**7 / (chroma**7 + 25**7)) * math.sin(blue)
    return math.sqrt(dl**2 + dc**2 + dh**2 + rotation * dc * dh)


def test_colour_differences_are_those_of_the_standard() -> None:
    """Of the pairs that Sharma, Wu and Dalal published with their formula."""
    for one, other, difference in [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 2.5, 0.0), (58.0, 24.0, 15.0), 19.4535),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
    ]:
        assert ciede2000(one, other) == pytest.approx(difference, abs=1e-4)


@pytest.mark.parametrize("seen_by", DEFICIENCIES)
@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=["dark", "light"])
def test_colours_differ_for_colour_blind_readers(palette: Palette, seen_by: str) -> None:
    rgb = np.array([[int(c[at : at + 2], 16) / 255 for at in (1, 3, 5)] for c in palette.curves])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(DEFICIENCIES[seen_by]).T, 0, 1)
    labs = [cielab(color) for color in seen.tolist()]
    nearest = min(ciede2000(a, b) for a, b in itertools.combinations(labs, 2))
    assert nearest >= (20 if seen_by == "none" else 12.5)


@pytest.mark.parametrize("letters", [False, True])
def test_sixty_curves_differ_in_colour_or_marker(letters: bool) -> None:
    markers = run_markers(range(60), ascii_only=False, letters=letters)
    colors = [None if letters else DARK.color(index) for index in range(60)]
    assert len({*zip(colors, markers, strict=True)}) == 60
