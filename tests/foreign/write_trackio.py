"""Trackio's SQLite file; see the README."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["TRACKIO_DIR"] = str(Path("trackio").resolve())

import expected
import trackio
from tiny_training import training
from trackio.sqlite_storage import SQLiteStorage

PROJECT = "line"


def train(name: str, learning_rate: float) -> None:
    trackio.init(
        project=PROJECT,
        name=name,
        group="fixtures",
        config={"learning_rate": learning_rate, "model": {"layers": 2}},
    )
    for step in training(40, learning_rate=learning_rate):
        values = {"train/loss": step.loss, "lr": step.learning_rate}
        if step.val_loss is not None:
            values["val/loss"] = step.val_loss
        if step.step in (20, 21):
            values["odd"] = float("nan" if step.step == 20 else "inf")
        trackio.log(values)
    trackio.finish()


def read(run: trackio.api.Run) -> dict:
    metrics: dict[str, list[tuple[int, float]]] = {}
    for line in SQLiteStorage.get_logs(PROJECT, run.name, run_id=run.id):
        step = line.pop("step")
        for name, value in line.items():
            if isinstance(value, int | float):
                metrics.setdefault(name, []).append((step, value))
    return expected.run(metrics, run.config, name=run.name, id=run.id)


if __name__ == "__main__":
    train("slow", 0.01)
    train("fast", 0.1)
    runs = trackio.Api().runs(PROJECT)
    expected.write({f"trackio/{PROJECT}.db#{run.name}": read(run) for run in runs})
