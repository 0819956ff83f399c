"""What a benchmark measures and yields: figures beside a floor, taken in interleaved rounds."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Unit = Literal["s", "B", "B/s", "share", "count"]


@dataclass(frozen=True)
class Scale:
    """How much is measured: all of it, or what fits into a minute."""

    rounds: int
    calls_apart: int
    long_run: int
    lasting_run: int
    many_runs: int
    nested_runs: int
    idle_seconds: float
    live_seconds: float


FULL = Scale(
    rounds=5,
    calls_apart=2000,
    long_run=1_000_000,
    lasting_run=1_000_000,
    many_runs=10_000,
    nested_runs=100_000,
    idle_seconds=10.0,
    live_seconds=40.0,
)
QUICK = Scale(
    rounds=2,
    calls_apart=300,
    long_run=100_000,
    lasting_run=100_000,
    many_runs=2000,
    nested_runs=5000,
    idle_seconds=3.0,
    live_seconds=5.0,
)


@dataclass(frozen=True)
class Floor:
    """What the same thing costs at least, or costs when done the obvious way."""

    name: str
    value: float


@dataclass(frozen=True)
class Line:
    """One measured figure. ``limit`` is what the budget allows, in the figure's unit."""

    what: str
    ours: float
    unit: Unit
    budget: str = ""
    limit: float | None = None
    floors: tuple[Floor, ...] = ()
    reading: str = ""


def interleaved(rounds: int, *actions: Callable[[], float]) -> list[float]:
    """The median of each action's figures; the actions take turns, so that noise hits them all."""
    figures = [[action() for action in actions] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*figures, strict=True)]


def seconds_of(action: Callable[[], object]) -> float:
    """How long an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def child_cpu_seconds(*arguments: str) -> float:
    """User and system time of a Python process with these arguments."""
    child = subprocess.Popen([sys.executable, *arguments], env=child_environment())
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"a measured process failed: {arguments}")
    return cpu_seconds(usage)


def cpu_seconds(usage: resource.struct_rusage) -> float:
    """User and system time."""
    return usage.ru_utime + usage.ru_stime


def child_environment() -> dict[str, str]:
    """The environment of measured processes: they may keep their compiled modules."""
    dropped = ("PYTHONDONTWRITEBYTECODE", "TRAINTOP_DIR", "RANK", "TEXTUAL", "NO_COLOR", "LC_")
    dropped += ("COLUMNS", "LINES")  # pytest-xdist sets them
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, "TERM": "xterm-256color", "LANG": "C.UTF-8"}


def resident_bytes(process: int) -> int:
    """Memory of a process that is in RAM. Linux only, as all of /proc."""
    with open(f"/proc/{process}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def running_seconds(process: int) -> float:
    """CPU time that a process has had so far, those of its threads that have ended included."""
    with open(f"/proc/{process}/stat") as statistics_of_process:
        user, system = statistics_of_process.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
