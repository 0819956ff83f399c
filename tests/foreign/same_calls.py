"""The same calls to W&B and to ``traintop.wandb``: ``python tests/foreign/same_calls.py [SEEDS]``.

In an environment that has both. Random calls of ``log``, with and without steps and ``commit``,
are made twice, and what each wrote is read back. The README beside this file has the last run.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

import traintop.wandb
from traintop import ExperimentAnalyzer

_CALLS = 60

Records = list[tuple[float, Mapping[str, float | None]]]


def log_randomly(tool: Any, directory: Path, seed: int) -> list[int]:
    """Log a run, and return the step that the tool was at after each call."""
    choose = random.Random(seed)
    run = tool.init(project="calls", name=f"seed{seed}", mode="offline", dir=directory)
    steps = []
    for i in range(_CALLS):
        data: dict[str, Any] = {choose.choice("abcd"): i}
        if choose.random() < 0.2:
            data["nested"] = {"x": i, "further": {"y": i}}
        commit = choose.choice([None, None, None, True, False])
        if choose.random() < 0.5:
            tool.log(data, commit=commit)
        else:
            tool.log(data, step=run.step + choose.choice([0, 0, 1, 3, 10]), commit=commit)
        steps.append(run.step)
    tool.finish()
    return steps


def records(directory: Path, seed: int) -> Records:
    """What a run recorded, without what W&B adds to each row; nested names with dots."""
    analyzer = ExperimentAnalyzer(directory)
    analyzer.load_all()
    return [
        (
            record.iteration,
            {
                name.replace("/", "."): value
                for name, value in record.metrics.items()
                if not name.startswith("_")
            },
        )
        for record in analyzer.logs[f"seed{seed}"].metrics_history
    ]


def main(seeds: range, directory: Path) -> int:
    """Log with both, and print how many runs are the same; returns how many are not."""
    ours, theirs = directory / "ours", directory / "theirs"
    theirs.mkdir()
    tools = [(traintop.wandb, ours), (wandb, theirs)]
    steps = [[log_randomly(tool, place, seed) for tool, place in tools] for seed in seeds]
    wandb.teardown()  # its files are whole from here on
    same = [
        first == second and records(ours, seed) == records(theirs, seed)
        for seed, (first, second) in zip(seeds, steps, strict=True)
    ]
    print(f"wandb {wandb.__version__}: {sum(same)} of {len(same)} runs are the same")
    return len(same) - sum(same)


if __name__ == "__main__":
    os.environ["WANDB_SILENT"] = "true"
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(main(range(int(sys.argv[1]) if len(sys.argv) > 1 else 20), Path(scratch)))
