"""Runs in an order and as rows of plain values: what lists and their exports are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from traintop.analysis.differences import setting_cell
from traintop.analysis.naming import suggestions, unique_names
from traintop.analysis.ranking import best_value, mode_of
from traintop.model import STANDARD_METRICS, RunStatus, RunSummary
from traintop.text import safe_json, safe_text, setting_text
from traintop.values import flat_settings, jsonable

Row = dict[str, Any]
SortKey = Callable[[RunSummary], Any]

_BY_FIELD: Mapping[str, tuple[SortKey, bool]] = {  # with whether the highest comes first
    "name": (lambda run: run.name.casefold(), False),
    "status": (lambda run: run.status.value, False),
    "start_time": (lambda run: run.start_time, True),
    "duration": (lambda run: run.duration_seconds, False),
    "iteration": (lambda run: run.iteration, True),
    "progress": (lambda run: run.progress, True),
    "gradient_step": (lambda run: run.gradient_step, True),
    "final_train_loss": (lambda run: run.final_train_loss, False),
    "final_val_loss": (lambda run: run.final_val_loss, False),
}
_SYNONYMS = {
    "run": "name",
    "experiment_name": "name",
    "started": "start_time",
    "age": "start_time",
    "time": "duration",
    "duration_seconds": "duration",
    "step": "iteration",
    "best_train_loss": "train_loss",
    "best_val_loss": "val_loss",
}


def sorted_runs(
    runs: Sequence[RunSummary], key: str = "val_loss", *, reverse: bool = False
) -> list[RunSummary]:
    """The runs in the order of a metric, a field or a setting, the best first.

    By a metric, what counts is the best value that a run reached. Start times begin with the
    newest, settings with the lowest. Runs without a (finite) value come last, also in reverse.
    Raises ``ValueError`` for a key that no run has.
    """
    value_of, descending = _sort_key(runs, key)
    known: list[tuple[Any, RunSummary]] = []
    unknown: list[tuple[Any, RunSummary]] = []
    for run in runs:
        value = value_of(run)
        missing = value is None or (isinstance(value, float) and not math.isfinite(value))
        (unknown if missing else known).append((value, run))
    # Stable, so that equal ones keep the order they came in.
    known.sort(key=lambda pair: _comparable(pair[0]), reverse=descending != reverse)
    return [run for _, run in (*known, *unknown)]


def _sort_key(runs: Sequence[RunSummary], key: str) -> tuple[SortKey, bool]:
    key = _SYNONYMS.get(key, key)
    if key in _BY_FIELD:
        return _BY_FIELD[key]
    if key in STANDARD_METRICS or any(key in run.stats for run in runs):
        mode = mode_of(key)
        return (lambda run: best_value(run, key, mode)), mode == "max"
    setting = key.removeprefix("config.")
    settings = {run.id: flat_settings(run.config) for run in runs}
    if any(setting in found for found in settings.values()):
        return (lambda run: settings[run.id].get(setting)), False
    known = {*_BY_FIELD, *_SYNONYMS, *STANDARD_METRICS}
    known.update(name for run in runs for name in (*run.stats, *settings[run.id]))
    raise ValueError(f"cannot sort by {key!r}: {suggestions(key, sorted(known))}")


def _comparable(value: Any) -> tuple[int, Any]:
    """Settings of one name may be of several types: numbers come before text."""
    return (0, value) if isinstance(value, (int, float)) else (1, setting_text(value))


def run_rows(runs: Iterable[RunSummary]) -> list[Row]:
    """What is known of each run, as a row of plain values with the same keys in each.

    Durations are in seconds, times in ISO 8601. ``config`` holds the settings.
    """
    listed = list(runs)
    labels = unique_names(listed)
    return [_row(run, labels[run.id]) for run in listed]


def _row(run: RunSummary, label: str) -> Row:
    return {
        "run": label,
        "run_id": run.stem,
        "path": run.id,
        "experiment_name": run.name,
        "status": run.status.value,
        "iteration": run.iteration,
        "max_iters": run.max_iters,
        "progress": run.progress,
        "gradient_step": run.gradient_step,
        "best_val_loss": best_value(run, "val_loss"),
        "best_train_loss": best_value(run, "train_loss"),
        "final_val_loss": run.final_val_loss,
        "final_train_loss": run.final_train_loss,
        "last_val_loss": run.last_value("val_loss"),
        "last_train_loss": run.last_value("train_loss"),
        "learning_rate": run.last_value("learning_rate"),
        "mean_tokens_per_sec": run.mean_value("tokens_per_sec"),
        "mean_iter_time_ms": run.mean_value("iter_time_ms"),
        "duration_seconds": run.duration_seconds,
        "eta_seconds": run.eta_seconds,
        "start_time": run.start_time,
        "end_time": run.end_time,
        "notes": run.notes,
        "error": run.error,
        "problem": run.problem,
        "config": run.config,
    }


ROW_FIELDS = tuple(_row(RunSummary(id="", status=RunStatus.UNREADABLE), ""))[:-1]
"""What every row tells, beside its settings."""


def flat_rows(rows: Iterable[Row]) -> list[Row]:
    """The rows with each setting as a column of its own, as CSV needs it.

    Nested settings are named by their path: ``config.optimizer.lr``.
    """
    flat = []
    for row in rows:
        cells = {name: value for name, value in row.items() if name != "config"}
        settings = flat_settings(row["config"])
        cells.update((f"config.{name}", setting_cell(value)) for name, value in settings.items())
        flat.append(cells)
    return flat


def rows_as_json(rows: Sequence[Row]) -> str:
    """The rows as a JSON array, one row a line; NaN and ±inf by name, as in the log files."""
    lines = [msgspec.json.encode(jsonable(row)).decode() for row in rows]
    return "[\n" + ",\n".join(map(safe_json, lines)) + "\n]\n" if lines else "[]\n"


def unreadable_lines(runs: Iterable[RunSummary]) -> list[str]:
    """For each file that cannot be read a line that names it and the reason."""
    unreadable = (run for run in runs if run.status is RunStatus.UNREADABLE)
    return [f"{safe_text(run.id, 500)} {safe_text(run.problem)}" for run in unreadable]
