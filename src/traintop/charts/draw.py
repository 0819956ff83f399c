"""A chart from its specification: heading, frame and canvas put together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from traintop.analysis.series import FloatArray, resample
from traintop.charts import raster
from traintop.charts.canvas import Canvas, markers_for
from traintop.charts.frame import Frame, frame_for, frame_lines, with_even_ticks
from traintop.charts.heading import fitted, legend_lines, shown, title_line
from traintop.charts.spec import DARK, ChartLine, ChartSpec, Palette, Span
from traintop.charts.view import View, limits_of, points_for, share_of, view_of
from traintop.terminal import to_ascii
from traintop.text import cell_width

_BARS, _ASCII_BARS = "▁▂▃▄▅▆▇█", "_.-=+*#@"
_LEVEL = 1e-9  # a relative difference that is no course
# Rows a chart must have before it spends one on its legend, and on its title.
_LEGEND_HEIGHT = 8
_TITLE_HEIGHT = 6
# So many more rows for each further line of the legend.
_ROWS_PER_LEGEND_LINE = 4
_MOST_LEGEND_LINES, _LEGEND_SHARE = 4, 5  # a share of the height where that is more


def draw_chart(
    spec: ChartSpec,
    width: int,
    height: int,
    *,
    palette: Palette = DARK,
    ascii_only: bool = False,
    letters: bool = False,
) -> tuple[ChartLine, ...]:
    """The chart as exactly ``height`` lines of exactly ``width`` cells, whatever the data.

    Where there is little room, the legend goes first, then the title, then the axes. With
    ``ascii_only`` all text is ASCII; with ``letters`` these mark the curves, for where no colours
    can tell them apart. Safe to call from any thread.
    """
    if width < 1 or height < 1:
        return ((),) * max(height, 0)
    if spec.cursor is not None and not math.isfinite(spec.cursor):
        spec = replace(spec, cursor=None)
    markers = markers_for(spec.series, ascii_only, letters)
    view = view_of(spec, width)
    lines = _heading(spec, view, width, height, markers, palette, ascii_only)
    rows = height - len(lines)
    view = with_even_ticks(view, spec, rows, raster.ASCII if ascii_only else raster.BRAILLE)
    frame = _frame(spec, view, width, rows, ascii_only)
    columns, rows = (frame.width, frame.height) if frame else (width, rows)
    canvas = Canvas(view, columns, rows, palette, ascii_only)
    canvas.paint(points_for(spec, columns), markers, spec.cursor)
    lines += _framed(canvas.lines(), frame, width, palette)
    if ascii_only:
        return tuple(tuple(_ascii_span(span) for span in line) for line in lines)
    return tuple(lines)


def x_at(
    spec: ChartSpec, width: int, height: int, column: int, *, ascii_only: bool = False
) -> float | None:
    """The x that a chart of this size has in a column of cells; ``None`` left of its curves."""
    view = view_of(spec, width)
    markers = markers_for(spec.series, ascii_only, letters=False)  # as wide as letters
    rows = height - len(_heading(spec, view, width, height, markers, DARK, ascii_only))
    view = with_even_ticks(view, spec, rows, raster.ASCII if ascii_only else raster.BRAILLE)
    frame = _frame(spec, view, width, rows, ascii_only)
    left, columns = (frame.left, frame.width) if frame else (0, width)
    if not left <= column < left + columns:
        return None
    share = (column - left + 0.5) / columns
    low, high = view.x
    return low * (1.0 - share) + high * share


def _heading(
    spec: ChartSpec,
    view: View,
    width: int,
    height: int,
    markers: Sequence[str],
    palette: Palette,
    ascii_only: bool,
) -> list[ChartLine]:
    """The title and the legend, as far as there is room for them."""
    lines: list[ChartLine] = []
    if spec.title and height >= _TITLE_HEIGHT:
        lines.append(title_line(spec, width, ascii_only))
    named = spec.legend and spec.series
    if (named or spec.note) and height >= _LEGEND_HEIGHT:
        most = max(_MOST_LEGEND_LINES, height // _LEGEND_SHARE)
        most = min(1 + (height - _LEGEND_HEIGHT) // _ROWS_PER_LEGEND_LINE, most)
        lines += legend_lines(spec, view, markers, width, most, palette, ascii_only)
    return lines


def _frame(spec: ChartSpec, view: View, width: int, height: int, ascii_only: bool) -> Frame | None:
    x_label = shown(spec.x_label, ascii_only)
    if cell_width(x_label) != len(x_label):
        x_label = ""  # plotext counts a wide character as one cell
    resolution = raster.ASCII if ascii_only else raster.BRAILLE
    return frame_for(view, spec, width, height, resolution, x_label)


def _framed(
    inside: list[ChartLine], frame: Frame | None, width: int, palette: Palette
) -> list[ChartLine]:
    if frame is None:
        return inside
    around = frame_lines(frame)
    plot = [
        (Span(edge[: frame.left], palette.frame), *line)
        for edge, line in zip(around, inside, strict=False)
    ]
    return plot + [fitted([Span(edge, palette.frame)], width) for edge in around[frame.height :]]


def _ascii_span(span: Span) -> Span:
    return Span(to_ascii(span.text), span.color, span.dim, span.bold)


def sparkline(values: FloatArray, width: int, ascii_only: bool = False) -> str:
    """``values`` as bars in exactly ``width`` cells, the newest last; "!" where one is infinite.

    A series of fewer values than cells starts at the left. NaN values are left out. The heights
    are square roots: a loss falls steeply first, and what follows would be level to the eye.
    """
    parts = resample(values, width)
    bars = _ASCII_BARS if ascii_only else _BARS
    finite = parts[np.isfinite(parts)]
    if len(finite) and np.ptp(finite / 2) <= _LEVEL * np.abs(finite / 2).max():
        parts = np.where(np.isfinite(parts), finite[0], parts)  # means of equal values differ
    known = np.where(np.isfinite(parts), parts, np.nan)
    shares = np.sqrt(share_of(known, limits_of([known[np.isfinite(known)]]) or (0.0, 1.0)))
    drawn = "".join(
        bars[round(share * (len(bars) - 1))] if np.isfinite(share) else "!"
        for share in shares.tolist()
    )
    return drawn.ljust(max(width, 0))
