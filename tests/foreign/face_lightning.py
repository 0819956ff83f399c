"""Lightning under our logger, beside its own: whole, killed and resumed, or failed."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import expected
import lightning
import pandas
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader, TensorDataset

from traintop.integrations.lightning import TraintopLogger


class Line(lightning.LightningModule):
    """A line through noise."""

    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(3, 1)

    def training_step(self, batch, index):
        loss = self._loss(batch)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, index):
        self.log("val_loss", self._loss(batch))

    def test_step(self, batch, index):
        self.log("test_loss", self._loss(batch))

    def _loss(self, batch):
        x, y = batch
        return torch.nn.functional.mse_loss(self.layer(x), y)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.learning_rate)


class At(Callback):
    """Kills its process, or fails, at a step."""

    def __init__(self, how: str) -> None:
        self.how = how

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 55 and self.how == "killed":
            time.sleep(1)  # what was logged in the last half second may be lost
            os.kill(os.getpid(), signal.SIGKILL)
        if trainer.global_step == 55 and self.how == "failed":
            raise MemoryError("CUDA out of memory, or so it seems")


def main(how: str) -> None:
    lightning.seed_everything(0)
    x = torch.randn(160, 3)
    y = x @ torch.tensor([[0.7], [-1.3], [2.1]]) + 0.2 * torch.randn(160, 1)
    train, held_out = (DataLoader(TensorDataset(x, y), size) for size in (8, 32))
    name = "resumed" if how == "killed" else how
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=4,
        log_every_n_steps=5,
        logger=[TraintopLogger(name, resume=True), CSVLogger(".", name=how)],
        callbacks=[At(how), ModelCheckpoint(name, save_last=True)],
        enable_progress_bar=False,
    )
    model = Line(learning_rate=0.05)
    checkpoint = f"{name}/last.ckpt" if how == "resumed" else None
    trainer.fit(model, train, held_out, ckpt_path=checkpoint)
    trainer.test(model, held_out, verbose=False)
    table = pandas.read_csv(Path(how) / "version_0" / "metrics.csv")
    metrics = {
        name: [
            (step, value)
            for step, value in zip(table["step"].tolist(), table[name].tolist(), strict=True)
            if not pandas.isna(value)
        ]
        for name in table.columns
        if name != "step"
    }
    expected.write({how: expected.run(metrics)})


if __name__ == "__main__":
    main(sys.argv[1])
