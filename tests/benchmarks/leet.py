"""W&B LEET, the terminal UI for runs of wandb, where that is installed. It is no dependency."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.measuring import child_environment

_TRAINING = """
import math, random, sys, time
import wandb
run = wandb.init(mode="offline", dir=sys.argv[1], settings=wandb.Settings(silent=True))
print("started", flush=True)
noise = random.Random(1)
for iteration in range(1_000_000):
    run.log({
        "train_loss": 8 * math.exp(-iteration / 3000) + 1.5 + noise.gauss(0, 0.03),
        "tokens_per_sec": 121_000 + noise.gauss(0, 3000),
        "iter_time_ms": 50 + noise.gauss(0, 2),
    })
    time.sleep(0.05)
"""

HELP = "Toggle this help screen"
"""What is on the screen when its help is."""


def is_installed() -> bool:
    """Whether there is something to measure."""
    return importlib.util.find_spec("wandb") is not None


def title() -> str:
    """What it is called beside our figures."""
    return f"LEET of wandb {importlib.metadata.version('wandb')}"


@contextmanager
def watching(directory: Path) -> Iterator[tuple[str, ...]]:
    """A run of wandb that logs 20 records a second; the arguments of Python that show it."""
    directory.mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", _TRAINING, str(directory)],
        env=child_environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "started\n":
            raise RuntimeError("the run of wandb did not start")
        try:
            (file,) = directory.rglob("*.wandb")
            yield ("-m", "wandb", "leet", str(file))
        finally:
            process.kill()
