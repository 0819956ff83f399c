"""What the read side costs: listing many runs, and opening one that is very long."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks.measuring import (
    Floor,
    Line,
    Scale,
    child_environment,
    interleaved,
    seconds_of,
)
from tests.runs import OpenedRun

from traintop.store.catalog import RunCatalog

_END_BYTES = 4096
_SAMPLE_POINTS = 400
_SAMPLED_BYTES = 2048
_TICK = 0.001

_JSON_LOAD = """
import json, sys, time
started = time.perf_counter()
with open(sys.argv[1]) as file:
    json.load(file)
print(time.perf_counter() - started)
"""


def measure(scale: Scale, runs: Path, more_runs: Path, long_run: Path) -> Iterator[Line]:
    """The lines of this family; ``more_runs`` holds ten times as many as ``runs``, or so."""
    gc.disable()  # as the program does until it has listed all runs
    yield from _summaries(scale, runs, 5)
    yield from _summaries(scale, more_runs, 6)
    gc.enable()
    yield from _one_long_run(scale, long_run)


def _summaries(scale: Scale, directory: Path, times: int) -> Iterator[Line]:
    settled = RunCatalog([directory])
    count = len(settled.refresh().runs)
    ours, raw, again, scanned = interleaved(
        scale.rounds,
        lambda: seconds_of(RunCatalog([directory]).refresh),
        lambda: seconds_of(lambda: _read_ends_of_all(directory)),
        lambda: seconds_of(settled.refresh),
        lambda: seconds_of(lambda: _stat_all(directory)),
    )
    yield Line(
        f"summaries of {count:,} runs x 1,000 records, warm cache",
        ours,
        "s",
        f"≤ {times} x the floor",
        times * raw,
        (Floor("scandir, stat, and two preads of each", raw),),
        "The first look at a directory. What it costs beyond the floor is decoding.",
    )
    yield Line(
        f"a second look at {count:,} unchanged runs",
        again,
        "s",
        floors=(Floor("scandir and stat", scanned),),
        reading="No file is opened. The watcher does this every two seconds.",
    )


def _read_ends_of_all(directory: Path) -> int:
    total = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            size = entry.stat().st_size
            descriptor = os.open(entry.path, os.O_RDONLY)
            total += len(os.pread(descriptor, _END_BYTES, 0))
            total += len(os.pread(descriptor, _END_BYTES, max(size - _END_BYTES, 0)))
            os.close(descriptor)
    return total


def _stat_all(directory: Path) -> int:
    with os.scandir(directory) as entries:
        return sum(entry.stat().st_size for entry in entries)


def _one_long_run(scale: Scale, path: Path) -> Iterator[Line]:
    records = len(OpenedRun(path).history())
    size = path.stat().st_size
    sample, raw_sample = interleaved(
        scale.rounds,
        lambda: seconds_of(lambda: OpenedRun(path).sample(_SAMPLE_POINTS)),
        lambda: seconds_of(lambda: _read_places(path)),
    )
    yield Line(
        f"first sample of a run of {records:,} records",
        sample,
        "s",
        "≤ 0.05 s",
        0.05,
        (Floor(f"{_SAMPLE_POINTS} raw preads of 2 KiB", raw_sample),),
        f"{_SAMPLE_POINTS} places of a file of {size / 1e6:.0f} MB, several records at each.",
    )
    whole, raw_whole = interleaved(
        min(scale.rounds, 3),
        lambda: seconds_of(lambda: OpenedRun(path).history()),
        lambda: seconds_of(lambda: _read_whole(path)),
    )
    yield Line(
        f"full history of {records:,} records",
        whole,
        "s",
        "≤ 2 s",
        2.0 * records / 1_000_000,
        (Floor("read the bytes", raw_whole), Floor("json.load", _json_load_seconds(path))),
        "Into float64 columns, in a worker thread; once, and then only what is new.",
    )
    gap, quiet_gap = interleaved(
        min(scale.rounds, 3),
        lambda: longest_wait(lambda: OpenedRun(path).history()),
        lambda: longest_wait(lambda: time.sleep(whole)),
    )
    yield Line(
        "longest wait of another thread meanwhile",
        gap,
        "s",
        "≤ 50 ms",
        0.050,
        (Floor("while nothing is read", quiet_gap),),
        "A thread that wakes each millisecond, as the UI's would for a key, beside the reading.",
    )


def _read_places(path: Path) -> int:
    size = path.stat().st_size
    descriptor = os.open(path, os.O_RDONLY)
    step = size // _SAMPLE_POINTS
    total = sum(
        len(os.pread(descriptor, _SAMPLED_BYTES, place * step)) for place in range(_SAMPLE_POINTS)
    )
    os.close(descriptor)
    return total


def _read_whole(path: Path) -> int:
    total = 0
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(256 * 1024):
            total += len(chunk)
    return total


def _json_load_seconds(path: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _JSON_LOAD, str(path)],
        env=child_environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)


def longest_wait(work: Callable[[], object]) -> float:
    """The longest time by which a short sleep of this thread was late while another worked."""
    worker = threading.Thread(target=work)
    worker.start()
    longest = 0.0
    while worker.is_alive():
        started = time.perf_counter()
        time.sleep(_TICK)
        longest = max(longest, time.perf_counter() - started - _TICK)
    worker.join()
    return longest
