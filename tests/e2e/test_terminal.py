"""The UI end to end: real runs written by the real tracker, in a real terminal."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal_session import PROGRAM, TerminalSession
from tests.waiting import TIMEOUT

_LONGER_THAN_A_SCAN = 2.5

_TRAINING = """
import sys
from traintop import ExperimentConfig, ExperimentTracker

config = ExperimentConfig(experiment_name=sys.argv[2], max_iters=1000)
with ExperimentTracker(config, log_dir=sys.argv[1], quiet=True) as tracker:
    print("started", flush=True)
    for line in sys.stdin:
        iteration, loss = line.split()
        tracker.log_metrics(
            int(iteration), train_loss=float(loss), tokens_per_sec=121_000.0, grad_norm=0.5
        )
"""


class Training:
    """A training process that logs what its input says, and finishes at its end."""

    def __init__(self, directory: Path, name: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TRAINING, str(directory), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout.readline() == "started\n"

    def log(self, iteration: int, loss: float) -> None:
        self._process.stdin.write(f"{iteration} {loss}\n")
        self._process.stdin.flush()

    def __enter__(self) -> Training:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(TIMEOUT)
        finally:
            self._process.kill()
        self._process.stdout.close()


def write_finished_run(directory: Path, name: str, start: str, file_name: str = "") -> None:
    records = [
        {
            "iteration": iteration,
            "gradient_step": iteration + 1,
            "wallclock_time": float(iteration),
            "train_loss": 3.4 - iteration / 10,
            "val_loss": 2.75,
            "learning_rate": 0.001,
            "tokens_per_sec": 1000.0,
            "iter_time_ms": 1.0,
        }
        for iteration in range(10)
    ]
    document = {
        "config": {"experiment_name": name, "max_iters": 10},
        "start_time": start,
        "end_time": start,
        "duration_seconds": 1.0,
        "best_train_loss": 2.5,
        "best_val_loss": 2.75,
        "final_train_loss": 2.5,
        "final_val_loss": 2.75,
        "notes": name,
        "metrics_history": records,
    }
    path = directory / (file_name or f"experiment_{name}.json")
    path.write_text(json.dumps(document, indent=2))


def test_a_run_is_live_a_second_one_appears_and_quit_is_clean(tmp_path):
    with Training(tmp_path, "first") as first, TerminalSession(tmp_path) as terminal:
        first.log(0, 4.125)
        terminal.wait_for(lambda: "4.125" in terminal.line_with(" first "))
        first.log(41, 3.375)
        terminal.wait_for(lambda: "3.375" in terminal.line_with(" first "))
        assert "42/1k" in terminal.line_with(" first ")
        terminal.wait_for("train loss ─ 3.375")
        with Training(tmp_path, "second") as second:
            second.log(0, 5.25)
            terminal.wait_for(lambda: "5.250" in terminal.line_with(" second "))
            assert "2 running" in terminal.text()
        terminal.wait_for(lambda: "done" in terminal.line_with(" second "))
        terminal.press("q")
        assert terminal.exit_code() == 0
        assert b"\x1b[?1049l" in terminal.received


def wait_until_all_is_shown(terminal: TerminalSession) -> None:
    """Wait until the screen of one run, which has ended, changes no more."""
    terminal.wait_for(lambda: "done" in terminal.line_with(" first "))
    terminal.wait_for(lambda: "█" in terminal.line_with(" first "))  # its sparkline
    terminal.wait_for("step time, ms   last 1")  # its last chart
    # How the directory is watched is known after the first look, when no run has changed.
    terminal.wait_for(lambda: terminal.text().splitlines()[0].rstrip().endswith("live"))
    terminal.wait_until_quiet()


def test_the_screen_is_redrawn_after_a_visit_to_the_shell(tmp_path):
    write_finished_run(tmp_path, "first", "2025-02-22T14:05:30")
    with TerminalSession(tmp_path) as terminal:
        wait_until_all_is_shown(terminal)
        before = terminal.text()
        terminal.press("\x1a\x1a")  # pressed twice, it stops once
        terminal.wait_for(lambda: b"\x1b[?1049l" in terminal.received)  # the shell's screen
        terminal.wait_until_stopped()
        terminal.clear()
        terminal.continue_()
        terminal.wait_for(lambda: terminal.text() == before)
        terminal.press("q")
        assert terminal.exit_code() == 0


def test_a_program_that_was_stopped_from_outside_goes_on(tmp_path):
    write_finished_run(tmp_path, "first", "2025-02-22T14:05:30")
    with TerminalSession(tmp_path) as terminal:
        wait_until_all_is_shown(terminal)
        before, threads = terminal.text(), terminal.thread_count()
        terminal.send_signal(signal.SIGSTOP)
        terminal.wait_until_stopped()
        terminal.clear()
        terminal.continue_()
        terminal.wait_for(lambda: terminal.text() == before)
        terminal.wait_for(lambda: terminal.thread_count() <= threads)  # one reads keys
        terminal.press("q")
        assert terminal.exit_code() == 0


def test_a_program_may_be_continued_while_it_draws(tmp_path):
    continued_while_drawing = """
import os, signal
from traintop.tui.output.grid import CellGrid
def interrupted(grid, data, feed=CellGrid.feed):
    if "done" in data:
        CellGrid.feed = feed
        os.kill(os.getpid(), signal.SIGCONT)
    feed(grid, data)
CellGrid.feed = interrupted
"""
    write_finished_run(tmp_path, "first", "2025-02-22T14:05:30")
    with TerminalSession(tmp_path, program=continued_while_drawing + PROGRAM) as terminal:
        terminal.wait_for(lambda: terminal.received.count(b"\x1b[?1049h") == 2)
        terminal.wait_for(lambda: "done" in terminal.line_with(" first "))
        terminal.press("q")
        assert terminal.exit_code() == 0


def test_a_program_continued_in_the_background_stops_again(tmp_path):
    # The terminal is a shell's: to change its attributes stops the program, in Textual's handler.
    in_the_background = """
import os, signal, termios
def tcsetattr(*arguments, tcsetattr=termios.tcsetattr):
    if os.path.exists("background"):
        os.kill(os.getpid(), signal.SIGSTOP)
        raise termios.error
    tcsetattr(*arguments)
termios.tcsetattr = tcsetattr
"""
    write_finished_run(tmp_path, "first", "2025-02-22T14:05:30")
    background = tmp_path / "background"
    with TerminalSession(
        tmp_path, program=in_the_background + PROGRAM, working_directory=tmp_path
    ) as terminal:
        wait_until_all_is_shown(terminal)
        threads = terminal.thread_count()
        terminal.press("\x1a")
        terminal.wait_until_stopped()
        sent = len(terminal.received)
        background.touch()
        terminal.continue_()
        terminal.wait_until_stopped()
        assert terminal.received[sent:] == b""
        background.unlink()
        terminal.continue_()
        terminal.wait_for(lambda: b"\x1b[?1049h" in terminal.received[sent:])
        terminal.wait_for(lambda: "done" in terminal.line_with(" first "))
        terminal.wait_for(lambda: terminal.thread_count() <= threads)  # one draws
        terminal.press("q")
        assert terminal.exit_code() == 0


def test_an_empty_or_missing_directory_waits_for_the_first_run(tmp_path):
    missing = tmp_path / "logs"
    with TerminalSession(missing) as terminal:
        terminal.wait_for("from traintop import ExperimentTracker")
        with Training(missing, "first") as training:
            training.log(0, 4.125)
            terminal.wait_for(lambda: "4.125" in terminal.line_with(" first "))
        terminal.press("q")
        assert terminal.exit_code() == 0


def test_keys_that_arrive_at_once_go_where_they_are_meant(tmp_path):
    with Training(tmp_path, "first") as training:
        training.log(0, 4.125)
    with TerminalSession(tmp_path) as terminal:
        terminal.wait_for("done")
        terminal.press("/first\rnmine\rtpaper v2\rc\x1b[C\x1b[C\x1bq")
        assert terminal.exit_code() == 0
    (sidecar,) = (tmp_path / ".traintop").iterdir()
    assert json.loads(sidecar.read_text())["note"] == "mine"
    assert json.loads(sidecar.read_text())["tags"] == ["paper", "v2"]


@pytest.mark.parametrize("columns", [80, 60])
def test_pasting_the_empty_screens_lines_makes_a_run(tmp_path, columns):
    (tmp_path / "logs").mkdir()
    with TerminalSession(Path("logs"), columns=columns, working_directory=tmp_path) as terminal:
        terminal.wait_for("tracker.log_metrics")
        screen = terminal.text().splitlines()
        first = screen.index("from traintop import ExperimentTracker")
        code = screen[first : screen.index("", first)]
        pasted = "\n".join(code) + "\n\n"
        subprocess.run([sys.executable, "-i"], input=pasted, text=True, check=True, cwd=tmp_path)
        terminal.wait_for(lambda: "done" in terminal.line_with(" first "))
        terminal.press("q")
        assert terminal.exit_code() == 0


def test_the_selected_run_is_exported_to_a_file_that_is_named(tmp_path):
    logs = tmp_path / "logs"
    with Training(logs, "first") as training:
        training.log(0, 4.125)
        training.log(1, 3.5)
    with TerminalSession(logs, working_directory=tmp_path) as terminal:
        terminal.wait_for("done")
        for expected in ("", "_2"):
            terminal.press("e")
            terminal.wait_for(lambda e=expected: list(tmp_path.glob(f"*{e}.csv")))
        terminal.wait_for("_2.csv")
        written = sorted(tmp_path.glob("*.csv"))
    stem = next(logs.glob("*.json")).stem
    assert [path.name for path in written] == [f"{stem}.csv", f"{stem}_2.csv"]
    with written[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["train_loss"]) for row in rows] == [4.125, 3.5]


def test_an_idle_screen_over_a_thousand_runs_sends_nothing(tmp_path):
    for number in range(1000):
        write_finished_run(tmp_path, f"run_{number}", f"2025-02-22T14:{number // 60:02d}:00")
    with TerminalSession(tmp_path, columns=160, lines=48) as terminal:
        terminal.wait_for("1,000 runs")
        terminal.wait_for("train loss ─ 2.5")
        terminal.wait_for(lambda: terminal.text().count("✓ done") == terminal.text().count("█▇▆▅"))
        terminal.wait_until_quiet(_LONGER_THAN_A_SCAN)


_SIXTEEN_RUNS = """
import sys, threading, time
from traintop import ExperimentConfig, ExperimentTracker

trackers = []
for number in range(16):
    config = ExperimentConfig(experiment_name=f"live_{number:02d}", max_iters=1_000_000)
    trackers.append(ExperimentTracker(config, log_dir=sys.argv[1], quiet=True))
    trackers[-1].start()
print("started", flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
done, iteration = threading.Event(), 0
while not done.is_set():
    for number, tracker in enumerate(trackers):
        tracker.log_metrics(iteration, train_loss=4.0 - number / 10, tokens_per_sec=1000.0)
    iteration += 1
    time.sleep(0.05)
for tracker in trackers:
    tracker.finish()
"""


@pytest.fixture
def sixteen_runs(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Sixteen runs beside a thousand finished ones; they finish when the pipe is closed."""
    for number in range(1000):
        write_finished_run(tmp_path, f"run_{number}", f"2025-02-22T14:{number // 60:02d}:00")
    command = [sys.executable, "-c", _SIXTEEN_RUNS, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout.readline() == "started\n"
            yield process
        finally:
            process.kill()


def test_sixteen_live_writers_among_a_thousand_runs(tmp_path, sixteen_runs):
    def step_of(name):
        words = terminal.line_with(f"● run   {name} ").split()
        return next((word.split("/")[0] for word in words if word.endswith("/1M")), "0")

    with TerminalSession(tmp_path, columns=160, lines=48) as terminal:
        terminal.wait_for("1,016 runs")
        terminal.wait_for("16 running")
        for name in ("live_00", "live_15"):
            before = step_of(name)
            terminal.wait_for(lambda n=name, b=before: step_of(n) not in ("0", b))
        terminal.press("jjj")
        terminal.wait_for(lambda: terminal.line_with("▌").strip())
        for size in [(80, 24), (100, 30), (20, 5), (160, 48)]:
            terminal.resize(*size)
            terminal.press("jk")
        terminal.wait_for("16 running")
        sixteen_runs.stdin.close()
        terminal.wait_for(lambda: "running" not in terminal.text().splitlines()[0])
        terminal.press("q")
        assert terminal.exit_code() == 0


def test_hostile_names_never_reach_the_terminal(tmp_path):
    hostile = "\x1b]0;pwned\x07\x1b[2J\x9b31m\x00\u202e[@click=app.quit]x[/red]"
    write_finished_run(tmp_path, hostile, "2025-02-22T14:00:00", "hostile.json")
    bad_name = "\x1b]0;pwned\x07.json"
    (tmp_path / bad_name).write_text("not json")
    with TerminalSession(tmp_path, columns=80, lines=24, working_directory=tmp_path) as terminal:
        terminal.wait_for("[@click=app.quit]"[:8])
        for keys in ("j", "e", "\t", "z", "?"):
            terminal.press(keys)
            terminal.wait_until_quiet(0.4)
        received = terminal.received.decode("utf-8")
        for _ in range(3):  # the help, the chart, the program
            terminal.press("q")
            terminal.wait_until_quiet(0.4)
        assert terminal.exit_code() == 0
    assert "pwned" in received
    assert "\x1b]0;" not in received
    assert "\x1b[2J\ufffd" not in received
    # What remains without the sequences that a full-screen program needs is text.
    needed = r"\x1b\[[0-9;:?<>=$]*[A-Za-z]|\x1b[()][AB0]|\x1b[=>78]|\x1b\]22;[a-z]+\x07"
    left = re.sub(needed, "", received)
    assert all(part.isprintable() for part in left.split("\n") for part in part.split("\r"))


@pytest.mark.parametrize(
    "environment",
    [
        {"TERM": "linux"},
        {"LANG": "C"},
        {"NO_COLOR": "1"},
        {"TERM": "screen"},
        {"TERM": "tmux-256color"},
    ],
    ids=lambda environment: "=".join(*environment.items()),
)
def test_poor_terminals_are_served(tmp_path, environment):
    write_finished_run(tmp_path, "plain", "2025-02-22T14:00:00")
    with TerminalSession(tmp_path, environment=environment) as terminal:
        terminal.wait_for(lambda: "2.500" in terminal.line_with(" plain "))
        terminal.wait_for("iteration")
        if set(environment.values()) & {"linux", "C"}:
            assert terminal.text().isascii()
            assert "+ done" in terminal.text()
        if "NO_COLOR" in environment:
            sequences = re.findall(rb"\x1b\[([\d;]*)m", terminal.received)
            attributes = {one for sequence in sequences for one in sequence.split(b";")}
            # Bold, dim and reversed, and their ends.
            assert {b"1"} < attributes <= {b"", b"0", b"1", b"2", b"7", b"22", b"27"}
        terminal.press("q")
        assert terminal.exit_code() == 0


def test_only_ascii_is_drawn_in_an_ascii_locale(tmp_path):
    for number in range(30):  # more than the list holds, so that it has a scrollbar
        write_finished_run(tmp_path, f"plain-{number}", f"2025-02-22T14:00:{number:02d}")
    with TerminalSession(tmp_path, environment={"LANG": "C"}) as terminal:
        terminal.wait_for("iteration")
        terminal.press(" j ")
        terminal.wait_for("2 marked")
        terminal.press("\x1b[D")
        terminal.wait_for("iteration 9")
        for keys, shown in [
            ("?", "closes"),
            ("o", "columns of the list"),
            ("O", "charts to show"),
            ("N", "newest first"),
            ("e", "CSV"),
            ("E", "SVG"),
            ("n", "saved beside"),
            ("/loss <", "something is missing"),
            ("\x10", "next run"),
            ("z", "closer"),
            ("b", "lowest"),
            ("c", "target"),
            ("cg", "grouped"),
        ]:
            terminal.press(keys)
            terminal.wait_for(shown)
            terminal.wait_until_quiet(0.3)
            terminal.press("\x1b")
            terminal.wait_for(lambda shown=shown: shown not in terminal.text())
        terminal.press("y")
        terminal.wait_for("opied")
        terminal.resize(160, 48)
        terminal.wait_for("Settings")
        assert terminal.received.isascii()
        terminal.press("q")
        assert terminal.exit_code() == 0


def test_the_terminal_may_change_its_size_at_any_time(tmp_path):
    write_finished_run(tmp_path, "plain", "2025-02-22T14:00:00")
    with TerminalSession(tmp_path, columns=160, lines=48) as terminal:
        terminal.wait_for("Settings")
        for size in [(20, 5), (60, 20), (1, 1), (200, 60), (80, 24), (5, 50), (100, 30)]:
            terminal.resize(*size)
            terminal.wait_until_quiet(0.2)
        terminal.wait_for(lambda: "2.500" in terminal.line_with(" plain "))
        terminal.press("q")
        assert terminal.exit_code() == 0


def test_an_idle_screen_of_any_kind_sends_nothing(tmp_path):
    for name in ("baseline", "bigger", "best"):
        write_finished_run(tmp_path, name, "2025-02-22T14:05:30")
    with TerminalSession(tmp_path) as terminal:
        terminal.wait_for("3 runs")
        terminal.wait_for("train loss ─ 2.5")
        for keys, shown in [
            ("/b", "enter apply"),
            ("b", "lowest"),
            ("N", "newest first"),
            ("?", "esc closes"),
            ("n", "enter saves"),
            ("*c", "target"),
        ]:
            terminal.press(keys)
            terminal.wait_for(shown)
            terminal.wait_until_quiet(_LONGER_THAN_A_SCAN)
            terminal.press("\x1b")
            terminal.wait_for(lambda shown=shown: shown not in terminal.text())


def test_typed_ahead_text_lands_in_the_line_it_opens(tmp_path):
    for name in ("baseline", "bigger", "best"):
        write_finished_run(tmp_path, name, "2025-02-22T14:05:30")
    with TerminalSession(tmp_path) as terminal:
        terminal.wait_for("train loss ─ 2.5")
        for keys, shown in [("/big", "1 of 3 runs"), ("nhello", "hello"), ("tdraft", "draft")]:
            terminal.press(keys)
            terminal.wait_for(shown)
            terminal.press("\x1b")
            terminal.wait_for(lambda shown=shown: shown not in terminal.text())
