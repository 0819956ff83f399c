"""Where the curves of two runs part: the first iteration from which on they differ for good.

Two curves are compared where both were measured: at the iterations of the one with fewer points
there, the other on the straight line between its neighbouring points. What they differ by is taken
in up to 64 consecutive portions, of each the median, so that a spike is none.

They differ in a portion where that median is further from 0 than the noise of a single point of
both. Noise is what remains when each point is compared with the straight line between its
neighbours, so that a trend is none: the median of what remains, over 0.6745 to be a deviation
(Hampel 1974), in each of up to 8 stretches, because it mostly falls in the course of training.

They part where the last portions begin, at least 3, that all differ, in the same direction, if the
median of the whole rest is 3 of its standard errors from 0 (of a median, ``sqrt(pi / 2)`` times the
noise over the root of the number of points).
"""

from __future__ import annotations

import math
from typing import TypeAlias

import msgspec
import numpy as np

from traintop.analysis.series import FloatArray, finite
from traintop.store.history import History

Points: TypeAlias = tuple[FloatArray, FloatArray]
"""Iterations in ascending order, and a finite value for each."""

_FEWEST = 8
_PORTIONS = 64
_FEWEST_PORTIONS = 3  # at the end, for as many to be apart
_STRETCHES = 8
_LEAST_STRETCH = 32
_STANDARD_ERRORS = 3
_NORMAL = 0.6745  # the median of |x|, normal with deviation 1
_ROUNDING = 1e-12


class CurveDifference(msgspec.Struct, frozen=True):
    """How the curves of a metric of two runs, the first less the second, compare.

    ``shared`` is the number of points, from the iteration ``first`` to ``last``, at which they were
    compared; too few of them say nothing, and then ``comparable`` is false. ``noise`` is the
    deviation of a single difference at the end.
    """

    metric: str
    shared: int = 0
    first: float | None = None
    last: float | None = None
    apart_from: float | None = None
    """The first iteration from which on they differ by more than their noise; else ``None``."""
    difference: float | None = None
    """The median of what they differ by at the end."""
    noise: float | None = None
    equal_until: float | None = None
    """The iteration up to which all that they share is equal to the last digit."""
    nonfinite: tuple[float | None, float | None] = (None, None)
    """The first iteration of each at which the metric was NaN or infinite."""

    @property
    def comparable(self) -> bool:
        """Whether there was enough to compare."""
        return self.noise is not None


def curve_difference(
    metric: str, a: tuple[History, str], b: tuple[History, str]
) -> CurveDifference:
    """Compares a metric of two runs; of each, the records and the name that it has in them."""
    compared = _compared(metric, _points(*a), _points(*b))
    return msgspec.structs.replace(compared, nonfinite=(_first_nonfinite(*a), _first_nonfinite(*b)))


def _points(history: History, name: str) -> Points:
    return finite(history.columns["iteration"], history.columns[name])


def _first_nonfinite(history: History, name: str) -> float | None:
    rows = np.flatnonzero(history.nonfinite(name))
    return float(history.columns["iteration"][rows[0]]) if len(rows) else None


def _compared(metric: str, a: Points, b: Points) -> CurveDifference:
    if not (len(a[0]) and len(b[0])):
        return CurveDifference(metric)
    low, high = max(a[0][0], b[0][0]), min(a[0][-1], b[0][-1])
    within = [_between(points, low, high) for points in (a, b)]
    grid = min(within, key=lambda points: len(points[0]))[0]
    if not len(grid):
        return CurveDifference(metric)
    shared = CurveDifference(metric, len(grid), float(grid[0]), float(grid[-1]))
    if len(grid) < _FEWEST:
        return shared
    with np.errstate(over="ignore", invalid="ignore"):  # values up to 1e308
        first, second = (np.interp(grid, *points) for points in (a, b))
        differences = np.nan_to_num(first - second)
        noise = np.hypot(*(noise_at(grid, points) for points in within))
    rounding = _ROUNDING * np.maximum(np.abs(first), np.abs(second))
    size = -(-len(grid) // _PORTIONS)
    starts = range(0, len(grid), size)
    parts = [slice(start, start + size) for start in starts]
    medians = np.array([np.median(differences[part]) for part in parts])
    single = np.array([max(np.median(noise[p]), np.median(rounding[p])) for p in parts])
    place = _start_of_last_side(np.where(np.abs(medians) > single, np.sign(medians), 0.0))
    apart = (
        place is not None
        and len(parts) - place >= _FEWEST_PORTIONS
        and _is_sure(differences[starts[place] :], single[place:])
    )
    return msgspec.structs.replace(
        shared,
        apart_from=float(grid[starts[place]]) if apart and place is not None else None,
        difference=float(medians[-1]),
        noise=float(single[-1]),
        equal_until=_equal_until(grid, differences),
    )


def _between(points: Points, low: float, high: float) -> Points:
    x, y = points
    part = slice(np.searchsorted(x, low), np.searchsorted(x, high, side="right"))
    return x[part], y[part]


def noise_at(grid: FloatArray, points: Points) -> FloatArray:
    """The deviation of a single point of a curve around each place of a grid."""
    x, y = points
    if len(x) < 3:
        return np.zeros(len(grid))
    share = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
    remains = np.abs(y[1:-1] - (y[:-2] * (1 - share) + y[2:] * share))
    remains /= np.sqrt(1 + share**2 + (1 - share) ** 2)
    stretches = min(max(len(remains) // _LEAST_STRETCH, 1), _STRETCHES)
    parts = np.array_split(np.arange(len(remains)), stretches)
    found = np.array([np.median(remains[part]) for part in parts]) / _NORMAL
    ends = x[1:-1][[part[-1] for part in parts]]
    noise: FloatArray = found[np.minimum(np.searchsorted(ends, grid), stretches - 1)]
    return noise


def _start_of_last_side(sides: FloatArray) -> int | None:
    """Where the values at the end begin that are all as the last one; ``None`` if that is 0."""
    if not sides[-1]:
        return None
    others = np.flatnonzero(sides != sides[-1])
    return int(others[-1]) + 1 if len(others) else 0


def _is_sure(rest: FloatArray, noise: FloatArray) -> bool:
    """Whether the rest of what curves differ by is more than noise makes of it."""
    error = min(math.sqrt(math.pi / 2 / len(rest)), 1.0) * float(np.median(noise))
    return abs(float(np.median(rest))) > _STANDARD_ERRORS * error


def _equal_until(grid: FloatArray, differences: FloatArray) -> float | None:
    unequal = np.flatnonzero(differences)
    equal = int(unequal[0]) if len(unequal) else len(grid)
    return float(grid[equal - 1]) if equal else None
