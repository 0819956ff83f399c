"""From the records of runs and the options a person chose to the specification of a chart."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from traintop.analysis.axes import X_AXES, XAxis, no_axis_text, x_label
from traintop.analysis.chart_names import (
    LOSS_CHART,
    PAIRS,
    chart_title,
    is_system_chart,
    metrics_of_chart,
)
from traintop.analysis.series import FloatArray, Limits, finite, smooth, value_near
from traintop.analysis.x_values import XValues, metric_axes, x_values
from traintop.charts.spec import ChartSpec, Series, figure, place, x_at_place
from traintop.charts.ticks import in_steps
from traintop.fields import field_of
from traintop.metrics import logged_name
from traintop.text import LONGEST_NAME, fit_middle, number, safe_text, si, stopwatch

if TYPE_CHECKING:
    from traintop.store.history import History

_WALLCLOCK_UNITS = (("h", 3600.0, 3.0 * 3600), ("min", 60.0, 180.0))
"""Unit, its seconds, and the time in seconds from which it is used."""

_X_PARTS = 4
"""How many steps of the end of x a run that grows takes, at least: each redraws its charts."""

_NAME_WIDTH = 48  # of a run in the title of its chart

QUICK_RECORDS = 200_000
"""Curves over so many records are made at once: it takes a few milliseconds."""


@dataclass(frozen=True)
class PlottedRun:
    """A run as the charts know it; equal when id and revision are, and so the records."""

    id: str
    revision: int
    label: str
    color: int
    tokens_per_iteration: float | None
    history: History = field(compare=False, repr=False)
    grows: bool = field(default=False, compare=False)
    """Whether more records are to come."""
    counts_epochs: bool = False
    """Whether its iterations are epochs."""


@dataclass(frozen=True)
class ChartOptions:
    """What a person chose for all charts.

    ``weight`` is that of the smoothing. ``x_limits`` (all of x when ``None``) and ``cursor`` are
    places on the axis.
    """

    x_axis: XAxis = field(default_factory=XAxis)
    log_y: bool = False
    robust: bool = True
    weight: float = 0.0
    x_limits: Limits | None = None
    cursor: float | None = None


@dataclass(frozen=True)
class CurveKey:
    """All that a curve depends on; ``weight`` is its smoothing."""

    run: PlottedRun
    metric: str
    label: str
    x_axis: XAxis
    weight: float
    style: Literal["solid", "dotted"]
    dim: bool


class ChartMaker:
    """Makes charts, and keeps their curves until :meth:`keep_only` forgets them.

    A new curve is computed from every record. Where that takes long, :meth:`missing` names the
    curves, and :meth:`prepare` makes one of them in a thread of its own.
    """

    def __init__(self) -> None:
        self._series: dict[CurveKey, Series] = {}
        self._x: dict[tuple[PlottedRun, XAxis], XValues | None] = {}
        self._lock = threading.Lock()

    def missing(
        self, chart: str, runs: Sequence[PlottedRun], options: ChartOptions
    ) -> tuple[CurveKey, ...]:
        """The curves that must be prepared first, none when the chart is made at once."""
        known = self._series
        fresh = [key for key in self._keys(chart, runs, options) if key not in known]
        quick = sum(len(key.run.history) for key in fresh) <= QUICK_RECORDS
        return () if quick else tuple(fresh)

    def prepare(self, key: CurveKey) -> None:
        """Compute a curve, and what it takes to draw it; safe in any thread."""
        positions = self._x_of(key.run, key.x_axis)
        if key in self._series or positions is None:
            return
        history, x = key.run.history, positions.each
        y = history.columns[key.metric]
        # Of a smoothed pair the raw curve shows where NaN was measured; ±inf is marked by itself.
        events = None if key.weight else x[history.nonfinite(key.metric) & np.isnan(y)]
        raw = None
        if key.weight:
            behind = _raw(key)
            self.prepare(behind)
            raw = self._series[behind]
        series = Series(
            label=key.label,
            x=x,
            y=_smoothed(y, key.weight),
            color=key.run.color,
            style=key.style,
            dim=key.dim,
            events=events,
            raw=raw,
        )
        series.precompute()
        with self._lock:
            self._series[key] = series

    def chart(self, chart: str, runs: Sequence[PlottedRun], options: ChartOptions) -> ChartSpec:
        """The chart of one metric (or of both losses) over all the runs given."""
        x_axis, keys = options.x_axis, self._keys(chart, runs, options)
        for key in keys:
            self.prepare(key)
        series = tuple(self._series[key] for key in keys)
        title = _title(chart, runs, series, options)
        words = title or chart_title(chart)
        recorded = [run for run in runs if len(run.history)]
        left_out = [run for run in recorded if not self.has_axis(run, x_axis)]
        extent = self.extent(runs, x_axis)
        is_time = x_axis.name == "wallclock_time"
        label, x_unit = x_label(x_axis.name), 1.0
        grows = any(run.grows for run in runs)
        if extent and grows:
            extent = extent[0], max(extent[1], in_steps(*extent, _X_PARTS)[1])
        if is_time:
            unit, x_unit = _wallclock_unit(x_at_place(extent[1], x_axis.log) if extent else 0.0)
            label = f"{label}, {unit}"
        if source := self.x_source(runs, x_axis):
            label = f"{label} ({source})"
        return ChartSpec(
            title=title,
            series=series,
            x_label=label,
            x_unit=x_unit,
            log_x=x_axis.log,
            log_y=options.log_y,
            x_limits=options.x_limits or extent,
            cursor=options.cursor,
            # Where a GPU dropped to nothing is what such a chart is looked at for.
            robust=options.robust and not is_system_chart(chart),
            grows=grows,
            note=_left_out_note(left_out, x_axis),
            missing=_missing(chart, recorded, left_out, x_axis),
            # Of several runs the legend has the names.
            name=f"{fit_middle(safe_text(runs[0].label, LONGEST_NAME), _NAME_WIDTH)} {words}"
            if len(runs) == 1
            else words,
            value_text=si if _is_rate(chart) else figure,
            place_text=stopwatch if is_time else place,
        )

    def keep_only(
        self, runs: Collection[PlottedRun], x_axis: XAxis, weights: Collection[float]
    ) -> None:
        """Forget all curves but those of these runs over one axis, raw and so smoothed."""
        with self._lock:
            self._series = {
                key: one
                for key, one in self._series.items()
                if key.run in runs and key.x_axis == x_axis and key.weight in (0.0, *weights)
            }
            self._x = {key: one for key, one in self._x.items() if key[0] in runs}

    def extent(self, runs: Sequence[PlottedRun], x_axis: XAxis) -> Limits | None:
        """The lowest and the highest x of all records on an axis, ``None`` without any."""
        covered = [x for run in runs if len(x := self._ordered(run, x_axis))]
        if not covered:
            return None
        return min(float(x[0]) for x in covered), max(float(x[-1]) for x in covered)

    def spacing(self, runs: Sequence[PlottedRun], x_axis: XAxis) -> float:
        """How far apart on x the records of the densest run are, 0 when there are too few.

        Of its later half, since on a logarithmic axis the first ones are far apart.
        """
        each = [(x, len(x) // 2) for run in runs if len(x := self._ordered(run, x_axis)) > 1]
        gaps = [float(x[-1] - x[half - 1]) / (len(x) - half) for x, half in each]
        return min((gap for gap in gaps if gap > 0), default=0.0)

    def record_near(
        self, runs: Sequence[PlottedRun], x_axis: XAxis, cursor: float, distance: float
    ) -> float:
        """The x of a record about ``distance`` from the cursor, and never on its other side."""
        target = cursor + distance
        found = []
        for run in runs:
            x = self._ordered(run, x_axis)
            if distance > 0:
                x = x[np.searchsorted(x, cursor, side="right") :]
            else:
                x = x[: np.searchsorted(x, cursor)]
            if len(x):
                found.append(value_near(x, x, target))
        return min(found, key=lambda x: abs(x - target), default=cursor)

    def on_other_axis(
        self, run: PlottedRun, before: XAxis, after: XAxis, positions: Sequence[float]
    ) -> list[float] | None:
        """Where positions on one axis lie on another by the records of a run."""
        old, new = self._x_of(run, before), self._x_of(run, after)
        if old is None or new is None:
            return None
        x, y = finite(old.each, new.each)
        return np.interp(positions, x, y).tolist() if len(x) else None

    def has_axis(self, run: PlottedRun, x_axis: XAxis) -> bool:
        """Whether the records of a run have a place on an axis."""
        return self._x_of(run, x_axis) is not None

    def axes(self, runs: Sequence[PlottedRun]) -> tuple[str, ...]:
        """The axes to choose from: the standard ones along which some run goes, then few metrics.

        The gradient steps of a loop that does not count them stay 0.
        """
        each = [(axis, self._ordered(run, XAxis(axis))) for axis in X_AXES for run in runs]
        standard = dict.fromkeys(axis for axis, x in each if len(x) == 1 or (x[:1] < x[-1:]).any())
        return *standard, *metric_axes(run.history for run in runs)

    def x_source(self, runs: Sequence[PlottedRun], x_axis: XAxis) -> str:
        """How the places of runs on an axis were computed, where its name does not say it."""
        places = (self._x_of(run, x_axis) for run in runs)
        return " or ".join(dict.fromkeys(x.source for x in places if x and x.source))

    def _keys(
        self, chart: str, runs: Sequence[PlottedRun], options: ChartOptions
    ) -> list[CurveKey]:
        """The curves of a chart whose runs have a place on its x axis."""
        keys = _keys(chart, runs, options)
        return [key for key in keys if self.has_axis(key.run, key.x_axis)]

    def _ordered(self, run: PlottedRun, x_axis: XAxis) -> FloatArray:
        positions = self._x_of(run, x_axis)
        return np.empty(0) if positions is None else positions.ordered

    def _x_of(self, run: PlottedRun, x_axis: XAxis) -> XValues | None:
        key = (run, x_axis)
        if key not in self._x:
            tokens, epochs = run.tokens_per_iteration, run.counts_epochs
            found = x_values(run.history, x_axis, tokens, counts_epochs=epochs)
            with self._lock:
                self._x[key] = found
            return found
        return self._x.get(key)


def _keys(chart: str, runs: Sequence[PlottedRun], options: ChartOptions) -> list[CurveKey]:
    """The curves of a chart; before a smoothed one, and so behind it, its raw curve."""
    keys = []
    pair = PAIRS.get(chart)
    for run in runs:
        unnamed = run.label if len(runs) > 1 else ""
        for second, metric in enumerate(metrics_of_chart(chart)):
            logged = logged_name(metric, run.history.metrics)
            if logged is None:
                continue
            label = field_of(metric).words if pair and len(runs) == 1 else unnamed
            unnamed = ""  # a further curve is found beside the one that has named the run
            style: Literal["solid", "dotted"]
            style = "dotted" if second else "solid"
            shown = CurveKey(run, logged, label, options.x_axis, options.weight, style, False)
            if options.weight:
                keys.append(_raw(shown))
            keys.append(shown)
    return keys


def _raw(key: CurveKey) -> CurveKey:
    """The raw curve behind a smoothed one."""
    return replace(key, label="", weight=0.0, dim=True)


def _smoothed(y: FloatArray, weight: float) -> FloatArray:
    """The moving average over records: a metric that is measured rarely lags no more than others.

    Between two of its values the weight falls as often as there are records between them.
    """
    measured = np.count_nonzero(np.isfinite(y))
    return smooth(y, weight ** (len(y) / measured)) if weight and measured else y


def _title(
    chart: str, runs: Sequence[PlottedRun], series: Sequence[Series], options: ChartOptions
) -> str:
    """The name of the chart; for one run and one metric with the values that a legend would have.

    Of one run the legend alone names the metrics of a pair, such as both losses.
    """
    title = chart_title(chart)
    if not series:
        return title
    if (pair := PAIRS.get(chart)) is not None:
        solid, dotted = pair.words
        return f"{title}   ─ {solid}   ┄ {dotted}" if len(runs) > 1 else ""
    if len(runs) > 1:
        return title
    show = si if _is_rate(chart) else number
    if options.cursor is not None:
        return f"{title}   {show(series[-1].value_at(options.cursor))}"
    if series[-1].last is None:
        return title
    write_x = stopwatch if options.x_axis.name == "wallclock_time" else si
    last = series[-1].last_text(show, lambda x: write_x(x_at_place(x, options.x_axis.log)))
    median = series[0].median
    return f"{title}   last {last}" + ("" if median is None else f"   median {show(median)}")


def _left_out_note(left_out: Sequence[PlottedRun], x_axis: XAxis) -> str:
    """Which runs have no place on the x axis, and why; nothing where all have one."""
    if not left_out:
        return ""
    reason = f"no {x_label(x_axis.name)}{' above 0' if x_axis.log else ''}"
    if x_axis.name == "tokens":
        reason = "no tokens, nor batch × context"
    return f"{reason}: {', '.join(safe_text(run.label) for run in left_out)}"


def _missing(
    chart: str, recorded: Sequence[PlottedRun], left_out: Sequence[PlottedRun], x_axis: XAxis
) -> str:
    """Why there is no curve, if there is none."""
    if not recorded:
        return "no record yet"
    if len(left_out) == len(recorded):
        return no_axis_text(x_axis)
    words = "train or val loss" if chart == LOSS_CHART else chart_title(chart)
    return f"no {words} was logged"


def _is_rate(chart: str) -> bool:
    return field_of(chart).kind == "si"


def _wallclock_unit(longest: float) -> tuple[str, float]:
    fitting = ((unit, size) for unit, size, least in _WALLCLOCK_UNITS if longest >= least)
    return next(fitting, ("s", 1.0))
