"""The records of a log in the order in which they were written.

Most logs only grow. A program that is started again may go on in the same file, from a checkpoint
or from the start; then what stands there beyond that place is void.
"""

from __future__ import annotations

import bisect
import itertools
import math
import operator
from collections.abc import Sequence

from traintop.logfile import LONGEST_NAME, Row
from traintop.logfile.columns import Columns, kept_names, most_keys
from traintop.store.formats.followed import Records
from traintop.times import iso_time
from traintop.values import Number

_CONTEXT = frozenset({"iteration", "wallclock_time", "epoch"})
_MOST_AGAIN = 64
_MOST_NAMES = 10_000
_MOST_EPOCHS = 10_000
_LARGEST_PLACE = 2.0**53
_SINCE_1970 = 1e8  # no run takes so many seconds


class LoggedRows:
    """Gives rows to the records of a run as they are read, each place once.

    A row has numbers, or ``None``, by their names; ``iteration`` is its place, and
    ``wallclock_time`` when it was made, in seconds since 1970 or since the start.

    A row below the highest place may be a value that comes late. It is a restart if further rows go
    on from there, and most of their metrics were logged beyond that place before.
    """

    def __init__(self) -> None:
        self._start: float | None = None  # the time of the first row, or 0
        self._end: float | None = None
        self._first = math.inf  # place of all
        self._highest = -math.inf
        self._logged_at: dict[str, float] = {}  # the last place of each metric
        self._again: list[Row] = []  # the rows that go on below the highest place
        self._repeats = False  # whether they have metrics that were logged beyond them
        self._void_from: float | None = None  # of what was given to the records
        self._waiting: dict[float, Row] = {}  # by their places
        self._places: list[float] = []  # in order

    def extend(self, rows: Sequence[Row], records: Records) -> None:
        """Add rows. Those of the highest place may still be completed, and wait."""
        places = [row["iteration"] for row in rows]
        if places and all(map(operator.lt, (self._highest, *places), places)):
            self._extend_on(rows, places, records)
        else:
            self._extend_anyhow(rows, records)

    def _extend_on(self, rows: Sequence[Row], places: Sequence[float], records: Records) -> None:
        """Add rows that stand behind each other and all that were there, as most do."""
        timed = [time for row in rows if (time := row.get("wallclock_time")) is not None]
        if timed:
            self._note_time(timed[0])
            self._end = timed[-1]
        names = set[str]().union(*rows)
        for row, place in zip(reversed(rows), reversed(places), strict=True):
            if not names:
                break
            self._logged_at |= dict.fromkeys(names & row.keys(), place)
            names -= row.keys()
        self._first, self._highest = min(self._first, places[0]), places[-1]
        self._again = []
        before = [self._waiting[place] for place in self._places]
        self._waiting, self._places = {places[-1]: rows[-1]}, [places[-1]]
        self._give_rows([*before, *rows[:-1]], records)

    def _extend_anyhow(self, rows: Sequence[Row], records: Records) -> None:
        for row in rows:
            place: float = row["iteration"]
            if place >= self._highest:
                self._highest = place
                self._logged_at.update(dict.fromkeys(row, place))
                if self._again:
                    self._again = []
            elif self._is_restart(row, place):
                self._restart()
                continue
            self._put(place, row)
        if len(self._logged_at) > _MOST_NAMES:
            self._logged_at.clear()
        self._give(self._places[:-1], records)

    def flush(self, records: Records) -> None:
        """Give all rows to the records."""
        self._give(self._places, records)

    def times(self) -> tuple[str | None, str | None]:
        """When the first and the last row were made, as far as that is known."""
        if not self._start or self._end is None:
            return None, None
        return iso_time(self._start), iso_time(self._end)

    def _is_restart(self, row: Row, place: float) -> bool:
        again = self._again
        if not again or place < again[0]["iteration"]:
            self._again, self._repeats = [row], self._was_logged_beyond(row, place)
            return False
        if len(again) >= _MOST_AGAIN:
            return False
        again.append(row)
        return self._repeats and place > again[0]["iteration"]

    def _was_logged_beyond(self, row: Row, place: float) -> bool:
        names = row.keys() - _CONTEXT
        beyond = sum(self._logged_at.get(name, place) > place for name in names)
        return 2 * beyond > len(names)

    def _restart(self) -> None:
        """Make void what was there beyond the rows that go on, and take these instead."""
        rows, low = self._again, self._again[0]["iteration"]
        while self._places and self._places[-1] >= low:
            del self._waiting[self._places.pop()]
        self._void_from = low if self._void_from is None else min(low, self._void_from)
        if low <= self._first:
            self._start, self._first = None, math.inf
        self._logged_at.clear()
        self._again, self._highest = [], -math.inf
        for row in rows:
            place: float = row["iteration"]
            self._highest = max(place, self._highest)
            self._logged_at.update(dict.fromkeys(row, place))
            self._put(place, row)

    def _put(self, place: float, row: Row) -> None:
        self._first = min(self._first, place)
        time = row.get("wallclock_time")
        if time is not None:
            self._note_time(time)
        known = self._waiting.get(place)
        if known is not None:
            self._waiting[place] = known | {
                name: value for name, value in row.items() if value is not None
            }
            return
        self._waiting[place] = row
        if self._places and place < self._places[-1]:
            bisect.insort(self._places, place)
        else:
            self._places.append(place)

    def _note_time(self, time: float) -> None:
        self._end = time
        if self._start is None:
            self._start = time if time > _SINCE_1970 else 0.0

    def _give(self, places: Sequence[float], records: Records) -> None:
        rows = [self._waiting.pop(place) for place in places]
        self._places = self._places[len(places) :]
        self._give_rows(rows, records)

    def _give_rows(self, rows: Sequence[Row], records: Records) -> None:
        if self._void_from is not None:
            records.rewind(math.nextafter(self._void_from, -math.inf))
            self._void_from = None
        if rows:
            records.extend(_columns(rows, self._start))


def _columns(rows: Sequence[Row], start: float | None) -> Columns:
    names = dict.fromkeys(itertools.chain.from_iterable(rows))
    usable = (name for name in names if len(name) <= LONGEST_NAME)
    kept = kept_names(usable, most_keys(len(rows)))
    columns = {name: [row.get(name) for row in rows] for name in kept}
    if start is not None and (times := columns.get("wallclock_time")):
        columns["wallclock_time"] = [None if time is None else time - start for time in times]
    return columns


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
