"""A training in another process that logs at random moments, and reports them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

from tests.benchmarks.measuring import child_environment

_PROGRAM = """
import random, sys, time
from traintop import ExperimentConfig, ExperimentTracker

directory, name, seconds, seed = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
gaps = random.Random(seed)
logged = []
with ExperimentTracker(ExperimentConfig(name), log_dir=directory, quiet=True) as tracker:
    print("started", flush=True)
    sys.stdin.readline()
    ends = time.monotonic() + seconds
    iteration = 0
    while time.monotonic() < ends:
        time.sleep(gaps.uniform(0.02, 0.18))
        logged.append((iteration, time.monotonic()))
        tracker.log_metrics(
            iteration, train_loss=9 - iteration / 1000, tokens_per_sec=121_000.0, iter_time_ms=99.0
        )
        iteration += 1
for iteration, moment in logged:
    print(iteration, repr(moment))
"""


class LiveRun:
    """A context manager; the run logs for so many seconds from ``begin`` on.

    Its loss is 9 less a thousandth of the iteration.
    """

    def __init__(self, directory: Path, name: str, seconds: float, random: Random) -> None:
        seed = random.randrange(1000)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(directory), name, str(seconds), str(seed)],
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        if self._output.readline() != "started\n":
            raise RuntimeError("the live run did not start")

    def begin(self) -> None:
        """Let it log; until then it has only made its file."""
        self._input.write("\n")
        self._input.flush()

    def lives(self) -> bool:
        """Whether it still logs."""
        return self._process.poll() is None

    def logged(self) -> list[tuple[int, float]]:
        """Each iteration and the moment of ``time.monotonic`` before it was logged."""
        rows = (line.split() for line in self._output)
        return [(int(iteration), float(moment)) for iteration, moment in rows]

    def __enter__(self) -> LiveRun:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.wait()
        self._input.close()
        self._output.close()
