"""Many writers for a long time, every record accounted for at the end by count and checksum.

python -m tests.faults.soak --minutes 20 [--ui]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from traintop import RunStatus
from traintop.store.run import Run

WRITERS = 32
RECORDS_PER_SECOND = 20

_SAMPLE_SECONDS = 5.0
_WARM_UP_SHARE = 0.2  # of the time, in which memory may still grow

_WRITER = """
import random, sys, time, zlib
from array import array
from traintop import ExperimentConfig, ExperimentTracker

directory, name, count, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
values, logged = random.Random(name), array("d")
config = ExperimentConfig(experiment_name=name, max_iters=count)
with ExperimentTracker(config, directory, quiet=True) as tracker:
    due = time.monotonic()
    for i in range(count):
        loss = values.gauss(3.0, 1.0)
        logged.append(loss)
        tracker.log_metrics(i, loss, 1e-3, 120_000.0, pause * 1000, grad_norm=-loss)
        tracker.increment_gradient_step()
        due += pause
        time.sleep(max(due - time.monotonic(), 0.0))
print(len(logged), zlib.crc32(logged.tobytes()))
"""


class Sample(NamedTuple):
    """How much one process had used at one moment."""

    moment: float
    resident_bytes: int
    cpu_seconds: float


class Soak:
    """Writers that each log so many records; a context manager that ends them whatever happens."""

    def __init__(self, directory: Path, writers: int, count: int, per_second: float) -> None:
        self._directory = directory
        self._writers = {
            f"soak_{number:02}": subprocess.Popen(
                [
                    *(sys.executable, "-c", _WRITER, str(directory)),
                    *(f"soak_{number:02}", str(count), str(1 / per_second)),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(writers)
        }

    def __enter__(self) -> Soak:
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._writers.values():
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    @property
    def pids(self) -> list[int]:
        """The writers' processes."""
        return [process.pid for process in self._writers.values()]

    @property
    def is_over(self) -> bool:
        """Whether every writer has logged all."""
        return all(process.poll() is not None for process in self._writers.values())

    def account(self) -> int:
        """The records of all runs. Raises ``AssertionError`` when one is missing or wrong."""
        claimed = {}
        for name, process in self._writers.items():
            output, _ = process.communicate()
            assert process.returncode == 0, f"the writer of {name} failed"
            claimed[name] = tuple(map(int, output.split()))
        runs = [Run(path) for path in self._directory.glob("experiment_*.json")]
        assert sorted(run.summary().name for run in runs) == sorted(claimed)
        total = 0
        for run in runs:
            summary, columns = run.summary(), run.history().columns
            losses = np.ascontiguousarray(columns["train_loss"])
            found = (len(losses), zlib.crc32(losses.tobytes()))
            assert found == claimed[summary.name], f"{summary.name}: {found} is in the file"
            assert np.array_equal(columns["grad_norm"], -losses)
            assert (summary.count, summary.status) == (found[0], RunStatus.FINISHED)
            total += found[0]
        return total


def slope_per_minute(samples: Sequence[Sample]) -> float:
    """By how many bytes memory grows in a minute, once the process is warm."""
    begun, ended = samples[0].moment, samples[-1].moment
    warm = [s for s in samples if s.moment >= begun + _WARM_UP_SHARE * (ended - begun)]
    moments = [sample.moment for sample in warm]
    slope, _ = np.polyfit(moments, [sample.resident_bytes for sample in warm], 1)
    return float(slope) * 60


def cpu_share(samples: Sequence[Sample]) -> float:
    """The share of one core that a process took."""
    first, last = samples[0], samples[-1]
    return (last.cpu_seconds - first.cpu_seconds) / (last.moment - first.moment)


def _sample(pid: int) -> Sample:
    from tests.benchmarks.measuring import resident_bytes, running_seconds

    return Sample(time.monotonic(), resident_bytes(pid), running_seconds(pid))


def _figures(name: str, samples: Sequence[Sample]) -> str:
    return (
        f"{name}: {samples[-1].resident_bytes / 1e6:.1f} MB at the end, "
        f"{slope_per_minute(samples) / 1e3:+.1f} kB a minute, {cpu_share(samples):.2%} of a core"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--writers", type=int, default=WRITERS)
    parser.add_argument("--ui", action="store_true", help="keep the UI open meanwhile")
    arguments = parser.parse_args()
    count = int(arguments.minutes * 60 * RECORDS_PER_SECOND)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pause: Callable[[float], object] = time.sleep
        watched: dict[str, int] = {}
        if arguments.ui:
            from tests.benchmarks.pseudo_terminal import PseudoTerminal

            terminal = stack.enter_context(PseudoTerminal("-m", "traintop", str(directory)))
            pause, watched["the UI"] = terminal.listen, terminal.pid
        soak = stack.enter_context(Soak(directory, arguments.writers, count, RECORDS_PER_SECOND))
        watched["one writer"] = soak.pids[0]
        samples: dict[str, list[Sample]] = {name: [] for name in watched}
        while not soak.is_over:
            pause(_SAMPLE_SECONDS)
            for name, pid in watched.items():
                with suppress(OSError, StopIteration):  # it has ended
                    samples[name].append(_sample(pid))
        print(
            f"{arguments.writers} writers at {RECORDS_PER_SECOND} records/s for "
            f"{arguments.minutes:g} minutes: all {soak.account():,} records are there, "
            "by count and checksum"
        )
        for name in watched:
            print(_figures(name, samples[name]))


if __name__ == "__main__":
    main()
