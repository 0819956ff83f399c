"""What a run's files do not say of it, computed from its records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from traintop.logfile import Tail, snapshot_of_row
from traintop.model import RECENT_VALUES, MetricStats, Pauses
from traintop.store.history import FloatColumn, GrowingHistory, History, Values, as_column

_COUNTED = ("iteration", "gradient_step")
_WINDOW = 1024
_RECENT_STEPS = 100


class LateRecordError(Exception):
    """A record belongs among those that were counted for good: count all of them again."""


class Totals(msgspec.Struct, frozen=True, gc=False):
    """What has to be known of the values of a metric so that more can be counted later.

    ``squares`` is the sum of the squared deviations from the mean; ``recent`` the last finite
    values. Without any finite value, ``min`` is inf and ``max`` -inf.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    min: float = math.inf
    max: float = -math.inf
    min_iteration: float = 0.0
    max_iteration: float = 0.0
    nonfinite: int = 0
    last: float | None = None
    recent: tuple[float, ...] = ()

    def stats(self) -> MetricStats:
        """The statistics that a person sees."""
        if not self.count:
            return MetricStats(last=self.last, nonfinite=self.nonfinite)
        recent_mean = sum(self.recent) / len(self.recent)
        std = math.sqrt(max(self.squares, 0.0) / self.count)
        return MetricStats(
            count=self.count,
            last=self.last,
            min=self.min,
            max=self.max,
            mean=_finite(self.mean),
            std=_finite(std),
            min_iteration=_as_written(self.min_iteration),
            max_iteration=_as_written(self.max_iteration),
            nonfinite=self.nonfinite,
            recent_mean=_finite(recent_mean),
        )


def totals_of(history: History, metric: str) -> Totals:
    """The totals of a metric over some records."""
    column = history.columns[metric]
    finite = np.flatnonzero(np.isfinite(column))
    measured = np.flatnonzero(history.measured(metric))
    nonfinite = len(measured) - len(finite)
    last = float(column[measured[-1]]) if len(measured) else None
    if not len(finite):
        return Totals(nonfinite=nonfinite, last=last)
    values = column[finite]
    iterations = history.columns["iteration"][finite]
    with np.errstate(over="ignore", invalid="ignore"):  # values up to 1e308
        mean, variance = float(values.mean()), float(values.var())
    return Totals(
        count=len(values),
        mean=mean,
        squares=variance * len(values),
        min=float(values.min()),
        max=float(values.max()),
        min_iteration=float(iterations[values.argmin()]),
        max_iteration=float(iterations[values.argmax()]),
        nonfinite=nonfinite,
        last=last,
        recent=tuple(values[-RECENT_VALUES:].tolist()),
    )


def added(first: Totals, second: Totals) -> Totals:
    """The totals of the values of both, those of the second behind those of the first.

    As in T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for
    computing sample variances" (1979).
    """
    if not first.count or not second.count:
        some = second if second.count else first
        return msgspec.structs.replace(
            some,
            nonfinite=first.nonfinite + second.nonfinite,
            last=first.last if second.last is None else second.last,
        )
    count, delta = first.count + second.count, second.mean - first.mean
    lowest = first if first.min <= second.min else second
    highest = first if first.max >= second.max else second
    return Totals(
        count=count,
        mean=first.mean + delta * second.count / count,
        squares=first.squares + second.squares + delta * delta * first.count * second.count / count,
        min=lowest.min,
        max=highest.max,
        min_iteration=lowest.min_iteration,
        max_iteration=highest.max_iteration,
        nonfinite=first.nonfinite + second.nonfinite,
        last=first.last if second.last is None else second.last,
        recent=(*first.recent, *second.recent)[-RECENT_VALUES:],
    )


def completed_tail(known: Tail, history: History) -> Tail:
    """``known`` with what it lacks of statistics, best losses, last record and duration."""
    if not len(history):
        return msgspec.structs.replace(known, count=0)
    stats = {metric: totals_of(history, metric).stats() for metric in history.metrics}
    return _completed(known, stats, history, len(history))


class GrowingStatistics:
    """The statistics of a run of any length, kept up to date at the cost of what is new.

    Of the records, only the last ones are kept, unless it ``keeps_all``: they may be completed,
    replayed or rewound.
    """

    def __init__(self, history: History, *, keeps_all: bool = False) -> None:
        """Begin with what was read so far."""
        self._keeps_all = keeps_all
        self._totals: dict[str, Totals] = {}  # of what is before the window
        self._count = 0
        self._end = -math.inf  # the last iteration before the window
        self._end_time: float | None = None  # and its wallclock time
        self._longest_pause: float | None = None
        self._window = GrowingHistory()
        self._settle(history)

    def extend(self, columns: Mapping[str, Values]) -> None:
        """Count records. Raises ``LateRecordError`` for one that precedes the window."""
        if (as_column(columns["iteration"]) <= self._end).any():
            raise LateRecordError
        self._window.extend(columns)
        history = self._window.history()
        if len(history) > 2 * _WINDOW and not self._keeps_all:
            self._settle(history)

    def rewind(self, iteration: float) -> None:
        """Forget what is beyond an iteration. Raises ``LateRecordError`` before the window."""
        if iteration < self._end:
            raise LateRecordError
        self._window.rewind(iteration)

    def completed(self, known: Tail) -> Tail:
        """``known`` with what it lacks."""
        history = self._window.history()
        totals = self._totals | {
            metric: added(self._totals.get(metric, Totals()), totals_of(history, metric))
            for metric in history.metrics
        }
        stats = {metric: one.stats() for metric, one in totals.items()}
        if not len(history):
            return msgspec.structs.replace(known, count=self._count)
        tail = _completed(known, stats, history, self._count + len(history))
        times = self._times(history)
        if not len(times):
            return tail
        pauses, recent = np.diff(times), history.columns["iteration"][-_RECENT_STEPS:]
        took = float(times[-1] - times[-len(recent) :][0])
        expected = tail.pauses.longest if tail.pauses else None
        longest = max(pauses.max(initial=0.0), self._longest_pause or 0.0, expected or 0.0)
        return msgspec.structs.replace(
            tail,
            pauses=Pauses(
                usual=_median(pauses), recent=_median(pauses[-9:]), longest=float(longest) or None
            ),
            iterations_per_second=tail.iterations_per_second
            or (float(recent[-1] - recent[0]) / took if took > 0 else None),
        )

    def _times(self, history: History) -> FloatColumn:
        """When the records were made, in order, as far as that is known of all of them."""
        times = history.columns["wallclock_time"]
        usable = len(times) and bool(np.isfinite(times).all())
        before = [] if self._end_time is None else [self._end_time]
        return np.concatenate((before, times)) if usable else np.empty(0)

    def _settle(self, history: History) -> None:
        """Count all but the last records for good."""
        kept = 0 if self._keeps_all else max(len(history) - _WINDOW, 0)
        if kept:
            first = _rows(history, slice(kept))
            for metric in first.metrics:
                known = self._totals.get(metric, Totals())
                self._totals[metric] = added(known, totals_of(first, metric))
            times = self._times(first)
            if len(times):
                pause = float(np.diff(times).max(initial=0.0))
                self._longest_pause = max(pause, self._longest_pause or 0.0)
                self._end_time = float(times[-1])
            self._count += kept
            self._end = float(first.columns["iteration"][-1])
        self._window = GrowingHistory()
        self._window.extend(_rows(history, slice(kept, None)).columns)


def _rows(history: History, rows: slice) -> History:
    columns = {name: column[rows] for name, column in history.columns.items()}
    return History(columns, history.metrics)


def _completed(known: Tail, stats: dict[str, MetricStats], history: History, count: int) -> Tail:
    last = _last_row(history)
    record = snapshot_of_row(last)
    best = {
        f"best_{loss}": stats[loss].min
        for loss in ("train_loss", "val_loss")
        if getattr(known, f"best_{loss}") is None and loss in stats
    }
    duration = known.duration_seconds
    return msgspec.structs.replace(
        known,
        **best,
        stats=known.stats or stats,
        highest_record=last,
        count=count,
        gradient_step=known.gradient_step or (record.gradient_step if record else 0),
        duration_seconds=last.get("wallclock_time") if duration is None else duration,
    )


def _last_row(history: History) -> dict[str, Any]:
    """The last record as the format's JSON object has it, without what was not measured."""
    row: dict[str, Any] = {}
    for name, column in history.columns.items():
        if history.measured(name)[-1]:
            value = float(column[-1])
            counts = name in _COUNTED and value.is_integer()
            row[name] = int(value) if counts else value
    return row


def _median(values: FloatColumn) -> float | None:
    return float(np.median(values)) if len(values) else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _as_written(iteration: float) -> int | float:
    return int(iteration) if iteration.is_integer() else iteration
