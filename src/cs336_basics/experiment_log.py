"""The tracker, its settings and its logs, under the import path of the quick reference.

Names are imported at first use: a training loop does not pay for the analysis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traintop

if TYPE_CHECKING:
    from traintop import (
        ExperimentAnalyzer,
        ExperimentConfig,
        ExperimentLog,
        ExperimentTracker,
        MetricsSnapshot,
        compare_experiments,
        load_experiment_log,
        print_experiment_summary,
    )

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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(traintop, name)
