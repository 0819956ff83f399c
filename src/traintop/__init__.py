"""traintop: htop for training runs.

Public names are imported at first use, so that a training loop which imports the tracker never
pays for the terminal UI or the analysis.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from traintop.model import (
        ExperimentConfig,
        ExperimentLog,
        MetricsSnapshot,
        MetricStats,
        RunStatus,
        RunSummary,
    )
    from traintop.tracking.run_file import RunFileBusyError
    from traintop.tracking.tracker import ExperimentTracker

_HOMES = {
    "ExperimentConfig": "traintop.model",
    "ExperimentLog": "traintop.model",
    "ExperimentTracker": "traintop.tracking.tracker",
    "MetricStats": "traintop.model",
    "MetricsSnapshot": "traintop.model",
    "RunFileBusyError": "traintop.tracking.run_file",
    "RunStatus": "traintop.model",
    "RunSummary": "traintop.model",
}

__all__ = [  # noqa: PLE0604 RUF100 - the names are those of _HOMES, spelled out for checkers
    "ExperimentConfig",
    "ExperimentLog",
    "ExperimentTracker",
    "MetricStats",
    "MetricsSnapshot",
    "RunFileBusyError",
    "RunStatus",
    "RunSummary",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
