"""What a step of a training loop takes while the disk blocks, refuses, or works: as a ratio.

    python -m tests.faults.blocked_disk

A step is about a millisecond of numpy's work and one log call. Steps that log and steps that do not
take turns, twenty at a time, and the ratio is that of their medians: so whatever else the machine
does hits both. The write blocks in ``os.pwrite``; the full disk is a small tmpfs.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from tests.runs import OpenedRun

from traintop import ExperimentConfig, ExperimentTracker

_NUMBERS = 100_000
_TURN = 20


class BlockedDisk:
    """Writes that do not return within the block, as on a file server that went away."""

    def __init__(self) -> None:
        self._pwrite = os.pwrite
        self._lifted = threading.Event()
        self.blocks = threading.Event()
        """Set when a write is waiting."""

    def __enter__(self) -> Self:
        os.pwrite = self._write  # type: ignore[assignment]
        return self

    def __exit__(self, *exception: object) -> None:
        os.pwrite = self._pwrite
        self._lifted.set()

    def _write(self, *arguments: object) -> int:
        if not self._lifted.is_set():
            self.blocks.set()
            self._lifted.wait()
        return self._pwrite(*arguments)  # type: ignore[arg-type]


class _Steps(NamedTuple):
    """The seconds of each step."""

    logging: list[float]
    silent: list[float]


def _loop(seconds: float, tracker: ExperimentTracker) -> _Steps:
    numbers = np.random.default_rng(1).normal(size=_NUMBERS)
    steps, ends = _Steps([], []), time.monotonic() + seconds
    while time.monotonic() < ends:
        for _ in range(_TURN):
            started = time.perf_counter()
            np.sin(numbers)
            tracker.log_metrics(len(steps.logging), 1.0, 1e-3, 1000.0, 1.0, grad_norm=0.5)
            steps.logging.append(time.perf_counter() - started)
        for _ in range(_TURN):
            started = time.perf_counter()
            np.sin(numbers)
            steps.silent.append(time.perf_counter() - started)
    return steps


class _Disks:
    """The kinds of disk. Afterwards every record must be in the file, whatever the disk did."""

    def __init__(self, directory: Path, full: Path) -> None:
        self._directory, self._full = directory, full

    def good(self, seconds: float) -> _Steps:
        tracker = self._started(self._directory)
        return self._finished(tracker, _loop(seconds, tracker))

    def blocked(self, seconds: float) -> _Steps:
        tracker = self._started(self._directory)
        with BlockedDisk():
            steps = _loop(seconds, tracker)
        return self._finished(tracker, steps)

    def full(self, seconds: float) -> _Steps:
        tracker = self._started(self._full)
        filler = self._full / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        steps = _loop(seconds, tracker)
        filler.unlink()
        return self._finished(tracker, steps)

    def _started(self, directory: Path) -> ExperimentTracker:
        tracker = ExperimentTracker(ExperimentConfig(experiment_name="x"), directory, quiet=True)
        tracker.start()
        return tracker

    def _finished(self, tracker: ExperimentTracker, steps: _Steps) -> _Steps:
        tracker.finish()
        assert len(OpenedRun(tracker.path).history()) == len(steps.logging), "a record is missing"
        return steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="of each blockade")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        full = Path(name) / "full"
        full.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", full]
        can_mount = subprocess.run(command, capture_output=True, check=False).returncode == 0
        disks = _Disks(Path(name) / "logs", full)
        kinds = {"a good disk": disks.good, "a blocked disk": disks.blocked}
        if can_mount:
            kinds["a full disk"] = disks.full
        try:
            for kind, loop in kinds.items():
                steps = loop(arguments.seconds)
                logging_, silent = map(statistics.median, steps)
                print(
                    f"{kind}, {arguments.seconds:g} s: median step {silent * 1e3:.3f} ms without "
                    f"a log call, {logging_ / silent:.3f} x that with one "
                    f"({len(steps.logging):,} steps each; no record is missing)"
                )
        finally:
            subprocess.run(["umount", "--lazy", full], capture_output=True, check=False)


if __name__ == "__main__":
    main()
