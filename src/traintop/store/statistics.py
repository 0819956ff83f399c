"""What a run's file does not say of itself, computed from its records."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from traintop.logfile import Tail, snapshot_of_row
from traintop.model import RECENT_VALUES, MetricStats
from traintop.store.history import FloatColumn, History

_COUNTED = ("iteration", "gradient_step")


def completed_tail(known: Tail, history: History) -> Tail:
    """``known`` with what it lacks of statistics, best losses, last record and duration."""
    if not len(history):
        return msgspec.structs.replace(known, count=0)
    stats = {metric: _stats(history, metric) for metric in history.metrics}
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
        count=len(history),
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


def _stats(history: History, metric: str) -> MetricStats:
    column = history.columns[metric]
    finite = np.flatnonzero(np.isfinite(column))
    nonfinite = int(np.count_nonzero(history.nonfinite(metric)))
    last = float(column[np.flatnonzero(history.measured(metric))[-1]])
    if not len(finite):
        return MetricStats(last=last, nonfinite=nonfinite)
    values = column[finite]
    iterations = history.columns["iteration"][finite]
    with np.errstate(over="ignore", invalid="ignore"):  # values up to 1e308
        mean, std = float(values.mean()), float(values.std())
        recent_mean = float(values[-RECENT_VALUES:].mean())
    return MetricStats(
        count=len(values),
        last=last,
        min=float(values.min()),
        max=float(values.max()),
        mean=mean if math.isfinite(mean) else None,
        std=std if math.isfinite(std) else None,
        min_iteration=_as_written(iterations, values.argmin()),
        max_iteration=_as_written(iterations, values.argmax()),
        nonfinite=nonfinite,
        recent_mean=recent_mean if math.isfinite(recent_mean) else None,
    )


def _as_written(iterations: FloatColumn, row: np.intp) -> int | float:
    iteration = float(iterations[row])
    return int(iteration) if iteration.is_integer() else iteration
