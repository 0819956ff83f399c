"""Which charts are shown, and which part of x: zoom, pan and cursor as pure steps.

All charts share one window and one cursor. Both are places on the x axis: iterations, seconds,
tokens, whatever unit these are labelled in, and on a logarithmic axis their logarithms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from traintop.analysis.chart_names import LOSS_CHART

ZOOM_FACTOR = 2.0
PAN_SHARE = 0.25
_FEWEST_RECORDS = 4.0
"""How many records, spaced evenly, the closest view still shows."""


class Extent(NamedTuple):
    """What the plotted runs cover on x, and how far apart the records of the densest one are."""

    low: float
    high: float
    spacing: float


class ChartView(msgspec.Struct, frozen=True):
    """``focus`` is the chart that keys are about, and the one full screen when ``zoomed``.

    ``chosen`` are the charts a person picked, empty for the usual ones. ``span`` is the part of x
    that is shown, ``None`` for all of it, and ``end`` is where it ends; ``None`` for the newest
    record, which the view then follows.
    """

    focus: str = LOSS_CHART
    zoomed: bool = False
    chosen: tuple[str, ...] = ()
    span: float | None = None
    end: float | None = None
    cursor: float | None = None


def limits_of_view(view: ChartView, extent: Extent) -> tuple[float, float]:
    """The part of x that is shown."""
    if view.span is None:
        return extent.low, extent.high
    end = extent.high if view.end is None else view.end
    return end - view.span, end


def zoom(view: ChartView, extent: Extent, factor: float, around: float | None = None) -> ChartView:
    """``factor`` times as much of x, keeping ``around`` where it is.

    That is the cursor when not given, and the right end when the cursor is not in view.
    """
    low, high = limits_of_view(view, extent)
    anchor = view.cursor if around is None else around
    if anchor is None or not low <= anchor <= high:
        anchor = high
    whole = extent.high - extent.low
    least = min(_FEWEST_RECORDS * extent.spacing, whole)
    span = max((high - low) * factor, least)
    if not span < whole:
        return replace(view, span=None, end=None)
    share = (high - anchor) / (high - low) if high > low else 0.0
    return _with_end(replace(view, span=span), extent, anchor + share * span)


def pan(view: ChartView, extent: Extent, share: float) -> ChartView:
    """The view moved by a share of its width, to the right when positive, within the records."""
    if view.span is None:
        return view
    return _with_end(view, extent, limits_of_view(view, extent)[1] + share * view.span)


def put_cursor(view: ChartView, extent: Extent, x: float) -> ChartView:
    """The cursor at ``x``, and the view moved as far as it takes to show it."""
    moved = replace(view, cursor=min(max(x, extent.low), extent.high))
    low, high = limits_of_view(moved, extent)
    if moved.span is None or moved.cursor is None or low <= moved.cursor <= high:
        return moved
    end = moved.cursor if moved.cursor > high else moved.cursor + moved.span
    return _with_end(moved, extent, end)


def without_window(view: ChartView) -> ChartView:
    """All of x, and no cursor."""
    return replace(view, span=None, end=None, cursor=None)


def focus_next(view: ChartView, charts: Sequence[str], step: int) -> ChartView:
    """The focus on the next of the charts that are shown, going round."""
    place = charts.index(view.focus) + step if view.focus in charts else 0
    return replace(view, focus=charts[place % len(charts)]) if charts else view


def _with_end(view: ChartView, extent: Extent, end: float) -> ChartView:
    """The view with its right end there, as far as there are records; at the newest it follows."""
    end = max(end, extent.low + (view.span or 0.0))
    slack = 1e-9 * (extent.high - extent.low)
    return replace(view, end=None if end >= extent.high - slack else end)
