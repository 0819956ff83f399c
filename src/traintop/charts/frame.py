"""The frame of a chart, drawn by plotext: axes, ticks, and their labels.

The only module that imports plotext, which takes 0.1 s: so only when the first frame is drawn.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from traintop.analysis.ticks import (
    even_ticks,
    log_tick_labels,
    log_ticks,
    nice_ticks,
    tick_labels,
)
from traintop.charts.raster import Resolution
from traintop.charts.spec import ChartSpec
from traintop.charts.view import View, share_of

_LEAST_GAP = 2  # cells between two labels on the x axis
_CELLS_PER_X_LABEL = (12, 7, 6, 5)  # the more, the airier; the less, the more room for what x is
_ROWS_PER_LABEL = 4
_ROWS_PER_LOG_LABEL = 2
_LEAST_WIDTH = 10
_LEAST_HEIGHT = 2
_X_AXIS_ROWS = 2  # the axis and its labels

# plotext keeps one figure per process.
_plotext_lock = threading.Lock()


@dataclass(frozen=True)
class Tick:
    """A mark on an axis and its label."""

    cell: int
    """Cells from the left, or from the top, of the canvas."""
    label: str


@dataclass(frozen=True)
class Frame:
    """Axes left of and below a canvas of ``width`` x ``height`` cells."""

    width: int
    height: int
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_label: str
    label_width: int
    """The cells that labels of y take."""

    @property
    def left(self) -> int:
        """The cells left of the canvas: labels and axis."""
        return self.label_width + 1


def with_even_ticks(view: View, spec: ChartSpec, height: int, per: Resolution) -> View:
    """The view for a plot of this height, with ticks of y that are whole rows apart."""
    rows = height - _X_AXIS_ROWS
    if view.y is None or spec.log_y or rows < _LEAST_HEIGHT:
        return view
    even = even_ticks(*view.y, rows, per.y)
    return view if even is None else replace(view, y=(even.low, even.high), y_ticks=even.ticks)


def frame_for(
    view: View,
    spec: ChartSpec,
    width: int,
    height: int,
    resolution: Resolution,
    x_label: str,
) -> Frame | None:
    """The frame for a plot of this size, ``None`` where it would leave no room for curves."""
    rows = height - _X_AXIS_ROWS
    if rows < _LEAST_HEIGHT:
        return None
    y_ticks = _y_ticks(view, spec.log_y, rows, resolution)
    label_width = max((len(tick.label) for tick in y_ticks), default=0)
    if label_width > width // 3:
        y_ticks, label_width = (), 0
    if y_ticks and spec.label_width <= width // 8:
        label_width = max(label_width, spec.label_width)
    columns = width - label_width - 1
    if columns < _LEAST_WIDTH:
        return None
    for cells in _CELLS_PER_X_LABEL:
        x_ticks = _x_ticks(view, spec.x_unit, columns, resolution, cells)
        beside_label = tuple(
            tick
            for tick in x_ticks
            if tick.cell + (len(tick.label) + 1) // 2 + _LEAST_GAP <= columns - len(x_label)
        )
        if len(beside_label) >= 2:
            return Frame(columns, rows, beside_label, y_ticks, x_label, label_width)
    x_ticks = _x_ticks(view, spec.x_unit, columns, resolution, _CELLS_PER_X_LABEL[0])
    return Frame(columns, rows, x_ticks, y_ticks, "", label_width)


def _y_ticks(view: View, log_y: bool, rows: int, per: Resolution) -> tuple[Tick, ...]:
    limits = view.y
    if limits is None:
        return ()
    if log_y:
        values = log_ticks(*limits, max(2, rows // _ROWS_PER_LOG_LABEL + 1))
        labels, places = log_tick_labels(values), np.log10(values)
    else:
        values = view.y_ticks or nice_ticks(*limits, max(2, rows // _ROWS_PER_LABEL + 1))
        labels, places = tick_labels(values), np.asarray(values)
    dots = np.rint((1.0 - share_of(places, limits)) * (rows * per.y - 1))
    cells = (dots // per.y).astype(int).tolist()
    by_row = {cell: label for cell, label in zip(cells, labels, strict=True) if 0 <= cell < rows}
    return tuple(Tick(cell, label) for cell, label in by_row.items())


def _x_ticks(
    view: View, unit: float, columns: int, per: Resolution, cells_per_label: int
) -> tuple[Tick, ...]:
    """As many ticks as have room for their labels."""
    ticks: tuple[Tick, ...] = ()
    if view.y is None:
        return ticks
    for count in range(max(2, columns // cells_per_label), 1, -1):
        values = nice_ticks(view.x[0] / unit, view.x[1] / unit, count, whole=view.whole_x)
        dots = np.rint(share_of(np.asarray(values) * unit, view.x) * (columns * per.x - 1))
        cells = (dots // per.x).astype(int).tolist()
        ticks = tuple(map(Tick, cells, tick_labels(values)))
        if _apart(ticks):
            return ticks
    return ticks[:1]


def _apart(ticks: Sequence[Tick]) -> bool:
    return all(
        right.cell - left.cell >= (len(left.label) + len(right.label)) / 2 + _LEAST_GAP
        for left, right in itertools.pairwise(ticks)
    )


@lru_cache(maxsize=32)
def frame_lines(frame: Frame) -> tuple[str, ...]:
    """The frame as ``frame.height + 2`` lines of text, drawn by plotext, with a blank canvas.

    Kept, since most changes of a chart leave its frame alone, and plotext takes half its time.
    """
    import plotext

    width, height = frame.left + frame.width, frame.height + _X_AXIS_ROWS
    with _plotext_lock:
        # Otherwise plotext cuts every figure to the size of the terminal.
        plotext.terminal.limit(False, False)
        figure = plotext.figure
        figure.clear()
        figure.plot_size(width, height)
        figure.canvas("default")
        figure.axes(False, side=1)
        x_ruler, y_ruler = figure.ruler("x"), figure.ruler("y")
        # The unit is a cell, so that no measured value, however odd, ever reaches plotext.
        x_ruler.lim(0, frame.width - 1)
        x_ruler.ticks([tick.cell for tick in frame.x_ticks], [tick.label for tick in frame.x_ticks])
        y_ruler.lim(0, frame.height - 1)
        y_ruler.ticks(
            [frame.height - 1 - tick.cell for tick in frame.y_ticks],
            [tick.label.rjust(frame.label_width) for tick in frame.y_ticks],
        )
        matrix = figure.build()
        if frame.x_label:
            matrix.insert(width - 1, height - 1, frame.x_label, ha="right")
        text: str = matrix.string(colorless=True)
    return tuple(text.split("\n")[:height])
