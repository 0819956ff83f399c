"""The analysis of logs, under the import path of the quick reference.

It is that of traintop, with the arguments' names on which callers of such a module rely.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

import traintop
from cs336_basics.experiment_log import (
    ExperimentConfig,
    ExperimentLog,
    ExperimentTracker,
    MetricsSnapshot,
    compare_experiments,
    load_experiment_log,
)
from traintop.analysis.records import Number
from traintop.analysis.run import Run
from traintop.text import duration, safe_text

__all__ = [
    "ExperimentAnalyzer",
    "ExperimentConfig",
    "ExperimentLog",
    "ExperimentTracker",
    "MetricsSnapshot",
    "compare_experiments",
    "load_experiment_log",
    "print_experiment_summary",
]

log = logging.getLogger("traintop")


class ExperimentAnalyzer(traintop.ExperimentAnalyzer):
    """Loads, compares and exports runs, as :class:`traintop.ExperimentAnalyzer` does.

    A name that no run has is no error for :meth:`load_specific`.
    """

    def load_specific(self, experiments: Iterable[str] | str) -> None:
        """Load some runs by name; of a name that no run has, the logger ``traintop`` warns."""
        self._loaded = self._loaded or set()
        for name in [experiments] if isinstance(experiments, str) else experiments:
            try:
                super().load_specific([name])
            except ValueError as unknown:
                log.warning("traintop: %s", safe_text(unknown, 500))

    @property
    def logs(self) -> Mapping[str, ExperimentLog]:
        """The loaded runs by name, the newest first."""
        return cast("Mapping[str, ExperimentLog]", super().logs)

    def _load_log(self, run: Run) -> ExperimentLog:
        return ExperimentLog.of(super()._load_log(run))

    def print_summary(self, experiment_name: str) -> None:
        """Print results, timing, settings and notes of one run."""
        super().print_summary(experiment_name)

    def get_loss_trajectories(
        self, experiment_name: str
    ) -> tuple[list[Number], list[Number], list[Number]]:
        """Iterations, training losses and validation losses, ``nan`` where none was measured."""
        return super().get_loss_trajectories(experiment_name)

    def get_throughput_trajectory(self, experiment_name: str) -> tuple[list[Number], list[Number]]:
        """Iterations and tokens per second of a run."""
        return super().get_throughput_trajectory(experiment_name)

    def get_learning_rate_trajectory(
        self, experiment_name: str
    ) -> tuple[list[Number], list[Number]]:
        """Iterations and learning rates of a run."""
        return super().get_learning_rate_trajectory(experiment_name)

    def export_csv(self, experiment_name: str, output_path: str | os.PathLike[str]) -> Path:
        """Write the records of a run as CSV, whole or not at all; returns the file's path."""
        return super().export_csv(experiment_name, output_path)


def print_experiment_summary(
    log_dir: str | os.PathLike[str] | None = None, experiments: Iterable[str] | None = None
) -> None:
    """Print the table of a directory's runs, or of some of them, the best and the fastest.

    Losses are those of validation where any run has one; the fastest finished soonest.
    """
    analyzer = ExperimentAnalyzer(log_dir)
    if experiments is None:
        analyzer.load_all()
    else:
        analyzer.load_specific(experiments)
    print(analyzer.get_comparison_table())
    losses = (
        (metric, analyzer.get_best_experiment(metric)) for metric in ("val_loss", "train_loss")
    )
    for metric, best in [(metric, best) for metric, best in losses if best][:1]:
        print(f"Best: {safe_text(best[0])} ({metric} {best[1]:.6f})")
    if fastest := analyzer.get_best_experiment("duration"):
        print(f"Fastest: {safe_text(fastest[0])} ({duration(fastest[1])})")
