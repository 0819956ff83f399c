"""Real training processes, to be killed, forked, interrupted, and started all at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.waiting import TIMEOUT

PREAMBLE = """
import os, signal, sys, threading, time, warnings
from traintop import ExperimentTracker, ExperimentConfig

# Also where the tests run in a shell's background, whose processes ignore ctrl+c.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Python 3.12 and later warn of any fork beside a thread, ours being the writer's.
warnings.simplefilter("ignore", DeprecationWarning)
tracker = ExperimentTracker(ExperimentConfig(experiment_name="job"), sys.argv[1], quiet=True)
"""

TRAINS = """
tracker.start()
for i in range(10**9):
    tracker.log_metrics(i, 1.0)
    if i == 10:
        print("ready", flush=True)
    time.sleep(0.001)
"""
"""Code that trains until it is stopped, and says when it has begun."""


def start(code: str, directory: Path, *arguments: str) -> subprocess.Popen[str]:
    """A process that runs code with a ``tracker`` of a run "job" in a directory."""
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + code, str(directory), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_to_end(code: str, directory: Path, *arguments: str) -> tuple[int, str]:
    """The exit status and the errors of such a process."""
    process = start(code, directory, *arguments)
    _, errors = process.communicate(timeout=TIMEOUT)
    return process.returncode, errors


def next_line(process: subprocess.Popen[str]) -> str:
    """The next line that a process prints."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        assert process.stderr is not None
        raise AssertionError(f"the process ended: {process.stderr.read()}")
    return line.strip()


def started_together(code: str, directory: Path, count: int) -> list[subprocess.Popen[str]]:
    """Processes that go on at once: each says a line, and reads a character when all have."""
    processes = [start(code, directory) for _ in range(count)]
    for process in processes:
        next_line(process)
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("g")
        process.stdin.flush()
    return processes


def is_alive(pid: int) -> bool:
    """Whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def only_run(directory: Path) -> dict[str, Any]:
    """
    The one run of a directory that nobody writes any more, as ``json.load`` has it.

    A live file may be met before its first flush, or within one: ``OpenedRun`` reads those.
    """
    [path] = directory.glob("experiment_*.json")
    document: dict[str, Any] = json.loads(path.read_text())
    return document
