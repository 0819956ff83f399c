"""Where many points share a cell: a curve is their mean, and a band reaches to their extremes."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from drawings import SMOOTH, chart, curve, plot_area, text_of

from traintop.analysis.series import FloatArray
from traintop.charts import DARK, Series, chart_svg, draw_chart, points_for
from traintop.charts.view import view_of
from traintop.lines import Line

NOISE = 3 + 0.2 * np.random.default_rng(7).standard_normal(20_000)


def ink_in(lines: tuple[Line, ...], *, dim: bool) -> set[tuple[int, int]]:
    """The cells that hold a dim curve, or one in front."""
    cells = set()
    for row, line in enumerate(lines):
        column = 0
        for span in line:
            for character in span.text:
                if character != " " and span.color in DARK.curves and span.dim == dim:
                    cells.add((row, column))
                column += 1
    return cells


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("log_y", [False, True])
def test_noise_is_a_band_around_its_mean_and_no_solid_block(ascii_only: bool, log_y: bool) -> None:
    lines = draw_chart(chart(curve(NOISE), log_y=log_y), 100, 20, ascii_only=ascii_only)[2:]
    mean, band = ink_in(lines, dim=False), ink_in(lines, dim=True)
    assert len({column for _, column in mean}) >= 95
    assert len({row for row, _ in mean}) <= 4
    assert len({row for row, _ in band}) >= 12


def test_very_many_runs_have_no_bands() -> None:
    def bands(runs: int) -> int:
        noise = np.random.default_rng(1).normal(0, 1, (runs, 20_000))
        x = np.arange(20_000.0)
        spec = chart(*(Series("", x, y, color) for color, y in enumerate(noise)))
        return sum(bool(one.edges) for one in points_for(spec, 60))

    assert bands(6) == 6
    assert bands(7) == 0


def test_a_smoothed_curve_has_the_band_of_its_raw_one_behind_it() -> None:
    x = np.arange(20_000.0)
    raw = Series("", x, NOISE, 0, dim=True)
    smooth = Series("a", x, np.full(20_000, 3.0), 0)
    lines = draw_chart(chart(raw, smooth), 100, 20)[2:]
    assert len({row for row, _ in ink_in(lines, dim=False)}) == 1
    assert len({row for row, _ in ink_in(lines, dim=True)}) >= 12


def test_few_points_are_joined_as_they_are() -> None:
    lines = draw_chart(chart(curve(NOISE[:200])), 100, 20)[2:]
    assert not ink_in(lines, dim=True)


def test_a_closer_view_has_the_single_points_again() -> None:
    lines = draw_chart(chart(curve(NOISE), x_limits=(5000.0, 5100.0)), 100, 20)[2:]
    assert not ink_in(lines, dim=True)
    assert len({column for _, column in ink_in(lines, dim=False)}) >= 95


@pytest.mark.parametrize("limits", [None, (0.0, 19_999.0), (1000.0, 15_000.0), (40.0, 4000.0)])
def test_the_mean_and_the_band_are_those_of_the_points(limits: tuple[float, float] | None) -> None:
    (drawn_curve,) = points_for(chart(curve(NOISE), x_limits=limits), 50)
    low, high = limits or (0.0, 19_999.0)
    inside = NOISE[math.ceil(low) : math.floor(high) + 1]
    assert len(drawn_curve.x) == 50
    assert drawn_curve.y.mean() == pytest.approx(inside.mean(), abs=1e-3)
    lower, upper = (edge[1] for edge in drawn_curve.edges)
    assert (lower.min(), upper.max()) == (inside.min(), inside.max())
    assert bool((lower[::2] <= drawn_curve.y).all() and (drawn_curve.y <= upper[::2]).all())


def test_a_diverged_run_is_noted_as_above_a_readable_scale() -> None:
    x = np.arange(500.0)
    good = [Series(f"good {n}", x, SMOOTH + n / 10, n) for n in range(2)]
    bad = Series("bad", x, np.full(500, 1e6), 5)
    lines = draw_chart(chart(*good, bad, robust=True), 100, 24)
    rows = {row for row, _ in ink_in(lines[2:], dim=False)}
    assert len(rows) >= 15
    assert "1000000 ↑" in text_of(lines)[1] or "1e+06 ↑" in text_of(lines)[1]
    flat = draw_chart(chart(*good, bad), 100, 24)
    assert "↑" not in text_of(flat)[1]
    assert len({row for row, _ in ink_in(flat[2:], dim=False)}) <= 3


def left_behind(y: FloatArray, **settings: object) -> list[str]:
    """What stands beside the arrows in a robust chart, read from the terminal and from SVG."""
    spec = chart(curve(y), curve(SMOOTH), robust=True, **settings)
    rows = "\n".join(plot_area(text_of(draw_chart(spec, 100, 24))))
    arrows = re.findall(r"[↑↓][-+e.\d]+", rows)
    assert all(f">{arrow}<" in chart_svg(spec) for arrow in arrows)
    return arrows


def test_a_run_that_left_the_view_is_told_by_its_latest_value() -> None:
    rising, falling, spike = SMOOTH.copy(), SMOOTH.copy(), SMOOTH.copy()
    rising[400:] = np.geomspace(3, 5e6, 100)
    falling[400:] = np.linspace(0, -900, 100)
    spike[250] = 5e6
    assert left_behind(rising) == ["↑5e+06"]
    assert left_behind(falling) == ["↓-900"]
    assert left_behind(spike) == ["↑5e+06"]
    assert left_behind(spike, x_limits=(300.0, 499.0)) == []
    assert left_behind(SMOOTH) == []


def test_the_latest_value_of_a_run_is_no_outlier_within_reason() -> None:
    late = SMOOTH.copy()
    late[250], late[-1] = 1e6, 8.0
    view = view_of(chart(curve(late), robust=True), 100)
    assert view.y is not None
    assert 8.0 <= view.y[1] < 100


def test_moderate_differences_are_no_outliers() -> None:
    x = np.arange(500.0)
    pair = [Series("a", x, SMOOTH, 0), Series("b", x, SMOOTH * 3, 1)]
    assert text_of(draw_chart(chart(*pair, robust=True), 80, 20)) == text_of(
        draw_chart(chart(*pair), 80, 20)
    )
