"""The program over lines of all kinds: the terminal shows what Textual drew, cell by cell.

    python -m tests.faults.thin_line --bursts 400 --seed 1

One emulator is behind a line of a rate and a delay, and answers or does not; a second one gets all
that Textual drew. After each burst of random keys, clicks, changes of size, ``ctrl+l``, stops of
both kinds and news of live runs both must come to show the same, characters, colours and cursor.
"""

from __future__ import annotations

import argparse
import itertools
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyte
from tests.e2e.terminal_session import PROGRAM, TerminalSession, cells_of

QUERY, ANSWER = b"\x1b[5n", "\x1b[0n"

SIZES = ((160, 48), (120, 40), (100, 30), (80, 24), (60, 20), (20, 5), (250, 70))
KEYS = (
    *"jkgGv*ucbpsSohwyntaANeCMmOxlLr+-E[]{}0ziY?JK/<>",
    *("\t", "\x1b[Z", "\r", " ", "\x1b", "\x1b", "\x7f", "\x14", "\x1b[5~", "\x1b[6~"),
    *("\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[1;2C", "\x1b[200~漢字 e\u0301 👍\x1b[201~"),
)
_MOVE, _PRESS, _RELEASE, _WHEEL = (
    "\x1b[<35;{};{}M",
    "\x1b[<0;{};{}M",
    "\x1b[<0;{};{}m",
    "\x1b[<65;{};{}M",
)
_REPAINT, _SUSPEND = "\x0c", "\x1a"
_ENTER, _LEAVE = b"\x1b[?1049h", b"\x1b[?1049l\x1b[?25h\x1b[?1004l"
"""What is among the first that a program sends, and the last before it stops."""
_SHELL = "\x1b[31mroot@host:~# fg\r\n\x1b[m"

_SECONDS_TO_STOP = 2.0

_SECONDS_TO_AGREE = 180.0
_BURSTS_OF_A_SESSION = 40

# What Textual would have sent is kept, for an emulator of its own; and a byte for each frame.
_WITH_COPY = (
    """
import os
from traintop.tui.output.mirror import ScreenMirror
from traintop.tui.output.screen import SynchronisedScreen
write, copy = SynchronisedScreen.write, open(os.environ["COPY"], "a", newline="")
frame, frames = ScreenMirror.frame, open(os.environ["FRAMES"], "ab", 0)
def write_both(self, data):
    with self._changed:  # in the order in which it is taken
        copy.write(data)
        copy.flush()
        write(self, data)
def frame_counted(self, *room, **order):
    data = frame(self, *room, **order)
    frames.write(b"." if data else b"")
    return data
SynchronisedScreen.write = write_both
ScreenMirror.frame = frame_counted
"""
    + PROGRAM
)

_TRAINING = """
import math, sys, time
from traintop import ExperimentConfig, ExperimentTracker
trackers = [
    ExperimentTracker(ExperimentConfig(f"live-{n}"), log_dir=sys.argv[1], quiet=True)
    for n in range(4)
]
for tracker in trackers:
    tracker.start()
print("started", flush=True)
for iteration in range(100_000):
    for n, tracker in enumerate(trackers):
        loss = 2 + n + math.exp(-iteration / 90) + math.sin(iteration) / 9
        tracker.log_metrics(iteration, train_loss=loss, tokens_per_sec=9e4 + iteration % 17)
    time.sleep(0.05)
"""


@contextmanager
def training(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Four runs that log twenty records a second each."""
    with subprocess.Popen(
        [sys.executable, "-c", _TRAINING, str(directory)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        try:
            yield process
        finally:
            process.kill()


class Line(NamedTuple):
    """What is between the program and the terminal, and whether that answers."""

    bytes_per_second: float | None
    round_trip: float
    answers: bool


LINES = [
    Line(*kind)
    for kind in itertools.product((8_000.0, 20_000.0, 100_000.0, None), (0.0, 0.3), (True, False))
]


class Copy:
    """What an emulator shows that gets all that Textual drew."""

    def __init__(self, path: Path, columns: int, lines: int) -> None:
        self._path = path
        self._start = path.stat().st_size if path.exists() else 0
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)

    def cells(self) -> list[list[tuple[object, ...]]]:
        with self._path.open("rb") as copy:
            copy.seek(self._start)
            data = copy.read()
        # No frame is read in part: each ends with the place of the cursor.
        self._start += len(data)
        self._stream.feed(data)
        return cells_of(self._screen)


class Trial:
    """One session of the program that is tried; a context manager that ends it."""

    def __init__(self, directory: Path, line: Line, seed: int) -> None:
        self.line = line
        self.done: Counter[str] = Counter()
        self.last: list[str] = []
        """What the last burst did."""
        self._random = random.Random(seed)
        often = self._random.choice((1, 6))
        self._actions = {
            self._press: 12,
            self._click: 3,
            self._resize: 2,
            self._overwrite: 1,
            self._suspend: often,
            self._stop: often,
        }
        self._size = self._random.choice(SIZES[:4])
        self._copied, self._framed = directory / "copy", directory / "frames"
        self._copy = Copy(self._copied, *self._size)
        self._training = training(directory)
        self._trained = self._training.__enter__()
        self._terminal = TerminalSession(
            directory,
            columns=self._size[0],
            lines=self._size[1],
            bytes_per_second=line.bytes_per_second,
            round_trip=line.round_trip,
            program=_WITH_COPY,
            environment={"COPY": str(self._copied), "FRAMES": str(self._framed)},
            working_directory=directory,
        )
        self._terminal.answers = line.answers

    def __enter__(self) -> Trial:
        try:
            self._wait_until(lambda: "live-3" in self._terminal.text(), self._terminal.text)
        except BaseException as error:
            self.__exit__(error)
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.done["frames"] = self._framed.stat().st_size
        self._terminal.__exit__()
        self._training.__exit__(None, None, None)

    def burst(self) -> bool:
        """Do some of everything, and compare; whether the program still runs."""
        self.last = []
        for _ in range(self._random.randint(1, 5)):
            what = self._random.choices([*self._actions], [*self._actions.values()])[0]
            self.done[what.__name__] += 1
            what()
            self._continue_if_stopped()
            if self._has_ended():
                return False
        self._trained.send_signal(signal.SIGSTOP)
        self._wait_until_equal()
        self._trained.send_signal(signal.SIGCONT)
        self.done["bursts"] += 1
        return not self._has_ended()

    def _has_ended(self) -> bool:
        """Whether the program was ended, by a click on the key that does; it must not fail."""
        ended = self._terminal.has_ended()
        assert not ended or not self._terminal.exit_code(), bytes(self._terminal.received[-2000:])
        return ended

    def _press(self) -> None:
        keys = self._random.choices(KEYS, k=self._random.randint(1, 6))
        in_one_piece = self._random.random() < 0.3
        longest = self._random.choice((0.05, 0.3))
        for key in ["".join(keys)] if in_one_piece else keys:
            self._type(key)
            self._terminal.bytes_within(self._random.uniform(0.0, longest))

    def _click(self) -> None:
        place = [self._random.randint(1, size) for size in self._size]
        for event in self._random.choice(((_MOVE,), (_PRESS, _RELEASE), (_WHEEL, _WHEEL))):
            self._type(event.format(*place))
        self._terminal.bytes_within(self._random.uniform(0.0, 0.2))

    def _resize(self) -> None:
        for _ in range(self._random.choice((1, 1, 2, 6))):
            self._size = self._random.choice(SIZES)
            self.last.append(f"size{self._size}")
            self._copy = Copy(self._copied, *self._size)
            self._terminal.resize(*self._size)
            self._terminal.bytes_within(self._random.choice((0.0, 0.02, 0.4)))

    def _overwrite(self) -> None:
        """Another program writes over the screen, and the person has it redrawn."""
        self.last.append("overwritten")
        self._terminal.bytes_within(0.3 + self.line.round_trip)  # an escape before it is one key
        self._terminal.draw("\x1b[2;3H\x1b[7mBroadcast message\x1b[m\r\n")
        self._type(_REPAINT)

    def _suspend(self) -> None:
        """Stop, let a shell have the terminal, and go on."""
        self._type("\x1b\x1b")
        self._terminal.bytes_within(0.5 + self.line.round_trip)
        self._type(_SUSPEND)
        deadline = time.monotonic() + _SECONDS_TO_STOP
        while not self._continue_if_stopped() and time.monotonic() < deadline:
            self._terminal.bytes_within(0.1)  # the key may be part of a text that is written

    def _stop(self) -> None:
        """Stop in the midst of anything, with the program none the wiser, and go on."""
        for _ in range(self._random.randint(1, 3)):
            self.last.append("stopped")
            self._terminal.send_signal(signal.SIGSTOP)
            self._terminal.wait_until_stopped()
            self._terminal.draw(_SHELL)
            self._terminal.continue_()
            self._terminal.bytes_within(self._random.choice((0.0, 0.02, 0.3)))

    def _continue_if_stopped(self) -> bool:
        """Let a shell have the terminal if the program has stopped; whether it had.

        A program that has little time stops late, when other keys were typed.
        """
        if not self._terminal.has_stopped():
            return False
        self.done["continued"] += 1
        received = self._terminal.received
        self._wait_until(
            lambda: received.rfind(_LEAVE) > received.rfind(_ENTER),
            lambda: f"stopped without leaving: {received[-100:]!r}",
        )
        while self._terminal.bytes_within(0.5 + self.line.round_trip):
            pass
        left = received[received.rindex(_LEAVE) :]
        assert b"\x1b" not in left.removeprefix(_LEAVE), f"came to the shell: {left!r}"
        self._terminal.draw(_SHELL)
        if self._random.random() < 0.3:
            self._resize()
        self._terminal.continue_()
        return True

    def _type(self, keys: str) -> None:
        self.last.append(repr(keys))
        self._terminal.press(keys)

    def _wait_until_equal(self) -> None:
        self._wait_until(
            lambda: self._copy.cells() == self._terminal.cells(),
            lambda: _difference(self._copy.cells(), self._terminal.cells()),
        )

    def _wait_until(self, holds: Callable[[], bool], failure: Callable[[], str]) -> None:
        """Read what comes until a condition holds, or the program has ended."""
        deadline = time.monotonic() + _SECONDS_TO_AGREE
        while not holds():
            if self._has_ended():
                return
            self._continue_if_stopped()
            if time.monotonic() > deadline:
                raise AssertionError(failure())
            self._terminal.bytes_within(0.3)  # to compare takes longer than to read


def _difference(
    wanted: list[list[tuple[object, ...]]], shown: list[list[tuple[object, ...]]]
) -> str:
    found = [
        f"line {line}, column {column}: {before} was drawn, {after} is shown"
        for line, rows in enumerate(zip(wanted, shown, strict=True))
        for column, (before, after) in enumerate(zip(*rows, strict=True))
        if before != after
    ]
    return "\n".join([f"{len(found)} cells differ", *found[:5]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bursts", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    done: Counter[str] = Counter()
    for seed in itertools.count(arguments.seed):
        line = LINES[seed % len(LINES)]
        print(f"seed {seed}: {line}", flush=True)
        with (
            tempfile.TemporaryDirectory() as directory,
            Trial(Path(directory), line, seed) as trial,
        ):
            try:
                for _ in range(_BURSTS_OF_A_SESSION):
                    if not trial.burst():
                        break
            except AssertionError as error:
                raise SystemExit(f"{line}\n{' '.join(trial.last)}\n{error}") from None
        done += trial.done
        print(f"{done['frames']:,} frames, {done['bursts']:,} bursts so far", flush=True)
        if done["bursts"] >= arguments.bursts:
            break
    print(*(f"{count:,} {what.strip('_')}" for what, count in done.items()), sep=", ")


if __name__ == "__main__":
    main()
