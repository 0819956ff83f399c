"""Running statistics of a run's metrics: exact, in memory that does not grow with the run."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from traintop.model import RECENT_VALUES, STANDARD_METRICS, MetricsSnapshot, MetricStats

RECENT_RECORDS = 256
"""How many of the last records can still be amended without reading the file again."""

MOST_READINGS = 50
"""How often a run may go further back than that; beyond this, replayed iterations count anew."""


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
        """The same statistics, which go on by themselves."""
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


def measured_values(record: MetricsSnapshot) -> Iterator[tuple[str, float]]:
    """The metrics of a record that were measured, standard ones first."""
    for name in STANDARD_METRICS:
        value = getattr(record, name)
        if value is not None:
            yield name, value
    for name, value in record.metrics.items():
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


def best_loss(
    metric: str, stats: Mapping[str, MetricStats], final: Mapping[str, float | None]
) -> float | None:
    """The lowest finite value of a loss, the one that the run ended with included."""
    found = (stats[metric].min if metric in stats else None, final.get(metric))
    return min(
        (value for value in found if value is not None and math.isfinite(value)), default=None
    )


class RunStatistics:
    """Statistics of all metrics of a run, in which each iteration counts once.

    The last records are kept apart, so that a record which amends one of them replaces it. A
    record that goes further back (a resumed run replays steps) makes ``read_back`` be asked for
    the records of the file, once for each time the run goes back.
    """

    def __init__(self, read_back: Callable[[], Iterable[MetricsSnapshot]]) -> None:
        self._read_back = read_back
        self._settled: dict[str, RunningStats] = {}
        self._settled_count = 0
        self._readings = 0
        self._recent: OrderedDict[float, MetricsSnapshot] = OrderedDict()
        self._first = math.inf  # the lowest and the highest iteration that settled
        self._last = -math.inf

    def add(self, record: MetricsSnapshot, lowest_later: float = math.inf) -> MetricsSnapshot:
        """Count a record; returns it merged with an earlier one of the same iteration.

        ``lowest_later`` is the lowest iteration that is known to follow.
        """
        earlier = self._recent.get(record.iteration)
        went_back = self._first <= record.iteration <= self._last
        if earlier is None and went_back and self._readings < MOST_READINGS:
            self._readings += 1
            self._go_back_to(record.iteration)
            earlier = self._recent.get(record.iteration)
        merged = merge(earlier, record) if earlier else record
        self._recent[record.iteration] = merged
        while (too_many := len(self._recent) - RECENT_RECORDS) > 0:
            oldest = next(iter(self._recent))
            if oldest >= lowest_later or (too_many > 1 and self._is_replayed(record.iteration)):
                break
            self._settle(self._recent.pop(oldest))
        return merged

    def _is_replayed(self, iteration: float) -> bool:
        """Whether a replay that came to an iteration may still amend the oldest records here."""
        return next(itertools.islice(self._recent, RECENT_RECORDS, None)) > iteration

    def _settle(self, record: MetricsSnapshot) -> None:
        self._settled_count += 1
        self._first = min(self._first, record.iteration)
        self._last = max(self._last, record.iteration)
        for name, value in measured_values(record):
            stats = self._settled.get(name)
            if stats is None:
                stats = self._settled[name] = RunningStats()
            stats.add(value, record.iteration)

    def _go_back_to(self, iteration: float) -> None:
        records: dict[float, MetricsSnapshot] = {}
        for record in (*self._read_back(), *self._recent.values()):
            earlier = records.get(record.iteration)
            records[record.iteration] = merge(earlier, record) if earlier else record
        self._settled, self._settled_count, self._recent = {}, 0, OrderedDict()
        self._first, self._last = math.inf, -math.inf
        for record in records.values():
            if record.iteration < iteration:
                self._settle(record)
            else:
                self._recent[record.iteration] = record

    @property
    def count(self) -> int:
        """How many iterations were recorded."""
        return self._settled_count + len(self._recent)

    def summaries(self) -> dict[str, MetricStats]:
        """The statistics of each metric, in the order in which the metrics first appeared."""
        stats = {name: running.copy() for name, running in self._settled.items()}
        for record in self._recent.values():
            for name, value in measured_values(record):
                if name not in stats:
                    stats[name] = RunningStats()
                stats[name].add(value, record.iteration)
        return {name: running.summary() for name, running in stats.items()}
