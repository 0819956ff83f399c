"""A terminal that only writes lines, such as a shell in an editor, gets words and no sequences."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from tests.benchmarks.generated_runs import write_run


def printed(*arguments: object, terminal: str) -> tuple[int, str]:
    """The exit code of a command in a terminal of that name, and what it wrote there."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "traintop", *map(str, arguments)]
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": terminal}
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment) as one:
        os.close(slave)
        written = bytearray()
        try:
            while part := os.read(master, 65536):
                written += part
        except OSError:  # the program has ended
            pass
    os.close(master)
    return one.returncode, written.decode()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("logs")
    write_run(directory, "plain", 100, datetime.fromisoformat("2025-02-22T14:00:00"))
    return directory


def test_watching_a_dumb_terminal_names_the_alternatives(logs: Path) -> None:
    code, said = printed(logs, terminal="dumb")
    assert code == 1
    assert "\x1b" not in said
    assert "(TERM=dumb) cannot show the UI; use `traintop list`" in said


@pytest.mark.parametrize("arguments", [("list",), ("plot",), ("doctor",)])
def test_printed_text_has_no_colours_on_a_dumb_terminal(
    logs: Path, arguments: tuple[str, ...]
) -> None:
    _, said = printed(*arguments, logs, terminal="dumb")
    assert said.strip()
    assert "\x1b" not in said


def test_a_chart_has_colours_on_a_colour_terminal(logs: Path) -> None:
    _, said = printed("plot", logs, terminal="xterm-256color")
    assert "\x1b[" in said
