"""The tracker, its settings and its logs, under the import path of the quick reference.

They are those of traintop, with the names besides on which callers of such a module rely. What
reads logs is imported at first use: a training loop does not pay for the analysis.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from msgspec.structs import replace

import traintop
from traintop.model import ExperimentConfig, MetricsSnapshot

if TYPE_CHECKING:
    from cs336_basics.experiment_analysis import ExperimentAnalyzer, print_experiment_summary

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

FilePath = str | os.PathLike[str]


class ExperimentLog(traintop.ExperimentLog, kw_only=True):
    """A complete run in memory; a best loss is infinite where none was measured."""

    best_train_loss: float | None = math.inf
    best_val_loss: float | None = math.inf

    @classmethod
    def of(cls, log: traintop.ExperimentLog) -> Self:
        """A log of traintop as one of this class."""
        known = {name: getattr(log, name) for name in log.__struct_fields__}
        for best in ("best_train_loss", "best_val_loss"):
            known[best] = math.inf if known[best] is None else known[best]
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """The log as a plain dictionary with the keys of a log file."""
        document = {name: getattr(self, name) for name in self.__struct_fields__ if name != "path"}
        records = [
            {name: getattr(record, name) for name in record.__struct_fields__ if name != "metrics"}
            | record.metrics
            for record in self.metrics_history
        ]
        return document | {
            "config": self.config.to_dict(),
            "metrics_history": records,
            "status": self.status.value,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The log in a dictionary, as :meth:`to_dict` or ``json.load`` of a log file yields it.

        Raises ``ValueError`` when it has neither settings nor records.
        """
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "experiment_log.json")
            path.write_text(json.dumps(dict(data), default=str), encoding="utf-8")
            return replace(cls.of(traintop.load_experiment_log(path)), path=None)


class ExperimentTracker(traintop.ExperimentTracker):
    """Records one run into one file; see :class:`traintop.ExperimentTracker`."""

    @property
    def log(self) -> ExperimentLog:
        """What was logged so far, read back from the run's file, which takes O(records)."""
        if self._run.writer is not None:
            self._run.writer.flush(durable=False, timeout=_READ_BACK_SECONDS)
            if self.path.exists():
                return load_experiment_log(self.path)
        return ExperimentLog(config=self.config)

    @property
    def gradient_step_count(self) -> int:
        """The gradient steps so far; a loop that goes on from a checkpoint may set it."""
        return self._run.gradient_step

    @gradient_step_count.setter
    def gradient_step_count(self, count: int) -> None:
        self._run.gradient_step = count


_READ_BACK_SECONDS = 10.0


def load_experiment_log(path: FilePath) -> ExperimentLog:
    """The whole of one run, its records sorted and each iteration once.

    Raises ``FileNotFoundError`` when there is no such file, and ``ValueError`` with the reason
    when it holds no run.
    """
    return ExperimentLog.of(traintop.load_experiment_log(path))


def compare_experiments(log_files: Iterable[FilePath] | FilePath) -> dict[str, dict[str, Any]]:
    """The losses, seconds and numbers of records of some log files, by the name of the run.

    Of several runs of one experiment the newest has the plain name. A best loss is infinite, and
    a final one ``None``, where there is none. A file that holds no run is left out, and the logger
    ``traintop`` says why.
    """
    from traintop.analysis.loading import summaries_of_files
    from traintop.analysis.naming import unique_names
    from traintop.metrics import stats_of

    runs = summaries_of_files(log_files)
    names = unique_names(runs)
    compared = {}
    for run in runs:
        evaluated = stats_of(run, "val_loss")
        compared[names[run.id]] = {
            **{f"best_{loss}": _best_or_inf(run, loss) for loss in ("train_loss", "val_loss")},
            "final_train_loss": run.final_train_loss,
            "final_val_loss": run.final_val_loss,
            "duration_seconds": run.duration_seconds or 0.0,
            "num_metrics": run.count or 0,
            "num_val_evals": evaluated.count + evaluated.nonfinite if evaluated else 0,
        }
    return compared


def _best_or_inf(run: traintop.model.RunSummary, loss: str) -> float:
    from traintop.metrics import best_value

    best = best_value(run, loss)
    return math.inf if best is None else best


def __getattr__(name: str) -> Any:
    if name not in ("ExperimentAnalyzer", "print_experiment_summary"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cs336_basics import experiment_analysis

    return getattr(experiment_analysis, name)
