"""Trackers for tests, and what they wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from traintop import ExperimentConfig, ExperimentTracker


def tracked(directory: Path, name: str = "baseline", **settings: Any) -> ExperimentTracker:
    return ExperimentTracker(
        ExperimentConfig(experiment_name=name, **settings), log_dir=directory, quiet=True
    )


def document(tracker: ExperimentTracker) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(tracker.save().read_text())
    return loaded
