"""Lightning's CSVLogger: two versions; see the README."""

from __future__ import annotations

from pathlib import Path

import expected
import lightning
import pandas
import torch
import yaml
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader, TensorDataset


class Line(lightning.LightningModule):
    """A line through noise. Validation makes the rows of ``metrics.csv`` sparse."""

    def __init__(self, learning_rate: float, hidden: int, activation: str = "relu") -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(3, 1)

    def training_step(self, batch, index):
        loss = self._loss(batch)
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch, index):
        self.log("val_loss", self._loss(batch))

    def _loss(self, batch):
        x, y = batch
        return torch.nn.functional.mse_loss(self.layer(x), y)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.learning_rate)


def train(learning_rate: float, epochs: int) -> None:
    lightning.seed_everything(0)
    x = torch.randn(160, 3)
    y = x @ torch.tensor([[0.7], [-1.3], [2.1]]) + 0.2 * torch.randn(160, 1)
    data = TensorDataset(x, y)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        log_every_n_steps=5,
        logger=CSVLogger(save_dir="."),
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    trainer.fit(Line(learning_rate, hidden=16), DataLoader(data, 8), DataLoader(data, 32))


def read(version: Path) -> dict:
    table = pandas.read_csv(version / "metrics.csv")
    metrics = {
        name: [
            (step, value)
            for step, value in zip(table["step"].tolist(), table[name].tolist(), strict=True)
            if not pandas.isna(value)
        ]
        for name in table.columns
        if name != "step"
    }
    return expected.run(metrics, yaml.safe_load((version / "hparams.yaml").read_text()))


if __name__ == "__main__":
    train(learning_rate=0.05, epochs=4)
    train(learning_rate=0.01, epochs=2)
    versions = sorted(Path("lightning_logs").iterdir())
    expected.write({str(version): read(version) for version in versions})
