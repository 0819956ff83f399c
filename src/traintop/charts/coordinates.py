"""Parallel coordinates as lines of styled text."""

from __future__ import annotations

import numpy as np

from traintop.analysis.coordinates import Axis, Coordinates
from traintop.charts.canvas import Canvas
from traintop.charts.spec import DARK, Palette, Series
from traintop.charts.view import Curve, View
from traintop.lines import Line, Piece
from traintop.text import fit, fit_middle

_MARGIN = 10  # cells for the results, at the right end
_BEST_COLOR, _CHOSEN_COLOR, _OTHER_COLOR = 2, 1, 7
_BEST_SHARE = 0.25
_LEAST_ROWS = 3
_LEAST_COLUMN = 8


def draw_coordinates(
    coordinates: Coordinates,
    chosen: int | None,
    width: int,
    height: int,
    *,
    palette: Palette = DARK,
    ascii_only: bool = False,
) -> tuple[Line, ...]:
    """The axes under their names, and the lines of the runs, the best quarter of them in colour.

    ``chosen`` is the run that stands out. There is nothing where there is no room for it.
    """
    axes = coordinates.axes
    room = width - _MARGIN
    if height <= _LEAST_ROWS or room < _LEAST_COLUMN * len(axes):
        return ()
    last = len(axes) - 1
    rows = height - 1
    view = View((0.0, last * width / room), (0.0, 1.0), False, False, False)
    canvas = Canvas(view, width, rows, palette, ascii_only)
    best = max(round(len(coordinates.places) * _BEST_SHARE), 1)
    curves, markers = [], []
    x = np.arange(len(axes), dtype=np.float64)
    # What is painted later lies in front: the chosen run, behind it the best ones.
    for run in (*reversed(range(len(coordinates.places))), *([] if chosen is None else [chosen])):
        is_best, is_chosen = run < best, run == chosen
        color = _CHOSEN_COLOR if is_chosen else _BEST_COLOR if is_best else _OTHER_COLOR
        y = coordinates.places[run]
        series = Series("", x, y, color, dim=not (is_best or is_chosen))
        curves.append(Curve(series, x, y, ()))
        markers.append("" if not ascii_only else "#" if is_chosen else "*" if is_best else ".")
    canvas.paint(curves, markers, None, "")
    canvas.paint_axes({place: _written(axis, rows) for place, axis in enumerate(axes)})
    return (_headings(axes, room, width), *canvas.lines())


def _written(axis: Axis, rows: int) -> list[tuple[float, str]]:
    """The levels of an axis that are written beside it: all, or those at both ends."""
    last = len(axis.levels) - 1
    shown = range(last + 1) if 2 * last < rows else (0, last)
    return [(axis.height(level), axis.levels[level]) for level in shown]


def _headings(axes: tuple[Axis, ...], room: int, width: int) -> Line:
    """The names of the axes, each from its line on; the last one as wide as its results."""
    step = room / max(len(axes) - 1, 1)
    starts = [round(place * step) for place in range(len(axes))]
    starts[-1] = min(starts[-1], width - _MARGIN)
    ends = [*starts[1:], width]
    cells = [
        fit(fit_middle(axis.label, max(end - start - 1, 1)), end - start)
        for axis, start, end in zip(axes, starts, ends, strict=True)
    ]
    return (*(Piece(cell, "muted") for cell in cells[:-1]), Piece(cells[-1], "strong"))
