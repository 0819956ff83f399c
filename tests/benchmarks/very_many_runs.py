"""What a year of a lab costs: very many runs in nested directories, and 64 of them live."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.measuring import (
    Floor,
    Line,
    Scale,
    child_environment,
    resident_bytes,
    running_seconds,
    seconds_of,
)
from tests.benchmarks.nested_runs import write_nested_runs
from tests.benchmarks.pseudo_terminal import PseudoTerminal, screens
from tests.benchmarks.terminal import EMPTY_APP, EMPTY_MARK

from traintop.analysis.query import filter_runs
from traintop.store.catalog import RunCatalog
from traintop.tui.view import SortOrder, ViewState, visible_rows

LIVE_RUNS = 64

_OPENED = 300.0  # seconds at most
_LOOKS = 0.2
_QUERIES = ("best_val_loss < 2.5", "max_learning_rate >= 3e-4 and seed == 7", "run-0042")
_COLUMNS = ("train_loss", "best_val_loss", "step", "name")

_WRITERS = """
import random, sys, time
from traintop import ExperimentConfig, ExperimentTracker

directory, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
trackers = [
    ExperimentTracker(ExperimentConfig(f"live-{number:02}"), directory, quiet=True)
    for number in range(count)
]
for tracker in trackers:
    tracker.start()
due = began = time.monotonic()
iteration = 0
while due < began + seconds:
    for tracker in trackers:
        tracker.log_metrics(iteration, 3.0 + random.random(), 1e-3, 120_000.0, 50.0)
    iteration += 1
    due += 0.05
    time.sleep(max(due - time.monotonic(), 0.0))
for tracker in trackers:
    tracker.finish()
"""


class _Opened(NamedTuple):
    first_rows: float  # seconds
    listed: float
    checked: float


def measure(scale: Scale, directory: Path) -> Iterator[Line]:
    """The lines of this family."""
    os.environ["XDG_CACHE_HOME"] = str(directory / "cache")
    runs, count = write_nested_runs(directory / "runs", scale.nested_runs), scale.nested_runs
    yield from _openings(scale, runs, count)
    yield from _questions(runs, count)
    with _terminal(runs) as terminal:
        _open(terminal, count)
        yield from _at_rest(scale, terminal, count)
    yield _live(scale, directory / "live", 0)
    yield _live(scale, runs, count)
    del os.environ["XDG_CACHE_HOME"]


@contextmanager
def _terminal(runs: Path) -> Iterator[PseudoTerminal]:
    # Of a home without a memory of the view.
    state = {"XDG_STATE_HOME": "/dev/null", "XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"]}
    with PseudoTerminal("-m", "traintop", str(runs), environment=state) as terminal:
        yield terminal


def _openings(scale: Scale, runs: Path, count: int) -> Iterator[Line]:
    bare = statistics.median(_seconds_to_empty() for _ in range(scale.rounds))
    with _terminal(runs) as terminal:
        first = _open(terminal, count)
    with _terminal(runs) as terminal:
        _open(terminal, count)
    later = []
    for _ in range(min(scale.rounds, 3)):
        with _terminal(runs) as terminal:
            later.append(_open(terminal, count))
    floors = (Floor("an empty Textual app", bare),)
    for what, figure in (
        ("first open", first.first_rows),
        ("a later open", statistics.median(one.first_rows for one in later)),
    ):
        yield Line(
            f"first useful frame with {count:,} nested runs, {what}",
            figure,
            "s",
            "≤ 3 x the floor",
            3 * bare,
            floors,
            "The newest of those that were found by then.",
        )
    yield Line(f"all {count:,} nested runs listed, first open", first.listed, "s", "≤ 20 s", 20.0)
    yield Line(
        f"all {count:,} nested runs listed, a later open",
        statistics.median(one.listed for one in later),
        "s",
        "≤ 2 s",
        2.0,
        reading="As an earlier start has kept them, which the header says.",
    )
    yield Line(
        f"all {count:,} nested runs looked at again, a later open",
        statistics.median(one.checked for one in later),
        "s",
        reading="Every directory is listed and every file is looked at; none is opened.",
    )


def _seconds_to_empty() -> float:
    with PseudoTerminal("-c", EMPTY_APP) as terminal:
        terminal.listen_until(lambda: EMPTY_MARK in terminal.received())
        return terminal.chunks[-1].arrived - terminal.started


def _open(terminal: PseudoTerminal, count: int) -> _Opened:
    """Listen until all runs were looked at; when the first were listed, all, and that."""
    terminal.listen_until(lambda: b"run-0" in terminal.received())
    first, listed = terminal.chunks[-1].arrived, 0.0
    ends = time.monotonic() + _OPENED
    while time.monotonic() < ends:
        terminal.listen(_LOOKS)
        for arrived, rows in screens(terminal.chunks):
            if rows[0].count(f"   {count:,}"):
                listed = listed or arrived
                if "checking" not in rows[0]:
                    since = terminal.started
                    return _Opened(first - since, listed - since, arrived - since)
    raise TimeoutError(f"{count:,} runs were never listed")


def _at_rest(scale: Scale, terminal: PseudoTerminal, count: int) -> Iterator[Line]:
    terminal.listen(20.0)  # in which it finds out what a person asks first
    before, started = running_seconds(terminal.pid), time.monotonic()
    terminal.listen(3 * scale.idle_seconds)
    busy = (running_seconds(terminal.pid) - before) / (time.monotonic() - started)
    yield Line(
        f"idle with {count:,} nested runs listed: share of a core", busy, "share", "≤ 3 %", 0.03
    )
    yield Line(
        f"memory with {count:,} nested runs listed",
        resident_bytes(terminal.pid),
        "B",
        "≤ 300 MB",
        300e6,
    )


def _questions(directory: Path, count: int) -> Iterator[Line]:
    runs, now = RunCatalog([directory]).refresh().runs, datetime.now()

    def sort(column: str) -> float:
        view = ViewState(sort=SortOrder(column))
        return seconds_of(lambda: visible_rows(runs, view, now, {}))

    def ask(query: str) -> float:
        return seconds_of(lambda: filter_runs(runs, query, now))

    for what, take, questions in (("sort", sort, _COLUMNS), ("filter", ask, _QUERIES)):
        first = [take(question) for question in questions]
        again = [take(question) for question in questions]
        yield Line(
            f"{what} {count:,} runs, the slowest of {len(questions)}",
            max(again),
            "s",
            "≤ 0.2 s",
            0.2,
            (Floor("the first time that this is asked", max(first)),),
            f"{', '.join(questions)}: what was asked of a run once is known until it changes.",
        )


def _live(scale: Scale, directory: Path, others: int) -> Line:
    seconds = scale.live_seconds + (30.0 if others else 8.0)
    folder = directory / "live"
    arguments = (str(folder), str(LIVE_RUNS), str(seconds))
    folder.mkdir(parents=True)
    with (
        subprocess.Popen([sys.executable, "-c", _WRITERS, *arguments], env=child_environment()),
        _terminal(directory) as terminal,
    ):
        terminal.listen(seconds - scale.live_seconds)
        before, started = running_seconds(terminal.pid), time.monotonic()
        terminal.listen(scale.live_seconds / 2)
        busy = (running_seconds(terminal.pid) - before) / (time.monotonic() - started)
    among = f" among {others:,} others" if others else ""
    return Line(
        f"{LIVE_RUNS} live runs at 20 records/s{among}: share of a core",
        busy,
        "share",
        "≤ 25 %",
        0.25,
    )
