"""What one frame of a chart costs, by the number of runs and the length of each."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator

import numpy as np
import plotext
from tests.benchmarks.measuring import Floor, Line, Scale, interleaved, seconds_of

from traintop.charts import ChartSpec, Series, draw_chart, points_for

_WIDTH, _HEIGHT = 120, 35
_SHORT = 240
_COMPARED, _COMPARED_RECORDS = 50, 100_000
_BUDGETS = {5: 0.006, _COMPARED: 0.05}
"""In seconds by the number of runs: a key that draws a chart is answered within 50 ms."""


def measure(scale: Scale) -> Iterator[Line]:
    """The lines of this family."""
    for points in (_SHORT, scale.long_run):
        for runs in (1, 5, 20):
            yield _frame(scale, runs, points)
    yield _frame(scale, _COMPARED, min(scale.long_run, _COMPARED_RECORDS))
    yield _first_frame(scale, 5, scale.long_run)


def _frame(scale: Scale, runs: int, points: int) -> Line:
    spec = _chart(runs, points)
    handed = max(len(curve.x) for curve in points_for(spec, _WIDTH))
    ours, by_plotext = interleaved(
        scale.rounds,
        _median_of(lambda: draw_chart(spec, _WIDTH, _HEIGHT), scale.rounds * 2),
        _median_of(lambda: _draw_with_plotext(_thinned(spec)), scale.rounds),
    )
    return Line(
        f"a chart frame, {_WIDTH}x{_HEIGHT}, {runs} run{'s' * (runs > 1)} of {points:,} points",
        ours,
        "s",
        f"≤ {1000 * _BUDGETS[runs]:.0f} ms" if runs in _BUDGETS else "",
        _BUDGETS.get(runs),
        (Floor("plotext draws the same thinned points", by_plotext),),
        f"At most {handed:,} points of each curve are drawn.",
    )


def _first_frame(scale: Scale, runs: int, points: int) -> Line:
    def first() -> float:
        spec = _chart(runs, points)
        return seconds_of(lambda: draw_chart(spec, _WIDTH, _HEIGHT))

    spec = _chart(runs, points)
    ours, extremes = interleaved(
        scale.rounds,
        first,
        lambda: seconds_of(lambda: [s.y.min() + s.y.max() for s in spec.series]),
    )
    return Line(
        f"the very first frame of {runs} runs of {points:,} points",
        ours,
        "s",
        floors=(Floor("their lowest and highest values", extremes),),
        reading="New data: every point is looked at once. The lines above draw it again.",
    )


def _chart(runs: int, points: int) -> ChartSpec:
    x = np.arange(points, dtype=np.float64)
    random = np.random.default_rng(1)
    return ChartSpec(
        title="loss",
        series=tuple(
            Series(
                f"run {number}",
                x,
                2.5 + number / 10 + 7.0 / (1.0 + x * 200 / points) + random.normal(0, 0.05, points),
                color=number,
            )
            for number in range(runs)
        ),
    )


def _thinned(spec: ChartSpec) -> list[tuple[list[float], list[float]]]:
    return [(curve.x.tolist(), curve.y.tolist()) for curve in points_for(spec, _WIDTH)]


def _draw_with_plotext(curves: list[tuple[list[float], list[float]]]) -> str:
    plotext.terminal.limit(False, False)
    figure = plotext.figure
    figure.clear()
    figure.plot_size(_WIDTH, _HEIGHT)
    for x, y in curves:
        figure.draw(figure.signal(x, y, marker="braille").lines(True))
    text: str = figure.build().string()
    return text


def _median_of(draw: Callable[[], object], times: int) -> Callable[[], float]:
    return lambda: statistics.median(seconds_of(draw) for _ in range(times))
