"""The frame of a chart, drawn by plotext: axes, ticks, and their labels.

The only module that imports plotext, which takes 0.1 s: so only when the first frame is drawn.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from traintop.analysis.series import FloatArray
from traintop.charts.canvas import Resolution
from traintop.charts.spec import ChartSpec
from traintop.charts.ticks import even_ticks
from traintop.charts.view import View, share_of
from traintop.text import cell_width, safe_text

_LEAST_GAP = 2  # cells between two labels on the x axis
_CELLS_PER_X_LABEL = (12, 7, 6, 5)  # the more, the airier; the less, the more room for what x is
_CELLS_PER_LOG_X_LABEL = _CELLS_PER_X_LABEL[-1:]  # round numbers are few and far apart
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

    left: int
    """The cells left of the canvas: labels and axis; 0 where there is no room for axes."""
    width: int
    height: int
    x_ticks: tuple[Tick, ...] = ()
    y_ticks: tuple[Tick, ...] = ()
    x_label: str = ""


def frame_for(
    view: View, spec: ChartSpec, width: int, height: int, per_cell: Resolution
) -> tuple[View, Frame]:
    """The frame for a plot of this size, and the view with ticks of y that are whole rows apart."""
    rows = height - _X_AXIS_ROWS
    if rows < _LEAST_HEIGHT:
        return view, Frame(0, width, height)
    if view.y is not None and not view.log_y:
        even = even_ticks(*view.y, rows, per_cell.y)
        if even is not None:
            view = replace(view, y=(even.low, even.high), even_ticks=even.ticks)
    y_ticks = _y_ticks(view, rows, per_cell)
    label_width = max((len(tick.label) for tick in y_ticks), default=0)
    if label_width > width // 3:
        y_ticks, label_width = (), 0
    if y_ticks and spec.label_width <= width // 8:
        label_width = max(label_width, spec.label_width)
    columns = width - label_width - 1
    if columns < _LEAST_WIDTH:
        return view, Frame(0, width, height)
    x_ticks, x_label = _x_axis(view, spec, columns, per_cell)
    return view, Frame(label_width + 1, columns, rows, x_ticks, y_ticks, x_label)


def _y_ticks(view: View, rows: int, per_cell: Resolution) -> tuple[Tick, ...]:
    count = rows // (_ROWS_PER_LOG_LABEL if view.log_y else _ROWS_PER_LABEL) + 1
    ticks = view.labelled_y(max(2, count))
    shares = 1.0 - share_of(np.array([place for place, _ in ticks]), view.y or (0.0, 1.0))
    labels = (label for _, label in ticks)
    by_row = dict(zip(_cells(shares, rows, per_cell.y), labels, strict=True))
    return tuple(Tick(cell, label) for cell, label in by_row.items() if 0 <= cell < rows)


def _cells(shares: FloatArray, cells: int, dots: int) -> list[int]:
    """The cells, of so many dots each, that hold these shares of all of them."""
    return [int(cell) for cell in np.rint(shares * (cells * dots - 1)) // dots]


def _x_axis(
    view: View, spec: ChartSpec, columns: int, per_cell: Resolution
) -> tuple[tuple[Tick, ...], str]:
    """The ticks of x and what x is, which is left out where there is no room for two ticks."""
    label = safe_text(spec.x_label)
    if cell_width(label) != len(label):
        label = ""  # its place is counted in characters
    cells_per_label = _CELLS_PER_LOG_X_LABEL if view.log_x else _CELLS_PER_X_LABEL
    for shown in (label, label.partition(" (")[0]):
        for cells in cells_per_label:
            ticks = tuple(
                tick
                for tick in _x_ticks(view, spec.x_unit, columns, per_cell, cells)
                if tick.cell + (len(tick.label) + 1) // 2 + _LEAST_GAP <= columns - len(shown)
            )
            if len(ticks) >= 2:
                return ticks, shown
    return _x_ticks(view, spec.x_unit, columns, per_cell, cells_per_label[0]), ""


def _x_ticks(
    view: View, unit: float, columns: int, per_cell: Resolution, cells_per_label: int
) -> tuple[Tick, ...]:
    """As many ticks as have room for their labels."""
    ticks: tuple[Tick, ...] = ()
    if view.y is None:
        return ticks
    for count in range(max(2, columns // cells_per_label), 1, -1):
        labelled = view.labelled_x(count, unit)
        shares = share_of(np.array([place for place, _ in labelled]), view.x)
        labels = (label for _, label in labelled)
        ticks = tuple(map(Tick, _cells(shares, columns, per_cell.x), labels))
        if all(
            right.cell - left.cell >= (len(left.label) + len(right.label)) / 2 + _LEAST_GAP
            for left, right in itertools.pairwise(ticks)
        ):
            return ticks
    return ticks[:1]


@lru_cache(maxsize=32)
def frame_text(frame: Frame) -> tuple[str, ...]:
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
            [tick.label.rjust(frame.left - 1) for tick in frame.y_ticks],
        )
        matrix = figure.build()
        if frame.x_label:
            matrix.insert(width - 1, height - 1, frame.x_label, ha="right")
        text: str = matrix.string(colorless=True)
    return tuple(text.split("\n")[:height])
