"""Kill -9 of writers at random moments: what was flushed is read back, and goes on when resumed.

    python -m tests.faults.kills --kills 200

The victims report through a pipe which record each completed flush ended with; so what must be
there after the kill is known exactly, however fast the machine is.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
from tests.runs import OpenedRun

from traintop import ExperimentTracker, RunStatus
from traintop.store.catalog import RunCatalog
from traintop.store.liveness import HEARTBEAT_TIMEOUT

TOGETHER = 8
"""Writers that are killed at once in a part of the kills."""

PACES = {
    "training": "a record each millisecond",
    "full speed": "a tight loop",
    "slow disk": "a record each millisecond, 4 KiB taken each 25 ms",
}
"""How the victims log. On the slow disk, half of the kills strike in the middle of a flush."""

_EVENT = struct.Struct("<cqd")  # what happened, the iteration, and when by time.monotonic
_LONGEST_LIFE = 0.6  # seconds between the first flush and the kill
_CRASH_TIMEOUT = 60.0

_VICTIM = """
import os, struct, sys, time
from traintop import ExperimentConfig, ExperimentTracker
from traintop.tracking import writer

event = struct.Struct("<cqd").pack
write = writer.RunFile.write

def write_and_report(self, lines, tail):
    write(self, lines, tail)
    if tail.newest is not None:
        os.write(1, event(b"F", tail.newest.iteration, time.monotonic()))

writer.RunFile.write = write_and_report
pwrite, pause = os.pwrite, 0.0 if sys.argv[2] == "full speed" else 0.001

def write_slowly(descriptor, data, offset):
    time.sleep(0.025)
    return pwrite(descriptor, data[:4096], offset)

if sys.argv[2] == "slow disk":
    os.pwrite = write_slowly
tracker = ExperimentTracker(ExperimentConfig(experiment_name="victim"), sys.argv[1], quiet=True)
tracker.start()
for i in range(10**9):
    if pause or i % 100 == 0:
        os.write(1, event(b"L", i, time.monotonic()))
    tracker.log_metrics(i, i * 0.5, grad_norm=-i)
    if pause:
        time.sleep(pause)
"""


class KillResult(NamedTuple):
    """What was found after one kill."""

    pace: str
    records: int
    was_torn: bool  # whether the file was no valid JSON: the kill struck in the middle of a write
    oldest_loss: float  # age in seconds, at the kill, of the first record that was lost
    crashed_after: float  # seconds until a reader called it crashed


class Victim:
    """A writer that is going to be killed."""

    def __init__(self, directory: Path, pace: str) -> None:
        self.pace = pace
        self._directory = directory
        self._process = subprocess.Popen(
            [sys.executable, "-c", _VICTIM, str(directory), pace], stdout=subprocess.PIPE
        )
        self._received = bytearray()

    @property
    def file(self) -> Path:
        """Its run."""
        [path] = self._directory.glob("experiment_*.json")
        return path

    def read_events(self, seconds: float) -> None:
        """Read its events, at least until its first flush, and for so long after that."""
        end = time.monotonic() + seconds
        while time.monotonic() < end or b"F" not in self._kinds():
            self._receive(0.01)
            end = end if b"F" in self._kinds() else time.monotonic() + seconds

    def kill(self) -> float:
        """Kill it; returns when by ``time.monotonic``."""
        self._process.kill()
        return time.monotonic()

    def reap(self) -> list[tuple[bytes, int, float]]:
        """All it reported, after it is gone."""
        self._process.wait()
        while self._receive(0.0):
            pass
        assert self._process.stdout is not None
        self._process.stdout.close()
        return list(
            _EVENT.iter_unpack(self._received[: len(self._received) // _EVENT.size * _EVENT.size])
        )

    def _kinds(self) -> bytes:
        return bytes(self._received[:: _EVENT.size])

    def _receive(self, timeout: float) -> bool:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        if not select.select([pipe], [], [], timeout)[0]:
            return False
        data = os.read(pipe, 1 << 16)
        self._received += data
        return bool(data)


def kill_together(directory: Path, paces: Sequence[str], chance: random.Random) -> list[KillResult]:
    """Kill writers of these paces at one random moment.

    Raises ``AssertionError`` when anything is missing afterwards.
    """
    victims = [Victim(directory / f"victim_{number}", pace) for number, pace in enumerate(paces)]
    for victim in victims:
        victim.read_events(0.0)
    time_left = chance.random() * _LONGEST_LIFE
    for victim in victims:
        victim.read_events(time_left / len(victims))
    killed_at = [victim.kill() for victim in victims]
    reported = [victim.reap() for victim in victims]
    torn = [not _is_json(victim.file) for victim in victims]
    crashed_after = [
        _seconds_until_crashed(victim.file, moment)
        for victim, moment in zip(victims, killed_at, strict=True)
    ]
    found = zip(victims, killed_at, reported, torn, crashed_after, strict=True)
    return [_examined(*each) for each in found]


def _examined(
    victim: Victim,
    killed_at: float,
    reported: Sequence[tuple[bytes, int, float]],
    was_torn: bool,
    crashed_after: float,
) -> KillResult:
    flushed = [iteration for kind, iteration, _ in reported if kind == b"F"]
    logged = [(iteration, moment) for kind, iteration, moment in reported if kind == b"L"]
    path = victim.file
    last = _check_records(path)
    assert last >= flushed[-1], f"record {last} is the last one, {flushed[-1]} was flushed"
    summary = OpenedRun(path).summary()
    assert summary.count == last + 1
    assert summary.iteration == last
    assert len(OpenedRun(path).sample(16)) > 0
    _check_from_another_host(path)
    with ExperimentTracker.resume(path, quiet=True) as resumed:
        resumed.log_metrics(last + 1, (last + 1) * 0.5, grad_norm=-(last + 1))
    assert _is_json(path)
    assert _check_records(path) == last + 1
    lost = next((moment for iteration, moment in logged if iteration > last), killed_at)
    return KillResult(victim.pace, last + 1, was_torn, killed_at - lost, crashed_after)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


def _check_records(path: Path) -> int:
    """The last iteration, of records that are whole, right, and in one unbroken row."""
    columns = OpenedRun(path).history().columns
    iterations = columns["iteration"]
    assert np.array_equal(iterations, np.arange(len(iterations)))
    assert np.array_equal(columns["train_loss"], iterations * 0.5)
    assert np.array_equal(columns["grad_norm"], -iterations)
    return len(iterations) - 1


def _seconds_until_crashed(path: Path, killed_at: float) -> float:
    run = OpenedRun(path)
    while (status := run.summary().status) is not RunStatus.CRASHED:
        assert time.monotonic() - killed_at < _CRASH_TIMEOUT, f"its status is still {status}"
        time.sleep(0.01)
    return time.monotonic() - killed_at


def _check_from_another_host(path: Path) -> None:
    now = 0.0
    elsewhere = dict.fromkeys(("host", "machine", "boot", "pid_namespace"), "elsewhere")
    with mock.patch("traintop.process._machine", return_value=elsewhere):
        catalog = RunCatalog([path.parent], clock=lambda: now)
        catalog.refresh()
        now = HEARTBEAT_TIMEOUT + 1.0
        [summary] = catalog.refresh().runs
    assert summary.status is RunStatus.STALLED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    paces = itertools.cycle(PACES)
    results: list[KillResult] = []
    while len(results) < arguments.kills:
        together = TOGETHER if len(results) % 20 == 12 else 1
        with tempfile.TemporaryDirectory() as directory:
            results += kill_together(
                Path(directory), list(itertools.islice(paces, together)), chance
            )
    print(
        f"{len(results)} kills, {sum(result.was_torn for result in results)} of them in "
        f"the middle of a flush; {sum(result.records for result in results):,} records "
        "read back; none that had been flushed is missing, none is wrong, every run was resumed\n"
        f"shown as crashed after {max(result.crashed_after for result in results):.2f} s at most, "
        "and as stalled to another host\n"
        "age at the kill of the oldest record that was lost:"
    )
    for pace, meaning in PACES.items():
        losses = [result.oldest_loss for result in results if result.pace == pace]
        print(
            f"  {pace} ({meaning}): median {statistics.median(losses):.2f} s, "
            f"longest {max(losses):.2f} s"
        )


if __name__ == "__main__":
    main()
