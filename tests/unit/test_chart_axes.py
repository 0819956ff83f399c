"""The axes of a chart: their ticks, their labels, and what they line up with."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from drawings import SMOOTH, chart, curve, drawn, floats, ink, plot_area

from traintop.charts import Series
from traintop.charts.ticks import in_steps


def columns_of(line: str, character: str) -> list[int]:
    return [column for column, found in enumerate(line) if found == character]


def test_ticks_are_where_the_curve_is() -> None:
    rows = drawn(chart(curve(floats(0, 10, 0, 10, 0), floats(0, 10, 20, 30, 40))), 83, 13)
    axis = next(row for row in rows if "└" in row)
    left = axis.index("└") + 1
    peaks = [column + left for row, column in ink(plot_area(rows)) if row == 0]
    zeros = [column + left for row, column in ink(plot_area(rows)) if row == 8]
    marks = dict(zip(rows[-1].split(), columns_of(axis, "┬"), strict=False))
    assert marks["0"] == min(zeros)
    assert marks["10"] in peaks
    assert marks["20"] in zeros
    labels = {row.split("┤")[0].strip(): index for index, row in enumerate(rows) if "┤" in row}
    assert rows[labels["10"]] == next(row for row in rows if "│" in row or "┤" in row)
    assert labels["0"] == rows.index(axis) - 1


def test_an_axis_of_any_limits_moves_in_steps() -> None:
    for low, high in itertools.combinations(np.arange(-30, 31) / 10, 2):
        for parts in (4, 8):
            first, last = in_steps(low, high, parts)
            assert low - (high - low) < first <= low < high <= last < high + (high - low)


def test_a_logarithmic_axis_has_equal_steps_for_equal_factors() -> None:
    rows = drawn(chart(curve(10.0 ** np.arange(5)), log_y=True), 60, 20)
    ticks = [index for index, row in enumerate(rows) if "┤" in row]
    assert [rows[index].split("┤")[0].strip() for index in ticks] == ["10k", "1k", "100", "10", "1"]
    assert max(np.diff(ticks)) - min(np.diff(ticks)) <= 1


def test_a_logarithmic_x_axis_has_equal_steps_for_equal_factors() -> None:
    rows = drawn(chart(curve(np.arange(5.0)), log_x=True), 60, 20)
    ticks = columns_of(next(row for row in rows if "└" in row), "┬")
    assert rows[-1].split() == ["1", "10", "100", "1k", "iteration"]
    assert max(np.diff(ticks)) - min(np.diff(ticks)) <= 1


def test_logarithmic_ticks_of_iterations_are_whole() -> None:
    series = curve(np.arange(1e3), np.log10(np.arange(1.0, 1001.0)))
    spec = chart(series, log_x=True, x_limits=(np.log10(123.0), np.log10(126.0)))
    assert drawn(spec, 90, 12)[-1].split() == ["123", "124", "125", "iteration"]


def test_logarithmic_ticks_of_times_are_in_their_unit() -> None:
    x = np.log10(np.geomspace(60.0, 36_000.0, 50))
    rows = drawn(chart(curve(np.arange(50.0), x), log_x=True, x_unit=3600.0, x_label="h"), 60, 12)
    assert rows[-1].split() == ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5", "h"]


def test_the_x_label_stands_below_a_narrow_chart_too() -> None:
    x = np.linspace(0.1, 112.0, 50)
    spec = chart(Series("a", x, x, 0), x_label="wall clock, s")
    bottom = drawn(spec, 46, 12)[-1].split()
    assert bottom[-3:] == ["wall", "clock,", "s"]
    assert len(bottom) >= 5


def test_the_x_label_stands_below_charts_side_by_side() -> None:
    x = np.arange(1.0, 1501.0)
    spec = chart(Series("a", x, x, 0), x_label="gradient step", label_width=6)
    bottoms = {width: drawn(spec, width, 12)[-1].split() for width in range(42, 60)}
    assert {
        width for width, words in bottoms.items() if words[-2:] != ["gradient", "step"]
    } == set()


def test_charts_of_one_label_width_have_aligned_axes() -> None:
    lefts = set()
    for y in (SMOOTH, SMOOTH * 1e5, SMOOTH / 1e4):
        rows = drawn(chart(curve(y), label_width=6), 80, 16)
        lefts.add(next(row for row in rows if "└" in row).index("└"))
    assert lefts == {6}


@pytest.mark.parametrize(
    ("height", "ascii_only"),
    [(12, False), (13, False), *itertools.product([14, 18, 26, 40], [False, True])],
)
def test_ticks_of_a_linear_axis_are_whole_rows_apart(height: int, ascii_only: bool) -> None:
    for high in (6e-4, 3.1, 7.7, 9.4, 56.0, 1_234.0):
        rows = drawn(chart(curve(SMOOTH / 5 * high)), 60, height, ascii_only)
        axis = [row[:12] for row in rows[2:-2]]
        ticks = [row for row, line in enumerate(axis) if "┤" in line or "+" in line]
        assert len({below - above for above, below in itertools.pairwise(ticks)}) == 1
