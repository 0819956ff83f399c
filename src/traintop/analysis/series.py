"""Series of measurements: filtered, smoothed and thinned out to what a screen can show.

Pure functions over float64 arrays. NaN means "not measured here" throughout: a hole never
poisons what comes after it. The x values are expected in ascending order; where they are not,
they are sorted first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
Limits: TypeAlias = tuple[float, float]

_ROBUST_SAMPLE = 2048
_BLOCK = 32  # terms of a recurrence that one product of matrices sums up
_NEGLIGIBLE = 1e-17
_ASTRAY = 4.0


def finite(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The points with finite x and y, in ascending order of x; no copy when all are already.

    Points of equal x keep their order.
    """
    usable = np.isfinite(y)
    ascending = _is_ascending(x)
    if not ascending:
        usable &= np.isfinite(x)
    if not usable.all():
        x, y = x[usable], y[usable]
    if ascending:
        return x, y
    order = np.argsort(x, kind="stable")
    return x[order], y[order]


def _is_ascending(x: FloatArray) -> bool:
    """Whether x is finite and ascending; NaN compares as not."""
    if len(x) == 0:
        return True
    return bool(np.isfinite(x[[0, -1]]).all() and (x[1:] >= x[:-1]).all())


def smooth(y: FloatArray, weight: float) -> FloatArray:
    """The exponential moving average of ``y``, debiased; NaN and ±inf are holes and stay NaN.

    With ``m[t] = weight * m[t-1] + (1 - weight) * y[t]`` and ``m[-1] = 0`` the result is
    ``m[t] / (1 - weight ** (t + 1))``, ``t`` counting the finite values only. That is the bias
    correction of Adam (Kingma & Ba 2015, algorithm 1) and the smoothing of TensorBoard's scalar
    charts. Raises ``ValueError`` unless ``0 <= weight < 1``.
    """
    if not 0.0 <= weight < 1.0:
        raise ValueError(f"the smoothing weight must be at least 0 and below 1, not {weight!r}")
    if weight == 0.0:
        return np.where(np.isfinite(y), y, np.nan)
    measured = np.isfinite(y)
    if measured.all():
        return _debiased(y, weight)
    smoothed = np.full(len(y), np.nan)
    smoothed[measured] = _debiased(y[measured], weight)
    return smoothed


def _debiased(y: FloatArray, weight: float) -> FloatArray:
    average = _decaying_sums(y, weight, 1.0 - weight)
    # After so many values the bias is below the precision of a float.
    biased = min(len(y), math.ceil(math.log(_NEGLIGIBLE) / math.log(weight)))
    average[:biased] /= -np.expm1(np.arange(1, biased + 1) * math.log(weight))
    return average


def _decaying_sums(terms: FloatArray, decay: float, scale: float = 1.0) -> FloatArray:
    """``sums[t] = decay * sums[t-1] + scale * terms[t]``, a block of terms at a time.

    The sums of a block are one product with the powers of ``decay``. What each block hands on to
    the next follows the same recurrence, and is as much shorter as blocks are long. No term is
    ever divided by a power of the decay, so that nothing overflows however long the series is.
    """
    steps = np.arange(_BLOCK)
    powers = np.triu(decay ** np.maximum(steps - steps[:, None], 0).astype(np.float64))
    padded = np.zeros(-(-len(terms) // _BLOCK) * _BLOCK)
    np.multiply(terms, scale, out=padded[: len(terms)])
    blocks = padded.reshape(-1, _BLOCK)
    if len(blocks) > 1:
        handed_on = _decaying_sums(blocks[:-1] @ powers[:, -1], decay**_BLOCK)
        blocks[1:, 0] += decay * handed_on
    sums: FloatArray = (blocks @ powers).ravel()
    return sums[: len(terms)]


def column_starts(x: FloatArray, limits: Limits, columns: int) -> NDArray[np.intp]:
    """Where each of ``columns`` equal parts of ``limits`` starts in the ascending ``x``.

    ``columns + 1`` positions: part ``i`` is ``x[starts[i]:starts[i + 1]]``. The upper limit itself
    belongs to the last part.
    """
    edges = np.linspace(0.0, 1.0, columns + 1)
    low, high = limits
    starts = np.searchsorted(x, low * (1.0 - edges) + high * edges)
    starts[-1] = np.searchsorted(x, high, side="right")
    return starts


def thin(
    x: FloatArray, y: FloatArray, columns: int, limits: Limits | None = None
) -> tuple[FloatArray, FloatArray]:
    """At most two points per column, its lowest and its highest, so that every spike survives.

    The points are as :func:`finite` returns them, and all points returned are points given. The
    very first and the last are kept as well. With ``limits`` only the points between them are
    thinned out, and one neighbour on each side is kept, where a curve enters and leaves the view:
    never more than ``2 * columns + 4`` points.
    """
    if len(x) == 0 or columns < 1:
        return x[:0], y[:0]
    begin, end = 0, len(x)
    low, high = float(x[0]), float(x[-1])
    if limits is not None:
        low, high = limits
        begin = int(np.searchsorted(x, low))
        end = int(np.searchsorted(x, high, side="right"))
    if end - begin <= 2 * columns:
        view = slice(max(begin - 1, 0), end + 1)
        return x[view], y[view]
    starts = column_starts(x, (low, high), columns)
    begins = starts[:-1][np.diff(starts) > 0]
    inside = y[:end]
    kept = [np.array([max(begin - 1, 0), begin, end - 1, min(end, len(x) - 1)])]
    for extreme in (np.minimum, np.maximum):
        kept.append(_positions(inside, extreme.reduceat(inside, begins), begins))
    positions = np.unique(np.concatenate(kept))
    return x[positions], y[positions]


def _positions(y: FloatArray, extremes: FloatArray, begins: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where each part of ``y``, from one of ``begins`` to the next, first has its extreme."""
    counts = np.diff(np.append(begins, len(y)))
    hits = np.flatnonzero(y[begins[0] :] == np.repeat(extremes, counts)) + begins[0]
    first: NDArray[np.intp] = hits[np.searchsorted(hits, begins)]
    return first


@dataclass(frozen=True, eq=False)
class ColumnBand:
    """What the finite values do within each column; NaN in columns without any."""

    x: FloatArray
    """The centre of each column."""
    count: NDArray[np.intp]
    low: FloatArray
    high: FloatArray
    mean: FloatArray


def band(x: FloatArray, y: FloatArray, columns: int, limits: Limits) -> ColumnBand:
    """Minimum, maximum and mean of ``y`` in each of ``columns`` equal parts of ``limits``.

    The points are as :func:`finite` returns them.
    """
    parts = (np.arange(columns) + 0.5) / max(columns, 1)
    centres = limits[0] * (1.0 - parts) + limits[1] * parts
    low, high, mean = np.full((3, columns), np.nan)
    starts = column_starts(x, limits, columns)
    filled = np.flatnonzero(starts[1:] > starts[:-1])
    if len(filled):
        begins = starts[:-1][filled]
        inside = y[: starts[-1]]
        counts = np.diff(starts)[filled]
        low[filled] = np.minimum.reduceat(inside, begins)
        high[filled] = np.maximum.reduceat(inside, begins)
        with np.errstate(over="ignore"):
            mean[filled] = np.add.reduceat(inside, begins) / counts
        if not np.isfinite(mean[filled]).all():
            # The sum of many large values overflows, unless they are divided first.
            shares = inside[begins[0] :] / np.repeat(counts, counts)
            mean[filled] = np.add.reduceat(shares, begins - begins[0])
    return ColumnBand(centres, np.diff(starts), low, high, mean)


def weighted_means(
    x: FloatArray, y: FloatArray, weights: NDArray[np.intp], columns: int, limits: Limits
) -> FloatArray:
    """The mean of ``y`` in each of ``columns`` parts of ``limits``, NaN where nothing is."""
    means = np.full(columns, np.nan)
    starts = column_starts(x, limits, columns)
    counts = np.diff(starts)
    filled = np.flatnonzero(counts)
    if len(filled):
        inside, begins = slice(starts[0], starts[-1]), starts[:-1][filled] - starts[0]
        totals = np.add.reduceat(weights[inside], begins)
        # Shares first, since the sum of large values overflows.
        shares = weights[inside] / np.repeat(totals, counts[filled])
        means[filled] = np.add.reduceat(y[inside] * shares, begins)
    return means


def robust_limits(values: FloatArray, *, log: bool = False) -> Limits | None:
    """Limits that a few outliers cannot stretch; ``None`` when no value is finite.

    The range from the 10th to the 90th percentile, widened by its own length on both sides, as
    far as there are values (fences after Tukey 1977, with deciles in place of quartiles, because
    a loss curve is steep at its start). Long series are judged by evenly spaced samples. With
    ``log`` the limits are of the decimal logarithms, and only positive values count.
    """
    usable = np.isfinite(values)
    if log:
        usable &= values > 0
    if not usable.all():
        values = values[usable]
    if len(values) == 0:
        return None
    sample = values[:: max(len(values) // _ROBUST_SAMPLE, 1)]
    # Ranks rounded inwards, so that in ten values one spike is already an outlier.
    tenth = -(-(len(sample) - 1) // 10)
    sample = np.partition(sample, (tenth, len(sample) - 1 - tenth))
    ends = np.array([values.min(), sample[tenth], sample[-1 - tenth], values.max()])
    lowest, bottom, top, highest = map(float, np.log10(ends) if log else ends)
    spread = top - bottom
    if spread <= 0.0:
        return lowest, highest
    return max(lowest, bottom - spread), min(highest, top + spread)


def common_limits(each: Sequence[Limits], *, log: bool = False) -> Limits:
    """Limits for several series by the limits of each, which one that went astray cannot stretch.

    An end counts as long as it lies no further from the middle one of all ends than four times
    the size of what is usual: the middle length, or the value itself where lengths are small (a
    decade with ``log``). So a run that diverged leaves the view, and the others stay readable.
    ``each`` must not be empty.
    """
    lows, highs = np.array(each).T
    half = (len(each) - 1) // 2
    # Of an even number the inner one, so that of two series the quiet one is believed.
    bottom, top = np.sort(lows)[::-1][half], np.sort(highs)[half]
    with np.errstate(over="ignore"):
        usual = np.sort(highs - lows)[half]
        size = max(usual, 1.0 if log else max(abs(bottom), abs(top)))
        low = lows[lows >= bottom - _ASTRAY * size].min()
        high = highs[highs <= top + _ASTRAY * size].max()
    return float(low), float(high)


def value_near(x: FloatArray, y: FloatArray, position: float) -> float:
    """The value nearest to ``position`` on x; of equally near ones the later.

    The points are as :func:`finite` returns them. Raises ``IndexError`` when there are none.
    """
    after = int(np.searchsorted(x, position, side="right"))
    before = max(after - 1, 0)
    nearer = after < len(x) and x[after] - position <= position - x[before]
    return float(y[after if nearer else before])


def resample(values: FloatArray, width: int) -> FloatArray:
    """At most ``width`` means of consecutive parts of ``values``, for a sparkline.

    Values that were not measured (NaN) are left out first. A part that holds an infinite value is
    infinite, so that a divergence is not averaged away.
    """
    values = values[~np.isnan(values)]
    if width < 1 or len(values) <= width:
        return values[: max(width, 0)]
    begins = np.arange(width) * len(values) // width
    counts = np.diff(np.append(begins, len(values)))
    with np.errstate(invalid="ignore"):
        means: FloatArray = np.add.reduceat(values / np.repeat(counts, counts), begins)
    means[np.isnan(means)] = np.inf  # both infinities met in one part
    return means
