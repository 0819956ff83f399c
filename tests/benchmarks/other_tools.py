"""What it costs to read runs that other tools wrote, beside their own readers."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.measuring import (
    Floor,
    Line,
    Scale,
    child_environment,
    interleaved,
    seconds_of,
)
from tests.benchmarks.reading import longest_wait
from tests.event_files import write_events

from traintop.store.catalog import RunCatalog
from traintop.store.formats import run_formats

_TAGS = ("train/loss", "train/lr", "train/grad_norm", "perf/tokens_per_second", "val/loss")
_EVENTS_OF_USUAL_RUN = 20_000
_SAMPLE_POINTS = 400
_SHARE_OF_LONG_RUN = 5  # TensorBoard's own reader would take minutes for all of it

_EVENT_ACCUMULATOR = """
import sys, time
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
started = time.perf_counter()
EventAccumulator(sys.argv[1], size_guidance={"scalars": 0}).Reload()
print(time.perf_counter() - started)
"""


def measure(scale: Scale, directory: Path) -> Iterator[Line]:
    """The lines of this family."""
    cache = directory / "cache"
    os.environ["XDG_CACHE_HOME"] = str(cache)
    usual = _write_run(directory / "usual" / "0", _EVENTS_OF_USUAL_RUN)
    events = scale.long_run // _SHARE_OF_LONG_RUN
    yield from _one_run(scale, _write_run(directory / "long", events), events, cache)
    count = scale.many_runs // 50
    for number in range(1, count):
        shutil.copytree(usual, usual.with_name(str(number)))
    yield _opening_again(scale, usual.parent, count)
    del os.environ["XDG_CACHE_HOME"]


def _write_run(directory: Path, events: int) -> Path:
    steps = range(events // len(_TAGS))
    write_events(directory, {tag: [(step, 1.0 / (step + 1)) for step in steps] for tag in _TAGS})
    return directory


def _one_run(scale: Scale, run: Path, events: int, cache: Path) -> Iterator[Line]:
    catalog = RunCatalog([run])
    run_id = catalog.refresh().runs[0].id
    first, theirs = interleaved(
        min(scale.rounds, 3),
        lambda: _seconds_of_first_look(run, cache),
        lambda: _seconds_of_event_accumulator(run),
    )
    yield Line(
        f"summary of {events:,} scalar events of TensorBoard, read for the first time",
        first,
        "s",
        "≥ 200,000 events/s",
        events / 200_000,
        (Floor("TensorBoard's EventAccumulator", theirs),) if theirs else (),
        f"{events / first:,.0f} events/s, with all checksums; five tags.",
    )
    sample, wait = interleaved(
        min(scale.rounds, 3),
        lambda: seconds_of(lambda: catalog.reader(run_id).sample(_SAMPLE_POINTS)),
        lambda: longest_wait(lambda: catalog.reader(run_id).history()),
    )
    yield Line("first sample of these", sample, "s", "≤ 0.1 s", 0.1)
    yield Line(
        "longest wait of another thread while all of them are read", wait, "s", "≤ 50 ms", 0.05
    )


def _seconds_of_first_look(directory: Path, cache: Path) -> float:
    shutil.rmtree(cache, ignore_errors=True)
    run_formats.cache_clear()  # which remember what they read in this process
    return seconds_of(RunCatalog([directory]).refresh)


def _opening_again(scale: Scale, runs: Path, count: int) -> Line:
    first = seconds_of(RunCatalog([runs]).refresh)
    run_formats.cache_clear()
    [again] = interleaved(scale.rounds, lambda: seconds_of(RunCatalog([runs]).refresh))
    return Line(
        f"{count} runs of {_EVENTS_OF_USUAL_RUN:,} events, opened again",
        again,
        "s",
        "≤ 1 s",
        1.0,
        (Floor("opened for the first time", first),),
        "Their summaries are kept in the user's cache folder.",
    )


def _seconds_of_event_accumulator(run: Path) -> float:
    """0 where TensorBoard is not installed."""
    if importlib.util.find_spec("tensorboard") is None:
        return 0.0
    done = subprocess.run(
        [sys.executable, "-c", _EVENT_ACCUMULATOR, str(run)],
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return float(done.stdout)
