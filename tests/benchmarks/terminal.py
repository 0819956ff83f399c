"""The UI in a real terminal: first frame, idle cost, latency, memory."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.live_run import LiveRun
from tests.benchmarks.measuring import (
    Floor,
    Line,
    Scale,
    interleaved,
    percentile,
    resident_bytes,
    running_seconds,
)
from tests.benchmarks.pseudo_terminal import COLUMNS, LINES, PseudoTerminal, screens

EMPTY_APP = """
from textual.app import App
from textual.widgets import Static

class Empty(App):
    def compose(self):
        yield Static("an empty app")

Empty().run()
"""
EMPTY_MARK = b"an empty app"
_LISTED_MARK = b"run-0"
_NOTHING_LISTED_MARK = b"ExperimentTracker"

_LIVE_NAME = "live-run"
_LISTED_LOSS = re.compile(rf"{_LIVE_NAME} .*? (\d\.\d{{3}}) ")
_KEY_PAUSE = 0.15
_CURSOR_KEYS = "jk" * 8
_CHART_KEYS = "l+l]-[zzx+l-]x[l"
_QUIET_SECONDS = 1.5


def measure(
    scale: Scale, empty: Path, runs: Path, more_runs: Path, long_run: Path
) -> Iterator[Line]:
    """The lines of this family. A live run is added to ``runs``, and is left there."""
    yield from _first_frames(scale, empty, runs, more_runs)
    yield from _idle(scale, runs)
    yield _memory(more_runs)
    yield _keys_while_reading(scale, long_run, _CURSOR_KEYS, "move the cursor of the list")
    yield _keys_while_reading(scale, long_run, _CHART_KEYS, "redraw all charts")
    yield from _write_to_visible(scale, runs)


def _first_frames(scale: Scale, empty: Path, runs: Path, more_runs: Path) -> Iterator[Line]:
    bare, nothing, few, many = interleaved(
        scale.rounds,
        lambda: _seconds_to(EMPTY_MARK, "-c", EMPTY_APP),
        lambda: _seconds_to(_NOTHING_LISTED_MARK, *_traintop(empty)),
        lambda: _seconds_to(_LISTED_MARK, *_traintop(runs)),
        lambda: _seconds_to(_LISTED_MARK, *_traintop(more_runs)),
    )
    floors = (Floor("an empty Textual app", bare),)
    for figure, directory, factor in (
        (nothing, empty, 1.5),
        (few, runs, 1.5),
        (many, more_runs, 2),
    ):
        yield Line(
            f"first useful frame with {_count(directory):,} runs",
            figure,
            "s",
            f"≤ {factor:g} x the floor",
            factor * bare,
            floors,
            "From the start of the process until the rows have arrived at the terminal.",
        )


def _idle(scale: Scale, runs: Path) -> Iterator[Line]:
    count = _count(runs)
    with PseudoTerminal(*_traintop(runs)) as ours, PseudoTerminal("-c", EMPTY_APP) as bare:
        for terminal in (ours, bare):
            terminal.listen_until_quiet(_QUIET_SECONDS)
        sent, busy = _at_rest(ours, scale.idle_seconds)
        bare_sent, bare_busy = _at_rest(bare, scale.idle_seconds)
    yield Line(
        f"idle with {count:,} runs listed: to the terminal",
        sent,
        "B/s",
        "0",
        0,
        (Floor("an empty Textual app", bare_sent),),
        f"Over {scale.idle_seconds:g} s in which no file changes.",
    )
    yield Line(
        f"idle with {count:,} runs listed: share of a core",
        busy,
        "share",
        "≤ 1 %",
        0.01,
        (Floor("an empty Textual app", bare_busy),),
        "A look at the directory each two seconds, and Textual's own timers.",
    )


def _at_rest(terminal: PseudoTerminal, seconds: float) -> tuple[float, float]:
    """Bytes a second, and the share of a core."""
    before, started = running_seconds(terminal.pid), time.monotonic()
    sent = terminal.listen(seconds)
    passed = time.monotonic() - started
    return sent / passed, (running_seconds(terminal.pid) - before) / passed


def _memory(runs: Path) -> Line:
    with PseudoTerminal(*_traintop(runs)) as ours, PseudoTerminal("-c", EMPTY_APP) as bare:
        for terminal in (ours, bare):
            terminal.listen_until_quiet(_QUIET_SECONDS)
        return Line(
            f"memory with {_count(runs):,} runs listed",
            resident_bytes(ours.pid),
            "B",
            "≤ 150 MB",
            150e6,
            (Floor("an empty Textual app", resident_bytes(bare.pid)),),
            "Resident, with numpy and plotext loaded and the curves of one run drawn.",
        )


def _keys_while_reading(scale: Scale, long_run: Path, keys: str, what_they_do: str) -> Line:
    sessions = min(scale.rounds, 3)
    delays = [delay for _ in range(sessions) for delay in _answers_at_start(long_run.parent, keys)]
    return Line(
        f"a key's answer while {scale.long_run:,} records are read ({what_they_do}), p90",
        percentile(delays, 0.9),
        "s",
        "≤ 50 ms",
        0.050,
        reading=f"{len(delays)} keys in the first seconds of {sessions} sessions; "
        f"median {percentile(delays, 0.5) * 1e3:.0f} ms, longest {max(delays) * 1e3:.0f} ms, "
        f"{sum(delay > 0.050 for delay in delays)} above 50 ms. From the key to the first bytes "
        f"after it, {COLUMNS}x{LINES}.",
    )


def _answers_at_start(directory: Path, keys: str) -> Iterator[float]:
    """Two runs are listed, of which the newest, and so the selected one, is very long."""
    with PseudoTerminal(*_traintop(directory)) as terminal:
        terminal.listen_until(_has(terminal, b"long-run"))
        for key in keys:
            before = len(terminal.chunks)
            pressed = terminal.press(key)
            terminal.listen_until(lambda before=before: len(terminal.chunks) > before)
            yield terminal.chunks[before].arrived - pressed
            terminal.listen(_KEY_PAUSE)


def _write_to_visible(scale: Scale, runs: Path) -> Iterator[Line]:
    count = _count(runs)
    with ExitStack() as stack:
        live = stack.enter_context(LiveRun(runs, _LIVE_NAME, scale.live_seconds, random.Random(2)))
        terminal = stack.enter_context(PseudoTerminal(*_traintop(runs)))
        terminal.listen_until(_has(terminal, _LIVE_NAME.encode()))
        terminal.listen(_QUIET_SECONDS)
        live.begin()
        while live.lives():
            terminal.listen(0.2)
        terminal.listen(_QUIET_SECONDS)
        shown = list(_shown_iterations(terminal))
        delays = list(_delays(live.logged(), shown))
    for share, name, budget, limit in (
        (0.5, "p50", "≤ 0.3 s", 0.3),
        (0.99, "p99", "≤ 0.7 s", 0.7),
    ):
        yield Line(
            f"write to visible, {count:,} other runs listed, {name}",
            percentile(delays, share),
            "s",
            budget,
            limit,
            reading=f"{len(delays)} values logged by another process at random moments; a value "
            "that a newer one overtook counts as visible when that one is.",
        )


def _shown_iterations(terminal: PseudoTerminal) -> Iterator[tuple[float, int]]:
    """When the list showed which iteration of the live run, read from its loss."""
    for arrived, rows in screens(terminal.chunks):
        found = next(filter(None, map(_LISTED_LOSS.search, rows)), None)
        if found:
            yield arrived, round((9 - float(found[1])) * 1000)


def _delays(logged: list[tuple[int, float]], shown: list[tuple[float, int]]) -> Iterator[float]:
    for iteration, moment in logged:
        seen_at = next((arrived for arrived, last in shown if last >= iteration), None)
        if seen_at is None:
            raise RuntimeError(f"iteration {iteration} never came on screen")
        yield seen_at - moment


def _seconds_to(mark: bytes, *arguments: str) -> float:
    with PseudoTerminal(*arguments) as terminal:
        terminal.listen_until(_has(terminal, mark))
        return terminal.chunks[-1].arrived - terminal.started


def _has(terminal: PseudoTerminal, mark: bytes) -> Callable[[], bool]:
    return lambda: mark in terminal.received()


def _traintop(directory: Path) -> tuple[str, ...]:
    return ("-m", "traintop", str(directory))


def _count(directory: Path) -> int:
    return sum(1 for _ in directory.glob("experiment_*.json"))
