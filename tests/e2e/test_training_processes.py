"""The tracker in real processes that are killed, forked, interrupted, and started all at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from traintop import RunStatus
from traintop.store.run import Run

PREAMBLE = """
import os, sys, time
from traintop import ExperimentTracker, ExperimentConfig
tracker = ExperimentTracker(ExperimentConfig(experiment_name="job"), sys.argv[1], quiet=True)
"""


def start(code: str, directory: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + code, str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def run_to_end(code: str, directory: Path) -> tuple[int, str]:
    process = start(code, directory)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def only_run(directory: Path) -> dict[str, Any]:
    [path] = directory.glob("experiment_*.json")
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.01)


def test_kill_9_keeps_all_that_is_half_a_second_old(tmp_path: Path) -> None:
    process = start(
        """
tracker.start()
for i in range(10**9):
    tracker.log_metrics(i, 1.0 / (i + 1))
    if i % 100 == 0:
        print(i, time.time(), flush=True)
    time.sleep(0.0005)
""",
        tmp_path,
    )
    assert process.stdout is not None
    logged = [process.stdout.readline().split() for _ in range(20)]
    process.kill()
    killed_at = time.time()
    logged += [line.split() for line in process.stdout.read().splitlines() if " " in line]
    process.wait()
    [path] = tmp_path.glob("experiment_*.json")
    history = Run(path).history()
    due = [int(i) for i, moment in logged if float(moment) < killed_at - 0.5]
    assert due
    assert set(range(max(due) + 1)) <= {int(i) for i in history.columns["iteration"]}
    wait_until(lambda: Run(path).summary().status is RunStatus.CRASHED, 5.0)
    assert Run(path).summary().count == len(history)


def test_eight_processes_of_one_name_in_one_second_make_eight_files(tmp_path: Path) -> None:
    code = """
sys.stdin.readline()
with tracker:
    for i in range(20):
        tracker.log_metrics(i, float(os.getpid()))
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + code, str(tmp_path)], stdin=subprocess.PIPE
        )
        for _ in range(8)
    ]
    for process in processes:
        process.communicate(b"go\n", timeout=60)
    paths = list(tmp_path.iterdir())
    assert len(paths) == 8
    documents = [json.loads(path.read_text()) for path in paths]
    assert {document["run"]["pid"] for document in documents} == {p.pid for p in processes}
    for document in documents:
        assert [r["train_loss"] for r in document["metrics_history"]] == [
            document["run"]["pid"]
        ] * 20


def test_a_process_that_ends_without_finish_is_flushed(tmp_path: Path) -> None:
    code, errors = run_to_end("tracker.start()\ntracker.log_metrics(0, 1.0)", tmp_path)
    assert (code, errors) == (0, "")
    run = only_run(tmp_path)
    assert run["count"] == 1
    assert run["status"] == "interrupted"
    assert "finish()" in run["error"]


@pytest.mark.parametrize(
    ("last_line", "status", "error"),
    [
        ("raise ValueError('out of data')", "failed", "ValueError: out of data"),
        ("raise KeyboardInterrupt", "interrupted", "KeyboardInterrupt"),
    ],
)
def test_an_uncaught_exception_is_recorded(
    tmp_path: Path, last_line: str, status: str, error: str
) -> None:
    code, _ = run_to_end(f"tracker.start()\ntracker.log_metrics(0, 1.0)\n{last_line}", tmp_path)
    assert code != 0
    run = only_run(tmp_path)
    assert (run["status"], run["error"], run["count"]) == (status, error, 1)


def test_ctrl_c_in_a_with_block_is_an_interruption(tmp_path: Path) -> None:
    process = start(
        """
import signal
# Also where the tests run in a shell's background, whose processes ignore ctrl+c.
signal.signal(signal.SIGINT, signal.default_int_handler)
with tracker:
    for i in range(10**9):
        tracker.log_metrics(i, 1.0)
        if i == 10:
            print("ready", flush=True)
        time.sleep(0.001)
""",
        tmp_path,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) != 0
    assert only_run(tmp_path)["status"] == "interrupted"


def test_forked_children_never_write(tmp_path: Path) -> None:
    code, errors = run_to_end(
        """
import warnings
# Python 3.12 and later warn of any fork beside a thread, ours being the writer's.
warnings.simplefilter("ignore", DeprecationWarning)
tracker.start()
for i in range(100):
    tracker.log_metrics(i, 1.0)
children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        for i in range(1000):
            tracker.log_metrics(i, -1.0)
        tracker.log_eval(0, val_loss=-1.0)
        tracker.finish()
        tracker.save()
        sys.exit(0)
    children.append(pid)
for i in range(100, 200):
    tracker.log_metrics(i, 1.0)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
tracker.finish()
""",
        tmp_path,
    )
    assert (code, errors) == (0, "")
    run = only_run(tmp_path)
    assert [record["train_loss"] for record in run["metrics_history"]] == [1.0] * 200
    assert run["status"] == "finished"


def test_a_lingering_child_does_not_keep_the_run_locked(tmp_path: Path) -> None:
    process = start(
        """
tracker.start()
tracker.log_metrics(0, 1.0)
tracker.save()
if os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(60)
    os._exit(0)
time.sleep(60)
""",
        tmp_path,
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    try:
        code, errors = run_to_end(
            """
with ExperimentTracker.resume("job", sys.argv[1], quiet=True) as resumed:
    resumed.log_metrics(1, 2.0)
""",
            tmp_path,
        )
    finally:
        os.kill(child, signal.SIGKILL)
    assert (code, errors) == (0, "")
    assert only_run(tmp_path)["count"] == 2


def test_a_killed_run_resumes_and_replays(tmp_path: Path) -> None:
    process = start(
        """
tracker.start()
for i in range(500):
    tracker.log_metrics(i, 1.0)
tracker.save()
print("saved", flush=True)
time.sleep(60)
""",
        tmp_path,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait()
    code, errors = run_to_end(
        """
with ExperimentTracker.resume("job", sys.argv[1], gradient_step=300, quiet=True) as resumed:
    for i in range(300, 600):
        resumed.log_metrics(i, 2.0)
""",
        tmp_path,
    )
    assert (code, errors) == (0, "")
    [path] = tmp_path.iterdir()
    history = Run(path).history()
    assert list(history.columns["iteration"]) == list(range(600))
    assert list(history.columns["train_loss"]) == [1.0] * 300 + [2.0] * 300
    summary = Run(path).summary()
    assert (summary.count, summary.status) == (600, RunStatus.FINISHED)


def test_a_heartbeat_is_written_while_nothing_is_logged(tmp_path: Path) -> None:
    process = start(
        """
import traintop.tracking.writer as writer
writer.HEARTBEAT_SECONDS = 0.05
tracker.start()
time.sleep(60)
""",
        tmp_path,
    )
    try:
        wait_until(lambda: list(tmp_path.glob("*.json")))
        first = only_run(tmp_path)["updated_at"]
        wait_until(lambda: only_run(tmp_path)["updated_at"] > first)
    finally:
        process.kill()
        process.wait()
