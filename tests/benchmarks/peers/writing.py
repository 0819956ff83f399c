"""What it costs to log, what of it survives, and what an open run costs that logs nothing."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import psutil
from tests.benchmarks.measuring import running_seconds
from tests.benchmarks.peers.environments import Installed
from tests.benchmarks.peers.results import Answer, answer
from tests.benchmarks.peers.rounds import at_once, in_turns
from tests.benchmarks.peers.training import training

_CALLS = 200
_RECORDS = 1000
_PAUSE = 0.05
_SETTLING_SECONDS = 3.0


def log_calls(rounds: int, tools: Mapping[str, Installed], scratch: Path) -> dict[str, Answer]:
    """Seconds of a call."""

    def ask(tool: Installed) -> list[float]:
        return [tool.ask("calls", fresh(scratch), _CALLS)]

    return in_turns(rounds, {name: partial(ask, tool) for name, tool in tools.items()})


def bytes_of_record(
    rounds: int, tools: Mapping[str, Installed], scratch: Path
) -> dict[str, Answer]:
    """What a record adds to the files."""

    def ask(tool: Installed) -> list[float]:
        sizes = []
        for count in (1, 1 + _RECORDS):
            home = fresh(scratch)
            tool.ask("log", home, count)
            sizes.append(sum(path.stat().st_size for path in home.rglob("*") if path.is_file()))
        return [(sizes[1] - sizes[0]) / _RECORDS]

    return in_turns(rounds, {name: partial(ask, tool) for name, tool in tools.items()})


def survivors(
    rounds: int, seconds: float, tools: Mapping[str, Installed], scratch: Path
) -> dict[str, Answer]:
    """The share of the records logged until a ``kill -9`` that can be read back.

    That comes after ``seconds`` to twice as many.
    """
    moments = random.Random(4)

    def ask(tool: Installed) -> list[float]:
        home = fresh(scratch)
        with training(tool, "train", home, _PAUSE) as run:
            time.sleep(moments.uniform(seconds, 2 * seconds))
            run.kill()
            logged = len(run.logged())
            time.sleep(_SETTLING_SECONDS)  # for the processes of its own, if it has any
        _, found, _ = tool.ask("curve", home)
        return [min(found / logged, 1.0)]

    return at_once(rounds, {name: partial(ask, tool) for name, tool in tools.items()})


def at_rest(
    rounds: int, seconds: float, tools: Mapping[str, Installed], scratch: Path
) -> tuple[dict[str, Answer], dict[str, Answer]]:
    """The share of a core and the memory of an open run that logs nothing."""
    memory: dict[str, list[float]] = {name: [] for name in tools}

    def ask(name: str) -> list[float]:
        with training(tools[name], "rest", fresh(scratch)) as run:
            time.sleep(_SETTLING_SECONDS)
            share = busy_share(run.pid, lambda: time.sleep(seconds))
            memory[name].append(memory_bytes(run.pid))
            return [share]

    busy = at_once(rounds, {name: partial(ask, name) for name in tools})
    return busy, beside(busy, memory)


def beside(busy: Mapping[str, Answer], memory: Mapping[str, list[float]]) -> dict[str, Answer]:
    """The answers on memory, which were had with those on the processor."""
    return {name: answer(memory[name]) if each.count else each for name, each in busy.items()}


def busy_share(pid: int, wait: Callable[[], object]) -> float:
    """Of a core, during a wait, by a process and those that it has started."""
    family = _family(pid)
    before, started = sum(map(running_seconds, family)), time.monotonic()
    wait()
    return (sum(map(running_seconds, family)) - before) / (time.monotonic() - started)


def memory_bytes(pid: int) -> float:
    """Of a process and those that it has started; what several share counts once."""
    return float(sum(psutil.Process(each).memory_full_info().pss for each in _family(pid)))


def _family(pid: int) -> list[int]:
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def fresh(scratch: Path) -> Path:
    """An empty folder."""
    return Path(tempfile.mkdtemp(dir=scratch))
