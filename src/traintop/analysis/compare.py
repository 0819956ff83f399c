"""Runs against a baseline: the settings that differ, what each reached, and which is the best.

A comparison has a column for each run, the baseline first, or for each *group*: runs whose
configurations differ only in the seed. Pure; what needs records says so until they are there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from traintop.analysis.differences import ABSENT, differing, run_settings, settings_key
from traintop.analysis.percentiles import percentiles
from traintop.direction import Direction
from traintop.field import Kind
from traintop.metrics import (
    LOSSES,
    PACE,
    best_iteration,
    best_value,
    column_name,
    direction_of,
    last_value,
    metrics_of,
    primary_metric,
    stats_of,
    was_completed,
)
from traintop.model import RunSummary
from traintop.tables import Rival, winner
from traintop.text import Default, aligned, duration, number, setting_text, si

if TYPE_CHECKING:
    from traintop.store.history import History

_SPELLED_OUT = 999_999.5


@dataclass(frozen=True, eq=False)
class ComparisonRun:
    """A run as it is compared. ``history`` is ``None`` while its records are not read.

    What takes a look at every record is done once, so keep it as long as the run is the same.
    """

    name: str
    summary: RunSummary
    history: History | None = None
    _known: dict[Hashable, float | None] = field(default_factory=dict, init=False, repr=False)

    def measured(self, key: Hashable, measure: Callable[[History], float | None]) -> float | None:
        """What ``measure`` finds in the records; ``None`` while they are not read."""
        if self.history is None:
            return None
        if key not in self._known:
            self._known[key] = measure(self.history)
        return self._known[key]


@dataclass(frozen=True, eq=False, slots=True)
class Column:
    """One run, or the runs of a group."""

    name: str
    runs: tuple[ComparisonRun, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """A value of a metric that runs are to reach: losses from above, accuracies from below."""

    metric: str
    value: float


@dataclass(frozen=True, slots=True)
class Cell:
    """What one column has in one row.

    Of a group, a number is the mean over the ``n`` runs that have one, and ``spread`` their sample
    standard deviation (n - 1), ``None`` for fewer than two. ``delta`` and ``percent`` are against
    the baseline; the latter relative to its magnitude. ``iteration`` is that of the best value of
    one run. ``pending`` means that records which are not read yet may hold a value.
    """

    value: Any = None
    n: int = 1
    spread: float | None = None
    delta: float | None = None
    percent: float | None = None
    best: bool = False
    pending: bool = False
    iteration: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One setting, or one result in a section of results.

    ``kind`` is how its values are written, and ``better`` how a winner is found.
    """

    section: str
    label: str
    kind: Kind
    better: Direction | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rows of as many cells as there are columns; the first column is the baseline."""

    columns: tuple[Column, ...]
    settings: tuple[Row, ...]
    results: tuple[Row, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, the settings first."""
        return self.settings + self.results


def compare(columns: Sequence[Column], target: Target | None = None) -> Comparison:
    """Compares columns with the first one.

    Rows in which no column has anything are left out. The best of a row is marked where at least
    two columns have a finite value, or where only some reached the target. Nobody wins a tie, when
    values read the same or are no further apart than the runs of a group; NaN and ±inf never win.
    """
    return Comparison(
        tuple(columns), tuple(_setting_rows(columns)), tuple(_result_rows(columns, target))
    )


def columns_of(runs: Iterable[ComparisonRun]) -> list[Column]:
    """A column for each run."""
    return [Column(run.name, (run,)) for run in runs]


def default_target(columns: Iterable[Column], metric: str) -> Target | None:
    """The worst of the best values of all runs, which each of them so has reached."""
    direction = direction_of(metric)
    if direction is None:
        return None
    bests = [best_value(run.summary, metric) for column in columns for run in column.runs]
    known = [best for best in bests if best is not None]
    if not known:
        return None
    return Target(metric, max(known) if direction == "lower" else min(known))


def compare_with_target(columns: Sequence[Column], target: float | None = None) -> Comparison:
    """Compares columns with the first one, and when each reached a value of the usual metric.

    Without a target, that is the value which all of them reached.
    """
    metric = primary_metric([run.summary for column in columns for run in column.runs])
    reach = default_target(columns, metric) if target is None else Target(metric, target)
    return compare(columns, reach)


# Settings


def _setting_rows(columns: Sequence[Column]) -> Iterator[Row]:
    runs = [[run_settings(run.summary) for run in column.runs] for column in columns]
    merged = [_merged_settings(settings) for settings in runs]
    for name in differing(merged):
        cells = tuple(Cell(value=settings.get(name, ABSENT)) for settings in merged)
        yield Row("", name, "setting", None, cells)


def _merged_settings(settings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The settings of a column; where its runs differ, all their values."""
    if len(settings) == 1:
        return settings[0]
    merged = dict(settings[0])
    for name in differing(settings):
        given = [one.get(name, ABSENT) for one in settings]
        values = {settings_key(value): value for value in given}
        merged[name] = [
            setting_text(value) if isinstance(value, Default) else value
            for value in (values[key] for key in sorted(values))
        ]
    return merged


# Results

_Measure = Callable[[ComparisonRun], "float | None"]


@dataclass(frozen=True, slots=True)
class _Result:
    """What a row shows of each run; ``of_records`` when its summary does not have it.

    ``missing_loses`` where a run without a value is worse than any with one. ``at`` is where a run
    had such a value.
    """

    section: str
    label: str
    kind: Kind
    better: Direction | None
    of: _Measure
    of_records: bool = False
    missing_loses: bool = False
    at: Callable[[RunSummary, float], float | None] = lambda run, value: None


def _results(runs: Sequence[RunSummary], target: Target | None) -> Iterator[_Result]:
    metrics = metrics_of(runs)
    for metric in [*LOSSES, *(name for name in metrics if name not in LOSSES + PACE)]:
        yield from _results_of_metric(metric)
        if target is not None and target.metric == metric and direction_of(metric):
            yield from _results_of_target(target)
    yield _Result("throughput", "median", "si", "higher", _median("tokens_per_sec"), True)
    yield _Result("step time", "median", "milliseconds", "lower", _median("iter_time_ms"), True)
    # The time a run took says which was the quickest only when all have done the same work.
    same_work = all(map(was_completed, runs)) and len({run.iteration for run in runs}) == 1
    quickest: Direction | None = "lower" if same_work else None
    yield _Result("duration", "", "seconds", quickest, lambda run: run.summary.duration_seconds)
    for label, metric, statistic in (
        ("utilization, mean %", "gpu/mean/utilization", "mean"),
        ("memory, peak GiB", "gpu/mean/memory", "max"),
        ("energy, kWh", "gpu/total/energy", "last"),
    ):
        yield _Result("GPU", label, "measure", None, _of_stats(metric, statistic))


def _results_of_metric(metric: str) -> Iterator[_Result]:
    better = direction_of(metric)
    if better is None:
        yield _Result(metric, "last", "measure", None, lambda run: last_value(run.summary, metric))
        return
    yield _Result(
        metric,
        "best",
        "measure",
        better,
        lambda run: best_value(run.summary, metric),
        at=lambda run, best: best_iteration(run, metric, best),
    )
    yield _Result(metric, "last", "measure", better, lambda run: last_value(run.summary, metric))
    if metric in LOSSES:
        final = f"final_{metric}"
        yield _Result(metric, "final", "measure", better, lambda run: getattr(run.summary, final))
    yield _Result(metric, "first", "measure", None, _first(metric), True)


def _results_of_target(target: Target) -> Iterator[_Result]:
    words = number(target.value, 5)
    steps, seconds = _reached(target, "iteration"), _reached(target, "wallclock_time")
    yield _Result(target.metric, f"step to {words}", "count", "lower", steps, True, True)
    yield _Result(target.metric, f"time to {words}", "seconds", "lower", seconds, True, True)


def first_reached(history: History, target: Target, axis: str) -> float | None:
    """The place on an axis of the first record that reached the target; ``None`` if none did.

    An infinite value reaches nothing. ``None`` too where that record has no place on the axis.
    """
    values = history.columns.get(column_name(target.metric, history.metrics))
    if values is None:
        return None
    down = direction_of(target.metric) == "lower"
    reached = values <= target.value if down else values >= target.value
    hits = np.flatnonzero(reached & np.isfinite(values))
    place = float(history.columns[axis][hits[0]]) if len(hits) else math.nan
    return place if math.isfinite(place) else None


def first_measured(history: History, metric: str) -> float | None:
    """The first value that was measured of a metric, which may be NaN or ±inf."""
    name = column_name(metric, history.metrics)
    rows = np.flatnonzero(history.measured(name))
    return float(history.columns[name][rows[0]]) if len(rows) else None


def _of_stats(metric: str, statistic: str) -> _Measure:
    return lambda run: getattr(stats_of(run.summary, metric), statistic, None)


def _reached(target: Target, axis: str) -> _Measure:
    return lambda run: run.measured((target, axis), lambda h: first_reached(h, target, axis))


def _first(metric: str) -> _Measure:
    return lambda run: run.measured(("first", metric), lambda h: first_measured(h, metric))


def _median(metric: str) -> _Measure:
    return lambda run: run.measured(("median", metric), lambda h: percentiles(h, metric, (50,))[0])


def _result_rows(columns: Sequence[Column], target: Target | None) -> Iterator[Row]:
    for result in _results([run.summary for column in columns for run in column.runs], target):
        cells = [_cell(column, result) for column in columns]
        if not any(cell.pending or cell.value is not None for cell in cells):
            continue
        against = [_against(cell, cells[0]) for cell in cells[1:]]
        yield Row(
            result.section,
            result.label,
            result.kind,
            result.better,
            tuple(_with_best(columns, [cells[0], *against], result)),
        )


def _cell(column: Column, result: _Result) -> Cell:
    if result.of_records and any(run.history is None for run in column.runs):
        return Cell(pending=True)
    values = [value for value in map(result.of, column.runs) if value is not None]
    if len(column.runs) == 1 and values:
        return Cell(values[0], iteration=result.at(column.runs[0].summary, values[0]))
    if len(values) < 2:
        return Cell(values[0] if values else None, len(values))
    mean, spread = mean_and_spread(values)
    return Cell(mean, len(values), spread)


def mean_and_spread(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean of some values and their sample standard deviation (n - 1).

    That is ``None`` for fewer than two, and where it is not finite.
    """
    if len(values) < 2:
        return values[0], None
    with np.errstate(over="ignore", invalid="ignore"):  # values up to 1e308, NaN and ±inf
        mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    return mean, spread if math.isfinite(spread) else None


def _against(cell: Cell, baseline: Cell) -> Cell:
    """The cell with its distance from the baseline, where both have a finite value."""
    pair = (cell.value, baseline.value)
    if any(value is None or not math.isfinite(value) for value in pair):
        return cell
    delta = cell.value - baseline.value
    percent = 100 * delta / abs(baseline.value) if baseline.value else None
    return replace(cell, delta=delta, percent=percent)


def _with_best(columns: Sequence[Column], cells: Sequence[Cell], result: _Result) -> Iterator[Cell]:
    rivals = []
    for column, cell in zip(columns, cells, strict=True):
        # A target that only some of a group reached is not reached.
        lost = cell.pending or (result.missing_loses and cell.n < len(column.runs))
        value = None if lost else cell.value
        rivals.append(Rival(value, value_text(result.kind, value), cell.spread or 0.0))
    pending = any(cell.pending for cell in cells)
    # Who never measured the metric of a target has not lost.
    raced = sum(any(stats_of(run.summary, result.section) for run in c.runs) for c in columns) > 1
    missing_loses = result.missing_loses and raced and not pending
    best = winner(rivals, result.better, missing_loses=missing_loses)
    return (replace(cell, best=place == best) for place, cell in enumerate(cells))


# Figures


def value_text(kind: Kind, value: float | None) -> str:
    """A value of a row as it is shown."""
    if kind in ("measure", "milliseconds"):
        return aligned(value, 5 if kind == "measure" else 4)
    return amount_text(kind, value, 4)


def amount_text(kind: Kind, amount: float | None, digits: int = 2) -> str:
    """A difference or a deviation in a row as it is shown."""
    if kind == "seconds":
        return duration(amount)
    if kind == "count" and amount is not None and abs(amount) < _SPELLED_OUT:
        return f"{amount:,.0f}"
    if kind in ("count", "si"):
        return si(amount)
    return number(amount, digits)
