"""The records of a log in the order in which they were written, row by row."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from traintop.logfile import LONGEST_NAME, Row
from traintop.logfile.columns import kept_names, most_keys
from traintop.store.formats.followed import Records
from traintop.times import iso_time
from traintop.values import Number

if TYPE_CHECKING:
    from traintop.store.formats.positions import Restarts
    from traintop.store.history import FloatColumn, Values

_MOST_EPOCHS = 10_000
_LARGEST_PLACE = 2.0**53
_SINCE_1970 = 1e8  # no run takes so many seconds


class LoggedRows:
    """Gives rows to the records of a run as they are read; see :class:`Restarts`.

    A row has numbers, or ``None``, by their names; ``iteration`` is its place, and
    ``wallclock_time`` when it was made, in seconds since 1970 or since the start.
    """

    def __init__(self) -> None:
        self._restarts: Restarts | None = None
        self._clock: _Clock | None = None
        self._waiting: list[Row] = []  # of the last place, which others may complete

    def extend(self, rows: Sequence[Row], records: Records) -> None:
        """Add rows. Those of the last place may still be completed, and wait."""
        if not rows:
            return
        rows = [*self._waiting, *rows]
        place, cut = rows[-1]["iteration"], len(rows)
        while cut and rows[cut - 1]["iteration"] == place:
            cut -= 1
        self._give(rows[:cut], records)
        self._waiting = [_merged(rows[cut:])]

    def flush(self, records: Records) -> None:
        """Give all rows to the records."""
        self._give(self._waiting, records)
        self._waiting = []

    def times(self) -> tuple[str | None, str | None]:
        """When the first and the last row were made, as far as that is known."""
        clock = self._clock
        if clock is None or not clock.start or clock.end is None:
            return None, None
        return iso_time(clock.start), iso_time(clock.end)

    def _give(self, rows: Sequence[Row], records: Records) -> None:
        from traintop.store.formats.positions import Restarts

        if self._clock is None or self._restarts is None:
            self._clock, self._restarts = _Clock(records), Restarts()
        self._clock.records = records
        if rows:
            self._restarts.extend(self._clock, _columns(rows))


class _Clock:
    """Has the times of records count from the start of the run, which a restart may be."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.start: float | None = None  # 0 where times count from it already
        self.end: float | None = None
        self._first = math.inf  # place

    def extend(self, columns: Mapping[str, Values]) -> None:
        from traintop.store.history import as_column

        self._first = min(self._first, float(as_column(columns["iteration"]).min()))
        if "wallclock_time" in columns:
            times = as_column(columns["wallclock_time"])
            known = times[times == times]
            if len(known):
                self.end = float(known[-1])
                if self.start is None:
                    self.start = float(known[0]) if known[0] > _SINCE_1970 else 0.0
                columns = {**columns, "wallclock_time": times - self.start}
        self.records.extend(columns)

    def rewind(self, iteration: float) -> None:
        if iteration < self._first:
            self.start, self._first = None, math.inf
        self.records.rewind(iteration)


def _merged(rows: Sequence[Row]) -> Row:
    """One row of several of a place: the later values that are given count."""
    merged = rows[0]
    for row in rows[1:]:
        merged = merged | {name: value for name, value in row.items() if value is not None}
    return merged


def _columns(rows: Sequence[Row]) -> dict[str, FloatColumn]:
    from traintop.store.history import as_column

    names = dict.fromkeys(itertools.chain.from_iterable(rows))
    usable = (name for name in names if len(name) <= LONGEST_NAME)
    kept = kept_names(usable, most_keys(len(rows)))
    return {name: as_column([row.get(name) for row in rows]) for name in kept}


class EpochSteps:
    """The overall places of rows that are counted anew in each epoch.

    The first row of an epoch is taken to be as far from the one before as that is from its own.
    """

    def __init__(self) -> None:
        self._epoch = -math.inf
        self._highest = -math.inf  # place in this epoch
        self._stride = 0.0  # from the one before
        self._names: frozenset[str] = frozenset()  # of its last row
        self._before: dict[float, float] = {}  # the places in the epochs before each

    def place(self, place: float, row: Row) -> float:
        """The overall place of a row, given that in its epoch."""
        epoch = place_of(row["epoch"])
        if epoch is None:
            return place
        if epoch != self._epoch:
            is_later = epoch > self._epoch and len(self._before) < _MOST_EPOCHS
            if is_later and self._is_counted_anew(place, row):
                stride = self._stride or max(place, 1.0)
                before = self._before.get(self._epoch, 0.0) + self._highest + stride
                self._before[epoch] = before - place
            self._epoch, self._highest, self._stride = epoch, place, 0.0
        elif place > self._highest:
            self._highest, self._stride = place, place - self._highest
        self._names = frozenset(row)
        before = self._before.get(epoch, 0.0)
        return place + before if before else place

    def _is_counted_anew(self, place: float, row: Row) -> bool:
        return 2 * place <= self._highest or (place == self._highest and self._names == row.keys())


def place_of(value: Number | None) -> Number | None:
    """A number as the place of a record, ``None`` where it is none."""
    return value if value is not None and abs(value) <= _LARGEST_PLACE else None
