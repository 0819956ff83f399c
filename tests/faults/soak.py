"""Many writers for a long time, every record accounted for at the end by count and checksum.

python -m tests.faults.soak --minutes 20 [--ui]
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyte
from tests.benchmarks.measuring import resident_bytes, running_seconds
from tests.benchmarks.pseudo_terminal import COLUMNS, LINES, PseudoTerminal
from tests.runs import OpenedRun

from traintop import RunStatus
from traintop.analysis.chart_names import charts_of, shown_charts
from traintop.charts.curves import ChartMaker, ChartOptions, PlottedRun

WRITERS = 32
RECORDS_PER_SECOND = 20

OLD = "the UI, a finished run selected"
LIVE = "the UI, a live run selected"
ONE_WRITER = "one writer"

_OLD_RECORDS = 5000
_SAMPLE_SECONDS = 2.0
_SAMPLES_BETWEEN_WORDS = 30
_TURN_SECONDS = 0.1

_WRITER = """
import random, sys, time, zlib
from array import array
from traintop import ExperimentConfig, ExperimentTracker

directory, name, count, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
values, checksum = random.Random(name), 0
config = ExperimentConfig(experiment_name=name, max_iters=count)
with ExperimentTracker(config, directory, quiet=True) as tracker:
    due = time.monotonic()
    for i in range(count):
        loss = values.gauss(3.0, 1.0)
        checksum = zlib.crc32(array("d", [loss]).tobytes(), checksum)
        tracker.log_metrics(i, loss, 1e-3, 120_000.0, pause * 1000, grad_norm=-loss)
        tracker.increment_gradient_step()
        due += pause
        time.sleep(max(due - time.monotonic(), 0.0))
print(count, checksum)
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
            name: subprocess.Popen(
                _writing(directory, name, count, 1 / per_second), stdout=subprocess.PIPE, text=True
            )
            for name in (f"soak_{number:02}" for number in range(writers))
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
    def is_over(self) -> bool:
        """Whether every writer has logged all."""
        return all(process.poll() is not None for process in self._writers.values())

    @property
    def runs(self) -> list[OpenedRun]:
        """The runs that are in the files."""
        return [OpenedRun(path) for path in self._directory.glob("experiment_soak_*.json")]

    def watch(
        self, terminals: Mapping[str, PseudoTerminal], *, report: bool = False
    ) -> dict[str, list[Sample]]:
        """What UIs and a writer use until all is logged; printed each minute with ``report``."""
        watched = {name: terminal.pid for name, terminal in terminals.items()}
        watched[ONE_WRITER] = next(iter(self._writers.values())).pid
        samples: dict[str, list[Sample]] = {name: [] for name in watched}
        for number in itertools.count(1):
            if self.is_over:
                break
            _listen(terminals.values(), _SAMPLE_SECONDS)
            for name, pid in watched.items():
                with suppress(OSError, StopIteration):  # it has ended
                    samples[name].append(_sample(pid))
            if report and number % _SAMPLES_BETWEEN_WORDS == 0:
                print(*(_reading(*each) for each in samples.items()), sep=", ", flush=True)
        return samples

    def account(self) -> int:
        """The records of all runs. Raises ``AssertionError`` when one is missing or wrong."""
        claimed = {}
        for name, process in self._writers.items():
            output, _ = process.communicate()
            assert process.returncode == 0, f"the writer of {name} failed"
            claimed[name] = tuple(map(int, output.split()))
        runs = self.runs
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


def _writing(directory: Path, name: str, count: int, pause: float) -> list[str]:
    return [sys.executable, "-c", _WRITER, str(directory), name, str(count), str(pause)]


def write_old_run(directory: Path) -> None:
    """A finished run."""
    writing = _writing(directory, "old_run", _OLD_RECORDS, 0.0)
    subprocess.run(writing, check=True, stdout=subprocess.DEVNULL)


def open_ui(directory: Path) -> PseudoTerminal:
    """The UI over a directory; its cursor stays on the run that is there already, if any."""
    return PseudoTerminal("-m", "traintop", str(directory))


def wait_for_old_run(terminal: PseudoTerminal) -> None:
    """Wait until the old run, the only one so far, has the cursor."""
    terminal.listen_until(_shows(terminal, r"old_run  finished"))


def select_live_run(terminal: PseudoTerminal) -> None:
    """Move the cursor to the newest run, once there is a live one, and wait for its charts."""
    terminal.listen_until(_shows(terminal, r"soak_"))
    terminal.press("g")
    terminal.listen_until(_shows(terminal, r"soak_\d+  running"))
    terminal.listen_until(_shows(terminal, r"tokens/s   last"))


def wait_for_end(terminal: PseudoTerminal) -> None:
    """Wait until the selected live run is seen to have finished."""
    terminal.listen_until(_shows(terminal, r"soak_\d+  finished"))


def _shows(terminal: PseudoTerminal, pattern: str) -> Callable[[], bool]:
    """Whether a row of the screen has a text, as a person sees it."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    fed = 0

    def holds() -> bool:
        nonlocal fed
        for chunk in terminal.chunks[fed:]:
            stream.feed(chunk.data)
        fed = len(terminal.chunks)
        return any(re.search(pattern, row) for row in screen.display)

    return holds


def grown_bytes(samples: Sequence[Sample]) -> int:
    """By how much memory grew in the second half of the time, when the caches are full."""
    warm = _second_half(samples)
    return warm[-1].resident_bytes - warm[0].resident_bytes


def slope_per_minute(samples: Sequence[Sample]) -> float:
    """By how many bytes a minute memory grows in the second half of the time."""
    warm = _second_half(samples)
    moments = [sample.moment for sample in warm]
    slope, _ = np.polyfit(moments, [sample.resident_bytes for sample in warm], 1)
    return float(slope) * 60


def _second_half(samples: Sequence[Sample]) -> list[Sample]:
    middle = (samples[0].moment + samples[-1].moment) / 2
    return [sample for sample in samples if sample.moment >= middle]


def cpu_share(samples: Sequence[Sample]) -> float:
    """The share of one core that a process took."""
    first, last = samples[0], samples[-1]
    return (last.cpu_seconds - first.cpu_seconds) / (last.moment - first.moment)


def charted_bytes(run: OpenedRun) -> int:
    """What the records of a run and the curves over them take in memory, each array once."""
    history, maker = run.history(), ChartMaker()
    charted = [PlottedRun(run.summary().id, 1, "", 0, None, history)]
    specs = [
        maker.chart(chart, charted, ChartOptions())
        for chart in shown_charts(charts_of([history.metrics]), ())
    ]
    curves = [array for spec in specs for one in spec.series for array in one.measured]
    arrays = [*history.columns.values(), *curves]
    return sum({array.ctypes.data: array.nbytes for array in arrays}.values())


def _sample(pid: int) -> Sample:
    return Sample(time.monotonic(), resident_bytes(pid), running_seconds(pid))


def _listen(terminals: Collection[PseudoTerminal], seconds: float) -> None:
    """Take what the terminals are sent, in turns short enough that none of them waits."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for terminal in terminals:
            terminal.listen(_TURN_SECONDS)
        if not terminals:
            time.sleep(seconds)


def _reading(name: str, samples: Sequence[Sample]) -> str:
    return f"{name}: {samples[-1].resident_bytes / 1e6:.2f} MB"


def _figures(name: str, samples: Sequence[Sample]) -> str:
    return (
        f"{name}: {samples[-1].resident_bytes / 1e6:.1f} MB at the end, "
        f"{slope_per_minute(samples) / 1e3:+.1f} kB a minute in the second half, "
        f"{cpu_share(samples):.2%} of a core"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--writers", type=int, default=WRITERS)
    parser.add_argument(
        "--ui", action="store_true", help="keep two UIs open, one on a finished, one on a live run"
    )
    arguments = parser.parse_args()
    count = int(arguments.minutes * 60 * RECORDS_PER_SECOND)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        directory, terminals = folder / "logs", {}
        if arguments.ui:
            write_old_run(directory)
            terminals = {name: stack.enter_context(open_ui(directory)) for name in (OLD, LIVE)}
            wait_for_old_run(terminals[OLD])
        soak = stack.enter_context(Soak(directory, arguments.writers, count, RECORDS_PER_SECOND))
        if arguments.ui:
            select_live_run(terminals[LIVE])
        samples = soak.watch(terminals, report=True)
        print(
            f"{arguments.writers} writers at {RECORDS_PER_SECOND} records/s for "
            f"{arguments.minutes:g} minutes: all {soak.account():,} records are there, "
            "by count and checksum"
        )
        for name, each in samples.items():
            print(_figures(name, each))
        per_minute = charted_bytes(soak.runs[0]) / arguments.minutes
        print(f"the records and curves of one live run: {per_minute / 1e3:+.1f} kB a minute")


if __name__ == "__main__":
    main()
