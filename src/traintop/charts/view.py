"""Which points of the series are drawn, and between which limits."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from traintop.analysis.series import (
    FloatArray,
    Limits,
    robust_limits,
    thin,
)
from traintop.charts.spec import ChartSpec, Series

_OVERVIEW_POINTS = 4  # per column of dots, at least

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
    y: Limits | None
    """Logarithms where the axis is so; None when no value says what to show."""
    whole_x: bool
    """Whether x only has whole values, such as iterations."""


def points_for(spec: ChartSpec, width: int) -> tuple[Curve, ...]:
    """The points that are drawn of each series on a chart of ``width`` cells.

    At most two per column of dots, so ``4 * width + 4`` per series, however long it is.
    """
    limits = _x_limits(spec)

    def drawn(points: _Points) -> _Points:
        x, y = thin(*_loggable(*points) if spec.log_y else points, 2 * width, limits)
        return x, np.log10(y) if spec.log_y else y

    return tuple(
        Curve(
            series,
            *drawn(_source(series, limits, 2 * width, spec.log_y)),
            tuple(map(drawn, series.edges)),
        )
        for series in spec.series
    )


def _source(series: Series, limits: Limits, columns: int, log_y: bool) -> _Points:
    """The overview of a series where it is fine enough for this view, otherwise all points."""
    x, y = series.overview
    shown = y[_in_view(x, limits)]
    # An overview drops the lowest positive value where the lowest of all is not positive.
    too_coarse = len(shown) < _OVERVIEW_POINTS * columns or (log_y and y.min() <= 0)
    return series.measured if too_coarse else series.overview


def _loggable(x: FloatArray, y: FloatArray) -> _Points:
    positive = y > 0
    return (x, y) if positive.all() else (x[positive], y[positive])


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
    """Limits that are far enough apart to tell values between them."""
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


def view_of(spec: ChartSpec, curves: Sequence[Curve]) -> View:
    """The limits that show ``curves``."""
    x_limits = _x_limits(spec)
    whole = all(bool((np.floor(curve.x) == curve.x).all()) for curve in curves)
    y_limits = _robust_limits(spec, x_limits) if spec.robust else None
    if y_limits is None:
        shown = [(curve.x, curve.y) for curve in curves]
        shown += [edge for curve in curves for edge in curve.edges]
        y_limits = limits_of([_within(x, y, x_limits) for x, y in shown])
    return View(x_limits, y_limits, whole)


def _within(x: FloatArray, y: FloatArray, limits: Limits) -> FloatArray:
    """The values in view, or those that a line across the view joins when there are none."""
    inside = y[_in_view(x, limits)]
    return inside if len(inside) else y


def _in_view(x: FloatArray, limits: Limits) -> slice:
    return slice(int(np.searchsorted(x, limits[0])), int(np.searchsorted(x, limits[1], "right")))


def _robust_limits(spec: ChartSpec, x_limits: Limits) -> Limits | None:
    found = []
    for series in spec.series:
        x, y = series.measured
        limits = robust_limits(y[_in_view(x, x_limits)], log=spec.log_y)
        if limits is not None:
            found.append(limits)
    if not found:
        return None
    return _widened(min(low for low, _ in found), max(high for _, high in found))
