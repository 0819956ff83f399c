"""The UI over lines of several speeds: how many bytes it sends, and how soon a key is seen."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks import leet
from tests.benchmarks.measuring import Floor, Line, Scale, child_environment, percentile
from tests.benchmarks.pseudo_terminal import PseudoTerminal, screens

_RUNS = Path(__file__).parents[2] / "experiment_logs"
_TRAINING = """
import math, random, sys, time
from traintop import ExperimentConfig, ExperimentTracker
trackers = [
    ExperimentTracker(ExperimentConfig(f"live_{n:02d}"), log_dir=sys.argv[1], quiet=True)
    for n in range(int(sys.argv[2]))
]
for tracker in trackers:
    tracker.start()
print("started", flush=True)
noise = random.Random(1)
for iteration in range(1_000_000):
    for tracker in trackers:
        tracker.log_metrics(
            iteration,
            train_loss=8 * math.exp(-iteration / 3000) + 1.5 + noise.gauss(0, 0.03),
            tokens_per_sec=121_000 + noise.gauss(0, 3000),
            iter_time_ms=50 + noise.gauss(0, 2),
        )
    time.sleep(0.05)
"""

_PLAIN = {"TRAINTOP_DRIVER": "plain"}
_TEXTUAL = "Textual's own driver"
_SETTLING = 8.0
_KEYS = "jjjjkkkk"
_KEY_SECONDS = 1.5
_UNSEEN = 20.0
_CURSOR = "▌"
_HELP = "next run"
_KILOBYTE = 1000.0


def measure(scale: Scale, directory: Path) -> Iterator[Line]:
    """The lines of this family; live runs are written below ``directory``."""
    yield from _ended_runs()
    for count, limit in ((1, 3), (8, 6), (32, 10)):
        with _training(directory / str(count), count) as logs:
            program = _traintop(logs)
            ours, plain = (_live(program, scale, driver) for driver in ({}, _PLAIN))
        floors = [Floor(_TEXTUAL, plain.per_second)]
        if count == 1 and leet.is_installed():
            with leet.watching(directory / "leet") as program:
                floors.append(Floor(leet.title(), _live(program, scale, {}).per_second))
        yield Line(
            f"{count} live {'run' if count == 1 else 'runs'} at 20 records/s",
            ours.per_second,
            "B/s",
            f"≤ {limit} kB/s",
            limit * _KILOBYTE,
            tuple(floors),
            "160x48, on a free line, some seconds after the program was opened.",
        )
        if count == 8:
            yield Line(
                "the same: share of all bytes that are colour sequences",
                ours.colors,
                "share",
                "≤ 25 %",
                0.25,
                (Floor(_TEXTUAL, plain.colors),),
            )
    yield from _key_delays(directory)
    if leet.is_installed():
        yield from _help_delays(directory)


def _ended_runs() -> Iterator[Line]:
    for size, opening, key in (((160, 48), 15, 12), ((80, 24), 5, 3)):
        (ours, ours_key), (plain, plain_key) = (_opened(size, one) for one in ({}, _PLAIN))
        place = "{}x{}".format(*size)
        for what, figure, floor, limit in (
            (f"opening nine finished runs at {place}", ours, plain, opening),
            (f"`j`, which changes the selected run, at {place}", ours_key, plain_key, key),
        ):
            limit_text = f"≤ {limit} kB"
            yield Line(what, figure, "B", limit_text, limit * _KILOBYTE, (Floor(_TEXTUAL, floor),))


def _opened(size: tuple[int, int], driver: dict[str, str]) -> tuple[float, float]:
    """Bytes until the screen is at rest, and those of one key."""
    with PseudoTerminal(*_traintop(_RUNS), size=size, environment=driver) as terminal:
        terminal.listen_until(lambda: b"lr_1e" in terminal.received())
        terminal.listen_until_quiet(_KEY_SECONDS)
        opening = len(terminal.received())
        terminal.press("j")
        terminal.listen_until_quiet(_KEY_SECONDS)
        return opening, len(terminal.received()) - opening


class _Sent(NamedTuple):
    """Bytes a second, and which share of them are colour sequences."""

    per_second: float
    colors: float


def _live(program: tuple[str, ...], scale: Scale, driver: dict[str, str]) -> _Sent:
    with PseudoTerminal(*program, environment=driver) as terminal:
        terminal.listen(_SETTLING)
        before = len(terminal.received())
        terminal.listen(scale.idle_seconds)
        sent = terminal.received()[before:]
    colors = sum(map(len, re.findall(rb"\x1b\[[\d;]*m", sent)))
    return _Sent(len(sent) / scale.idle_seconds, colors / max(len(sent), 1))


def _key_delays(directory: Path) -> Iterator[Line]:
    with _training(directory / "keys", 8) as logs:
        for rate, limit in ((8, 1.5), (20, 0.5), (100, None), (None, None)):
            speed = None if rate is None else rate * _KILOBYTE
            ours, plain = (_delays(logs, speed, driver) for driver in ({}, _PLAIN))
            yield Line(
                f"a key is seen, p90, {'on a free line' if rate is None else f'at {rate} kB/s'}",
                percentile(ours, 0.9),
                "s",
                "" if limit is None else f"≤ {limit} s",
                limit,
                (Floor(_TEXTUAL, percentile(plain, 0.9)),),
                f"Eight live runs, 160x48. Median {percentile(ours, 0.5):.2f} s; 20 s stands for "
                "longer, too.",
            )


def _help_delays(directory: Path) -> Iterator[Line]:
    """A key that does the same in LEET, over the one run that both show."""
    with (
        _training(directory / "help", 1) as logs,
        leet.watching(directory / "leet-help") as theirs,
    ):
        for rate in (8, 20):
            speed = rate * _KILOBYTE
            ours, plain = (
                _help_delay(_traintop(logs), _HELP, speed, driver) for driver in ({}, _PLAIN)
            )
            yield Line(
                f"`?` opens the help, at {rate} kB/s",
                ours,
                "s",
                floors=(
                    Floor(_TEXTUAL, plain),
                    Floor(leet.title(), _help_delay(theirs, leet.HELP, speed, {})),
                ),
                reading="One live run, 160x48; the median of three.",
            )


def _help_delay(program: tuple[str, ...], shown: str, rate: float, driver: dict[str, str]) -> float:
    """From the key to what it shows; the key closes it, too."""
    pressed = []
    with PseudoTerminal(*program, bytes_per_second=rate, environment=driver) as terminal:
        terminal.listen_until(lambda: b"tokens" in terminal.received())  # the title of a chart
        terminal.listen(_SETTLING)
        for _ in range(3):
            pressed.append(terminal.press("?"))
            terminal.listen(2 * _KEY_SECONDS)
            terminal.press("?")
            terminal.listen(2 * _KEY_SECONDS)
        terminal.listen(_UNSEEN if driver else 0.0)
        seen, before = [], False
        for arrived, rows in screens(terminal.chunks):
            now = any(shown in row for row in rows)
            if now and not before:
                seen.append(arrived)
            before = now
    delays = [next((moment - key for moment in seen if moment > key), _UNSEEN) for key in pressed]
    return percentile(delays, 0.5)


def _delays(logs: Path, rate: float | None, driver: dict[str, str]) -> list[float]:
    """From each key that moves the cursor of the list until it is seen there."""
    pressed = []
    with PseudoTerminal(*_traintop(logs), bytes_per_second=rate, environment=driver) as terminal:
        terminal.listen_until(lambda: b"live_0" in terminal.received())
        terminal.listen(_SETTLING)
        for key in _KEYS:
            pressed.append(terminal.press(key))
            terminal.listen(_KEY_SECONDS)
        terminal.listen(_UNSEEN if driver and rate else 0.0)
        moved = list(_cursor_moves(terminal))
    seen = [moment for moment in moved if moment > pressed[0]]
    # The keys move the cursor one line each, so that the nth move is the answer to the nth key.
    seen += [pressed[-1] + _UNSEEN] * (len(pressed) - len(seen))
    delays = [at - key for key, at in zip(pressed, seen, strict=False)]
    return [min(delay, _UNSEEN) for delay in delays]


def _cursor_moves(terminal: PseudoTerminal) -> Iterator[float]:
    before = None
    for arrived, rows in screens(terminal.chunks):
        line = next((at for at, row in enumerate(rows) if _CURSOR in row[:2]), before)
        if line != before and before is not None:
            yield arrived
        before = line


@contextmanager
def _training(directory: Path, count: int) -> Iterator[Path]:
    """So many runs that go on."""
    directory.mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", _TRAINING, str(directory), str(count)],
        env=child_environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "started\n":
            raise RuntimeError("the live runs did not start")
        try:
            yield directory
        finally:
            process.kill()


def _traintop(directory: Path) -> tuple[str, ...]:
    return ("-m", "traintop", str(directory))
