"""A loop with our ``SummaryWriter``, which writes event files too: whole, killed and resumed …"""

from __future__ import annotations

import os
import signal
import sys
import time

import expected
import read_events
import torch
from tiny_training import training

from traintop.integrations.tensorboard import SummaryWriter


def main(how: str) -> None:
    directory = f"runs/{'resumed' if how == 'killed' else how}"
    first = 40 if how == "resumed" else 0
    writer = SummaryWriter(directory, purge_step=first or None, tee=True)
    for step in training(100, first=first):
        writer.add_scalar("loss", torch.tensor(step.loss), step.step)
        writer.add_scalar("lr", step.learning_rate, step.step)
        if step.val_loss is not None:
            writer.add_scalars("losses", {"val": step.val_loss}, step.step)
        writer.add_histogram("weights", torch.zeros(3), step.step)
        if step.step == 50 and how == "killed":
            writer.flush()
            time.sleep(1)  # what was logged in the last half second may be lost
            os.kill(os.getpid(), signal.SIGKILL)
        if step.step == 50 and how == "failed":
            raise MemoryError("CUDA out of memory, or so it seems")
    writer.add_hparams({"nesterov": False}, {"hparam/loss": 0.5})
    writer.close()
    expected.write({how: read_events.read(writer.get_logdir())})


if __name__ == "__main__":
    main(sys.argv[1])
