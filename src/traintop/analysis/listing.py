"""Runs as rows of plain values: what ``list --json`` and ``list --csv`` are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from traintop.analysis.differences import setting_cell
from traintop.analysis.naming import unique_names
from traintop.fields import Field, Value, field_of
from traintop.model import RunStatus, RunSummary
from traintop.text import safe_json, safe_text
from traintop.values import flat_settings, jsonable

Row = dict[str, Any]

ROW_FIELDS = (
    *("run", "run_id", "path", "experiment_name", "status", "iteration", "max_iters", "progress"),
    *("gradient_step", "best_val_loss", "best_train_loss", "final_val_loss", "final_train_loss"),
    *("last_val_loss", "last_train_loss", "learning_rate", "mean_tokens_per_sec"),
    *("mean_iter_time_ms", "duration_seconds", "eta_seconds", "start_time", "end_time"),
    *("notes", "error", "problem"),
)
"""The fields that every row has, beside its settings."""


def run_rows(runs: Iterable[RunSummary]) -> list[Row]:
    """What is known of each run, as a row of plain values with the same keys in each.

    Durations are in seconds, times in ISO 8601. ``config`` holds the settings.
    """
    listed = list(runs)
    labels = unique_names(listed)
    return [_row(run, labels[run.id]) for run in listed]


def _row(run: RunSummary, label: str) -> Row:
    row: Row = {name: _cell(run, field_of(name)) for name in ROW_FIELDS}
    return {**row, "run": label, "config": run.config}


def _cell(run: RunSummary, field: Field) -> Value:
    value = field.value(run)
    return "" if value is None and field.kind == "text" else value


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
