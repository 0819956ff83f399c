"""traintop: htop for training runs.

Public names are imported at first use, so a training loop that imports the tracker never pays for
the terminal UI or the analysis.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from traintop.analysis.analyzer import ExperimentAnalyzer
    from traintop.analysis.loading import (
        compare_experiments,
        load_experiment_log,
        print_experiment_summary,
    )
    from traintop.analysis.run import Run
    from traintop.analysis.runs import Runs, open_runs
    from traintop.integrations.current_run import config, finish, init, log, summary
    from traintop.model import (
        ExperimentConfig,
        ExperimentLog,
        MetricsSnapshot,
        MetricStats,
        RunStatus,
        RunSummary,
    )
    from traintop.notebook.plots import plot
    from traintop.tracking.run_file import RunFileBusyError
    from traintop.tracking.tracker import ExperimentTracker

__version__ = "0.1.0"

_HOMES = {
    "ExperimentAnalyzer": "traintop.analysis.analyzer",
    "ExperimentConfig": "traintop.model",
    "ExperimentLog": "traintop.model",
    "ExperimentTracker": "traintop.tracking.tracker",
    "MetricStats": "traintop.model",
    "MetricsSnapshot": "traintop.model",
    "Run": "traintop.analysis.run",
    "RunFileBusyError": "traintop.tracking.run_file",
    "RunStatus": "traintop.model",
    "RunSummary": "traintop.model",
    "Runs": "traintop.analysis.runs",
    "compare_experiments": "traintop.analysis.loading",
    "config": "traintop.integrations.current_run",
    "finish": "traintop.integrations.current_run",
    "init": "traintop.integrations.current_run",
    "load_experiment_log": "traintop.analysis.loading",
    "log": "traintop.integrations.current_run",
    "open_runs": "traintop.analysis.runs",
    "plot": "traintop.notebook.plots",
    "print_experiment_summary": "traintop.analysis.loading",
    "summary": "traintop.integrations.current_run",
}

__all__ = [  # noqa: PLE0604 RUF100 - the names are those of _HOMES, spelled out for checkers
    "ExperimentAnalyzer",
    "ExperimentConfig",
    "ExperimentLog",
    "ExperimentTracker",
    "MetricStats",
    "MetricsSnapshot",
    "Run",
    "RunFileBusyError",
    "RunStatus",
    "RunSummary",
    "Runs",
    "compare_experiments",
    "config",
    "finish",
    "init",
    "load_experiment_log",
    "log",
    "open_runs",
    "plot",
    "print_experiment_summary",
    "summary",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
