"""The inside of a chart: bands, curves, markers and events painted into cells."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from traintop.analysis.series import FloatArray
from traintop.charts import raster
from traintop.charts.raster import Cells, Dots, Resolution, Trace
from traintop.charts.spec import ChartLine, Palette, Series, Span
from traintop.charts.view import Curve, View, share_of

_MARKERS = "●▲■◆▼○△□◇"
_ASCII_MARKERS = "*ox#@%&=~"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ASCII_RAW, _ASCII_BAND = ".", ":"
_LONE_POINT = "•"
_MARKER_SPACING = 12  # cells along x between two markers of a curve
_NOTHING = "no data"


def markers_for(series: Sequence[Series], ascii_only: bool, letters: bool) -> tuple[str, ...]:
    """The character that tells each curve from the others without its colour, "" for none.

    Solid curves have those of :func:`run_markers`, and dotted ones the like of them; where style
    alone tells them apart, and in the background, none is needed. Plain ASCII curves consist of
    theirs, so there no two curves share one.
    """
    front = [one for one in series if not one.dim]
    told_by_style = len({one.style for one in front}) == len(front)
    if told_by_style and not ascii_only:
        return ("",) * len(series)
    solid = [one for one in front if one.style == "solid"]
    dotted = [one for one in front if one.style != "solid"]
    if ascii_only:
        # The solid ones first: their markers are those of their runs in all charts.
        groups, background = [[*solid, *dotted]], _ASCII_RAW
    else:
        groups, background = [solid, dotted], ""
    found = {
        id(one): marker
        for group in groups
        for one, marker in zip(
            group, run_markers([one.color for one in group], ascii_only, letters), strict=True
        )
    }
    return tuple(found.get(id(one), background) for one in series)


def run_markers(colors: Sequence[int], ascii_only: bool, letters: bool) -> tuple[str, ...]:
    """The characters that mark the curves of runs with these colours, by which a run keeps its own.

    They differ as long as there are enough. ``letters`` are for where there are no colours: there
    are more of them, and each can be named.
    """
    available = _LETTERS if letters else _ASCII_MARKERS if ascii_only else _MARKERS
    markers: list[str] = []
    for color in colors:
        choices = [available[(color + turn) % len(available)] for turn in range(len(available))]
        markers.append(next((it for it in choices if it not in markers), choices[0]))
    return tuple(markers)


class _Style(NamedTuple):
    color: str | None = None
    dim: bool = False
    bold: bool = False


class _Layer:
    """Cells that are painted one over the other, each with the style it was painted in last."""

    def __init__(self, width: int, height: int) -> None:
        self.codes: Cells = np.zeros((height, width), dtype=np.int32)
        self.styles: NDArray[np.int32] = np.zeros((height, width), dtype=np.int32)

    def paint(self, cells: Cells, style: int) -> None:
        """Adds the dots of braille cells to those that are there; other characters replace."""
        inked = cells > 0
        both_braille = raster.is_braille(self.codes) & raster.is_braille(cells)
        self.codes = np.where(inked, np.where(both_braille, self.codes | cells, cells), self.codes)
        self.styles[inked] = style

    def put(self, row: int, column: int, character: str, style: int) -> None:
        self.codes[row, column] = ord(character)
        self.styles[row, column] = style


class Canvas:
    """``width`` x ``height`` cells onto which the curves of one view are painted."""

    def __init__(
        self, view: View, width: int, height: int, palette: Palette, ascii_only: bool
    ) -> None:
        self._view = view
        self._width, self._height = width, height
        self._palette = palette
        self._ascii = ascii_only
        self._per: Resolution = raster.ASCII if ascii_only else raster.BRAILLE
        # Raw curves and bands lie behind: their dots must not thicken the curves before them.
        self._back, self._front = _Layer(width, height), _Layer(width, height)
        self._styles: list[_Style] = [_Style()]

    def paint(
        self, curves: Sequence[Curve], markers: Sequence[str], cursor: float | None = None
    ) -> None:
        """Paints all curves, and the cursor at this x."""
        marked = list(zip(curves, markers, strict=True))
        for curve, _ in marked:
            self._paint_band(curve)
        for curve, marker in sorted(marked, key=lambda pair: not pair[0].series.dim):
            self._paint_curve(curve, marker)
        for curve, marker in marked:
            if not curve.series.dim and not self._ascii and (marker or len(curve.x) == 1):
                self._paint_markers(curve, marker or _LONE_POINT)
        if cursor is not None:
            self._paint_cursor(cursor)
        for curve in curves:
            self._paint_events(curve)
        if self._view.y is None and not any(len(x) for curve in curves for x in curve.series.marks):
            self._write_nothing()

    def lines(self) -> list[ChartLine]:
        """What was painted, top row first, each row as wide as the canvas."""
        before = self._front.codes > 0
        codes = np.where(before, self._front.codes, self._back.codes)
        styles = np.where(before, self._front.styles, self._back.styles)
        return [self._line(*row) for row in zip(codes, styles, strict=True)]

    def _line(self, codes: Cells, styles: NDArray[np.int32]) -> ChartLine:
        inked = codes > 0
        # A blank goes on in the style left of it, which makes for few spans.
        source = np.maximum.accumulate(np.where(inked, np.arange(len(codes)), 0))
        styles = styles[source]
        text = np.where(inked, codes, ord(" ")).astype("<u4").tobytes().decode("utf-32-le")
        bounds = [0, *(np.flatnonzero(np.diff(styles)) + 1).tolist(), len(codes)]
        return tuple(
            Span(text[start:stop], *self._styles[styles[start]])
            for start, stop in itertools.pairwise(bounds)
        )

    def _style(self, color: str | None = None, dim: bool = False, bold: bool = False) -> int:
        self._styles.append(_Style(color, dim, bold))
        return len(self._styles) - 1

    def _columns(self, x: FloatArray) -> FloatArray:
        return share_of(x, self._view.x) * (self._width * self._per.x - 1)

    def _trace(self, x: FloatArray, y: FloatArray) -> Trace:
        limits = self._view.y or (0.0, 1.0)
        rows = (1.0 - share_of(y, limits)) * (self._height * self._per.y - 1)
        return raster.trace(self._columns(x), rows, self._width * self._per.x)

    def _cells(self, dots: Dots, character: str) -> Cells:
        if self._ascii:
            return np.where(dots, ord(character), 0).astype(np.int32)
        return raster.braille(dots)

    def _paint_band(self, curve: Curve) -> None:
        if not curve.edges:
            return
        lower, upper = (self._trace(*edge) for edge in curve.edges)
        area = raster.area_dots(lower, upper, self._height * self._per.y)
        dots = raster.thinned(area, self._per)
        style = self._style(self._palette.color(curve.series.color), dim=True)
        self._back.paint(self._cells(dots, _ASCII_BAND), style)

    def _paint_curve(self, curve: Curve, marker: str) -> None:
        series = curve.series
        dash = self._per.x if series.style == "dotted" else 0
        trace = self._trace(curve.x, curve.y)
        dots = raster.line_dots(trace, self._height * self._per.y, dash)
        layer = self._back if series.dim else self._front
        style = self._style(self._palette.color(series.color), dim=series.dim)
        layer.paint(self._cells(dots, marker), style)

    def _paint_markers(self, curve: Curve, marker: str) -> None:
        """Sets the marker at intervals along the curve; each curve starts at its own offset."""
        rows = self._trace(curve.x, curve.y).start[:: self._per.x] // self._per.y
        shown = np.flatnonzero((rows >= 0) & (rows < self._height))
        offset = ord(marker) * 5 % _MARKER_SPACING
        places = shown[shown % _MARKER_SPACING == offset]
        style = self._style(self._palette.color(curve.series.color))
        for column in places.tolist() or shown[-1:].tolist():
            self._front.put(int(rows[column]), column, marker, style)

    def _paint_cursor(self, x: float) -> None:
        column = self._cell_columns(np.array([x]))
        style = self._style(self._palette.frame)
        for row in range(self._height):
            for place in column:
                if self._front.codes[row, place] == 0:
                    self._front.put(row, place, "|" if self._ascii else "│", style)

    def _paint_events(self, curve: Curve) -> None:
        style = self._style(self._palette.alert, bold=True)
        above, below = curve.series.marks
        for row, places in ((0, above), (self._height - 1, below)):
            for column in self._cell_columns(places):
                self._front.put(row, column, "X" if self._ascii else "×", style)

    def _cell_columns(self, x: FloatArray) -> list[int]:
        """The columns of cells of those x that are in view."""
        low, high = self._view.x
        columns = np.rint(self._columns(x[(x >= low) & (x <= high)])) // self._per.x
        return [int(column) for column in np.unique(columns)]

    def _write_nothing(self) -> None:
        if len(_NOTHING) > self._width:
            return
        style = self._style(self._palette.frame)
        start = (self._width - len(_NOTHING)) // 2
        for offset, character in enumerate(_NOTHING):
            self._front.put((self._height - 1) // 2, start + offset, character, style)
