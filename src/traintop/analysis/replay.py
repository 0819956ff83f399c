"""What the rules would have raised, had somebody watched a run from its first record on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from traintop.analysis.events import Event, EventKind, RunEvents
from traintop.model import (
    RECENT_VALUES,
    RECORD_FIELDS,
    MetricsSnapshot,
    MetricStats,
    RunStatus,
    RunSummary,
)
from traintop.rule import Rule
from traintop.store.history import History
from traintop.store.packed_summary import unpacked
from traintop.times import parse_time

MOST_STATES = 500
"""Records of a run at most, evenly spread, beside those where a value first was not finite."""


def replayed_events(
    run: RunSummary, history: History, rules: Sequence[Rule]
) -> list[tuple[Event, Rule]]:
    """What would have been raised for a run, in order, and the rule that raised it."""
    seconds = 0.0
    events = RunEvents(rules=rules, clock=lambda: seconds)
    began = parse_time(run.start_time) or datetime.now()
    found: list[Event] = []
    for state in (*_states(run, history), run):
        seconds = state.duration_seconds or seconds
        found += events.observe([state], began + timedelta(seconds=seconds))
    raised = [event for event in found if event.kind is not EventKind.RECOVERED and event.alert]
    return [(event, events.rules.rules[event.alert]) for event in raised]


def _states(run: RunSummary, history: History) -> Iterator[RunSummary]:
    """The run as it was at some of its records."""
    if not len(history):
        return
    even = np.linspace(0, len(history) - 1, min(MOST_STATES, len(history))).astype(int)
    bad = (history.measured(name) & ~np.isfinite(history.columns[name]) for name in history.metrics)
    firsts = [int(mask.argmax()) for mask in bad if mask.any()]
    rows = np.unique([*even.tolist(), *firsts])
    stats = {metric: _stats_at(history, metric, rows) for metric in history.metrics}
    for place, row in enumerate(rows.tolist()):
        yield _state(run, history, row, {metric: one[place] for metric, one in stats.items()})


def _state(
    run: RunSummary, history: History, row: int, stats: Mapping[str, MetricStats]
) -> RunSummary:
    values: dict[str, Any] = {
        name: float(column[row])
        for name, column in history.columns.items()
        if history.measured(name)[row]
    }
    fields = {name: values.pop(name) for name in RECORD_FIELDS if name in values}
    for counter in ("iteration", "gradient_step"):
        if counter in fields and fields[counter].is_integer():
            fields[counter] = int(fields[counter])
    known = {metric: one for metric, one in stats.items() if one.count or one.nonfinite}
    best = {
        f"best_{loss}": known[loss].min if loss in known else None
        for loss in ("train_loss", "val_loss")
    }
    return replace(
        unpacked(run),
        status=RunStatus.RUNNING,
        alerts=(*(one for one in run.alerts if (one.iteration or 0) <= fields["iteration"]),),
        error="",
        end_time=None,
        updated_at=None,
        pauses=None,
        count=row + 1,
        duration_seconds=fields.get("wallclock_time"),
        last=MetricsSnapshot(**fields, metrics=values),
        stats=known,
        final_train_loss=None,
        final_val_loss=None,
        **best,
    )


def _stats_at(history: History, metric: str, rows: NDArray[np.int_]) -> list[MetricStats]:
    """The statistics of a metric as they were at these rows."""
    column, measured = history.columns[metric], history.measured(metric)
    finite = measured & np.isfinite(column)
    values = np.where(finite, column, 0.0)
    counts, sums = np.cumsum(finite), np.cumsum(values)
    lowest = np.minimum.accumulate(np.where(finite, column, np.inf))
    highest = np.maximum.accumulate(np.where(finite, column, -np.inf))
    nonfinite = np.cumsum(measured & ~finite)
    newest = np.maximum.accumulate(np.where(measured, np.arange(len(column)), -1))
    sums_of_finite = np.concatenate(([0.0], np.cumsum(column[finite])))
    found = []
    for row in rows.tolist():
        count, last = int(counts[row]), int(newest[row])
        recent = min(count, RECENT_VALUES)
        total = float(sums_of_finite[count] - sums_of_finite[count - recent])
        found.append(
            MetricStats(
                count=count,
                last=float(column[last]) if last >= 0 else None,
                min=float(lowest[row]) if count else None,
                max=float(highest[row]) if count else None,
                mean=float(sums[row]) / count if count else None,
                nonfinite=int(nonfinite[row]),
                recent_mean=total / recent if recent else None,
            )
        )
    return found
