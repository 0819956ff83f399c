"""Curves as dots: a polyline becomes the set of dots it touches, and dots become characters.

A *dot* is the smallest thing a cell can show: a braille cell has 2 x 4 of them, a cell of plain
ASCII one. All is done on whole arrays, so that a curve costs the same however ragged it is. Rows
count from the top.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from traintop.analysis.series import FloatArray

Dots: TypeAlias = NDArray[np.bool_]

Cells: TypeAlias = NDArray[np.int32]
"""Code points; 0 where a cell is empty."""


class Resolution(NamedTuple):
    """The dots in a cell, across and down."""

    x: int
    y: int


BRAILLE = Resolution(2, 4)
ASCII = Resolution(1, 1)

BRAILLE_BLANK = 0x2800

# The bit of each dot of a braille cell, by row and column (Unicode, block "Braille Patterns").
_BRAILLE_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.int32)
_FAR = 1e12  # dots; beyond it a slope looks the same, and arithmetic stays exact


@dataclass(frozen=True, eq=False)
class Trace:
    """The rows one curve covers in each column of dots; NaN in columns without it."""

    low: FloatArray
    high: FloatArray
    start: FloatArray
    """The row at which the curve enters the column."""
    end: FloatArray


def trace(columns: FloatArray, rows: FloatArray, width: int) -> Trace:
    """Follows the polyline through the points, given in dots and in ascending order of column.

    Points left of 0 and right of ``width - 1`` only give direction to what is in between.
    """
    columns = np.rint(np.clip(columns, -_FAR, _FAR))
    rows = np.clip(rows, -_FAR, _FAR)
    grid = np.arange(width, dtype=np.float64)
    if len(columns) == 0:
        blank = np.full(width, np.nan)
        return Trace(blank, blank, blank, blank)
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
    _join_neighbours(start, end, low, high)
    return Trace(low, high, start, end)


def _join_neighbours(start: FloatArray, end: FloatArray, low: FloatArray, high: FloatArray) -> None:
    """Closes the step from each column to the next, half of it in either, as one line would."""
    before, after = end[:-1], start[1:]
    direction = np.sign(after - before)
    half = before + direction * np.floor(np.abs(after - before) / 2)
    np.fmin(low[:-1], half, out=low[:-1])
    np.fmax(high[:-1], half, out=high[:-1])
    # The dot after the middle is the next column's, so that no row is covered twice.
    rest = np.where(np.abs(after - before) > 1, half + direction, after)
    np.fmin(low[1:], rest, out=low[1:])
    np.fmax(high[1:], rest, out=high[1:])


def line_dots(curve: Trace, height: int, dash: int = 0) -> Dots:
    """The dots of a curve. With ``dash`` every other ``dash`` dots along its way are left out."""
    row = np.arange(height, dtype=np.float64)[:, None]
    dots: Dots = (row >= curve.low) & (row <= curve.high)
    if dash:
        low, high = np.clip(curve.low, 0, height), np.clip(curve.high, 0, height)
        length = np.nan_to_num(high - low) + 1
        travelled = np.cumsum(length) - length
        along = np.where(curve.end >= curve.start, row - low, high - row)
        dots &= (travelled + along) // dash % 2 == 0
    return dots


def area_dots(lower: Trace, upper: Trace, height: int) -> Dots:
    """The dots between two curves."""
    row = np.arange(height, dtype=np.float64)[:, None]
    dots: Dots = (row >= np.fmin(lower.low, upper.low)) & (row <= np.fmax(lower.high, upper.high))
    return dots


def thinned(dots: Dots, per: Resolution) -> Dots:
    """About one dot of each cell, so that an area stays behind what is drawn over it."""
    row, column = np.ogrid[: dots.shape[0], : dots.shape[1]]
    shown: Dots = dots & (column % 2 == 0) & ((row + column) % per.y == 0)
    return shown


def braille(dots: Dots) -> Cells:
    """The code points of the braille cells that show ``dots``; 0 where a cell has none."""
    height, width = dots.shape
    cells = dots.reshape(height // 4, 4, width // 2, 2)
    bits = np.einsum("rycx,yx->rc", cells, _BRAILLE_BITS, dtype=np.int32)
    return np.where(bits > 0, BRAILLE_BLANK + bits, 0).astype(np.int32)


def is_braille(cells: Cells) -> Dots:
    """Which cells hold a braille character, so that more dots can be added to them."""
    blocks: Dots = cells >> 8 == BRAILLE_BLANK >> 8
    return blocks
