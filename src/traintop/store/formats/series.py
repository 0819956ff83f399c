"""What tools log of one metric after the other, each value with its step and time, as records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from traintop.store.formats.followed import Records
from traintop.store.history import FloatColumn, RowMask, unmeasured

_MOST_CELLS = 4_000_000  # of the columns that are made at once


class Series(NamedTuple):
    """Values of a metric in the order in which they were logged, as columns of equal length."""

    metric: str
    steps: FloatColumn
    times: FloatColumn
    """In seconds since 1970."""
    values: FloatColumn
    is_sampled: bool = False
    """Whether it was measured at its times, whatever training did: its steps say nothing."""


def columns_of(series: Sequence[Series]) -> Iterator[dict[str, FloatColumn]]:
    """A record for each step, at the latest time of its values.

    ``wallclock_time`` is in seconds since 1970. Of several values at one step the last one counts.
    Records come in several parts, each with some of the metrics, where one would be large, as of
    thousands of metrics that have no step in common.
    """
    series = [one for one in series if len(one.steps)]
    if not series:
        return
    steps, rows = np.unique(np.concatenate([one.steps for one in series]), return_inverse=True)
    most = max(_MOST_CELLS // len(steps), 1)
    if len(series) > most:
        for start in range(0, len(series), most):
            yield from columns_of(series[start : start + most])
        return
    latest = unmeasured(len(steps))
    np.fmax.at(latest, rows, np.concatenate([one.times for one in series]))
    columns = {"iteration": steps, "wallclock_time": latest}
    ends = np.cumsum([len(one.steps) for one in series])
    for one, places in zip(series, np.split(rows, ends[:-1]), strict=True):
        column = columns.setdefault(one.metric, unmeasured(len(steps)))
        column[places] = one.values
    yield columns


class SeriesRecords:
    """Makes records of what is read of one run's metrics, part after part."""

    def __init__(self) -> None:
        self.start: float | None = None
        """When the run began, in seconds since 1970; else when its first value was logged."""
        self.last_time = -np.inf
        """When its last value was logged, in the same."""
        self._steps = self._times = np.empty(0)  # of the last record
        self._samples: list[Series] = []  # that are to be placed

    def add(self, series: Sequence[Series], records: Records) -> None:
        """Give what was read to the records; samples that are later than these wait."""
        for columns in columns_of([one for one in series if not one.is_sampled]):
            times = columns["wallclock_time"]
            if self.start is None:
                self.start = float(times.min())
            self.last_time = max(self.last_time, float(times.max()))
            self._steps = np.append(self._steps, columns["iteration"])
            self._times = np.append(self._times, times)
            records.extend({**columns, "wallclock_time": times - self.start})
        self._samples += [one for one in series if one.is_sampled]
        self._place(records, self.last_time)

    def flush(self, records: Records) -> None:
        """Give the samples that wait to the records: there is nothing more to be read now."""
        self._place(records, np.inf)

    def _place(self, records: Records, until: float) -> None:
        """Samples are at the steps that were the last ones by then; else at the first one."""
        if not len(self._steps):
            return
        order = np.argsort(self._times, kind="stable")
        steps, times = self._steps[order], self._times[order]
        placed, later = [], []
        for one in self._samples:
            at = np.searchsorted(times, one.times, side="right") - 1
            one = one._replace(steps=steps[np.maximum(at, 0)])
            placed.append(_part(one, one.times <= until))
            later.append(_part(one, one.times > until))
        for columns in columns_of(placed):
            del columns["wallclock_time"]
            records.extend(columns)
        self._samples = [one for one in later if len(one.steps)]
        self._steps, self._times = steps[-1:], times[-1:]


def _part(one: Series, rows: RowMask) -> Series:
    return one._replace(steps=one.steps[rows], times=one.times[rows], values=one.values[rows])
