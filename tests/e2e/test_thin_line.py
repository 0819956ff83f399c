"""The program over a line that takes less than there is to show, with runs that go on meanwhile.

The long form of the first test: `tests.faults.thin_line`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.e2e.terminal_session import TerminalSession
from tests.faults.thin_line import ANSWER, QUERY, Line, Trial, training

RUNS = Path(__file__).parents[2] / "experiment_logs"
THIN = 20_000.0


@pytest.mark.parametrize("answers", [True, False], ids=["answers", "silent"])
def test_the_screen_is_what_was_drawn(tmp_path, answers):
    with Trial(tmp_path, Line(THIN, 0.1, answers), seed=4) as trial:
        for _ in range(3):
            trial.burst()


def test_what_is_over_a_dialog_goes_away(tmp_path):
    with training(tmp_path), TerminalSession(tmp_path) as terminal:
        terminal.wait_for("live-3")
        terminal.press("n")
        terminal.wait_for("save")
        terminal.draw("\x1b[5;1H\x1b[7mBroadcast message\x1b[m")
        terminal.press("\x0c")
        terminal.wait_for(lambda: "Broadcast" not in terminal.text())


def test_a_size_that_was_missed_is_taken_when_all_is_drawn(tmp_path):
    with training(tmp_path), TerminalSession(tmp_path, columns=100, lines=30) as terminal:
        terminal.wait_for("live-3")
        terminal.resize(80, 24, signals=False)
        terminal.press("\x0c")
        terminal.wait_for(lambda: "quit" in terminal.text().splitlines()[-1])


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
        # An answer that came so late tells of a thin line, so the frame may be a part only.
        terminal.wait_for("closes")


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


def test_gnu_screen_gets_what_it_understands(tmp_path):
    # It would keep escape until the next key, and take colours of 24 bits for others.
    environment = {"STY": "1.pts-0.host", "COLORTERM": "truecolor"}
    with training(tmp_path), TerminalSession(tmp_path, environment=environment) as terminal:
        terminal.wait_for("live-3")
        received = bytes(terminal.received)
    assert b"\x1b[?1000h" not in received
    assert b";5;" in received
    assert b";2;" not in b"".join(re.findall(rb"\x1b\[([\d;]*)m", received))


def test_few_bytes_show_a_run_that_goes_on(tmp_path):
    with training(tmp_path), TerminalSession(tmp_path, columns=160, lines=48) as terminal:
        terminal.wait_for("live-3")
        terminal.bytes_within(2.0)
        assert terminal.bytes_within(4.0) < 4 * 7_000
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
        terminal.wait_for(lambda: len(terminal.received) > before)
        terminal.wait_until_quiet(1.5)
        assert len(terminal.received) - before <= key
