"""The program over a line that takes less than there is to show, with runs that go on meanwhile."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte
import pytest
from terminal_session import PROGRAM, TerminalSession, cells_of

RUNS = Path(__file__).parents[2] / "experiment_logs"
THIN = 20_000.0
KEYS = (
    "j",
    "k",
    "G",
    "z",
    "z",
    "?",
    "q",
    "\t",
    " ",
    "x",
    "l",
    "+",
    "-",
    "b",
    "\x1b",
    "c",
    "\x1b",
    "o",
)
SIZES = ((120, 40), (80, 24), (100, 30))
QUERY, ANSWER = b"\x1b[5n", "\x1b[0n"

# What Textual would have sent is kept, for an emulator of its own.
_WITH_COPY = (
    """
import os
from traintop.tui.output.screen import SynchronisedScreen
write, copy = SynchronisedScreen.write, open(os.environ["COPY"], "a", newline="")
def write_both(self, data):
    copy.write(data)
    copy.flush()
    write(self, data)
SynchronisedScreen.write = write_both
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


class Copy:
    """What an emulator shows that gets all that Textual drew, since a change of size."""

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


@pytest.mark.parametrize("answers", [True, False], ids=["answers", "silent"])
def test_the_screen_is_what_was_drawn(tmp_path, answers):
    copied, keys = tmp_path / "copy", random.Random(4)
    columns, lines = SIZES[0]
    copy = Copy(copied, columns, lines)
    with (
        training(tmp_path) as trained,
        TerminalSession(
            tmp_path,
            columns=columns,
            lines=lines,
            bytes_per_second=THIN,
            program=_WITH_COPY,
            environment={"COPY": str(copied)},
        ) as terminal,
    ):
        terminal.answers = answers
        terminal.wait_for("live-3")
        for burst in range(6):
            for key in keys.choices(KEYS, k=4):
                terminal.press(key)
                terminal.bytes_within(keys.uniform(0.0, 0.3))
            if burst in (1, 3):
                columns, lines = SIZES[burst // 2 + 1]
                copy = Copy(copied, columns, lines)
                terminal.resize(columns, lines)
                terminal.bytes_within(0.5)
            trained.send_signal(signal.SIGSTOP)
            terminal.wait_for(lambda: terminal.cells() == copy.cells())  # noqa: B023
            trained.send_signal(signal.SIGCONT)


def test_one_frame_is_under_way_and_none_is_out_of_date(tmp_path):
    with training(tmp_path), TerminalSession(tmp_path) as terminal:
        terminal.wait_for("live-3")
        terminal.wait_for("iteration")
        terminal.answers = False
        terminal.press("j")
        terminal.wait_for(lambda: terminal.bytes_within(1.0) == 0)
        for key in "jj?":
            terminal.press(key)
            sent = len(terminal.received)
            terminal.bytes_within(0.3)
            # The shape of the mouse pointer is no frame, and another query no more.
            assert re.fullmatch(rb"(\x1b\]22;\w+\x07|\x1b\[5n)*", terminal.received[sent:])
        before = terminal.received.count(QUERY)
        terminal.answers = True
        terminal.press(ANSWER)
        terminal.wait_for(lambda: terminal.received.count(QUERY) > before)
        assert "closes" in terminal.text()  # what the last key opened is in the first frame


def test_a_line_that_is_slow_is_called_so(tmp_path):
    with training(tmp_path), TerminalSession(tmp_path, bytes_per_second=THIN) as terminal:
        terminal.wait_for("slow line")


def test_the_terminal_is_left_as_it_was(tmp_path):
    with training(tmp_path), TerminalSession(tmp_path) as terminal:
        terminal.wait_for("live-3")
        terminal.press("q")
        assert terminal.exit_code() == 0
    left = terminal.received.rindex(b"\x1b[?1049l")
    assert terminal.received[:left].endswith(b"\x1b[m")
    assert QUERY not in terminal.received[left:]
    assert terminal.answered == terminal.received.count(QUERY)


def test_textual_draws_by_itself_when_asked_to(tmp_path):
    with (
        training(tmp_path),
        TerminalSession(tmp_path, environment={"TRAINTOP_DRIVER": "plain"}) as terminal,
    ):
        terminal.wait_for("live-3")
        assert QUERY not in terminal.received


def test_few_bytes_show_a_run_that_goes_on(tmp_path):
    with training(tmp_path), TerminalSession(tmp_path, columns=160, lines=48) as terminal:
        terminal.wait_for("live-3")
        terminal.bytes_within(3.0)
        assert terminal.bytes_within(6.0) < 6 * 7_000
        received = bytes(terminal.received)
    colors = sum(map(len, re.findall(rb"\x1b\[[\d;]*m", received)))
    assert colors < len(received) / 4


@pytest.mark.parametrize(
    ("columns", "lines", "opening", "key"), [(160, 48, 15_000, 12_000), (80, 24, 5_000, 3_000)]
)
def test_few_bytes_show_runs_that_ended(columns, lines, opening, key):
    with TerminalSession(RUNS, columns=columns, lines=lines) as terminal:
        terminal.wait_for("lr_1e-03")
        terminal.wait_until_quiet(1.5)
        before = len(terminal.received)
        assert before <= opening
        terminal.press("j")
        terminal.wait_until_quiet(1.5)
        assert 0 < len(terminal.received) - before <= key
