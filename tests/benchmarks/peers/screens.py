"""The terminal UIs: until something is on the screen, and what they cost while nothing happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from tests.benchmarks.peers.environments import Installed, NoAnswerError
from tests.benchmarks.peers.results import Answer
from tests.benchmarks.peers.rounds import at_once, in_turns
from tests.benchmarks.peers.tools import Screen
from tests.benchmarks.peers.training import training
from tests.benchmarks.peers.writing import beside, busy_share, fresh, memory_bytes
from tests.benchmarks.pseudo_terminal import PseudoTerminal, screens

_CELLS_OF_A_CHART = 20
_PAUSE = 0.2
_LATEST = 20.0
_SETTLING_SECONDS = 5.0

Homes = Mapping[str, Path]
"""A folder with runs for each tool that has a screen."""


def first_lists(rounds: int, tools: Mapping[str, Installed], homes: Homes) -> dict[str, Answer]:
    """Seconds from the start of the program until the first run is listed."""

    def ask(name: str) -> list[float]:
        with _shown(tools[name], homes[name]) as terminal:
            _until(terminal, lambda: _screen(tools[name]).listed in terminal.received())
            return [terminal.chunks[-1].arrived - terminal.started]

    return in_turns(rounds, {name: partial(ask, name) for name in homes})


def first_charts(rounds: int, tools: Mapping[str, Installed], homes: Homes) -> dict[str, Answer]:
    """Seconds from the start of the program until the curve of the only run is drawn."""

    def ask(name: str) -> list[float]:
        screen = _screen(tools[name])
        with _shown(tools[name], homes[name]) as terminal:
            if screen.chart_keys:
                _until(terminal, lambda: b"long-run" in terminal.received())
                terminal.press(screen.chart_keys)
            _until(
                terminal,
                lambda: len(screen.curve.findall(terminal.received())) >= _CELLS_OF_A_CHART,
            )
            return [terminal.chunks[-1].arrived - terminal.started]

    return in_turns(rounds, {name: partial(ask, name) for name in homes})


def log_to_screen(
    rounds: int, seconds: float, tools: Mapping[str, Installed], scratch: Path
) -> dict[str, Answer]:
    """Seconds from before a log call of another process until the screen shows its step."""

    def ask(name: str) -> list[float]:
        home, screen = fresh(scratch), _screen(tools[name])
        writer = tools[tools[name].peer.writer]
        with (
            training(writer, "train", home, _PAUSE) as run,
            _shown(tools[name], home) as terminal,
        ):
            _until(terminal, lambda: any(_steps_shown(terminal, screen)))
            began = time.monotonic()
            _listen(terminal, seconds + _LATEST)
            logged = [(step, at) for step, at in run.logged() if began < at < began + seconds]
        return list(_delays(logged, list(_steps_shown(terminal, screen))))

    asked = [name for name, tool in tools.items() if tool.peer.screen]
    return at_once(rounds, {name: partial(ask, name) for name in asked})


def at_rest(
    rounds: int, seconds: float, tools: Mapping[str, Installed], homes: Homes
) -> tuple[dict[str, Answer], dict[str, Answer]]:
    """The share of a core and the memory of a screen on which nothing happens."""
    memory: dict[str, list[float]] = {name: [] for name in homes}

    def ask(name: str) -> list[float]:
        with _shown(tools[name], homes[name]) as terminal:
            _until(terminal, lambda: _screen(tools[name]).listed in terminal.received())
            terminal.listen(_SETTLING_SECONDS)
            share = busy_share(terminal.pid, lambda: terminal.listen(seconds))
            memory[name].append(memory_bytes(terminal.pid))
            return [share]

    busy = at_once(rounds, {name: partial(ask, name) for name in homes})
    return busy, beside(busy, memory)


def _screen(tool: Installed) -> Screen:
    assert tool.peer.screen
    return tool.peer.screen


def _shown(tool: Installed, home: Path) -> PseudoTerminal:
    return PseudoTerminal(
        *_screen(tool).arguments(home),
        environment=tool.environment(),
        python=str(tool.python),
    )


def _until(terminal: PseudoTerminal, holds: Callable[[], object]) -> None:
    try:
        terminal.listen_until(holds)
    except TimeoutError:
        raise NoAnswerError("not on the screen within 60 s") from None


def _listen(terminal: PseudoTerminal, seconds: float) -> None:
    try:
        terminal.listen(seconds)
    except TimeoutError:
        raise NoAnswerError("its screen ended") from None


def _steps_shown(terminal: PseudoTerminal, screen: Screen) -> Iterator[tuple[float, int]]:
    """Each step that came on the screen, and when."""
    last = None
    for arrived, rows in screens(terminal.chunks):
        step = screen.step("\n".join(rows))
        if step is not None and step != last:
            last = step
            yield arrived, step


def _delays(logged: list[tuple[int, float]], shown: list[tuple[float, int]]) -> Iterator[float]:
    for step, moment in logged:
        seen = next((at for at, last in shown if last >= step and at > moment), None)
        if seen is None:
            raise NoAnswerError(f"a step was not on the screen within {_LATEST:.0f} s")
        yield seen - moment
