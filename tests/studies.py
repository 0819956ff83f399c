"""Trains the runs of ``experiment_logs``: ``python -m tests.studies DIRECTORY``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from traintop import ExperimentConfig
from traintop.demo.child import TrainingProcess
from traintop.demo.sweep import Sweep, demo_config, learning_rate_sweep, parallel_runs

ITERATIONS = 1500

BATCH_SIZES = (128, 64, 32)
"""In the order in which they start: the longest run first, so that the others fill the gaps."""

_SECONDS_TO_INTERRUPTION = 30.0


def batch_size_study(iterations: int) -> tuple[ExperimentConfig, ...]:
    """The same model with different batch sizes, for the same number of iterations."""
    return tuple(
        demo_config(f"batch_{batch_size}", iterations, batch_size=batch_size)
        for batch_size in BATCH_SIZES
    )


def main() -> None:
    """Train all studies: eight runs to their end, one of them diverging, and one interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.studies", description=main.__doc__)
    parser.add_argument("log_dir", type=Path, help="the log directory to write to")
    directory = parser.parse_args().log_dir
    runs = (
        *batch_size_study(ITERATIONS),
        *learning_rate_sweep(ITERATIONS),
    )
    print(f"training {len(runs)} runs, {parallel_runs()} at a time ...", flush=True)
    with Sweep(runs, directory) as sweep:
        sweep.wait()
    if failures := sweep.failures():
        raise SystemExit("\n".join(failures))
    large = demo_config("large", ITERATIONS, d_model=128, num_layers=4, d_ff=256)
    interrupted = TrainingProcess(large, directory)
    time.sleep(_SECONDS_TO_INTERRUPTION)
    interrupted.stop()  # as a scheduler does at its time limit
    interrupted.result()
    print(f"{len(runs) + 1} runs are in {directory}")


if __name__ == "__main__":
    main()
