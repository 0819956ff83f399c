"""Running statistics of a run's metrics: exact, or known not to be, in bounded memory."""

from __future__ import annotations

import bisect
import math
import operator
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from traintop.model import (
    EVAL_TRAIN_LOSS,
    RECENT_VALUES,
    STANDARD_METRICS,
    MetricsSnapshot,
    MetricStats,
)

WINDOW = 2048
"""How many of the last records can still be amended, at least, if they have few metrics."""

_FEWEST_AMENDED = 128
_MOST_CELLS = 1 << 17
_LARGEST_SQUARED = 1e150
_COUNTERS = ("iteration", "gradient_step", "wallclock_time")


class RunningStats:
    """Count, extremes, mean and standard deviation of one metric.

    Mean and variance follow B. P. Welford, "Note on a method for calculating corrected sums of
    squares and products", Technometrics 4 (1962), which does not cancel for large means.
    """

    __slots__ = (
        "_mean",
        "_recent",
        "_squares",
        "count",
        "last",
        "max",
        "max_iteration",
        "min",
        "min_iteration",
        "nonfinite",
    )

    def __init__(self) -> None:
        self.count = 0
        self.nonfinite = 0
        self.last: float | None = None
        self.min = math.inf
        self.max = -math.inf
        self.min_iteration: float | None = None
        self.max_iteration: float | None = None
        self._mean = 0.0
        self._squares = 0.0
        self._recent: deque[float] = deque(maxlen=RECENT_VALUES)

    def copy(self) -> RunningStats:
        """An independent copy."""
        other = RunningStats()
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        other._recent = self._recent.copy()
        return other

    def add(self, value: float, iteration: float) -> None:
        """Count one value, which may be NaN or ±inf."""
        self.last = value
        if not math.isfinite(value):
            self.nonfinite += 1
            return
        self.count += 1
        if value < self.min:
            self.min, self.min_iteration = value, iteration
        if value > self.max:
            self.max, self.max_iteration = value, iteration
        delta = value - self._mean
        self._mean += delta / self.count
        self._squares += delta * (value - self._mean)
        self._recent.append(value)

    def add_all(self, values: Sequence[float], iterations: Sequence[float]) -> None:
        """Count several finite values at once, several times as fast as one by one.

        As in T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm
        for computing sample variances" (1979).
        """
        low, high, more = min(values), max(values), len(values)
        mean = sum(values) / more
        delta, count = mean - self._mean, self.count + more
        squares = sum([(value - mean) ** 2 for value in values])
        self._squares += squares + delta * delta * self.count * more / count
        self._mean += delta * more / count
        self.count, self.last = count, values[-1]
        if low < self.min:
            self.min, self.min_iteration = low, iterations[values.index(low)]
        if high > self.max:
            self.max, self.max_iteration = high, iterations[values.index(high)]
        self._recent.extend(values[-RECENT_VALUES:])

    def summary(self) -> MetricStats:
        """The statistics so far; ``None`` for all but the counts before the first finite value.

        Mean and deviation are ``None`` as well when sums were beyond the range of floats.
        """
        if not self.count:
            return MetricStats(last=self.last, nonfinite=self.nonfinite)
        return MetricStats(
            count=self.count,
            last=self.last,
            min=self.min,
            max=self.max,
            mean=_finite(self._mean),
            std=math.sqrt(self._squares / self.count) if math.isfinite(self._squares) else None,
            min_iteration=self.min_iteration,
            max_iteration=self.max_iteration,
            nonfinite=self.nonfinite,
            recent_mean=_mean(self._recent),
        )


def _mean(values: Collection[float]) -> float | None:
    return _finite(sum(values) / len(values))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def measured_values(
    record: MetricsSnapshot, *, eval_serves: bool = True
) -> Iterator[tuple[str, float]]:
    """The metrics of a record that were measured, standard ones first."""
    metrics = record.metrics
    for name in STANDARD_METRICS:
        value = getattr(record, name)
        if value is None and name == "train_loss" and metrics and eval_serves:
            value = metrics.get(EVAL_TRAIN_LOSS)  # as in with_train_loss
        if value is not None:
            yield name, value
    for name, value in metrics.items():
        if value is not None:
            yield name, value


def merge(earlier: MetricsSnapshot, later: MetricsSnapshot) -> MetricsSnapshot:
    """Two records of one iteration as one: later measured values win."""
    fields = {
        name: value if (value := getattr(later, name)) is not None else getattr(earlier, name)
        for name in STANDARD_METRICS
    }
    return MetricsSnapshot(
        iteration=later.iteration,
        gradient_step=later.gradient_step,
        wallclock_time=later.wallclock_time,
        metrics={**earlier.metrics, **later.metrics},
        **fields,
    )


def _without_estimate(earlier: MetricsSnapshot, later: MetricsSnapshot) -> MetricsSnapshot:
    """The earlier one, as a file has it, but no train loss that was an estimate now replaced."""
    estimates = [record.metrics.get(EVAL_TRAIN_LOSS) for record in (earlier, later)]
    if None in estimates or repr(earlier.train_loss) != repr(estimates[0]):  # NaN is NaN
        return earlier
    return msgspec.structs.replace(earlier, train_loss=None)


def best_loss(
    metric: str, stats: Mapping[str, MetricStats], final: Mapping[str, float | None]
) -> float | None:
    """The lowest recorded value of a loss, or else the finite one that the run ended with."""
    known, end = stats_of_metric(metric, stats), final.get(metric)
    if known is not None and known.min is not None:
        return known.min
    return end if end is not None and math.isfinite(end) else None


def stats_of_metric(metric: str, stats: Mapping[str, MetricStats]) -> MetricStats | None:
    """The statistics of a metric under whichever name it was logged, as readers find it."""
    if metric in stats:
        return stats[metric]
    from traintop.metrics import logged_name  # few runs need it, and all would wait for it

    name = logged_name(metric, stats) if stats else None
    return None if name is None else stats[name]


class _Statistics(msgspec.Struct, eq=False):
    """Those of the records up to some iteration."""

    count: int = 0
    metrics: dict[str, RunningStats] = {}

    def copy(self) -> _Statistics:
        copies = {name: running.copy() for name, running in self.metrics.items()}
        return _Statistics(self.count, copies)

    def of(self, metric: str) -> RunningStats:
        found = self.metrics.get(metric)
        if found is None:
            found = self.metrics[metric] = RunningStats()
        return found

    def add(self, record: MetricsSnapshot, *, eval_serves: bool) -> None:
        self.count += 1
        iteration, metrics = record.iteration, self.metrics
        for name, value in measured_values(record, eval_serves=eval_serves):
            running = metrics.get(name)
            (self.of(name) if running is None else running).add(value, iteration)


class RunStatistics:
    """Statistics of all metrics of a run, in which each iteration counts once, in their order.

    The last records are kept, so that one which amends or precedes them is counted in its place:
    their part is computed again. One that goes further back makes the statistics stale; then they
    are to be computed from the file. Usually none does, and each record is counted once: on the
    way, a copy is kept of the statistics up to where the last records will begin.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()  # of the further metrics
        self._eval_serves = True  # unless the run logs its train loss by another name
        self._records: dict[float, MetricsSnapshot] = {}
        self._order: list[float] = []  # the iterations of these, sorted
        self._first = _Statistics()  # of what is before them
        self._lowest = math.inf  # the lowest and the highest iteration before them
        self._highest = -math.inf
        self._now, self._now_at = _Statistics(), 0  # never with the last of them
        self._middle: _Statistics | None = None  # a copy of these on their way
        self._middle_at = 0
        self.stale = False

    @property
    def count(self) -> int | None:
        """How many iterations were recorded; ``None`` where only the file can answer."""
        return None if self.stale else self._first.count + len(self._order)

    @property
    def newest(self) -> MetricsSnapshot | None:
        """The record of the highest iteration, if it is known."""
        return self.with_train_loss(self._records[self._order[-1]]) if self._order else None

    def _meet(self, names: Collection[str]) -> None:
        """Take note of further metrics: one of them may be the train loss."""
        self._names.update(names)
        if EVAL_TRAIN_LOSS in self._names:
            from traintop.metrics import logged_name  # few runs need it, and all would wait for it

            self._eval_serves = logged_name("train_loss", self._names - {"train_loss"}) is None

    def with_train_loss(self, record: MetricsSnapshot) -> MetricsSnapshot:
        """The record with the train loss of an evaluation where no step logged one."""
        estimate = record.metrics.get(EVAL_TRAIN_LOSS)
        if record.train_loss is not None or estimate is None or not self._eval_serves:
            return record
        return msgspec.structs.replace(record, train_loss=estimate)

    def recorded(self, iteration: float) -> MetricsSnapshot | None:
        """What was recorded at an iteration; ``None`` where nothing was, or only the file knows."""
        return self._records.get(iteration)

    def add(self, record: MetricsSnapshot) -> None:
        """Count a record, merged with an earlier one of the same iteration."""
        iteration, order = record.iteration, self._order
        if not self._names.issuperset(record.metrics):
            self._meet(record.metrics)
        if iteration <= self._highest:
            self.stale, self._lowest = True, min(self._lowest, iteration)
            return
        earlier = self._records.get(iteration)
        if earlier is not None:
            record = merge(_without_estimate(earlier, record), record)
            if iteration != order[-1]:
                self._go_back(bisect.bisect_left(order, iteration))
            self._records[iteration] = record
            return
        if not order or iteration > order[-1]:
            if order and self._now_at == len(order) - 1:
                self._now.add(self._records[order[-1]], eval_serves=self._eval_serves)
                self._now_at += 1
            order.append(iteration)
        else:
            place = bisect.bisect_left(order, iteration)
            self._go_back(place)
            order.insert(place, iteration)
        self._records[iteration] = record
        if len(order) < _FEWEST_AMENDED:
            return
        cells = len(STANDARD_METRICS) + len(record.metrics)
        kept = max(min(WINDOW, _MOST_CELLS // cells), _FEWEST_AMENDED)
        if self._middle is None and self._now_at >= kept:
            self._middle, self._middle_at = self._now.copy(), self._now_at
        if len(order) > 2 * kept:
            is_at_hand = self._middle is not None and self._middle_at <= len(order) - kept
            self._forget_first(self._middle_at if is_at_hand else len(order) - kept)

    def add_in_order(self, records: Iterable[MetricsSnapshot]) -> None:
        """Count records in the order of their iterations, those of one merged, whatever theirs.

        They are of a file, which says by itself where an evaluation served as the train loss.
        """
        merged: dict[float, MetricsSnapshot] = {}
        for record in records:
            earlier = merged.get(record.iteration)
            merged[record.iteration] = merge(earlier, record) if earlier else record
        self._meet({name for record in merged.values() for name in record.metrics})
        serves, self._eval_serves = self._eval_serves, False
        for iteration in sorted(merged):
            self.add(merged[iteration])
        self._eval_serves = serves

    def add_columns(self, columns: Mapping[str, Sequence[Any]], iterations: list[float]) -> None:
        """Count finished records, in ascending order and behind all others, quickly.

        Raises ``ValueError`` for values that have to be counted one by one.
        """
        blocks: dict[str, tuple[list[float], list[float]]] = {}
        for name, values in columns.items():
            kept = [at for at, value in enumerate(values) if value is not None]
            if kept and name not in _COUNTERS:
                numbers = [values[at] for at in kept]
                if not all(type(number) is float for number in numbers):
                    raise ValueError(f"{name} holds more than floats")
                if not max(map(abs, numbers)) < _LARGEST_SQUARED:
                    raise ValueError(f"{name} holds numbers that cannot be squared")
                blocks[name] = numbers, [iterations[at] for at in kept]
        self._meet(blocks)
        self._catch_up(len(self._order))
        now = self._now
        for name, block in blocks.items():
            now.of(name).add_all(*block)
        now.count += len(iterations)
        self._lowest = min(self._lowest, iterations[0], *self._order[:1])
        self._highest = iterations[-1]
        self._records, self._order, self._now_at, self._middle = {}, [], 0, None
        self._first = now.copy()

    def follows(self, iterations: list[float]) -> bool:
        """Whether these are in ascending order and behind all others."""
        highest = self._order[-1] if self._order else self._highest
        return iterations[0] > highest and all(map(operator.lt, iterations, iterations[1:]))

    def rewind(self, iteration: float) -> None:
        """Take what is beyond an iteration out of the statistics."""
        self.stale |= iteration < self._highest
        place = bisect.bisect_right(self._order, iteration)
        for void in self._order[place:]:
            del self._records[void]
        del self._order[place:]
        self._go_back(place - 1)

    def _go_back(self, place: int) -> None:
        """Take the records from a place on out of the statistics."""
        if self._middle is not None and place < self._middle_at:
            self._middle = None
        if place < self._now_at:
            self._now, self._now_at = self._first.copy(), 0

    def _catch_up(self, end: int) -> None:
        for iteration in self._order[self._now_at : end]:
            self._now.add(self._records[iteration], eval_serves=self._eval_serves)
        self._now_at = max(self._now_at, end)

    def _forget_first(self, count: int) -> None:
        """Forget so many records, which cannot be amended from now on."""
        if self._middle is not None and self._middle_at == count:
            self._first = self._middle
        else:
            for iteration in self._order[:count]:
                self._first.add(self._records[iteration], eval_serves=self._eval_serves)
        self._middle = None
        for iteration in self._order[:count]:
            del self._records[iteration]
        self._lowest, self._highest = min(self._lowest, self._order[0]), self._order[count - 1]
        del self._order[:count]
        if self._now_at < count:
            self._now, self._now_at = self._first.copy(), count
        self._now_at -= count

    def summaries(self) -> dict[str, MetricStats]:
        """The statistics of each metric; of none where only the file can answer."""
        if self.stale:
            return {}
        self._catch_up(len(self._order) - 1)
        newest = self.newest
        serves = self._eval_serves
        last = {} if newest is None else dict(measured_values(newest, eval_serves=serves))
        found = {}
        for name in dict.fromkeys((*self._now.metrics, *last)):
            running = self._now.metrics.get(name) or RunningStats()
            if name in last and newest is not None:
                running = running.copy()
                running.add(last[name], newest.iteration)
            found[name] = running.summary()
        return found
