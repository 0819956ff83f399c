"""Hydra: jobs of a sweep under our callback, one of which fails; and a job that starts its run.

That one is killed, and the same command goes on in its run.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import expected
import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from tiny_training import training

import traintop

CALLBACK = "traintop.integrations.hydra.TraintopCallback"
HOW = sys.argv.pop(1)
STORE = ConfigStore.instance()
STORE.store(
    "config", {"lr": 0.05, "model": {"width": 8}, "wide": "${model.width}", "bad": "${no.such}"}
)
runs = {}


@hydra.main(version_base=None, config_path=None, config_name="config")
def sweep(config: DictConfig) -> None:
    points = []
    for step in training(30, learning_rate=config.lr):
        traintop.log({"train_loss": step.loss}, step=step.step)
        points.append((step.step, step.loss))
        if HOW == "failed" and step.step == 20:
            raise MemoryError("out of memory, or so it seems")
    settings = {"lr": config.lr, "model": {"width": 8}, "wide": "${model.width}"}
    runs[f"whole lr={config.lr}"] = expected.run({"train_loss": points}, settings)


@hydra.main(version_base=None, config_path=None, config_name="config")
def job(config: DictConfig) -> None:
    run = traintop.init(name="resumed", config=OmegaConf.create({"lr": config.lr}), resume="auto")
    points = []
    for step in training(30, first=run.step, learning_rate=config.lr):
        traintop.log({"train_loss": step.loss}, step=step.step)
        points.append((step.step, step.loss))
        if HOW == "killed" and step.step == 20:
            time.sleep(1)  # what was logged in the last half second may be lost
            os.kill(os.getpid(), signal.SIGKILL)
    traintop.finish()
    assert (
        f'"hydra_output_dir":"{HydraConfig.get().runtime.output_dir}"'
        not in Path(run.path).read_text()
    ), "a run that goes on keeps where it began"
    runs["resumed"] = expected.run({"train_loss": points}, {"lr": config.lr})


if __name__ == "__main__":
    if HOW in ("whole", "failed"):
        sys.argv += [
            f"+hydra.callbacks.traintop._target_={CALLBACK}",
            f"+hydra.callbacks.traintop.name={HOW}",
        ]
        if HOW == "whole":
            sys.argv += ["lr=0.05,0.1", "--multirun"]
        sweep()
    else:
        job()
    expected.write(runs)
