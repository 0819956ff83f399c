"""What the person in front of the screen has chosen, as one immutable value, and the runs it lists.

Every key is a pure function from a :class:`ViewState` (and the rows it is about) to the next.
Runs are known by their identity, never by their place in the list: the cursor and the marks stay on
their runs while others appear, vanish and change places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec.structs import replace

from traintop.analysis.axes import XAxis
from traintop.analysis.query import filter_runs
from traintop.analysis.ranking import grouped_by, sorted_by
from traintop.direction import Direction
from traintop.model import RunStatus, RunSummary
from traintop.run_columns import column
from traintop.text import counted
from traintop.tui.chart_view import ChartView
from traintop.tui.columns import DEFAULT_CHOICES, TREND_COLUMN, ColumnChoice, column_of
from traintop.tui.rows import RunRows

if TYPE_CHECKING:
    from traintop.analysis.alerts import AlertKind

_Choice = TypeVar("_Choice")

SMOOTHING_LEVELS = (0.0, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
"""Weights of the exponential moving average; 0 is off."""

MOST_PLOTTED = 60
"""Runs whose curves are drawn at most."""


GROUPINGS = ("", "host", "root")
"""What one key groups the runs by, in turn; the first is not at all."""


def smoothing_level(weight: float) -> int:
    """The level whose weight is nearest to a wanted one."""
    return min(range(len(SMOOTHING_LEVELS)), key=lambda i: abs(SMOOTHING_LEVELS[i] - weight))


class Pane(StrEnum):
    """The part that ``tab`` brought forward; which of them are visible depends on the size."""

    RUNS = "runs"
    CHARTS = "charts"
    SUMMARY = "summary"


class SortOrder(msgspec.Struct, frozen=True):
    """A column, and whether the natural direction of that column is reversed."""

    column: str = "age"
    reverse: bool = False

    @property
    def descending(self) -> bool:
        """Whether the highest values come first."""
        return column_of(self.column).field.descending is not self.reverse


class ViewState(msgspec.Struct, frozen=True):
    """``columns`` are those of the list, and with ``list_only`` it has the whole width. Its runs
    stand below a heading for each value of the column ``group``, where that is not empty.

    ``baseline`` is the pinned run that others are compared with, ``compared`` the runs of the
    comparison that is open, ``opened`` the run that has the whole screen. ``robust`` keeps a few
    outliers from flattening all else. ``filter`` is a query that understands the listed runs. Which
    charts are shown, and which part of x, is in ``charts``. ``directions`` are those of metrics
    whose names do not say which values are better, or say it wrongly.
    """

    selected: str | None = None
    marks: tuple[str, ...] = ()
    baseline: str | None = None
    compared: tuple[str, ...] = ()
    opened: str | None = None
    sort: SortOrder = SortOrder()
    group: str = ""
    columns: tuple[ColumnChoice, ...] = DEFAULT_CHOICES
    list_only: bool = False
    filter: str = ""
    show_archived: bool = False
    pane: Pane = Pane.RUNS
    x_axis: XAxis = XAxis()
    log_y: bool = False
    robust: bool = True
    smoothing: int = 0
    charts: ChartView = msgspec.field(default_factory=ChartView)
    directions: tuple[tuple[str, Direction], ...] = ()

    @property
    def smoothing_weight(self) -> float:
        """The weight of the moving average; 0 is off."""
        return SMOOTHING_LEVELS[self.smoothing]

    @property
    def plotted(self) -> tuple[str, ...]:
        """The runs whose curves are drawn: the selected one first, then marked and compared.

        Of very many marked ones those that were marked last: more curves would be unreadable.
        """
        first = () if self.selected is None else (self.selected,)
        others = [run_id for run_id in self.marks[-MOST_PLOTTED:] if run_id != self.selected]
        opened = () if self.opened is None else (self.opened,)
        plotted = (*first, *others[-MOST_PLOTTED + 1 :], *self.compared, *opened)
        return tuple(dict.fromkeys(plotted))


def listing_key(state: ViewState) -> tuple[object, ...]:
    """What decides which runs are listed, and in which order."""
    return (state.sort, state.group, state.filter, state.show_archived)


def are_archived(runs: Sequence[RunSummary]) -> list[bool]:
    """Of each of the runs whether it is archived."""
    return column(runs, "archived", lambda run: run.annotations.archived)


def visible_rows(
    runs: Sequence[RunSummary], state: ViewState, now: datetime, alerts: Mapping[str, AlertKind]
) -> RunRows:
    """The runs that the filter lets through, sorted and grouped; archived ones if asked for.

    Raises ``QueryError`` when the filter asks for something that no run has.
    """
    shown = runs
    if not state.show_archived and any(archived := are_archived(runs)):
        shown = [run for run, hidden in zip(runs, archived, strict=True) if not hidden]
    kept = filter_runs(shown, state.filter, now, alerts)
    rows = sort_runs(kept, state.sort, now, state.group)
    if len(kept) == len(runs):
        return rows
    hidden = [run for run in runs if rows.position(run.id) is None]
    return RunRows(rows.runs, hidden, rows.groups)


def sort_runs(
    runs: Sequence[RunSummary], sort: SortOrder, now: datetime, group: str = ""
) -> RunRows:
    """The runs by a column, in groups of those that have the same in the column ``group``.

    Ties keep their order, and NaN and missing values come last.
    """
    ordered = sorted_by(runs, column_of(sort.column).field, now, descending=sort.descending)
    if not group:
        return RunRows(ordered)
    groups = grouped_by(ordered, column_of(group).field, now)
    return RunRows([*chain.from_iterable(one.runs for one in groups)], groups=groups)


def with_rows(state: ViewState, before: RunRows, after: RunRows) -> ViewState:
    """The state for new rows: the cursor moves to a neighbour of a run that is no longer listed.

    A vanished run loses its mark; one that is only hidden keeps it.
    """
    marks = tuple(run_id for run_id in state.marks if after.run(run_id) is not None)
    selected = state.selected
    if after.position(selected) is None:
        place = before.position(selected) or 0
        selected = after.runs[min(place, len(after) - 1)].id if len(after) else None
    baseline = state.baseline if after.run(state.baseline) is not None else None
    compared = tuple(run_id for run_id in state.compared if after.run(run_id) is not None)
    opened = state.opened if after.run(state.opened) is not None else None
    kept = replace(
        state,
        marks=marks,
        selected=selected,
        baseline=baseline,
        compared=compared,
        opened=opened,
    )
    return state if kept == state else kept


def move_to(state: ViewState, rows: RunRows, position: int) -> ViewState:
    """The cursor on a row, or on the nearest one there is."""
    if not len(rows):
        return state
    return replace(state, selected=rows.runs[min(max(position, 0), len(rows) - 1)].id)


def move_by(state: ViewState, rows: RunRows, distance: int) -> ViewState:
    """The cursor ``distance`` rows down (up when negative), stopping at the ends."""
    return move_to(state, rows, (rows.position(state.selected) or 0) + distance)


def toggle_mark(state: ViewState) -> ViewState:
    """The selected run marked, or its mark removed."""
    if state.selected is None:
        return state
    if state.selected in state.marks:
        return replace(state, marks=tuple(p for p in state.marks if p != state.selected))
    return replace(state, marks=(*state.marks, state.selected))


def mark_to_here(state: ViewState, rows: RunRows) -> ViewState:
    """All rows between the one that was marked last and the cursor, both of them, are marked."""
    here = rows.position(state.selected)
    if here is None:
        return state
    there = rows.position(state.marks[-1]) if state.marks else here
    first, last = sorted((here, here if there is None else there))
    between = [run.id for run in rows.runs[first : last + 1]]
    return replace(state, marks=tuple(dict.fromkeys((*state.marks, *between))))


def mark_all(state: ViewState, rows: RunRows) -> ViewState:
    """Every listed run marked; or none, when all were."""
    listed = tuple(run.id for run in rows.runs)
    if set(listed) <= set(state.marks):
        return replace(state, marks=())
    return replace(state, marks=tuple(dict.fromkeys((*state.marks, *listed))))


def runs_to_compare(state: ViewState, rows: RunRows) -> tuple[str, ...]:
    """The runs to compare: the marked ones, and the baseline, which comes first.

    Where these are fewer than two, the selected run joins, and then its neighbour in the list; of
    very many marked ones those count that were marked last.
    """
    marks = state.marks[-MOST_PLOTTED:]
    runs = (rows.run(run_id) for run_id in dict.fromkeys((state.baseline, *marks)))
    chosen = [r.id for r in runs if r is not None and r.status is not RunStatus.UNREADABLE]
    if len(chosen) >= 2:
        return tuple(chosen)
    listed = [run.id for run in rows.runs if run.status is not RunStatus.UNREADABLE]
    position = listed.index(state.selected) if state.selected in listed else 0
    near = (place for place in (position, position + 1, position - 1) if 0 <= place < len(listed))
    return tuple(dict.fromkeys((*chosen, *(listed[place] for place in near))))[:2]


def describe_comparison(state: ViewState, rows: RunRows) -> str:
    """Which runs :func:`runs_to_compare` chose, in words."""
    compared, marks = runs_to_compare(state, rows), frozenset(state.marks)
    marked = sum(run_id in marks for run_id in compared)
    others = [run_id for run_id in compared if run_id not in marks]
    parts = [counted(marked, "marked run")] if marked else []
    if len(state.marks) > MOST_PLOTTED:
        parts = [f"the last {marked} of {len(state.marks):,} marked runs"]
    parts += ["the baseline"] if state.baseline in others else []
    near = [run_id for run_id in others if run_id != state.baseline]
    parts += ["the selected run"] if state.selected in near else []
    parts += ["its neighbour"] if any(run_id != state.selected for run_id in near) else []
    return " and ".join(parts) + (" · space in the list marks others" if near else "")


def with_direction(state: ViewState, metric: str, direction: Direction) -> ViewState:
    """Lower or higher values of a metric are better from now on."""
    return replace(state, directions=(*{**dict(state.directions), metric: direction}.items(),))


def toggle_baseline(state: ViewState) -> ViewState:
    """The selected run pinned as the baseline in place of another, or unpinned."""
    pinned = state.selected if state.selected != state.baseline else None
    return replace(state, baseline=pinned)


def sort_next(state: ViewState, columns: Sequence[str]) -> ViewState:
    """Sorted by the next of the visible columns, in that column's natural direction."""
    sortable = [key for key in columns if key != TREND_COLUMN]
    return replace(state, sort=SortOrder(_next(sortable, state.sort.column)))


def sort_by(state: ViewState, column: str) -> ViewState:
    """Sorted by ``column``; reversed when it sorted already. Not all columns sort."""
    if column == TREND_COLUMN:
        return state
    if state.sort.column == column:
        return replace(state, sort=replace(state.sort, reverse=not state.sort.reverse))
    return replace(state, sort=SortOrder(column))


def group_next(state: ViewState) -> ViewState:
    """Grouped by the next of the usual groupings."""
    return replace(state, group=_next(GROUPINGS, state.group))


def next_pane(state: ViewState, panes: Sequence[Pane], step: int = 1) -> ViewState:
    """The next of the panes that the size of the screen offers."""
    return replace(state, pane=_next(panes, state.pane, step))


def smooth_by(state: ViewState, step: int) -> ViewState:
    """More or less smoothing, stopping at the ends."""
    level = min(max(state.smoothing + step, 0), len(SMOOTHING_LEVELS) - 1)
    return replace(state, smoothing=level)


def _next(choices: Sequence[_Choice], current: _Choice, step: int = 1) -> _Choice:
    """The choice after ``current``, going round; the first one when it is not among them."""
    if current in choices:
        return choices[(choices.index(current) + step) % len(choices)]
    return choices[0] if choices else current
