"""From the records of runs and the view's choices to what a chart draws; pure, over numpy.

Imported after the first frame only: numpy and the charts are slow to load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from traintop.analysis.series import FloatArray, robust_limits, smooth
from traintop.charts import ChartSpec, Series
from traintop.text import number, si
from traintop.tui.chart_names import CHART_METRICS, chart_title
from traintop.tui.state import LOSS_CHART, THROUGHPUT_CHART, ViewState, XAxis

if TYPE_CHECKING:
    from traintop.store.history import History

_X_LABELS = {"iteration": "iteration", "gradient_step": "gradient step"}
_WALLCLOCK_UNITS = (("h", 3600.0, 3.0 * 3600), ("min", 60.0, 180.0), ("s", 1.0, 0.0))
"""Unit, its seconds, and the span in seconds from which it is used."""

_STRETCHED = 10.0
"""How many times the robust limits the plain ones may be before the robust ones are taken."""


@dataclass(frozen=True)
class ChartedRun:
    """A run as the charts know it; equal when path and revision are, and so the records."""

    path: Path
    revision: int
    label: str
    color: int
    history: History = field(compare=False, repr=False)


@dataclass(frozen=True)
class _Curve:
    """All that a curve depends on; ``weight`` is its smoothing, ``x_unit`` what x is divided by."""

    run: ChartedRun
    metric: str
    label: str
    x_axis: XAxis
    x_unit: float
    weight: float
    style: Literal["solid", "dotted"]
    dim: bool


class ChartMaker:
    """Makes charts, and keeps each curve as long as a chart can ask for it again.

    A curve takes a look at every record when it is new. So of a run that grows only the newest
    revision is kept, and of all runs only those that were charted last.
    """

    def __init__(self) -> None:
        self._kept: dict[_Curve, Series] = {}

    def chart(self, chart: str, runs: Sequence[ChartedRun], view: ViewState) -> ChartSpec:
        """The chart of one metric (or of both losses) over all the runs given."""
        unit, seconds = _wallclock_unit(runs) if view.x_axis == "wallclock_time" else ("", 1.0)
        curves = [
            curve
            for run in runs
            for metric in CHART_METRICS.get(chart, (chart,))
            if metric in run.history.metrics
            for curve in _curves(run, chart, metric, view, seconds, several=len(runs) > 1)
        ]
        self._kept = {key: series for key, series in self._kept.items() if key.run in runs}
        for curve in curves:
            if curve not in self._kept:
                self._kept[curve] = _series(curve)
        return ChartSpec(
            title=_title(chart, runs),
            series=tuple(self._kept[curve] for curve in curves),
            x_label=f"wall clock, {unit}" if unit else _X_LABELS[view.x_axis],
            log_y=view.log_y,
            legend=any(curve.label for curve in curves),
            robust=view.robust and _is_stretched([self._kept[curve].y for curve in curves]),
        )


def _curves(
    run: ChartedRun, chart: str, metric: str, view: ViewState, x_unit: float, *, several: bool
) -> list[_Curve]:
    """The curve of a metric; a smoothed one has its raw curve behind it."""
    is_val = chart == LOSS_CHART and metric == "val_loss"
    style: Literal["solid", "dotted"] = "dotted" if is_val else "solid"
    label = run.label if several else ""
    if chart == LOSS_CHART:
        which = "val" if is_val else "train"
        label = f"{label} {which}" if several else f"{which} loss"
    shown = _Curve(run, metric, label, view.x_axis, x_unit, view.smoothing_weight, style, False)
    if not view.smoothing:
        return [shown]
    return [replace(shown, label="", weight=0.0, dim=True), shown]


def _series(curve: _Curve) -> Series:
    history = curve.run.history
    x, y = history.columns[curve.x_axis], history.columns[curve.metric]
    x = x / curve.x_unit if curve.x_unit != 1.0 else x
    # Of a smoothed pair the raw curve shows where NaN was measured; ±inf is marked by itself.
    events = None if curve.weight else x[history.nonfinite(curve.metric) & np.isnan(y)]
    return Series(
        label=curve.label,
        x=x,
        y=smooth(y, curve.weight) if curve.weight else y,
        color=curve.run.color,
        style=curve.style,
        dim=curve.dim,
        events=events,
    )


def _is_stretched(values: Sequence[FloatArray]) -> bool:
    """Whether a few values take most of the y axis, as those of a run that diverges do.

    The steep start of a usual loss curve is no outlier, so it takes more than that.
    """
    fair = robust_limits(np.concatenate(values)) if values else None
    if fair is None:
        return False
    finite = [y[np.isfinite(y)] for y in values]
    lowest = min(float(y.min()) for y in finite if len(y))
    highest = max(float(y.max()) for y in finite if len(y))
    return highest - lowest > _STRETCHED * (fair[1] - fair[0])


def _title(chart: str, runs: Sequence[ChartedRun]) -> str:
    """The name of the chart; for one run and one metric with its last value and its median.

    Of one run the legend alone names both losses.
    """
    if chart == LOSS_CHART and len(runs) == 1:
        return ""
    title = chart_title(chart)
    values = runs[0].history.columns.get(chart) if len(runs) == 1 else None
    if values is None:
        return title
    values = values[np.isfinite(values)]
    if not len(values):
        return title
    show = si if chart == THROUGHPUT_CHART else number
    last, median = float(values[-1]), float(np.median(values))
    return f"{title}   last {show(last)}   median {show(median)}"


def _wallclock_unit(runs: Sequence[ChartedRun]) -> tuple[str, float]:
    longest = 0.0
    for run in runs:
        times = run.history.columns["wallclock_time"]
        times = times[np.isfinite(times)]
        longest = max(longest, float(times.max())) if len(times) else longest
    return next((unit, size) for unit, size, span in _WALLCLOCK_UNITS if longest >= span)
