"""Which points of the series are drawn, and between which limits."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from traintop.analysis.series import (
    FloatArray,
    Limits,
    band,
    common_limits,
    robust_limits,
    thin,
    weighted_means,
)
from traintop.charts.spec import ChartSpec, Series
from traintop.charts.ticks import in_steps, log_tick_labels, log_ticks, nice_ticks, tick_labels

_OVERVIEW_POINTS = 8  # per cell, at least
_DENSE = 8  # points per cell from which a curve is drawn as its mean in a band
_MOST_BANDS = 6  # runs
_STRETCHED = 10.0
"""How many times the robust limits the plain ones may be before the robust ones are taken.

The steep start of a usual loss curve is no outlier, so it takes more than that."""

_FAR_AWAY = 1.5
"""How far from the middle of the view, in heights of it, a value lies that has left it."""

_Y_PARTS = 8
"""How many steps of the limits of y a curve that grows takes, at least."""

_SAMPLE = 2048
_LOG_PRECISION = 1e-12  # to which a whole number is known by its logarithm
_LEAST_LOGGABLE = 5e-324

_Points: TypeAlias = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, eq=False)
class Curve:
    """What is drawn of a series: few points, all finite; logarithms where the axis is so."""

    series: Series
    x: FloatArray
    y: FloatArray
    edges: tuple[_Points, ...]
    """The points of the lower and of the upper edge of the band, if there is one."""


@dataclass(frozen=True)
class View:
    """The limits of a chart."""

    x: Limits
    """Logarithms where the axis is so, as those of y."""
    y: Limits | None
    """None when no value says what to show."""
    log_x: bool
    log_y: bool
    whole_x: bool
    """Whether x only has whole values, such as iterations."""
    even_ticks: tuple[float, ...] = ()
    """Where y has its ticks, if that is settled already."""

    def labelled_y(self, count: int) -> tuple[tuple[float, str], ...]:
        """Where y has about so many ticks, as logarithms on such an axis, and their labels."""
        if self.y is None:
            return ()
        if self.log_y:
            values = log_ticks(*self.y, count)
            return tuple(zip(np.log10(values).tolist(), log_tick_labels(values), strict=True))
        values = self.even_ticks or nice_ticks(*self.y, count)
        return tuple(zip(values, tick_labels(values), strict=True))

    def labelled_x(self, count: int, unit: float) -> tuple[tuple[float, str], ...]:
        """As :meth:`labelled_y`, with labels in a unit of x."""
        low, high = self.x
        if self.log_x:
            scale = math.log10(unit)
            values = log_ticks(low - scale, high - scale, count, whole=self.whole_x)
            places = np.log10(values) + scale
            return tuple(zip(places.tolist(), log_tick_labels(values), strict=True))
        values = nice_ticks(low / unit, high / unit, count, whole=self.whole_x)
        return tuple(zip((value * unit for value in values), tick_labels(values), strict=True))

    def arrow(self, series: Series) -> str:
        """Where all of a curve is when none of it is in view: above, below, or not so."""
        y = series.overview[1]
        if self.y is None or not len(y):
            return ""
        low, high = y.min(), y.max()
        if self.log_y:
            low, high = np.log10(max(low, _LEAST_LOGGABLE)), np.log10(max(high, _LEAST_LOGGABLE))
        return "↑" if low > self.y[1] else "↓" if high < self.y[0] else ""


def points_for(spec: ChartSpec, width: int) -> tuple[Curve, ...]:
    """The points that are drawn of each series on a chart of ``width`` cells.

    At most two per column of dots, so ``4 * width + 4`` per series, however long it is. Where
    many points share a cell, their mean is the curve, and from their lowest to their highest
    reaches a band behind it, so that noise does not become a solid block. The bands of very many
    runs would be such a block together, so there only the means are drawn.
    """
    limits = _x_limits(spec)
    banded = len({series.color for series in spec.series}) <= _MOST_BANDS
    return tuple(_curve(series, spec.log_y, width, limits, banded=banded) for series in spec.series)


def _curve(series: Series, log_y: bool, width: int, limits: Limits, *, banded: bool) -> Curve:
    def scaled(points: _Points) -> _Points:
        return points[0], _scaled(points[1], log_y)

    def drawn(points: _Points) -> _Points:
        return scaled(thin(*_placed(points, log_y), 2 * width, limits))

    x, y = series.measured
    shown = _in_view(x, limits)
    edges = tuple(map(drawn, series.edges))
    if not _is_dense(x[shown], width, limits):
        return Curve(series, *drawn((x, y)), edges)
    line, *outer = map(scaled, _mean_and_edges(series, log_y, width, limits))
    if series.dim:
        line = (x[:0], y[:0])
    return Curve(series, *line, edges or (tuple(outer) if banded else ()))


def _is_dense(x: FloatArray, width: int, limits: Limits) -> bool:
    """Whether about so many points share each cell that their line would fill it."""
    if len(x) <= _DENSE:
        return False
    begin, end = share_of(x[[0, -1]], limits)
    return len(x) > _DENSE * max(float(end - begin) * width, 1.0)


def _mean_and_edges(
    series: Series, log_y: bool, columns: int, limits: Limits
) -> tuple[_Points, _Points, _Points]:
    source = _source(series, log_y, columns, limits)
    own = band(*_placed(source, log_y), columns, limits)
    mean = own.mean if source is series.measured else _mean_of_means(series, columns, limits)
    filled = (own.count > 0) & np.isfinite(mean)
    at = own.x[filled]
    # An edge is level across its cell, so that the thinnest spike is as wide as one.
    sides = np.array([-0.25, 0.25]) * (limits[1] / columns - limits[0] / columns)
    across = (at[:, None] + sides).ravel()
    low, high = (np.repeat(edge[filled], 2) for edge in (own.low, own.high))
    if len(at):
        at[[0, -1]] += sides
    return (at, mean[filled]), (across, low), (across, high)


def _source(series: Series, log_y: bool, columns: int, limits: Limits) -> _Points:
    """The overview of a series where it is fine enough for this view, otherwise all points."""
    x, y = series.overview
    shown = _in_view(x, limits)
    # An overview drops the lowest positive value where the lowest of all is not positive.
    too_coarse = shown.stop - shown.start < _OVERVIEW_POINTS * columns
    if too_coarse or (log_y and y.min() <= 0):
        return series.measured
    return series.overview


def _mean_of_means(series: Series, columns: int, limits: Limits) -> FloatArray:
    finer = series.means
    known = finer.count > 0
    return weighted_means(finer.x[known], finer.mean[known], finer.count[known], columns, limits)


def _placed(points: _Points, log_y: bool) -> _Points:
    """The points that have a place on the axis: a logarithmic one has none for what is <= 0."""
    x, y = points
    if not log_y or (positive := y > 0).all():
        return points
    return x[positive], y[positive]


def _scaled(y: FloatArray, log_y: bool) -> FloatArray:
    """Values that have a place on the axis, as they stand there."""
    return np.log10(y) if log_y else y


def _x_limits(spec: ChartSpec) -> Limits:
    """The limits asked for, or those of all points and events."""
    if spec.x_limits is not None and all(map(math.isfinite, spec.x_limits)):
        return _widened(min(spec.x_limits), max(spec.x_limits), least=0.5)
    ends = [one.measured[0][[0, -1]] for one in spec.series if len(one.measured[0])]
    limits = limits_of([*ends, *(x for one in spec.series for x in one.marks)], least=0.5)
    return limits or (0.0, 1.0)


def limits_of(arrays: Sequence[FloatArray], least: float = 0.0) -> Limits | None:
    """From the lowest to the highest of all values, ``None`` without any; see `_widened`."""
    filled = [values for values in arrays if len(values)]
    if not filled:
        return None
    low, high = min(float(v.min()) for v in filled), max(float(v.max()) for v in filled)
    return _widened(low, high, least)


def _widened(low: float, high: float, least: float = 0.0) -> Limits:
    """Limits that are far enough apart for values between them to differ."""
    magnitude = max(abs(low), abs(high))
    if high / 2 - low / 2 > max(4 * math.ulp(magnitude), 1e-290):
        return low, high
    largest = sys.float_info.max
    margin = max(least, 1e-9 * magnitude) if least else 0.05 * magnitude
    margin = margin if margin > 1e-280 else 1.0
    return max(low - margin, -largest), min(high + margin, largest)


def share_of(values: FloatArray, limits: Limits) -> FloatArray:
    """Where values lie between the limits, 0 to 1; halved first, since a span may overflow."""
    low, high = limits
    with np.errstate(over="ignore", invalid="ignore"):
        share: FloatArray = (values / 2 - low / 2) / (high / 2 - low / 2)
    return share


def view_of(spec: ChartSpec, width: int) -> View:
    """The limits of a chart of about ``width`` cells."""
    x_limits = _x_limits(spec)
    ends = [x for one in spec.series for x in (one.measured[0][:8], one.measured[0][-8:])]
    whole = spec.x_unit == 1.0 and all(_is_whole(x, spec.log_x) for x in ends)
    shown = [_source(one, spec.log_y, width, x_limits) for one in spec.series]
    shown += [edge for one in spec.series for edge in one.edges]
    values = [_within(*_placed(one, spec.log_y), x_limits) for one in shown]
    y_limits = limits_of([_scaled(_ends(y), spec.log_y) for y in values])
    robust = _robust_limits(spec, x_limits) if spec.robust and y_limits else None
    if y_limits and robust and _span(y_limits) > _STRETCHED * _span(robust):
        y_limits = _with_latest(spec, robust, x_limits)
    if spec.grows and y_limits:
        y_limits = in_steps(*y_limits, _Y_PARTS)
    return View(x_limits, y_limits, spec.log_x, spec.log_y, whole)


def _is_whole(x: FloatArray, log_x: bool) -> bool:
    if not log_x:
        return bool((np.floor(x) == x).all())
    with np.errstate(over="ignore", invalid="ignore"):
        x = 10.0**x
        return bool((np.abs(x - np.rint(x)) <= _LOG_PRECISION * x).all())


def _with_latest(spec: ChartSpec, robust: Limits, x_limits: Limits) -> Limits:
    """The limits, and the latest value of each curve where that leaves the others readable.

    What a run does now is no outlier. One that is further off gets an arrow (:func:`departures`).
    """
    low, high = robust
    for series in spec.series:
        shown = _in_view(series.measured[0], x_limits)
        x, y = (values[shown][-1:] for values in series.measured)
        latest = _scaled(_placed((x, y), spec.log_y)[1], spec.log_y).tolist()
        wider = min(low, *latest, high), max(low, *latest, high)
        if _span(wider) <= _STRETCHED * _span(robust):
            low, high = wider
    return low, high


class Departure(NamedTuple):
    """Where a curve left the view, over its upper or under its lower limit, and the value there."""

    series: Series
    x: float
    value: float
    above: bool


def departure_text(spec: ChartSpec, departure: Departure) -> str:
    """The arrow and the value that stand where a curve left the view."""
    return f"{'↑' if departure.above else '↓'}{spec.value_text(departure.value)}"


def departures(spec: ChartSpec, view: View, width: int) -> list[Departure]:
    """Where the curves in front leave a view of about ``width`` cells upwards or downwards.

    One that stays away has its last value where it left; one that comes back the furthest one.
    """
    found = []
    for series in spec.series:
        if view.y is None or series.dim:
            continue
        x, y = _placed(_source(series, spec.log_y, width, view.x), spec.log_y)
        shown = _in_view(x, view.x)
        x, y = x[shown], y[shown]
        scaled = _scaled(y, spec.log_y)
        beyond = np.where(scaled > view.y[1], 1, np.where(scaled < view.y[0], -1, 0))
        if not len(y):
            continue
        if beyond[-1]:
            changes = np.flatnonzero(beyond != beyond[-1])
            left = int(changes[-1]) + 1 if len(changes) else 0
            value = y[-1]
        else:
            # The steep start of a loss curve only comes, and noise at a limit is no departure.
            away = np.abs(scaled / 2 - (view.y[0] / 4 + view.y[1] / 4))
            away[: int((beyond == 0).argmax())] = 0.0
            left = int(away.argmax())
            value = y[left]
            if away[left] <= _FAR_AWAY * _span(view.y):
                continue
        found.append(Departure(series, float(x[left]), float(value), bool(beyond[left] > 0)))
    return found


def _ends(y: FloatArray) -> FloatArray:
    return np.array([y.min(), y.max()]) if len(y) else y


def _span(limits: Limits) -> float:
    """Half of what the limits are apart, since all of it may be beyond the range of floats."""
    return limits[1] / 2 - limits[0] / 2


def _within(x: FloatArray, y: FloatArray, limits: Limits) -> FloatArray:
    """The values in view, or those that a line across the view joins when there are none."""
    shown = _in_view(x, limits)
    return y[shown] if shown.stop > shown.start else y[max(shown.start - 1, 0) : shown.start + 1]


def _in_view(x: FloatArray, limits: Limits) -> slice:
    return slice(int(np.searchsorted(x, limits[0])), int(np.searchsorted(x, limits[1], "right")))


def _robust_limits(spec: ChartSpec, x_limits: Limits) -> Limits | None:
    each = [robust_limits(_sample(one, x_limits), log=spec.log_y) for one in spec.series]
    found = [limits for limits in each if limits is not None]
    return _widened(*common_limits(found, log=spec.log_y)) if found else None


def _sample(series: Series, x_limits: Limits) -> FloatArray:
    """Evenly spaced values in view, and the extremes among all that are."""
    x, y = series.measured
    shown = y[_in_view(x, x_limits)]
    stride = len(shown) // _SAMPLE
    if stride < 2:
        return shown
    x, y = series.overview
    extremes = y[_in_view(x, x_limits)]
    ends = [extremes.min(), extremes.max()] if len(extremes) else []
    return np.append(shown[::stride], ends)
