"""The inside of a chart: bands, curves, markers and events, painted into cells as dots.

A *dot* is the smallest thing a cell can show: a braille cell has 2 x 4 of them, a cell of plain
ASCII one. All is done on whole arrays, so that a curve costs the same however ragged it is. Rows
count from the top.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from traintop.analysis.series import FloatArray, column_starts
from traintop.charts.spec import DARK, Palette, Series
from traintop.charts.view import Curve, Departure, View, share_of
from traintop.lines import Line, Piece

Dots: TypeAlias = NDArray[np.bool_]

Cells: TypeAlias = NDArray[np.int32]
"""Code points; 0 where a cell is empty."""


class Resolution(NamedTuple):
    """The dots in a cell, across and down."""

    x: int
    y: int


BRAILLE = Resolution(2, 4)
ASCII = Resolution(1, 1)

_BRAILLE_BLANK = 0x2800
# The bit of each dot of a braille cell, by row and column (Unicode, block "Braille Patterns").
_BRAILLE_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_FAR = 1e12  # dots; beyond it a slope looks the same, and arithmetic stays exact

_MARKERS = "●▲■◆▼○△□◇"
_ASCII_MARKERS = "*ox#@%&=~"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ASCII_RAW, _ASCII_BAND = ".", ":"
_LONE_POINT = "•"
_MARKER_SPACING = 12  # cells along x between two markers of a curve, at least
_NOTHING = "no data"  # where there is no room for the reason

_Style: TypeAlias = tuple[str | None, bool, bool]
"""Colour, bold, dim."""


def markers_for(series: Sequence[Series], ascii_only: bool, letters: bool) -> tuple[str, ...]:
    """The character by which each curve differs from the others without its colour, "" for none.

    Solid curves have those of :func:`run_markers`, and dotted ones the like of them; where style
    alone sets them apart, and in the background, none is needed. Plain ASCII curves consist of
    theirs, so there no two curves share one.
    """
    front = [one for one in series if not one.dim]
    if not ascii_only and len({one.style for one in front}) == len(front):
        return ("",) * len(series)
    solid = [one for one in front if one.style == "solid"]
    dotted = [one for one in front if one.style != "solid"]
    # The solid ones first: their markers are those of their runs in all charts.
    found: dict[int, str] = {}
    for group in ([*solid, *dotted],) if ascii_only else (solid, dotted):
        markers = run_markers([one.color for one in group], ascii_only, letters)
        found |= zip(map(id, group), markers, strict=True)
    return tuple(found.get(id(one), _ASCII_RAW if ascii_only else "") for one in series)


def run_markers(colors: Sequence[int], ascii_only: bool, letters: bool) -> tuple[str, ...]:
    """The characters that mark the curves of runs with these colours, by which a run keeps its own.

    They differ, or where there are not enough those of one colour do. ``letters`` are for where
    there are no colours: there are more of them, and each can be named.
    """
    available = _LETTERS if letters else _ASCII_MARKERS if ascii_only else _MARKERS
    hues = 1 if letters or len(colors) <= len(available) else len(DARK.curves)
    markers: list[str] = []
    taken: dict[int, set[str]] = {hue: set() for hue in range(hues)}
    for color in colors:
        choices = [available[(color + turn) % len(available)] for turn in range(len(available))]
        marker = next((it for it in choices if it not in taken[color % hues]), choices[0])
        taken[color % hues].add(marker)
        markers.append(marker)
    return tuple(markers)


class _Trace(NamedTuple):
    """The rows one curve covers in each column of dots; NaN in columns without it."""

    low: FloatArray
    high: FloatArray
    start: FloatArray
    """The row at which the curve enters the column."""
    end: FloatArray


def _trace(columns: FloatArray, rows: FloatArray, width: int) -> _Trace:
    """Follows the polyline through the points, given in dots and in ascending order of column.

    Points left of 0 and right of ``width - 1`` only give direction to what is in between.
    """
    if len(columns) == 0:
        return _Trace(*np.full((4, width), np.nan))
    columns = np.rint(np.clip(columns, -_FAR, _FAR))
    rows = np.clip(rows, -_FAR, _FAR)
    grid = np.arange(width, dtype=np.float64)
    start = np.rint(np.interp(grid, columns, rows, left=np.nan, right=np.nan))
    end, low, high = start.copy(), start.copy(), start.copy()
    inside = (columns >= 0) & (columns < width)
    if inside.any():
        rows = np.rint(rows[inside])
        touched, first = np.unique(columns[inside].astype(np.intp), return_index=True)
        start[touched] = rows[first]
        end[touched] = rows[np.append(first[1:], len(rows)) - 1]
        low[touched] = np.minimum.reduceat(rows, first)
        high[touched] = np.maximum.reduceat(rows, first)
    # The step from each column to the next is closed, half of it in either, as one line would.
    before, after = end[:-1], start[1:]
    direction = np.sign(after - before)
    half = before + direction * np.floor(np.abs(after - before) / 2)
    np.fmin(low[:-1], half, out=low[:-1])
    np.fmax(high[:-1], half, out=high[:-1])
    # The dot after the middle is the next column's, so that no row is covered twice.
    rest = np.where(np.abs(after - before) > 1, half + direction, after)
    np.fmin(low[1:], rest, out=low[1:])
    np.fmax(high[1:], rest, out=high[1:])
    return _Trace(low, high, start, end)


class _Layer:
    """Cells that are painted one over the other, each with the style it was painted in last."""

    def __init__(self, width: int, height: int) -> None:
        self.codes: Cells = np.zeros((height, width), dtype=np.int32)
        self.styles: Cells = np.zeros((height, width), dtype=np.int32)

    def paint(self, cells: Cells, style: int) -> None:
        """Adds the dots of braille cells to those that are there; other characters replace."""
        inked = cells > 0
        both_braille = _is_braille(self.codes) & _is_braille(cells)
        self.codes = np.where(inked, np.where(both_braille, self.codes | cells, cells), self.codes)
        self.styles[inked] = style

    def put(self, row: int, column: int, character: str, style: int) -> None:
        self.codes[row, column] = ord(character)
        self.styles[row, column] = style


def _is_braille(cells: Cells) -> Dots:
    blocks: Dots = cells >> 8 == _BRAILLE_BLANK >> 8
    return blocks


class Canvas:
    """``width`` x ``height`` cells onto which the curves of one view are painted."""

    def __init__(
        self, view: View, width: int, height: int, palette: Palette, ascii_only: bool
    ) -> None:
        self._view = view
        self._width, self._height = width, height
        self._palette = palette
        self._ascii = ascii_only
        self._per_cell = ASCII if ascii_only else BRAILLE
        self._across, self._down = width * self._per_cell.x, height * self._per_cell.y
        # Raw curves and bands lie behind: their dots must not thicken the curves before them.
        self._back, self._front = _Layer(width, height), _Layer(width, height)
        self._styles: list[_Style] = [(None, False, False)]

    def paint(
        self,
        curves: Sequence[Curve],
        markers: Sequence[str],
        cursor: float | None,
        nothing: str,
    ) -> None:
        """Paint all curves, and the cursor at this x; if there is nothing, say why."""
        marked = [
            (curve, marker, self._trace(curve.x, curve.y))
            for curve, marker in zip(curves, markers, strict=True)
        ]
        for curve in curves:
            if curve.edges:
                self._paint_band(curve)
        for curve, marker, trace in sorted(marked, key=lambda one: not one[0].series.dim):
            self._paint_curve(curve.series, marker, trace)
        in_front = [one for one in marked if not one[0].series.dim and not self._ascii]
        turns = self._turns(len(in_front))
        for place, (curve, marker, trace) in enumerate(in_front):
            if marker or len(curve.x) == 1:
                turn = place % turns, turns
                self._paint_markers(curve.series, marker or _LONE_POINT, trace, turn)
        if cursor is not None:
            self._paint_cursor(cursor)
        for curve in curves:
            self._paint_events(curve)
        if self._view.y is None and not any(len(x) for curve in curves for x in curve.series.marks):
            self._write(nothing)

    def lines(self) -> list[Line]:
        """What was painted, top row first, each row as wide as the canvas."""
        in_front = self._front.codes > 0
        codes = np.where(in_front, self._front.codes, self._back.codes)
        styles = np.where(in_front, self._front.styles, self._back.styles)
        return [self._line(*row) for row in zip(codes, styles, strict=True)]

    def _line(self, codes: Cells, styles: Cells) -> Line:
        inked = codes > 0
        # A blank has the style of what is left of it, which makes for few pieces.
        styles = styles[np.maximum.accumulate(np.where(inked, np.arange(len(codes)), 0))]
        text = np.where(inked, codes, ord(" ")).astype("<u4").tobytes().decode("utf-32-le")
        bounds = [0, *(np.flatnonzero(np.diff(styles)) + 1).tolist(), len(codes)]
        return tuple(
            Piece(text[start:stop], "text", *self._styles[styles[start]])
            for start, stop in itertools.pairwise(bounds)
        )

    def _style(self, color: str, *, bold: bool = False, dim: bool = False) -> int:
        self._styles.append((color, bold, dim))
        return len(self._styles) - 1

    def _columns(self, x: FloatArray) -> FloatArray:
        return share_of(x, self._view.x) * (self._across - 1)

    def _trace(self, x: FloatArray, y: FloatArray) -> _Trace:
        rows = (1.0 - share_of(y, self._view.y or (0.0, 1.0))) * (self._down - 1)
        return _trace(self._columns(x), rows, self._across)

    def _dots(self, low: FloatArray, high: FloatArray) -> Dots:
        """The dots of each column from one row to another."""
        row = np.arange(self._down, dtype=np.float64)[:, None]
        dots: Dots = (row >= low) & (row <= high)
        return dots

    def _cells(self, dots: Dots, character: str) -> Cells:
        if self._ascii:
            return np.where(dots, ord(character), 0).astype(np.int32)
        in_cells = dots.reshape(self._height, 4, self._width, 2)
        bits: Cells = np.zeros((self._height, self._width), dtype=np.int32)
        for row, pair in enumerate(_BRAILLE_BITS):
            for column, bit in enumerate(pair):
                bits |= in_cells[:, row, :, column] * np.int32(bit)
        return np.where(bits > 0, _BRAILLE_BLANK + bits, 0)

    @cached_property
    def _sparse(self) -> Dots:
        """About one dot of each cell, so that a band stays behind what is drawn over it."""
        row, column = np.ogrid[: self._down, : self._across]
        dots: Dots = (column % 2 == 0) & ((row + column) % self._per_cell.y == 0)
        return dots

    def _paint_band(self, curve: Curve) -> None:
        lower, upper = (self._trace(*edge) for edge in curve.edges)
        dots = self._dots(np.fmin(lower.low, upper.low), np.fmax(lower.high, upper.high))
        dots &= self._sparse
        style = self._style(self._palette.color(curve.series.color), dim=True)
        self._back.paint(self._cells(dots, _ASCII_BAND), style)

    def _paint_curve(self, series: Series, marker: str, trace: _Trace) -> None:
        dots = self._dots(trace.low, trace.high)
        if series.style == "dotted":
            dots = self._dashed(dots, trace)
        layer = self._back if series.dim else self._front
        style = self._style(self._palette.color(series.color), dim=series.dim)
        layer.paint(self._cells(dots, marker), style)

    def _dashed(self, dots: Dots, curve: _Trace) -> Dots:
        """Of the dots of a curve every other cell's along its way."""
        low, high = np.clip(curve.low, 0, self._down), np.clip(curve.high, 0, self._down)
        length = np.nan_to_num(high - low) + 1
        travelled = np.cumsum(length) - length
        row, column = np.nonzero(dots)
        falls = (curve.end >= curve.start)[column]
        along = np.where(falls, row - low[column], high[column] - row)
        kept = (travelled[column] + along) // self._per_cell.x % 2 == 0
        dashed = np.zeros_like(dots)
        dashed[row[kept], column[kept]] = True
        return dashed

    def _turns(self, curves: int) -> int:
        """In so many turns curves have their markers, which else would hide very many of them."""
        return min(-(-curves // _MARKER_SPACING), max(self._width // _MARKER_SPACING, 1))

    def _paint_markers(
        self, series: Series, marker: str, trace: _Trace, turn: tuple[int, int]
    ) -> None:
        """Sets the marker at intervals along the curve; each curve starts at its own offset."""
        rows = trace.start[:: self._per_cell.x] // self._per_cell.y
        shown = np.flatnonzero((rows >= 0) & (rows < self._height))
        mine, turns = turn
        offset = ord(marker) * 5 % _MARKER_SPACING + mine * _MARKER_SPACING
        places = shown[shown % (_MARKER_SPACING * turns) == offset]
        style = self._style(self._palette.color(series.color))
        for column in places.tolist() or shown[-1:].tolist():
            self._front.put(int(rows[column]), column, marker, style)

    def _paint_cursor(self, x: float) -> None:
        style = self._style(self._palette.frame)
        for column in self._columns_of_cells(np.array([x])):
            for row in np.flatnonzero(self._front.codes[:, column] == 0).tolist():
                self._front.put(row, column, "|" if self._ascii else "│", style)

    def _paint_events(self, curve: Curve) -> None:
        style = self._style(self._palette.alert, bold=True)
        for row, places in zip((0, self._height - 1), curve.series.marks, strict=True):
            for column in self._columns_of_cells(places):
                self._front.put(row, column, "X" if self._ascii else "×", style)

    def paint_axes(self, axes: Mapping[float, Sequence[tuple[float, str]]]) -> None:
        """Draw an upright line at each x, with texts at heights from 0 to 1 at its right side.

        Where that has no room, a text ends at the last column.
        """
        style = self._style(self._palette.ink, bold=True)
        for x, texts in axes.items():
            self._paint_cursor(x)
            column = self._columns_of_cells(np.array([x]))[0] + 1
            for height, text in texts:
                row = round((1.0 - height) * (self._height - 1))
                start = max(min(column, self._width - len(text)), 0)
                for offset, character in enumerate(text[: self._width]):
                    self._front.put(row, start + offset, character, style)

    def paint_departures(self, found: Sequence[Departure], texts: Sequence[str]) -> None:
        """Write where curves left the view, with the arrow and text of each in its colour."""
        taken: dict[int, int] = {}  # by row: the first free column
        placed = zip(found, texts, strict=True)
        for one, text in sorted(placed, key=lambda pair: pair[0].x):
            column = max(
                min(*self._columns_of_cells(np.array([one.x])), self._width - len(text)), 0
            )
            rows = range(self._height // 2) if one.above else range(-1, -self._height // 2, -1)
            row = next((row for row in rows if taken.get(row, 0) <= column), None)
            if row is None or len(text) > self._width:
                continue
            taken[row] = column + len(text) + 1
            style = self._style(self._palette.color(one.series.color), bold=True)
            for offset, character in enumerate(text):
                self._front.put(row, column + offset, character, style)

    def _columns_of_cells(self, x: FloatArray) -> list[int]:
        """The columns of cells of those of the ascending x that are in view."""
        low, high = self._view.x
        x = x[np.searchsorted(x, low) : np.searchsorted(x, high, side="right")]
        if not len(x):
            return []
        parts = 2 * self._across
        if len(x) > 2 * parts:
            # The ends of parts that are narrower than a dot say as much.
            starts = column_starts(x, self._view.x, parts)
            filled = starts[1:] > starts[:-1]
            x = x[np.concatenate([starts[:-1][filled], starts[1:][filled] - 1])]
        columns = np.rint(self._columns(x)) // self._per_cell.x
        return [int(column) for column in np.unique(columns)]

    def _write(self, words: str) -> None:
        """Write why nothing is drawn, as much of it as there is room for."""
        shown = next((text for text in (words, _NOTHING) if len(text) <= self._width), "")
        start, style = (self._width - len(shown)) // 2, self._style(self._palette.frame)
        for offset, character in enumerate(shown):
            self._front.put((self._height - 1) // 2, start + offset, character, style)
