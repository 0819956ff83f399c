"""System metrics: what a training step costs with them and without, and what a sample costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.measuring import Floor, Line, Scale, interleaved, percentile, seconds_of

from traintop import ExperimentConfig, ExperimentTracker
from traintop.tracking.host import HostReader

_INTERVAL = 1.0  # ten times as often as they are sampled by default
_SECONDS = 4.0
_SAMPLES = 50


def measure(scale: Scale, directory: Path) -> Iterator[Line]:
    """The lines of this family."""
    sampled, plain = interleaved(
        scale.rounds,
        lambda: _seconds_of_step(directory, _INTERVAL),
        lambda: _seconds_of_step(directory, None),
    )
    yield Line(
        "a training step of some milliseconds in pure Python, sampled each second, mean",
        sampled,
        "s",
        "≤ 1.02 x one that is not sampled",
        1.02 * plain,
        (Floor("not sampled", plain),),
        "Sampled ten times as often as by default. The step holds the interpreter's lock all the "
        "time, so that nothing a sample takes is for free, as it is while a GPU computes.",
    )
    reader = HostReader()
    reader.read()
    yield Line(
        "one sample of CPU, memory, disks and network",
        percentile([seconds_of(reader.read) for _ in range(_SAMPLES)], 0.5),
        "s",
        reading="In a thread of its own, every ten seconds. It grows with the threads and the "
        "children of the process.",
    )


def _seconds_of_step(directory: Path, interval: float | None) -> float:
    """The mean over some seconds."""
    steps = 0
    with ExperimentTracker(
        ExperimentConfig("step"), directory, quiet=True, system_interval=interval
    ) as tracker:
        started = time.perf_counter()
        while (passed := time.perf_counter() - started) < _SECONDS:
            total = sum(range(200_000))
            tracker.log_metrics(steps, train_loss=float(total), tokens_per_sec=91_000.0)
            steps += 1
    return passed / steps
