"""Single log files in memory, without an analyzer."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from traintop.analysis.comparison_table import comparison_table
from traintop.analysis.ranking import sorted_runs
from traintop.analysis.records import snapshots
from traintop.analysis.summary_text import summary_lines, summary_of_log
from traintop.model import ExperimentConfig, ExperimentLog, RunStatus, RunSummary
from traintop.store.run import Run
from traintop.text import safe_text

log = logging.getLogger("traintop")

FilePath = str | os.PathLike[str]


def load_experiment_log(path: FilePath) -> ExperimentLog:
    """The whole of one run, its records sorted and each iteration once.

    Raises ``FileNotFoundError`` when there is no such file, and ``ValueError`` with the reason
    when it holds no run.
    """
    run = Run(Path(path))
    summary = _readable_summary(run)
    return ExperimentLog(
        config=ExperimentConfig.from_settings(summary.config),
        start_time=summary.start_time,
        end_time=summary.end_time,
        duration_seconds=summary.duration_seconds or 0.0,
        metrics_history=snapshots(run.history()),
        best_train_loss=summary.best_train_loss,
        best_val_loss=summary.best_val_loss,
        final_train_loss=summary.final_train_loss,
        final_val_loss=summary.final_val_loss,
        notes=summary.notes,
        status=summary.status,
        error=summary.error,
        path=summary.path,
    )


def compare_experiments(paths: Iterable[FilePath] | FilePath) -> str:
    """The comparison table of some log files, the lowest validation loss first.

    A file that holds no run is left out, and the logger ``traintop`` says why.
    """
    listed = [paths] if isinstance(paths, (str, os.PathLike)) else paths
    runs = [Run(Path(path)).summary() for path in listed]
    for run in runs:
        if run.status is RunStatus.UNREADABLE:
            log.warning("traintop: %s %s", safe_text(run.id, 500), run.problem)
    return comparison_table(sorted_runs(runs), width=shutil.get_terminal_size().columns)


def print_experiment_summary(experiment: ExperimentLog | FilePath) -> None:
    """Print what is known of a run, given as its file or as it was loaded.

    Raises as :func:`load_experiment_log` does.
    """
    if isinstance(experiment, ExperimentLog):
        run = summary_of_log(experiment)
    else:
        run = _readable_summary(Run(Path(experiment)))
    print("\n".join(summary_lines(run, run.name or run.stem)))


def _readable_summary(run: Run) -> RunSummary:
    summary = run.summary()
    if summary.status is RunStatus.UNREADABLE:
        if not os.path.lexists(run.path):
            raise FileNotFoundError(f"there is no file {str(run.path)!r}")
        raise ValueError(f"{str(run.path)!r} {summary.problem}")
    return summary
