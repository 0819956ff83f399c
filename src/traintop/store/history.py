"""The whole course of a run as columns of numbers.

A value that was never measured and a value that was measured as NaN both read as NaN, as numpy
code expects, but they stay distinguishable: "not measured" is a NaN with a payload of its own
(IEEE 754-2019, 6.2.1), so that it needs no second array and survives every copy and slice.
"""

from __future__ import annotations

import functools
import itertools
import operator
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import cast

import numpy as np
from numpy.typing import NDArray

from traintop.logfile.columns import SparseColumn, kept_names, most_keys
from traintop.model import RECORD_FIELDS
from traintop.values import as_number

FloatColumn = NDArray[np.float64]
Values = Sequence[object] | FloatColumn
"""The values of a column: decoded ones, with ``None`` for no value, or a column as here."""

RowMask = NDArray[np.bool_]

_NOT_MEASURED_BITS = np.uint64(0x7FF8_0000_0000_0001)
_is_given = functools.partial(operator.is_not, None)
_COUNTERS = ("iteration", "gradient_step", "wallclock_time")
_FIRST_CAPACITY = 256


@dataclass(frozen=True, eq=False, slots=True)
class History:
    """All records of a run, as read-only columns of equal length, sorted by iteration.

    ``columns`` always holds the standard fields of a record, and the further metrics that were
    measured; NaN where nothing was measured. ``metrics`` names those that were measured at least
    once, standard ones first, then the others by name. Each iteration is there once: records of one
    iteration are merged, later values win.

    It never changes, so any thread may keep it while the run goes on.
    """

    columns: Mapping[str, FloatColumn]
    metrics: tuple[str, ...]
    damaged: int = 0
    """Lines that were skipped, for they hold no record."""

    @classmethod
    def from_columns(cls, columns: Mapping[str, Values]) -> History:
        """From values by key: numbers, names of non-finite numbers, ``None`` for no value.

        What is none of these counts as not measured. Rows without a finite iteration are left out.
        """
        growing = GrowingHistory()
        growing.extend(columns)
        return growing.history()

    def __len__(self) -> int:
        return len(self.columns["iteration"])

    def __getitem__(self, rows: slice) -> History:
        """Some of the records. The columns and the metrics stay those of all."""
        return replace(self, columns={name: one[rows] for name, one in self.columns.items()})

    def measured(self, metric: str) -> RowMask:
        """The rows in which a metric was measured, even as NaN; none for an unknown metric."""
        column = self.columns.get(metric)
        return np.zeros(len(self), np.bool_) if column is None else measured_rows(column)

    def nonfinite(self, metric: str) -> RowMask:
        """The rows in which NaN or ±inf was measured of a metric."""
        column = self.columns.get(metric)
        if column is None:
            return np.zeros(len(self), np.bool_)
        return ~np.isfinite(column) & measured_rows(column)


class GrowingHistory:
    """Gathers the records of a run as they are read, and hands out what it has so far.

    The open record, which may still be completed, is kept apart and set each time. One thread
    at a time may use it; what it hands out never changes, because rows that were handed out are
    never rewritten: should one have to be, the columns move to new memory first.
    """

    def __init__(self) -> None:
        # Of what was measured: standard fields that never were take no memory.
        self._buffers = {"iteration": unmeasured(_FIRST_CAPACITY)}
        self._rows = 0  # all but the open record
        self._handed_out = 0  # rows of these buffers that someone may be looking at
        self._open: dict[str, FloatColumn] | None = None
        self._measured: dict[str, None] = {}
        self._keys: dict[str, None] = dict.fromkeys(RECORD_FIELDS)
        self._history: History | None = None

    def copy(self) -> GrowingHistory:
        """An independent copy, without the open record."""
        other = GrowingHistory()
        other._buffers, other._rows = dict(self._buffers), self._rows
        other._measured, other._keys = dict(self._measured), dict(self._keys)
        other._move_to(max(self._rows * 2, _FIRST_CAPACITY))
        return other

    def extend(self, columns: Mapping[str, Values]) -> None:
        """Adds records."""
        self._history = None
        self._settle(self._usable(columns))

    def set_open(self, columns: Mapping[str, Values] | None) -> None:
        """Has this record as the open one, or none."""
        self._history = None
        self._open = self._usable(columns) if columns else None
        if self._open is not None and not len(self._open["iteration"]):
            self._open = None

    def rewind(self, iteration: float) -> None:
        """Forgets all records beyond an iteration."""
        self._history = None
        settled = self._buffers["iteration"][: self._rows]
        self._rows = int(np.searchsorted(settled, iteration, side="right"))
        kept = {name: self._buffers[name][: self._rows] for name in self._measured}
        self._measured = _names_measured(kept, {})

    def _usable(self, columns: Mapping[str, Values]) -> dict[str, FloatColumn]:
        self._keep_keys({**self._keys, **columns}, self._rows + len(columns["iteration"]))
        added = {
            name: as_column(values)
            for name in self._keys
            if (values := columns.get(name)) is not None and _any_given(values)
        }
        if "iteration" not in added:
            return {"iteration": unmeasured(0)}
        usable = np.isfinite(added["iteration"])
        return added if usable.all() else {name: one[usable] for name, one in added.items()}

    def _keep_keys(self, met: Mapping[str, object], rows: int) -> None:
        """Keeps the columns of some keys, as many as that many rows may have."""
        keys = self._keys = kept_names(met, most_keys(rows))
        if not self._buffers.keys() <= keys.keys():
            self._buffers = {name: one for name, one in self._buffers.items() if name in keys}
            if self._open is not None:
                self._open = {name: one for name, one in self._open.items() if name in keys}
            self._measured = {name: None for name in self._measured if name in keys}

    def history(self) -> History:
        """What is known so far; the same object until something is added."""
        if self._history is None:
            self._history = self._current()
        return self._history

    def _current(self) -> History:
        columns, rows = self._buffers, self._rows
        if self._open is not None:
            if self._is_next(self._open["iteration"]):
                self._write(self._open)
                columns, rows = self._buffers, self._rows + 1
            else:
                columns, rows = self._merged_with(self._open)
        if columns is self._buffers:
            self._handed_out = max(self._handed_out, rows)
        measured = self._measured | _names_measured(self._open or {}, self._measured)
        names = (*RECORD_FIELDS, *sorted(measured.keys() - set(RECORD_FIELDS)))
        nothing = np.broadcast_to(unmeasured(1), rows)
        shown = {name: columns[name][:rows] if name in columns else nothing for name in names}
        for column in shown.values():
            column.flags.writeable = False
        metrics = tuple(name for name in names if name in measured and name not in _COUNTERS)
        return History(MappingProxyType(shown), metrics)

    def _settle(self, added: Mapping[str, FloatColumn]) -> None:
        iteration = added["iteration"]
        if not len(iteration):
            return
        self._measured |= _names_measured(added, self._measured)
        if not self._is_next(iteration):
            self._rows, added = self._merged_tail(added)
        self._write(added)
        self._rows += len(added["iteration"])

    def _is_next(self, iteration: FloatColumn) -> bool:
        """Whether these iterations only continue what is there."""
        if self._rows and not iteration[0] > self._buffers["iteration"][self._rows - 1]:
            return False
        return bool((iteration[1:] > iteration[:-1]).all())

    def _write(self, added: Mapping[str, FloatColumn]) -> None:
        """Puts rows after the settled ones."""
        start, end = self._rows, self._rows + len(added["iteration"])
        capacity = len(self._buffers["iteration"])
        if end > capacity or self._would_rewrite(added):
            self._move_to(max(end * 2, capacity))
        for name in _names_measured(added, self._buffers):
            self._buffers[name] = unmeasured(len(self._buffers["iteration"]))
        for name, buffer in self._buffers.items():
            buffer[start:end] = added[name] if name in added else unmeasured(end - start)

    def _would_rewrite(self, added: Mapping[str, FloatColumn]) -> bool:
        """Whether a row that was handed out is to have other values now."""
        slot = self._rows
        if self._handed_out <= slot:
            return False
        if self._handed_out > slot + 1:  # since a rewind
            return True
        return any(
            _bits(buffer)[slot] != (_bits(added[name])[0] if name in added else _NOT_MEASURED_BITS)
            for name, buffer in self._buffers.items()
        )

    def _move_to(self, capacity: int) -> None:
        for name, old in self._buffers.items():
            new = np.empty(capacity)
            new[: self._rows] = old[: self._rows]
            self._buffers[name] = new
        self._handed_out = 0

    def _merged_with(self, added: Mapping[str, FloatColumn]) -> tuple[dict[str, FloatColumn], int]:
        """New columns of the settled rows and those added, merged."""
        kept, tail = self._merged_tail(added)
        columns = {
            name: np.concatenate(
                (self._buffers[name][:kept] if name in self._buffers else unmeasured(kept), column)
            )
            for name, column in tail.items()
        }
        return columns, len(columns["iteration"])

    def _merged_tail(self, added: Mapping[str, FloatColumn]) -> tuple[int, dict[str, FloatColumn]]:
        """How many of the settled rows stay as they are, and those behind, merged with others."""
        settled = self._buffers["iteration"][: self._rows]
        kept = int(np.searchsorted(settled, added["iteration"].min()))
        replayed = self._rows - kept
        tail = {
            name: np.concatenate(
                (
                    self._buffers[name][kept : self._rows]
                    if name in self._buffers
                    else unmeasured(replayed),
                    added[name] if name in added else unmeasured(len(added["iteration"])),
                )
            )
            for name in dict.fromkeys((*self._buffers, *_names_measured(added, self._buffers)))
        }
        return kept, _merged(tail)


def unmeasured(rows: int) -> FloatColumn:
    """A column in which nothing was measured."""
    return np.full(rows, _NOT_MEASURED_BITS).view(np.float64)


def as_column(values: Values) -> FloatColumn:
    """A column of decoded JSON values; what is no number is marked as not measured."""
    if isinstance(values, np.ndarray):
        return values
    if isinstance(values, SparseColumn):
        column = unmeasured(len(values))
        column[values.places] = as_column([values[place] for place in values.places])
        return column
    try:
        return np.frombuffer(array("d", cast("Sequence[float]", values)))  # takes numbers only
    except (TypeError, OverflowError):
        pass
    column = unmeasured(len(values))
    given = np.fromiter(map(operator.is_not, values, itertools.repeat(None)), np.bool_, len(values))
    numbers = list(map(as_number, itertools.compress(values, given)))
    found = np.array(numbers, dtype=np.float64)
    _bits(found)[[number is None for number in numbers]] = _NOT_MEASURED_BITS
    column[given] = found
    return column


def _merged(columns: Mapping[str, FloatColumn]) -> dict[str, FloatColumn]:
    """The rows sorted by iteration, each iteration once, the last measured value of each."""
    order = np.argsort(columns["iteration"], kind="stable")
    iteration = columns["iteration"][order]
    starts = np.flatnonzero(np.concatenate(([True], iteration[1:] != iteration[:-1])))
    positions = np.arange(len(order))
    merged = {}
    for name, column in columns.items():
        column = column[order]
        # Of each group of rows, the position of the last measured one; of the first if none is.
        best = np.maximum.reduceat(np.where(measured_rows(column), positions, 0), starts)
        merged[name] = column[np.maximum(best, starts)]
    return merged


def _names_measured(
    columns: Mapping[str, FloatColumn], known: Mapping[str, object]
) -> dict[str, None]:
    """The columns with any measured value, save those that are known already."""
    return {
        name: None
        for name, column in columns.items()
        if name not in known and measured_rows(column).any()
    }


def _any_given(values: Values) -> bool:
    if isinstance(values, np.ndarray):
        return bool(measured_rows(values).any())
    if isinstance(values, SparseColumn):
        return bool(values.places)
    return any(map(_is_given, values))


def measured_rows(column: FloatColumn) -> RowMask:
    """The rows in which a value was measured, even as NaN."""
    mask: RowMask = _bits(column) != _NOT_MEASURED_BITS
    return mask


def _bits(column: FloatColumn) -> NDArray[np.uint64]:
    return column.view(np.uint64)
