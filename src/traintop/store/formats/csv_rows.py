"""The rows of a CSV file as columns of numbers.

A row is a line: what trains writes no line breaks within quotes, so a stray quote costs one row.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from traintop.logfile.columns import kept_names
from traintop.metrics import EVALUATIONS, SPLITS
from traintop.store.formats import NotThisFormatError
from traintop.store.formats.csv_cells import (
    Row,
    cells_at,
    cells_of,
    number_in,
    numbers_in,
    plain_numbers,
    posix_time_in,
    split_lines,
)
from traintop.store.formats.followed import Records
from traintop.store.formats.positions import PLACES, EpochSteps, Restarts, plain_name
from traintop.store.history import FloatColumn, as_column, measured_rows, unmeasured

_DELIMITERS = ",;\t"
_BYTE_ORDER_MARK = "\ufeff"
_MOST_COLUMNS = 1000
_MOST_HEADERS = 1000  # further ones are rows without a position
_MOST_CELLS = 1 << 20  # that are taken apart at once
MOST_TEXTS = 5
"""Of what a column holds beside numbers, so many different texts are kept."""

_NOTHING = frozenset({"", "-", "--", "na", "n/a", "none", "null"})
_SPLIT_WORDS = _NOTHING | EVALUATIONS | {"train", "training"}

_ELAPSED = frozenset(
    {"wallclock_time", "wall_time", "elapsed", "elapsed_time", "elapsed_seconds", "time_elapsed"}
    | {"time_time_elapsed", "time_total_s", "runtime"}
)
_CLOCKS = frozenset({"time", "timestamp", "datetime", "date_time", "date", "wall_time"})
_UNITS = ((1e8, 1e11, 1.0), (1e11, 1e14, 1e-3))  # of times since 1970: seconds, milliseconds


class Layout(NamedTuple):
    """What the cells of a row are."""

    names: Sequence[str]  # empty: not read
    position: int
    epoch: int | None = None  # where the steps may be counted within each of these
    time: int | None = None
    unit: float | None = None  # seconds of a time; None: it is a text
    is_elapsed: bool = False  # the time counts from the start, and not from 1970
    split: int | None = None  # says of which part of the data a row is

    @property
    def cells(self) -> Sequence[int]:
        """Those that are read."""
        return [at for at, name in enumerate(self.names) if name]

    @property
    def place(self) -> str:
        """What the position is called."""
        return self.names[self.position]


class RowDecoder:
    """Takes one CSV file apart. ``elapsed`` are names of times that count from the start."""

    def __init__(self, elapsed: Collection[str] = ()) -> None:
        self.layout: Layout | None = None
        """``None`` before the first row."""
        self.rows = 0
        self.placeless = 0
        """Rows that have no number as their position."""
        self.overlong = 0
        """Rows with more cells than there are names: two of them, run together."""
        self.no_numbers: Counter[str] = Counter()
        """Cells that hold something else, by the name of their column."""
        self.texts: dict[str, set[str]] = {}
        """Some of the words that they hold, but for times."""
        self.descents = 0
        """Rows that have a lower position than the one before."""
        self.first_time: float | None = None
        """In seconds since 1970."""
        self.last_time: float | None = None
        """In seconds since the start."""
        self.headers = 0
        """How often the names were there."""
        self.restarts = Restarts()
        self.steps = EpochSteps()
        self._elapsed = _ELAPSED | {*elapsed}
        self._delimiter = ""
        self._places: set[str] = set()  # as the names are written
        self._header: Row = ()
        self._begins = False
        self._last_step = -np.inf
        self._last_elapsed = np.nan
        self._time_before = 0.0  # what programs took that were started again

    def take(self, data: bytes, records: Records) -> int:
        """Hand on the records in the whole lines at the start of some bytes; how many bytes.

        Raises ``NotThisFormatError`` for what is no log.
        """
        end = data.rfind(b"\n") + 1
        self._take_lines(data[:end], records)
        if self._is_whole(data[end:]):
            self._take_lines(data[end:] + b"\n", records)
            end = len(data)
        return end

    def _is_whole(self, line: bytes) -> bool:
        """Whether a line without an end is whole: its last cell ends with a quotation mark."""
        if self.layout is None or not line.endswith(b'"') or line.count(b'"') % 2:
            return False  # an odd one begins a cell
        cells = cells_of(line.decode("utf-8", "replace"), self._delimiter)
        return len(cells) == len(self.layout.names)

    def _take_lines(self, lines: bytes, records: Records) -> None:
        plain = self._plain_columns(lines)
        if plain is not None:
            self.rows += lines.count(b"\n")
            self._hand_on(plain, records)
            return
        text = lines.decode("utf-8", "replace")
        heads = []
        if not self._places:
            text = text.removeprefix(_BYTE_ORDER_MARK).lstrip("\r\n")
            if not text:
                return
            self._begin_file(text[: text.index("\n")])
            heads = [0]
        rows = split_lines(text.split("\n")[:-1], self._delimiter)
        if any(name in text for name in self._places):
            heads += [at for at, row in enumerate(rows) if at not in heads and self._is_header(row)]
        start = 0
        for at in heads[: _MOST_HEADERS - self.headers]:
            self._take_rows(rows[start:at], records)
            self.layout, self._header, self._begins = None, rows[at], True
            self.headers += 1
            start = at + 1
        self._take_rows(rows[start:], records)

    def _plain_columns(self, lines: bytes) -> dict[int, FloatColumn] | None:
        """The columns of lines that hold nothing but the numbers of whole rows, as most do."""
        if self.layout is None or not lines:
            return None
        table = plain_numbers(lines, self._delimiter, len(self.layout.names))
        if table is None or not np.isfinite(table[:, self.layout.position]).all():
            return None
        columns = np.ascontiguousarray(table.T)
        return {at: columns[at] for at in self.layout.cells}

    def _begin_file(self, line: str) -> None:
        for self._delimiter in _DELIMITERS:
            cells = cells_of(line, self._delimiter)
            self._places = {cell.strip() for cell in cells if plain_name(cell) in PLACES}
            if len(cells) > 1 and self._places:
                return
        raise NotThisFormatError("has no first line that names an epoch, step or iteration")

    def _is_header(self, row: Row) -> bool:
        """Whether a row has names, be they those of a program that was started again."""
        named = not self._places.isdisjoint(map(str.strip, row))
        return named and all(number_in(cell) is None for cell in row)

    def _take_rows(self, rows: Sequence[Row], records: Records) -> None:
        if not rows:
            return
        if self.layout is None:
            self.layout = _layout_of(self._header, rows[0], self._elapsed)
        most = _MOST_CELLS // len(self.layout.cells)
        for start in range(0, len(rows), most):
            self._take_batch(self.layout, rows[start : start + most], records)

    def _take_batch(self, layout: Layout, rows: Sequence[Row], records: Records) -> None:
        self.rows += len(rows)
        width = len(layout.names)
        fitting = [row for row in rows if len(row) <= width or not any(map(str.strip, row[width:]))]
        self.overlong += len(rows) - len(fitting)
        usable = np.isfinite(numbers_in(cells_at(layout.position, fitting)))
        self.placeless += len(fitting) - int(usable.sum())
        rows = [*itertools.compress(fitting, usable)]
        if rows:
            longest = max(map(len, rows))
            columns = {
                at: self._column(layout, at, cells_at(at, rows))
                for at in layout.cells
                if at < longest
            }
            split = layout.split
            self._hand_on(columns, records, () if split is None else cells_at(split, rows))

    def _hand_on(
        self, columns: Mapping[int, FloatColumn], records: Records, splits: Row = ()
    ) -> None:
        """Hand on whole rows, of which each has a position."""
        assert self.layout is not None
        layout = self.layout
        found = {
            layout.names[at]: column
            for at, column in columns.items()
            if at not in (layout.position, layout.time, layout.split)
        }
        if splits:
            found = _by_split(found, [*map(_word, splits)])
        steps = columns[layout.position]
        self.descents += int((np.diff(steps, prepend=self._last_step) < 0).sum())
        self._last_step = steps[-1]
        if layout.epoch is not None:
            nothing = unmeasured(len(steps))
            steps = self.steps.counted_on(steps, columns.get(layout.epoch, nothing))
        found["iteration"] = steps
        if layout.time is not None and layout.time in columns:
            found["wallclock_time"] = self._since_start(layout, columns[layout.time])
        self.restarts.extend(records, found, began_anew=self._begins)
        self._begins = False

    def _column(self, layout: Layout, at: int, cells: Row) -> FloatColumn:
        """The numbers in some cells; what else they hold is counted."""
        if at == layout.time and layout.unit is None:
            return as_column([posix_time_in(cell) for cell in cells])
        column, name = numbers_in(cells), layout.names[at]
        measured = measured_rows(column)
        if name and not measured.all():
            others = Counter(filter(None, itertools.compress(cells, ~measured)))
            expected = _SPLIT_WORDS if at == layout.split else _NOTHING
            words = {cell: count for cell, count in others.items() if _word(cell) not in expected}
            if words:
                self.no_numbers[name] += sum(words.values())
            if words and plain_name(name) not in _CLOCKS:
                texts = self.texts.setdefault(name, set())
                lettered = (word for word in words if any(map(str.isalpha, word)))
                texts.update(itertools.islice(lettered, MOST_TEXTS - len(texts)))
        return column

    def _since_start(self, layout: Layout, times: FloatColumn) -> FloatColumn:
        """When rows were written, in seconds since the start of the run."""
        times = times * (layout.unit or 1.0)
        if layout.is_elapsed:
            before = np.concatenate(([self._last_elapsed], times[:-1]))
            ended = np.where(times < before, before, 0.0)  # the time of a program that has ended
            self._last_elapsed = times[-1]
            times = times + self._time_before + np.cumsum(ended)
            self._time_before += ended.sum()
        known = times[np.isfinite(times)]
        if self.first_time is None and not layout.is_elapsed and len(known):
            self.first_time = float(known[0])
        times = times - (self.first_time or 0.0)
        if len(known):
            self.last_time = float(known[-1]) - (self.first_time or 0.0)
        return times


def _layout_of(header: Row, row: Row, elapsed: Collection[str]) -> Layout:
    """What the cells of the rows below a header are, given the first of them."""
    names = _names(header)
    cells: dict[str, int] = {}
    for at, name in enumerate(names):
        cells.setdefault(plain_name(name), at)
    numbers = {name: number_in(row[at]) for name, at in cells.items() if at < len(row)}
    named = [name for name in PLACES if name in cells]
    place = next((name for name in named if _is_finite(numbers.get(name))), named[0])
    if place == "epoch" and numbers.get("batch") in (0, 1):  # the first one, and not a size
        place = "batch"
    epoch = None if place == "epoch" else cells.get("epoch")
    words = (cells[name] for name, value in numbers.items() if name in SPLITS and value is None)
    layout = Layout(names, cells[place], epoch, split=next(words, None))
    for name, value in numbers.items():
        at = cells[name]
        unit = next((unit for low, high, unit in _UNITS if low <= (value or 0.0) < high), None)
        is_moment = unit or (value is None and posix_time_in(row[at]) is not None)
        if name in _CLOCKS and is_moment:
            return layout._replace(time=at, unit=unit)
        if name in elapsed and value is not None and unit is None:
            return layout._replace(time=at, unit=1.0, is_elapsed=True)
    return layout


def _names(header: Row) -> list[str]:
    """What the cells of a header name; empty for a name that is there already."""
    names = [cell.strip().removeprefix("#").strip() for cell in header]
    places = sorted(dict.fromkeys(names), key=lambda name: plain_name(name) not in PLACES)
    kept = kept_names(places, _MOST_COLUMNS)
    first = {name: at for at, name in reversed([*enumerate(names)])}
    return [name if name in kept and first[name] == at else "" for at, name in enumerate(names)]


def _by_split(columns: Mapping[str, FloatColumn], splits: Sequence[str]) -> dict[str, FloatColumn]:
    """The columns with those of evaluations named after these: ``val/loss``."""
    found = dict(columns)
    for word in EVALUATIONS.intersection(splits):
        rows = np.array([word == one for one in splits])
        for name, column in columns.items():
            if word not in name.lower() and plain_name(name) not in PLACES:
                found[f"{word}/{name}"] = np.where(rows, column, unmeasured(1))
                found[name] = np.where(rows, unmeasured(1), found[name])
    return found


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _word(cell: str) -> str:
    return cell.strip().lower()
