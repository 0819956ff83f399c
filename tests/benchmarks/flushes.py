"""One flush, whatever the length of the run; how soon it is on disk; what memory it takes."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from time import perf_counter

from tests.benchmarks.generated_runs import head_of, record, record_lines, tail_of
from tests.benchmarks.live_run import LiveRun
from tests.benchmarks.measuring import (
    Floor,
    Line,
    Scale,
    child_environment,
    interleaved,
    percentile,
)

from traintop.logfile import SEPARATOR
from traintop.tracking.run_clock import RunClock
from traintop.tracking.run_file import RunFile
from traintop.tracking.writer import RunWriter

_CALLS_PER_FLUSH = 10
_FLUSHES = 100
_WARM_UP_RECORDS = 1000
_POLL_SECONDS = 0.001
_END_BYTES = 8192

_LASTING = """
import sys
import os
from tests.benchmarks.measuring import resident_bytes
from traintop import ExperimentConfig, ExperimentTracker

tracker = ExperimentTracker(ExperimentConfig("lasting"), log_dir=sys.argv[1], quiet=True)
print(resident_bytes(os.getpid()))
tracker.start()
done = 0
for count in (10_000, int(sys.argv[2])):
    for iteration in range(done, count):
        tracker.log_metrics(
            iteration=iteration,
            train_loss=2.5 + iteration % 97,
            learning_rate=6e-4,
            tokens_per_sec=121_000.0,
            iter_time_ms=135.0,
        )
        tracker.increment_gradient_step()
        if iteration % 5000 == 0:
            tracker.save()  # a loop that logs as fast as it can would fill the queue as well
    done = count
    tracker.save()
    print(resident_bytes(os.getpid()))
tracker.finish()
"""


def measure(scale: Scale, directory: Path) -> Iterator[Line]:
    """The lines of this family."""
    yield from _flushes(scale, directory)
    yield _until_on_disk(scale, directory)
    yield _memory(scale, directory)


class _Flushing:
    """A run of a given length that is flushed by hand, and a copy that is written raw."""

    def __init__(self, directory: Path, count: int) -> None:
        self._file = _long_run(directory, f"flushed_{count}", count)
        self._raw = _long_run(directory, f"raw_{count}", count)
        self._descriptor = os.open(self._raw.path, os.O_WRONLY)
        self._writer = RunWriter(RunClock(), lambda _tail: self._file, lambda: 0, [])
        self._iteration = count
        self._flush(_WARM_UP_RECORDS)
        self._before = self._file.path.stat().st_size

    def _flush(self, calls: int) -> float:
        for _ in range(calls):
            values = record(self._iteration)
            self._writer.pending.append(
                (
                    self._iteration,
                    self._iteration,
                    time.monotonic(),
                    values.train_loss,
                    None,
                    values.learning_rate,
                    values.tokens_per_sec,
                    values.iter_time_ms,
                    {},
                )
            )
            self._iteration += 1
        started = perf_counter()
        self._writer.run_once()
        return perf_counter() - started

    def flush(self) -> float:
        """Seconds of one turn of the writer: convert the calls, encode, write."""
        return statistics.median(self._flush(_CALLS_PER_FLUSH) for _ in range(_FLUSHES))

    def write(self) -> float:
        """Seconds of a positioned write of as many bytes."""
        position = self._raw.path.stat().st_size
        block = b"x" * (2400 + _CALLS_PER_FLUSH * 200)
        seconds = []
        for _ in range(_FLUSHES):
            started = perf_counter()
            os.pwrite(self._descriptor, block, position)
            seconds.append(perf_counter() - started)
            position += _CALLS_PER_FLUSH * 200
        return statistics.median(seconds)

    def close(self) -> None:
        os.close(self._descriptor)
        for file in (self._file, self._raw):
            file.close()
            file.path.unlink()


def _long_run(directory: Path, name: str, count: int) -> RunFile:
    """A file with so many records, open at its end."""
    start = datetime.now()
    tail = tail_of(count, start)
    file = RunFile.create(directory, f"experiment_{name}", head_of(name, start), tail)
    for chunk in record_lines(count):
        file.write([chunk.removeprefix(SEPARATOR)], tail)
    return file


def _flushes(scale: Scale, directory: Path) -> Iterator[Line]:
    lengths = (1000, scale.long_run // 10, scale.long_run)
    runs = [_Flushing(directory, count) for count in lengths]
    figures = interleaved(scale.rounds, *(act for run in runs for act in (run.flush, run.write)))
    for run in runs:
        run.close()
    shortest = figures[0]
    for count, ours, raw in zip(lengths, figures[::2], figures[1::2], strict=True):
        yield Line(
            f"flush of {_CALLS_PER_FLUSH} new records after {count:,}",
            ours,
            "s",
            "" if count == lengths[0] else "O(1): ≤ 1.5 x the first",
            None if count == lengths[0] else 1.5 * shortest,
            (Floor("raw pwrite of as many bytes", raw),),
            "In the writer's thread: statistics, encoding, and one `pwrite` (counted by "
            "`tests/unit/test_costs.py`).",
        )


def _until_on_disk(scale: Scale, directory: Path) -> Line:
    delays: list[float] = []
    with LiveRun(directory, "polled", scale.live_seconds / 4, random.Random(1)) as run:
        [path] = directory.glob("experiment_polled_*.json")
        run.begin()
        seen: list[tuple[float, int]] = []
        with closing(open(path, "rb", buffering=0)) as file:
            while run.lives():
                seen.append((time.monotonic(), _last_iteration(file.fileno())))
                time.sleep(_POLL_SECONDS)
        for iteration, logged_at in run.logged():
            seen_at = next((moment for moment, last in seen if last >= iteration), None)
            if seen_at is not None:
                delays.append(seen_at - logged_at)
    return Line(
        "from `log_metrics` until another process can read it, longest",
        max(delays),
        "s",
        "≤ 0.5 s",
        0.5,
        reading=f"{len(delays)} records logged at random moments; median "
        f"{percentile(delays, 0.5):.2f} s. The writer flushes four times a second.",
    )


def _last_iteration(descriptor: int) -> int:
    """The iteration of the last record, from the end of the file."""
    size = os.fstat(descriptor).st_size
    end = os.pread(descriptor, _END_BYTES, max(size - _END_BYTES, 0))
    _, found, last = end.rpartition(b'"last":{"iteration":')
    return int(last.partition(b",")[0]) if found else -1


def _memory(scale: Scale, directory: Path) -> Line:
    done = subprocess.run(
        [sys.executable, "-c", _LASTING, str(directory), str(scale.lasting_run)],
        env=child_environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    before, early, late = map(int, done.stdout.split())
    return Line(
        f"memory of a process that logged {scale.lasting_run:,} records",
        late,
        "B",
        "O(1): ≤ 1.1 x after 10,000",
        1.1 * early,
        (Floor("after 10,000", early), Floor("before start()", before)),
        "Resident memory of a whole Python process, saved every 5,000 records.",
    )
