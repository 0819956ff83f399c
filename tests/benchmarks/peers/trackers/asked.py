"""``python use_TOOL.py QUESTION HOME [NUMBER]``: what every tool is asked, in a new process each.

A script runs in an environment that has the tool and little else, so this needs the standard
library only. The answer is the last line that is printed, as JSON.
"""

from __future__ import annotations

import json
import random
import resource
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

Scalars = dict[str, float]

RECORDS_OF_LISTED_RUN = 20
_PAUSE = 0.001
_WARM_UP = 20


class OpenRun(NamedTuple):
    """A run that is being written."""

    log: Callable[[int, Scalars], object]
    end: Callable[[], object]


class Tool(NamedTuple):
    """What a tool can do; ``None`` where it cannot.

    ``write_runs`` and ``write_curve`` take as little time as they may, for nobody measures them:
    copies of what ``begin`` wrote, or the tool's own format written directly.
    """

    begin: Callable[[Path, str], OpenRun] | None = None
    write_runs: Callable[[Path, int], object] | None = None
    last_losses: Callable[[Path], Iterable[float | None]] | None = None
    """Of all runs below a directory."""
    write_curve: Callable[[Path, int], object] | None = None
    curve: Callable[[Path], int] | None = None
    """Reads all values of the loss of the only run; returns how many those are."""


def scalars(step: int) -> Scalars:
    """The five values of one step of a usual training."""
    return {
        "loss": loss(step),
        "grad_norm": 1.0 + step % 89 / 97,
        "learning_rate": 6e-4 / (1.0 + step * 1e-4),
        "tokens_per_sec": 121_000.0 + step % 977,
        "iter_time_ms": 135.25 + step % 13,
    }


def loss(step: int) -> float:
    """The loss of one step: nine less a thousandth of it, so that a screen tells the step."""
    return 9 - step / 1000


def log_run(tool: Tool, home: Path, name: str, count: int) -> None:
    """One run of so many records, written by the tool itself."""
    assert tool.begin
    run = tool.begin(home, name)
    for step in range(count):
        run.log(step, scalars(step))
    run.end()


def copy_rows(
    database: sqlite3.Connection, table: str, changed: Mapping[str, str], count: int
) -> None:
    """Make the rows of one run those of so many; ``changed`` are SQL expressions of ``number``."""
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(changed.get(column, f"copied.{column}") for column in columns)
    database.execute(f"CREATE TEMP TABLE copied AS SELECT * FROM {table}")
    database.execute(
        "WITH RECURSIVE numbers (number) AS"
        " (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number + 1 < ?)"
        f" INSERT INTO {table} SELECT {values} FROM numbers CROSS JOIN copied",
        [count],
    )
    database.execute("DROP TABLE copied")


def answer(tool: Tool) -> None:
    """Do what the command line says."""
    question, home, *number = sys.argv[1:]
    _QUESTIONS[question](tool, Path(home), *map(float, number))


def _calls(tool: Tool, home: Path, count: float) -> None:
    """The median of so many calls that are a millisecond apart."""
    assert tool.begin
    run = tool.begin(home, "calls")
    taken = []
    for step in range(int(count) + _WARM_UP):
        values = scalars(step)
        time.sleep(_PAUSE)
        started = time.perf_counter()
        run.log(step, values)
        taken.append(time.perf_counter() - started)
    run.end()
    _print(statistics.median(taken[_WARM_UP:]))


def _log(tool: Tool, home: Path, count: float) -> None:
    log_run(tool, home, "run", int(count))


def _train(tool: Tool, home: Path, pause: float) -> None:
    """Log until killed. Each line is a step, and the moment before it was logged."""
    assert tool.begin
    run = tool.begin(home, "live-run")
    step = 0
    while True:
        values = scalars(step)
        started = time.monotonic()
        run.log(step, values)
        print(step, repr(started), flush=True)
        step += 1
        time.sleep(random.uniform(0.5, 1.5) * pause)


def _rest(tool: Tool, home: Path) -> None:
    """Log for a while, then wait with the run open until killed."""
    assert tool.begin
    run = tool.begin(home, "resting")
    for step in range(100):
        run.log(step, scalars(step))
    _print(True)
    time.sleep(600)


def _write_runs(tool: Tool, home: Path, count: float) -> None:
    assert tool.write_runs
    tool.write_runs(home, int(count))


def _write_curve(tool: Tool, home: Path, count: float) -> None:
    assert tool.write_curve
    tool.write_curve(home, int(count))


def _table(tool: Tool, home: Path) -> None:
    """How long the last loss of all runs takes, how many runs have one, and the memory."""
    assert tool.last_losses
    started = time.perf_counter()
    losses = list(tool.last_losses(home))
    taken = time.perf_counter() - started
    _print((taken, sum(last is not None for last in losses), _peak_bytes()))


def _curve(tool: Tool, home: Path) -> None:
    """How long the loss of the only run takes, how many values it has, and the memory."""
    assert tool.curve
    started = time.perf_counter()
    found = tool.curve(home)
    _print((time.perf_counter() - started, found, _peak_bytes()))


def _peak_bytes() -> int:
    """The most memory that this process or one that it has started ever had."""
    of = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in of) * 1024


def _print(found: object) -> None:
    print(json.dumps(found), flush=True)


_QUESTIONS: dict[str, Callable[..., None]] = {
    "calls": _calls,
    "log": _log,
    "train": _train,
    "rest": _rest,
    "write-runs": _write_runs,
    "write-curve": _write_curve,
    "table": _table,
    "curve": _curve,
}
