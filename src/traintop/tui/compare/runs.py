"""What the comparison shows: its own choices, and its columns.

Imported when the first comparison is opened: it needs numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from traintop.analysis.compare import (
    Column,
    Comparison,
    ComparisonRun,
    Target,
    columns_of,
    compare,
    default_target,
)
from traintop.analysis.groups import grouped
from traintop.analysis.naming import unique_names
from traintop.metrics import LOSSES, metrics_of
from traintop.model import RunSummary
from traintop.store.history import History
from traintop.tui.plots.runs import PlottedRuns
from traintop.tui.rows import RunRows
from traintop.tui.view import ViewState

_NO_RECORDS = History.from_columns({"iteration": ()})


class CompareChoice(msgspec.Struct, frozen=True):
    """What a person chose in the comparison; ``None`` for what the program chooses.

    ``cursor`` is the run (of a group the first) whose column keys are about. ``target`` is the
    value of the metric that runs are to reach.
    """

    cursor: str | None = None
    grouped: bool = False
    metric: str | None = None
    target: float | None = None

    def metric_of(self, metrics: Sequence[str]) -> str:
        """The metric that is plotted and whose target counts."""
        if self.metric is not None and self.metric in metrics:
            return self.metric
        return metrics[0] if metrics else LOSSES[0]


def next_metric(choice: CompareChoice, metrics: Sequence[str], step: int) -> CompareChoice:
    """The next of the metrics, going round; a target belongs to its metric."""
    if not metrics:
        return choice
    place = metrics.index(choice.metric_of(metrics)) + step
    return replace(choice, metric=metrics[place % len(metrics)], target=None)


def move_cursor(choice: CompareChoice, columns: Sequence[Column], step: int) -> CompareChoice:
    """The cursor on another column, stopping at the ends."""
    if not columns:
        return choice
    place = min(max(cursor_column(choice, columns) + step, 0), len(columns) - 1)
    return replace(choice, cursor=columns[place].runs[0].summary.id)


def cursor_column(choice: CompareChoice, columns: Sequence[Column]) -> int:
    """The place of the cursor's column: at first the one beside the baseline."""
    for place, column in enumerate(columns):
        if any(run.summary.id == choice.cursor for run in column.runs):
            return place
    return min(1, len(columns) - 1)


class ComparisonMaker:
    """The runs of the open comparison; keeps each as long as neither it nor its records change.

    The comparison too stays the same object as long as it would be equal.
    """

    def __init__(self) -> None:
        self._runs: dict[str, ComparisonRun] = {}
        self._made: tuple[object, Comparison, Target | None] | None = None
        self._names: Mapping[str, str] = {}
        self._named: tuple[RunRows, list[str]] | None = None

    def comparison(
        self, view: ViewState, rows: RunRows, plotted: PlottedRuns, choice: CompareChoice
    ) -> tuple[Comparison, Target | None]:
        """The present comparison, the baseline first, and the target it is made for."""
        run_ids = sorted(view.compared, key=lambda run_id: run_id != view.baseline)
        summaries = [run for run in map(rows.run, run_ids) if run is not None]
        if self._named != (rows, run_ids):
            # Only runs of the same experiments can take each other's names.
            experiments = {run.title for run in summaries}
            alike = (run for run in rows.everything if run.title in experiments)
            self._names, self._named = unique_names(alike), (rows, run_ids)
        runs = [self._run(summary, plotted) for summary in summaries]
        self._runs = {run.summary.id: run for run in runs}
        pinned = view.baseline if view.baseline not in view.marks else None
        chosen = replace(choice, cursor=None)
        made_for = ([*map(id, runs)], chosen, choice.grouped and pinned, view.directions)
        if self._made is None or self._made[0] != made_for:
            columns = _groups(runs, pinned) if choice.grouped else columns_of(runs)
            metric = choice.metric_of(metrics_of(summaries))
            target = default_target(columns, metric)
            if choice.target is not None:
                target = Target(metric, choice.target)
            self._made = made_for, compare(columns, target), target
        _, comparison, target = self._made
        return comparison, target

    def _run(self, summary: RunSummary, plotted: PlottedRuns) -> ComparisonRun:
        loaded = plotted.records_of(summary.id)
        history = loaded.history if loaded is not None and loaded.complete else None
        if history is None and plotted.failure_of(summary.id):
            history = _NO_RECORDS
        name = self._names[summary.id]
        known = self._runs.get(summary.id)
        if known is not None and (known.name, known.summary, known.history) == (
            name,
            summary,
            history,
        ):
            return known
        return ComparisonRun(name, summary, history)


def _groups(runs: Sequence[ComparisonRun], pinned: str | None) -> list[Column]:
    """A column for each seed group; a baseline that was pinned, but not marked, is in none."""
    alone = columns_of(run for run in runs if run.summary.id == pinned)
    return [*alone, *grouped(run for run in runs if run.summary.id != pinned)]
