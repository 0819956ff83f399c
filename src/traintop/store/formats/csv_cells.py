"""The cells of CSV files: lines into rows, and what they hold into numbers."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from traintop.logfile import UNREADABLE
from traintop.store.history import FloatColumn, as_column, unmeasured

_TRUTHS = {"true": 1.0, "false": 0.0}
_NUMBERS = msgspec.json.Decoder(list[float | Literal["NaN", "Infinity", "-Infinity"] | None])
_WORDS = (
    (b",,", b",null,"),
    *((b",%b," % word, b',"NaN",') for word in (b"nan", b"NaN")),
    *((b",%b," % word, b',"Infinity",') for word in (b"inf", b"Infinity")),
    *((b",-%b," % word, b',"-Infinity",') for word in (b"inf", b"Infinity")),
)

Row = Sequence[str]
FloatTable = NDArray[np.float64]


def split_lines(lines: Sequence[str], delimiter: str) -> list[Row]:
    """The cells of each line that has any."""
    try:
        rows: list[Row] = [*csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]
    except csv.Error:
        rows = []
    if len(rows) != len(lines):  # a stray quote
        rows = [cells_of(line, delimiter) for line in lines]
    return [row for row in rows if row]


def cells_of(line: str, delimiter: str) -> Row:
    """The cells of one line; a line that is broken is one cell."""
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        return [line]


def cells_at(at: int, rows: Sequence[Row]) -> Row:
    """The cells of one column; empty where a row has none."""
    try:
        return [row[at] for row in rows]
    except IndexError:
        return [row[at] if at < len(row) else "" for row in rows]


def plain_numbers(lines: bytes, delimiter: str, width: int) -> FloatTable | None:
    """Whole lines of that many numbers each, where a cell may also be empty, as a table.

    ``None`` where they hold anything else. Such lines are very nearly JSON, and read as fast.
    """
    signs, comma = np.frombuffer(lines, np.uint8), delimiter.encode()
    ends, commas = np.flatnonzero(signs == ord("\n")), np.flatnonzero(signs == ord(comma))
    if (np.diff(np.searchsorted(commas, ends), prepend=0) != width - 1).any():
        return None
    values = b",%b," % lines[:-1].replace(b"\r\n", b"\n").removesuffix(b"\r")
    values = values.replace(b"\n", b",").replace(comma, b",")
    if b"\r" in values or values.count(b",") != len(ends) * width + 1:
        return None
    has_names = b"n" in values
    for word, name in _WORDS if has_names else _WORDS[:1]:
        if word in values:  # each sign between two of them belongs to both
            values = values.replace(word, name).replace(word, name)
    try:
        found = _NUMBERS.decode(b"[%b]" % values[1:-1])
    except UNREADABLE:
        return None
    if has_names:
        column = as_column(found)
    else:
        column = np.array(found, np.float64)
        column[np.isnan(column)] = unmeasured(1)
    return column.reshape(len(ends), width)


def numbers_in(cells: Row) -> FloatColumn:
    """The numbers in some cells, of which most may be empty."""
    try:
        return np.array([*map(float, cells)])
    except ValueError:
        column = unmeasured(len(cells))
    given = np.fromiter(map(bool, cells), np.bool_, len(cells))
    some = [*itertools.compress(cells, given)]
    try:
        column[given] = [*map(float, some)]
    except ValueError:
        known = {cell: number_in(cell) for cell in {*some}}  # texts are often the same
        column[given] = as_column([known[cell] for cell in some])
    return column


def number_in(cell: str) -> float | None:
    """The number in a cell, of a percentage too; ``None`` where there is none."""
    try:
        return float(cell.strip().removesuffix("%"))
    except ValueError:
        return _TRUTHS.get(cell.strip().lower())


def posix_time_in(cell: str) -> float | None:
    """The moment that a text says, in seconds since 1970."""
    try:
        return datetime.fromisoformat(cell.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
