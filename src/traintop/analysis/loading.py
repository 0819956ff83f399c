"""Single log files in memory, without an analyzer."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable

from traintop.analysis.ranking import sorted_runs
from traintop.analysis.records import snapshots
from traintop.analysis.run import Run
from traintop.analysis.run_tables import comparison_table
from traintop.analysis.runs import OpenedRuns
from traintop.analysis.summary_text import summary_lines, summary_of_log
from traintop.metrics import best_value
from traintop.model import ExperimentConfig, ExperimentLog, RunSummary
from traintop.mounts import answer
from traintop.run_ids import is_remote, parts_of
from traintop.text import safe_text

log = logging.getLogger("traintop")

FilePath = str | os.PathLike[str]


def load_experiment_log(path: FilePath) -> ExperimentLog:
    """The whole of one run, its records sorted and each iteration once.

    Raises ``FileNotFoundError`` when there is no such file, and ``ValueError`` with the reason
    when it holds no run.
    """
    return log_of(_opened(path))


def log_of(run: Run) -> ExperimentLog:
    """The whole of an opened run. Raises ``UnreadableRunError`` when its file is gone."""
    summary = run.summary
    return ExperimentLog(
        config=ExperimentConfig.from_settings(summary.config, summary.given),
        start_time=summary.start_time,
        end_time=summary.end_time,
        duration_seconds=summary.duration_seconds or 0.0,
        metrics_history=snapshots(run.history()),
        best_train_loss=best_value(summary, "train_loss"),
        best_val_loss=best_value(summary, "val_loss"),
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
    runs = sorted_runs(summaries_of_files(paths))
    return comparison_table(runs, width=shutil.get_terminal_size().columns)


def summaries_of_files(paths: Iterable[FilePath] | FilePath) -> list[RunSummary]:
    """The runs in some log files. One that holds no run is left out, and the logger says why."""
    runs = []
    for path in [paths] if isinstance(paths, (str, os.PathLike)) else paths:
        try:
            runs.append(_opened(path).summary)
        except (FileNotFoundError, ValueError) as error:
            log.warning("traintop: %s", safe_text(error, 500))
    return runs


def print_experiment_summary(experiment: ExperimentLog | FilePath) -> None:
    """Print what is known of a run, given as its file or as it was loaded.

    Raises as :func:`load_experiment_log` does.
    """
    if isinstance(experiment, ExperimentLog):
        run = summary_of_log(experiment)
    else:
        run = _opened(experiment).summary
    print("\n".join(summary_lines(run, run.title)))


def _opened(path: FilePath) -> Run:
    """A file's run, or the newest of several, that can be read."""
    given = os.fspath(path)
    opened = OpenedRuns([given])
    if not (is_remote(given) or answer(parts_of(given)[0], os.path.lexists, True)):
        raise FileNotFoundError(f"there is no file {given!r}")
    if opened.runs:
        return opened.runs[0]
    if opened.unreadable:
        raise ValueError(f"{given!r} {opened.unreadable[0].problem}")
    if opened.places:
        raise ValueError(f"{given!r} cannot be read now: {opened.places[0].trouble}")
    raise ValueError(f"{given!r} is not the log of a run")
