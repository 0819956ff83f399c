"""An offline run of an older W&B, which leaves more files beside its log; see the README."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_CONSOLE="off")

import expected
import wandb
from tiny_training import training
from write_wandb import CONFIG, read, remove_logs


def train() -> None:
    run = wandb.init(
        project="line",
        name="older-run",
        tags=["baseline"],
        notes="This run finished.",
        config=CONFIG,
        settings=wandb.Settings(host=expected.HOST, program="train.py"),
    )
    for step in training(40):
        values = {"train": {"loss": step.loss}, "lr": step.learning_rate}
        if step.val_loss is not None:
            values["val/loss"] = step.val_loss
        run.log(values)
    run.finish()


if __name__ == "__main__":
    train()
    remove_logs()
    for path in Path("wandb").glob("offline-run-*/files/wandb-metadata.json"):
        path.write_text(path.read_text().replace(sys.executable, "python"))
    files = sorted(Path("wandb").glob("offline-run-*/*.wandb"))
    expected.write({str(path.parent): read(path) for path in files})
