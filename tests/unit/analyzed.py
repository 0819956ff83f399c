"""Logs for the analyzer: of the real tracker, and of other programs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from traintop import ExperimentAnalyzer, ExperimentConfig, ExperimentTracker


def track(
    log_dir: Path, name: str, losses: list[float], *, val_loss: float | None = None, **settings: Any
) -> Path:
    """A finished run with these training losses, and a validation loss at its last iteration."""
    config = ExperimentConfig(name, **settings)
    with ExperimentTracker(config, log_dir=log_dir, quiet=True) as tracker:
        for iteration, loss in enumerate(losses):
            tracker.increment_gradient_step()
            tracker.log_metrics(
                iteration, train_loss=loss, learning_rate=1e-3, tokens_per_sec=1000.0 + iteration
            )
        if val_loss is not None:
            tracker.log_eval(len(losses) - 1, val_loss=val_loss)
    return tracker.path


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
