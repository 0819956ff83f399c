"""What tools log of one metric after the other, each value with its step and time, as records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from traintop.store.history import FloatColumn, unmeasured

_MOST_CELLS = 4_000_000  # of the columns that are made at once


class Series(NamedTuple):
    """Values of a metric in the order in which they were logged, as columns of equal length."""

    metric: str
    steps: FloatColumn
    times: FloatColumn
    """In seconds since 1970."""
    values: FloatColumn


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


def placed_by_time(one: Series, steps: FloatColumn, times: FloatColumn) -> Series:
    """The same values at the steps that were the last ones by then, as of a sampled machine.

    ``steps`` were at ``times``, which are in order; what is before the first one is placed there.
    """
    at = np.searchsorted(times, one.times, side="right") - 1
    return one._replace(steps=steps[np.maximum(at, 0)])
