"""The demo's learning-rate sweep, trained in child processes, a few at a time."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from pathlib import Path

from traintop import ExperimentConfig
from traintop.demo.child import TrainingProcess

INTERACTIVE_ITERATIONS = 6000
HEADLESS_ITERATIONS = 500

LEARNING_RATES = (1e-3, 1e2, 3e-3, 6e-4, 1e-4)
"""In the order in which they start. The second one diverges:

AdamW multiplies the weights by ``1 - learning_rate * weight_decay`` at each step; when that is
below -1, they grow until float32 overflows.
"""

_MIN_PARALLEL_RUNS = 2


def demo_config(name: str, iterations: int, **changes: object) -> ExperimentConfig:
    """The settings of a model that trains in about a minute, with some changes."""
    settings: dict[str, object] = {
        "d_model": 64,
        "num_layers": 2,
        "d_ff": 128,
        "vocab_size": 96,
        "context_length": 64,
        "batch_size": 16,
        "max_iters": iterations,
        "max_learning_rate": 1e-3,
        "min_learning_rate": 1e-4,
        "warmup_iters": iterations // 10,
        "device": "cpu",
        "dataset": "Python standard library",
    }
    return ExperimentConfig(name, **{**settings, **changes})


def learning_rate_sweep(iterations: int) -> tuple[ExperimentConfig, ...]:
    """The same model with different learning rates; the highest one diverges."""
    return tuple(
        demo_config(
            f"lr_{learning_rate:.0e}",
            iterations,
            max_learning_rate=learning_rate,
            min_learning_rate=learning_rate / 10,
        )
        for learning_rate in LEARNING_RATES
    )


class Sweep:
    """Trains a run for each of some settings, a few at a time, each in its own process.

    Entering the block starts it; leaving it stops what is still running, so that those runs are
    recorded as interrupted::

        with Sweep(learning_rate_sweep(500), log_dir) as sweep:
            sweep.wait()
    """

    def __init__(self, configs: Iterable[ExperimentConfig], log_dir: Path) -> None:
        self._configs = tuple(configs)
        self._log_dir = log_dir
        self._executor = ThreadPoolExecutor(parallel_runs())
        self._futures: list[Future[str | None]] = []
        self._lock = threading.Lock()  # guards the two fields below
        self._processes: list[TrainingProcess] = []
        self._stopping = False

    def __enter__(self) -> Sweep:
        self._log_dir.mkdir(parents=True, exist_ok=True)
        self._futures = [self._executor.submit(self._train, config) for config in self._configs]
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._stopping = True
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.stop()
        self._executor.shutdown(cancel_futures=True)

    def wait(self) -> None:
        """Wait until all runs have ended."""
        wait(self._futures)

    def failures(self) -> tuple[str, ...]:
        """The names of runs that failed, each with the reason. To be called after the block."""
        results = [future.result() for future in self._futures if not future.cancelled()]
        return tuple(result for result in results if result)

    def _train(self, config: ExperimentConfig) -> str | None:
        with self._lock:
            if self._stopping:
                return None
            process = TrainingProcess(config, self._log_dir)
            self._processes.append(process)
        return process.result()


def parallel_runs() -> int:
    """How many runs train at the same time: one per core, and at least two."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(cores or 1, _MIN_PARALLEL_RUNS)


def run_demo(
    log_dir: Path | None = None,
    *,
    open_ui: Callable[[Path], None] | None,
    print_table: Callable[[Path], None],
    iterations: int | None = None,
) -> Path:
    """Train the learning-rate sweep and show it; returns the log directory.

    ``open_ui`` is called while the runs train; when it returns, they are stopped. Without it (no
    terminal), a short sweep is trained to its end, and then ``print_table`` is called. The
    directory is a new temporary one unless ``log_dir`` is given. Raises ``ChildProcessError`` when
    a run of the short sweep failed.
    """
    stamp = f"{datetime.now():%Y%m%d-%H%M%S}"
    directory = log_dir or Path(tempfile.mkdtemp(prefix=f"traintop-demo-{stamp}-"))
    try:
        if open_ui is None:
            _train_briefly(directory, iterations or HEADLESS_ITERATIONS)
            print_table(directory)
        else:
            sweep_configs = learning_rate_sweep(iterations or INTERACTIVE_ITERATIONS)
            with Sweep(sweep_configs, directory) as sweep:
                open_ui(directory)
            for failure in sweep.failures():
                print(failure, file=sys.stderr)
    finally:
        if directory.is_dir():
            print(f"The logs of this demo are in {directory}", flush=True)
    return directory


def _train_briefly(directory: Path, iterations: int) -> None:
    print(f"training a short sweep of {len(LEARNING_RATES)} runs ...", flush=True)
    with Sweep(learning_rate_sweep(iterations), directory) as sweep:
        sweep.wait()
    if failures := sweep.failures():
        raise ChildProcessError("\n".join(failures))
