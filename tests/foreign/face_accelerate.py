"""An Accelerate loop under our tracker: whole, killed and resumed, or failed."""

from __future__ import annotations

import os
import signal
import sys
import time

import expected
from accelerate import Accelerator
from tiny_training import training

import traintop.integrations.accelerate  # noqa: F401 - so that log_with knows it


def main(how: str) -> None:
    accelerator = Accelerator(cpu=True, log_with="traintop")
    accelerator.init_trackers(
        "resumed" if how == "killed" else how,
        config={"learning_rate": 0.05, "max_train_steps": 100},
        init_kwargs={"traintop": {"resume": how == "resumed"}},
    )
    metrics: dict[str, list[tuple[int, float]]] = {"loss": [], "val_loss": []}
    for step in training(100, first=40 if how == "resumed" else 0):
        accelerator.log({"loss": step.loss}, step=step.step)
        metrics["loss"].append((step.step, step.loss))
        if step.val_loss is not None:
            accelerator.log({"val_loss": step.val_loss}, step=step.step)
            metrics["val_loss"].append((step.step, step.val_loss))
        if step.step == 50 and how == "killed":
            time.sleep(1)  # what was logged in the last half second may be lost
            os.kill(os.getpid(), signal.SIGKILL)
        if step.step == 50 and how == "failed":
            raise MemoryError("CUDA out of memory, or so it seems")
    accelerator.end_training()
    expected.write({how: expected.run(metrics)})


if __name__ == "__main__":
    main(sys.argv[1])
