"""Tools take turns, round by round, so that whatever else the machine does hits them all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.measuring import seconds_of
from tests.benchmarks.peers.environments import Installed, NoAnswerError
from tests.benchmarks.peers.results import Answer, Growth, answer, growth

_PATIENCE = 60.0
_LONGEST_READING = 60.0
_LONGEST_WRITING = 180.0
_MOST_BYTES = 8e9
_WRITERS = 2
_WRITE = {"table": "write-runs", "curve": "write-curve"}


Asks = Mapping[str, Callable[[], list[float]]]
"""How the figures of each tool are had, some at a time. Each may raise ``NoAnswerError``."""


def in_turns(rounds: int, asks: Asks) -> dict[str, Answer]:
    """The figures of each tool. One that fails, or takes very long, is not asked again."""
    return _answers(rounds, asks, map)


def at_once(rounds: int, asks: Asks) -> dict[str, Answer]:
    """The same for what waits more than it computes: in each round, all at one time."""
    with ThreadPoolExecutor(len(asks)) as pool:
        return _answers(rounds, asks, pool.map)


def _answers(rounds: int, asks: Asks, apply: Callable[..., Iterable]) -> dict[str, Answer]:
    figures: dict[str, list[float]] = {name: [] for name in asks}
    spent = dict.fromkeys(asks, 0.0)
    failed: dict[str, str] = {}

    def ask(name: str) -> None:
        started = time.monotonic()
        try:
            figures[name] += asks[name]()
        except NoAnswerError as error:
            failed[name] = str(error)
        spent[name] += time.monotonic() - started

    for _ in range(rounds):
        list(apply(ask, [name for name in asks if name not in failed and spent[name] < _PATIENCE]))
    return {
        name: Answer(reason=failed[name]) if name in failed else answer(figures[name])
        for name in asks
    }


class Grown(NamedTuple):
    """What tools needed at each size that they came to, and at the one that is asked about."""

    growth: dict[str, Growth]
    answers: dict[str, Answer]


def grow(
    rounds: int,
    question: str,
    sizes: Sequence[int],
    asked: int,
    tools: Mapping[str, Installed],
    scratch: Path,
) -> Grown:
    """Ask a question of more and more; a tool drops out where the next size would be too much."""
    medians: dict[str, dict[int, float]] = {name: {} for name in tools}
    stopped: dict[str, str] = {}
    answers: dict[str, Answer] = {}
    for size, following in zip(sizes, [*sizes[1:], 0], strict=True):
        left = {name: tool for name, tool in tools.items() if name not in stopped}
        folder = scratch / f"{question}-{size}"
        writers = {tool.peer.writer: tools[tool.peer.writer] for tool in left.values()}
        written = _write(_WRITE[question], size, writers, folder)
        readings = {
            name: _Reading(tool, question, size, folder, written) for name, tool in left.items()
        }
        longest_writing = _LONGEST_WRITING * (2 if following == asked else 1)
        found = in_turns(rounds, readings)
        shutil.rmtree(folder)
        for name, each in found.items():
            print(f"  {question} of {size:,}: {name} {each.median or each.reason}", flush=True)
            if each.median is None:
                stopped[name] = f"{size:,}: {each.reason}"
            else:
                medians[name][size] = each.median
                if reason := readings[name].too_much(each.median, following, longest_writing):
                    stopped[name] = reason
        if size == asked:
            answers = found
    early = {name: Answer(reason=why) for name, why in stopped.items() if name not in answers}
    return Grown(
        {name: growth(medians[name], stopped.get(name, "")) for name in tools}, {**answers, **early}
    )


Written = dict[str, float | NoAnswerError]
"""How long each tool took to write what is read, or why it could not."""


def _write(question: str, size: int, tools: Mapping[str, Installed], folder: Path) -> Written:
    """Nobody measures it, so several write at a time."""

    def write(name: str) -> float | NoAnswerError:
        home = folder / name
        home.mkdir(parents=True)
        longest = 3 * _LONGEST_WRITING
        try:
            return seconds_of(lambda: tools[name].ask(question, home, size, seconds=longest))
        except NoAnswerError as error:
            return error

    with ThreadPoolExecutor(_WRITERS) as pool:
        return dict(zip(tools, pool.map(write, tools), strict=True))


class _Reading:
    """How one tool reads what was written, when called."""

    def __init__(
        self, tool: Installed, question: str, size: int, folder: Path, written: Written
    ) -> None:
        self._tool, self._question, self._size = tool, question, size
        self._home = folder / tool.peer.writer
        self._written = written[tool.peer.writer]
        self._peak = 0.0

    def __call__(self) -> list[float]:
        if isinstance(self._written, NoAnswerError):
            raise self._written
        seconds, found, self._peak = self._tool.ask(self._question, self._home)
        if found != self._size:
            raise NoAnswerError(f"found {found:,} of {self._size:,}")
        return [seconds]

    def too_much(self, seconds: float, following: int, longest_writing: float) -> str:
        """Why the next size is not tried; empty where it is, and for the last one."""
        assert isinstance(self._written, float)
        factor = following / self._size
        for what, cost, limit, unit in (
            ("take over {} s to read", seconds, _LONGEST_READING, 1.0),
            ("take over {} s to write", self._written, longest_writing, 1.0),
            ("need over {} GB to read", self._peak, _MOST_BYTES, 1e9),
        ):
            if cost * factor > limit:
                would = what.format(f"{limit / unit:.0f}")
                return f"{following:,} would {would}: {self._size:,} took {cost / unit:.3g}"
        return ""
