"""The course of a run in a line of text: as bars of a terminal, or as SVG."""

from __future__ import annotations

import numpy as np

from traintop.analysis.series import FloatArray, resample
from traintop.charts.spec import DARK, Palette
from traintop.charts.view import limits_of, share_of

_BARS, _ASCII_BARS = "▁▂▃▄▅▆▇█", "_.-=+*#@"
_LEVEL = 1e-9  # a relative difference that is no course
_WIDTH, _HEIGHT, _EDGE = 96, 18, 2  # of an SVG, in pixels
_PIXELS_PER_POINT = 2


def sparkline(values: FloatArray, width: int, ascii_only: bool = False) -> str:
    """``values`` as bars in exactly ``width`` cells, the newest last; "!" where one is infinite.

    A series of fewer values than cells starts at the left. NaN values are left out. The heights
    are square roots: a loss falls steeply first, and what follows would be level to the eye.
    """
    bars = _ASCII_BARS if ascii_only else _BARS
    drawn = "".join(
        bars[round(share * (len(bars) - 1))] if np.isfinite(share) else "!"
        for share in np.sqrt(_shares(values, width)).tolist()
    )
    return drawn.ljust(max(width, 0))


def sparkline_svg(values: FloatArray, *, palette: Palette = DARK) -> str:
    """``values`` as a curve in a line of text, with a cross where NaN or ±inf was measured."""
    shares = _shares(np.where(np.isnan(values), np.inf, values), _WIDTH // _PIXELS_PER_POINT)
    known = np.isfinite(shares)
    x = _EDGE + np.linspace(0.0, 1.0, len(shares)) * (_WIDTH - 2 * _EDGE)
    y = _EDGE + (1.0 - shares) * (_HEIGHT - 2 * _EDGE)
    places = zip(x[known].tolist(), y[known].tolist(), strict=True)
    points = " ".join(f"{across:.1f},{down:.1f}" for across, down in places)
    line = f'stroke="{palette.curves[0]}" fill="none" stroke-width="1.4" stroke-linejoin="round"'
    crosses = "".join(
        f'<path d="M{across - 2:.0f} {_EDGE}l4 4m0 -4l-4 4" stroke="{palette.alert}"/>'
        for across in x[~known].tolist()
    )
    # Notebooks would shrink it with its column.
    style = f"min-width:{_WIDTH}px;vertical-align:middle"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'style="{style}"><polyline points="{points}" {line}/>{crosses}</svg>'
    )


def _shares(values: FloatArray, width: int) -> FloatArray:
    """Where the mean of each of so many parts lies, from 0, the lowest, to 1; NaN if infinite."""
    parts = resample(values, width)
    finite = parts[np.isfinite(parts)]
    if len(finite) and np.ptp(finite / 2) <= _LEVEL * np.abs(finite / 2).max():
        parts = np.where(np.isfinite(parts), finite[0], parts)  # means of equal values differ
    known = np.where(np.isfinite(parts), parts, np.nan)
    return share_of(known, limits_of([known[np.isfinite(known)]]) or (0.0, 1.0))
