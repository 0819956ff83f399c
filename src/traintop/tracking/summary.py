"""What a training script prints: where its run is written, and the summary at its end."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from traintop.model import MetricStats
from traintop.text import MISSING, at_iteration, counted, duration, number, safe_text, si
from traintop.tracking.statistics import best_loss, stats_of_metric

_STATISTICS = (
    ("train_loss_stats", "train_loss", ("min", "max", "mean", "std")),
    ("val_loss_stats", "val_loss", ("min", "max", "mean", "std")),
    ("iter_time_stats_ms", "iter_time_ms", ("mean", "std")),
    ("throughput_stats_tokens_per_sec", "tokens_per_sec", ("mean", "max")),
)


def summary_statistics(
    stats: Mapping[str, MetricStats], final: Mapping[str, float | None]
) -> dict[str, Any]:
    """Best losses, and statistics of losses, step times and throughput where measured."""
    found: dict[str, Any] = {
        "best_train_loss": best_loss("train_loss", stats, final),
        "best_val_loss": best_loss("val_loss", stats, final),
    }
    for key, metric, fields in _STATISTICS:
        if (known := stats_of_metric(metric, stats)) and known.count:
            found[key] = {field: getattr(known, field) for field in fields}
    return found


def _best_text(metric: str, summary: Mapping[str, Any], stats: Mapping[str, MetricStats]) -> str:
    best, known = summary[f"best_{metric}"], stats_of_metric(metric, stats)
    iteration = known.min_iteration if known and known.min == best else None
    return at_iteration(number(best, 6), iteration)


def location_text(path: Path) -> str:
    """Where a run is written, and the command to watch it."""
    import shlex  # only where it is printed

    directory = safe_text(shlex.quote(os.fspath(path.parent)), 500)
    return f"traintop: writing {safe_text(path, 500)}  ·  watch: traintop {directory}"


def written_text(what: str, count: int | None, path: Path) -> str:
    """What was written: "traintop: finished, 1,500 iterations  ·  /logs/experiment_….json"."""
    iterations = "" if count is None else f", {counted(count, 'iteration')}"
    return f"traintop: {what}{iterations}  ·  {safe_text(path, 500)}"


def summary_text(
    name: str, path: Path, summary: Mapping[str, Any], stats: Mapping[str, MetricStats]
) -> str:
    """The totals and statistics of :meth:`ExperimentTracker.get_summary_stats`, a line each."""
    throughput = summary.get("throughput_stats_tokens_per_sec", {})
    step_time = summary.get("iter_time_stats_ms", {})
    rows = [
        ("iterations", f"{summary['total_iterations']:,}"),
        ("gradient steps", f"{summary['total_gradient_steps']:,}"),
        ("duration", duration(summary["total_duration_seconds"])),
        ("best train loss", _best_text("train_loss", summary, stats)),
        ("best val loss", _best_text("val_loss", summary, stats)),
        ("tokens/s (mean)", si(throughput.get("mean"))),
        ("step time (mean)", f"{number(step_time['mean'])} ms" if step_time else MISSING),
        ("file", safe_text(path, 500)),
    ]
    lines = [f"  {label:<18}{value}" for label, value in rows]
    return "\n".join([f"Run {safe_text(name)}", *lines])
