"""Trains with real frameworks under `traintop run`: ``python tests/foreign/try_run.py [NAME]…``.

None of these programs knows of traintop. Each must be the runs that are named, with their metrics,
in the environment that ``make.py`` makes for PyTorch. ``run.json`` keeps what the last run of this
found.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from make import ENVIRONMENTS, python_with, versions_of

from traintop import load_experiment_log

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "src"
RECORD = HERE / "run.json"


class Program(NamedTuple):
    """A program, what it is started with, and the last step of a metric of each of its runs."""

    text: str
    runs: dict[str, tuple[str, int]]
    launcher: tuple[str, ...] = ("python",)


TRANSFORMERS = """
import torch
from transformers import Trainer, TrainingArguments

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
    def forward(self, x=None, labels=None):
        output = self.layer(x).squeeze(-1)
        return {"loss": ((output - labels) ** 2).mean(), "logits": output}

data = [{"x": torch.randn(4), "labels": torch.tensor(1.0)} for _ in range(32)]
options = {"logging_steps": 2, "per_device_train_batch_size": 4, "num_train_epochs": 2}
arguments = TrainingArguments("out", report_to="all", use_cpu=True, save_strategy="no", **options)
Trainer(Model(), arguments, train_dataset=data).train()
"""
LIGHTNING = """
import torch
import {lightning} as L

class Model(L.LightningModule):
    def __init__(self, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(4, 1)
    def training_step(self, batch, number):
        loss = ((self.layer(batch[0]).squeeze(-1) - batch[1]) ** 2).mean()
        self.log("train/loss", loss)
        return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.hparams.lr)

data = torch.utils.data.TensorDataset(torch.randn(64, 4), torch.ones(64))
trainer = L.Trainer(max_epochs=2, log_every_n_steps=2, accelerator="cpu")
trainer.fit(Model(), torch.utils.data.DataLoader(data, 4))
"""
WRITERS = """
from {package} import SummaryWriter

train, val = SummaryWriter("runs/gpt/train"), SummaryWriter("runs/gpt/val")
for step in range(5):
    train.add_scalar("loss", 5.0 - step, step)
    val.add_scalar("loss", 6.0 - step, step)
train.add_hparams({{"lr": 0.1}}, {{"accuracy": 0.5}})
train.close()
val.close()
"""
PRINTED = """
import os, time
import torch.distributed as dist
dist.init_process_group("gloo")
for step in range(0, 100, 10):
    if dist.get_rank() == 0:
        print(f"iter {step}: loss {3 - step / 100:.4f}, time 12.30ms, mfu 2.00%", flush=True)
dist.destroy_process_group()
"""
WRITTEN = {"gpt/train": ("loss", 4), "gpt/val": ("loss", 4)}
TORCHRUN = ("torchrun", "--nproc-per-node=2")

PROGRAMS = {
    "transformers": Program(TRANSFORMERS, {"out": ("loss", 16)}),
    "lightning": Program(
        LIGHTNING.format(lightning="lightning"), {"try_lightning": ("train/loss", 31)}
    ),
    "pytorch_lightning": Program(
        LIGHTNING.format(lightning="pytorch_lightning"),
        {"try_pytorch_lightning": ("train/loss", 31)},
    ),
    "tensorboard": Program(WRITERS.format(package="torch.utils.tensorboard"), WRITTEN),
    "tensorboardX": Program(WRITERS.format(package="tensorboardX"), WRITTEN),
    "torchrun": Program(PRINTED, {"try_torchrun": ("loss", 90)}, TORCHRUN),
    "accelerate": Program(
        TRANSFORMERS, {"out": ("loss", 16)}, ("accelerate", "launch", "--cpu", "--num_processes=1")
    ),
}


def main() -> None:
    """Try the named programs, or all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("name", nargs="*", choices=[*PROGRAMS, []], help=", ".join(PROGRAMS))
    parser.add_argument("--environments", type=Path, help="keep the environments here")
    arguments = parser.parse_args()
    home = arguments.environments or Path(tempfile.mkdtemp(prefix="run-"))
    packages = ENVIRONMENTS["torch"].packages
    python = python_with(home.resolve() / "torch", packages)
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    with tempfile.TemporaryDirectory() as ours:
        # What we need beside the framework is installed elsewhere: its environment stays as it is.
        install = [python, "-m", "pip", "install", "--quiet", "--target", ours, "msgspec", "psutil"]
        subprocess.run(install, check=True)
        for name in arguments.name or PROGRAMS:
            print(f"{name} …", flush=True)
            record[name] = _try(name, PROGRAMS[name], python, ours)
    record["date"] = f"{datetime.now():%Y-%m-%d}"
    record["versions"] = versions_of(python, packages)
    RECORD.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")


def _try(name: str, program: Program, python: Path, ours: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as playground:
        script = Path(playground, f"try_{name}.py")
        script.write_text(program.text)
        environment = {
            **{name: value for name, value in os.environ.items() if name != "TRAINTOP_DIR"},
            "PYTHONPATH": os.pathsep.join([str(SOURCE), ours]),
            "CUDA_VISIBLE_DEVICES": "",
        }
        launcher = (str(python.parent / program.launcher[0]), *program.launcher[1:])
        command = (sys.executable, "-m", "traintop", "run", "--", *launcher, script.name)
        done = subprocess.run(
            command, cwd=playground, env=environment, capture_output=True, text=True
        )
        logs = [
            load_experiment_log(path)
            for path in sorted(Path(playground, "experiment_logs").glob("*.json"))
        ]
        found = {log.config.experiment_name: log for log in logs}
        if done.returncode or len(logs) != len(program.runs) or found.keys() != {*program.runs}:
            sys.exit(f"{name}: exit code {done.returncode}, {[*found]}\n{done.stderr[-5000:]}")
        for run, (metric, last) in program.runs.items():
            measured = [one for one in found[run].metrics_history if one.value(metric) is not None]
            if found[run].status != "finished" or measured[-1].iteration != last:
                sys.exit(f"{name}: {run} is {found[run].status}, {measured[-1:]}")
    return {"runs": {run: len(found[run].metrics_history) for run in program.runs}}


if __name__ == "__main__":
    main()
