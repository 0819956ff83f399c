"""However the program is ended, it leaves the terminal and the files as they should be."""

from __future__ import annotations

import signal
import time
from datetime import datetime
from pathlib import Path

import pytest
from terminal_session import PROGRAM, TerminalSession
from tests.benchmarks.generated_runs import write_run

START = datetime.fromisoformat("2025-02-22T14:00:00")


@pytest.mark.parametrize("end", ["key", "SIGTERM", "SIGHUP"])
def test_an_export_finished_while_quitting_is_whole_and_printed(tmp_path, end):
    logs = tmp_path / "logs"
    logs.mkdir()
    records = 50_000
    run = write_run(logs, "long", records, START)
    with TerminalSession(logs, working_directory=tmp_path, columns=200) as terminal:
        terminal.wait_for("done")
        terminal.press("e\x11" if end == "key" else "e")
        if end != "key":
            terminal.wait_for(lambda: list(tmp_path.glob(".traintop-*")))
            terminal.send_signal(signal.Signals[end])
        code = terminal.exit_code()
    assert code == (0 if end == "key" else 128 + signal.Signals[end])
    (written,) = tmp_path.glob("*.csv")
    assert written.read_bytes().count(b"\n") == records + 1
    after = terminal.received.rpartition(b"\x1b[?1049l")[2].decode()
    assert f"wrote {tmp_path / run.stem}.csv" in after


def test_it_ends_when_a_stuck_terminal_is_gone(tmp_path):
    for name in ("a", "b", "c"):
        write_run(tmp_path, name, 10, START)
    # Textual lets thirty writes wait: they take a busy machine a minute.
    sooner = """
from textual.drivers import _writer_thread
from traintop import terminal
_writer_thread.MAX_QUEUED_WRITES = 2
terminal._SECONDS_TO_END = 0.5
"""
    with TerminalSession(
        tmp_path,
        columns=200,
        lines=60,
        environment={"TRAINTOP_DRIVER": "plain"},  # ours sends no frame before its answer
        program=sooner + PROGRAM,
    ) as terminal:
        terminal.wait_for("3 runs")
        main_thread = Path(f"/proc/{terminal.pid}/schedstat")
        rests = 0
        while rests < 3:  # nobody reads what these draw
            before = main_thread.read_bytes()
            terminal.press("\x14")
            time.sleep(0.1)
            rests = rests + 1 if main_thread.read_bytes() == before else 0
        assert terminal.hang_up() == 128 + signal.SIGHUP


def test_it_ends_when_the_terminal_is_gone(tmp_path):
    write_run(tmp_path, "plain", 10, START)
    with TerminalSession(tmp_path) as terminal:
        terminal.wait_for("done")
        assert terminal.hang_up() == 128 + signal.SIGHUP


def test_it_ends_when_the_terminal_is_gone_at_the_start(tmp_path):
    hung_up = """
import select
terminal = select.poll()
terminal.register(0, 0)
terminal.poll()
"""
    with TerminalSession(tmp_path, program=hung_up + PROGRAM) as terminal:
        assert terminal.hang_up() == 128 + signal.SIGHUP
