"""Event files of torch, of tensorboardX, and of the TensorFlow 2 kind; see the README."""

from __future__ import annotations

import time
from pathlib import Path

import expected
import numpy as np
import torch
from read_events import read
from tensorboard.summary import Writer
from tensorboardX import SummaryWriter as SummaryWriterX
from tiny_training import training
from torch.utils.tensorboard import SummaryWriter

SETTINGS = {"learning_rate": 0.05, "optimizer": "sgd", "nesterov": False, "batch_size": 8}


def write_restarted(directory: str, purge: bool) -> None:
    """A run that is killed at step 60 and goes on from step 40, with another learning rate."""
    for first, end, rate in ((0, 60, 0.05), (40, 100, 0.03)):
        with SummaryWriter(directory, purge_step=first if purge and first else None) as writer:
            if not first:
                writer.add_text("notes", "a line through noise, **restarted** at step 40", 0)
            for step in training(100, first=first, learning_rate=rate):
                if step.step == end:
                    break
                writer.add_scalar("train/loss", step.loss, step.step)
                writer.add_scalar("train/lr", step.learning_rate, step.step)
                if step.val_loss is not None:
                    writer.add_scalar("val/loss", step.val_loss, step.step)
                if step.step % 50 == 0:
                    writer.add_histogram("weights", torch.randn(100), step.step)
                    writer.add_image("sample", torch.rand(3, 8, 8), step.step)
        time.sleep(1.1)  # the name of a file has its second


def write_with_hparams() -> None:
    """Settings and groups of curves go into directories of their own below the run's."""
    with SummaryWriter("hparams") as writer:
        for step in training(50):
            writer.add_scalar("loss", step.loss, step.step)
            if step.val_loss is not None:
                writer.add_scalars("both", {"train": step.loss, "val": step.val_loss}, step.step)
        writer.add_hparams(SETTINGS, {"hparam/loss": step.loss}, run_name="settings")


def write_diverged() -> None:
    with SummaryWriterX("tensorboardx") as writer:
        for step in training(120, learning_rate=1000):
            writer.add_scalar("loss", step.loss, step.step)
            writer.add_scalar("grad_norm", step.grad_norm, step.step)
        writer.add_text("text", "what tensorboardX wrote", 0)


def write_like_keras() -> None:
    """Scalars are tensors, and training and validation are two runs, as TensorFlow 2 has it."""
    writers = {part: Writer(f"tf2/{part}") for part in ("train", "validation")}
    for step in training(60):
        if step.val_loss is not None:
            epoch = step.step // 10
            writers["train"].add_scalar("epoch_loss", np.float32(step.loss), epoch)
            writers["train"].add_scalar("epoch_learning_rate", step.learning_rate, epoch)
            writers["validation"].add_scalar("epoch_loss", np.float32(step.val_loss), epoch)
    for part, writer in writers.items():
        writer.close()
        for path in Path("tf2", part).iterdir():
            path.rename(f"{path}.v2")  # as TensorFlow ends its names


if __name__ == "__main__":
    torch.manual_seed(0)
    write_restarted("restarted", purge=True)
    write_restarted("restarted_without_purge", purge=False)
    write_with_hparams()
    write_diverged()
    write_like_keras()
    directories = sorted({path.parent for path in Path().rglob("events.out.*")})
    runs = {str(directory): read(directory) for directory in directories}
    for directory in directories:
        if str(directory.parent) in runs:  # made by add_hparams and add_scalars
            runs[str(directory)]["part_of"] = str(directory.parent)
    expected.write(runs)
