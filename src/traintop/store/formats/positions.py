"""Where records stand that were logged by programs which begin to count again.

One that is started again goes on from a checkpoint, or from its start; and many count the steps of
each epoch from its start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from traintop.progress import POSITIONS
from traintop.store.formats.followed import Records
from traintop.store.history import FloatColumn, RowMask, measured_rows, unmeasured

_MOST_RESTARTS = 1000
_MOST_HELD = 64
_SIGNS = re.compile(r"[^a-z0-9]+")


def plain_name(name: str) -> str:
    """A name without its case and signs: "global_step" of "Global Step"."""
    return _SIGNS.sub("_", name.lower()).strip("_")


PLACES = tuple(dict.fromkeys(map(plain_name, POSITIONS)))
"""The plain names of what the place of a record is called, the likeliest first."""

_COUNTERS = frozenset({*PLACES, "wallclock_time"})

Columns = Mapping[str, FloatColumn]


class Restarts:
    """Hands records on in the order of their file, and makes void what a restart logs again.

    A record below the highest place may come late, as of an evaluation. It is that of a restart if
    further ones go on from there, and most of its metrics are known of later places.
    """

    def __init__(self) -> None:
        self.count = 0
        self._highest = -np.inf
        self._last: dict[str, float] = {}  # where metrics were measured last
        self._held: Columns = {}  # the last records, if they may be those of a restart

    def extend(self, records: Records, columns: Columns, *, began_anew: bool = False) -> None:
        """Add records; ``began_anew`` if the file says that the program was started again."""
        if self._held and not began_anew:
            columns = _joined(self._held, columns)  # those that are there already change nothing
        places, start, self._held = columns["iteration"], 0, {}
        metrics = {
            name: measured_rows(column)
            for name, column in columns.items()
            if plain_name(name) not in _COUNTERS
        }
        if began_anew and places[0] <= self._highest:
            self._restart(records, places[0])
        while start < len(places):
            end, goes_on = self._next_restart(places, metrics, start)
            self._hand_on(records, columns, metrics, slice(start, end))
            if goes_on:
                self._restart(records, places[end])
            elif end < len(places):
                self._held = _rows(columns, slice(end, None))
                records.extend(self._held)
                break
            start = end

    def _next_restart(
        self, places: FloatColumn, metrics: Mapping[str, RowMask], start: int
    ) -> tuple[int, bool]:
        """The first of the rows from which a program goes on that was started again.

        And whether it does: the last rows may be those of one, which is not known yet.
        """
        rows = len(places)
        if self.count >= _MOST_RESTARTS:
            return rows, False
        highest = np.maximum.accumulate(np.concatenate(([self._highest], places[start:])))
        first = last = -1
        repeats = False
        for row in map(int, start + np.flatnonzero(places[start:] < highest[:-1])):
            # Where the row before is none of a restart, this may be its first, in any portion.
            if not repeats or row != last + 1 or places[row] < places[first]:
                first, repeats = row, self._is_known_beyond(places, metrics, start, row)
            elif places[row] > places[first] and row < first + _MOST_HELD:
                return first, True
            last = row
        may_go_on = repeats and last == rows - 1 and last < first + _MOST_HELD
        return (first if may_go_on else rows), False

    def _is_known_beyond(
        self, places: FloatColumn, metrics: Mapping[str, RowMask], start: int, row: int
    ) -> bool:
        """Whether most metrics of a row were measured at later places before."""
        beyond = places[start:row] > places[row]
        names = [name for name, measured in metrics.items() if measured[row]]
        known = [
            name
            for name in names
            if self._last.get(name, -np.inf) > places[row]
            or (metrics[name][start:row] & beyond).any()
        ]
        return 2 * len(known) > len(names)

    def _restart(self, records: Records, place: float) -> None:
        self.count += 1
        self._highest, self._last = -np.inf, {}
        records.rewind(float(np.nextafter(place, -np.inf)))

    def _hand_on(
        self, records: Records, columns: Columns, metrics: Mapping[str, RowMask], part: slice
    ) -> None:
        places = columns["iteration"][part]
        if not len(places):
            return
        records.extend(_rows(columns, part))
        self._highest = max(self._highest, float(places.max()))
        for name, measured in metrics.items():
            if measured[part].any():
                last = float(places[measured[part]].max())
                self._last[name] = max(last, self._last.get(name, -np.inf))


def _rows(columns: Columns, rows: slice) -> Columns:
    return {name: column[rows] for name, column in columns.items()}


def _joined(first: Columns, second: Columns) -> Columns:
    before, after = len(first["iteration"]), len(second["iteration"])
    return {
        name: np.concatenate(
            (first.get(name, unmeasured(before)), second.get(name, unmeasured(after)))
        )
        for name in {**first, **second}
    }


class EpochSteps:
    """Counts on where the steps of each epoch begin again.

    The first record of an epoch is taken to be as far from the last one of the epoch before as that
    is from the one before it.
    """

    def __init__(self) -> None:
        self.counted = False
        """Whether any step began again."""
        self._before: dict[float, float] = {}  # the steps before each epoch
        self._offset = 0.0
        self._last = (np.nan, np.nan)
        self._last_epoch = np.nan

    def counted_on(self, steps: FloatColumn, epochs: FloatColumn) -> FloatColumn:
        """The steps since the start of the run."""
        before = np.concatenate((self._last, steps))
        known_epochs = np.concatenate(([self._last_epoch], epochs))[:-1]
        goes_on = (2 * steps <= before[1:-1]) & (epochs > known_epochs)
        changes = np.flatnonzero(goes_on | (epochs < known_epochs))
        offsets = [self._offset]
        for row in changes:
            if goes_on[row]:
                last, one_before = before[row + 1], before[row]
                stride = last - one_before if last > one_before else 1.0
                self._before[epochs[row]] = last + offsets[-1] + stride - steps[row]
                self.counted = True
            offsets.append(self._before.get(epochs[row], 0.0))
        self._offset, self._last_epoch = offsets[-1], epochs[-1]
        self._last = (before[-2], before[-1])
        lengths = np.diff(np.concatenate(([0], changes, [len(steps)])))
        counted: FloatColumn = steps + np.repeat(offsets, lengths)
        return counted
