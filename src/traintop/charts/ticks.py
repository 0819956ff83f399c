"""Where an axis has its ticks, and what is written at them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

_NICE = (1.0, 2.0, 2.5, 5.0)
_EVEN = (1.0, 2.0, 2.5, 4.0, 5.0)
_DECADE_STRIDES = (2, 3, 5, 10, 20, 50, 100, 200)
_SI = ((1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"))
_SI_END = 1e15
_LONGEST = 1e21  # from here on a number without a unit has too many digits
_FINEST_SPAN = 1e-290
_ROUNDING = 1e-9  # of what is a round number but for the arithmetic, as 3.0 - 2.2
_MOST_DECIMALS = 15
_LEAST_ROWS_APART, _GOOD_ROWS_APART = 2, 5
_MOST_STRETCH = 1.35
_FARTHEST = 1e12  # steps from zero; further off, ticks would not be exact


def nice_ticks(low: float, high: float, count: int, *, whole: bool = False) -> tuple[float, ...]:
    """About ``count`` round numbers from ``low`` to ``high``, in steps of 1, 2, 2.5 or 5 x 10^k.

    The steps of Heckbert's nice numbers (Graphics Gems, 1990), and 2.5. Never more than ``count``
    ticks, unless the next coarser step left fewer than two. ``whole`` asks for whole numbers. An
    empty tuple when the limits are not finite, not ascending, or too close for arithmetic.
    """
    span = high / 2 - low / 2  # halves, since the span itself may be beyond the range of floats
    magnitude = max(abs(low), abs(high))
    if not (_FINEST_SPAN < span < math.inf and math.isfinite(low) and count > 0):
        return ()
    if span < 8 * math.ulp(magnitude):
        return ()
    exponent = math.floor(math.log10(span / count))
    finer: tuple[float, ...] = ()
    for power in range(exponent, min(exponent + 3, 308) + 1):
        for mantissa in _NICE:
            step = mantissa * 10.0**power
            if math.isinf(step):
                return finer
            if step < span / count or (whole and step % 1.0 != 0.0):
                continue
            ticks = _multiples(step, low, high)
            if len(ticks) < 2 and finer:
                return finer
            if 2 <= len(ticks) <= count or step > 2 * span:
                return ticks
            finer = ticks
    return finer


def in_steps(low: float, high: float, parts: int) -> tuple[float, float]:
    """Limits at round numbers around these, so that they stay while values come that are near.

    There are at least so many ``parts`` of a step between them.
    """
    span = high / 2 - low / 2
    if not _FINEST_SPAN < span < 1e300 or span < 1e-9 * max(abs(low), abs(high)):
        return low, high
    most = span / (parts / 2) * (1 + _ROUNDING)
    power = 10.0 ** math.floor(math.log10(most))
    step = max(mantissa * power for mantissa in (1.0, 2.0, 5.0) if mantissa * power <= most)
    return min(low, math.floor(low / step) * step), max(high, math.ceil(high / step) * step)


class EvenTicks(NamedTuple):
    """Limits of an axis, and ticks that are whole rows apart on it."""

    low: float
    high: float
    ticks: tuple[float, ...]


def even_ticks(low: float, high: float, rows: int, dots: int) -> EvenTicks | None:
    """Limits that are wider by as little as it takes for round ticks to be whole rows apart.

    Rows are of ``dots`` dots, and the limits are the middles of the first and of the last of them.
    Ticks that are now two rows apart and now three look like those of a logarithmic axis. Limits
    that are not negative stay so. ``None`` where no two such ticks have room, or too
    little of it were left for the curves.
    """
    span = high / 2 - low / 2
    if not _FINEST_SPAN < span < 1e300:
        return None
    span, height = 2 * span, rows * dots - 1
    exponent = math.floor(math.log10(span / rows))
    steps = [mantissa * 10.0**power for power in (exponent, exponent + 1) for mantissa in _EVEN]
    best: tuple[float, EvenTicks] | None = None
    for step in steps:
        # One dot is left over, to put the ticks in the middle of dots.
        apart = math.floor(step * (height - 1) / (dots * span))
        if apart < _LEAST_ROWS_APART or max(abs(low), abs(high)) > _FARTHEST * step:
            continue
        found = _shifted(low, high, step, step / (dots * apart), height)
        stretch = (found.high - found.low) / span
        if len(found.ticks) < 2 or stretch > _MOST_STRETCH:
            continue
        cost = stretch + abs(math.log2(apart / _GOOD_ROWS_APART)) / 10
        if best is None or cost < best[0]:
            best = cost, found
    return best[1] if best else None


def _shifted(low: float, high: float, step: float, dot: float, height: int) -> EvenTicks:
    """The limits for rows of this height: what is left over is halved, and ends on a dot."""
    spare = dot * height - (high - low)
    begin = max(low - spare / 2, low - spare + dot)
    begin = math.floor((max(begin, 0.0) if low >= 0 else begin) / dot) * dot
    end = begin + dot * height
    return EvenTicks(begin, end, _multiples(step, begin, end))


def _multiples(step: float, low: float, high: float) -> tuple[float, ...]:
    first, last = math.ceil(low / step), math.floor(high / step)
    # A tick may miss the limit it belongs to by a rounding error of the division.
    first -= abs((first - 1) * step - low) <= 1e-9 * step
    last += abs((last + 1) * step - high) <= 1e-9 * step
    decimals = max(0, 1 - math.floor(math.log10(step)))
    return tuple(
        round(multiple * step, decimals) if decimals < 300 else multiple * step
        for multiple in range(first, last + 1)
    )


def log_ticks(low: float, high: float, count: int, *, whole: bool = False) -> tuple[float, ...]:
    """About ``count`` round positive numbers for a logarithmic axis.

    ``low`` and ``high`` are decimal logarithms; the ticks returned are the numbers themselves.
    1, 2 and 5 of each decade, or whole decades, or every n-th, as many as fit; within less than a
    decade evenly spaced round numbers. ``whole`` asks for whole numbers.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high and count > 0):
        return ()
    decades = range(max(math.floor(low), -308), min(math.ceil(high), 307) + 1)
    for mantissas in ((1.0, 2.0, 5.0), (1.0,)):
        ticks = _log_multiples(mantissas, decades, low, high)
        if 2 <= len(ticks) <= count:
            return ticks
    for stride in _DECADE_STRIDES:
        if len(ticks) <= count:
            break
        thinned = [decade for decade in decades if decade % stride == 0]
        ticks = _log_multiples((1.0,), thinned, low, high)
    if len(ticks) < 2 and low > -300 and high < 308:
        evenly = nice_ticks(10.0**low, 10.0**high, count, whole=whole)
        return tuple(tick for tick in evenly if tick > 0) or ticks
    return ticks


def _log_multiples(
    mantissas: Sequence[float], decades: Sequence[int], low: float, high: float
) -> tuple[float, ...]:
    slack = 1e-9
    return tuple(
        float(f"{mantissa:g}e{decade}")
        for decade in decades
        for mantissa in mantissas
        if low - slack <= decade + math.log10(mantissa) <= high + slack
    )


def tick_labels(ticks: Sequence[float]) -> tuple[str, ...]:
    """The shortest way to write ``ticks`` alike and exactly: "0.5", "20k" or "2e-4".

    Two different ticks never share a label.
    """
    if not ticks:
        return ()
    largest = max(map(abs, ticks))
    gaps = [abs(right - left) for left, right in itertools.pairwise(ticks)]
    tolerance = min([gap for gap in gaps if gap > 0] or [largest]) * 1e-3
    units = [(1.0, "")] if largest < _LONGEST else []
    units += [(scale, unit) for scale, unit in _SI if scale <= largest < _SI_END]
    if 1e-307 <= largest < 1e-2 or largest >= _SI_END:
        exponent = math.floor(math.log10(largest))
        units.append((10.0**exponent, f"e{exponent}"))
    ways = [_labels_in(ticks, scale, unit, tolerance) for scale, unit in units]
    return min(filter(None, ways), key=_longest, default=tuple(f"{tick:.17g}" for tick in ticks))


def log_tick_labels(ticks: Sequence[float]) -> tuple[str, ...]:
    """Ticks written alike where that is short, otherwise each in its own shortest way."""
    alike = tick_labels(ticks)
    apart = tuple(tick_labels([tick])[0] for tick in ticks)
    if len(set(apart)) < len(ticks):
        return alike
    return min(alike, apart, key=lambda labels: (_longest(labels), len("".join(labels))))


def _longest(labels: Sequence[str]) -> int:
    return max(map(len, labels), default=0)


def _labels_in(
    ticks: Sequence[float], scale: float, unit: str, tolerance: float
) -> tuple[str, ...]:
    """Ticks in a unit with as few decimals as are exact; alike for all where there is no unit."""
    for decimals in range(_MOST_DECIMALS + 1):
        labels = [f"{tick / scale:.{decimals}f}" for tick in ticks]
        errors = (abs(float(it) - tick / scale) for it, tick in zip(labels, ticks, strict=True))
        if all(error <= tolerance / scale for error in errors):
            if not unit:
                return tuple(label if float(label) else label.lstrip("-") for label in labels)
            short = (label.rstrip("0").rstrip(".") if decimals else label for label in labels)
            return tuple(label + unit if float(label) else "0" for label in short)
    return ()
