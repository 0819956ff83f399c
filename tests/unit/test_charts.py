"""Charts: exactly as large as asked, whatever the data, and true to it."""

from __future__ import annotations

import math
import subprocess
import sys
import threading

import numpy as np
import pytest
from drawings import SMOOTH, chart, curve, drawn, floats, ink, plot_area, text_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from msgspec.structs import replace

from traintop.analysis.series import FloatArray
from traintop.charts import DARK, ChartSpec, Series, draw_chart, points_for, run_markers, x_at

SIZES = [(0, 0), (0, 3), (3, 0), (1, 1), (3, 2), (7, 9), (20, 5), (40, 8), (80, 12), (300, 100)]


ODD_DATA = {
    "empty": floats(),
    "one point": floats(3),
    "two points": floats(3, 4),
    "constant": np.full(50, 2.5),
    "zero": np.zeros(50),
    "all NaN": np.full(50, np.nan),
    "all inf": np.full(50, np.inf),
    "NaN, inf, -inf": floats(1, math.nan, 2, math.inf, 3, -math.inf, 4),
    "huge": floats(1, 1e308, 2),
    "beyond the range of floats": floats(-1.7e308, 1.7e308),
    "denormal": floats(5e-324, 1e-323, 1.5e-323),
    "tiny": floats(1e-300, 2e-300),
    "one float apart": floats(1, np.nextafter(1, 2)),
    "ordinary": SMOOTH,
}
ODD_X = {
    "10**18": 1e18 + np.arange(500.0),
    "unsorted": np.arange(500.0)[::-1],
    "all the same": np.full(500, 7.0),
    "holes": np.where(np.arange(500) % 3 == 0, np.nan, np.arange(500.0)),
    "infinite": np.full(500, np.inf),
    "negative": np.arange(-500.0, 0),
    "very wide": np.arange(-250, 250) * 6.8e305,
}


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_chart_is_as_large_as_asked(width: int, height: int, ascii_only: bool) -> None:
    spec = chart(curve(SMOOTH), Series("val", *curve(SMOOTH).measured, 1, "dotted"), cursor=250.0)
    drawn(spec, width, height, ascii_only)


@pytest.mark.parametrize("y", ODD_DATA.values(), ids=ODD_DATA)
@pytest.mark.parametrize("log_y", [False, True])
@pytest.mark.parametrize("robust", [False, True])
def test_any_data_is_drawn(y: FloatArray, log_y: bool, robust: bool) -> None:
    x = np.arange(len(y), dtype=float)
    series = Series("a", x, y, 0, band=(y - 1, y + 1), events=floats(1, math.nan))
    for width, height in [(80, 24), (20, 5)]:
        drawn(chart(series, log_y=log_y, robust=robust, cursor=1.0), width, height)


@pytest.mark.parametrize("log_x", [False, True])
@pytest.mark.parametrize("x", ODD_X.values(), ids=ODD_X)
def test_any_x_is_drawn(x: FloatArray, log_x: bool) -> None:
    drawn(chart(curve(SMOOTH, x), log_x=log_x, cursor=400.0), 80, 24)


@pytest.mark.parametrize(
    "x_limits",
    [
        (100.0, 200.0),
        (200.0, 100.0),
        (5.0, 5.0),
        (-9e9, 9e9),
        (600.0, 700.0),
        (3.2, 3.4),
        (math.nan, 1.0),
        (0.0, math.inf),
        (-1.7e308, 1.7e308),
    ],
)
def test_any_limits_are_drawn(x_limits: tuple[float, float]) -> None:
    drawn(chart(curve(SMOOTH), x_limits=x_limits), 80, 24)


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.float64, st.tuples(st.just(2), st.integers(0, 40)), elements=st.floats()),
    st.integers(0, 60),
    st.integers(0, 20),
    st.booleans(),
    st.booleans(),
    st.text(),
    st.floats(),
)
def test_nothing_breaks_a_chart(
    points: FloatArray,
    width: int,
    height: int,
    log_y: bool,
    ascii_only: bool,
    name: str,
    cursor: float,
) -> None:
    series = Series(name, points[0], points[1], 0)
    spec = ChartSpec(name, (series,), x_label=name, log_y=log_y, cursor=cursor)
    rows = drawn(spec, width, height, ascii_only)
    assert all(row.isprintable() for row in rows)
    assert not ascii_only or all(row.isascii() for row in rows)


def test_arrays_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="'train' differ"):
        Series("train", floats(1, 2), floats(1), 0)
    with pytest.raises(ValueError, match="'train' differ"):
        Series("train", floats(1, 2), floats(1, 2), 0, band=(floats(1), floats(1, 2)))


def test_a_chart_in_full() -> None:
    x = np.arange(0.0, 41_000, 1000)
    train = Series("train", x, 5 - x / 20_000, 0)
    val = Series("val", x[::10], 5.25 - x[::10] / 20_000, 0, "dotted")
    assert drawn(ChartSpec("lr_1e-03", (train, val)), 50, 12) == [
        "lr_1e-03                                          ",
        "train ─ 3   val ┄ 3.250                           ",
        " │⠤ ⣀                                             ",
        "5┤⠒⠤⠤⢄⣉⡀⠒ ⠤ ⣀                                     ",
        " │     ⠈⠉⠒⠒⠢⠤⣀⣉ ⠒ ⠤ ⣀                             ",
        " │             ⠉⠉⠒⠒⠤⠤⣀⣉ ⠒ ⠤ ⣀                     ",
        "4┤                     ⠉⠉⠒⠒⠤⠤⣀⣉ ⠒ ⠤ ⣀             ",
        " │                             ⠉⠉⠒⠒⠤⠤⣀⣉ ⠒ ⠤ ⣀     ",
        " │                                     ⠉⠉⠒⠒⠤⠤⣀⣉ ⠒ ",
        "3┤                                             ⠉⠉⠒",
        " └┬───────────────────────┬───────────────────────",
        "  0                      20k             iteration",
    ]


def test_an_ascii_chart_in_full() -> None:
    x = np.arange(0.0, 41)
    spec = ChartSpec("café – 日本", (Series("a", x, x, 0), Series("b", x, 40 - x, 0, "dotted")))
    assert drawn(spec, 24, 10, ascii_only=True) == [
        "caf? - ????             ",
        "a *** 40   b o o 0      ",
        "50+                     ",
        "  |o o               ***",
        "  |   o o o    *******  ",
        "  |        o*o*o        ",
        "  |  *******    o o o   ",
        " 0+***               o o",
        "  ++-----------+--------",
        "   0           25       ",
    ]


def test_a_sparse_curve_is_joined_across_its_holes() -> None:
    y = np.full(1001, np.nan)
    y[::250] = 3.0
    rows = plot_area(drawn(chart(curve(y)), 60, 12))
    assert len({column for _, column in ink(rows)}) == len(rows[0])


def test_an_infinite_value_is_marked_and_a_hole_is_not() -> None:
    y = np.full(100, 2.0)
    y[50], y[99], y[10] = math.inf, -math.inf, math.nan
    rows = plot_area(drawn(chart(curve(y)), 60, 14))
    marks = {(row, column) for row, column in ink(rows) if rows[row][column] == "×"}
    width = len(rows[0])
    assert marks == {(0, width // 2), (len(rows) - 1, width - 1)}


def test_events_are_marked_in_the_colour_of_alert() -> None:
    series = Series("a", np.arange(10.0), SMOOTH[:10], 0, events=floats(4, 9, 99, math.nan))
    lines = draw_chart(chart(series, x_limits=(0, 9)), 60, 14)
    alerts = [span for line in lines for span in line if span.color == DARK.alert]
    assert sum(span.text.count("×") for span in alerts) == 2


@settings(max_examples=30)
@given(st.integers(0, 9), st.integers(0, 2000), st.integers(10, 60), st.booleans())
def test_very_many_events_are_marked_where_each_is(
    alone: int, together: int, width: int, is_zoomed: bool
) -> None:
    random = np.random.default_rng(alone + together)
    places = [random.uniform(0.0, 9999.0, alone), random.uniform(500.0, 700.0, together)]

    def marked(events: FloatArray) -> set[int]:
        series = Series("a", floats(0, 9999), floats(1, 2), 0, events=events)
        spec = chart(series, x_limits=(400, 900) if is_zoomed else (0, 9999))
        [top, *_] = drawn(spec, width, 5)
        return {column for column, character in enumerate(top) if character == "×"}

    events = np.sort(np.concatenate(places))
    few = [marked(part) for part in np.array_split(events, len(events) // width + 1)]
    assert marked(events) == set().union(*few)


@pytest.mark.parametrize("ascii_only", [False, True])
def test_curves_differ_without_colour(ascii_only: bool) -> None:
    x = np.arange(100.0)
    five = [Series(f"run{n}", x, n + x / 10, n) for n in (0, 1, 9, 4)]
    five.append(Series("same colour", x, 5 - x / 10, 9))
    legend = drawn(chart(*five), 120, 20, ascii_only)[1]
    samples = [entry.split()[-2] for entry in legend.strip().split("   ")]
    assert len(set(samples)) == len(samples) == 5
    rows = drawn(chart(*five), 120, 20, ascii_only)[2:-2]
    for marker in [sample.strip("─")[0] for sample in samples]:
        assert any(marker in row for row in rows)


@pytest.mark.parametrize("ascii_only", [False, True])
def test_without_colours_a_letter_names_each_of_many_curves(ascii_only: bool) -> None:
    x = np.arange(100.0)
    many = [Series(f"run{n:02d}", x, n + x / 10, n % 8) for n in range(20)]
    rows = text_of(draw_chart(chart(*many), 300, 60, ascii_only=ascii_only, letters=True))
    legend, plot = "".join(rows[:5]), "".join(rows[6:-2])
    for n, letter in enumerate("ABCDEFGHIJKLMNOPQRST"):
        sample = letter * 3 if ascii_only else f"─{letter}─"
        assert any(f"run{m:02d} {sample} " in legend for m in range(20)), n
        assert letter in plot


def test_very_many_curves_take_turns_to_have_their_markers() -> None:
    x = np.arange(100.0)
    many = [Series(f"run{n:02d}", x, 0 * x + n, n) for n in range(48)]
    area = "".join(plot_area(text_of(draw_chart(chart(*many), 300, 70, letters=True))))
    counts = [area.count(letter) for letter in run_markers(range(48), False, letters=True)]
    assert all(3 <= count <= 8 for count in counts), counts  # 25 of each would hide all others


def test_solid_and_dotted_differ_without_markers() -> None:
    x = np.arange(100.0)
    solid = plot_area(drawn(chart(Series("a", x, x * 0, 0)), 60, 12))
    dotted = plot_area(drawn(chart(Series("a", x, x * 0, 0, "dotted")), 60, 12))
    assert ink(dotted) < ink(solid)
    assert len(ink(dotted)) == pytest.approx(len(ink(solid)) / 2, abs=1)


@pytest.mark.parametrize("slope", [0, 1, -1, 7, -7])
def test_a_dotted_line_never_vanishes(slope: float) -> None:
    x = np.arange(50.0)
    frame = Series("frame", floats(0, 49), floats(-200, 200), 0, dim=True)
    line = Series("a", x, slope * (x - 25), 1, "dotted")
    lines = draw_chart(chart(frame, line), 60, 20)
    spans = [span.text for row in lines[2:] for span in row if span.color == DARK.color(1)]
    assert len("".join("".join(spans).split())) >= 15


def test_a_curve_hides_the_raw_curve_behind_it() -> None:
    noise = np.random.default_rng(3).standard_normal(5000)
    x = np.arange(5000.0)
    smooth = Series("smooth", x, np.zeros(5000), 1)
    raw = Series("raw", x, noise, 0, dim=True)
    for order in [(raw, smooth), (smooth, raw)]:
        lines = draw_chart(chart(*order), 60, 20)
        front = [span.text for line in lines[2:] for span in line if span.color == DARK.color(1)]
        assert {*"".join(front)} <= {*"⠉⠒⠤⣀"}  # one row of dots, thickened by no noise
        assert len("".join(front)) >= 55
        assert "raw" not in text_of(lines)[1]


def test_the_cursor_is_a_line_with_a_readout() -> None:
    spec = chart(curve(floats(5, 4, 3, 2, 1)), cursor=2.0)
    rows = drawn(spec, 60, 14)
    area = plot_area(rows)
    assert rows[0].endswith("iteration 2")
    assert "train ─ 3" in rows[1]
    middle = len(area[0]) // 2
    assert sum(row[middle] == "│" for row in area) >= len(area) - 2
    outside = plot_area(drawn(chart(curve(floats(1, 2)), cursor=9.0), 60, 14))
    assert not any("│" in row for row in outside)


def test_one_spike_does_not_flatten_a_robust_chart() -> None:
    y = SMOOTH.copy()
    y[250] = 1e6

    def rows_left_of_the_spike(robust: bool) -> int:
        area = plot_area(drawn(chart(curve(y), robust=robust), 60, 24))
        return len({row for row, column in ink(area) if column < len(area[0]) // 3})

    assert rows_left_of_the_spike(robust=False) == 1
    assert rows_left_of_the_spike(robust=True) >= 10


def test_values_that_have_no_logarithm_are_left_out() -> None:
    rows = plot_area(drawn(chart(curve(floats(0, -5, 1, 100)), log_y=True), 60, 20))
    assert min(column for _, column in ink(rows)) >= len(rows[0]) // 2


@pytest.mark.parametrize("length", [10, 1000, 100_000])
@pytest.mark.parametrize("x_limits", [None, (0.0, 9.0), (400.0, 401.0)])
def test_points_drawn_follow_the_width(length: int, x_limits: tuple[float, float] | None) -> None:
    y = np.random.default_rng(4).standard_normal(length)
    spec = chart(
        curve(y), Series("b", np.arange(length), y, 1, band=(y - 1, y + 1)), x_limits=x_limits
    )
    curves = points_for(spec, 100)
    assert len(curves) == 2
    for drawn_curve in curves:
        assert len(drawn_curve.x) <= 404
        assert all(len(edge[0]) <= 404 for edge in drawn_curve.edges)


@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_screen_column_has_the_x_of_a_cursor_there(ascii_only: bool) -> None:
    spec = chart(curve(SMOOTH), label_width=6)
    for column in (7, 30, 79):
        x = x_at(spec, 80, 20, column, ascii_only=ascii_only)
        assert x is not None
        rows = drawn(replace(spec, cursor=x), 80, 20, ascii_only)
        bar = "|" if ascii_only else "│"
        assert sum(row[column] == bar for row in rows) >= 10
    assert x_at(spec, 80, 20, 3) is None
    assert x_at(spec, 80, 20, 80) is None


def test_a_spike_of_a_long_run_is_drawn() -> None:
    y = np.zeros(300_000)
    y[123_456] = 9.0
    rows = plot_area(drawn(chart(curve(y)), 80, 20))
    top = min(row for row, _ in ink(rows))
    peaks = [column for row, column in ink(rows) if row == top]
    assert peaks == [pytest.approx(123_456 / 300_000 * len(rows[0]), abs=1)]


def test_plotext_is_loaded_by_the_first_frame_only() -> None:
    code = (
        "import sys; import traintop.charts as c; import numpy as np;"
        "loaded = 'plotext' in sys.modules;"
        "c.draw_chart(c.ChartSpec('t', (c.Series('a', np.arange(9.), np.arange(9.), 0),)), 60, 20);"
        "print(loaded, 'plotext' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["False", "True"]
    assert result.stderr == ""


def test_drawing_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    for y in ODD_DATA.values():
        for x in (np.arange(len(y), dtype=float), 1e18 + np.zeros(len(y))):
            drawn(chart(curve(y, x)), 80, 24)
    assert capfd.readouterr() == ("", "")


def test_threads_do_not_mix_their_charts() -> None:
    specs = [chart(curve(SMOOTH * 10**n), x_label=str(n)) for n in range(4)]
    expected = [drawn(spec, 60 + n, 20 + n) for n, spec in enumerate(specs)]
    wrong: list[int] = []

    def draw_often(n: int) -> None:
        for _ in range(15):
            if text_of(draw_chart(specs[n], 60 + n, 20 + n)) != expected[n]:
                wrong.append(n)

    threads = [threading.Thread(target=draw_often, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
