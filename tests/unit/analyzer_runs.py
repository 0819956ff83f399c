"""What an analyzer loads: a directory, and a log of another program."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from traintop import ExperimentAnalyzer


def loaded(log_dir: Path) -> ExperimentAnalyzer:
    analyzer = ExperimentAnalyzer(log_dir)
    analyzer.load_all()
    return analyzer


FOREIGN: dict[str, Any] = {
    "config": {
        "experiment_name": "foreign",
        "d_model": 64,
        "model_name": "gpt-tiny",
        "optimizer_name": "Muon",
        "betas": [0.9, 0.95],
    },
    "start_time": "2025-02-22T14:05:30.123456",
    "end_time": "2025-02-22T14:15:30.123456",
    "duration_seconds": 600.0,
    "metrics_history": [
        {"iteration": 0, "train_loss": 4.5, "val_loss": None, "batch_size": 64},
        {"iteration": 10, "train_loss": math.nan, "val_loss": math.inf, "context_length": 256},
        {"iteration": 20, "gradient_step": 21, "train_loss": 2.5, "val_loss": 2.75},
    ],
    "best_train_loss": math.inf,
    "best_val_loss": math.inf,
    "notes": "by another program",
}
